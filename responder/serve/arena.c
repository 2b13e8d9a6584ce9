/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/arena.h"

#include "lib/base/numa.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SIZE_2M ((size_t)1 << 21)
#define SIZE_1G ((size_t)1 << 30)

struct piece {
	size_t off, size;
};

struct stele_arena {
	uint8_t *base;
	size_t size;
	enum stele_arena_pages pages;
	size_t used_sz, used_max_sz;
	uint32_t extent_cnt;
	/* Free pieces by offset, no two touching. There can be one more than there are extents, and room
	 * for that is made when an extent is given out: to give one back cannot fail. */
	struct piece *pieces;
	size_t piece_cnt, piece_cap;
};

static size_t page_size(enum stele_arena_pages pages)
{
	switch (pages) {
	case STELE_ARENA_PAGES_1G:
		return SIZE_1G;
	case STELE_ARENA_PAGES_2M:
		return SIZE_2M;
	default:
		return (size_t)sysconf(_SC_PAGESIZE);
	}
}

const char *stele_arena_pages_text(enum stele_arena_pages pages)
{
	switch (pages) {
	case STELE_ARENA_PAGES_1G:
		return "1 GB pages";
	case STELE_ARENA_PAGES_2M:
		return "2 MB pages";
	case STELE_ARENA_PAGES_PLAIN:
		return "plain pages";
	default:
		return "pages of any size";
	}
}

/* ---- mapping ---- */

/* 0, or an errno. Huge pages are there when this is done, or it fails. */
static int map(size_t size, enum stele_arena_pages pages, int node, uint8_t **ret_base)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	switch (pages) {
	case STELE_ARENA_PAGES_1G:
		flags |= MAP_HUGETLB | 30 << MAP_HUGE_SHIFT;
		break;
	case STELE_ARENA_PAGES_2M:
		flags |= MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
		break;
	default:
		flags |= MAP_NORESERVE;
		break;
	}
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (base == MAP_FAILED)
		return errno;
	stele_numa_prefer(base, size, node);
	/* Touching could end in SIGBUS, where a control group or a node has less than the machine; this
	 * says so instead. It needs Linux 5.14. */
	if ((flags & MAP_HUGETLB) != 0 && madvise(base, size, MADV_POPULATE_WRITE) != 0) {
		int error_number = errno;
		munmap(base, size);
		return error_number;
	}
	if ((flags & MAP_HUGETLB) == 0)
		madvise(base, size, MADV_HUGEPAGE); /* a wish */
	*ret_base = base;
	return 0;
}

static int map_some(struct stele_arena *arena, const struct stele_arena_options *options,
		    struct stele_error *reterr)
{
	static const enum stele_arena_pages kinds[] = {
		STELE_ARENA_PAGES_1G,
		STELE_ARENA_PAGES_2M,
		STELE_ARENA_PAGES_PLAIN,
	};
	int error_number = EINVAL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t page = page_size(kinds[i]);
		if (options->pages != STELE_ARENA_PAGES_AUTO && options->pages != kinds[i])
			continue;
		/* An arena of 100 MB is no reason to take a whole gigabyte. */
		if (options->pages == STELE_ARENA_PAGES_AUTO && options->size < page &&
		    kinds[i] != STELE_ARENA_PAGES_PLAIN)
			continue;
		if (options->size > SIZE_MAX - page)
			return stele_fail(reterr, STELE_E_USAGE, "arena of %zu bytes",
					  options->size);
		arena->size = (options->size + page - 1) / page * page;
		arena->pages = kinds[i];
		error_number = map(arena->size, kinds[i], options->node, &arena->base);
		if (error_number == 0)
			return 0;
	}
	return stele_fail_errno(reterr, error_number, "arena of %zu bytes in %s", arena->size,
				stele_arena_pages_text(options->pages));
}

int stele_arena_open(const struct stele_arena_options *options, struct stele_arena **ret_arena,
		     struct stele_error *reterr)
{
	if (options->size == 0)
		return stele_fail(reterr, STELE_E_USAGE, "arena of 0 bytes");
	struct stele_arena *arena = calloc(1, sizeof(*arena));
	if (arena == NULL)
		return stele_fail_errno(reterr, ENOMEM, "arena");
	arena->piece_cap = 16;
	arena->pieces = calloc(arena->piece_cap, sizeof(*arena->pieces));
	int rc = 0;
	if (arena->pieces == NULL)
		rc = stele_fail_errno(reterr, ENOMEM, "arena");
	if (rc == 0)
		rc = map_some(arena, options, reterr);
	if (rc != 0) {
		free(arena->pieces);
		free(arena);
		return rc;
	}
	arena->pieces[0] = (struct piece){0, arena->size};
	arena->piece_cnt = 1;
	ASAN_POISON_MEMORY_REGION(arena->base, arena->size);
	*ret_arena = arena;
	return 0;
}

void stele_arena_close(struct stele_arena *arena)
{
	if (arena == NULL)
		return;
	ASAN_UNPOISON_MEMORY_REGION(arena->base, arena->size);
	munmap(arena->base, arena->size);
	free(arena->pieces);
	free(arena);
}

/* ---- extents ---- */

static size_t rounded(size_t size)
{
	return (size + STELE_ARENA_ALIGN - 1) / STELE_ARENA_ALIGN * STELE_ARENA_ALIGN;
}

static size_t largest(const struct stele_arena *arena)
{
	size_t size = 0;
	for (size_t i = 0; i < arena->piece_cnt; i++)
		if (arena->pieces[i].size > size)
			size = arena->pieces[i].size;
	return size;
}

static int make_room(struct stele_arena *arena, struct stele_error *reterr)
{
	if (arena->extent_cnt + 2u <= arena->piece_cap)
		return 0;
	size_t cap = 2 * arena->piece_cap;
	struct piece *pieces = realloc(arena->pieces, cap * sizeof(*pieces));
	if (pieces == NULL)
		return stele_fail_errno(reterr, ENOMEM, "arena");
	arena->pieces = pieces;
	arena->piece_cap = cap;
	return 0;
}

static void remove_piece(struct stele_arena *arena, size_t i)
{
	arena->piece_cnt--;
	memmove(arena->pieces + i, arena->pieces + i + 1,
		(arena->piece_cnt - i) * sizeof(*arena->pieces));
}

int stele_arena_alloc(struct stele_arena *arena, size_t size, uint8_t **ret_extent,
		      struct stele_error *reterr)
{
	size_t want = size > 0 && size <= arena->size ? rounded(size) : 0;
	size_t best = arena->piece_cnt;
	for (size_t i = 0; want > 0 && i < arena->piece_cnt; i++)
		if (arena->pieces[i].size >= want &&
		    (best == arena->piece_cnt || arena->pieces[i].size < arena->pieces[best].size))
			best = i;
	if (best == arena->piece_cnt)
		return stele_fail(
			reterr, STELE_E_SYSTEM,
			"arena of %zu bytes is full: no piece of %zu bytes (%zu are free, "
			"the largest piece has %zu)",
			arena->size, size, arena->size - arena->used_sz, largest(arena));
	int rc = make_room(arena, reterr);
	if (rc != 0)
		return rc;
	struct piece *piece = arena->pieces + best;
	uint8_t *extent = arena->base + piece->off;
	piece->off += want;
	piece->size -= want;
	if (piece->size == 0)
		remove_piece(arena, best);
	arena->extent_cnt++;
	arena->used_sz += want;
	if (arena->used_sz > arena->used_max_sz)
		arena->used_max_sz = arena->used_sz;
	ASAN_UNPOISON_MEMORY_REGION(extent, size);
	*ret_extent = extent;
	return 0;
}

void stele_arena_free(struct stele_arena *arena, uint8_t *extent, size_t size)
{
	struct piece freed = {(size_t)(extent - arena->base), rounded(size)};
	size_t low = 0, high = arena->piece_cnt;
	ASAN_POISON_MEMORY_REGION(extent, freed.size);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (arena->pieces[middle].off < freed.off)
			low = middle + 1;
		else
			high = middle;
	}
	struct piece *at = arena->pieces + low; /* the first behind it */
	bool joins_before = low > 0 && at[-1].off + at[-1].size == freed.off;
	bool joins_behind = low < arena->piece_cnt && freed.off + freed.size == at->off;
	if (joins_before && joins_behind) {
		at[-1].size += freed.size + at->size;
		remove_piece(arena, low);
	} else if (joins_before) {
		at[-1].size += freed.size;
	} else if (joins_behind) {
		at->off = freed.off;
		at->size += freed.size;
	} else {
		memmove(at + 1, at, (arena->piece_cnt - low) * sizeof(*at));
		*at = freed;
		arena->piece_cnt++;
	}
	arena->extent_cnt--;
	arena->used_sz -= freed.size;
}

struct stele_arena_use stele_arena_use(const struct stele_arena *arena)
{
	return (struct stele_arena_use){
		.size = arena->size,
		.used_sz = arena->used_sz,
		.free_sz = arena->size - arena->used_sz,
		.largest_free_sz = largest(arena),
		.used_max_sz = arena->used_max_sz,
		.extent_cnt = arena->extent_cnt,
		.pages = arena->pages,
	};
}
