/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_MEASURE_H
#define STELE_BENCHMARKS_MEASURE_H

/* Time in small pieces: ticks of the processor's counter, and medians over batches and rounds. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t measure_ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

/* Nanoseconds a tick, measured over a tenth of a second. */
static inline double measure_ns_per_tick(void)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	uint64_t t0 = measure_ticks();
	double ns;
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 1e8);
	return ns / (double)(measure_ticks() - t0);
}

static inline int measure_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double measure_median(double *values, size_t cnt)
{
	qsort(values, cnt, sizeof(*values), measure_compare);
	return values[cnt / 2];
}

#define MEASURE_PROBE_STEPS 50000 /* about 0.1 ms */

/*
 * Ticks of fixed work that touches no memory: eight chains that do not wait for one another, so that they take all
 * that the core can issue. A neighbour on the same core slows them, where one chain alone would not notice.
 */
static inline double measure_probe(void)
{
	uint64_t x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, t0 = measure_ticks();
	for (unsigned i = 0; i < MEASURE_PROBE_STEPS; i++) {
		for (unsigned k = 0; k < 8; k++)
			x[k] = (x[k] << 3) + x[k] + i;
		__asm__ volatile(""
				 : "+r"(x[0]), "+r"(x[1]), "+r"(x[2]), "+r"(x[3]), "+r"(x[4]),
				   "+r"(x[5]), "+r"(x[6]), "+r"(x[7]));
	}
	return (double)(measure_ticks() - t0);
}

#endif
