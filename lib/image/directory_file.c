/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/image/directory.h"

#include "lib/base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Some systems tell of more bytes than there are, and would be read for ever. */
#define TRIES_MAX 16

struct source_file {
	int fd;
	bool was_cut; /* less was there than its size had told */
};

static int read_file(void *user, uint64_t off, void *to, size_t size, struct stele_error *reterr)
{
	struct source_file *file = user;
	int rc = stele_file_read_at(file->fd, off, to, size, reterr);
	file->was_cut |= rc == STELE_E_INPUT;
	return rc;
}

/*
 * Not from a mapping: in search of the last root a torn tail is read, and whoever appends next cuts that, which in a
 * mapping would end the process.
 */
int stele_directory_read_file(int fd, uint64_t end, struct stele_directory *ret_directory,
			      uint64_t *ret_size, struct stele_error *reterr)
{
	struct stat st;
	struct source_file file = {.fd = fd};
	struct stele_source source = {read_file, &file, 0};
	int rc = 0;
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		if (fstat(fd, &st) < 0)
			return stele_fail_errno(reterr, errno, "size");
		uint64_t size = (uint64_t)st.st_size;
		if (end != 0 && end < size)
			size = end;
		/* It may have been cut, and appended to since. */
		if (rc != 0 && !file.was_cut && size >= source.size)
			return rc;
		if (!S_ISREG(st.st_mode) || size == 0)
			return stele_fail(reterr, STELE_E_INPUT, "%s (expected an image)",
					  S_ISREG(st.st_mode) ? "empty" : "not a regular file");
		file.was_cut = false;
		source.size = size;
		rc = stele_directory_read(&source, ret_directory, reterr);
		if (rc == 0) {
			if (ret_size != NULL)
				*ret_size = size;
			return 0;
		}
	}
	return rc;
}
