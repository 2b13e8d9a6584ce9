/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_STATE_FILE_H
#define STELE_LIB_BASE_STATE_FILE_H

/*
 * Small files of the state directory that are believed: each is replaced as a whole, so that there is the old one
 * or the new one, and read only if nobody can have written it but root, this user and the owner of the
 * directory. What is in them, and a digest against damage, is for who writes them.
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Replaces `name`, of at most 24 bytes, in the directory `dir`, with mode 0600, and syncs. Others may do the same at
 * the same time: who is last wins. STELE_E_SYSTEM: what was there still is.
 */
int stele_state_file_write(const char *dir, const char *name, const uint8_t *bytes, size_t sz,
			   struct stele_error *reterr);

/*
 * Reads all of it; the caller frees the bytes. STELE_E_NOTFOUND: it is not there. STELE_E_INPUT: others may have
 * written it. The texts begin with its path.
 */
int stele_state_file_read(const char *dir, const char *name, uint8_t **ret_bytes, size_t *ret_sz,
			  struct stele_error *reterr);

#endif
