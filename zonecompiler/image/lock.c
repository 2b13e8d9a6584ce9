/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/image/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int stele_image_real_path(const char *path, char **ret_path, struct stele_error *reterr)
{
	struct stat st;
	bool is_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
	*ret_path = is_link ? realpath(path, NULL) : strdup(path);
	return *ret_path != NULL ? 0 : stele_fail_file(reterr, errno, "%s", path);
}

static bool has_name(int fd, const char *path)
{
	struct stat mine, theirs;
	return fstat(fd, &mine) == 0 && stat(path, &theirs) == 0 && mine.st_dev == theirs.st_dev &&
	       mine.st_ino == theirs.st_ino;
}

int stele_image_check_name(int fd, const char *path, struct stele_error *reterr)
{
	if (has_name(fd, path))
		return 0;
	return stele_fail(
		reterr, STELE_E_SYSTEM,
		"%s: moved, removed or replaced meanwhile; what is there now stays (it may be "
		"tried again)",
		path);
}

static int lock(const char *path, int flags, int *ret_fd, struct stele_error *reterr)
{
	for (;;) {
		int fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			return stele_fail_file(reterr, errno, "%s", path);
		int rc = 0;
		while ((rc = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
			;
		if (rc != 0) {
			int error_number = errno;
			close(fd);
			return stele_fail_errno(reterr, error_number, "%s: locking it", path);
		}
		if (has_name(fd, path)) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
	}
}

int stele_image_lock(const char *path, int *ret_fd, struct stele_error *reterr)
{
	return lock(path, O_RDWR, ret_fd, reterr);
}

int stele_image_lock_place(const char *path, int *ret_fd, struct stele_error *reterr)
{
	/* Over NFS only what is open for writing gets the lock. Without waiting, should it be a FIFO. */
	int flags = access(path, W_OK) == 0 ? O_RDWR : O_RDONLY;
	int rc = lock(path, flags | O_NONBLOCK, ret_fd, reterr);
	if (rc == 0 || access(path, R_OK) == 0 || (errno != ENOENT && errno != EACCES))
		return rc;
	*ret_fd = -1;
	return 0;
}
