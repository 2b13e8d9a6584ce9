/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/nsec3.h"

#include "lib/base/bytes.h"

#include <stdbool.h>
#include <string.h>

/* SHA-1 (FIPS 180-4). */

#define BLOCK_SZ 64
#define INPUT_MAX (STELE_NAME_MAX + 255)
#define PADDED_MAX (((INPUT_MAX + 9 + BLOCK_SZ - 1) / BLOCK_SZ) * BLOCK_SZ)

static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static inline uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void compress_portable(uint32_t h[5], const uint8_t *p, size_t block_cnt)
{
	for (; block_cnt > 0; block_cnt--, p += BLOCK_SZ) {
		uint32_t w[80];
		for (unsigned i = 0; i < 16; i++)
			w[i] = stele_get_be32(p + 4 * i);
		for (unsigned i = 16; i < 80; i++)
			w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
		for (unsigned i = 0; i < 80; i++) {
			uint32_t f, k;
			if (i < 20) {
				f = (b & c) | (~b & d);
				k = 0x5a827999;
			} else if (i < 40) {
				f = b ^ c ^ d;
				k = 0x6ed9eba1;
			} else if (i < 60) {
				f = (b & c) | (b & d) | (c & d);
				k = 0x8f1bbcdc;
			} else {
				f = b ^ c ^ d;
				k = 0xca62c1d6;
			}
			uint32_t t = rotate(a, 5) + f + e + k + w[i];
			e = d;
			d = c;
			c = rotate(b, 30);
			b = a;
			a = t;
		}
		h[0] += a;
		h[1] += b;
		h[2] += c;
		h[3] += d;
		h[4] += e;
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

/*
 * Four rounds with the message words `m`. The round constant is an immediate of the instruction,
 * hence a macro. `e0` holds e for these rounds, `e1` receives the one for the next four.
 */
#define FOUR_ROUNDS(e0, e1, m, k)                                                                  \
	do {                                                                                       \
		e0 = _mm_sha1nexte_epu32(e0, m);                                                   \
		e1 = abcd;                                                                         \
		abcd = _mm_sha1rnds4_epu32(abcd, e0, k);                                           \
	} while (0)

/* The next four message words, from the sixteen before them. */
#define NEXT_WORDS(w0, w1, w2, w3)                                                                 \
	w0 = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w0, w1), w2), w3)

__attribute__((target("sha,sse4.1,ssse3"))) static void
compress_sha_ni(uint32_t h[5], const uint8_t *p, size_t block_cnt)
{
	const __m128i big_endian = _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL);
	__m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0x1b);
	__m128i e0 = _mm_set_epi32((int)h[4], 0, 0, 0);
	__m128i e1;

	for (; block_cnt > 0; block_cnt--, p += BLOCK_SZ) {
		const __m128i abcd_before = abcd, e_before = e0;
		__m128i w[4];
		for (unsigned i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)),
				big_endian);

		e0 = _mm_add_epi32(e0, w[0]);
		e1 = abcd;
		abcd = _mm_sha1rnds4_epu32(abcd, e0, 0);
		FOUR_ROUNDS(e1, e0, w[1], 0);
		FOUR_ROUNDS(e0, e1, w[2], 0);
		FOUR_ROUNDS(e1, e0, w[3], 0);
		NEXT_WORDS(w[0], w[1], w[2], w[3]);
		FOUR_ROUNDS(e0, e1, w[0], 0);
		NEXT_WORDS(w[1], w[2], w[3], w[0]);
		FOUR_ROUNDS(e1, e0, w[1], 1);
		NEXT_WORDS(w[2], w[3], w[0], w[1]);
		FOUR_ROUNDS(e0, e1, w[2], 1);
		NEXT_WORDS(w[3], w[0], w[1], w[2]);
		FOUR_ROUNDS(e1, e0, w[3], 1);
		NEXT_WORDS(w[0], w[1], w[2], w[3]);
		FOUR_ROUNDS(e0, e1, w[0], 1);
		NEXT_WORDS(w[1], w[2], w[3], w[0]);
		FOUR_ROUNDS(e1, e0, w[1], 1);
		NEXT_WORDS(w[2], w[3], w[0], w[1]);
		FOUR_ROUNDS(e0, e1, w[2], 2);
		NEXT_WORDS(w[3], w[0], w[1], w[2]);
		FOUR_ROUNDS(e1, e0, w[3], 2);
		NEXT_WORDS(w[0], w[1], w[2], w[3]);
		FOUR_ROUNDS(e0, e1, w[0], 2);
		NEXT_WORDS(w[1], w[2], w[3], w[0]);
		FOUR_ROUNDS(e1, e0, w[1], 2);
		NEXT_WORDS(w[2], w[3], w[0], w[1]);
		FOUR_ROUNDS(e0, e1, w[2], 2);
		NEXT_WORDS(w[3], w[0], w[1], w[2]);
		FOUR_ROUNDS(e1, e0, w[3], 3);
		NEXT_WORDS(w[0], w[1], w[2], w[3]);
		FOUR_ROUNDS(e0, e1, w[0], 3);
		NEXT_WORDS(w[1], w[2], w[3], w[0]);
		FOUR_ROUNDS(e1, e0, w[1], 3);
		NEXT_WORDS(w[2], w[3], w[0], w[1]);
		FOUR_ROUNDS(e0, e1, w[2], 3);
		NEXT_WORDS(w[3], w[0], w[1], w[2]);
		FOUR_ROUNDS(e1, e0, w[3], 3);

		e0 = _mm_sha1nexte_epu32(e0, e_before);
		abcd = _mm_add_epi32(abcd, abcd_before);
	}
	_mm_storeu_si128((__m128i *)(void *)h, _mm_shuffle_epi32(abcd, 0x1b));
	h[4] = (uint32_t)_mm_extract_epi32(e0, 3);
}
#endif

static bool have_sha_ni;

__attribute__((constructor)) static void detect(void)
{
#if defined(__x86_64__)
	/* CPUID leaf 7, EBX bit 29; GCC 12's __builtin_cpu_supports does not know "sha". */
	unsigned a, b, c, d;
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
	have_sha_ni = (b >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1");
#endif
}

static void compress(uint32_t h[5], const uint8_t *p, size_t block_cnt)
{
#if defined(__x86_64__)
	if (have_sha_ni) {
		compress_sha_ni(h, p, block_cnt);
		return;
	}
#endif
	compress_portable(h, p, block_cnt);
}

/* `padded` holds `len` bytes of input and has room for the padding. */
static void sha1(uint8_t *padded, size_t len, uint8_t digest[STELE_NSEC3_HASH_SZ])
{
	size_t total = (len + 9 + BLOCK_SZ - 1) / BLOCK_SZ * BLOCK_SZ;
	memset(padded + len, 0, total - len);
	padded[len] = 0x80;
	stele_put_be64(padded + total - 8, 8 * (uint64_t)len);
	uint32_t h[5];
	memcpy(h, initial, sizeof(h));
	compress(h, padded, total / BLOCK_SZ);
	for (unsigned i = 0; i < 5; i++)
		stele_put_be32(digest + 4 * i, h[i]);
}

void stele_nsec3_hash(const uint8_t *name, size_t name_len, const uint8_t *salt, size_t salt_len,
		      unsigned iterations, uint8_t hash[STELE_NSEC3_HASH_SZ])
{
	uint8_t padded[PADDED_MAX];
	memcpy(padded, name, name_len);
	if (salt_len > 0)
		memcpy(padded + name_len, salt, salt_len);
	sha1(padded, name_len + salt_len, hash);
	for (; iterations > 0; iterations--) {
		memcpy(padded, hash, STELE_NSEC3_HASH_SZ);
		if (salt_len > 0)
			memcpy(padded + STELE_NSEC3_HASH_SZ, salt, salt_len);
		sha1(padded, STELE_NSEC3_HASH_SZ + salt_len, hash);
	}
}
