/* SPDX-License-Identifier: Apache-2.0 */
/* Which zones changed, and how: some of their names, or the zone as a whole. */
#include "zonecompiler/update/internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Part of an image's names that may change before building all anew is the shorter way. */
#define CHANGED_PART 8
/* But so many are always fine: that takes less than 50 ms. */
#define CHANGED_FINE 4096u

static struct update_zone *get_zone(struct update *update, uint32_t id)
{
	bool is_new;
	uint64_t *at = stele_id_map_get(&update->zone_index, id, &is_new);
	if (at == NULL)
		return NULL;
	if (!is_new)
		return update->zones + *at;
	if (update->zone_cnt == update->zone_cap) {
		size_t cap = update->zone_cap > 0 ? 2 * update->zone_cap : 16;
		struct update_zone *zones = realloc(update->zones, cap * sizeof(*zones));
		if (zones == NULL)
			return NULL;
		update->zones = zones;
		update->zone_cap = cap;
	}
	*at = update->zone_cnt;
	update->zones[update->zone_cnt] = (struct update_zone){.id = id};
	return update->zones + update->zone_cnt++;
}

static int note_change(void *user, const struct stele_change *change)
{
	struct update *update = user;
	struct update_zone *zone = get_zone(update, change->zone_id);
	if (zone == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	update->stats->change_cnt++;
	int rc = 0;
	switch (change->kind) {
	case STELE_CHANGE_NODE: {
		uint8_t len[2];
		stele_put_le16(len, (uint16_t)change->key_len);
		rc = stele_buffer_add(&zone->changed, len, sizeof(len), update->reterr);
		if (rc == 0)
			rc = stele_buffer_add(&zone->changed, change->key, change->key_len,
					      update->reterr);
		break;
	}
	case STELE_CHANGE_NSEC3:
		if (change->key_len == STELE_NSEC3_HASH_SZ)
			rc = stele_buffer_add(&zone->changed3, change->key, change->key_len,
					      update->reterr);
		break;
	default:
		zone->is_whole = true;
		break;
	}
	return rc;
}

/* ---- the image's zones ---- */

static const uint8_t *apex_of(const struct stele_zone *zone)
{
	return (const uint8_t *)(zone + 1);
}

static int note_zone(struct update *update, const struct stele_zone *zone)
{
	uint32_t id = stele_le32(zone->zone_id);
	bool is_new;
	uint64_t *hash = stele_id_map_get(&update->apexes, id, &is_new);
	if (hash == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	*hash = stele_carve_hash(update->seed, apex_of(zone));
	update->depth_cnts[zone->apex_labels]++;
	const uint64_t *at = stele_id_map_find(&update->zone_index, id);
	if (at != NULL)
		update->zones[*at].old = zone;
	return 0;
}

/* An image has no index of zone ids: all its zone records are looked at, 60 ns each. */
static int note_zones(struct update *update)
{
	const struct stele_view *view = &update->view;
	for (uint32_t i = 0; i < UINT32_C(1) << view->zone_bits; i++) {
		const struct stele_view_shard *shard;
		int rc = update_shard(update, view->zone_first + i, &shard);
		for (uint32_t k = 0; rc == 0 && k < stele_view_slot_cnt(shard); k++) {
			const uint8_t *record = stele_view_slot_record(shard, k);
			rc = record != NULL ? note_zone(update, (const void *)record) : 0;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- the store's zones ---- */

/*
 * Zones that the image does not have can be found in the store only among all. Which zones were chosen for an image,
 * its apexes alone tell: one that was removed and imported again since the last update has another id, and is wanted
 * as before. One that an update has found gone is chosen no longer.
 */
static int find_new_zones(struct update *update)
{
	struct stele_zone_info *infos;
	size_t cnt;
	int rc = stele_store_zones(update->read, &infos, &cnt, update->reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < cnt; i++) {
		const uint64_t *at = stele_id_map_find(&update->zone_index, infos[i].id);
		if (at == NULL || update->zones[*at].old != NULL)
			continue;
		if (update->is_partial &&
		    stele_view_zone(&update->view, infos[i].apex, infos[i].apex_len) == NULL)
			continue;
		update->zones[*at].info = infos[i];
		update->zones[*at].in_store = true;
	}
	free(infos);
	return 0;
}

static int find_known_zone(struct update *update, struct update_zone *zone)
{
	struct stele_zone_info info;
	int rc = stele_store_zone_find(update->read, apex_of(zone->old), &info, update->reterr);
	if (rc == STELE_E_NOTFOUND || (rc == 0 && info.id != zone->id))
		return 0; /* gone, or another zone has its name now */
	if (rc < 0)
		return rc;
	zone->in_store = true;
	zone->info = info;
	return 0;
}

static bool same_chain(const struct update_zone *zone)
{
	const struct stele_carve_zone *facts = &zone->facts;
	const uint8_t *salt = apex_of(zone->old) + zone->old->apex_len;
	bool nsec3 = zone->old->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
		     zone->old->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
	bool nsec = zone->old->chain_kind == STELE_CHAIN_NSEC_INLINE ||
		    zone->old->chain_kind == STELE_CHAIN_NSEC_SHARDS;
	return nsec3 == (facts->chain == STELE_CHAIN_OF_NSEC3) &&
	       nsec == (facts->chain == STELE_CHAIN_OF_NSEC) &&
	       stele_le16(zone->old->iterations) == facts->iterations &&
	       zone->old->salt_len == facts->salt_len &&
	       memcmp(salt, facts->salt, facts->salt_len) == 0;
}

static int resolve(struct update *update, struct update_zone *zone)
{
	int rc = 0;
	if (zone->old != NULL)
		rc = find_known_zone(update, zone);
	if (rc == 0 && zone->in_store)
		rc = stele_carve_zone_init(&zone->facts, update->seed, &zone->info, update->read,
					   update->reterr);
	if (rc < 0)
		return rc;
	if (zone->old == NULL || !zone->in_store || !same_chain(zone))
		zone->is_whole = true;
	return 0;
}

/* How many names have to be looked at. */
static uint64_t work_of(const struct update_zone *zone)
{
	if (!zone->is_whole)
		return (zone->changed.len + zone->changed3.len) / 16;
	return (zone->in_store ? zone->info.node_cnt + zone->info.nsec3_cnt : 0) +
	       (zone->old != NULL ? stele_le64(zone->old->node_cnt) : 0);
}

int update_much_changed(struct update *update, uint64_t name_cnt)
{
	if (name_cnt <= CHANGED_FINE || name_cnt <= update->view.name_cnt / CHANGED_PART)
		return 0;
	return update_rebuild(update, "much changed: %" PRIu64 " names", name_cnt);
}

int update_find_zones(struct update *update)
{
	int rc = stele_store_changes(update->read, update->view.generation, note_change, update,
				     update->reterr);
	if (rc == STELE_E_STALE)
		return update_rebuild(update,
				      "the store does not remember what changed since generation "
				      "%" PRIu64,
				      update->view.generation);
	if (rc == 0)
		rc = note_zones(update);
	if (rc < 0)
		return rc;
	bool some_new = false;
	for (size_t i = 0; i < update->zone_cnt; i++)
		some_new |= update->zones[i].old == NULL;
	if (some_new)
		rc = find_new_zones(update);
	uint64_t work = 0;
	for (size_t i = 0; rc == 0 && i < update->zone_cnt; i++) {
		rc = resolve(update, update->zones + i);
		work += work_of(update->zones + i);
	}
	return rc == 0 ? update_much_changed(update, work) : rc;
}
