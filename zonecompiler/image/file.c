/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/image/file.h"

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/file.h"
#include "lib/image/digests.h"
#include "lib/image/identity.h"
#include "zonecompiler/image/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind the name of an image, for the name that it has until it is complete. */
#define SUFFIX ".XXXXXX"

static uint64_t align_up(uint64_t off, uint64_t align)
{
	return (off + align - 1) / align * align;
}

/* All that was written is on disk. */
static int sync_file(struct stele_image_file *file, struct stele_error *reterr)
{
	double begin = stele_clock_s();
	int rc = fdatasync(file->fd);
	file->sync_s += stele_clock_s() - begin;
	return rc == 0 ? 0 : stele_fail_errno(reterr, errno, "%s", file->path);
}

static int write_at(const struct stele_image_file *file, uint64_t off, const void *bytes,
		    size_t size, struct stele_error *reterr)
{
	const uint8_t *p = bytes;
	while (size > 0) {
		ssize_t n = pwrite(file->fd, p, size, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return stele_fail_errno(reterr, n < 0 ? errno : EIO, "%s", file->path);
		p += n;
		off += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static void close_file(struct stele_image_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->temporary);
	free(file->refs);
	free(file->pages);
	free(file->page_is_new);
	*file = (struct stele_image_file){.fd = -1};
}

void stele_image_abort(struct stele_image_file *file)
{
	if (file->path == NULL)
		return;
	if (file->temporary != NULL) {
		if (!file->is_unnamed)
			unlink(file->temporary);
	} else {
		/* Readers cut a tail without root themselves: it does not matter if this fails. */
		uint64_t end = file->prev_root_off + sizeof(struct stele_root);
		if (ftruncate(file->fd, (off_t)end) != 0)
			errno = 0;
	}
	close_file(file);
}

/* Where a file without a name gets one from. */
static void proc_path(int fd, char ret_path[40])
{
	snprintf(ret_path, 40, "/proc/self/fd/%d", fd);
}

/*
 * Opens a file without a name in the directory of the image: whatever ends the process, nothing stays
 * behind. File systems that do not know this get a file under a temporary name, and so does all where /proc is missing.
 */
static void open_temporary(struct stele_image_file *file)
{
	char from[40], *copy = strdup(file->path);
	if (copy != NULL)
		file->fd = open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	free(copy);
	proc_path(file->fd, from);
	file->is_unnamed = file->fd >= 0 && access(from, F_OK) == 0;
	if (file->fd >= 0 && !file->is_unnamed) {
		close(file->fd);
		file->fd = -1;
	}
	if (file->fd < 0)
		file->fd = mkostemp(file->temporary, O_CLOEXEC);
}

/* Gives the file its temporary name. */
static int name_temporary(struct stele_image_file *file, struct stele_error *reterr)
{
	char from[40];
	proc_path(file->fd, from);
	char *digits = file->temporary + strlen(file->temporary) - 6;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(digits, 7, "%06x", ((unsigned)getpid() * 0x9e3779b1u + i) & 0xffffff);
		if (linkat(AT_FDCWD, from, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) == 0) {
			file->is_unnamed = false;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return stele_fail_errno(reterr, errno, "%s: naming it", file->path);
}

/* Who may read what it replaces may read it, and write to it: an update does either. Else as the umask has it. */
static int give_mode(const struct stele_image_file *file, struct stele_error *reterr)
{
	struct stat st;
	mode_t mask = umask(0);
	umask(mask);
	mode_t mode = 0666 & ~mask;
	if (stat(file->path, &st) == 0 && S_ISREG(st.st_mode)) {
		mode = st.st_mode & 0777;
		struct stat mine;
		/* Only root gives files away; others may give them to a group of their own. */
		if (fchown(file->fd, st.st_uid, st.st_gid) != 0 &&
		    fchown(file->fd, (uid_t)-1, st.st_gid) != 0)
			errno = 0;
		/* The group that it has instead was given no rights. */
		if (fstat(file->fd, &mine) != 0 || mine.st_gid != st.st_gid)
			mode &= ~(mode_t)S_IRWXG;
	}
	return fchmod(file->fd, mode) == 0 ? 0 : stele_fail_errno(reterr, errno, "%s", file->path);
}

int stele_image_check_replaceable(const char *path, struct stele_error *reterr)
{
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == EACCES ? 0 : stele_fail_file(reterr, errno, "%s", path);
	struct stele_superblock sb;
	struct stele_error detail;
	int rc = stele_file_read_at(fd, 0, sb.magic, sizeof(sb.magic), &detail);
	close(fd);
	if (rc == 0 && memcmp(sb.magic, STELE_IMAGE_MAGIC, sizeof(sb.magic)) == 0)
		return 0;
	if (rc == STELE_E_SYSTEM)
		return stele_fail(reterr, rc, "%s: %s", path, detail.text);
	return stele_fail(
		reterr, STELE_E_INPUT,
		"%s: not an image, and not empty (expected an image, or a name that is free; "
		"--force replaces it)",
		path);
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* So much of a name has room before the suffix. */
static size_t temporary_stem(size_t name_len)
{
	return name_len < NAME_MAX - strlen(SUFFIX) ? name_len : NAME_MAX - strlen(SUFFIX);
}

/* What can be known now of a path is not found out when all is done. */
static int check_path(const char *path, struct stele_error *reterr)
{
	struct stat st;
	size_t len = strlen(path);
	if (len == 0)
		return stele_fail(reterr, STELE_E_INPUT, "no name (expected that of an image)");
	/* It is going to be replaced: an image may be, a device such as /dev/null had better not. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: not a regular file (expected an image)", path);
	if (path[len - 1] == '/')
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: ends in a slash (expected the name of an image)", path);
	size_t name_len = strlen(name_in(path));
	size_t temporary_len = len - name_len + temporary_stem(name_len) + strlen(SUFFIX);
	if (name_len > NAME_MAX || temporary_len >= PATH_MAX)
		return stele_fail_file(reterr, ENAMETOOLONG, "%s", path);
	return 0;
}

int stele_image_create(struct stele_image_file *file, const char *path,
		       const struct stele_superblock *superblock, struct stele_error *reterr)
{
	*file = (struct stele_image_file){.fd = -1, .lock_fd = -1};
	int rc = check_path(path, reterr);
	if (rc < 0)
		return rc;
	const char *name = name_in(path);
	int stem_len = (int)(name - path) + (int)temporary_stem(strlen(name));
	file->path = strdup(path);
	if (file->path == NULL || asprintf(&file->temporary, "%.*s" SUFFIX, stem_len, path) < 0) {
		file->temporary = NULL;
		close_file(file);
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	}
	open_temporary(file);
	if (file->fd < 0) {
		int error_number = errno;
		close_file(file);
		return stele_fail_file(reterr, error_number, "%s", path);
	}
	rc = give_mode(file, reterr);
	struct stele_superblock sb = {
		.magic = STELE_IMAGE_MAGIC,
		.major = stele_to_le16(STELE_IMAGE_MAJOR),
		.minor = stele_to_le16(STELE_IMAGE_MINOR),
		.compatible = superblock->compatible,
		.seed = {superblock->seed[0], superblock->seed[1]},
		.store_id = superblock->store_id,
	};
	sb.crc = stele_to_le32(stele_crc32c(0, &sb, sizeof(sb)));
	if (rc == 0)
		rc = stele_image_identity(&sb, file->identity, reterr);
	if (rc == 0)
		rc = write_at(file, 0, &sb, sizeof(sb), reterr);
	file->end = sizeof(sb);
	if (rc < 0)
		stele_image_abort(file);
	return rc;
}

int stele_image_append(struct stele_image_file *file, const char *path, int fd,
		       const struct stele_view *view, struct stele_error *reterr)
{
	uint64_t end = view->root_off + sizeof(struct stele_root);
	*file = (struct stele_image_file){
		.fd = fd,
		.path = strdup(path),
		.end = end,
		.prev_root_off = view->root_off,
	};
	int rc = 0;
	if (file->path == NULL)
		rc = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	if (rc == 0)
		rc = stele_image_identity((const void *)view->bytes, file->identity, reterr);
	if (rc == 0 && view->torn_sz > 0 && ftruncate(fd, (off_t)end) != 0)
		rc = stele_fail_errno(reterr, errno, "%s: cutting its torn end", path);
	if (rc == 0)
		rc = stele_image_resize(file, view->shard_cnt, reterr);
	if (rc < 0) {
		close_file(file);
		return rc;
	}
	for (uint32_t i = 0; i < view->shard_cnt; i++)
		file->refs[i] = *stele_view_ref(view, i);
	const struct stele_root *root = (const void *)(view->bytes + view->root_off);
	memcpy(file->pages, view->bytes + stele_le64(root->top_off),
	       file->page_cnt * sizeof(*file->pages));
	memset(file->page_is_new, 0, file->page_cnt);
	return 0;
}

int stele_image_resize(struct stele_image_file *file, uint32_t shard_cnt,
		       struct stele_error *reterr)
{
	uint32_t page_cnt = (shard_cnt + STELE_DIR_PAGE_REFS - 1) / STELE_DIR_PAGE_REFS;
	struct stele_shard_ref *refs = calloc(shard_cnt, sizeof(*refs));
	struct stele_dir_entry *pages = calloc(page_cnt, sizeof(*pages));
	uint8_t *page_is_new = malloc(page_cnt);
	if (refs == NULL || pages == NULL || page_is_new == NULL) {
		free(refs);
		free(pages);
		free(page_is_new);
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	}
	uint32_t kept = file->shard_cnt < shard_cnt ? file->shard_cnt : shard_cnt;
	if (kept > 0)
		memcpy(refs, file->refs, kept * sizeof(*refs));
	uint32_t page_kept = kept / STELE_DIR_PAGE_REFS; /* only whole ones stay as they are */
	memset(page_is_new, 1, page_cnt);
	if (page_kept > 0) {
		memcpy(pages, file->pages, page_kept * sizeof(*pages));
		memcpy(page_is_new, file->page_is_new, page_kept);
	}
	free(file->refs);
	free(file->pages);
	free(file->page_is_new);
	file->refs = refs;
	file->pages = pages;
	file->page_is_new = page_is_new;
	file->shard_cnt = shard_cnt;
	file->page_cnt = page_cnt;
	return 0;
}

uint64_t stele_image_place(struct stele_image_file *file, uint64_t size)
{
	uint64_t off = align_up(file->end, STELE_SHARD_ALIGN);
	file->end = off + size;
	return off;
}

int stele_image_put(struct stele_image_file *file, uint32_t shard, enum stele_shard_kind kind,
		    uint32_t item_cnt, uint64_t off, const uint8_t *bytes, uint64_t size,
		    struct stele_error *reterr)
{
	struct stele_digests_job digests = {.bytes = bytes, .sz = size};
	int rc = stele_digests(&digests, 1, reterr);
	if (rc < 0)
		return rc;
	struct stele_shard_ref ref = {
		.off = stele_to_le64(off),
		.size = stele_to_le64(size),
		.crc = stele_to_le32(digests.crc),
		.item_cnt = stele_to_le32(item_cnt),
		.kind = (uint8_t)kind,
	};
	memcpy(ref.digest, digests.sha256, sizeof(ref.digest));
	rc = write_at(file, off, bytes, size, reterr);
	if (rc < 0)
		return rc;
	file->refs[shard] = ref;
	__atomic_store_n(file->page_is_new + shard / STELE_DIR_PAGE_REFS, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&file->written_sz, size, __ATOMIC_RELAXED);
	return 0;
}

int stele_image_copy(struct stele_image_file *file, uint32_t shard,
		     const struct stele_shard_ref *ref, uint64_t off, const uint8_t *bytes,
		     struct stele_error *reterr)
{
	int rc = write_at(file, off, bytes, stele_le64(ref->size), reterr);
	if (rc < 0)
		return rc;
	file->refs[shard] = *ref;
	file->refs[shard].off = stele_to_le64(off);
	file->page_is_new[shard / STELE_DIR_PAGE_REFS] = 1;
	return 0;
}

void stele_image_remove(struct stele_image_file *file, uint32_t shard)
{
	file->refs[shard] = (struct stele_shard_ref){0};
	file->page_is_new[shard / STELE_DIR_PAGE_REFS] = 1;
}

/* Writes the pages of which a reference changed. */
static int put_pages(struct stele_image_file *file, struct stele_error *reterr)
{
	for (uint32_t page = 0; page < file->page_cnt; page++) {
		uint32_t left = file->shard_cnt - page * STELE_DIR_PAGE_REFS;
		uint32_t ref_cnt = left < STELE_DIR_PAGE_REFS ? left : STELE_DIR_PAGE_REFS;
		const struct stele_shard_ref *refs = file->refs + page * STELE_DIR_PAGE_REFS;
		size_t size = ref_cnt * sizeof(*refs);
		if (!file->page_is_new[page])
			continue;
		uint64_t off = stele_image_place(file, size);
		int rc = write_at(file, off, refs, size, reterr);
		if (rc < 0)
			return rc;
		file->pages[page] = (struct stele_dir_entry){
			.page_off = stele_to_le64(off),
			.page_crc = stele_to_le32(stele_crc32c(0, refs, size)),
			.ref_cnt = stele_to_le32(ref_cnt),
		};
		file->written_sz += size;
	}
	return 0;
}

static uint64_t live_size(const struct stele_image_file *file)
{
	uint64_t size = sizeof(struct stele_superblock) + sizeof(struct stele_root) +
			file->page_cnt * sizeof(struct stele_dir_entry);
	for (uint32_t i = 0; i < file->shard_cnt; i++)
		size += stele_le64(file->refs[i].size) + sizeof(file->refs[i]);
	return size;
}

static int put_root(struct stele_image_file *file, const struct stele_root *numbers,
		    struct stele_error *reterr)
{
	size_t top_sz = file->page_cnt * sizeof(*file->pages);
	uint64_t top_off = stele_image_place(file, top_sz);
	int rc = write_at(file, top_off, file->pages, top_sz, reterr);
	if (rc < 0)
		return rc;
	/* All that the root reaches is on disk before the root is. */
	if (!file->no_sync)
		rc = sync_file(file, reterr);
	if (rc < 0)
		return rc;

	struct stele_root root = *numbers;
	uint64_t off = align_up(file->end, STELE_IMAGE_ALIGN);
	memcpy(root.magic, STELE_ROOT_MAGIC, sizeof(root.magic));
	memcpy(root.identity, file->identity, sizeof(root.identity));
	root.crc = stele_to_le32(0);
	root.shard_cnt = stele_to_le32(file->shard_cnt);
	root.self_off = stele_to_le64(off);
	root.prev_root_off = stele_to_le64(file->prev_root_off);
	root.live_sz = stele_to_le64(live_size(file));
	root.top_off = stele_to_le64(top_off);
	root.top_cnt = stele_to_le32(file->page_cnt);
	root.top_crc = stele_to_le32(stele_crc32c(0, file->pages, top_sz));
	root.crc = stele_to_le32(stele_crc32c(0, &root, sizeof(root)));
	rc = write_at(file, off, &root, sizeof(root), reterr);
	if (rc == 0 && !file->no_sync)
		rc = sync_file(file, reterr);
	if (rc < 0)
		return rc;
	file->written_sz += top_sz + sizeof(root);
	file->end = off + sizeof(root);
	return 0;
}

static int sync_directory_of(struct stele_image_file *file, struct stele_error *reterr)
{
	double begin = stele_clock_s();
	char *copy = strdup(file->path);
	if (copy == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	/* One that may be written to and not read is synced with all else of its file system. */
	int rc = fd >= 0 ? fsync(fd) : syncfs(file->fd);
	if (rc != 0)
		rc = stele_fail_errno(reterr, errno,
				      "%s: is in place, but a crash of the machine may undo that",
				      file->path);
	if (fd >= 0)
		close(fd);
	file->sync_s += stele_clock_s() - begin;
	return rc;
}

/*
 * No sooner does the file get a name: while it waited for the lock it could be ended, and nothing would stay. Until
 * it has its own name, or none again, signals wait.
 */
static int take_name(struct stele_image_file *file, struct stele_error *reterr)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int rc = file->is_unnamed ? name_temporary(file, reterr) : 0;
	if (rc == 0 && rename(file->temporary, file->path) != 0) {
		rc = stele_fail_errno(reterr, errno, "%s", file->path);
		unlink(file->temporary);
		file->is_unnamed = true;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* Puts a new image in the place of what is there. */
static int take_place(struct stele_image_file *file, struct stele_error *reterr)
{
	int lock = -1, rc = 0;
	if (file->lock_fd < 0)
		rc = stele_image_lock_place(file->path, &lock, reterr);
	else
		rc = stele_image_check_name(file->lock_fd, file->path, reterr);
	if (rc == 0)
		rc = take_name(file, reterr);
	if (lock >= 0)
		close(lock);
	return rc;
}

int stele_image_finish(struct stele_image_file *file, const struct stele_root *root,
		       struct stele_image_size *ret_size, struct stele_error *reterr)
{
	uint64_t name_cnt = stele_le64(root->name_cnt);
	int rc = 0;
	if (name_cnt > STELE_IMAGE_NAMES_MAX) /* no reader would take it */
		rc = stele_fail(reterr, STELE_E_INPUT,
				"%s: %" PRIu64 " names (an image has at most %d)", file->path,
				name_cnt, STELE_IMAGE_NAMES_MAX);
	if (rc == 0)
		rc = put_pages(file, reterr);
	if (rc == 0)
		rc = put_root(file, root, reterr);
	if (rc == 0 && file->temporary != NULL)
		rc = take_place(file, reterr);
	if (rc < 0) {
		stele_image_abort(file);
		return rc;
	}
	if (file->temporary != NULL && !file->no_sync)
		rc = sync_directory_of(file, reterr);
	if (rc == 0)
		*ret_size = (struct stele_image_size){file->end, live_size(file), file->sync_s};
	close_file(file);
	return rc;
}
