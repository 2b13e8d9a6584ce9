/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator's only source of chance: xoshiro256**, seeded from one number.
 *
 * Everything is computed in integers, so that the same seed gives the same bytes on every machine.
 */
#ifndef STELE_BENCHMARKS_GENERATE_RNG_H
#define STELE_BENCHMARKS_GENERATE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gen_rng {
	uint64_t s[4];
};

static inline uint64_t gen_rng_rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline void gen_rng_seed(struct gen_rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		/* splitmix64: spreads a small seed over the whole state */
		uint64_t z = (seed += 0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		rng->s[i] = z ^ (z >> 31);
	}
}

static inline uint64_t gen_rng_next(struct gen_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = gen_rng_rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = gen_rng_rotate(s[3], 45);
	return result;
}

/* A number in [0, bound); bound is at least 1 and below 2^32. */
static inline uint32_t gen_rng_below(struct gen_rng *rng, uint64_t bound)
{
	return (uint32_t)(((gen_rng_next(rng) >> 32) * bound) >> 32);
}

/*
 * A number in [0, bound) with the low ones far more likely: the cube of a uniform fraction. The
 * first hundredth of the range gets about a fifth of the draws, as popular hosting providers do.
 */
static inline uint32_t gen_rng_skewed(struct gen_rng *rng, uint64_t bound)
{
	uint64_t u = gen_rng_next(rng) >> 32;
	uint64_t cube = (((u * u) >> 32) * u) >> 32;

	return (uint32_t)((cube * bound) >> 32);
}

/* True in `per_million` of a million draws. */
static inline bool gen_rng_chance(struct gen_rng *rng, uint32_t per_million)
{
	return gen_rng_below(rng, 1000000) < per_million;
}

static inline void gen_rng_fill(struct gen_rng *rng, uint8_t *to, size_t sz)
{
	while (sz > 0) {
		uint64_t r = gen_rng_next(rng);
		size_t step = sz < sizeof(r) ? sz : sizeof(r);

		for (size_t i = 0; i < step; i++)
			to[i] = (uint8_t)(r >> (8 * i));
		to += step;
		sz -= step;
	}
}

#endif
