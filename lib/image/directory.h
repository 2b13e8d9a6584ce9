/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_DIRECTORY_H
#define STELE_LIB_IMAGE_DIRECTORY_H

/*
 * The head of an image: what says where its shards are, copied out of the image and checked.
 *
 * Reading it finds the last complete root, checks the checksums of superblock, root and directory,
 * and that each reference lies inside the image and may stand where it does. Of shards it reads
 * nothing. The bytes may be anything and may change meanwhile: everything is read once, and what is
 * checked is the copy.
 */

#include "lib/base/error.h"
#include "lib/image/format.h"

#include <stddef.h>
#include <stdint.h>

/* Where image bytes come from. */
struct stele_source {
	/* Copies `size` bytes from `off` on, which lie inside of `size`. 0, or a negative status; STELE_E_INPUT
	 * when the bytes are not there any more. */
	int (*read)(void *user, uint64_t off, void *to, size_t size, struct stele_error *reterr);
	void *user;
	uint64_t size;
};

struct stele_directory {
	struct stele_superblock superblock;
	struct stele_root root;
	uint64_t root_off;
	uint64_t torn_sz; /* bytes behind the last complete root, not part of the image */
	struct stele_shard_ref *refs; /* owned; stele_le32(root.shard_cnt) of them */
};

/*
 * STELE_E_INPUT: not an image, another major version, unknown incompatible features, no complete root, a
 * damaged or impossible directory.
 */
int stele_directory_read(const struct stele_source *source, struct stele_directory *ret_directory,
			 struct stele_error *reterr);

/* The same of an image that is in memory. */
int stele_directory_read_bytes(const uint8_t *bytes, size_t bytes_sz,
			       struct stele_directory *ret_directory, struct stele_error *reterr);

/*
 * The same of a file, which begins with an image; what is behind `end` of it is not looked at (0: all is). One that
 * is cut meanwhile, as whoever appends cuts what an append before has left, is read again. *ret_size, unless
 * it is NULL: so much was looked at.
 */
int stele_directory_read_file(int fd, uint64_t end, struct stele_directory *ret_directory,
			      uint64_t *ret_size, struct stele_error *reterr);

/* What reading allocated. */
void stele_directory_free(struct stele_directory *directory);

#endif
