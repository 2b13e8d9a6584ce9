/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_IMAGES_H
#define STELE_MGMT_PUBLISH_IMAGES_H

/*
 * The image that this daemon answers from: a read-only mapping of the file that the compiler
 * writes.
 *
 * The compiler appends behind the root that a view has, or puts another file in the place of this
 * one, so a view stays good while somebody holds it. Holders count; the last one unmaps.
 */

#include "lib/image/view.h"

#include <stdatomic.h>

struct stele_mapped_image {
	struct stele_view view;
	uint64_t generation; /* of the store */
	atomic_uint holder_cnt;
};

struct stele_images;

int stele_images_new(struct stele_images **ret_images, struct stele_error *reterr);
void stele_images_free(struct stele_images *images); /* NULL is fine */

/* Maps the last root of the file at `path`, verified only as far as safety of the directory needs:
 * nobody else writes to it. Becomes the current one. The main loop. STELE_E_INPUT, STELE_E_SYSTEM. */
int stele_images_open(struct stele_images *images, const char *path, struct stele_error *reterr);

/* The current image, held; NULL if there is none yet. Any thread. */
struct stele_mapped_image *stele_images_take(struct stele_images *images);
void stele_images_put(struct stele_mapped_image *image); /* NULL is fine */

/* Rises with each stele_images_open(): tells without a lock whether another look is due. */
uint64_t stele_images_version(const struct stele_images *images);

#endif
