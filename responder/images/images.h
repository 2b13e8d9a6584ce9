/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_IMAGES_IMAGES_H
#define STELE_RESPONDER_IMAGES_IMAGES_H

/*
 * The images that are served, for the whole program: one copy for each NUMA node that has workers,
 * and the counters of zones, kept in step with them.
 *
 * All calls come from one thread, the loader (control/jobs.h), except where it says otherwise: loading
 * takes as long as an image is large, and the control thread has to stay free.
 */

#include "lib/base/error.h"
#include "lib/stats/stats.h"
#include "responder/config/config.h"
#include "responder/serve/serve.h"
#include "responder/worker/worker.h"

#include <stdbool.h>
#include <stdint.h>

#define STELE_NODES_MAX 8

struct stele_images;

/* Reserves an arena on each of `nodes`. `huge_sz`: bytes of huge pages that were free before the program took any; if
 * there were some, and images do not get them, the log warns. */
int stele_images_open(const struct stele_responder_config *config, const int *nodes,
		      unsigned node_cnt, uint64_t huge_sz, struct stele_stats *stats,
		      struct stele_images **ret_images, struct stele_error *reterr);
void stele_images_close(struct stele_images *images); /* no worker is left; NULL is fine */

/* For a worker on this node. Any thread. */
const struct stele_serve_root *stele_images_root(const struct stele_images *images, int node);

/* Who counts by zone. Before the first load. */
int stele_images_attach(struct stele_images *images, struct stele_worker *const *workers,
			unsigned worker_cnt, struct stele_error *reterr);

/*
 * As stele_serve_load() and stele_serve_rollback(), on all nodes or on none. `ret_info` may be NULL. STELE_E_SYSTEM
 * also if a worker stands still for ten seconds, which the text names: mostly nothing is published then.
 */
int stele_images_load(struct stele_images *images, int fd, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr);
int stele_images_rollback(struct stele_images *images, struct stele_serve_load_info *ret_info,
			  struct stele_error *reterr);

/* After a load or a rollback: why the next start will not serve the current image; NULL if it will. */
const char *stele_images_unremembered(const struct stele_images *images);

/*
 * Serves the image that is remembered as the last good one, else that of the configuration, if it can from the
 * mapping of its file. STELE_E_NOTFOUND: there is neither; other errors are those of the last image tried.
 */
int stele_images_restore(struct stele_images *images, struct stele_error *reterr);

/*
 * Moves the image that is served from its file into the arena, and saves what the next start needs; 0 if there is
 * nothing to move. To be done soon after a restore; a load begins with it too. If the copy is not what it should be, it
 * withdraws the image and restores one without a mapping; an error then means that none is served. STELE_E_SYSTEM with
 * the image in place: a worker stands still, or the program ends.
 */
int stele_images_move(struct stele_images *images, struct stele_error *reterr);

/* A move has found out that what was served from its file since the start was not what it should be. Any thread. */
bool stele_images_were_withdrawn(const struct stele_images *images);

/* Lets a load or a move end soon, and each that follows: the program ends, and an image that is not served yet is for
 * the next start. Any thread. NULL is fine. */
void stele_images_end(struct stele_images *images);

/*
 * Saves what the verification of the current image found out, for the next start, if what is saved is
 * about another file, or about too little of this one (lib/image/findings.h). Does nothing as long as the image is
 * served from its file.
 */
void stele_images_save_findings(struct stele_images *images);

/*
 * What loads leave undone since it waits for the disk, and a start is right without it: remembers where in its
 * file the current image stands, and saves findings.
 */
void stele_images_tidy(struct stele_images *images);

/* As of the last load or rollback. Any thread. */
void stele_images_status(struct stele_images *images, struct stele_serve_status *ret_status);

/*
 * The serial of a zone of the current image, and how many workers serve that image; false if it has none
 * of that name (lower case, wire format). Any thread.
 */
bool stele_images_serial(struct stele_images *images, const uint8_t *apex, size_t apex_len,
			 uint32_t *ret_serial, unsigned *ret_worker_cnt);

/* Whether a worker serves the current image, which it does from its next burst on. Any thread. */
bool stele_images_served_by(struct stele_images *images, const struct stele_worker *worker);

/* The first node's, for what only looks: zones, trace. */
const struct stele_serve *stele_images_serve(const struct stele_images *images);

#endif
