/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/nsec3.h"

#include "lib/base/bytes.h"
#include "lib/base/cpu.h"

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
#define SHA_NI_INLINE SHA_NI static inline __attribute__((always_inline))
#define STREAM_MAX 2

/* One message under way. */
struct stream {
	__m128i abcd, before; /* before: abcd as it was four rounds ago, from which e follows */
	__m128i e;            /* at the begin of the block */
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
		__m128i e = (g) == 0 ? _mm_add_epi32(s->e, w[0]) :                                 \
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
 * A block of each stream. The instructions have to wait for one another within a stream, about 140 cycles
 * a block. Two streams side by side take hardly longer than one; more do not fit into the registers.
 */
SHA_NI_INLINE void compress_streams(struct stream *streams, unsigned cnt)
{
	__m128i abcd_in[STREAM_MAX];
	for (unsigned i = 0; i < cnt; i++)
		abcd_in[i] = streams[i].before = streams[i].abcd;
	TWENTY_ROUNDS(0)
	TWENTY_ROUNDS(1)
	TWENTY_ROUNDS(2)
	TWENTY_ROUNDS(3)
	for (unsigned i = 0; i < cnt; i++) {
		streams[i].e = _mm_sha1nexte_epu32(streams[i].before, streams[i].e);
		streams[i].abcd = _mm_add_epi32(streams[i].abcd, abcd_in[i]);
	}
}

SHA_NI_INLINE __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* The words of a message are big-endian, and the first of four stands in the highest place. */
SHA_NI_INLINE __m128i reversed(__m128i bytes)
{
	return _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL));
}

SHA_NI static void compress_sha_ni(uint32_t h[5], const uint8_t *p, size_t block_cnt)
{
	struct stream s = {
		.abcd = _mm_shuffle_epi32(load((const uint8_t *)h), 0x1b),
		.e = _mm_set_epi32((int)h[4], 0, 0, 0),
	};
	for (; block_cnt > 0; block_cnt--, p += BLOCK_SZ) {
		for (unsigned k = 0; k < 4; k++)
			s.w[k] = reversed(load(p + 16 * k));
		compress_streams(&s, 1);
	}
	_mm_storeu_si128((__m128i *)(void *)h, _mm_shuffle_epi32(s.abcd, 0x1b));
	h[4] = (uint32_t)_mm_extract_epi32(s.e, 3);
}

/* Whether a job has one block, which is made in registers: without salt, as RFC 9276 wants it. */
static inline bool is_short(const struct stele_nsec3_job *job)
{
	return job->salt_len == 0 && job->name_len + 9u <= BLOCK_SZ && job->iterations == 0;
}

/* keep + BLOCK_SZ - n: as many ones as a name of n bytes has. mark + BLOCK_SZ - n: the bit behind it. */
static const uint8_t keep[2 * BLOCK_SZ] = {
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};
static const uint8_t mark[2 * BLOCK_SZ] = {[BLOCK_SZ] = 0x80};

SHA_NI_INLINE void begin_short(struct stream *s, const struct stele_nsec3_job *job)
{
	const uint8_t *job_keep = keep + BLOCK_SZ - job->name_len;
	const uint8_t *job_mark = mark + BLOCK_SZ - job->name_len;
	for (unsigned k = 0; k < 4; k++) {
		unsigned at = 16 * k;
		__m128i bytes = _mm_and_si128(load(job->name + at), load(job_keep + at));
		s->w[k] = reversed(_mm_or_si128(bytes, load(job_mark + at)));
	}
	s->w[3] = _mm_or_si128(s->w[3], _mm_cvtsi32_si128(8 * job->name_len));
	s->abcd = _mm_set_epi32((int)initial[0], (int)initial[1], (int)initial[2], (int)initial[3]);
	s->e = _mm_set_epi32((int)initial[4], 0, 0, 0);
}

SHA_NI_INLINE void end_short(const struct stream *s, const struct stele_nsec3_job *job)
{
	_mm_storeu_si128((__m128i *)(void *)job->hash, reversed(s->abcd));
	stele_put_be32(job->hash + 16, (uint32_t)_mm_extract_epi32(s->e, 3));
}

SHA_NI static void hash_pair(const struct stele_nsec3_job *a, const struct stele_nsec3_job *b)
{
	struct stream streams[2];
	begin_short(&streams[0], a);
	begin_short(&streams[1], b);
	compress_streams(streams, 2);
	end_short(&streams[0], a);
	end_short(&streams[1], b);
}
#endif

static bool have_sha_ni;

__attribute__((constructor)) static void detect(void)
{
	have_sha_ni = stele_cpu_has_sha();
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

void stele_nsec3_hash_jobs(const struct stele_nsec3_job *jobs, unsigned cnt)
{
#if defined(__x86_64__)
	const struct stele_nsec3_job *waiting = NULL;
	for (unsigned i = 0; i < cnt; i++) {
		if (!have_sha_ni || !is_short(&jobs[i])) {
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
