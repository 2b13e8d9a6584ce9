/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_OPTIONS_H
#define STELE_BENCHMARKS_LOOP_OPTIONS_H

/*
 * The options that all programs with a generator have. A program puts LOOP_OPTION_ROWS into its own table for
 * getopt_long(), whose values begin at LOOP_OPTION_OWN, and gives what it does not know to loop_options_take().
 */

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

struct loop_options {
	double seconds, warm_seconds;
	size_t query_cnt;
	unsigned window, check_every;
	bool huge;
};

enum {
	LOOP_OPTION_SECONDS = 1,
	LOOP_OPTION_WARM,
	LOOP_OPTION_QUERIES,
	LOOP_OPTION_WINDOW,
	LOOP_OPTION_CHECK,
	LOOP_OPTION_NO_HUGE,
	LOOP_OPTION_OWN,
};

/* clang-format off */
#define LOOP_OPTION_ROWS                                                                           \
	{"seconds", required_argument, NULL, LOOP_OPTION_SECONDS},                                 \
	{"warm", required_argument, NULL, LOOP_OPTION_WARM},                                       \
	{"queries", required_argument, NULL, LOOP_OPTION_QUERIES},                                 \
	{"window", required_argument, NULL, LOOP_OPTION_WINDOW},                                   \
	{"check-every", required_argument, NULL, LOOP_OPTION_CHECK},                               \
	{"no-huge", no_argument, NULL, LOOP_OPTION_NO_HUGE}
/* clang-format on */

/* Lines of a help text, a newline behind the last. */
extern const char loop_options_help[];

extern const struct loop_options loop_options_default;

/* False if `option` is none of these. */
bool loop_options_take(struct loop_options *o, int option, const char *argument);

/* Whether all values are in their ranges. */
bool loop_options_are_sound(const struct loop_options *o);

#endif
