/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a port reachable: which ARP, neighbour discovery and echo is for us. */
#include "responder/frame/wire.h"

#include <string.h>

enum {
	ARP_ETHERNET = 1,
	ARP_REQUEST = 1,
};

static void local(const struct packet *p, enum stele_frame_local what, struct stele_frame *ret)
{
	frame_verdict(ret, STELE_FRAME_LOCAL, what);
	ret->l3_off = p->l3_off;
}

/* Hardware and protocol type, their sizes, operation: "ask for an IPv4 address on Ethernet". */
static bool is_arp_request(const uint8_t *arp)
{
	return stele_get_be64(arp) ==
	       ((uint64_t)ARP_ETHERNET << 48 | (uint64_t)ETHERTYPE_IPV4 << 32 | 6 << 24 | 4 << 16 |
		ARP_REQUEST);
}

FRAME_COLD void stele_frame_parse_arp(const struct packet *p, struct stele_frame *ret)
{
	const uint8_t *arp = p->l3;
	if (p->len < ARP_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_SHORT);
	const uint8_t *sender_mac = arp + 8, *sender = arp + 14, *target = arp + 24;
	if ((p->port->flags & STELE_FRAME_KERNEL_LOCAL) != 0 || !is_arp_request(arp) ||
	    find4(p->port, stele_get_le32(target)) != SLOT_SERVICE)
		return frame_punt(ret, STELE_FRAME_PUNT_ARP);
	/* Somebody else claims one of our addresses: the kernel sees and logs conflicts. */
	if (find4(p->port, stele_get_le32(sender)) == SLOT_SERVICE)
		return frame_punt(ret, STELE_FRAME_PUNT_ARP);
	/* A sender of 0.0.0.0 asks whether the address is free (RFC 5227): it is not. */
	if ((sender_mac[0] & 1) != 0 || memcmp(sender_mac, p->port->mac, 6) == 0 ||
	    (source4_is_forged(p->port, sender) && stele_get_le32(sender) != 0))
		return frame_drop(ret, STELE_FRAME_DROP_ARP);
	local(p, STELE_FRAME_LOCAL_ARP, ret);
}

FRAME_COLD void stele_frame_parse_icmp4(const struct packet *p, struct stele_frame *ret)
{
	const uint8_t *icmp = p->l3 + IPV4_SZ;
	uint32_t len = p->len - IPV4_SZ;
	if ((p->port->flags & STELE_FRAME_KERNEL_LOCAL) != 0 || len < 2 ||
	    icmp[0] != ICMP4_ECHO_REQUEST || icmp[1] != 0)
		return frame_punt(ret, STELE_FRAME_PUNT_ICMP);
	if (source4_is_forged(p->port, p->l3 + 12))
		return frame_drop(ret, STELE_FRAME_DROP_SOURCE_ADDRESS);
	if (len < ICMP_ECHO_SZ || sum_fold(sum_bytes(icmp, len)) != 0xffff)
		return frame_drop(ret, STELE_FRAME_DROP_ICMP);
	local(p, STELE_FRAME_LOCAL_ECHO4, ret);
}

static bool icmp6_sum_is_right(const struct packet *p)
{
	uint32_t len = p->len - IPV6_SZ;
	return sum_fold(sum_bytes(p->l3 + 8, 32 + len) + sum_pseudo(PROTO_ICMP6, len)) == 0xffff;
}

/* ff02::1:ff00:0/104 and the last three bytes of `address` (RFC 4291 section 2.7.1). */
static bool is_solicited_node(const uint8_t *group, const uint8_t *address)
{
	static const uint8_t prefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	return memcmp(group, prefix, sizeof(prefix)) == 0 &&
	       memcmp(group + 13, address + 13, 3) == 0;
}

/* RFC 4861 section 7.1.1: all that makes a solicitation valid. Its target is ours. */
static bool solicitation_is_valid(const struct packet *p)
{
	const uint8_t *ip = p->l3, *source = ip + 8, *destination = ip + 24, *nd = ip + IPV6_SZ;
	uint32_t len = p->len - IPV6_SZ;
	if (ip[7] != ND_HOP_LIMIT || nd[1] != 0 || !icmp6_sum_is_right(p))
		return false;
	bool has_source_option = false;
	for (uint32_t off = ND_SZ; off < len;) {
		if (len - off < ND_OPTION_SZ || nd[off + 1] == 0 || 8u * nd[off + 1] > len - off)
			return false;
		has_source_option |= nd[off] == ND_OPTION_SOURCE;
		off += 8u * nd[off + 1];
	}
	if ((stele_get_le64(source) | stele_get_le64(source + 8)) != 0)
		return !source6_is_forged(p->port, source);
	/* Somebody looks whether the address is free (RFC 4862 section 5.4). */
	return is_solicited_node(destination, nd + 8) && !has_source_option;
}

FRAME_COLD void stele_frame_parse_icmp6(const struct packet *p, bool to_service,
					struct stele_frame *ret)
{
	const uint8_t *icmp = p->l3 + IPV6_SZ;
	uint32_t len = p->len - IPV6_SZ;
	enum stele_frame_punt_reason not_ours = to_service ? STELE_FRAME_PUNT_ICMP :
							     STELE_FRAME_PUNT_GROUP;
	if ((p->port->flags & STELE_FRAME_KERNEL_LOCAL) != 0 || len < 2)
		return frame_punt(ret, not_ours);
	if (icmp[0] == ICMP6_NEIGHBOUR_SOLICITATION) {
		if (len < ND_SZ || !find6(p->port, icmp + 8))
			return frame_punt(ret, STELE_FRAME_PUNT_ICMP);
		if (!solicitation_is_valid(p))
			return frame_drop(ret, STELE_FRAME_DROP_ICMP);
		return local(p, STELE_FRAME_LOCAL_NS, ret);
	}
	if (!to_service || icmp[0] != ICMP6_ECHO_REQUEST || icmp[1] != 0)
		return frame_punt(ret, not_ours);
	if (source6_is_forged(p->port, p->l3 + 8))
		return frame_drop(ret, STELE_FRAME_DROP_SOURCE_ADDRESS);
	if (len < ICMP_ECHO_SZ || !icmp6_sum_is_right(p))
		return frame_drop(ret, STELE_FRAME_DROP_ICMP);
	local(p, STELE_FRAME_LOCAL_ECHO6, ret);
}
