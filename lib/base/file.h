/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_FILE_H
#define STELE_LIB_BASE_FILE_H

/* Reading from descriptors: whole, whatever signals come in between. Any thread. */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads on until there are `max` bytes, or no more. The count; -1 with errno. */
ssize_t stele_file_read(int fd, void *to, size_t max);

/*
 * Exactly `sz` bytes from offset `off` of a file, whatever its position. STELE_E_INPUT: the file ends before;
 * STELE_E_SYSTEM. `to` may then be written to.
 */
int stele_file_read_at(int fd, uint64_t off, void *to, size_t sz, struct stele_error *reterr);

#endif
