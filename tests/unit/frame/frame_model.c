/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/frame/frame_model.h"

#include "tests/unit/frame/frame_bytes.h"

#include <string.h>

const uint8_t frame_model_mac[6] = {0x02, 0x53, 0, 0, 0, 1};
const uint8_t frame_model_peer[6] = {0x02, 0x99, 0x88, 0x77, 0x66, 0x55};

static const struct stele_frame_address addresses[] = {
	{{4, {10, 53, 0, 2}}, 24},
	{{4, {192, 0, 2, 1}}, 32},
	{{4, {192, 0, 2, 2}}, 0},
	{{6, {0xfd, 0x53, [15] = 2}}, 64},
	{{6, {0x20, 1, 0x0d, 0xb8, [15] = 1}}, 128},
};

const struct stele_frame_settings frame_model_settings = {
	.mac = {0x02, 0x53, 0, 0, 0, 1},
	.mtu = 1500,
	.addresses = addresses,
	.address_cnt = sizeof(addresses) / sizeof(addresses[0]),
	.udp_ports = {53, 5353},
	.udp_port_cnt = 2,
	.reflector_ports = stele_frame_reflector_ports,
	.reflector_port_cnt = 5,
};

uint32_t frame_model_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint32_t frame_transport_sum(const uint8_t *ip, unsigned proto, const uint8_t *p, uint32_t len)
{
	uint32_t sum = proto + len;
	sum = ip[0] >> 4 == 4 ? frame_model_sum(sum, ip + 12, 8) : frame_model_sum(sum, ip + 8, 32);
	return frame_model_sum(sum, p, len);
}

enum address_kind { FOREIGN, SERVICE, BROADCAST };

static enum address_kind kind4(const struct stele_frame_settings *s, const uint8_t *address)
{
	enum address_kind kind = FOREIGN;
	for (unsigned i = 0; i < s->address_cnt; i++) {
		const struct stele_frame_address *a = &s->addresses[i];
		if (a->address.family != 4)
			continue;
		if (memcmp(a->address.addr, address, 4) == 0)
			return SERVICE;
		bool same = a->prefix_len > 0 && a->prefix_len < 31;
		for (unsigned bit = 0; bit < 32; bit++) {
			unsigned mask = 0x80 >> bit % 8;
			unsigned expected = bit < a->prefix_len ? a->address.addr[bit / 8] : 0xff;
			if ((address[bit / 8] & mask) != (expected & mask))
				same = false;
		}
		if (same)
			kind = BROADCAST;
	}
	return kind;
}

static bool is_ours6(const struct stele_frame_settings *s, const uint8_t *address)
{
	for (unsigned i = 0; i < s->address_cnt; i++)
		if (s->addresses[i].address.family == 6 &&
		    memcmp(s->addresses[i].address.addr, address, 16) == 0)
			return true;
	return false;
}

static bool forged4(const struct stele_frame_settings *s, const uint8_t *a)
{
	return a[0] == 0 || a[0] == 127 || a[0] >= 224 || kind4(s, a) != FOREIGN;
}

static bool forged6(const struct stele_frame_settings *s, const uint8_t *a)
{
	static const uint8_t zero[8];
	return a[0] == 0xff || memcmp(a, zero, 8) == 0 || is_ours6(s, a);
}

#define DROP(why)                                                                                  \
	do {                                                                                       \
		ret->verdict = STELE_FRAME_DROP;                                                   \
		ret->reason = STELE_FRAME_DROP_##why;                                              \
		return;                                                                            \
	} while (0)
#define PUNT(why)                                                                                  \
	do {                                                                                       \
		ret->verdict = STELE_FRAME_PUNT;                                                   \
		ret->reason = STELE_FRAME_PUNT_##why;                                              \
		return;                                                                            \
	} while (0)
#define LOCAL(what)                                                                                \
	do {                                                                                       \
		ret->verdict = STELE_FRAME_LOCAL;                                                  \
		ret->reason = STELE_FRAME_LOCAL_##what;                                            \
		ret->l3_off = (uint8_t)l3;                                                         \
		return;                                                                            \
	} while (0)

static void read_arp(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t len,
		     uint32_t l3, struct stele_frame *ret)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1}, zero[4];
	if (len < l3 + 28)
		DROP(SHORT);
	const uint8_t *arp = frame + l3;
	if (s->flags & STELE_FRAME_KERNEL_LOCAL || memcmp(arp, request, 8) != 0)
		PUNT(ARP);
	if (kind4(s, arp + 24) != SERVICE || kind4(s, arp + 14) == SERVICE)
		PUNT(ARP);
	if (arp[8] & 1 || memcmp(arp + 8, s->mac, 6) == 0)
		DROP(ARP);
	if (memcmp(arp + 14, zero, 4) != 0 && forged4(s, arp + 14))
		DROP(ARP);
	LOCAL(ARP);
}

static void read_udp(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t l3,
		     uint32_t header, uint32_t total, uint32_t cap, uint32_t offload,
		     struct stele_frame *ret)
{
	const uint8_t *ip = frame + l3, *udp = ip + header;
	bool is_ipv4 = header == 20;
	if (total - header < 8)
		DROP(UDP_LENGTH);
	bool for_us = false;
	for (unsigned i = 0; i < s->udp_port_cnt; i++)
		for_us |= get16(udp + 2) == s->udp_ports[i];
	if (!for_us)
		PUNT(UDP_PORT);
	if (is_ipv4 ? forged4(s, ip + 12) : forged6(s, ip + 8))
		DROP(SOURCE_ADDRESS);
	bool reflects = get16(udp) == 0;
	for (unsigned i = 0; i < s->reflector_port_cnt; i++)
		reflects |= get16(udp) == s->reflector_ports[i];
	if (reflects)
		DROP(SOURCE_PORT);
	uint32_t udp_len = get16(udp + 4);
	if (udp_len < 8 || udp_len > total - header)
		DROP(UDP_LENGTH);
	bool absent = get16(udp + 6) == 0, good = (offload & STELE_FRAME_RX_UDP_GOOD) != 0;
	if (absent && !is_ipv4)
		DROP(UDP_CHECKSUM);
	if (!absent && !good && frame_transport_sum(ip, 17, udp, udp_len) != 0xffff)
		DROP(UDP_CHECKSUM);
	uint32_t room = cap - l3 < s->mtu ? cap - l3 : s->mtu;
	ret->verdict = STELE_FRAME_QUERY;
	ret->reason = 0;
	ret->family = is_ipv4 ? 4 : 6;
	ret->l3_off = (uint8_t)l3;
	ret->payload_off = (uint16_t)(l3 + header + 8);
	ret->payload_len = (uint16_t)(udp_len - 8);
	ret->payload_max = (uint16_t)(room - header - 8);
	ret->client_port = (uint16_t)get16(udp);
}

static void read_ipv4(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t len,
		      uint32_t l3, uint32_t cap, uint32_t offload, struct stele_frame *ret)
{
	const uint8_t *ip = frame + l3;
	uint32_t here = len - l3;
	if (here < 20)
		DROP(SHORT);
	uint32_t header = 4u * (ip[0] & 15), total = get16(ip + 2);
	if (ip[0] >> 4 != 4 || header < 20)
		DROP(IP_HEADER);
	if (total < header || total > here)
		DROP(IP_LENGTH);
	if (total > s->mtu)
		DROP(TOO_LONG);
	enum address_kind to = kind4(s, ip + 16);
	if (to == BROADCAST || ip[16] >= 224)
		PUNT(GROUP);
	if (to == FOREIGN)
		PUNT(ADDRESS);
	if (frame[0] & 1)
		DROP(LINK_GROUP);
	unsigned proto = ip[9];
	bool is_fragment = (ip[6] & 0x20) != 0 || (ip[6] & 0x1f) != 0 || ip[7] != 0;
	if (is_fragment && (proto == 17 || proto == 1))
		DROP(FRAGMENT);
	if (header > 20)
		PUNT(OPTIONS);
	if (proto == 6)
		PUNT(TCP);
	if (proto != 17 && proto != 1)
		PUNT(PROTOCOL);
	/* The NIC's word is taken for queries only; an echo is rare enough to be looked at. */
	if ((proto == 1 || (offload & STELE_FRAME_RX_IP_GOOD) == 0) &&
	    frame_model_sum(0, ip, 20) != 0xffff)
		DROP(IP_CHECKSUM);
	if (proto == 17) {
		read_udp(s, frame, l3, 20, total, cap, offload, ret);
		return;
	}
	const uint8_t *icmp = ip + 20;
	uint32_t icmp_len = total - 20;
	if (s->flags & STELE_FRAME_KERNEL_LOCAL || icmp_len < 2 || icmp[0] != 8 || icmp[1] != 0)
		PUNT(ICMP);
	if (forged4(s, ip + 12))
		DROP(SOURCE_ADDRESS);
	if (icmp_len < 8 || frame_model_sum(0, icmp, icmp_len) != 0xffff)
		DROP(ICMP);
	LOCAL(ECHO4);
}

static bool solicitation_holds(const struct stele_frame_settings *s, const uint8_t *ip,
			       uint32_t len)
{
	static const uint8_t zero[16];
	const uint8_t *nd = ip + 40;
	uint8_t group[16] = {0xff, 2, [11] = 1, 0xff};
	memcpy(group + 13, nd + 8 + 13, 3);
	if (ip[7] != 255 || nd[1] != 0 || frame_transport_sum(ip, 58, nd, len) != 0xffff)
		return false;
	bool has_source = false;
	uint32_t at = 24;
	while (at < len) {
		if (at + 8 > len || nd[at + 1] == 0 || at + 8u * nd[at + 1] > len)
			return false;
		if (nd[at] == 1)
			has_source = true;
		at += 8u * nd[at + 1];
	}
	if (memcmp(ip + 8, zero, 16) == 0)
		return memcmp(ip + 24, group, 16) == 0 && !has_source;
	return !forged6(s, ip + 8);
}

static void read_icmp6(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t l3,
		       uint32_t len, bool to_group, struct stele_frame *ret)
{
	const uint8_t *ip = frame + l3, *icmp = ip + 40;
	bool ours = (s->flags & STELE_FRAME_KERNEL_LOCAL) == 0 && len >= 2;
	if (ours && icmp[0] == 135) {
		if (len < 24 || !is_ours6(s, icmp + 8))
			PUNT(ICMP);
		if (!solicitation_holds(s, ip, len))
			DROP(ICMP);
		LOCAL(NS);
	}
	if (to_group)
		PUNT(GROUP);
	if (!ours || icmp[0] != 128 || icmp[1] != 0)
		PUNT(ICMP);
	if (forged6(s, ip + 8))
		DROP(SOURCE_ADDRESS);
	if (len < 8 || frame_transport_sum(ip, 58, icmp, len) != 0xffff)
		DROP(ICMP);
	LOCAL(ECHO6);
}

static bool is_extension(unsigned proto)
{
	static const uint8_t extensions[] = {0, 43, 44, 51, 60, 135, 139, 140};
	return memchr(extensions, (int)proto, sizeof(extensions)) != NULL;
}

static void read_chain(const uint8_t *ip, uint32_t total, struct stele_frame *ret)
{
	unsigned proto = ip[6];
	uint32_t at = 40;
	for (unsigned seen = 0; is_extension(proto); seen++) {
		if (seen == 8 || (proto == 0 && seen > 0) || at + 8 > total)
			DROP(EXTENSION);
		const uint8_t *h = ip + at;
		if (proto == 44 && (get16(h + 2) & 0xfff9) != 0) {
			if (h[0] == 17 || h[0] == 58 || is_extension(h[0]))
				DROP(FRAGMENT);
			PUNT(EXTENSION);
		}
		uint32_t sz = proto == 44 ? 8 : proto == 51 ? 4u * (h[1] + 2u) : 8u * (h[1] + 1u);
		if (at + sz > total)
			DROP(EXTENSION);
		proto = h[0];
		at += sz;
	}
	PUNT(EXTENSION);
}

static void read_ipv6(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t len,
		      uint32_t l3, uint32_t cap, uint32_t offload, struct stele_frame *ret)
{
	const uint8_t *ip = frame + l3;
	uint32_t here = len - l3;
	if (here < 40)
		DROP(SHORT);
	if (ip[0] >> 4 != 6)
		DROP(IP_HEADER);
	uint32_t total = 40 + get16(ip + 4);
	if (total > here)
		DROP(IP_LENGTH);
	if (total > s->mtu)
		DROP(TOO_LONG);
	unsigned proto = ip[6];
	bool to_group = ip[24] == 0xff;
	if (to_group && proto != 58)
		PUNT(GROUP);
	if (!to_group) {
		if (!is_ours6(s, ip + 24))
			PUNT(ADDRESS);
		if (frame[0] & 1)
			DROP(LINK_GROUP);
	}
	if (is_extension(proto)) {
		read_chain(ip, total, ret);
		return;
	}
	if (proto == 6)
		PUNT(TCP);
	if (proto == 58)
		read_icmp6(s, frame, l3, total - 40, to_group, ret);
	else if (proto == 17)
		read_udp(s, frame, l3, 40, total, cap, offload, ret);
	else
		PUNT(PROTOCOL);
}

static bool is_tag(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

void frame_model_parse(const struct stele_frame_settings *s, const uint8_t *frame, uint32_t len,
		       uint32_t cap, uint32_t offload, struct stele_frame *ret)
{
	if (len < 14)
		DROP(SHORT);
	if ((frame[0] & 1) == 0 && memcmp(frame, s->mac, 6) != 0)
		DROP(OTHER_HOST);
	if (frame[6] & 1 || memcmp(frame + 6, s->mac, 6) == 0)
		DROP(SOURCE_MAC);
	unsigned type = get16(frame + 12), vlan = 0;
	uint32_t l3 = 14;
	bool of_link = memcmp(frame, "\x01\x80\xc2\0\0", 5) == 0 && frame[5] < 16;
	bool stripped = (offload & STELE_FRAME_RX_VLAN) != 0;
	if (stripped)
		vlan = offload >> STELE_FRAME_RX_TCI_SHIFT & 0xfff;
	if (is_tag(type)) {
		if (len < 18)
			DROP(SHORT);
		if (stripped || is_tag(get16(frame + 16)))
			DROP(VLAN_NESTED);
		if (type != 0x8100 && s->vlan_id != 0)
			DROP(VLAN);
		if (type != 0x8100)
			PUNT(VLAN);
		of_link = false;
		vlan = get16(frame + 14) & 0xfff;
		type = get16(frame + 16);
		l3 = 18;
	}
	if (vlan != s->vlan_id && s->vlan_id == 0)
		PUNT(VLAN);
	if (vlan != s->vlan_id && of_link && !stripped && type != 0x0800 && type != 0x86dd &&
	    type != 0x0806)
		PUNT(ETHERTYPE);
	if (vlan != s->vlan_id)
		DROP(VLAN);
	if (type == 0x0800)
		read_ipv4(s, frame, len, l3, cap, offload, ret);
	else if (type == 0x86dd)
		read_ipv6(s, frame, len, l3, cap, offload, ret);
	else if (type == 0x0806)
		read_arp(s, frame, len, l3, ret);
	else
		PUNT(ETHERTYPE);
}

const char *frame_model_fault(const struct stele_frame_settings *s, const uint8_t *frame,
			      uint32_t len)
{
	if (len < 42 || memcmp(frame + 6, s->mac, 6) != 0)
		return "not from our MAC";
	unsigned type = get16(frame + 12);
	uint32_t l3 = 14;
	if (type == 0x8100) {
		type = get16(frame + 16);
		l3 = 18;
	}
	const uint8_t *ip = frame + l3;
	if (type == 0x0806)
		return len == l3 + 28 ? NULL : "length of ARP";
	if (type != 0x0800 && type != 0x86dd)
		return "ethertype";
	bool is_ipv4 = type == 0x0800;
	uint32_t header = is_ipv4 ? 20 : 40;
	if (len < l3 + header + 8)
		return "short";
	if (is_ipv4 ? ip[0] != 0x45 : ip[0] >> 4 != 6)
		return "version";
	uint32_t total = is_ipv4 ? get16(ip + 2) : 40 + get16(ip + 4);
	if (l3 + total != len || total > s->mtu)
		return "length of IP";
	if (is_ipv4 && frame_model_sum(0, ip, 20) != 0xffff)
		return "checksum of IP";
	if (is_ipv4 && (get16(ip + 6) & 0xbfff) != 0)
		return "fragment";
	if (is_ipv4 ? kind4(s, ip + 12) != SERVICE : !is_ours6(s, ip + 8))
		return "not from a service address";
	unsigned proto = is_ipv4 ? ip[9] : ip[6];
	if (is_ipv4 && ip[8] != 64)
		return "TTL";
	if (!is_ipv4 && ip[7] != (ip[40] == 136 && proto == 58 ? 255 : 64))
		return "hop limit";
	const uint8_t *p = ip + header;
	if (proto == 1)
		return frame_model_sum(0, p, total - header) == 0xffff ? NULL : "checksum of ICMP";
	if (proto == 58)
		return frame_transport_sum(ip, 58, p, total - header) == 0xffff ?
			       NULL :
			       "checksum of ICMPv6";
	if (proto != 17)
		return "protocol";
	if (get16(p + 4) != total - header)
		return "length of UDP";
	if (get16(p + 6) == 0)
		return "no checksum of UDP";
	return frame_transport_sum(ip, 17, p, total - header) == 0xffff ? NULL : "checksum of UDP";
}
