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

#define SHA_NI __attribute__((target("sha,sse4.1,ssse3")))
#define STREAM_MAX 2

/* One message under way. */
struct stream {
	__m128i abcd, before; /* before: abcd as it was four rounds ago, from which e follows */
	__m128i w[4];         /* message words, the last sixteen */
};

/* Group `g` of four rounds, for each of `cnt` streams. The round constant `k` is an immediate of the
 * instruction, hence a macro. */
#define FOUR_ROUNDS(g, k)                                                                          \
	for (unsigned i = 0; i < cnt; i++) {                                                       \
		struct stream *s = &streams[i];                                                    \
		__m128i *w = s->w;                                                                 \
		if ((g) >= 4)                                                                      \
			w[(g) % 4] = _mm_sha1msg2_epu32(                                           \
				_mm_xor_si128(_mm_sha1msg1_epu32(w[(g) % 4], w[((g) + 1) % 4]),    \
					      w[((g) + 2) % 4]),                                   \
				w[((g) + 3) % 4]);                                                 \
		__m128i e = (g) == 0 ? _mm_add_epi32(e_in[i], w[0]) :                              \
				       _mm_sha1nexte_epu32(s->before, w[(g) % 4]);                 \
		s->before = s->abcd;                                                               \
		s->abcd = _mm_sha1rnds4_epu32(s->abcd, e, k);                                      \
	}

#define TWENTY_ROUNDS(k)                                                                           \
	FOUR_ROUNDS(5 * (k), k)                                                                    \
	FOUR_ROUNDS(5 * (k) + 1, k)                                                                \
	FOUR_ROUNDS(5 * (k) + 2, k)                                                                \
	FOUR_ROUNDS(5 * (k) + 3, k)                                                                \
	FOUR_ROUNDS(5 * (k) + 4, k)

/*
 * The instructions have to wait for one another within a stream, about 140 cycles a block. Two
 * streams side by side take hardly longer than one; more do not fit into the registers.
 */
SHA_NI static inline __attribute__((always_inline)) void
compress_streams(unsigned cnt, uint32_t h[][5], const uint8_t *const p[], size_t block_cnt)
{
	const __m128i big_endian = _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL);
	struct stream streams[STREAM_MAX];
	__m128i e_in[STREAM_MAX];
	for (unsigned i = 0; i < cnt; i++) {
		streams[i].abcd = _mm_shuffle_epi32(
			_mm_loadu_si128((const __m128i *)(const void *)h[i]), 0x1b);
		e_in[i] = _mm_set_epi32((int)h[i][4], 0, 0, 0);
	}
	for (size_t block = 0; block < block_cnt; block++) {
		__m128i abcd_in[STREAM_MAX];
		for (unsigned i = 0; i < cnt; i++) {
			abcd_in[i] = streams[i].abcd;
			streams[i].before = streams[i].abcd;
			for (unsigned k = 0; k < 4; k++) {
				const uint8_t *words = p[i] + BLOCK_SZ * block + 16 * k;
				streams[i].w[k] = _mm_shuffle_epi8(
					_mm_loadu_si128((const __m128i *)(const void *)words),
					big_endian);
			}
		}
		TWENTY_ROUNDS(0)
		TWENTY_ROUNDS(1)
		TWENTY_ROUNDS(2)
		TWENTY_ROUNDS(3)
		for (unsigned i = 0; i < cnt; i++) {
			e_in[i] = _mm_sha1nexte_epu32(streams[i].before, e_in[i]);
			streams[i].abcd = _mm_add_epi32(streams[i].abcd, abcd_in[i]);
		}
	}
	for (unsigned i = 0; i < cnt; i++) {
		_mm_storeu_si128((__m128i *)(void *)h[i], _mm_shuffle_epi32(streams[i].abcd, 0x1b));
		h[i][4] = (uint32_t)_mm_extract_epi32(e_in[i], 3);
	}
}

SHA_NI static void compress_sha_ni(uint32_t h[5], const uint8_t *p, size_t block_cnt)
{
	uint32_t one[1][5];
	memcpy(one[0], h, sizeof(one[0]));
	compress_streams(1, one, &p, block_cnt);
	memcpy(h, one[0], sizeof(one[0]));
}

SHA_NI static void compress_pair_sha_ni(uint32_t h[2][5], const uint8_t *const p[2])
{
	compress_streams(2, h, p, 1);
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

/* Fills `padded`, of which `len` bytes are input, to whole blocks. Returns its length. */
static inline size_t pad(uint8_t *padded, size_t len)
{
	size_t total = (len + 9 + BLOCK_SZ - 1) / BLOCK_SZ * BLOCK_SZ;
	memset(padded + len, 0, total - len);
	padded[len] = 0x80;
	stele_put_be64(padded + total - 8, 8 * (uint64_t)len);
	return total;
}

/* `padded` holds `len` bytes of input and has room for the padding. */
static void sha1(uint8_t *padded, size_t len, uint8_t digest[STELE_NSEC3_HASH_SZ])
{
	size_t total = pad(padded, len);
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
	memcpy(padded + name_len, salt, salt_len);
	sha1(padded, name_len + salt_len, hash);
	for (; iterations > 0; iterations--) {
		memcpy(padded, hash, STELE_NSEC3_HASH_SZ);
		memcpy(padded + STELE_NSEC3_HASH_SZ, salt, salt_len);
		sha1(padded, STELE_NSEC3_HASH_SZ + salt_len, hash);
	}
}

static void hash_one(const struct stele_nsec3_job *job)
{
	stele_nsec3_hash(job->name, job->name_len, job->salt, job->salt_len, job->iterations,
			 job->hash);
}

#if defined(__x86_64__)
static bool fits_a_block(const struct stele_nsec3_job *job)
{
	return job->name_len + job->salt_len + 9u <= BLOCK_SZ && job->iterations == 0;
}

static void hash_pair(const struct stele_nsec3_job *a, const struct stele_nsec3_job *b)
{
	const struct stele_nsec3_job *const jobs[2] = {a, b};
	uint8_t blocks[2][BLOCK_SZ];
	uint32_t h[2][5];
	for (unsigned i = 0; i < 2; i++) {
		memcpy(blocks[i], jobs[i]->name, jobs[i]->name_len);
		memcpy(blocks[i] + jobs[i]->name_len, jobs[i]->salt, jobs[i]->salt_len);
		pad(blocks[i], (size_t)jobs[i]->name_len + jobs[i]->salt_len);
		memcpy(h[i], initial, sizeof(initial));
	}
	compress_pair_sha_ni(h, (const uint8_t *const[2]){blocks[0], blocks[1]});
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 5; k++)
			stele_put_be32(jobs[i]->hash + 4 * k, h[i][k]);
}
#endif

void stele_nsec3_hash_jobs(const struct stele_nsec3_job *jobs, unsigned cnt)
{
#if defined(__x86_64__)
	const struct stele_nsec3_job *waiting = NULL;
	for (unsigned i = 0; i < cnt; i++) {
		if (!have_sha_ni || !fits_a_block(&jobs[i])) {
			hash_one(&jobs[i]);
		} else if (waiting == NULL) {
			waiting = &jobs[i];
		} else {
			hash_pair(waiting, &jobs[i]);
			waiting = NULL;
		}
	}
	if (waiting != NULL)
		hash_one(waiting);
#else
	for (unsigned i = 0; i < cnt; i++)
		hash_one(&jobs[i]);
#endif
}
