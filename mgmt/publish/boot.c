/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/publish/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A random number of the kernel's: 36 characters and a newline. */
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SZ 37

static bool read_id(const char *path, char id[BOOT_ID_SZ])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, id, BOOT_ID_SZ);

	if (fd >= 0)
		close(fd);
	return got == BOOT_ID_SZ;
}

static void mark_of(const char *image, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.boot", image);
}

static int sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(folder, sizeof(folder), ".");
	else
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	return failed;
}

bool stele_boot_is_suspect(const char *image)
{
	char path[PATH_MAX], marked[BOOT_ID_SZ], now[BOOT_ID_SZ];

	mark_of(image, path);
	if (access(path, F_OK) != 0)
		return false;
	return !read_id(path, marked) || !read_id(BOOT_ID_PATH, now) ||
	       memcmp(marked, now, BOOT_ID_SZ) != 0;
}

int stele_boot_mark(const char *image, struct stele_error *reterr)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8], id[BOOT_ID_SZ];

	mark_of(image, path);
	if (!read_id(BOOT_ID_PATH, id))
		return stele_fail(reterr, STELE_E_SYSTEM, "%s cannot be read", BOOT_ID_PATH);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s", temporary);
	bool is_written = write(fd, id, BOOT_ID_SZ) == BOOT_ID_SZ && fsync(fd) == 0;
	close(fd);
	if (!is_written || rename(temporary, path) != 0 || sync_folder_of(path) != 0) {
		int failed = stele_fail_errno(reterr, errno, "%s", path);
		unlink(temporary);
		return failed;
	}
	return 0;
}

void stele_boot_unmark(const char *image)
{
	char path[PATH_MAX];
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fdatasync(fd) == 0;

	if (fd >= 0)
		close(fd);
	mark_of(image, path);
	if (is_synced)
		unlink(path);
}
