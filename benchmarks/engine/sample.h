/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_ENGINE_SAMPLE_H
#define STELE_BENCHMARKS_ENGINE_SAMPLE_H

/*
 * Queries to measure with, drawn from the names of an image: so every image can be measured, and each
 * kind of reply is asked for as often as wanted. Same seed, same queries.
 */

#include "lib/image/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_kind {
	SAMPLE_POSITIVE, /* an RRset that is there */
	SAMPLE_REFERRAL, /* a name one label below a zone cut */
	SAMPLE_NODATA,   /* a name that is there, without the type */
	SAMPLE_NXDOMAIN, /* a random label below a random apex */
	SAMPLE_WILDCARD, /* a random label where a wildcard answers */
	SAMPLE_KIND_CNT,
};

extern const char *const sample_kind_names[SAMPLE_KIND_CNT];

/* A prepared query. Two cache lines hold names of up to about 90 bytes; longer ones are not drawn. */
#define SAMPLE_QUERY_MAX 126
struct sample_query {
	uint16_t len;
	uint8_t msg[SAMPLE_QUERY_MAX];
};

/*
 * Draws `cnt` queries of `kind`, with EDNS (1232 bytes), with DO if `dnssec_ok`. False if the image
 * has no names of the kind.
 */
bool sample_queries(const struct stele_view *view, enum sample_kind kind, bool dnssec_ok,
		    uint64_t seed, struct sample_query *queries, size_t cnt);

/* A step of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t sample_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
