/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way for a plain query: no tag in the frame, no options, not a fragment, to the first UDP port.
 * Whatever is not one goes the long way of stele_frame_classify(), which reads all again, finds the reason, and
 * says the same of a plain query.
 */
#include "responder/frame/wire.h"

#include <string.h>

const uint8_t stele_frame_tail_mask[64] = {
	[32] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

/* Words of the frame as little-endian. */
enum {
	IP_OFF = ETH_SZ,
	UDP4_OFF = IP_OFF + IPV4_SZ,
	UDP6_OFF = IP_OFF + IPV6_SZ,
};
#define ETH_IPV4_MASK UINT64_C(0xffffff) /* from ETH_TYPE_OFF: type, version, header length */
#define ETH_IPV4 UINT64_C(0x450008)
#define ETH_IPV6_MASK UINT64_C(0xf0ffff)
#define ETH_IPV6 UINT64_C(0x60dd86)
#define IPV4_UDP_MASK 0xff00ff3fu /* from IPv4's flags: more fragments, offset, (TTL), protocol */
#define IPV4_UDP ((uint32_t)PROTO_UDP << 24)

/* To us, from one station, in our VLAN. */
static inline bool link_is_plain(const struct stele_frame_port *port, const uint8_t *frame,
				 uint32_t offload)
{
	uint64_t source = stele_get_le64(frame + 6) & MAC_MASK;
	uint32_t vlan_id = (offload & STELE_FRAME_RX_VLAN) != 0 ?
				   offload >> STELE_FRAME_RX_TCI_SHIFT & 0xfff :
				   0;
	return (stele_get_le64(frame) & MAC_MASK) == port->mac_word && (source & 1) == 0 &&
	       source != port->mac_word && vlan_id == port->vlan_id;
}

/* Ports and lengths; `header` is that of UDP. */
static inline bool udp_is_plain(const struct stele_frame_port *port, uint64_t header, uint32_t room)
{
	uint16_t from = __builtin_bswap16((uint16_t)header);
	uint32_t len = __builtin_bswap16((uint16_t)(header >> 32));
	return (uint16_t)(header >> 16) == port->udp_ports[0] && from > port->reflector_max &&
	       len >= UDP_SZ && len <= room;
}

static inline bool udp_sum_is_right(const uint8_t *addresses, uint32_t addresses_sz,
				    uint64_t header)
{
	uint32_t len = __builtin_bswap16((uint16_t)(header >> 32));
	return sum_fold(sum_bytes(addresses, addresses_sz + len) + sum_pseudo(PROTO_UDP, len)) ==
	       0xffff;
}

static inline bool ipv4_is_plain(const struct stele_frame_port *port, const uint8_t *frame,
				 uint32_t len, uint32_t offload)
{
	const uint8_t *ip = frame + IP_OFF;
	uint32_t total = stele_get_be16(ip + 2);
	uint64_t header = stele_get_le64(frame + UDP4_OFF);
	if (total > len - IP_OFF || total > port->mtu || total < IPV4_SZ + UDP_SZ ||
	    (stele_get_le32(ip + 6) & IPV4_UDP_MASK) != IPV4_UDP ||
	    !udp_is_plain(port, header, total - IPV4_SZ) ||
	    find4(port, stele_get_le32(ip + 16)) != SLOT_SERVICE ||
	    source4_is_forged(port, ip + 12))
		return false;
	if ((offload & STELE_FRAME_RX_IP_GOOD) == 0) {
		uint64_t sum = sum_16(ip) + stele_get_le32(ip + 16);
		if (sum_fold(sum) != 0xffff)
			return false;
	}
	return (offload & STELE_FRAME_RX_UDP_GOOD) != 0 || header >> 48 == 0 ||
	       udp_sum_is_right(ip + 12, 8, header);
}

static inline bool ipv6_is_plain(const struct stele_frame_port *port, const uint8_t *frame,
				 uint32_t len, uint32_t offload)
{
	const uint8_t *ip = frame + IP_OFF;
	uint32_t room = stele_get_be16(ip + 4);
	uint64_t header = stele_get_le64(frame + UDP6_OFF);
	if (IPV6_SZ + room > len - IP_OFF || IPV6_SZ + room > port->mtu || ip[6] != PROTO_UDP ||
	    !udp_is_plain(port, header, room) || !find6(port, ip + 24) ||
	    source6_is_forged(port, ip + 8))
		return false;
	return (offload & STELE_FRAME_RX_UDP_GOOD) != 0 ||
	       (header >> 48 != 0 && udp_sum_is_right(ip + 8, 32, header));
}

static inline bool put_plain(const struct stele_frame_port *port, const uint8_t *frame,
			     uint32_t ip_sz, uint32_t cap, struct stele_frame *ret)
{
	const uint8_t *udp = frame + IP_OFF + ip_sz;
	const struct packet p = {.port = port, .cap = cap, .l3_off = IP_OFF};
	frame_query(ret, &p, ip_sz, stele_get_be16(udp + 4), stele_get_be16(udp));
	return true;
}

static inline bool parse_plain(const struct stele_frame_port *port, const uint8_t *frame,
			       uint32_t len, uint32_t cap, uint32_t offload,
			       struct stele_frame *ret)
{
	if (len < UDP4_OFF + UDP_SZ || !link_is_plain(port, frame, offload))
		return false;
	uint64_t start = stele_get_le64(frame + ETH_TYPE_OFF);
	if ((start & ETH_IPV4_MASK) == ETH_IPV4)
		return ipv4_is_plain(port, frame, len, offload) &&
		       put_plain(port, frame, IPV4_SZ, cap, ret);
	return (start & ETH_IPV6_MASK) == ETH_IPV6 && len >= UDP6_OFF + UDP_SZ &&
	       ipv6_is_plain(port, frame, len, offload) &&
	       put_plain(port, frame, IPV6_SZ, cap, ret);
}

void stele_frame_parse(const struct stele_frame_port *port, const uint8_t *frame, uint32_t len,
		       uint32_t cap, uint32_t offload, struct stele_frame *ret)
{
	if (!FRAME_LIKELY(parse_plain(port, frame, len, cap, offload, ret)))
		return stele_frame_classify(port, frame, len, cap, offload, ret);
#ifndef NDEBUG
	struct stele_frame again = *ret;
	stele_frame_classify(port, frame, len, cap, offload, &again);
	assert(memcmp(&again, ret, sizeof(again)) == 0);
#endif
}
