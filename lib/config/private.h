/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CONFIG_PRIVATE_H
#define STELE_LIB_CONFIG_PRIVATE_H

/*
 * Files with secrets: cookie secrets, keys. Such a file must be a regular one (or a link to one) to which nobody
 * but its owner has any access, and what was read of it is overwritten when it has been understood.
 */

#include "lib/base/error.h"

#include <stddef.h>

struct stele_private_text {
	char *bytes; /* no NUL behind them */
	size_t sz;
};

/*
 * Reads all of it. STELE_E_INPUT with `FILE: ...` if it is not there or no regular file, if others may read
 * or write it, or if it has more than `max` bytes; STELE_E_SYSTEM if it cannot be read, or changes meanwhile.
 * Never waits for a writer.
 */
int stele_private_read(const char *path, size_t max, struct stele_private_text *ret_text,
		       struct stele_error *reterr);

/* Overwrites it, in a way that the compiler keeps, and frees it. */
void stele_private_wipe(struct stele_private_text *text);

#endif
