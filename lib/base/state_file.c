/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/state_file.h"

#include "lib/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_SZ 64

/* Sooner, and a file would be taken away while it is written; later, and what was left takes room for nothing. */
#define LEFT_AFTER_S 3600

static int write_all(int fd, const uint8_t *bytes, size_t sz)
{
	while (sz > 0) {
		ssize_t n = write(fd, bytes, sz);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		bytes += n;
		sz -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

/* What programs that were killed left of files whose names begin so. If this fails, they are there until next time. */
static void remove_left(int dir_fd, const char *prefix)
{
	struct stat st;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    time(NULL) - st.st_mtime > LEFT_AFTER_S)
			unlinkat(dir_fd, entry->d_name, 0);
	closedir(dir);
}

/* A new file of a name that no other writer has: it begins with `prefix`. -1 with errno. */
static int make_temporary(int dir_fd, const char *prefix, char name[NAME_MAX_SZ])
{
	int fd;
	do {
		uint32_t number;
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -1;
		snprintf(name, NAME_MAX_SZ, "%s-%08x", prefix, number);
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} while (fd < 0 && errno == EEXIST);
	return fd;
}

static int replace(int dir_fd, const char *name, const uint8_t *bytes, size_t sz)
{
	char prefix[NAME_MAX_SZ / 2], temporary[NAME_MAX_SZ];
	snprintf(prefix, sizeof(prefix), "%s.new", name);
	remove_left(dir_fd, prefix);
	int fd = make_temporary(dir_fd, prefix, temporary);
	if (fd < 0)
		return errno;
	int error_number = write_all(fd, bytes, sz);
	close(fd);
	if (error_number == 0 && renameat(dir_fd, temporary, dir_fd, name) != 0)
		error_number = errno;
	if (error_number != 0)
		unlinkat(dir_fd, temporary, 0);
	else if (fsync(dir_fd) != 0)
		error_number = errno;
	return error_number;
}

int stele_state_file_write(const char *dir, const char *name, const uint8_t *bytes, size_t sz,
			   struct stele_error *reterr)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return stele_fail_errno(reterr, errno, "%s", dir);
	int error_number = replace(dir_fd, name, bytes, sz);
	close(dir_fd);
	return error_number == 0 ? 0 : stele_fail_errno(reterr, error_number, "%s/%s", dir, name);
}

static bool is_ours(const struct stat *file, const struct stat *dir)
{
	return S_ISREG(file->st_mode) && (file->st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	       (dir->st_mode & S_IWOTH) == 0 &&
	       (file->st_uid == 0 || file->st_uid == geteuid() || file->st_uid == dir->st_uid);
}

static int read_file(int fd, size_t sz, uint8_t **ret_bytes, struct stele_error *reterr)
{
	uint8_t *bytes = malloc(sz + 1);
	if (bytes == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%zu bytes", sz);
	int rc = stele_file_read_at(fd, 0, bytes, sz, reterr);
	if (rc != 0) {
		free(bytes);
		return rc;
	}
	*ret_bytes = bytes;
	return 0;
}

int stele_state_file_read(const char *dir, const char *name, uint8_t **ret_bytes, size_t *ret_sz,
			  struct stele_error *reterr)
{
	struct stele_error detail;
	struct stat dir_st, st;
	int rc = 0;
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return stele_fail_errno(reterr, errno, "%s", dir);
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		rc = stele_fail(reterr, STELE_E_NOTFOUND, "%s/%s does not exist", dir, name);
	else if (fd < 0 || fstat(fd, &st) != 0 || fstat(dir_fd, &dir_st) != 0)
		rc = stele_fail_errno(reterr, errno, "%s/%s", dir, name);
	else if (!is_ours(&st, &dir_st))
		rc = stele_fail(reterr, STELE_E_INPUT,
				"%s/%s: not a file that only its owner, root or the owner of the "
				"directory can write",
				dir, name);
	else if ((rc = read_file(fd, (size_t)st.st_size, ret_bytes, &detail)) != 0)
		rc = stele_fail(reterr, rc, "%s/%s: %s", dir, name, detail.text);
	else
		*ret_sz = (size_t)st.st_size;
	if (fd >= 0)
		close(fd);
	close(dir_fd);
	return rc;
}
