/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast this processor is right now: bench_noise CPU [MILLISECONDS]
 *
 * Repeats the probe of measure.h, and prints the ticks of the fastest twentieth and of the median. A core that is
 * shared with others, or that waits for them, has a median far above that of quiet times.
 */
#include "benchmarks/measure.h"

#include <sched.h>
#include <stdio.h>

#define PROBES_MAX 100000

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		fputs("usage: bench_noise CPU [MILLISECONDS]\n", stderr);
		return 2;
	}
	double end = argc > 2 ? strtod(argv[2], NULL) * 1e6 : 2e8;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)strtoul(argv[1], NULL, 10), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		perror("sched_setaffinity");
		return 3;
	}
	static double probes[PROBES_MAX];
	double ns_per_tick = measure_ns_per_tick(), spent = 0;
	size_t cnt = 0;
	while (cnt < PROBES_MAX && (cnt == 0 || spent < end)) {
		probes[cnt] = measure_probe() * ns_per_tick;
		spent += probes[cnt++];
	}
	double middle = measure_median(probes, cnt);
	printf("%.0f,%.0f\n", probes[cnt / 20], middle);
	return 0;
}
