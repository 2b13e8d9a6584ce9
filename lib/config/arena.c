/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Smaller ones mean many calls of malloc for a long list, larger ones waste memory on a short file. */
#define CHUNK_SZ 16384

struct config_arena_chunk {
	struct config_arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

void *config_arena_take(struct config_arena *arena, size_t sz)
{
	const size_t align = alignof(max_align_t);
	if (sz > SIZE_MAX / 2)
		return NULL;
	sz = (sz + align - 1) / align * align;
	struct config_arena_chunk *chunk = arena->chunks;
	if (chunk == NULL || chunk->cap - chunk->used < sz) {
		size_t cap = sz > CHUNK_SZ ? sz : CHUNK_SZ;
		chunk = calloc(1, sizeof(*chunk) + cap);
		if (chunk == NULL)
			return NULL;
		chunk->cap = cap;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	void *taken = chunk->data + chunk->used;
	chunk->used += sz;
	return taken;
}

char *config_arena_text(struct config_arena *arena, const char *text, size_t len)
{
	char *copy = config_arena_take(arena, len + 1);
	if (copy != NULL && len > 0)
		memcpy(copy, text, len);
	return copy;
}

void config_arena_free(struct config_arena *arena)
{
	while (arena->chunks != NULL) {
		struct config_arena_chunk *next = arena->chunks->next;
		/* Some of what stands in configurations is secret. */
		explicit_bzero(arena->chunks->data, arena->chunks->used);
		free(arena->chunks);
		arena->chunks = next;
	}
}
