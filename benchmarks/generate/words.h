/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels as people register them: words run together, made-up syllables, a hyphen or a number now
 * and then. About 12 characters on average, from 3 to 40, with popular beginnings far more frequent
 * than others (so that an index over sorted names sees the skew that real zones have).
 */
#ifndef STELE_BENCHMARKS_GENERATE_WORDS_H
#define STELE_BENCHMARKS_GENERATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "benchmarks/generate/rng.h"

#define GEN_LABEL_MAX 40

/* Writes one label (no terminating NUL) and returns its length, 3 to GEN_LABEL_MAX. */
size_t gen_words_label(struct gen_rng *rng, char label[GEN_LABEL_MAX]);

/*
 * Names seen so far, as 64-bit hashes. Two names with one hash count as the same name, which only
 * costs the second one: the caller draws another.
 */
struct gen_set {
	uint64_t *slots; /* open addressing, 0 is empty */
	uint64_t mask;
	uint64_t used;
};

/* Room for names_max names: 8 bytes for each slot, and about two slots for each name. */
void gen_set_init(struct gen_set *set, uint64_t names_max);
void gen_set_free(struct gen_set *set);

/* Adds a name; false when it was there. */
bool gen_set_add(struct gen_set *set, const char *name, size_t len);

#endif
