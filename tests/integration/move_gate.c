/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a responder (tests/integration/test_responder_start.py): the thread that moves an image into the arena
 * reads nothing as long as the file $STELE_MOVE_GATE is there. All other reads are left alone.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

typedef ssize_t (*reader)(int fd, void *to, size_t size, off_t off);

static void wait_at_gate(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const char *gate = getenv("STELE_MOVE_GATE");
	char name[16] = "";

	prctl(PR_GET_NAME, name, 0, 0, 0);
	if (gate == NULL || strcmp(name, "stele-move") != 0)
		return;
	while (access(gate, F_OK) == 0)
		nanosleep(&pause, NULL);
}

/* Both names that a program may have been built with. */
ssize_t pread(int fd, void *to, size_t size, off_t off)
{
	reader next;

	*(void **)&next = dlsym(RTLD_NEXT, "pread");
	wait_at_gate();
	return next(fd, to, size, off);
}

ssize_t pread64(int fd, void *to, size_t size, off_t off)
{
	reader next;

	*(void **)&next = dlsym(RTLD_NEXT, "pread64");
	wait_at_gate();
	return next(fd, to, size, off);
}
