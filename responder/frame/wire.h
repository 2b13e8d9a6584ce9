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

#include <assert.h>
#if defined(FRAME_AVX2)
#include <immintrin.h>
#endif

/* parse.c and reply.c are built twice (meson.build). */
#if defined(FRAME_AVX2)
#define FRAME_VARIANT(name) name##_avx2
#else
#define FRAME_VARIANT(name) name##_portable
#endif

#define FRAME_LIKELY(x) __builtin_expect(!!(x), 1)
#define FRAME_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* For what is called in two places and must not be a call in either. */
#define FRAME_INLINE static inline __attribute__((always_inline))
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

/* To 16 bits, with end-around carry: the upper half of the sum of both halves in both orders, which gets the carry
 * of the lower one. */
static inline uint16_t sum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	uint32_t half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* With end-around carry too. */
static inline uint64_t sum_words(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;
	return sum + (sum < a);
}

/* The sum of the IPv4 header without options at `p`. */
static inline uint64_t sum_ipv4(const uint8_t *p)
{
	return sum_words(sum_words(stele_get_le64(p), stele_get_le64(p + 8)),
			 stele_get_le32(p + 16));
}

/* Keeps the last bytes of a piece of 32: read from the place that is their number. */
extern const uint8_t stele_frame_tail_mask[64];

/*
 * sum_bytes(): the sum of `len` bytes from `p` on, below 2^48 for what fits into a packet. The 32 bytes in
 * front of p + len must be readable, though `len` may be less: what is not a multiple of 32 is read as the last
 * 32 bytes, without what is not part of it. Lengths are what no branch predictor knows, so there is one branch in
 * 32 bytes.
 *
 * sum_few_bytes(): the same for at most 16 bytes, with 16 readable in front of p + len.
 *
 * The bytes of such a tail are in the other halves of their words if it begins at an odd place.
 */
#if defined(FRAME_AVX2)

static inline __m256i sum_load_32(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Adds the 32-bit halves of four words. */
static inline __m256i sum_add_32(__m256i sum, __m256i words)
{
	const __m256i lower = _mm256_set1_epi64x(UINT32_MAX);
	return _mm256_add_epi64(_mm256_add_epi64(sum, _mm256_and_si256(words, lower)),
				_mm256_srli_epi64(words, 32));
}

static inline uint64_t sum_finish_16(__m128i sum)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_add_epi64(sum, _mm_unpackhi_epi64(sum, sum)));
}

FRAME_INLINE uint64_t sum_bytes(const uint8_t *p, uint32_t len)
{
	const uint8_t *last = p + len - 32;
	uint32_t left = len % 32;
	__m256i tail =
		_mm256_and_si256(sum_load_32(last), sum_load_32(stele_frame_tail_mask + left));
	__m256i sum = _mm256_sll_epi64(sum_add_32(_mm256_setzero_si256(), tail),
				       _mm_cvtsi32_si128((int)(8 * (left & 1))));
	for (; p <= last; p += 32)
		sum = sum_add_32(sum, sum_load_32(p));
	return sum_finish_16(
		_mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
}

#endif /* FRAME_AVX2 */

/* Two 64-bit words; SSE2 and NEON have them everywhere. */
typedef uint64_t sum_lanes __attribute__((vector_size(16)));

static inline sum_lanes sum_load(const uint8_t *p)
{
	sum_lanes lanes;
	memcpy(&lanes, p, sizeof(lanes));
	return lanes;
}

/* Adds the 32-bit halves of two words. */
static inline sum_lanes sum_add(sum_lanes sum, sum_lanes words)
{
	const sum_lanes lower = {UINT32_MAX, UINT32_MAX};
	return sum + (words & lower) + (words >> 32);
}

/* Both lanes in one: below 2^48 for what fits into a packet. */
static inline uint64_t sum_finish(sum_lanes lanes)
{
	uint64_t sum = lanes[0] + lanes[1];
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		sum = __builtin_bswap16(sum_fold(sum));
	return sum;
}

#if !defined(FRAME_AVX2)
FRAME_INLINE uint64_t sum_bytes(const uint8_t *p, uint32_t len)
{
	sum_lanes a = {0, 0}, b = {0, 0};
	const uint8_t *last = p + len - 32;
	for (; p <= last; p += 32) {
		a = sum_add(a, sum_load(p));
		b = sum_add(b, sum_load(p + 16));
	}
	uint32_t left = len % 32;
	const uint8_t *mask = stele_frame_tail_mask + left;
	sum_lanes tail = sum_add((sum_lanes){0, 0}, sum_load(last) & sum_load(mask));
	tail = sum_add(tail, sum_load(last + 16) & sum_load(mask + 16));
	return sum_finish(a + b) + (sum_finish(tail) << 8 * (left & 1));
}
#endif

static inline uint64_t sum_few_bytes(const uint8_t *p, uint32_t len)
{
	const uint8_t *mask = stele_frame_tail_mask + 16 + len;
	sum_lanes tail = sum_load(p + len - 16) & sum_load(mask);
	return sum_finish(sum_add((sum_lanes){0, 0}, tail)) << 8 * (len & 1);
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
FRAME_INLINE enum slot_kind find4(const struct stele_frame_port *port, uint32_t address)
{
	for (uint32_t i = slot4_of(address);; i++) {
		const struct stele_frame_slot4 *slot = &port->slots4[i & port->slot4_mask];
		if (slot->address == address)
			return (enum slot_kind)slot->kind;
		if (slot->address == 0)
			return SLOT_NONE;
	}
}

FRAME_INLINE bool find6(const struct stele_frame_port *port, const uint8_t *address)
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
FRAME_INLINE bool source4_is_forged(const struct stele_frame_port *port, const uint8_t *address)
{
	uint8_t first = address[0];
	return first == 0 || first == 127 || first >= 224 ||
	       find4(port, stele_get_le32(address)) != SLOT_NONE;
}

/* The same, for nearly all who are not, from the first byte alone. */
FRAME_INLINE bool source4_may_be_forged(const struct stele_frame_port *port, uint8_t first)
{
	return (port->suspects4[first / 64] >> first % 64 & 1) != 0;
}

/* Multicast, our own, and ::/64: unspecified, loopback, IPv4 in IPv6. */
FRAME_INLINE bool source6_is_forged(const struct stele_frame_port *port, const uint8_t *address)
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

/* A frame on its way through stele_frame_classify(): where its network header is and how far it reaches. */
struct packet {
	const struct stele_frame_port *port;
	const uint8_t *l3;
	uint32_t len; /* bytes from l3 on; behind the length check of IP: the IP packet's */
	uint32_t offload;
	uint32_t cap; /* from the beginning of the frame */
	uint8_t l3_off;
	bool group; /* the frame's destination is a group */
};

/* The UDP datagram of `udp_len` bytes behind an IP header of `ip_sz` is a query. */
static inline void frame_query(struct stele_frame *ret, const struct packet *p, uint32_t ip_sz,
			       uint32_t udp_len, uint16_t from)
{
	assert(p->cap >= STELE_FRAME_CAP_MIN);
	uint32_t reply_max = p->cap - p->l3_off;
	if (reply_max > p->port->mtu)
		reply_max = p->port->mtu;
	ret->verdict = STELE_FRAME_QUERY;
	ret->reason = 0;
	ret->family = ip_sz == IPV4_SZ ? 4 : 6;
	ret->l3_off = p->l3_off;
	ret->payload_off = (uint16_t)(p->l3_off + ip_sz + UDP_SZ);
	ret->payload_len = (uint16_t)(udp_len - UDP_SZ);
	ret->payload_max = (uint16_t)(reply_max - ip_sz - UDP_SZ);
	ret->client_port = from;
}

/* parse.c and reply.c, for any processor and for those with AVX2 and BMI2. */
void stele_frame_parse_portable(const struct stele_frame_port *port, const uint8_t *frame,
				uint32_t len, uint32_t cap, uint32_t offload,
				struct stele_frame *ret);
void stele_frame_parse_avx2(const struct stele_frame_port *port, const uint8_t *frame, uint32_t len,
			    uint32_t cap, uint32_t offload, struct stele_frame *ret);
uint32_t stele_frame_reply_portable(const struct stele_frame_port *port,
				    const struct stele_frame *f, uint8_t *frame,
				    const struct stele_reply *reply);
uint32_t stele_frame_reply_avx2(const struct stele_frame_port *port, const struct stele_frame *f,
				uint8_t *frame, const struct stele_reply *reply);

/* classify.c: what stele_frame_parse() does, for any frame. */
void stele_frame_classify(const struct stele_frame_port *port, const uint8_t *frame, uint32_t len,
			  uint32_t cap, uint32_t offload, struct stele_frame *ret);

/* neighbour.c: ARP and ICMP. For ICMP the packet's length is checked, and for IPv4 that it is whole, has no
 * options, and is for a service address; for IPv6 that no other header stands before. */
void stele_frame_parse_arp(const struct packet *p, struct stele_frame *ret);
void stele_frame_parse_icmp4(const struct packet *p, struct stele_frame *ret);
void stele_frame_parse_icmp6(const struct packet *p, bool to_service, struct stele_frame *ret);

#endif
