/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image, mapped once for all of its roots.
 *
 * An update appends to the file, so the view before and the view after lie in the same mapping, which
 * is made larger than the file is: what has been read of it stays in the page table, and a new
 * root costs its directory and no page fault. Another file in the place of this one, or one that has
 * outgrown the mapping, gets a mapping of its own.
 *
 * The head is read by pread(), shards through the mapping. So bytes behind the last root, which the
 * compiler may cut at any time, are never touched in the mapping: that would be a SIGBUS.
 */
#include "mgmt/publish/images.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of address space, beyond the file: less, and it is mapped anew more often. It costs nothing. */
#define MAPPING_RESERVE ((uint64_t)1 << 30)

struct mapping {
	uint8_t *bytes;
	uint64_t size;
	dev_t device;
	ino_t inode;
	atomic_uint holder_cnt;
};

/* What is given out. */
struct image {
	struct stele_mapped_image public; /* first */
	struct mapping *mapping;
};

struct stele_images {
	pthread_mutex_t lock; /* over `current` */
	struct image *current;
	atomic_ullong version;
};

static void put_mapping(struct mapping *mapping)
{
	if (!mapping || atomic_fetch_sub(&mapping->holder_cnt, 1) > 1)
		return;
	munmap(mapping->bytes, mapping->size);
	free(mapping);
}

/* A mapping that has all of the file, held: the current one if that does. */
static int take_mapping(struct image *current, int fd, uint64_t file_sz,
			struct mapping **ret_mapping, struct stele_error *reterr)
{
	struct mapping *mapping = current ? current->mapping : NULL;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return stele_fail_errno(reterr, errno, "mapping");
	if (mapping && mapping->device == st.st_dev && mapping->inode == st.st_ino &&
	    mapping->size >= file_sz) {
		atomic_fetch_add(&mapping->holder_cnt, 1);
		*ret_mapping = mapping;
		return 0;
	}
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	mapping->size = 2 * file_sz + MAPPING_RESERVE;
	mapping->device = st.st_dev;
	mapping->inode = st.st_ino;
	atomic_init(&mapping->holder_cnt, 1);
	mapping->bytes = mmap(NULL, mapping->size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapping->bytes == MAP_FAILED) {
		/* Address space may be limited. */
		mapping->size = file_sz;
		mapping->bytes = mmap(NULL, mapping->size, PROT_READ, MAP_SHARED, fd, 0);
	}
	if (mapping->bytes == MAP_FAILED) {
		int failed = stele_fail_errno(reterr, errno, "mapping");
		free(mapping);
		return failed;
	}
	*ret_mapping = mapping;
	return 0;
}

static int make_view(struct stele_directory *directory, uint64_t file_sz,
		     const struct mapping *mapping, struct stele_view *ret_view,
		     struct stele_error *reterr)
{
	uint32_t shard_cnt = stele_le32(directory->root.shard_cnt);
	uint64_t root_off = directory->root_off, torn_sz = directory->torn_sz;
	const uint8_t **bases = calloc(shard_cnt + 1u, sizeof(*bases));

	if (!bases)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (uint32_t i = 0; i < shard_cnt; i++)
		bases[i] = mapping->bytes + stele_le64(directory->refs[i].off);
	int failed = stele_view_assemble(directory, bases, ret_view, reterr);
	free(bases);
	if (failed)
		return failed;
	ret_view->bytes = mapping->bytes;
	ret_view->bytes_sz = file_sz;
	ret_view->root_off = root_off;
	ret_view->torn_sz = torn_sz;
	return 0;
}

static int open_image(struct image *current, int fd, struct image *image,
		      struct stele_error *reterr)
{
	struct stele_directory directory;
	uint64_t size = 0;

	int failed = stele_directory_read_file(fd, 0, &directory, &size, reterr);
	if (failed)
		return failed;
	failed = take_mapping(current, fd, size, &image->mapping, reterr);
	if (!failed)
		failed = make_view(&directory, size, image->mapping, &image->public.view, reterr);
	stele_directory_free(&directory);
	if (failed) {
		put_mapping(image->mapping);
		return failed;
	}
	image->public.generation = image->public.view.generation;
	atomic_init(&image->public.holder_cnt, 1);
	return 0;
}

int stele_images_open(struct stele_images *images, const char *path, struct stele_error *reterr)
{
	struct image *image = calloc(1, sizeof(*image));
	struct stele_error detail = {""};

	if (!image)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 ? stele_fail_errno(&detail, errno, "open") :
			      /* Only this function, in one thread, changes what is current. */
			      open_image(images->current, fd, image, &detail);
	if (fd >= 0)
		close(fd);
	if (failed) {
		free(image);
		return stele_fail(reterr, failed, "%s: %s", path, detail.text);
	}
	pthread_mutex_lock(&images->lock);
	struct image *before = images->current;
	images->current = image;
	pthread_mutex_unlock(&images->lock);
	atomic_fetch_add(&images->version, 1);
	stele_images_put(before ? &before->public : NULL);
	return 0;
}

struct stele_mapped_image *stele_images_take(struct stele_images *images)
{
	pthread_mutex_lock(&images->lock);
	struct image *image = images->current;
	if (image)
		atomic_fetch_add(&image->public.holder_cnt, 1);
	pthread_mutex_unlock(&images->lock);
	return image ? &image->public : NULL;
}

void stele_images_put(struct stele_mapped_image *public)
{
	if (!public || atomic_fetch_sub(&public->holder_cnt, 1) > 1)
		return;
	struct image *image = (struct image *)public;
	stele_view_close(&image->public.view);
	put_mapping(image->mapping);
	free(image);
}

uint64_t stele_images_version(const struct stele_images *images)
{
	return atomic_load_explicit(&images->version, memory_order_acquire);
}

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
	stele_images_put(images->current ? &images->current->public : NULL);
	pthread_mutex_destroy(&images->lock);
	free(images);
}
