/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot counts for which zone. */
#include "lib/stats/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names are looked up by hash; an index of 0 is an empty place, since slot 0 has no name. */
struct name_index {
	uint32_t *slots;
	uint32_t mask;
};

static uint64_t hash_name(uint64_t seed, const struct stele_stats_zone *zone)
{
	uint64_t hash = seed;
	for (unsigned i = 0; i < zone->name_len; i++) {
		hash = (hash ^ zone->name[i]) * 0x9fb21c651e98df25u;
		hash ^= hash >> 29;
	}
	return hash;
}

static uint32_t power_of_two_from(size_t n)
{
	uint32_t power = 2;
	while (power < n)
		power *= 2;
	return power;
}

/* The place of `zone` in the index: of the slot that has its name, or an empty one. */
static uint32_t *find_place(const struct stele_stats *stats, const struct name_index *index,
			    const struct stele_stats_zone *table,
			    const struct stele_stats_zone *zone)
{
	for (uint64_t i = hash_name(stats->hash_seed, zone);; i++) {
		uint32_t *place = &index->slots[i & index->mask];
		const struct stele_stats_zone *there = &table[*place];
		if (*place == 0 || (there->name_len == zone->name_len &&
				    memcmp(there->name, zone->name, zone->name_len) == 0))
			return place;
	}
}

static void table_write_begin(struct stele_stats *stats)
{
	uint64_t *version = &stats->header->zones_version;
	__atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
	stele_stats_fence(__ATOMIC_RELEASE);
}

static void table_write_end(struct stele_stats *stats)
{
	uint64_t *version = &stats->header->zones_version;
	__atomic_store_n(version, *version + 1, __ATOMIC_RELEASE);
}

int stele_stats_zones_assign(struct stele_stats *stats, const struct stele_stats_zone *zones,
			     size_t zone_cnt, uint32_t *ret_slots, struct stele_error *reterr)
{
	uint32_t slot_cnt = stats->header->zone_slot_cnt, next_free = 1;
	struct stele_stats_zone *table = stele_stats_zone_table(stats->base, &stats->layout);
	/* No more names than slots ever stand in it, so an empty place is always found. */
	struct name_index index = {.mask = power_of_two_from(2 * (size_t)slot_cnt) - 1};
	index.slots = calloc(index.mask + (size_t)1, sizeof(*index.slots));
	if (index.slots == NULL)
		return stele_fail_errno(reterr, ENOMEM, "cannot count for %zu zones", zone_cnt);
	for (uint32_t slot = 1; slot < slot_cnt; slot++)
		if (table[slot].name_len != 0)
			*find_place(stats, &index, table, &table[slot]) = slot;

	table_write_begin(stats);
	for (size_t i = 0; i < zone_cnt; i++) {
		uint32_t *place = find_place(stats, &index, table, &zones[i]);
		if (*place == 0) {
			while (next_free < slot_cnt && table[next_free].name_len != 0)
				next_free++;
			if (next_free < slot_cnt) {
				stele_stats_store_words(&table[next_free], &zones[i],
							sizeof(zones[i]));
				*place = next_free;
			}
		}
		ret_slots[i] = *place;
	}
	table_write_end(stats);
	free(index.slots);
	return 0;
}

static void clear_slot(struct stele_stats *stats, uint32_t slot)
{
	static const struct stele_stats_zone no_zone;
	static const struct stele_stats_zone_row no_row;
	struct stele_stats_zone *table = stele_stats_zone_table(stats->base, &stats->layout);
	stele_stats_store_words(&table[slot], &no_zone, sizeof(no_zone));
	for (uint32_t w = 0; w < stats->header->worker_cnt; w++) {
		struct stele_stats_zone_row *rows =
			stele_stats_rows_at(stats->base, &stats->layout, w);
		stele_stats_store_words(&rows[slot], &no_row, sizeof(no_row));
	}
}

void stele_stats_zones_settle(struct stele_stats *stats, const struct stele_stats_zone *zones,
			      const uint32_t *slots, size_t zone_cnt)
{
	uint32_t slot_cnt = stats->header->zone_slot_cnt;
	struct stele_stats_zone *table = stele_stats_zone_table(stats->base, &stats->layout);
	memset(stats->served, 0, slot_cnt * sizeof(*stats->served));
	table_write_begin(stats);
	for (size_t i = 0; i < zone_cnt; i++) {
		if (slots[i] == 0)
			continue;
		stats->served[slots[i]] = true;
		stele_stats_store_words(&table[slots[i]], &zones[i], sizeof(zones[i]));
	}
	for (uint32_t slot = 1; slot < slot_cnt; slot++)
		if (table[slot].name_len != 0 && !stats->served[slot])
			clear_slot(stats, slot);
	table_write_end(stats);
}

int stele_stats_zone_map_new(const struct stele_stats_zone *zones, const uint32_t *slots,
			     size_t zone_cnt, struct stele_stats_zone_map **ret_map,
			     struct stele_error *reterr)
{
	/* Zones that share slot 0 need no entry; at most half of the places are taken. */
	size_t entry_cnt = 0;
	for (size_t i = 0; i < zone_cnt; i++)
		entry_cnt += slots[i] != 0;
	uint32_t place_cnt = power_of_two_from(2 * entry_cnt);
	struct stele_stats_zone_map *map =
		calloc(1, sizeof(*map) + place_cnt * sizeof(map->entries[0]));
	if (map == NULL)
		return stele_fail_errno(reterr, ENOMEM, "cannot count for %zu zones", zone_cnt);
	map->mask = place_cnt - 1;
	map->shift = (uint32_t)__builtin_clz(place_cnt) + 1;
	for (size_t i = 0; i < zone_cnt; i++) {
		if (slots[i] == 0)
			continue;
		uint32_t at = zones[i].zone_id * 0x9e3779b1u >> map->shift;
		while (map->entries[at & map->mask].slot_plus_1 != 0)
			at++;
		map->entries[at & map->mask] = (struct stele_stats_zone_map_entry){
			.zone_id = zones[i].zone_id, .slot_plus_1 = slots[i] + 1};
	}
	*ret_map = map;
	return 0;
}

void stele_stats_zone_map_free(struct stele_stats_zone_map *map)
{
	free(map);
}
