/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way for a plain query: in the port's VLAN, no options, not a fragment, to the first UDP port.
 * Whatever is not one goes the long way of stele_frame_classify(), which reads all again, finds the reason, and
 * says the same of a plain query.
 */
#include "responder/frame/wire.h"

#include <string.h>

#if !defined(FRAME_AVX2)
const uint8_t stele_frame_tail_mask[64] = {
	[32] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};
#endif

/* Words of the frame as little-endian. */
enum {
	UDP4_OFF = IPV4_SZ, /* from the IP header */
	UDP6_OFF = IPV6_SZ,
};
#define ETH_VLAN 0x0081u                 /* a tag's type */
#define ETH_IPV4_MASK UINT64_C(0xffffff) /* from ETH_TYPE_OFF: type, version, header length */
#define ETH_IPV4 UINT64_C(0x450008)
#define ETH_IPV6_MASK UINT64_C(0xf0ffff)
#define ETH_IPV6 UINT64_C(0x60dd86)
#define IPV4_UDP_MASK 0xff00ff3fu /* from IPv4's flags: more fragments, offset, (TTL), protocol */
#define IPV4_UDP ((uint32_t)PROTO_UDP << 24)

/* To us, from one station. */
FRAME_INLINE bool link_is_plain(const struct stele_frame_port *port, const uint8_t *frame)
{
	uint64_t source = stele_get_le64(frame + 6) & MAC_MASK;
	return (stele_get_le64(frame) & MAC_MASK) == port->mac_word && (source & 1) == 0 &&
	       source != port->mac_word;
}

/* The VLAN of a frame without a tag in it. */
static inline uint32_t vlan_outside(uint32_t offload)
{
	return (offload & STELE_FRAME_RX_VLAN) != 0 ? offload >> STELE_FRAME_RX_TCI_SHIFT & 0xfff :
						      0;
}

/* Ports and lengths; `header` is that of UDP. */
FRAME_INLINE bool udp_is_plain(const struct stele_frame_port *port, uint64_t header, uint32_t room)
{
	uint16_t from = __builtin_bswap16((uint16_t)header);
	uint32_t len = __builtin_bswap16((uint16_t)(header >> 32));
	return (uint16_t)(header >> 16) == port->udp_ports[0] && from > port->reflector_max &&
	       len >= UDP_SZ && len <= room;
}

FRAME_INLINE bool udp_sum_is_right(const uint8_t *addresses, uint32_t addresses_sz, uint64_t header)
{
	uint32_t len = __builtin_bswap16((uint16_t)(header >> 32));
	return sum_fold(sum_bytes(addresses, addresses_sz + len) + sum_pseudo(PROTO_UDP, len)) ==
	       0xffff;
}

/* `len` bytes from the IP header on. */
FRAME_INLINE bool ipv4_is_plain(const struct stele_frame_port *port, const uint8_t *ip,
				uint32_t len, uint32_t offload)
{
	uint32_t total = stele_get_be16(ip + 2);
	uint64_t header = stele_get_le64(ip + UDP4_OFF);
	if (total > len || total > port->mtu || total < IPV4_SZ + UDP_SZ ||
	    (stele_get_le32(ip + 6) & IPV4_UDP_MASK) != IPV4_UDP ||
	    !udp_is_plain(port, header, total - IPV4_SZ) ||
	    (!FRAME_LIKELY(stele_get_le32(ip + 16) == port->first4) &&
	     find4(port, stele_get_le32(ip + 16)) != SLOT_SERVICE) ||
	    (FRAME_UNLIKELY(source4_may_be_forged(port, ip[12])) &&
	     source4_is_forged(port, ip + 12)))
		return false;
	if ((offload & STELE_FRAME_RX_IP_GOOD) == 0) {
		if (sum_fold(sum_ipv4(ip)) != 0xffff)
			return false;
	}
	return (offload & STELE_FRAME_RX_UDP_GOOD) != 0 || header >> 48 == 0 ||
	       udp_sum_is_right(ip + 12, 8, header);
}

FRAME_INLINE bool ipv6_is_plain(const struct stele_frame_port *port, const uint8_t *ip,
				uint32_t len, uint32_t offload)
{
	uint32_t room = stele_get_be16(ip + 4);
	uint64_t header = stele_get_le64(ip + UDP6_OFF);
	if (IPV6_SZ + room > len || IPV6_SZ + room > port->mtu || ip[6] != PROTO_UDP ||
	    !udp_is_plain(port, header, room) || !find6(port, ip + 24) ||
	    source6_is_forged(port, ip + 8))
		return false;
	return header >> 48 != 0 &&
	       ((offload & STELE_FRAME_RX_UDP_GOOD) != 0 || udp_sum_is_right(ip + 8, 32, header));
}

FRAME_INLINE bool put_plain(const struct stele_frame_port *port, const uint8_t *frame,
			    uint32_t l3_off, uint32_t ip_sz, uint32_t cap, struct stele_frame *ret)
{
	const uint8_t *udp = frame + l3_off + ip_sz;
	const struct packet p = {.port = port, .cap = cap, .l3_off = (uint8_t)l3_off};
	frame_query(ret, &p, ip_sz, stele_get_be16(udp + 4), stele_get_be16(udp));
	return true;
}

/* An IP packet behind a link header of `l3_off` bytes, which is a constant in each of the two places: that saves
 * a tenth of what reading a frame takes. */
FRAME_INLINE bool parse_ip(const struct stele_frame_port *port, const uint8_t *frame,
			   uint32_t l3_off, uint32_t len, uint32_t cap, uint32_t offload,
			   struct stele_frame *ret)
{
	const uint8_t *ip = frame + l3_off;
	if (len < l3_off + UDP4_OFF + UDP_SZ)
		return false;
	uint64_t start = stele_get_le64(ip - 2);
	if ((start & ETH_IPV4_MASK) == ETH_IPV4)
		return ipv4_is_plain(port, ip, len - l3_off, offload) &&
		       put_plain(port, frame, l3_off, IPV4_SZ, cap, ret);
	return (start & ETH_IPV6_MASK) == ETH_IPV6 && len >= l3_off + UDP6_OFF + UDP_SZ &&
	       ipv6_is_plain(port, ip, len - l3_off, offload) &&
	       put_plain(port, frame, l3_off, IPV6_SZ, cap, ret);
}

FRAME_INLINE bool parse_plain(const struct stele_frame_port *port, const uint8_t *frame,
			      uint32_t len, uint32_t cap, uint32_t offload, struct stele_frame *ret)
{
	if (len < ETH_SZ + VLAN_TAG_SZ || !link_is_plain(port, frame))
		return false;
	if (FRAME_LIKELY(stele_get_le16(frame + ETH_TYPE_OFF) != ETH_VLAN))
		return vlan_outside(offload) == port->vlan_id &&
		       parse_ip(port, frame, ETH_SZ, len, cap, offload, ret);
	/* A tag besides one that the card took out is one too many. */
	return (offload & STELE_FRAME_RX_VLAN) == 0 &&
	       (stele_get_be16(frame + ETH_SZ) & 0xfff) == port->vlan_id &&
	       parse_ip(port, frame, ETH_SZ + VLAN_TAG_SZ, len, cap, offload, ret);
}

void FRAME_VARIANT(stele_frame_parse)(const struct stele_frame_port *port, const uint8_t *frame,
				      uint32_t len, uint32_t cap, uint32_t offload,
				      struct stele_frame *ret)
{
	if (!FRAME_LIKELY(parse_plain(port, frame, len, cap, offload, ret)))
		return stele_frame_classify(port, frame, len, cap, offload, ret);
#ifndef NDEBUG
	struct stele_frame again = *ret;
	stele_frame_classify(port, frame, len, cap, offload, &again);
	assert(memcmp(&again, ret, sizeof(again)) == 0);
#endif
}
