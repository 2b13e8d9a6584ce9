/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_SERVING_RATES_H
#define STELE_LIB_SERVING_RATES_H

/* The rate limits of one thread: a table (lib/answer/rrl.h), the memory that it is in, and what of it is counted. */

#include "lib/answer/rrl.h"
#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Made and freed by any thread; in between used by one alone. */
struct stele_rates {
	struct stele_rrl *rrl;
	void *memory;
	size_t size; /* of the memory, in bytes */
	struct stele_rates_counts {
		uint64_t dropped;
		uint64_t slipped; /* went out empty, with TC */
	} counted;
};

/*
 * `node`: the NUMA node of the thread that will use it, whoever makes it (lib/base/numa.h). STELE_E_INPUT: a setting is
 * out of its range. STELE_E_SYSTEM: no memory.
 */
int stele_rates_new(const struct stele_rrl_settings *settings, int node,
		    struct stele_rates **ret_rates, struct stele_error *reterr);
void stele_rates_free(struct stele_rates *rates); /* NULL is fine */

/* What came to be counted since the last call. */
struct stele_rates_counts stele_rates_count(struct stele_rates *rates);

#endif
