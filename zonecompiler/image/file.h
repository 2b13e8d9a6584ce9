/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMAGE_FILE_H
#define STELE_ZONECOMPILER_IMAGE_FILE_H

/*
 * The image as a file that grows: shards are appended, then the directory pages that changed, then a
 * root. What a root reaches is on disk before the root itself is written, so that a crash at any
 * moment leaves the image of the root before.
 *
 * A new image grows without a name, or where that cannot be under another one, and gets its own when
 * it is complete.
 */

#include "lib/base/error.h"
#include "lib/image/format.h"
#include "lib/image/view.h"

#include <stdbool.h>

struct stele_image_file {
	int fd;
	char *path;
	char *temporary; /* NULL when appending */
	bool is_unnamed; /* it does not have that name yet, nor any other */
	uint64_t end;    /* where the next thing goes */
	uint64_t prev_root_off;
	uint8_t identity[STELE_IDENTITY_SZ]; /* of its superblock */
	uint64_t written_sz;                 /* shards, pages and root written so far */
	double sync_s;                       /* waited for the disk so far */
	/* What was appended gets to the disk some time. Until then a crash of the machine may leave a root
	 * without what it reaches; one of the program does not. */
	bool no_sync;
	/* The image whose place a new one gets, locked by the caller (lock.h): no other file is replaced. -1, as after
	 * creation: whatever is there, which is locked for that. */
	int lock_fd;

	struct stele_shard_ref *refs; /* the directory */
	uint32_t shard_cnt;
	struct stele_dir_entry *pages; /* where they stand */
	uint8_t *page_is_new;          /* has to be written */
	uint32_t page_cnt;
};

struct stele_image_size {
	uint64_t file_sz;
	uint64_t live_sz; /* that the last root reaches */
	double sync_s;    /* that finishing waited for the disk */
};

/*
 * Whether a file at `path` may have its place taken by an image without a word of the user: it is one, it is empty, or
 * this process may not read it. A link may, since what it leads to stays. STELE_E_INPUT: it is something else.
 */
int stele_image_check_replaceable(const char *path, struct stele_error *reterr);

/*
 * Begins a new image beside `path`, with the seed, feature bits and store of `superblock`, and with the mode and, as
 * far as this process may, the owner and the group of a file that is there; without that group, also without its
 * rights. Refuses a `path` at which there is something else than a file (STELE_E_INPUT).
 */
int stele_image_create(struct stele_image_file *file, const char *path,
		       const struct stele_superblock *superblock, struct stele_error *reterr);

/*
 * Goes on behind the root of `view`, an image that `fd` is open on for writing. Cuts what stands
 * behind that root. Takes over `fd`.
 */
int stele_image_append(struct stele_image_file *file, const char *path, int fd,
		       const struct stele_view *view, struct stele_error *reterr);

/* Sets the number of shards; new ones are absent. */
int stele_image_resize(struct stele_image_file *file, uint32_t shard_cnt,
		       struct stele_error *reterr);

/* Where a shard of this size goes; what is placed next goes behind it. */
uint64_t stele_image_place(struct stele_image_file *file, uint64_t size);

/*
 * Writes a shard to its place and makes its reference. Any number of threads at once, for different
 * shards.
 */
int stele_image_put(struct stele_image_file *file, uint32_t shard, enum stele_shard_kind kind,
		    uint32_t item_cnt, uint64_t off, const uint8_t *bytes, uint64_t size,
		    struct stele_error *reterr);

/* Copies a shard of another image, where `ref` stands for it. */
int stele_image_copy(struct stele_image_file *file, uint32_t shard,
		     const struct stele_shard_ref *ref, uint64_t off, const uint8_t *bytes,
		     struct stele_error *reterr);

/* A shard goes away. */
void stele_image_remove(struct stele_image_file *file, uint32_t shard);

/*
 * Writes directory and root, and gives a new image its name. `root` has the numbers; places,
 * checksums and live_sz are set here. The file is closed either way; on failure a new image is
 * removed, and an old one is as it was. STELE_E_INPUT: more names than an image may have, or `path`
 * cannot be replaced; STELE_E_SYSTEM, also where the locked image has lost its name. The one failure with the new
 * image in place, as its message says, is that the folder could not be synced.
 */
int stele_image_finish(struct stele_image_file *file, const struct stele_root *root,
		       struct stele_image_size *ret_size, struct stele_error *reterr);

/* Gives up: removes a new image, cuts an old one where it was. Nothing after finish. */
void stele_image_abort(struct stele_image_file *file);

#endif
