/* SPDX-License-Identifier: Apache-2.0 */
/* The images of a service under test: the same as the daemon's, without a store or a compiler. */
#include "mgmt/publish/images.h"

#include <pthread.h>
#include <stdlib.h>

struct stele_images {
	pthread_mutex_t lock;
	struct stele_mapped_image *current;
	_Atomic uint64_t version;
};

int stele_images_new(struct stele_images **ret_images, struct stele_error *reterr)
{
	struct stele_images *images = calloc(1, sizeof(*images));

	if (!images)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	pthread_mutex_init(&images->lock, NULL);
	*ret_images = images;
	return 0;
}

void stele_images_free(struct stele_images *images)
{
	if (!images)
		return;
	stele_images_put(images->current);
	pthread_mutex_destroy(&images->lock);
	free(images);
}

int stele_images_open(struct stele_images *images, const char *path, struct stele_error *reterr)
{
	struct stele_mapped_image *image = calloc(1, sizeof(*image));

	if (!image)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	int status = stele_view_open_file(path, &image->view, reterr);
	if (status != 0) {
		free(image);
		return status;
	}
	image->generation = image->view.generation;
	atomic_init(&image->holder_cnt, 1);
	pthread_mutex_lock(&images->lock);
	struct stele_mapped_image *before = images->current;
	images->current = image;
	atomic_fetch_add(&images->version, 1);
	pthread_mutex_unlock(&images->lock);
	stele_images_put(before);
	return 0;
}

struct stele_mapped_image *stele_images_take(struct stele_images *images)
{
	pthread_mutex_lock(&images->lock);
	struct stele_mapped_image *image = images->current;
	if (image)
		atomic_fetch_add(&image->holder_cnt, 1);
	pthread_mutex_unlock(&images->lock);
	return image;
}

void stele_images_put(struct stele_mapped_image *image)
{
	if (!image || atomic_fetch_sub(&image->holder_cnt, 1) != 1)
		return;
	stele_view_close(&image->view);
	free(image);
}

uint64_t stele_images_version(const struct stele_images *images)
{
	return atomic_load(&images->version);
}
