/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/update/id_map.h"

#include <stdlib.h>

static size_t find_slot(const struct stele_id_map *map, uint64_t id)
{
	size_t slot = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (map->cap - 1);
	while (map->entries[slot].used && map->entries[slot].id != id)
		slot = (slot + 1) & (map->cap - 1);
	return slot;
}

uint64_t *stele_id_map_find(const struct stele_id_map *map, uint64_t id)
{
	if (map->cap == 0)
		return NULL;
	struct stele_id_entry *entry = map->entries + find_slot(map, id);
	return entry->used ? &entry->value : NULL;
}

static bool grow(struct stele_id_map *map)
{
	struct stele_id_map larger = {.cap = map->cap > 0 ? 2 * map->cap : 64};
	larger.entries = calloc(larger.cap, sizeof(*larger.entries));
	if (larger.entries == NULL)
		return false;
	for (size_t i = 0; i < map->cap; i++)
		if (map->entries[i].used)
			larger.entries[find_slot(&larger, map->entries[i].id)] = map->entries[i];
	larger.cnt = map->cnt;
	free(map->entries);
	*map = larger;
	return true;
}

uint64_t *stele_id_map_get(struct stele_id_map *map, uint64_t id, bool *ret_is_new)
{
	if (2 * map->cnt >= map->cap && !grow(map))
		return NULL;
	struct stele_id_entry *entry = map->entries + find_slot(map, id);
	*ret_is_new = !entry->used;
	if (!entry->used) {
		*entry = (struct stele_id_entry){.id = id, .used = true};
		map->cnt++;
	}
	return &entry->value;
}

void stele_id_map_free(struct stele_id_map *map)
{
	free(map->entries);
	*map = (struct stele_id_map){0};
}
