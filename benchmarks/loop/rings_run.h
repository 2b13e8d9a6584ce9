/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_RINGS_RUN_H
#define STELE_BENCHMARKS_LOOP_RINGS_RUN_H

/*
 * One run of bench_rings: a server that is opened for it, a generator, and images that take turns
 * meanwhile if they are to. What all runs share is in struct rings_bench, which rings.c fills.
 */

#include "benchmarks/loop/queries.h"
#include "benchmarks/loop/rings_options.h"
#include "responder/serve/serve.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

enum { RINGS_LCORE_CONTROL, RINGS_LCORE_GENERATOR, RINGS_LCORE_SERVER };

struct rings_bench {
	struct rings_options options;
	struct rte_mempool *pool;
	uint16_t generator_port, server_port, alone_port;
	struct stele_serve *serve;
	int fds[RINGS_IMAGES_MAX];
	struct stele_view views[RINGS_IMAGES_MAX];
	struct loop_case cases[RINGS_CASES_MAX];
	struct loop_queries queries[RINGS_CASES_MAX];
	unsigned image_now;
};

/* Ends the program with the text of `error` if `rc` is one. */
void rings_check(int rc, const struct stele_error *error);

void rings_print_head(void);

/* Measures one server with one case and prints a line. `swapping`: images take turns meanwhile. */
void rings_run(struct rings_bench *bench, unsigned round, unsigned case_index,
	       enum rings_server kind, bool swapping);

#endif
