/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_COMPILER_RANDOM_RDATA_H
#define STELE_TESTS_UNIT_COMPILER_RANDOM_RDATA_H

/* Random data of records in presentation format, the same in every run. */

#include <stddef.h>

enum { RANDOM_RDATA_MAX = 8192 };

/* From 0 to `below` - 1. */
unsigned roll(unsigned below);

/* Writes data that is right, RANDOM_RDATA_MAX bytes at most; the name of its type. */
const char *random_rdata(char *out);

/* Puts a few faults into a text that has room for 3 bytes more; the new length. No NUL is written. */
size_t spoil(char *text, size_t len);

#endif
