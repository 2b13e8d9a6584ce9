/* SPDX-License-Identifier: Apache-2.0 */
/* Zones that come, go, or come anew as a whole. */
#include "zonecompiler/update/internal.h"

struct whole {
	struct update *update;
	struct update_zone *zone;
	struct stele_buffer nsec;
	uint32_t nsec_cnt;
};

static int take_name(void *user, uint64_t key, const uint8_t *record, size_t record_sz,
		     struct stele_error *reterr)
{
	struct whole *whole = user;
	struct update *update = whole->update;
	bool is_new;
	if (stele_id_map_get(&update->visited, key, &is_new) == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	const struct stele_name *head = (const void *)record;
	const struct stele_name *old;
	int rc = update_find(update, whole->zone->id, key, record + sizeof(*head), head->rel_len,
			     &old);
	if (rc < 0)
		return rc;
	if (old != NULL && update_record_sz((const uint8_t *)old) == record_sz &&
	    memcmp(old, record, record_sz) == 0)
		return 0;
	return update_edit_add(update, &update->names, key, record, record_sz);
}

static int take_nsec(void *user, uint64_t key, const uint8_t *sort_key, size_t sort_key_len,
		     struct stele_error *reterr)
{
	struct whole *whole = user;
	whole->nsec_cnt++;
	return stele_pack_nsec_entry(&whole->nsec, key, sort_key, sort_key_len, reterr);
}

static int carve_zone(struct whole *whole)
{
	struct update *update = whole->update;
	struct stele_walk *walk = &update->walk;
	walk->zone = &whole->zone->facts;
	walk->carver = &update->carver;
	walk->take_name = take_name;
	walk->take_nsec = take_nsec;
	walk->user = whole;
	stele_walk_begin(walk);
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(update->read, STELE_STORE_NODES, whole->zone->id, NULL, 0,
					 NULL, 0, &cursor, update->reterr);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	while ((rc = stele_store_cursor_next(cursor, &item, update->reterr)) == 1) {
		rc = stele_walk_add(walk, item.key, item.key_len, item.node, item.node_sz,
				    update->reterr);
		if (rc < 0)
			break;
	}
	stele_store_cursor_close(cursor);
	return rc == 0 ? stele_walk_end(walk, update->reterr) : rc;
}

/* A zone that goes or comes anew keeps what it was carved with, and loses all else. */
static int remove_record(struct update *update, const uint8_t *record)
{
	struct stele_name_parts parts = stele_name_parts(record);
	uint32_t id = stele_le32(parts.head->zone_id);
	const uint64_t *at = stele_id_map_find(&update->zone_index, id);
	const uint64_t *apex = stele_id_map_find(&update->apexes, id);
	if (at == NULL || !update->zones[*at].is_whole || apex == NULL)
		return 0;
	uint64_t hash = stele_carve_hash_below(update->seed, *apex, parts.rel, parts.head->rel_len);
	uint64_t key = stele_key_name(update->seed, hash, *apex);
	/* Another zone may have the same name now. */
	if (stele_id_map_find(&update->visited, key) != NULL)
		return 0;
	return update_edit_add(update, &update->names, key, NULL, 0);
}

int update_remove_names(struct update *update)
{
	const struct stele_view *view = &update->view;
	bool is_needed = false;
	for (size_t i = 0; i < update->zone_cnt; i++)
		is_needed |= update->zones[i].is_whole && update->zones[i].old != NULL;
	for (uint32_t i = 0; is_needed && i < UINT32_C(1) << view->name_bits; i++) {
		const struct stele_view_shard *shard;
		int rc = update_shard(update, view->name_first + i, &shard);
		for (uint32_t k = 0; rc == 0 && k < stele_view_slot_cnt(shard); k++) {
			const uint8_t *record = stele_view_slot_record(shard, k);
			rc = record != NULL ? remove_record(update, record) : 0;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The shards of its old chain become absent; their places in the directory stay empty. */
static void remove_chain(struct update *update, const struct stele_zone *old)
{
	uint32_t first = stele_le32(old->chain_first);
	for (uint32_t i = 0; i < stele_le32(old->chain_cnt); i++)
		stele_image_remove(&update->file, first + i);
}

static int remove_zone(struct update *update, struct update_zone *zone)
{
	const struct stele_zone *old = zone->old;
	const uint64_t *apex = stele_id_map_find(&update->apexes, zone->id);
	zone->name_delta = -(int64_t)stele_le64(old->node_cnt);
	zone->rr_delta = -(int64_t)stele_le64(old->rr_cnt);
	update->zone_delta--;
	update->depth_cnts[old->apex_labels]--;
	return update_edit_add(update, &update->zone_edits, stele_key_zone(update->seed, *apex),
			       NULL, 0);
}

int update_whole_zone(struct update *update, struct update_zone *zone)
{
	struct whole whole = {.update = update, .zone = zone};
	int rc = 0;
	if (zone->in_store)
		rc = carve_zone(&whole);
	if (rc == 0 && zone->old != NULL)
		remove_chain(update, zone->old);
	if (rc == 0 && zone->old != NULL && !zone->in_store)
		rc = remove_zone(update, zone);
	if (rc == 0 && zone->in_store) {
		struct stele_zone_record record = {
			.zone = &zone->facts,
			.totals = update->walk.totals,
			.chain = {whole.nsec.data, whole.nsec.len, whole.nsec_cnt},
		};
		if (zone->old == NULL) {
			update->zone_delta++;
			update->depth_cnts[zone->facts.apex_labels]++;
		}
		rc = update_new_chain(update, zone, &record);
	}
	stele_buffer_free(&whole.nsec);
	return rc;
}
