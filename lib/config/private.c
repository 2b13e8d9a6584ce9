/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/private.h"

#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_open(int fd, const char *path, size_t max, struct stele_private_text *ret_text,
		     struct stele_error *reterr)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return stele_fail_errno(reterr, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return stele_fail(reterr, STELE_E_INPUT, "%s: not a regular file (expected one)",
				  path);
	if ((st.st_mode & 077) != 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: mode %04o lets others in (expected 0600: its owner only)",
				  path, (unsigned)st.st_mode & 07777);
	if ((uint64_t)st.st_size > max)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: too large (expected at most %zu bytes)", path, max);
	/* A byte more tells whether somebody writes to it. */
	size_t sz = (size_t)st.st_size;
	struct stele_private_text text = {malloc(sz + 1), sz + 1};
	if (text.bytes == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", path);
	ssize_t got = stele_file_read(fd, text.bytes, sz + 1);
	if (got == (ssize_t)sz) {
		text.sz = sz;
		*ret_text = text;
		return 0;
	}
	int status =
		got < 0 ? stele_fail_errno(reterr, errno, "%s", path) :
			  stele_fail(reterr, STELE_E_SYSTEM, "%s: changed while it was read", path);
	stele_private_wipe(&text);
	return status;
}

int stele_private_read(const char *path, size_t max, struct stele_private_text *ret_text,
		       struct stele_error *reterr)
{
	/* Not blocking: the open of a pipe without a writer would never return. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return stele_fail_file(reterr, errno, "%s", path);
	int status = read_open(fd, path, max, ret_text, reterr);
	close(fd);
	return status;
}

void stele_private_wipe(struct stele_private_text *text)
{
	explicit_bzero(text->bytes, text->sz);
	free(text->bytes);
	*text = (struct stele_private_text){0};
}
