/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/findings_file.h"

#include "responder/serve/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "verified"
#define TEMPORARY "verified.new"

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

static int replace(int dir_fd, const struct stele_findings *findings)
{
	/* What a program that was killed left, whoever it was: a new file has our owner and mode. */
	unlinkat(dir_fd, TEMPORARY, 0);
	int fd = openat(dir_fd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	int error_number = write_all(fd, findings->bytes, findings->sz);
	close(fd);
	if (error_number == 0 && renameat(dir_fd, TEMPORARY, dir_fd, NAME) != 0)
		error_number = errno;
	if (error_number != 0)
		unlinkat(dir_fd, TEMPORARY, 0);
	else if (fsync(dir_fd) != 0)
		error_number = errno;
	return error_number;
}

int stele_findings_save(const char *dir, const struct stele_findings *findings,
			struct stele_error *reterr)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return stele_fail_errno(reterr, errno, "%s", dir);
	int error_number = replace(dir_fd, findings);
	close(dir_fd);
	return error_number == 0 ? 0 : stele_fail_errno(reterr, error_number, "%s/" NAME, dir);
}

static bool is_ours(const struct stat *file, const struct stat *dir)
{
	return S_ISREG(file->st_mode) && (file->st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	       (dir->st_mode & S_IWOTH) == 0 &&
	       (file->st_uid == 0 || file->st_uid == geteuid() || file->st_uid == dir->st_uid);
}

static int read_file(int fd, size_t sz, const char *dir, struct stele_findings *ret_findings,
		     struct stele_error *reterr)
{
	struct serve_reader reader = {fd};
	struct stele_error detail;
	uint8_t *bytes = malloc(sz + 1);
	if (bytes == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s/" NAME, dir);
	int rc = serve_read(&reader, 0, bytes, sz, &detail);
	if (rc == 0)
		rc = stele_findings_open(bytes, sz, ret_findings, &detail);
	if (rc == 0)
		return 0;
	free(bytes);
	return stele_fail(reterr, rc, "%s/" NAME ": %s", dir, detail.text);
}

int stele_findings_load(const char *dir, struct stele_findings *ret_findings,
			struct stele_error *reterr)
{
	struct stat dir_st, st;
	int fd = -1, rc = 0;
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return stele_fail_errno(reterr, errno, "%s", dir);
	fd = openat(dir_fd, NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		rc = stele_fail(reterr, STELE_E_NOTFOUND, "%s/" NAME " does not exist", dir);
	else if (fd < 0 || fstat(fd, &st) != 0 || fstat(dir_fd, &dir_st) != 0)
		rc = stele_fail_errno(reterr, errno, "%s/" NAME, dir);
	else if (!is_ours(&st, &dir_st))
		rc = stele_fail(reterr, STELE_E_INPUT,
				"%s/" NAME ": not a file that only its owner, root or the owner of "
				"the directory can write",
				dir);
	else
		rc = read_file(fd, (size_t)st.st_size, dir, ret_findings, reterr);
	if (fd >= 0)
		close(fd);
	close(dir_fd);
	return rc;
}
