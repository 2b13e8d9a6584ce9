/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_RINGS_OPTIONS_H
#define STELE_BENCHMARKS_LOOP_RINGS_OPTIONS_H

/* The command line of bench_rings: which servers take turns on which cases and images. */

#include "benchmarks/loop/check.h"
#include "benchmarks/loop/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RINGS_CASES_MAX 16
#define RINGS_IMAGES_MAX LOOP_CHECK_VIEWS_MAX

enum rings_server {
	RINGS_SERVER_NONE,
	RINGS_SERVER_MIRROR,
	RINGS_SERVER_STELE,
	RINGS_SERVER_STELE_LIMITS, /* rate limits and cookies */
	RINGS_SERVER_STELE_RRL,
	RINGS_SERVER_STELE_COOKIES,
	RINGS_SERVER_CNT
};

extern const char *const rings_server_names[RINGS_SERVER_CNT];

struct rings_options {
	const char *cases[RINGS_CASES_MAX];
	unsigned case_cnt;
	const char *images[RINGS_IMAGES_MAX];
	unsigned image_cnt;
	unsigned only; /* a bit for each enum rings_server that is asked for; 0: as the case has it */
	unsigned swap_ms;
	struct loop_options loop;
	unsigned rounds, family;
	uint32_t client_cnt;
	int cpus[3];
	bool together;
	size_t arena_sz;
};

/* Ends the program if it asks for help, or with status 2 if it is wrong. Texts stay those of `argv`. */
void rings_options_parse(int argc, char **argv, struct rings_options *ret_options);

#endif
