/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/name.h"

#include "lib/base/bytes.h"

/* Negative answers write up to three owners of NSEC3 records each, so encoding is on the query path. */

static inline void encode_portable(const uint8_t *hash, uint8_t *digits)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	for (unsigned i = 0; i < 4; i++) {
		/* Five bytes are eight groups of five bits: spread them, half by half, to a byte each. */
		uint64_t v = (uint64_t)hash[5 * i] << 32 | stele_get_be32(hash + 5 * i + 1);
		v = (v & UINT64_C(0xfffff00000)) << 12 | (v & 0xfffff);
		v = (v & UINT64_C(0x000ffc00000ffc00)) << 6 | (v & UINT64_C(0x000003ff000003ff));
		v = (v & UINT64_C(0x03e003e003e003e0)) << 3 | (v & UINT64_C(0x001f001f001f001f));
		uint64_t letters = (v + each * (128 - 10)) >> 7 &
				   each; /* 1 where the digit is over 9 */
		stele_put_be64(digits + 8 * i, v + each * '0' + letters * ('a' - 10 - '0'));
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The same steps, the four groups of five bytes side by side. */
#define HALVES(v, mask, shift, rest)                                                               \
	_mm256_or_si256(_mm256_slli_epi64(_mm256_and_si256(v, _mm256_set1_epi64x(mask)), shift),   \
			_mm256_and_si256(v, _mm256_set1_epi64x(rest)))

__attribute__((target("avx2"))) static void encode_avx2(const uint8_t *hash, uint8_t *digits)
{
	__m256i v = _mm256_loadu2_m128i((const __m128i *)(const void *)(hash + 4),
					(const __m128i *)(const void *)hash);
	v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(4, 3, 2, 1, 0, -1, -1, -1, 9, 8, 7, 6, 5, -1,
						    -1, -1, 10, 9, 8, 7, 6, -1, -1, -1, 15, 14, 13,
						    12, 11, -1, -1, -1));
	v = HALVES(v, 0xfffff00000, 12, 0xfffff);
	v = HALVES(v, 0x000ffc00000ffc00, 6, 0x000003ff000003ff);
	v = HALVES(v, 0x03e003e003e003e0, 3, 0x001f001f001f001f);
	__m256i letters = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(9));
	v = _mm256_add_epi8(v, _mm256_set1_epi8('0'));
	v = _mm256_add_epi8(v, _mm256_and_si256(letters, _mm256_set1_epi8('a' - 10 - '0')));
	v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10,
						    9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12,
						    11, 10, 9, 8));
	_mm256_storeu_si256((__m256i *)(void *)digits, v);
}

static bool have_avx2;

__attribute__((constructor)) static void detect_avx2(void)
{
	have_avx2 = __builtin_cpu_supports("avx2") != 0;
}
#endif

void stele_base32hex_encode(const uint8_t hash[STELE_NSEC3_HASH_SZ],
			    uint8_t digits[STELE_NSEC3_LABEL_SZ])
{
#if defined(__x86_64__)
	if (have_avx2) {
		encode_avx2(hash, digits);
		return;
	}
#endif
	encode_portable(hash, digits);
}

bool stele_base32hex_decode(const uint8_t digits[STELE_NSEC3_LABEL_SZ],
			    uint8_t hash[STELE_NSEC3_HASH_SZ])
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t five = 0;
		for (unsigned k = 0; k < 8; k++) {
			uint8_t c = digits[8 * i + k];
			if ((uint8_t)(c - 'A') < 26)
				c = (uint8_t)(c + ('a' - 'A'));
			uint8_t v = c >= 'a' ? (uint8_t)(c - 'a' + 10) : (uint8_t)(c - '0');
			if (v > 31 || (c > '9' && c < 'a'))
				return false;
			five = five << 5 | v;
		}
		for (unsigned k = 0; k < 5; k++)
			hash[5 * i + k] = (uint8_t)(five >> (32 - 8 * k));
	}
	return true;
}
