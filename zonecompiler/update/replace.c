/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard in which records are replaced and none comes or goes. The perfect hash depends on the keys
 * alone, so it stays as it is, and records only move: the bytes are those that packing would give, for the
 * cost of copying them.
 */
#include "zonecompiler/update/internal.h"

/* Each costs a search. Lower: ordinary changes of some names are packed anew for 2 ms. Higher: shards of which
 * most is new gain nothing. */
#define REPLACED_MAX 64

struct replaced {
	uint32_t slot;
	const struct update_edit *edit;
};

struct replacement {
	const struct stele_view_shard *shard;
	enum stele_shard_kind kind;
	struct replaced items[REPLACED_MAX]; /* ascending by slot */
	size_t cnt;
	uint64_t records_sz; /* of the new records */
};

static void insert(struct replacement *replacement, struct replaced item)
{
	size_t at = replacement->cnt++;
	for (; at > 0 && replacement->items[at - 1].slot > item.slot; at--)
		replacement->items[at] = replacement->items[at - 1];
	replacement->items[at] = item;
}

/* Finds what the edits replace: 1, or 0 if a record comes or goes or there are too many. */
static int find_replaced(struct update *update, const struct update_edit *edits, size_t edit_cnt,
			 struct replacement *replacement)
{
	for (size_t i = 0; i < edit_cnt; i++) {
		if (i + 1 < edit_cnt && edits[i + 1].key == edits[i].key)
			continue;
		uint32_t slot;
		const uint8_t *old = stele_view_find_slot(replacement->shard, edits[i].key, &slot);
		if (old == NULL || edits[i].record_sz == 0 || replacement->cnt == REPLACED_MAX)
			return 0;
		/* The slot may be that of another key with the same fingerprint. */
		struct update_facts facts = {0};
		int rc = update_record_facts(update, old, replacement->kind == STELE_SHARD_ZONES,
					     &facts);
		if (rc < 0)
			return rc;
		if (facts.key != edits[i].key)
			return 0;
		insert(replacement, (struct replaced){slot, edits + i});
		replacement->records_sz += edits[i].record_sz;
	}
	return 1;
}

/* The records of block `b` as they were. */
static void get_old(const struct replacement *replacement, uint32_t b,
		    struct stele_pack_item items[STELE_BLOCK_SLOTS])
{
	for (unsigned i = 0; i < STELE_BLOCK_SLOTS; i++) {
		const uint8_t *record =
			stele_view_slot_record(replacement->shard, b * STELE_BLOCK_SLOTS + i);
		items[i] = (struct stele_pack_item){.record = record};
		if (record != NULL)
			items[i].record_sz =
				replacement->kind == STELE_SHARD_ZONES ?
					stele_le32(((const struct stele_zone *)(const void *)record)
							   ->size) :
					(uint32_t)update_record_sz(record);
	}
}

/* Returns the size of the shard at `to`, or 0 if it cannot be written. */
static uint64_t write_shard(const struct update *update, const struct replacement *replacement,
			    uint8_t *to)
{
	const struct stele_view_shard *shard = replacement->shard;
	struct stele_hash_shard *head = (void *)to;
	struct stele_hash_block *blocks = (void *)(head + 1);
	uint8_t *records = (uint8_t *)(blocks + shard->block_cnt);
	memcpy(to, shard->base, (size_t)(shard->records - shard->base));
	const struct replaced *next = replacement->items;
	const struct replaced *behind = next + replacement->cnt;
	uint64_t off = 0;
	for (uint32_t b = 0; b < shard->block_cnt; b++) {
		struct stele_pack_item items[STELE_BLOCK_SLOTS];
		get_old(replacement, b, items);
		for (; next < behind && next->slot / STELE_BLOCK_SLOTS == b; next++)
			items[next->slot % STELE_BLOCK_SLOTS] = (struct stele_pack_item){
				.record = update->records.data + next->edit->record_off,
				.record_sz = next->edit->record_sz,
			};
		off = stele_pack_block(blocks + b, replacement->kind, items, records, off);
		if (off == UINT64_MAX)
			return 0;
	}
	head->size = stele_to_le64((uint64_t)(records + off - to));
	return stele_le64(head->size);
}

int update_replace(struct update *update, uint32_t shard, const struct update_edit *edits,
		   size_t edit_cnt, bool is_zones, bool *ret_done)
{
	struct replacement replacement = {
		.kind = is_zones ? STELE_SHARD_ZONES : STELE_SHARD_NAMES,
	};
	*ret_done = false;
	int rc = update_shard(update, shard, &replacement.shard);
	if (rc < 0 || replacement.shard->base == NULL)
		return rc;
	const uint8_t *base = replacement.shard->base;
	rc = find_replaced(update, edits, edit_cnt, &replacement);
	if (rc != 1)
		return rc;
	const struct stele_hash_shard *head = (const void *)base;
	uint64_t records_max = stele_le64(head->size) + replacement.records_sz;
	uint32_t key_cnt = stele_le32(head->key_cnt);
	update->shard.len = 0;
	rc = stele_buffer_reserve(&update->shard, stele_pack_hash_shard_max(key_cnt, records_max),
				  update->reterr);
	if (rc < 0)
		return rc;
	uint64_t size = write_shard(update, &replacement, update->shard.data);
	if (size == 0)
		return 0;
	*ret_done = true;
	return update_put_shard(update, shard, replacement.kind, key_cnt, update->shard.data, size);
}
