/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_CPU_H
#define STELE_LIB_BASE_CPU_H

/*
 * What the processors can do, and how many there are for us. Some loops are built twice, for any processor of
 * the architecture and with __attribute__((target("avx2,bmi,bmi2,…"))); which one runs is decided once, by
 * this.
 */

#include <sched.h>
#include <stdbool.h>

/* AVX2, BMI and BMI2. Whatever has these has MOVBE and LZCNT too. */
static inline bool stele_cpu_has_avx2(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2");
#else
	return false;
#endif
}

/* Those, and AVX-512's instructions for shorter vectors. */
static inline bool stele_cpu_has_avx512(void)
{
#if defined(__x86_64__)
	return stele_cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512vl");
#else
	return false;
#endif
}

/*
 * The SHA instructions, and SSE up to 4.2. Asks the processor itself, since GCC 12's __builtin_cpu_supports() does not
 * know them; a hypervisor answers that in its own time, so whoever asks often keeps the answer.
 */
static inline bool stele_cpu_has_sha(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
	return (b >> 29 & 1) != 0 && __builtin_cpu_supports("ssse3") &&
	       __builtin_cpu_supports("sse4.2");
#else
	return false;
#endif
}

/* Processors that the calling thread may run on, but at most `max`; at least 1. */
static inline unsigned stele_cpu_usable_cnt(unsigned max)
{
	cpu_set_t set;
	int cnt = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return cnt < 1 ? 1 : (unsigned)cnt < max ? (unsigned)cnt : max;
}

#endif
