/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a responder (test_responder_start.py): the thread that moves an image into the arena
 * reads nothing as long as the file $STELE_MOVE_GATE is there, and does not begin at all as long as $STELE_NICE_GATE
 * is; all others read nothing of a file "image" as long as $STELE_START_GATE is.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef ssize_t (*reader)(int fd, void *to, size_t size, off_t off);

/* Of the file that a start reads. */
static int is_image(int fd)
{
	char link[64], path[4096];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	return strcmp(strrchr(path, '/') != NULL ? strrchr(path, '/') : "", "/image") == 0;
}

/* Who waits says so by a file GATE.reached. */
static void wait_for(const char *gate)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	char reached[4096];

	if (gate != NULL && access(gate, F_OK) == 0) {
		snprintf(reached, sizeof(reached), "%s.reached", gate);
		close(open(reached, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	while (gate != NULL && access(gate, F_OK) == 0)
		nanosleep(&pause, NULL);
}

static void wait_at_gate(int fd)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name, 0, 0, 0);
	wait_for(strcmp(name, "stele-move") == 0 ? getenv("STELE_MOVE_GATE") :
		 is_image(fd)                    ? getenv("STELE_START_GATE") :
						   NULL);
}

/* With which the thread begins. */
int setpriority(__priority_which_t which, id_t who, int priority)
{
	int (*next)(__priority_which_t, id_t, int);

	*(void **)&next = dlsym(RTLD_NEXT, "setpriority");
	wait_for(getenv("STELE_NICE_GATE"));
	return next(which, who, priority);
}

/* Both names that a program may have been built with. */
ssize_t pread(int fd, void *to, size_t size, off_t off)
{
	reader next;

	*(void **)&next = dlsym(RTLD_NEXT, "pread");
	wait_at_gate(fd);
	return next(fd, to, size, off);
}

ssize_t pread64(int fd, void *to, size_t size, off_t off)
{
	reader next;

	*(void **)&next = dlsym(RTLD_NEXT, "pread64");
	wait_at_gate(fd);
	return next(fd, to, size, off);
}
