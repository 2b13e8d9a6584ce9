/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMAGE_COMPACT_H
#define STELE_ZONECOMPILER_IMAGE_COMPACT_H

/*
 * What an image's last root reaches, copied into a new file that takes its name.
 *
 * The copy takes seconds, and nobody shall wait so long for an update. Shards never change and the file only
 * grows, so they are copied without the image's lock; with the lock come only those that updates have
 * made meanwhile.
 */

#include "zonecompiler/image/file.h"

struct stele_compact_options {
	bool no_sync;
	/* Called between shards, with bytes that are copied and bytes of all; NULL: nobody watches. */
	void (*progress)(void *user, const char *part, uint64_t done, uint64_t total);
	void *user;
};

struct stele_compact_stats {
	uint64_t generation;
	uint64_t before_sz, image_sz; /* bytes of the file */
	double locked_s;              /* so long an update had to wait */
	bool done; /* false: another image has taken the name meanwhile, and stays */
};

/*
 * Copies what the last root of the image reaches into a new file, which takes its name: same seed, same
 * shards, same generation. Takes as long as copying does, and may be ended at any moment without harm.
 * Updates may go on meanwhile; the image is locked at the end alone, for as long as it takes to copy what they
 * added. With `no_sync` nothing is synced during that, as of an update. STELE_E_INPUT: not an image, or one of which
 * a shard is damaged, which stays; STELE_E_SYSTEM.
 */
int stele_compact(const char *path, const struct stele_compact_options *options,
		  struct stele_compact_stats *ret_stats, struct stele_error *reterr);

/*
 * The same for whoever has locked the image, by `fd`, and waits: all is copied now, and synced. STELE_E_INPUT,
 * STELE_E_SYSTEM.
 */
int stele_compact_locked(const char *path, int fd, struct stele_image_size *ret_size,
			 struct stele_error *reterr);

#endif
