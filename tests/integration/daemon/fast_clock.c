/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into programs (test_programs.py): each look at a clock is 200 ms after the one before it, so
 * that short work is long.
 */
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
	static int64_t passed_ms;
	long rc = syscall(SYS_clock_gettime, id, now);

	now->tv_sec += __atomic_add_fetch(&passed_ms, 200, __ATOMIC_RELAXED) / 1000;
	now->tv_nsec += __atomic_load_n(&passed_ms, __ATOMIC_RELAXED) % 1000 * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return (int)rc;
}
