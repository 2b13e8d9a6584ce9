/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_PAUSE_H
#define STELE_MGMT_PUBLISH_PAUSE_H

/* Pauses between tries of what fails: one second, then twice as long each time, up to a minute. */

#include "lib/base/clock.h"

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define STELE_PAUSE_MIN_NS UINT64_C(1000000000)
#define STELE_PAUSE_MAX_NS UINT64_C(60000000000)

struct stele_pause {
	uint64_t length_ns; /* of the last pause; 0: nothing has failed */
	uint64_t until_ns;  /* CLOCK_MONOTONIC */
};

static inline struct timeval stele_pause_time(uint64_t ns)
{
	ns += 999; /* rounded up: a timer must not fire before its time */
	return (struct timeval){.tv_sec = (time_t)(ns / 1000000000u),
				.tv_usec = (suseconds_t)(ns % 1000000000u / 1000)};
}

/* It failed. */
static inline void stele_pause_begin(struct stele_pause *pause)
{
	pause->length_ns = pause->length_ns ? 2 * pause->length_ns : STELE_PAUSE_MIN_NS;
	if (pause->length_ns > STELE_PAUSE_MAX_NS)
		pause->length_ns = STELE_PAUSE_MAX_NS;
	pause->until_ns = stele_clock_ns() + pause->length_ns;
}

/* It worked. */
static inline void stele_pause_end(struct stele_pause *pause)
{
	*pause = (struct stele_pause){0};
}

/* How long to wait yet; 0: it may be tried. */
static inline uint64_t stele_pause_rest(const struct stele_pause *pause)
{
	uint64_t now = stele_clock_ns();

	return pause->until_ns > now ? pause->until_ns - now : 0;
}

#endif
