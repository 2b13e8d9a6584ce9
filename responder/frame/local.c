/* SPDX-License-Identifier: Apache-2.0 */
/* Replies to what neighbour.c found to be ours, and announcements. */
#include "responder/frame/wire.h"

#include <string.h>

enum {
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ND_SOLICITED = 0x40,
	ND_OVERRIDE = 0x20,
	NA_SZ = ND_SZ + ND_OPTION_SZ,
};

static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
/* ff02::1, and the MAC that RFC 2464 section 7 gives it. */
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

static void put_macs(const struct stele_frame_port *port, uint8_t *frame, const uint8_t to[6])
{
	memmove(frame, to, 6);
	memcpy(frame + 6, port->mac, 6);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t sz)
{
	uint8_t held[16];
	memcpy(held, a, sz);
	memcpy(a, b, sz);
	memcpy(b, held, sz);
}

static void put_arp(const struct stele_frame_port *port, uint8_t *arp, unsigned operation,
		    const uint8_t address[4])
{
	stele_put_be64(arp, UINT64_C(1) << 48 | (uint64_t)ETHERTYPE_IPV4 << 32 | 6 << 24 | 4 << 16 |
				    operation);
	memcpy(arp + 8, port->mac, 6);
	memcpy(arp + 14, address, 4);
}

static uint32_t reply_arp(const struct stele_frame_port *port, uint8_t *arp)
{
	uint8_t asked[4];
	memcpy(asked, arp + 24, 4);
	memmove(arp + 18, arp + 8, 10);
	put_arp(port, arp, ARP_REPLY, asked);
	return ARP_SZ;
}

/* IPv6 header and neighbour advertisement (RFC 4861 section 4.4). */
static uint32_t put_advertisement(const struct stele_frame_port *port, uint8_t *ip,
				  const uint8_t address[16], const uint8_t to[16], uint32_t flags)
{
	uint8_t *nd = ip + IPV6_SZ;
	stele_put_be64(ip, UINT64_C(6) << 60 | NA_SZ << 16 | PROTO_ICMP6 << 8 | ND_HOP_LIMIT);
	memcpy(ip + 8, address, 16);
	memcpy(ip + 24, to, 16);
	stele_put_be32(nd, (uint32_t)ICMP6_NEIGHBOUR_ADVERTISEMENT << 24);
	stele_put_be32(nd + 4, flags << 24);
	memcpy(nd + 8, address, 16);
	nd[ND_SZ] = ND_OPTION_TARGET;
	nd[ND_SZ + 1] = ND_OPTION_SZ / 8;
	memcpy(nd + ND_SZ + 2, port->mac, 6);
	uint64_t sum = sum_bytes(ip + 8, 32 + NA_SZ) + sum_pseudo(PROTO_ICMP6, NA_SZ);
	stele_put_le16(nd + 2, (uint16_t)~sum_fold(sum));
	return IPV6_SZ + NA_SZ;
}

static uint32_t reply_solicitation(const struct stele_frame_port *port, uint8_t *frame, uint8_t *ip)
{
	uint8_t target[16], source[16];
	memcpy(target, ip + IPV6_SZ + 8, 16);
	memcpy(source, ip + 8, 16);
	if ((stele_get_le64(source) | stele_get_le64(source + 8)) != 0)
		return put_advertisement(port, ip, target, source, ND_SOLICITED | ND_OVERRIDE);
	/* Who asks has no address yet: all nodes hear that this one is taken. */
	put_macs(port, frame, all_nodes_mac);
	return put_advertisement(port, ip, target, all_nodes, ND_OVERRIDE);
}

/* RFC 1624: what the checksum becomes when the first word grows by `step`, in one's complement. */
static void adjust_sum(uint8_t *check, uint32_t step)
{
	uint32_t sum = stele_get_be16(check) + (~step & 0xffff);
	stele_put_be16(check, (uint16_t)((sum & 0xffff) + (sum >> 16)));
}

static uint32_t reply_echo4(uint8_t *ip)
{
	uint8_t *icmp = ip + IPV4_SZ;
	swap_bytes(ip + 12, ip + 16, 4);
	ip[6] &= 0x40; /* DF alone; the parser lets a reserved bit pass */
	ip[8] = HOP_LIMIT;
	stele_put_be16(ip + 10, 0);
	stele_put_le16(ip + 10, (uint16_t)~sum_fold(sum_bytes(ip, IPV4_SZ)));
	icmp[0] = ICMP4_ECHO_REPLY;
	/* 0x0800 less is 0xf7ff more. */
	adjust_sum(icmp + 2, 0xf7ff);
	return stele_get_be16(ip + 2);
}

static uint32_t reply_echo6(uint8_t *ip)
{
	uint8_t *icmp = ip + IPV6_SZ;
	swap_bytes(ip + 8, ip + 24, 16);
	ip[7] = HOP_LIMIT;
	icmp[0] = ICMP6_ECHO_REPLY;
	adjust_sum(icmp + 2, 0x0100);
	return IPV6_SZ + stele_get_be16(ip + 4);
}

uint32_t stele_frame_local_reply(const struct stele_frame_port *port, const struct stele_frame *f,
				 uint8_t *frame)
{
	assert(f->verdict == STELE_FRAME_LOCAL);
	uint8_t *l3 = frame + f->l3_off;
	put_macs(port, frame, frame + 6);
	uint32_t len = 0;
	switch ((enum stele_frame_local)f->reason) {
	case STELE_FRAME_LOCAL_ARP:
		len = reply_arp(port, l3);
		break;
	case STELE_FRAME_LOCAL_NS:
		len = reply_solicitation(port, frame, l3);
		break;
	case STELE_FRAME_LOCAL_ECHO4:
		len = reply_echo4(l3);
		break;
	case STELE_FRAME_LOCAL_ECHO6:
		len = reply_echo6(l3);
		break;
	case STELE_FRAME_LOCAL_CNT:
		break;
	}
	return f->l3_off + len;
}

uint32_t stele_frame_announce(const struct stele_frame_port *port, unsigned index, uint8_t *frame)
{
	const struct stele_client *address = &port->addresses[index].address;
	bool is_ipv4 = address->family == 4;
	uint32_t l3_off = ETH_SZ;
	put_macs(port, frame, is_ipv4 ? broadcast_mac : all_nodes_mac);
	if (port->vlan_id != 0 && (port->flags & STELE_FRAME_TX_VLAN) == 0) {
		stele_put_be16(frame + ETH_TYPE_OFF, ETHERTYPE_VLAN);
		stele_put_be16(frame + ETH_SZ, port->vlan_id);
		l3_off += VLAN_TAG_SZ;
	}
	stele_put_be16(frame + l3_off - 2, is_ipv4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6);
	uint8_t *l3 = frame + l3_off;
	if (!is_ipv4)
		return l3_off + put_advertisement(port, l3, address->addr, all_nodes, ND_OVERRIDE);
	put_arp(port, l3, ARP_REQUEST, address->addr);
	memset(l3 + 18, 0, 6);
	memcpy(l3 + 24, address->addr, 4);
	return l3_off + ARP_SZ;
}
