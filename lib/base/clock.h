/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_CLOCK_H
#define STELE_LIB_BASE_CLOCK_H

/*
 * The clock by which durations and deadlines are reckoned: CLOCK_MONOTONIC, which nobody sets. It is the same
 * for all processes of a machine, and begins anew with each boot. Any thread; some 20 ns a call.
 */

#include <stdint.h>
#include <time.h>

static inline uint64_t stele_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* In seconds, for durations that are told. */
static inline double stele_clock_s(void)
{
	return (double)stele_clock_ns() / 1e9;
}

#endif
