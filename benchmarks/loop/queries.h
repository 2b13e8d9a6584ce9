/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_QUERIES_H
#define STELE_BENCHMARKS_LOOP_QUERIES_H

/*
 * Prepared queries for a generator of frames: drawn from an image (benchmarks/engine/sample.h), with what a
 * frame needs of them computed in advance.
 */

#include "benchmarks/engine/sample.h"

/* Two cache lines. */
#define LOOP_QUERY_MAX 124
struct loop_query {
	uint16_t len;
	uint16_t sum; /* one's complement, of the message with id 0, in the order of its bytes */
	uint8_t msg[LOOP_QUERY_MAX];
};

/* What is asked for, as on the command line: "hot positive", "random NXDOMAIN DO", "… cookie". */
struct loop_case {
	char name[64];
	enum sample_kind kind;
	bool hot;       /* the same few queries again and again */
	bool dnssec_ok; /* with DO */
	bool cookie; /* with a client's cookie, as resolvers send to servers that they know not yet */
};

struct loop_queries {
	struct loop_query *items;
	size_t cnt;
	uint8_t rcode; /* of each reply */
};

/* False if `name` is none. */
bool loop_case_parse(const char *name, struct loop_case *ret_case);

/* The cases that make sense, with commas between them: for help texts. */
extern const char loop_case_names[];

/*
 * At most `cnt` queries, in random order; `ret->items` is the caller's to free. False if the image has no names
 * for this case. No memory ends the program.
 */
bool loop_queries_make(const struct stele_view *view, const struct loop_case *what, uint64_t seed,
		       size_t cnt, struct loop_queries *ret);

/* One's-complement sum of `len` bytes, folded, on top of `sum`; in the order of the bytes. */
uint16_t loop_sum(const uint8_t *bytes, size_t len, uint32_t sum);

#endif
