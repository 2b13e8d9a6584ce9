/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_FLUSH_H
#define STELE_MGMT_PUBLISH_FLUSH_H

/*
 * A file brought to the disk, in a thread of its own: the main loop must not wait, and neither must an
 * update, so the image's lock is not taken. What is appended meanwhile may be on the disk afterwards or not.
 */

#include "lib/base/error.h"
#include "mgmt/loop/loop.h"

struct stele_flush;

/*
 * Begins to sync what the file at `path` has now. `done` is called in the loop when that has ended, with 0 or
 * an errno; stele_flush_free() may be called in it. STELE_E_SYSTEM: nothing was begun.
 */
int stele_flush_start(struct stele_loop *loop, const char *path,
		      void (*done)(void *user, int error_number), void *user,
		      struct stele_flush **ret_flush, struct stele_error *reterr);

/* Waits for the disk if it has not ended; `done` is not called any more. NULL is fine. */
void stele_flush_free(struct stele_flush *flush);

#endif
