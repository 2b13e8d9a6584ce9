/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_FRAME_WIRE_H
#define STELE_RESPONDER_FRAME_WIRE_H

/*
 * What the files of this folder share: places in headers, the Internet checksum, and looking up
 * addresses.
 *
 * Sums are of little-endian 16-bit words. RFC 1071 section 2 (B): the sum of byte-swapped words is
 * the byte-swapped sum, so that no word has to be turned.
 */

#include "lib/base/bytes.h"
#include "responder/frame/frame.h"

#define FRAME_LIKELY(x) __builtin_expect(!!(x), 1)
#define FRAME_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Keeps what is rare out of the lines that each query reads. */
#define FRAME_COLD __attribute__((cold, noinline))

enum {
	ETH_SZ = 14,
	ETH_TYPE_OFF = 12,
	VLAN_TAG_SZ = 4,
	ARP_SZ = 28,
	IPV4_SZ = 20,
	IPV6_SZ = 40,
	UDP_SZ = 8,
	ICMP_ECHO_SZ = 8,
	ND_SZ = 24, /* a solicitation or advertisement without options */
	ND_OPTION_SZ = 8,
};

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
	ETHERTYPE_OLD_VLAN = 0x9100, /* what switches sent before 802.1ad */
};

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP4 = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_DESTINATION = 60,
	PROTO_MOBILITY = 135,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
};

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_ECHO_REQUEST = 8,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	ND_OPTION_SOURCE = 1, /* link-layer address */
	ND_OPTION_TARGET = 2,
	ND_HOP_LIMIT = 255, /* a router would have taken one off */
	HOP_LIMIT = 64,
};

#define MAC_MASK UINT64_C(0xffffffffffff)

/* ---- The Internet checksum ---- */

/* To 16 bits, with end-around carry. */
static inline uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/*
 * The sum of `len` bytes from `p` on, below 2^36: some may be added before folding. The 8 bytes in front of
 * p + len must be readable, though `len` may be less: the last word is read from its end.
 */
static inline uint64_t sum_bytes(const uint8_t *p, uint32_t len)
{
	/* Additions with carry into the upper half: two instructions a word, no loop-carried folding. */
	unsigned __int128 a = 0, b = 0;
	const uint8_t *end = p + len;
	while (end - p >= 32) {
		a += stele_get_le64(p);
		b += stele_get_le64(p + 8);
		a += stele_get_le64(p + 16);
		b += stele_get_le64(p + 24);
		p += 32;
	}
	if (end - p >= 16) {
		a += stele_get_le64(p);
		b += stele_get_le64(p + 8);
		p += 16;
	}
	if (end - p >= 8) {
		a += stele_get_le64(p);
		p += 8;
	}
	if (end > p)
		b += stele_get_le64(end - 8) >> (64 - 8 * (end - p));
	a += b;
	uint64_t low = (uint64_t)a;
	return (low & 0xffffffff) + (low >> 32) + (uint64_t)(a >> 64);
}

/* What the pseudo-headers of IPv4 and IPv6 add beside the addresses (RFC 768, RFC 8200 section 8.1). */
static inline uint64_t sum_pseudo(uint8_t proto, uint32_t len)
{
	return (uint64_t)proto << 8 | (uint64_t)__builtin_bswap16((uint16_t)len) << 16;
}

/* ---- Addresses of a port ---- */

enum slot_kind {
	SLOT_NONE,
	SLOT_SERVICE,
	SLOT_BROADCAST, /* of the link of a service address */
};

/* Multiplying spreads addresses that differ in any of their bits over the upper ones. */
static inline uint32_t slot4_of(uint32_t address)
{
	return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

static inline uint32_t slot6_of(uint64_t a, uint64_t b)
{
	return (uint32_t)(((a ^ (b << 23 | b >> 41)) * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/* `address` in the byte order of the packet, read as little-endian. At most a quarter of the slots is
 * in use, so a search is short and ends. */
static inline enum slot_kind find4(const struct stele_frame_port *port, uint32_t address)
{
	for (uint32_t i = slot4_of(address);; i++) {
		const struct stele_frame_slot4 *slot = &port->slots4[i & port->slot4_mask];
		if (slot->address == address)
			return (enum slot_kind)slot->kind;
		if (slot->address == 0)
			return SLOT_NONE;
	}
}

static inline bool find6(const struct stele_frame_port *port, const uint8_t *address)
{
	uint64_t a = stele_get_le64(address), b = stele_get_le64(address + 8);
	for (uint32_t i = slot6_of(a, b);; i++) {
		const struct stele_frame_slot6 *slot = &port->slots6[i & port->slot6_mask];
		if ((slot->address[0] | slot->address[1]) == 0)
			return false;
		if (slot->address[0] == a && slot->address[1] == b)
			return true;
	}
}

/* May nobody outside send from here? This network, loopback, multicast, class E, our own. */
static inline bool source4_is_forged(const struct stele_frame_port *port, const uint8_t *address)
{
	uint8_t first = address[0];
	return first == 0 || first == 127 || first >= 224 ||
	       find4(port, stele_get_le32(address)) != SLOT_NONE;
}

/* Multicast, our own, and ::/64: unspecified, loopback, IPv4 in IPv6. */
static inline bool source6_is_forged(const struct stele_frame_port *port, const uint8_t *address)
{
	return address[0] == 0xff || stele_get_le64(address) == 0 || find6(port, address);
}

/* ---- Verdicts ---- */

static inline void frame_verdict(struct stele_frame *ret, enum stele_frame_verdict verdict,
				 unsigned reason)
{
	ret->verdict = (uint8_t)verdict;
	ret->reason = (uint8_t)reason;
}

static inline void frame_drop(struct stele_frame *ret, enum stele_frame_drop_reason reason)
{
	frame_verdict(ret, STELE_FRAME_DROP, reason);
}

static inline void frame_punt(struct stele_frame *ret, enum stele_frame_punt_reason reason)
{
	frame_verdict(ret, STELE_FRAME_PUNT, reason);
}

/* A frame on its way through the parser: where its network header is and how far it reaches. */
struct packet {
	const struct stele_frame_port *port;
	const uint8_t *l3;
	uint32_t len; /* bytes from l3 on; behind the length check of IP: the IP packet's */
	uint32_t offload;
	uint32_t cap; /* from the beginning of the frame */
	uint8_t l3_off;
	bool group; /* the frame's destination is a group */
};

/* neighbour.c: ARP and ICMP. For ICMP the packet's length is checked, and for IPv4 that it is whole, has no
 * options, and is for a service address; for IPv6 that no other header stands before. */
void stele_frame_parse_arp(const struct packet *p, struct stele_frame *ret);
void stele_frame_parse_icmp4(const struct packet *p, struct stele_frame *ret);
void stele_frame_parse_icmp6(const struct packet *p, bool to_service, struct stele_frame *ret);

#endif
