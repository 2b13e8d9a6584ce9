/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/mapping.h"

#include "responder/serve/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* One for each NUMA node, and one more while an image follows another. */
#define RANGES_MAX 32

/* Where mappings are: a signal handler has nothing but an address to ask about. */
static struct range {
	uintptr_t begin, end; /* 0, 0: none */
} ranges[RANGES_MAX];

static struct range *find_range(uintptr_t begin)
{
	for (unsigned i = 0; i < RANGES_MAX; i++)
		if (__atomic_load_n(&ranges[i].begin, __ATOMIC_RELAXED) == begin)
			return &ranges[i];
	return NULL;
}

bool stele_serve_is_mapped(const void *address)
{
	uintptr_t at = (uintptr_t)address;
	for (unsigned i = 0; i < RANGES_MAX; i++)
		if (at >= __atomic_load_n(&ranges[i].begin, __ATOMIC_ACQUIRE) &&
		    at < __atomic_load_n(&ranges[i].end, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

int serve_mapping_open(int fd, size_t sz, struct serve_mapping **ret_mapping,
		       struct stele_error *reterr)
{
	struct serve_mapping *mapping = malloc(sizeof(*mapping));
	struct range *range = find_range(0);
	if (mapping == NULL || range == NULL) {
		free(mapping);
		return stele_fail_errno(reterr, ENOMEM, "mapping the image");
	}
	void *bytes = mmap(NULL, sz, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED) {
		int error_number = errno;
		free(mapping);
		return stele_fail_errno(reterr, error_number, "mapping %zu bytes of the image", sz);
	}
	*mapping = (struct serve_mapping){.bytes = bytes, .sz = sz, .user_cnt = 1};
	__atomic_store_n(&range->end, (uintptr_t)bytes + sz, __ATOMIC_RELEASE);
	__atomic_store_n(&range->begin, (uintptr_t)bytes, __ATOMIC_RELEASE);
	*ret_mapping = mapping;
	return 0;
}

void serve_mapping_drop(struct serve_mapping *mapping)
{
	if (mapping == NULL || --mapping->user_cnt > 0)
		return;
	struct range *range = find_range((uintptr_t)mapping->bytes);
	munmap((void *)mapping->bytes, mapping->sz);
	__atomic_store_n(&range->end, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&range->begin, 0, __ATOMIC_RELEASE);
	free(mapping);
}

int serve_mapping_populate(const uint8_t *bytes, size_t sz, struct stele_error *reterr)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)bytes / page * page, end = (uintptr_t)bytes + sz;
	while (begin < end && madvise((void *)begin, end - begin, MADV_POPULATE_READ) != 0) {
		/* Before Linux 5.14, pages come one by one as they are read. */
		if (errno == EINVAL)
			return 0;
		if (errno != EINTR && errno != EAGAIN)
			return stele_fail(reterr, STELE_E_INPUT,
					  "the file was cut, or cannot be read any more");
	}
	return 0;
}
