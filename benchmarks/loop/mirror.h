/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_MIRROR_H
#define STELE_BENCHMARKS_LOOP_MIRROR_H

/*
 * What a server cannot be faster than: the work of `testpmd --forward-mode=5tswap` on a port. Each packet goes
 * back where it came from, with its MAC addresses, IP addresses and ports swapped.
 */

#include <stdint.h>

struct loop_mirror {
	uint16_t port_id; /* queue 0 */
	int stop;         /* atomic */
	uint64_t packet_cnt, burst_cnt, empty_cnt;
	uint64_t busy_cycles; /* of polls that found packets */
	uint64_t unsent_cnt;  /* freed, since the port was full */
};

/* For rte_eal_remote_launch(): runs until it is told to stop; returns 0. */
int loop_mirror_run(void *mirror);

#endif
