/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 of four cookies at once, one in each lane of a vector. What goes in is always three words, or five for
 * IPv6, so that nothing has to be cut into blocks.
 */
#include "lib/answer/cookie.h"

#define INLINE static inline __attribute__((always_inline))

typedef uint64_t lanes __attribute__((vector_size(32)));
typedef uint32_t half_lanes __attribute__((vector_size(16)));
_Static_assert(sizeof(lanes) == COOKIE_LANES * sizeof(uint64_t), "a cookie a lane");

struct sip_lanes {
	lanes v0, v1, v2, v3;
};

/* By pointers: what takes or returns such a vector has another ABI on each processor. */
INLINE void rotate(lanes *x, unsigned by)
{
	*x = *x << by | *x >> (64 - by);
}

/* Whole pieces of a lane move with one instruction. */
INLINE void rotate16(lanes *x)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	typedef uint16_t pieces __attribute__((vector_size(32)));
	pieces p = (pieces)*x;
	*x = (lanes)__builtin_shufflevector(p, p, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13,
					    14);
#else
	rotate(x, 16);
#endif
}

INLINE void rotate32(lanes *x)
{
	typedef uint32_t pieces __attribute__((vector_size(32)));
	pieces p = (pieces)*x;
	*x = (lanes)__builtin_shufflevector(p, p, 1, 0, 3, 2, 5, 4, 7, 6);
}

#if defined(STELE_ANALYZER)
/* gcc -fanalyzer keeps a value as the expression that made it, which grows by a half in each round. */
void sip_round(struct sip_lanes *s);
#else
INLINE void sip_round(struct sip_lanes *s)
{
	s->v0 += s->v1;
	rotate(&s->v1, 13);
	s->v1 ^= s->v0;
	rotate32(&s->v0);
	s->v2 += s->v3;
	rotate16(&s->v3);
	s->v3 ^= s->v2;
	s->v0 += s->v3;
	rotate(&s->v3, 21);
	s->v3 ^= s->v0;
	s->v2 += s->v1;
	rotate(&s->v1, 17);
	s->v1 ^= s->v2;
	rotate32(&s->v2);
}
#endif

INLINE void sip_word(struct sip_lanes *s, const lanes *word)
{
	s->v3 ^= *word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= *word;
}

#define FOUR(what)                                                                                 \
	{                                                                                          \
		what(0), what(1), what(2), what(3)                                                 \
	}

INLINE void put_address4(struct sip_lanes *s, struct work *const works[COOKIE_LANES])
{
#define ADDRESS(i) stele_get_le32(works[i]->query->client.addr)
	half_lanes addresses = FOUR(ADDRESS);
	lanes word = __builtin_convertvector(addresses, lanes) | UINT64_C(20) << 56;
	sip_word(s, &word);
#undef ADDRESS
}

INLINE void put_address6(struct sip_lanes *s, struct work *const works[COOKIE_LANES])
{
#define FIRST(i) stele_get_le64(works[i]->query->client.addr)
#define SECOND(i) stele_get_le64(works[i]->query->client.addr + 8)
	lanes first = FOUR(FIRST), second = FOUR(SECOND), last = (lanes){0} + (UINT64_C(32) << 56);
	sip_word(s, &first);
	sip_word(s, &second);
	sip_word(s, &last);
#undef FIRST
#undef SECOND
}

/* Of four clients of one family. `start` is the state that the secret gives. */
INLINE void four_macs(const struct sip_lanes *start, struct work *const works[COOKIE_LANES],
		      bool is_ipv6, uint64_t ret_macs[COOKIE_LANES])
{
#define CLIENT(i) works[i]->cookie.client
#define HEAD(i) works[i]->cookie.head
	struct sip_lanes s = *start;
	lanes client = FOUR(CLIENT), head = FOUR(HEAD);
	sip_word(&s, &client);
	sip_word(&s, &head);
	if (is_ipv6)
		put_address6(&s, works);
	else
		put_address4(&s, works);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(&s);
	lanes macs = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	memcpy(ret_macs, &macs, sizeof(macs));
#undef CLIENT
#undef HEAD
}

INLINE void all_macs(struct work *const *works, unsigned cnt, uint64_t *ret_macs)
{
	const uint8_t *secret = works[0]->shared->settings->cookie_secrets[0];
	uint64_t k0 = stele_get_le64(secret), k1 = stele_get_le64(secret + 8);
	const struct sip_lanes start = {
		(lanes){0} + (k0 ^ SIP_0),
		(lanes){0} + (k1 ^ SIP_1),
		(lanes){0} + (k0 ^ SIP_2),
		(lanes){0} + (k1 ^ SIP_3),
	};
	bool is_ipv6 = works[0]->query->client.family == 6;
	for (unsigned i = 0; i < cnt; i += COOKIE_LANES)
		if (is_ipv6)
			four_macs(&start, works + i, true, ret_macs + i);
		else
			four_macs(&start, works + i, false, ret_macs + i);
}

void stele_cookie_macs_portable(struct work *const *works, unsigned cnt, uint64_t *ret_macs)
{
	all_macs(works, cnt, ret_macs);
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,movbe"))) void
stele_cookie_macs_avx2(struct work *const *works, unsigned cnt, uint64_t *ret_macs)
{
	all_macs(works, cnt, ret_macs);
}

/* Rotates with one instruction. */
__attribute__((target("avx512f,avx512vl,avx2,bmi,bmi2,movbe"))) void
stele_cookie_macs_avx512(struct work *const *works, unsigned cnt, uint64_t *ret_macs)
{
	all_macs(works, cnt, ret_macs);
}
#endif
