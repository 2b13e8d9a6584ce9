/* SPDX-License-Identifier: Apache-2.0 */
/* The whole reading of Ethernet, VLAN, IP and UDP, one thing after the other. */
#include "responder/frame/wire.h"

enum {
	IPV4_FRAGMENT_MASK = 0x3fff, /* more fragments, offset */
	IPV6_FRAGMENT_MASK = 0xfff9, /* offset, more fragments */
	IPV6_FRAGMENT_SZ = 8,
	/* RFC 8504 section 5.3 lets a host set a limit. Senders use one or two; walking costs. */
	IPV6_EXTENSIONS_MAX = 8,
};

/* ---- UDP ---- */

static bool is_other_udp_port(const struct stele_frame_port *port, uint16_t to)
{
	for (unsigned i = 1; i < port->udp_port_cnt; i++)
		if (port->udp_ports[i] == to)
			return true;
	return false;
}

/*
 * A datagram behind an IP header of `ip_sz` bytes, for a service address, whole. Source and destination
 * address stand right before it, so one sum goes over them and the datagram.
 */
static void parse_udp(const struct packet *p, uint32_t ip_sz, uint32_t addresses_sz,
		      struct stele_frame *ret)
{
	const struct stele_frame_port *port = p->port;
	const uint8_t *udp = p->l3 + ip_sz;
	uint32_t room = p->len - ip_sz;
	if (room < UDP_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_UDP_LENGTH);
	uint64_t header = stele_get_le64(udp);
	uint16_t to = (uint16_t)(header >> 16);
	if (to != port->udp_ports[0] && !is_other_udp_port(port, to))
		return frame_punt(ret, STELE_FRAME_PUNT_UDP_PORT);

	const uint8_t *source = udp - addresses_sz;
	if (ip_sz == IPV4_SZ ? source4_is_forged(port, source) : source6_is_forged(port, source))
		return frame_drop(ret, STELE_FRAME_DROP_SOURCE_ADDRESS);
	uint16_t from = __builtin_bswap16((uint16_t)header);
	if (from <= port->reflector_max && (port->reflectors[from / 64] >> from % 64 & 1) != 0)
		return frame_drop(ret, STELE_FRAME_DROP_SOURCE_PORT);

	/* What IP carries behind the datagram is not ours to read (RFC 9868 puts options there). */
	uint32_t len = __builtin_bswap16((uint16_t)(header >> 32));
	if (len < UDP_SZ || len > room)
		return frame_drop(ret, STELE_FRAME_DROP_UDP_LENGTH);
	if ((header >> 48) == 0) {
		if (ip_sz == IPV6_SZ)
			return frame_drop(ret, STELE_FRAME_DROP_UDP_CHECKSUM);
	} else if ((p->offload & STELE_FRAME_RX_UDP_GOOD) == 0) {
		uint64_t sum = sum_bytes(source, addresses_sz + len) + sum_pseudo(PROTO_UDP, len);
		if (sum_fold(sum) != 0xffff)
			return frame_drop(ret, STELE_FRAME_DROP_UDP_CHECKSUM);
	}

	frame_query(ret, p, ip_sz, len, from);
}

/* ---- IPv4 ---- */

static void not_for_us4(const struct packet *p, enum slot_kind kind, struct stele_frame *ret)
{
	if (kind == SLOT_BROADCAST || p->l3[16] >= 224)
		return frame_punt(ret, STELE_FRAME_PUNT_GROUP);
	frame_punt(ret, STELE_FRAME_PUNT_ADDRESS);
}

/* Fragments, and protocols other than UDP. */
static void parse_other4(const struct packet *p, struct stele_frame *ret)
{
	uint8_t proto = p->l3[9];
	if ((stele_get_be16(p->l3 + 6) & IPV4_FRAGMENT_MASK) != 0 &&
	    (proto == PROTO_UDP || proto == PROTO_ICMP4))
		return frame_drop(ret, STELE_FRAME_DROP_FRAGMENT);
	if (proto == PROTO_TCP)
		return frame_punt(ret, STELE_FRAME_PUNT_TCP);
	if (proto != PROTO_ICMP4)
		return frame_punt(ret, STELE_FRAME_PUNT_PROTOCOL);
	if (sum_fold(sum_bytes(p->l3, IPV4_SZ)) != 0xffff)
		return frame_drop(ret, STELE_FRAME_DROP_IP_CHECKSUM);
	stele_frame_parse_icmp4(p, ret);
}

/* The first byte is not 0x45. */
static void parse_odd4(struct packet *p, struct stele_frame *ret)
{
	const uint8_t *ip = p->l3;
	uint32_t header_sz = 4u * (ip[0] & 15);
	if (ip[0] >> 4 != 4 || header_sz < IPV4_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_IP_HEADER);
	uint32_t total = stele_get_be16(ip + 2);
	if (total < header_sz || total > p->len)
		return frame_drop(ret, STELE_FRAME_DROP_IP_LENGTH);
	if (total > p->port->mtu)
		return frame_drop(ret, STELE_FRAME_DROP_TOO_LONG);
	enum slot_kind kind = find4(p->port, stele_get_le32(ip + 16));
	if (kind != SLOT_SERVICE)
		return not_for_us4(p, kind, ret);
	if (p->group)
		return frame_drop(ret, STELE_FRAME_DROP_LINK_GROUP);
	if ((stele_get_be16(ip + 6) & IPV4_FRAGMENT_MASK) != 0 &&
	    (ip[9] == PROTO_UDP || ip[9] == PROTO_ICMP4))
		return frame_drop(ret, STELE_FRAME_DROP_FRAGMENT);
	frame_punt(ret, STELE_FRAME_PUNT_OPTIONS);
}

static void parse_ipv4(struct packet *p, struct stele_frame *ret)
{
	const uint8_t *ip = p->l3;
	if (p->len < IPV4_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_SHORT);
	if (ip[0] != 0x45)
		return parse_odd4(p, ret);
	uint32_t total = stele_get_be16(ip + 2);
	if (total < IPV4_SZ || total > p->len)
		return frame_drop(ret, STELE_FRAME_DROP_IP_LENGTH);
	if (total > p->port->mtu)
		return frame_drop(ret, STELE_FRAME_DROP_TOO_LONG);
	p->len = total;

	enum slot_kind kind = find4(p->port, stele_get_le32(ip + 16));
	if (kind != SLOT_SERVICE)
		return not_for_us4(p, kind, ret);
	if (p->group)
		return frame_drop(ret, STELE_FRAME_DROP_LINK_GROUP);
	if ((stele_get_be16(ip + 6) & IPV4_FRAGMENT_MASK) != 0 || ip[9] != PROTO_UDP)
		return parse_other4(p, ret);
	if ((p->offload & STELE_FRAME_RX_IP_GOOD) == 0 &&
	    sum_fold(sum_bytes(ip, IPV4_SZ)) != 0xffff)
		return frame_drop(ret, STELE_FRAME_DROP_IP_CHECKSUM);
	parse_udp(p, IPV4_SZ, 8, ret);
}

/* ---- IPv6 ---- */

static bool is_extension(uint8_t proto)
{
	switch (proto) {
	case PROTO_HOP_BY_HOP:
	case PROTO_ROUTING:
	case PROTO_FRAGMENT:
	case PROTO_AH:
	case PROTO_DESTINATION:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		return true;
	default:
		return false;
	}
}

/* A chain of extension headers to a service address (RFC 8200 section 4). */
static void parse_extensions(const struct packet *p, struct stele_frame *ret)
{
	uint32_t off = IPV6_SZ;
	uint8_t proto = p->l3[6];
	for (unsigned i = 0; is_extension(proto); i++) {
		if (i == IPV6_EXTENSIONS_MAX || (proto == PROTO_HOP_BY_HOP && i > 0) ||
		    p->len - off < IPV6_FRAGMENT_SZ)
			return frame_drop(ret, STELE_FRAME_DROP_EXTENSION);
		const uint8_t *header = p->l3 + off;
		uint32_t sz = 8u * header[1] + 8u;
		if (proto == PROTO_FRAGMENT)
			sz = IPV6_FRAGMENT_SZ;
		else if (proto == PROTO_AH)
			sz = 4u * header[1] + 8u;
		bool is_fragment = proto == PROTO_FRAGMENT &&
				   (stele_get_be16(header + 2) & IPV6_FRAGMENT_MASK) != 0;
		proto = header[0];
		/* What a fragment carries behind further headers, only its first one knows. */
		if (is_fragment &&
		    (proto == PROTO_UDP || proto == PROTO_ICMP6 || is_extension(proto)))
			return frame_drop(ret, STELE_FRAME_DROP_FRAGMENT);
		if (sz > p->len - off)
			return frame_drop(ret, STELE_FRAME_DROP_EXTENSION);
		off += sz;
		if (is_fragment)
			break;
	}
	frame_punt(ret, STELE_FRAME_PUNT_EXTENSION);
}

static void not_for_us6(const struct packet *p, struct stele_frame *ret)
{
	if (p->l3[24] != 0xff)
		return frame_punt(ret, STELE_FRAME_PUNT_ADDRESS);
	if (p->l3[6] != PROTO_ICMP6)
		return frame_punt(ret, STELE_FRAME_PUNT_GROUP);
	stele_frame_parse_icmp6(p, false, ret);
}

static void parse_other6(const struct packet *p, struct stele_frame *ret)
{
	uint8_t proto = p->l3[6];
	if (is_extension(proto))
		return parse_extensions(p, ret);
	if (proto == PROTO_TCP)
		return frame_punt(ret, STELE_FRAME_PUNT_TCP);
	if (proto != PROTO_ICMP6)
		return frame_punt(ret, STELE_FRAME_PUNT_PROTOCOL);
	stele_frame_parse_icmp6(p, true, ret);
}

static void parse_ipv6(struct packet *p, struct stele_frame *ret)
{
	const uint8_t *ip = p->l3;
	if (p->len < IPV6_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_SHORT);
	if (ip[0] >> 4 != 6)
		return frame_drop(ret, STELE_FRAME_DROP_IP_HEADER);
	uint32_t total = IPV6_SZ + stele_get_be16(ip + 4);
	if (total > p->len)
		return frame_drop(ret, STELE_FRAME_DROP_IP_LENGTH);
	if (total > p->port->mtu)
		return frame_drop(ret, STELE_FRAME_DROP_TOO_LONG);
	p->len = total;

	if (!find6(p->port, ip + 24))
		return not_for_us6(p, ret);
	if (p->group)
		return frame_drop(ret, STELE_FRAME_DROP_LINK_GROUP);
	if (ip[6] != PROTO_UDP)
		return parse_other6(p, ret);
	parse_udp(p, IPV6_SZ, 32, ret);
}

/* ---- Ethernet ---- */

static bool is_tag(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN ||
	       type == ETHERTYPE_OLD_VLAN;
}

static void parse_network(struct packet *p, uint16_t type, struct stele_frame *ret)
{
	if (type == ETHERTYPE_IPV4)
		return parse_ipv4(p, ret);
	if (type == ETHERTYPE_IPV6)
		return parse_ipv6(p, ret);
	if (type == ETHERTYPE_ARP)
		return stele_frame_parse_arp(p, ret);
	frame_punt(ret, STELE_FRAME_PUNT_ETHERTYPE);
}

/*
 * Not of the port's VLAN. A port in a VLAN gives its kernel frames without their tags, so what is of another VLAN must
 * not get there: its hosts would be neighbours of this one, and reach what listens in it. Frames without a tag are
 * of another one too, and so are those that only have a priority (802.1Q), but for what stations of one link tell
 * each other, which is of no VLAN. A port without a VLAN leaves tags where they are, and the kernel tells its VLANs
 * apart by itself.
 */
static void not_in_vlan(const struct packet *p, uint16_t type, bool tagged, struct stele_frame *ret)
{
	if (p->port->vlan_id == 0)
		return frame_punt(ret, STELE_FRAME_PUNT_VLAN);
	if (!tagged && stele_frame_is_for_link(p->l3 - ETH_SZ) && type != ETHERTYPE_IPV4 &&
	    type != ETHERTYPE_IPV6 && type != ETHERTYPE_ARP)
		return frame_punt(ret, STELE_FRAME_PUNT_ETHERTYPE);
	frame_drop(ret, STELE_FRAME_DROP_VLAN);
}

/* A tag in the frame or taken out of it, or none. */
static void parse_vlan(struct packet *p, uint16_t type, struct stele_frame *ret)
{
	bool stripped = (p->offload & STELE_FRAME_RX_VLAN) != 0;
	uint16_t vlan_id = (p->offload >> STELE_FRAME_RX_TCI_SHIFT) & 0xfff;
	bool tagged = stripped || is_tag(type);
	if (!stripped)
		vlan_id = 0;
	if (is_tag(type)) {
		if (p->len < VLAN_TAG_SZ)
			return frame_drop(ret, STELE_FRAME_DROP_SHORT);
		uint16_t inner = stele_get_be16(p->l3 + 2);
		if (stripped || is_tag(inner))
			return frame_drop(ret, STELE_FRAME_DROP_VLAN_NESTED);
		if (type != ETHERTYPE_VLAN)
			return not_in_vlan(p, inner, tagged, ret);
		vlan_id = stele_get_be16(p->l3) & 0xfff;
		type = inner;
		p->l3 += VLAN_TAG_SZ;
		p->len -= VLAN_TAG_SZ;
		p->l3_off += VLAN_TAG_SZ;
	}
	if (vlan_id != p->port->vlan_id)
		return not_in_vlan(p, type, tagged, ret);
	parse_network(p, type, ret);
}

FRAME_COLD void stele_frame_classify(const struct stele_frame_port *port, const uint8_t *frame,
				     uint32_t len, uint32_t cap, uint32_t offload,
				     struct stele_frame *ret)
{
	if (len < ETH_SZ)
		return frame_drop(ret, STELE_FRAME_DROP_SHORT);
	uint64_t destination = stele_get_le64(frame) & MAC_MASK;
	uint64_t source = stele_get_le64(frame + 6) & MAC_MASK;
	bool group = (destination & 1) != 0;
	if (destination != port->mac_word && !group)
		return frame_drop(ret, STELE_FRAME_DROP_OTHER_HOST);
	if ((source & 1) != 0 || source == port->mac_word)
		return frame_drop(ret, STELE_FRAME_DROP_SOURCE_MAC);

	struct packet p = {
		.port = port,
		.l3 = frame + ETH_SZ,
		.len = len - ETH_SZ,
		.offload = offload,
		.cap = cap,
		.l3_off = ETH_SZ,
		.group = group,
	};
	uint16_t type = stele_get_be16(frame + ETH_TYPE_OFF);
	parse_vlan(&p, type, ret);
}
