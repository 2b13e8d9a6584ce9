/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CONFIG_ARENA_H
#define STELE_LIB_CONFIG_ARENA_H

/* Memory that is given back as a whole. All zero is an empty arena. */

#include <stddef.h>

struct config_arena_chunk;

struct config_arena {
	struct config_arena_chunk *chunks;
};

/* `sz` zeroed bytes, aligned for any type; NULL when memory is out. `sz` may be 0. */
void *config_arena_take(struct config_arena *arena, size_t sz);

/* A copy of `len` bytes of text with a NUL behind it. */
char *config_arena_text(struct config_arena *arena, const char *text, size_t len);

/* Frees everything; the arena is empty again. */
void config_arena_free(struct config_arena *arena);

#endif
