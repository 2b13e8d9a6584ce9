/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/image/compact.h"

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "zonecompiler/image/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same bytes, wherever they stand. */
static bool same_shard(const struct stele_shard_ref *a, const struct stele_shard_ref *b)
{
	return a->kind == b->kind && stele_le64(a->size) == stele_le64(b->size) &&
	       stele_le32(a->item_cnt) == stele_le32(b->item_cnt) &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/*
 * The bytes come out of the image itself, checksums and digests too: nothing is carved. Damage would be copied without
 * a word; to compare the checksum takes little beside the copy, and what is still damaged has a digest that tells.
 */
static int copy_shard(struct stele_image_file *file, const struct stele_view *view, uint32_t shard,
		      struct stele_error *reterr)
{
	const struct stele_shard_ref *ref = stele_view_ref(view, shard);
	uint64_t size = stele_le64(ref->size);
	if (same_shard(ref, &file->refs[shard]))
		return 0;
	stele_image_remove(file, shard);
	if (ref->kind == STELE_SHARD_NONE)
		return 0;
	const uint8_t *bytes = view->bytes + stele_le64(ref->off);
	if (stele_crc32c(0, bytes, size) != stele_le32(ref->crc))
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: shard %" PRIu32 " at %" PRIu64 ": wrong checksum",
				  file->path, shard, stele_le64(ref->off));
	return stele_image_copy(file, shard, ref, stele_image_place(file, size), bytes, reterr);
}

/* All shards of the view that the file does not have yet. `options` may be NULL: nobody watches. */
static int copy_shards(struct stele_image_file *file, const struct stele_view *view,
		       const struct stele_compact_options *options, struct stele_error *reterr)
{
	int rc = stele_image_resize(file, view->shard_cnt, reterr);
	uint64_t done = 0;
	for (uint32_t i = 0; rc == 0 && i < view->shard_cnt; i++) {
		rc = copy_shard(file, view, i, reterr);
		done += stele_le64(stele_view_ref(view, i)->size);
		if (options != NULL && options->progress != NULL)
			options->progress(options->user, "compacting", done, view->live_sz);
	}
	return rc;
}

static const struct stele_superblock *superblock(const struct stele_view *view)
{
	return (const void *)view->bytes;
}

/* Copies what is still missing and puts the new file in place of the image. */
static int finish(struct stele_image_file *file, const struct stele_view *view,
		  struct stele_image_size *ret_size, struct stele_error *reterr)
{
	struct stele_root root;
	memcpy(&root, view->bytes + view->root_off, sizeof(root));
	int rc = copy_shards(file, view, NULL, reterr);
	if (rc == 0)
		rc = stele_image_finish(file, &root, ret_size, reterr);
	else
		stele_image_abort(file);
	return rc;
}

int stele_compact_locked(const char *path, int fd, struct stele_image_size *ret_size,
			 struct stele_error *reterr)
{
	struct stele_view view;
	int rc = stele_view_open_directory(fd, path, &view, reterr);
	if (rc < 0)
		return rc;
	struct stele_image_file file;
	rc = stele_image_create(&file, path, superblock(&view), reterr);
	file.lock_fd = fd;
	if (rc == 0)
		rc = finish(&file, &view, ret_size, reterr);
	stele_view_close(&view);
	return rc;
}

/* The part without the lock. The new file is on disk afterwards, so that not much is left to wait for. */
static int copy_ahead(struct stele_image_file *file, const struct stele_view *view,
		      const struct stele_compact_options *options, struct stele_error *reterr)
{
	int rc = copy_shards(file, view, options, reterr);
	if (rc == 0 && fdatasync(file->fd) != 0)
		rc = stele_fail_errno(reterr, errno, "%s", file->path);
	if (rc < 0)
		stele_image_abort(file);
	return rc;
}

/* The part with the lock, by `fd`. `same` tells that the image is the file that was copied. */
static int catch_up(struct stele_image_file *file, const char *path, int fd, bool same,
		    struct stele_compact_stats *stats, struct stele_error *reterr)
{
	struct stele_view view;
	struct stele_image_size size;
	int rc = stele_view_open_directory(fd, path, &view, reterr);
	if (rc < 0) {
		stele_image_abort(file);
		return rc;
	}
	stats->generation = view.generation;
	stats->image_sz = view.bytes_sz;
	if (same) {
		file->lock_fd = fd;
		rc = finish(file, &view, &size, reterr);
		stats->done = rc == 0;
		if (rc == 0)
			stats->image_sz = size.file_sz;
	} else {
		stele_image_abort(file); /* a new image has no garbage */
	}
	stele_view_close(&view);
	return rc;
}

static bool same_file(int fd, int other_fd)
{
	struct stat st, other;
	return fstat(fd, &st) == 0 && fstat(other_fd, &other) == 0 && st.st_dev == other.st_dev &&
	       st.st_ino == other.st_ino;
}

static int with_lock(struct stele_image_file *file, const char *path, int before_fd,
		     struct stele_compact_stats *stats, struct stele_error *reterr)
{
	int fd;
	int rc = stele_image_lock(path, &fd, reterr);
	if (rc < 0) {
		stele_image_abort(file);
		return rc;
	}
	double begin = stele_clock_s();
	rc = catch_up(file, path, fd, same_file(before_fd, fd), stats, reterr);
	stats->locked_s = stele_clock_s() - begin;
	close(fd);
	return rc;
}

/* `fd` is the image as it is before: no other file gets its inode while that is open. */
static int compact(const char *path, int fd, const struct stele_compact_options *options,
		   struct stele_compact_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_compact_stats stats = {0};
	struct stele_view view;
	int rc = stele_view_open_directory(fd, path, &view, reterr);
	if (rc < 0)
		return rc;
	stats.before_sz = view.bytes_sz;
	struct stele_image_file file;
	rc = stele_image_create(&file, path, superblock(&view), reterr);
	if (rc == 0)
		rc = copy_ahead(&file, &view, options, reterr);
	file.no_sync = options->no_sync;
	if (rc == 0)
		rc = with_lock(&file, path, fd, &stats, reterr);
	stele_view_close(&view);
	if (rc == 0)
		*ret_stats = stats;
	return rc;
}

int stele_compact(const char *path, const struct stele_compact_options *options,
		  struct stele_compact_stats *ret_stats, struct stele_error *reterr)
{
	char *real_path;
	int rc = stele_image_real_path(path, &real_path, reterr);
	if (rc < 0)
		return rc;
	/* Without waiting for somebody at the other end, should it be a FIFO. */
	int fd = open(real_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		rc = stele_fail_file(reterr, errno, "%s", path);
	else
		rc = compact(real_path, fd, options, ret_stats, reterr);
	if (fd >= 0)
		close(fd);
	free(real_path);
	return rc;
}
