/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard in which records are replaced and none comes or goes. The perfect hash depends on the keys
 * alone, so it stays as it is, and what is behind a record of another length only moves: the bytes
 * are those that packing would give, for the cost of copying them.
 */
#include "zonecompiler/write/update_internal.h"

/* Each replaced record costs a pass over the shard's slots (10 us). Lower: ordinary changes of some
 * names are packed anew for 5 ms. Higher: the passes cost more than that. */
#define REPLACED_MAX 64

struct replaced {
	uint64_t off; /* of the old record */
	uint64_t old_sz;
	const struct update_edit *edit;
};

struct replacement {
	const uint8_t *base;
	struct replaced items[REPLACED_MAX]; /* ascending by offset */
	size_t cnt;
};

static void insert(struct replacement *replacement, struct replaced item)
{
	size_t at = replacement->cnt++;
	for (; at > 0 && replacement->items[at - 1].off > item.off; at--)
		replacement->items[at] = replacement->items[at - 1];
	replacement->items[at] = item;
}

/* Finds what the edits replace: 1, or 0 if a record comes or goes or there are too many. */
static int find_replaced(struct update *update, uint32_t shard, const struct update_edit *edits,
			 size_t edit_cnt, bool is_zones, struct replacement *replacement)
{
	for (size_t i = 0; i < edit_cnt; i++) {
		if (i + 1 < edit_cnt && edits[i + 1].key == edits[i].key)
			continue;
		const uint8_t *old = stele_view_find(update->view.shards + shard, edits[i].key);
		if (old == NULL || edits[i].record_sz == 0 || replacement->cnt == REPLACED_MAX)
			return 0;
		/* The slot may be that of another key with the same fingerprint. */
		struct update_facts facts = {0};
		int rc = update_record_facts(update, old, is_zones, &facts);
		if (rc < 0)
			return rc;
		if (facts.key != edits[i].key)
			return 0;
		insert(replacement, (struct replaced){(uint64_t)(old - replacement->base),
						      facts.size, edits + i});
	}
	return 1;
}

/* How far a record that stood at `off` moves. */
static uint64_t shift_of(const struct replacement *replacement, uint64_t off)
{
	uint64_t shift = 0; /* modulo 2^64 */
	for (size_t i = 0; i < replacement->cnt && replacement->items[i].off < off; i++)
		shift += replacement->items[i].edit->record_sz - replacement->items[i].old_sz;
	return shift;
}

static void move_slots(const struct replacement *replacement, uint8_t *slots, uint32_t slot_cnt)
{
	for (uint32_t i = 0; i < slot_cnt; i++) {
		uint8_t *at = slots + 8 * (uint64_t)i;
		uint64_t slot = stele_get_le64(at);
		if (slot != 0)
			stele_put_le64(at,
				       slot + shift_of(replacement, slot & STELE_SLOT_OFF_MASK));
	}
}

static void write_shard(const struct update *update, const struct replacement *replacement,
			uint8_t *to)
{
	const uint8_t *base = replacement->base;
	const struct stele_hash_shard *head = (const void *)base;
	uint64_t size = stele_le64(head->size);
	uint8_t *begin = to;
	uint64_t off = 0;
	for (size_t i = 0; i < replacement->cnt; i++) {
		const struct replaced *item = replacement->items + i;
		memcpy(to, base + off, item->off - off);
		to += item->off - off;
		memcpy(to, update->records.data + item->edit->record_off, item->edit->record_sz);
		to += item->edit->record_sz;
		off = item->off + item->old_sz;
	}
	memcpy(to, base + off, size - off);

	struct stele_hash_shard *new_head = (void *)begin;
	uint64_t shift = shift_of(replacement, size);
	new_head->size = stele_to_le64(size + shift);
	move_slots(replacement, begin + stele_le32(head->slots_off), stele_le32(head->slot_cnt));
}

int update_replace(struct update *update, uint32_t shard, const struct update_edit *edits,
		   size_t edit_cnt, bool is_zones, bool *ret_done)
{
	struct replacement replacement = {.base = update_shard(update, shard)->base};
	*ret_done = false;
	if (replacement.base == NULL)
		return 0;
	int rc = find_replaced(update, shard, edits, edit_cnt, is_zones, &replacement);
	if (rc != 1)
		return rc;
	const struct stele_hash_shard *head = (const void *)replacement.base;
	uint64_t size = stele_le64(head->size);
	size += shift_of(&replacement, size);
	update->shard.len = 0;
	rc = stele_buffer_reserve(&update->shard, size, update->reterr);
	if (rc < 0)
		return rc;
	write_shard(update, &replacement, update->shard.data);
	*ret_done = true;
	return update_put_shard(update, shard, is_zones ? STELE_SHARD_ZONES : STELE_SHARD_NAMES,
				stele_le32(head->key_cnt), update->shard.data, size);
}
