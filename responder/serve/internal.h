/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_INTERNAL_H
#define STELE_RESPONDER_SERVE_INTERNAL_H

#include "responder/serve/grace.h"
#include "responder/serve/image.h"

struct stele_serve {
	struct stele_serve_root root;
	struct stele_arena *arena;
	struct serve_image *current, *previous;
	struct serve_image *leaving; /* was current in a mapping: goes when readers have left it */
	bool map_first;
	bool given_up; /* atomic; once true, so it stays */
	struct stele_grace *grace;
	uint32_t reader_timeout_ms;
	uint64_t published; /* the grace period that began with the current image */
	const struct stele_findings *findings; /* for the first load and its move, or NULL */
	const struct stele_stamped *stamped;   /* the same */
	unsigned start_threads, load_threads;
	uint64_t load_cnt, refused_cnt;
};

/* Shards that are there, and their bytes. */
void serve_count_shards(const struct serve_image *image, uint32_t *ret_cnt, uint64_t *ret_sz);

#endif
