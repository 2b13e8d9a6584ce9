/* SPDX-License-Identifier: Apache-2.0 */
/* Name and zone shards of which records differ: made of the old records and the new ones. */
#include "zonecompiler/update/internal.h"

#include "zonecompiler/build/build.h"

#include <stdlib.h>

int update_edit_add(struct update *update, struct update_edits *edits, uint64_t key,
		    const uint8_t *record, size_t record_sz)
{
	if (edits->cnt == edits->cap) {
		size_t cap = edits->cap > 0 ? 2 * edits->cap : 64;
		struct update_edit *items = realloc(edits->items, cap * sizeof(*items));
		if (items == NULL)
			return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
		edits->items = items;
		edits->cap = cap;
	}
	edits->items[edits->cnt] = (struct update_edit){
		.key = key,
		.record_off = update->records.len,
		.record_sz = (uint32_t)record_sz,
		.turn = (uint32_t)edits->cnt,
	};
	edits->cnt++;
	return stele_buffer_add(&update->records, record, record_sz, update->reterr);
}

int update_put_shard(struct update *update, uint32_t shard, enum stele_shard_kind kind,
		     uint32_t item_cnt, const uint8_t *bytes, uint64_t size)
{
	int rc = update_check_digest(update, shard);
	if (rc < 0)
		return rc;
	update->stats->shard_cnt++;
	uint64_t off = stele_image_place(&update->file, size);
	return stele_image_put(&update->file, shard, kind, item_cnt, off, bytes, size,
			       update->reterr);
}

static int compare_edits(const void *a, const void *b)
{
	const struct update_edit *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->turn > y->turn) - (x->turn < y->turn);
}

static bool is_edited(const struct update_edit *edits, size_t cnt, uint64_t key)
{
	size_t low = 0, high = cnt;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (edits[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cnt && edits[low].key == key;
}

static int make_room(struct update *update, size_t item_cnt)
{
	if (update->item_cap >= item_cnt)
		return 0;
	free(update->items);
	update->items = calloc(item_cnt, sizeof(*update->items));
	update->item_cap = update->items != NULL ? item_cnt : 0;
	if (update->items == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	return 0;
}

static int name_facts(struct update *update, const uint8_t *record, struct update_facts *facts)
{
	struct stele_name_parts parts = stele_name_parts(record);
	const uint64_t *apex = stele_id_map_find(&update->apexes, stele_le32(parts.head->zone_id));
	if (apex == NULL)
		return stele_fail(update->reterr, STELE_E_INPUT,
				  "the image has a name of a zone that it does not have");
	uint64_t hash = stele_carve_hash_below(update->seed, *apex, parts.rel, parts.head->rel_len);
	facts->key = stele_key_name(update->seed, hash, *apex);
	facts->size = update_record_sz(record);
	return 0;
}

static int zone_facts(struct update *update, const uint8_t *record, struct update_facts *facts)
{
	const struct stele_zone *zone = (const void *)record;
	facts->key = stele_key_zone(update->seed,
				    stele_carve_hash(update->seed, record + sizeof(*zone)));
	facts->size = stele_le32(zone->size);
	return 0;
}

int update_record_facts(struct update *update, const uint8_t *record, bool is_zone,
			struct update_facts *facts)
{
	return is_zone ? zone_facts(update, record, facts) : name_facts(update, record, facts);
}

/* The records of the old shard that are not edited. Returns how many, or a negative status. */
static int64_t keep_old(struct update *update, const struct stele_view_shard *shard,
			const struct update_edit *edits, size_t edit_cnt, bool is_zones)
{
	size_t cnt = 0;
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
		const uint8_t *record = stele_view_slot_record(shard, i);
		struct update_facts facts = {0};
		if (record == NULL)
			continue;
		int rc = update_record_facts(update, record, is_zones, &facts);
		if (rc < 0)
			return rc;
		if (!is_edited(edits, edit_cnt, facts.key))
			update->items[cnt++] =
				(struct stele_pack_item){facts.key, record, (uint32_t)facts.size};
	}
	return (int64_t)cnt;
}

static int make_shard(struct update *update, uint32_t shard, const struct update_edit *edits,
		      size_t edit_cnt, bool is_zones)
{
	const struct stele_view_shard *old;
	int rc = update_shard(update, shard, &old);
	if (rc < 0)
		return rc;
	const uint8_t *base = old->base;
	size_t old_cnt =
		base != NULL ?
			stele_le32(((const struct stele_hash_shard *)(const void *)base)->key_cnt) :
			0;
	size_t target = is_zones ? STELE_SHARD_ZONES_TARGET : STELE_SHARD_NAMES_TARGET;
	if (old_cnt + edit_cnt > GROWN_MAX * target)
		return update_rebuild(update, "a shard has grown to %zu %s", old_cnt + edit_cnt,
				      is_zones ? "zones" : "names");
	rc = make_room(update, old_cnt + edit_cnt);
	if (rc < 0)
		return rc;
	int64_t cnt = 0;
	if (base != NULL) {
		cnt = keep_old(update, old, edits, edit_cnt, is_zones);
		if (cnt < 0)
			return (int)cnt;
	}
	for (size_t i = 0; i < edit_cnt; i++) {
		if (edits[i].record_sz == 0 ||
		    (i + 1 < edit_cnt && edits[i + 1].key == edits[i].key))
			continue;
		update->items[cnt++] = (struct stele_pack_item){
			edits[i].key, update->records.data + edits[i].record_off,
			edits[i].record_sz};
	}
	if (cnt == 0) {
		stele_image_remove(&update->file, shard);
		return 0;
	}
	enum stele_shard_kind kind = is_zones ? STELE_SHARD_ZONES : STELE_SHARD_NAMES;
	uint64_t records_sz = 0, size = 0;
	for (int64_t i = 0; i < cnt; i++)
		records_sz += update->items[i].record_sz;
	update->shard.len = 0;
	rc = stele_buffer_reserve(&update->shard,
				  stele_pack_hash_shard_max((uint32_t)cnt, records_sz),
				  update->reterr);
	if (rc == 0)
		rc = stele_pack_hash_shard(&update->packer, kind, update->items, (uint32_t)cnt,
					   stele_shard_seed(update->seed, shard),
					   update->shard.data, &size, update->reterr);
	if (rc < 0)
		return rc;
	return update_put_shard(update, shard, kind, (uint32_t)cnt, update->shard.data, size);
}

static int make_shards(struct update *update, struct update_edits *edits, uint32_t first,
		       unsigned bits, bool is_zones)
{
	if (edits->cnt > 1)
		qsort(edits->items, edits->cnt, sizeof(*edits->items), compare_edits);
	for (size_t i = 0; i < edits->cnt;) {
		uint32_t shard = stele_key_shard(edits->items[i].key, bits);
		size_t end = i;
		while (end < edits->cnt && stele_key_shard(edits->items[end].key, bits) == shard)
			end++;
		bool is_done;
		int rc = update_replace(update, first + shard, edits->items + i, end - i, is_zones,
					&is_done);
		if (rc == 0 && !is_done)
			rc = make_shard(update, first + shard, edits->items + i, end - i, is_zones);
		if (rc != 0)
			return rc;
		i = end;
	}
	return 0;
}

int update_hash_shards(struct update *update)
{
	int rc = make_shards(update, &update->names, update->view.name_first,
			     update->view.name_bits, false);
	if (rc == 0)
		rc = make_shards(update, &update->zone_edits, update->view.zone_first,
				 update->view.zone_bits, true);
	return rc;
}
