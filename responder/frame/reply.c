/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/frame/wire.h"

#ifndef NDEBUG
/* The datagram's checksum, byte by byte. */
static bool datagram_is_sound(const uint8_t *addresses, uint32_t addresses_sz, uint32_t udp_len)
{
	uint32_t sum = PROTO_UDP + udp_len;
	for (uint32_t i = 0; i < addresses_sz + udp_len; i++)
		sum += i % 2 == 0 ? (uint32_t)addresses[i] << 8 : addresses[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}
#endif

/* Below, adding up a body costs less than what its two ends cost. */
#if defined(FRAME_AVX2)
enum { KNOWN_SUM_MIN = 160 };
#else
enum { KNOWN_SUM_MIN = 96 };
#endif

/* The sum of the reply, without reading its body, whose sum is known. */
static __attribute__((noinline)) uint64_t sum_around_body(const uint8_t *payload,
							  const struct stele_reply *reply)
{
	/* A piece that begins at an odd offset has its bytes in the other halves of the words: its sum
	 * counts with the bytes swapped. The stored sum is of big-endian words, these are little-endian. */
	uint32_t body_end = (uint32_t)reply->body_off + reply->body_len;
	uint16_t body = reply->body_sum;
	if (reply->body_off % 2 == 0)
		body = __builtin_bswap16(body);
	uint32_t rest_len = reply->len - body_end;
	/* Nothing, or an OPT without options, for nearly all. */
	uint64_t rest = FRAME_LIKELY(rest_len <= 16) ? sum_few_bytes(payload + body_end, rest_len) :
						       sum_bytes(payload + body_end, rest_len);
	return sum_bytes(payload, reply->body_off) + body + (rest << 8 * (body_end & 1));
}

static inline uint64_t payload_sum(const uint8_t *payload, const struct stele_reply *reply)
{
	return reply->body_len < KNOWN_SUM_MIN ? sum_bytes(payload, reply->len) :
						 sum_around_body(payload, reply);
}

/* The frame's destination was this port. */
FRAME_INLINE void put_ethernet(const struct stele_frame_port *port, uint8_t *frame)
{
#if defined(FRAME_AVX2)
	(void)port;
	const __m128i swapped = _mm_setr_epi8(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
	__m128i start = _mm_loadu_si128((const __m128i *)(const void *)frame);
	_mm_storeu_si128((__m128i *)(void *)frame, _mm_shuffle_epi8(start, swapped));
#else
	uint64_t client = stele_get_le64(frame + 6) & MAC_MASK;
	stele_put_le64(frame, client | port->mac_word << 48);
	stele_put_le32(frame + 8, (uint32_t)(port->mac_word >> 16));
#endif
}

/* UDP header and payload; `sum` is that of the pseudo-header. */
static inline void put_udp(const struct stele_frame_port *port, uint8_t *udp, uint32_t udp_len,
			   uint64_t sum, const struct stele_reply *reply)
{
	uint32_t ports = stele_get_le32(udp);
	ports = ports << 16 | ports >> 16;
	uint64_t len = __builtin_bswap16((uint16_t)udp_len);
	uint16_t check;
	if ((port->flags & STELE_FRAME_TX_UDP_CKSUM) != 0) {
		check = sum_fold(sum);
	} else {
		sum += ports + len + payload_sum(udp + UDP_SZ, reply);
		check = (uint16_t)~sum_fold(sum);
		/* 0 means that there is none (RFC 768), which IPv6 does not allow. */
		if (check == 0)
			check = 0xffff;
	}
	stele_put_le64(udp, ports | len << 32 | (uint64_t)check << 48);
}

/* The IP header; returns the sum of the pseudo-header's addresses. */
static inline uint64_t put_ipv4(const struct stele_frame_port *port, uint8_t *ip, uint32_t udp_len)
{
	uint64_t addresses = stele_get_le64(ip + 12);
	addresses = addresses << 32 | addresses >> 32;
	uint64_t address_sum = (addresses & 0xffffffff) + (addresses >> 32);
	/* Version and header length, length, DF; hop limit and protocol. */
	uint64_t start = 0x45 | (uint64_t)__builtin_bswap16((uint16_t)(IPV4_SZ + udp_len)) << 16 |
			 UINT64_C(0x40) << 48;
	uint32_t middle = HOP_LIMIT | PROTO_UDP << 8;
	uint16_t check = 0;
	if ((port->flags & STELE_FRAME_TX_IP_CKSUM) == 0)
		check = (uint16_t)~sum_fold((start & 0xffffffff) + (start >> 32) + middle +
					    address_sum);
	stele_put_le64(ip, start);
	stele_put_le32(ip + 8, middle | (uint32_t)check << 16);
	stele_put_le64(ip + 12, addresses);
	return address_sum;
}

static inline uint64_t put_ipv6(uint8_t *ip, uint32_t udp_len)
{
	sum_lanes client = sum_load(ip + 8), server = sum_load(ip + 24);
	stele_put_le64(ip, 0x60 | (uint64_t)__builtin_bswap16((uint16_t)udp_len) << 32 |
				   (uint64_t)PROTO_UDP << 48 | (uint64_t)HOP_LIMIT << 56);
	memcpy(ip + 8, &server, 16);
	memcpy(ip + 24, &client, 16);
	return sum_finish(sum_add(sum_add((sum_lanes){0, 0}, client), server));
}

uint32_t FRAME_VARIANT(stele_frame_reply)(const struct stele_frame_port *port,
					  const struct stele_frame *f, uint8_t *frame,
					  const struct stele_reply *reply)
{
	assert(f->verdict == STELE_FRAME_QUERY && reply->len <= f->payload_max);
	put_ethernet(port, frame);
	uint32_t udp_len = UDP_SZ + reply->len;
	uint8_t *ip = frame + f->l3_off;
	uint64_t sum = f->family == 4 ? put_ipv4(port, ip, udp_len) : put_ipv6(ip, udp_len);
	put_udp(port, frame + f->payload_off - UDP_SZ, udp_len,
		sum + sum_pseudo(PROTO_UDP, udp_len), reply);
	assert((port->flags & STELE_FRAME_TX_UDP_CKSUM) != 0 ||
	       (f->family == 4 ? datagram_is_sound(ip + 12, 8, udp_len) :
				 datagram_is_sound(ip + 8, 32, udp_len)));
	return f->payload_off + reply->len;
}
