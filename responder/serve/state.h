/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_STATE_H
#define STELE_RESPONDER_SERVE_STATE_H

/*
 * Which image was served last, remembered on disk, so that it is served again without anyone's help.
 *
 * Image files are append-only, or replaced by another file under their name. So it is enough to remember the
 * file and where in it the root stands, and to hold on to the file: `image.N` in the state directory is
 * another name (a hard link) for it, which keeps it when its own name is given to another file or
 * removed. Where that cannot be (another file system, a file of another user), only the path is
 * remembered, and a file that is gone is gone.
 *
 * `last-image.json` says which, and is replaced in one step: whenever the program or the machine stops, there
 * is either the old memory or the new one. What is remembered is not trusted: it is loaded and
 * verified like any other.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Two ways for the remembered file (its name and ours), each as it is and at the root that was served, and
 * the configured image. */
#define STELE_STATE_CANDIDATES_MAX 5

struct stele_state_candidate {
	int fd;
	uint64_t end; /* for stele_serve_load_until() */
	char name[4096];
	const char *why; /* "the configured image", for messages */
};

struct stele_state_candidates {
	struct stele_state_candidate all[STELE_STATE_CANDIDATES_MAX];
	unsigned cnt;
};

/*
 * Remembers that the image in `fd`, known as `path`, whose root stands at `root_off`, is served now. `exact`:
 * this root and no later one of the same file, as after a rollback. `kept_fd`, or -1: a file that may be remembered
 * next, since a rollback leads there; if the directory has a name for it, it stays: it may be the last one. `dir`
 * must exist; its content is for the program's user alone to write. Syncs. STELE_E_SYSTEM: what was remembered
 * before still is; also of a file that a start could not open by any name, or, if it is `exact`, of which another one
 * has the name by now.
 */
int stele_state_remember(const char *dir, int fd, const char *path, uint64_t root_off, bool exact,
			 int kept_fd, struct stele_error *reterr);

/*
 * Opens what may be served at start, the best first: try each until one loads.
 *
 * `configured` is the image of the configuration, or NULL. It comes first if it is what was
 * remembered, under its name, and `exact` was not said, so that what the compiler appended meanwhile is
 * served; or if nothing was remembered. Otherwise, the remembered one does. `dir` may be NULL.
 *
 * What cannot be opened or read is left out, and said in `reterr`; it is empty if all was well. Never
 * fails: there may be no candidates.
 */
void stele_state_recall(const char *dir, const char *configured,
			struct stele_state_candidates *ret_candidates, struct stele_error *reterr);

/* Closes all descriptors. */
void stele_state_candidates_close(struct stele_state_candidates *candidates);

#endif
