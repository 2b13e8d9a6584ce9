/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_IMAGES_INTERNAL_H
#define STELE_RESPONDER_IMAGES_INTERNAL_H

/* What images.c (loading) and images_zones.c (their zones as they are counted) share. */

#include "responder/images.h"

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

	pthread_mutex_t lock; /* over `status`, and over who looks at `zones` */
	struct stele_serve_status status;
};

/* Gives workers the zones of the images that will be served next, one for each node. What they had stays
 * for as long as a worker may look at the image before. If it fails, it says so. */
void images_give_zones(struct stele_images *images, struct stele_serve_next *const *next);

/* When no worker looks at an image before the current one. */
void images_settle_zones(struct stele_images *images);

/* All of them. No worker is left. */
void images_free_zones(struct stele_images *images);

#endif
