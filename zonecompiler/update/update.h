/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_UPDATE_UPDATE_H
#define STELE_ZONECOMPILER_UPDATE_UPDATE_H

/*
 * An image brought up to date with its store.
 *
 * The store lists which owners changed since the image's generation. Their records are carved anew, and
 * with them what else depends on a name being there or being a cut: ancestors that appear or
 * vanish as empty non-terminals, the flags of the parent, names below a new or vanished cut. Only
 * shards in which a record really differs are made again and appended, with the chain shards that the
 * change touches and the zone's record. Shards keep their number until a full rebuild.
 *
 * Where that does not pay or cannot be done, the image is built anew from the store with the seed it
 * has; where too much of the file is no longer reached, what is reached is copied into a new file.
 * Both replace the file under its name. A copy that fails leaves what was appended.
 *
 * What is read of the image is compared with its sums, so damage is noticed and gets into no new shard. An image
 * whose sums fit is taken for one that a compiler wrote: one from a stranger has to be verified before.
 */

#include "lib/base/error.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum stele_update_kind {
	STELE_UPDATE_NOTHING, /* the image was up to date */
	STELE_UPDATE_APPENDED,
	STELE_UPDATE_COMPACTED, /* appended, then copied */
	STELE_UPDATE_REBUILT,
};

struct stele_update_stats {
	enum stele_update_kind kind;
	uint64_t from_generation, generation;
	uint64_t change_cnt;  /* owners listed by the store */
	uint64_t name_cnt;    /* records of names that differ */
	uint64_t shard_cnt;   /* shards made again */
	uint64_t appended_sz; /* bytes */
	uint64_t image_sz;
	bool was_of_other_store;
	char reason[STELE_ERROR_MAX]; /* for building anew, or for not copying what is due; "": none */
	double work_s;                /* with the image locked, without sync_s */
	double sync_s;                /* waiting until the disk has it */
};

struct stele_update_options {
	unsigned jobs;   /* threads for building anew */
	bool no_compact; /* somebody waits for the change: garbage stays, for stele_compact() */

	/*
	 * What is appended is in the file for every process to see, and the disk gets it when the system has
	 * the time. Whoever wants that has to verify the image, or build it anew, if the machine
	 * crashes before somebody has synced it. An image that is copied or built anew is always synced.
	 */
	bool no_sync;

	/* Called now and then while the image is built anew, as of stele_build(). May be NULL. */
	void (*progress)(void *user, const char *phase, uint64_t done, uint64_t total);
	void *user;
};

/*
 * Updates the image at `path`. Waits for another update of it to end. STELE_E_INPUT: not an image, or a damaged one,
 * which stays as it is, or the store holds what cannot be carved.
 */
int stele_update(struct stele_store *store, const char *path,
		 const struct stele_update_options *options, struct stele_update_stats *ret_stats,
		 struct stele_error *reterr);

#endif
