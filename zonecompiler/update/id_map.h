/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_UPDATE_ID_MAP_H
#define STELE_ZONECOMPILER_UPDATE_ID_MAP_H

/* A hash map from numbers to numbers (zone ids to hashes, keys to flags). All zero is an empty map. */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_id_entry {
	uint64_t id, value;
	bool used;
};

struct stele_id_map {
	struct stele_id_entry *entries;
	size_t cap, cnt; /* cap is a power of two, at most half of it is in use */
};

/* Where the value of `id` is; NULL if it is not there. Valid until the next addition. */
uint64_t *stele_id_map_find(const struct stele_id_map *map, uint64_t id);

/* The same; a new one with value 0 is made if it is not there. NULL: out of memory. */
uint64_t *stele_id_map_get(struct stele_id_map *map, uint64_t id, bool *ret_is_new);

void stele_id_map_free(struct stele_id_map *map);

#endif
