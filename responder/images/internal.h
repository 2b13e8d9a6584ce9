/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_IMAGES_INTERNAL_H
#define STELE_RESPONDER_IMAGES_INTERNAL_H

/* What images.c (loading), start.c (the first image) and zones.c (zones as they are counted) share. */

#include "responder/images/images.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

/* The zones of the current image, as they are counted. */
struct images_zone_set {
	struct stele_stats_zone *zones;
	uint32_t *slots;
	size_t cnt;
	/* One for each node: the serial of a view is its own. */
	struct stele_worker_zones nodes[STELE_NODES_MAX];
	struct stele_stats_zone_map *map;
};

/* The file of an image that is kept: what is needed to remember it. */
struct images_file {
	int fd; /* -1: none */
	char path[4096];
};

struct stele_images {
	const struct stele_responder_config *config;
	struct stele_stats *stats;
	unsigned node_cnt;
	int nodes[STELE_NODES_MAX];
	struct stele_serve *serves[STELE_NODES_MAX];
	struct stele_worker *const *workers;
	unsigned worker_cnt;
	struct images_zone_set *zones;
	struct images_zone_set *retired; /* workers may still look at it */
	uint64_t *quiescent;             /* of each worker, when a load began */
	struct images_file current, previous;
	/* Why the current one is not remembered; empty: it is. */
	struct stele_error unremembered;
	/* What the state directory says of it. Empty path: nothing was remembered since the start. */
	struct {
		char path[PATH_MAX];
		bool exact;
		dev_t device;
		ino_t inode;
		uint64_t root_off;
	} remembered;
	uint64_t unsaved_sz; /* bytes verified since findings were saved; UINT64_MAX: none were */
	struct stat saved;   /* the file that it is about */

	/* What a process before this one left; until the first image is in the arena. */
	struct {
		struct stele_findings findings;
		struct stele_stamped stamped;
	} start;
	bool ending, withdrawn; /* atomic; once true, so they stay */

	pthread_mutex_t lock; /* over `status`, and over who looks at `zones` */
	struct stele_serve_status status;
};

/* Where a node stands among those that have images; the last one stands for a node that has none. */
unsigned images_node_index(const struct stele_images *images, int node);

/* The image is still served from the mapping of its file. */
bool images_in_mapping(const struct stele_images *images);

/* ---- loading, in steps (images.c) ---- */

/* The image that the first `end` bytes of a file are, on all nodes or on none. */
int images_load_until(struct stele_images *images, int fd, uint64_t end, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr);

/* Before a step that waits for workers; and what to say if it failed and nothing was published. */
void images_note_workers(struct stele_images *images);
int images_refuse(struct stele_images *images, int rc, struct stele_error *reterr);

/* One of them ends what was prepared on each node. */
int images_publish(struct stele_images *images, struct stele_serve_next **next,
		   struct stele_error *reterr);
void images_discard(struct stele_images *images, struct stele_serve_next **next);

/* What stele_images_status() tells from now on. */
void images_note_status(struct stele_images *images);

/* ---- zones (zones.c) ---- */

/* Gives workers the zones of the images that will be served next, one for each node. What they had stays
 * for as long as a worker may look at the image before. If it fails, it says so. */
void images_give_zones(struct stele_images *images, struct stele_serve_next *const *next);

/* When no worker looks at an image before the current one. */
void images_settle_zones(struct stele_images *images);

/* All of them. No worker is left. */
void images_free_zones(struct stele_images *images);

#endif
