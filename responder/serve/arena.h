/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_ARENA_H
#define STELE_RESPONDER_SERVE_ARENA_H

/*
 * The memory that images are served from: one range of addresses, mapped once and never unmapped or
 * moved while it is open, handed out in extents.
 *
 * Extents are multiples of STELE_ARENA_ALIGN bytes and begin at such a multiple, so that no two share a
 * cache line. The smallest free piece that is large enough is taken, and neighbours that are free
 * become one again. What is known about extents is kept outside of the range: readers' pages hold
 * image bytes alone.
 *
 * One thread allocates and frees. Whoever frees an extent has waited until no reader uses it.
 * Built with AddressSanitizer, bytes outside of extents are poisoned: a read of one that was freed
 * is reported.
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define STELE_ARENA_ALIGN 64

enum stele_arena_pages {
	STELE_ARENA_PAGES_AUTO =
		0, /* 1 GB, else 2 MB, else plain: the largest the machine can give */
	STELE_ARENA_PAGES_1G,
	STELE_ARENA_PAGES_2M,
	STELE_ARENA_PAGES_PLAIN, /* of the kernel's size, with a wish for transparent huge pages */
};

/*
 * Huge pages are all taken and touched by stele_arena_open(), so that no shortage can come up while
 * serving (it would come as a signal that ends the process). Of plain pages only addresses are
 * reserved; memory comes when an extent is first written.
 */
struct stele_arena_options {
	size_t size; /* bytes; rounded up to whole pages. Too small: an image or an update does not
		      * fit and is refused. Too large: huge pages that nobody else can use. */
	enum stele_arena_pages pages;
	int node; /* NUMA node that pages should be of; -1: no wish. A full node is no failure: pages
		   * of another are slower, but serve. */
};

struct stele_arena_use {
	size_t size;
	size_t used_sz;
	size_t free_sz;
	size_t largest_free_sz; /* the largest extent that could be had now */
	size_t used_max_sz;     /* the most that was ever in use at once */
	uint32_t extent_cnt;
	enum stele_arena_pages pages; /* what it is made of; never AUTO */
};

struct stele_arena;

/* STELE_E_USAGE: size 0. STELE_E_SYSTEM: the pages asked for are not there. */
int stele_arena_open(const struct stele_arena_options *options, struct stele_arena **ret_arena,
		     struct stele_error *reterr);

/* Unmaps. No extent may be in use by anyone. NULL is fine. */
void stele_arena_close(struct stele_arena *arena);

/*
 * An extent of at least `size` bytes (at least 1), its content undefined. STELE_E_SYSTEM: no free piece
 * is that large; nothing is changed.
 */
int stele_arena_alloc(struct stele_arena *arena, size_t size, uint8_t **ret_extent,
		      struct stele_error *reterr);

/* Gives back what stele_arena_alloc() returned for this `size`. Cannot fail. */
void stele_arena_free(struct stele_arena *arena, uint8_t *extent, size_t size);

struct stele_arena_use stele_arena_use(const struct stele_arena *arena);

/* "1 GB pages", for messages. */
const char *stele_arena_pages_text(enum stele_arena_pages pages);

#endif
