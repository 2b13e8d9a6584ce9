/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_STORE_DUMP_H
#define STELE_TESTS_UNIT_STORE_STORE_DUMP_H

/* Everything that a store tells, as one run of bytes, to compare two stores. */

#include "lib/store/store.h"

struct dump {
	uint8_t *bytes; /* malloc'ed */
	size_t sz, cap;
};

/*
 * All zones with their nodes and their journals from `from_serial` on, and the changes since `since`. Ends the
 * program where memory is out.
 */
struct dump dump_read(struct stele_store_read *read, uint64_t since, uint32_t from_serial);

#endif
