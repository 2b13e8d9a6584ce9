/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/options.h"

#include "benchmarks/loop/generator.h"

#include <assert.h>
#include <stdlib.h>

static_assert(LOOP_WINDOW_MAX == 1024, "the help text says so");

const char loop_options_help[] =
	"  --seconds S        counted, of each run (default 2)\n"
	"  --warm S           before it (default 0.5)\n"
	"  --queries N        prepared for a random case (default 2000000)\n"
	"  --window N         queries in flight, 32 to 1024 (default 256)\n"
	"  --check-every N    replies, in each byte; 0: none (default 1000)\n"
	"  --no-huge          without huge pages\n";

const struct loop_options loop_options_default = {
	.seconds = 2,
	.warm_seconds = 0.5,
	.query_cnt = 2000000,
	.window = 256,
	.check_every = 1000,
	.huge = true,
};

bool loop_options_take(struct loop_options *o, int option, const char *argument)
{
	switch (option) {
	case LOOP_OPTION_SECONDS:
		o->seconds = strtod(argument, NULL);
		return true;
	case LOOP_OPTION_WARM:
		o->warm_seconds = strtod(argument, NULL);
		return true;
	case LOOP_OPTION_QUERIES:
		o->query_cnt = strtoul(argument, NULL, 10);
		return true;
	case LOOP_OPTION_WINDOW:
		o->window = (unsigned)strtoul(argument, NULL, 10);
		return true;
	case LOOP_OPTION_CHECK:
		o->check_every = (unsigned)strtoul(argument, NULL, 10);
		return true;
	case LOOP_OPTION_NO_HUGE:
		o->huge = false;
		return true;
	default:
		return false;
	}
}

bool loop_options_are_sound(const struct loop_options *o)
{
	return o->seconds > 0 && o->warm_seconds >= 0 && o->query_cnt >= 1000 &&
	       o->window >= LOOP_BURST && o->window <= LOOP_WINDOW_MAX;
}
