/* SPDX-License-Identifier: Apache-2.0 */
/* Asks DPDK for instructions that it still calls experimental. */
#define ALLOW_EXPERIMENTAL_API
#include "responder/worker/internal.h"

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>
#include <sys/prctl.h>
#include <time.h>

/*
 * Polls that find nothing before a worker rests at all. Under load the next packet is nearly always
 * there by then; fewer would add a rest to the gaps between bursts, more keep an idle core busy
 * longer.
 */
#define POLLS_BEFORE_REST 32

/* A sleep shorter than this costs more in the kernel than it saves; below it, pause
 * instructions. */
#define SLEEP_MIN_NS 10000

void stele_idle_init(struct stele_idle *idle, const struct stele_idle_config *config, uint64_t hz)
{
	struct rte_cpu_intrinsics intrinsics;

	rte_cpu_get_intrinsics_support(&intrinsics);
	idle->mode = config->mode;
	idle->can_wait = intrinsics.power_pause;
	idle->max_ns = config->max_delay;
	idle->max_cycles = (uint64_t)((double)hz * (double)config->max_delay / 1e9);
	idle->empty_polls = 0;
}

static void pause_until(const struct stele_idle *idle, uint64_t cycles)
{
	uint64_t began = rte_rdtsc();

	if (idle->can_wait) {
		/* Wakes by itself: the processor waits for the time in a state that takes less
		 * power. */
		rte_power_pause(began + cycles);
		return;
	}
	/* A counter that goes back ends it: see bucket.h. */
	while (rte_rdtsc() - began < cycles)
		rte_pause();
}

/* The longer nothing came, the longer the rest, up to the bound. */
static uint64_t stretch(const struct stele_idle *idle, uint64_t max)
{
	unsigned doublings = (idle->empty_polls - POLLS_BEFORE_REST) / 16;
	uint64_t rest = max / 64;

	return doublings >= 6 ? max : rest << doublings;
}

void stele_idle_rest(struct stele_idle *idle)
{
	idle->empty_polls += idle->empty_polls < UINT32_MAX;
	if (idle->mode == STELE_IDLE_BUSY || idle->empty_polls <= POLLS_BEFORE_REST)
		return;
	uint64_t ns = stretch(idle, idle->max_ns);
	if (idle->mode == STELE_IDLE_PAUSE || ns < SLEEP_MIN_NS) {
		pause_until(idle, stretch(idle, idle->max_cycles));
		return;
	}
	struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
				.tv_nsec = (long)(ns % 1000000000)};
	stele_serve_reader_offline();
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	stele_serve_reader_online();
}
