/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/hash_shard.h"

#include "lib/image/hash.h"

#include <stdlib.h>
#include <string.h>

void stele_packer_free(struct stele_packer *packer)
{
	stele_perfect_hash_free(&packer->hash);
	free(packer->keys);
	free(packer->slots);
	free(packer->items);
	*packer = (struct stele_packer){0};
}

static int make_room(struct stele_packer *packer, uint32_t item_cnt, struct stele_error *reterr)
{
	if (packer->cap >= item_cnt)
		return 0;
	free(packer->keys);
	free(packer->slots);
	free(packer->items);
	packer->cap = 0;
	packer->keys = calloc(item_cnt, sizeof(*packer->keys));
	packer->slots = calloc(item_cnt, sizeof(*packer->slots));
	packer->items = calloc(stele_perfect_hash_slot_cnt(item_cnt), sizeof(*packer->items));
	if (packer->keys == NULL || packer->slots == NULL || packer->items == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	packer->cap = item_cnt;
	return 0;
}

/* Where the parts begin. */
struct layout {
	uint64_t pilots_off, slots_off, records_off;
};

static struct layout lay_out(uint32_t item_cnt)
{
	struct layout layout = {.pilots_off = sizeof(struct stele_hash_shard)};
	uint64_t pilots_end = layout.pilots_off + stele_perfect_hash_bucket_cnt(item_cnt);
	layout.slots_off = (pilots_end + 7) / 8 * 8;
	layout.records_off = layout.slots_off + 8 * (uint64_t)stele_perfect_hash_slot_cnt(item_cnt);
	return layout;
}

uint64_t stele_pack_hash_shard_sz(uint32_t item_cnt, uint64_t records_sz)
{
	return lay_out(item_cnt).records_off + records_sz;
}

int stele_pack_hash_shard(struct stele_packer *packer, const struct stele_pack_item *items,
			  uint32_t item_cnt, uint64_t base_seed, uint8_t *shard,
			  struct stele_error *reterr)
{
	int rc = make_room(packer, item_cnt, reterr);
	if (rc < 0)
		return rc;
	struct layout layout = lay_out(item_cnt);
	uint32_t slot_cnt = stele_perfect_hash_slot_cnt(item_cnt);
	uint64_t seed;
	memset(shard, 0, layout.records_off);
	for (uint32_t i = 0; i < item_cnt; i++)
		packer->keys[i] = items[i].key;
	rc = stele_perfect_hash_build(&packer->hash, packer->keys, item_cnt, base_seed,
				      shard + layout.pilots_off, packer->slots, &seed, NULL,
				      reterr);
	if (rc < 0)
		return rc;

	memset(packer->items, 0, slot_cnt * sizeof(*packer->items));
	for (uint32_t i = 0; i < item_cnt; i++)
		packer->items[packer->slots[i]] = i + 1;
	uint64_t off = layout.records_off;
	for (uint32_t slot = 0; slot < slot_cnt; slot++) {
		/* Records lie scattered: ask for the one that comes eight slots later. */
		if (slot + 8 < slot_cnt && packer->items[slot + 8] != 0)
			__builtin_prefetch(items[packer->items[slot + 8] - 1].record);
		if (packer->items[slot] == 0)
			continue;
		const struct stele_pack_item *item = items + packer->items[slot] - 1;
		uint64_t fingerprint = stele_key_fingerprint(item->key);
		stele_put_le64(shard + layout.slots_off + 8 * (uint64_t)slot,
			       fingerprint << STELE_SLOT_OFF_BITS | off);
		memcpy(shard + off, item->record, item->record_sz);
		off += item->record_sz;
	}
	struct stele_hash_shard head = {
		.key_cnt = stele_to_le32(item_cnt),
		.slot_cnt = stele_to_le32(slot_cnt),
		.bucket_cnt = stele_to_le32(stele_perfect_hash_bucket_cnt(item_cnt)),
		.pilots_off = stele_to_le32((uint32_t)layout.pilots_off),
		.slots_off = stele_to_le32((uint32_t)layout.slots_off),
		.records_off = stele_to_le32((uint32_t)layout.records_off),
		.seed = stele_to_le64(seed),
		.size = stele_to_le64(off),
	};
	memcpy(shard, &head, sizeof(head));
	return 0;
}
