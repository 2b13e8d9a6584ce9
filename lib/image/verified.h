/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_VERIFIED_H
#define STELE_LIB_IMAGE_VERIFIED_H

/*
 * Verifying an image that differs little from one that has been verified.
 *
 * A whole verification leaves behind what it found out: the zones, how much of each there is, and of each
 * name how many children it has. From that and from the shards that differ, the next image is
 * judged in full: every property that stele_view_verify() holds is held, either because the bytes that
 * it is about are the same as before, or by looking again. docs/architecture.md says for each
 * property which.
 *
 * What is the same is known by address, not by digest: two views over the same bytes in memory. So
 * this is for programs that keep images in memory of their own, where nobody changes them.
 */

#include "lib/image/view.h"

#include <stdbool.h>

struct stele_verified;

struct stele_verify_options {
	/* Threads to work with; 0 and 1: the caller's alone. */
	unsigned threads;
	/* The caller has compared each shard with its digest itself, while it copied it. */
	bool digests_checked;
	/* A view that has been verified, and what came of that; both NULL: none. A shard that stands at the
	 * same address in both views is the same shard, and its bytes have not changed. */
	const struct stele_view *base;
	struct stele_verified *base_verified;
	/* Looked at between shards: becomes true if nobody wants the verdict any more, which another thread may
	 * do at any time. NULL: nobody does. */
	const bool *given_up;
	/* Called between shards, by the caller's thread alone: how many of the part of the work that `part` names
	 * have been taken up. Each part is called for at least once. NULL: nobody watches. */
	void (*progress)(void *user, const char *part, uint64_t done, uint64_t total);
	void *user;
};

/*
 * As stele_view_verify(): 0, or STELE_E_INPUT with the first fault and where it is, or STELE_E_SYSTEM without
 * memory, or given up. With a base it takes time for what differs, not for the whole, unless something does not
 * fit: then the whole is verified again, so the verdict is always that of the whole.
 *
 * `ret_verified` points into the shards of `view`, and is good as long as they stay; the caller frees
 * it, by the thread that made it. It may be NULL if nobody will want it. `ret_incremental` (may be NULL)
 * tells whether the base was enough.
 */
int stele_view_verify_with(const struct stele_view *view,
			   const struct stele_verify_options *options,
			   struct stele_verified **ret_verified, bool *ret_incremental,
			   struct stele_error *reterr);

/* NULL is fine. */
void stele_verified_free(struct stele_verified *verified);

#endif
