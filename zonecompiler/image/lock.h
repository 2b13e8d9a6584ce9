/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMAGE_LOCK_H
#define STELE_ZONECOMPILER_IMAGE_LOCK_H

/* Whoever changes an image, or puts another file in its place, holds its lock. Readers need none. */

#include "lib/base/error.h"

/*
 * Opens the image at `path` for writing and locks it; waits for others, who may put another file in its
 * place. The lock ends with the descriptor, which is the caller's. STELE_E_INPUT, STELE_E_SYSTEM.
 */
int stele_image_lock(const char *path, int *ret_fd, struct stele_error *reterr);

#endif
