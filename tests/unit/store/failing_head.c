/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/failing_head.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool armed;

/* By its own name it would be pwrite64() here, which LMDB does not call. */
ssize_t write_at(int fd, const void *bytes, size_t size, off_t off) __asm__("pwrite");

ssize_t write_at(int fd, const void *bytes, size_t size, off_t off)
{
	if (off < 2 * sysconf(_SC_PAGESIZE) && atomic_exchange(&armed, false)) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, size, off);
}

void failing_head_arm(void)
{
	armed = true;
}

bool failing_head_is_armed(void)
{
	return armed;
}
