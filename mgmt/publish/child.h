/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_CHILD_H
#define STELE_MGMT_PUBLISH_CHILD_H

/*
 * A program that runs beside the daemon, watched by a loop: what it prints, how it ends, and whether it
 * ends in time.
 *
 * The process is known by a descriptor, not by SIGCHLD: no signal handler that others have to share,
 * and no number that could belong to somebody else when it is killed. Belongs to the loop's thread.
 */

#include "lib/base/error.h"
#include "mgmt/loop/loop.h"

#include <stddef.h>
#include <stdint.h>

/* Of standard output; what comes after is read and forgotten. */
#define STELE_CHILD_OUTPUT_MAX 65536
/* Of standard error, the end is kept. */
#define STELE_CHILD_ERRORS_MAX 2048

struct stele_child;

struct stele_child_settings {
	const char *const
		*argv;   /* argv[0] is the path, or a name to be found in PATH; ends with NULL */
	uint64_t max_ns; /* longer, and it is killed */

	/*
	 * It has ended; the child is freed afterwards. `error` is empty if it exited with 0, else the last line
	 * that it said, or how it ended. `exit_status` is -1 if it was killed.
	 */
	void (*done)(void *user, int exit_status, const char *output, size_t output_len,
		     const char *error);
	void *user;
};

/* Starts it, with nothing on standard input, no other descriptors, no signal blocked or ignored. `settings`
 * is needed for the call only. STELE_E_SYSTEM. */
int stele_child_start(struct stele_loop *loop, const struct stele_child_settings *settings,
		      struct stele_child **ret_child, struct stele_error *reterr);

/* Kills it, waits for its end, frees it; `done` is not called. NULL is fine. */
void stele_child_kill(struct stele_child *child);

#endif
