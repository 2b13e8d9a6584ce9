/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_GENERATE_FAIL_H
#define STELE_BENCHMARKS_GENERATE_FAIL_H

/* Prints `generate: ...` on standard error and exits with 3: the system failed. */
_Noreturn void gen_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
