/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_BUILD_BUILD_H
#define STELE_ZONECOMPILER_BUILD_BUILD_H

/*
 * A whole image from a store.
 *
 *   carve    threads walk the zones, each in parts of its own, and gather records by shard
 *   lay out  chains get their shards, zones their records; every shard gets its place in the file
 *   pack     threads make the shards and write them
 *
 * The bytes depend on what the store holds and on the seed, not on the number of threads.
 */

#include "lib/base/error.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Names of a name shard and zones of a zone shard, at most, when the image is built. More: an update
 * that touches one name rewrites them all, and each megabyte takes 3 to 5 ms (to read, digest, write,
 * and give the pages back); 4 K signed names are 1 to 1.5 MB. Fewer: a lookup's first step reads one of
 * more entries of the decoded directory, 40 bytes each: 10 M names have 160 KB of them, which should
 * stay in a core's second-level cache.
 */
enum { STELE_SHARD_NAMES_TARGET = 4096, STELE_SHARD_ZONES_TARGET = 1024 };

struct stele_build_options {
	const char *image;
	unsigned jobs; /* threads, at least 1 */
	uint64_t seed[2];
	/* Zones to take, lower-case names; NULL: all. */
	const uint8_t *const *only;
	size_t only_cnt;
	bool only_existing; /* those of them that the store does not have are left out */
	bool force;         /* replace a file that is no image */
	/* By `lock_fd` the caller has locked the image, and no other file is replaced. Else what is there is locked
	 * while the new one takes its place. */
	bool is_locked;
	int lock_fd;
	/* Called now and then, by the calling thread. May be NULL. */
	void (*progress)(void *user, const char *phase, uint64_t done, uint64_t total);
	void *user;
};

struct stele_build_stats {
	uint64_t generation;
	uint64_t zone_cnt, name_cnt, rr_cnt;
	uint64_t image_sz;
	uint32_t shard_cnt; /* references in the directory */
	double carve_s, pack_s, finish_s;
	double sync_s; /* of finish_s: waiting for the disk */
};

/*
 * Writes an image of the store's last generation beside `image` and puts it in that place; after a failure what was
 * there still is. STELE_E_INPUT: a zone of `only` is not in the store, there is more than an image can hold, or the
 * image would take the place of a file of the store, or of one that is no image; STELE_E_STALE: the store changes too
 * often; STELE_E_SYSTEM.
 */
int stele_build(struct stele_store *store, const struct stele_build_options *options,
		struct stele_build_stats *ret_stats, struct stele_error *reterr);

#endif
