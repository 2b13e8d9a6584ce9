/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

ssize_t stele_file_read(int fd, void *to, size_t max)
{
	uint8_t *p = to;
	size_t sz = 0;
	while (sz < max) {
		ssize_t n = read(fd, p + sz, max - sz);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		sz += (size_t)n;
	}
	return (ssize_t)sz;
}

int stele_file_read_at(int fd, uint64_t off, void *to, size_t sz, struct stele_error *reterr)
{
	uint8_t *p = to;
	while (sz > 0) {
		ssize_t n = pread(fd, p, sz, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stele_fail_errno(reterr, errno, "reading at offset %" PRIu64, off);
		if (n == 0)
			return stele_fail(reterr, STELE_E_INPUT,
					  "the file ends at offset %" PRIu64
					  ", inside of what it should hold",
					  off);
		p += n;
		off += (uint64_t)n;
		sz -= (size_t)n;
	}
	return 0;
}
