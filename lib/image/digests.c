/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/image/digests.h"

#include "lib/base/bytes.h"
#include "lib/base/cpu.h"
#include "lib/base/crc32c.h"

#include <openssl/evp.h>
#include <string.h>

#define BLOCK_SZ 64

static bool have_sha_ni;

__attribute__((constructor)) static void detect(void)
{
	have_sha_ni = stele_cpu_has_sha();
}

static int one_by_libcrypto(struct stele_digests_job *job)
{
	job->crc = stele_crc32c(0, job->bytes, job->sz);
	return EVP_Digest(job->bytes, job->sz, job->sha256, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define SHA_NI __attribute__((target("sha,ssse3,sse4.1,sse4.2")))
#define SHA_NI_INLINE SHA_NI static inline __attribute__((always_inline))

/* The fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* One job under way. The eight words of SHA-256's state stand as its instructions want them. */
struct lane {
	const uint8_t *at; /* what comes next */
	__m128i abef, cdgh;
	uint64_t crc; /* inverted, as the instruction has it */
};

SHA_NI_INLINE __m128i load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

/* `block_cnt` blocks of each of `cnt` lanes. */
SHA_NI_INLINE void digest_blocks(struct lane *lanes, unsigned cnt, size_t block_cnt)
{
	const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	struct lane now[STELE_DIGESTS_LANES];
	for (unsigned i = 0; i < cnt; i++)
		now[i] = lanes[i];
	for (; block_cnt > 0; block_cnt--) {
		__m128i words[STELE_DIGESTS_LANES][4]; /* the last sixteen */
		__m128i abef_in[STELE_DIGESTS_LANES], cdgh_in[STELE_DIGESTS_LANES];
		for (unsigned i = 0; i < cnt; i++) {
			abef_in[i] = now[i].abef;
			cdgh_in[i] = now[i].cdgh;
			for (unsigned k = 0; k < 4; k++)
				words[i][k] =
					_mm_shuffle_epi8(load(now[i].at + 16 * k), big_endian);
		}
#pragma GCC unroll 16
		for (unsigned group = 0; group < 16; group++) {
			const __m128i k = load(constants + 4 * group);
#pragma GCC unroll 3
			for (unsigned i = 0; i < cnt; i++) {
				__m128i *w = words[i];
				__m128i sum = _mm_add_epi32(w[group % 4], k);
				now[i].cdgh = _mm_sha256rnds2_epu32(now[i].cdgh, now[i].abef, sum);
				now[i].abef = _mm_sha256rnds2_epu32(now[i].abef, now[i].cdgh,
								    _mm_shuffle_epi32(sum, 0x0e));
				if (group < 12)
					w[group % 4] = _mm_sha256msg2_epu32(
						_mm_add_epi32(
							_mm_sha256msg1_epu32(w[group % 4],
									     w[(group + 1) % 4]),
							_mm_alignr_epi8(w[(group + 3) % 4],
									w[(group + 2) % 4], 4)),
						w[(group + 3) % 4]);
				if (group % 2 == 0)
					now[i].crc = _mm_crc32_u64(
						now[i].crc, stele_get_le64(now[i].at + 4 * group));
			}
		}
		for (unsigned i = 0; i < cnt; i++) {
			now[i].abef = _mm_add_epi32(now[i].abef, abef_in[i]);
			now[i].cdgh = _mm_add_epi32(now[i].cdgh, cdgh_in[i]);
			now[i].at += BLOCK_SZ;
		}
	}
	for (unsigned i = 0; i < cnt; i++)
		lanes[i] = now[i];
}

SHA_NI static void digest_one(struct lane *lane, size_t block_cnt)
{
	digest_blocks(lane, 1, block_cnt);
}

SHA_NI static void digest_all(struct lane *lanes, size_t block_cnt)
{
	digest_blocks(lanes, STELE_DIGESTS_LANES, block_cnt);
}

/* What is left behind the last whole block, and the padding. */
SHA_NI static void end(struct lane *lane, struct stele_digests_job *job)
{
	uint8_t padded[2 * BLOCK_SZ] = {0};
	size_t left = job->sz % BLOCK_SZ;
	job->crc = stele_crc32c(~(uint32_t)lane->crc, lane->at, left);
	memcpy(padded, lane->at, left);
	padded[left] = 0x80;
	size_t padded_sz = left + 9 <= BLOCK_SZ ? BLOCK_SZ : 2 * BLOCK_SZ;
	stele_put_be64(padded + padded_sz - 8, 8 * (uint64_t)job->sz);
	lane->at = padded;
	digest_one(lane, padded_sz / BLOCK_SZ);
	uint32_t abef[4], cdgh[4];
	_mm_storeu_si128((__m128i *)(void *)abef, lane->abef);
	_mm_storeu_si128((__m128i *)(void *)cdgh, lane->cdgh);
	const uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2],
				   abef[1], abef[0], cdgh[1], cdgh[0]};
	for (unsigned i = 0; i < 8; i++)
		stele_put_be32(job->sha256 + 4 * i, words[i]);
}

/* Up to STELE_DIGESTS_LANES jobs: side by side as far as the shortest reaches, if that many are there. */
SHA_NI static void digest_jobs(struct stele_digests_job *jobs, unsigned cnt)
{
	struct lane lanes[STELE_DIGESTS_LANES];
	size_t common = SIZE_MAX;
	for (unsigned i = 0; i < cnt; i++) {
		lanes[i] = (struct lane){
			.at = jobs[i].bytes,
			.abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f,
					      (int)0x9b05688c),
			.cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19),
			.crc = UINT32_MAX,
		};
		if (jobs[i].sz / BLOCK_SZ < common)
			common = jobs[i].sz / BLOCK_SZ;
	}
	if (cnt == STELE_DIGESTS_LANES)
		digest_all(lanes, common);
	else
		common = 0;
	for (unsigned i = 0; i < cnt; i++) {
		digest_one(&lanes[i], jobs[i].sz / BLOCK_SZ - common);
		end(&lanes[i], &jobs[i]);
	}
}
#endif

int stele_digests(struct stele_digests_job *jobs, unsigned cnt, struct stele_error *reterr)
{
#if defined(__x86_64__)
	if (have_sha_ni) {
		for (; cnt > 0;) {
			unsigned some = cnt < STELE_DIGESTS_LANES ? cnt : STELE_DIGESTS_LANES;
			digest_jobs(jobs, some);
			jobs += some;
			cnt -= some;
		}
		return 0;
	}
#endif
	for (unsigned i = 0; i < cnt; i++)
		if (one_by_libcrypto(&jobs[i]) != 0)
			return stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	return 0;
}
