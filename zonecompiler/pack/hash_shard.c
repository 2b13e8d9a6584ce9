/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/hash_shard.h"

#include "lib/image/view.h"

#include <stdbool.h>
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
	packer->items = calloc(stele_perfect_hash_block_cnt(item_cnt),
			       STELE_BLOCK_SLOTS * sizeof(*packer->items));
	if (packer->keys == NULL || packer->slots == NULL || packer->items == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	packer->cap = item_cnt;
	return 0;
}

/* ---- records ---- */

#define CACHE_LINE 64u
_Static_assert(CACHE_LINE == STELE_SHARD_ALIGN, "lines of a shard are lines of memory");

/* What nearly all answers read of a name's record: up to the end of its first RRset. Signatures are not counted: with
 * them it is long enough to reach into one line more or less anyway. */
static uint32_t front_sz(const uint8_t *record)
{
	struct stele_name_parts name = stele_name_parts(record);
	const uint8_t *body = stele_name_body(&name, name.rrsets);
	if (name.rrset_cnt > 0)
		body = name.head->kind == STELE_NAME_CUT ?
			       stele_rrset_end(body, name.rrsets) :
			       body + stele_le16(name.rrsets->plain_len);
	return (uint32_t)(body - record);
}

static uint64_t lines_of(uint64_t off, uint32_t size)
{
	return (off % CACHE_LINE + size + CACHE_LINE - 1) / CACHE_LINE;
}

/* How far a record that could begin at `off` is moved, so that its front lies in one line less. */
static uint64_t gap_before(const struct stele_pack_item *item, uint64_t off)
{
	uint64_t gap = -off % CACHE_LINE;
	if (gap > STELE_RECORD_GAP_MAX)
		return 0;
	uint32_t front = front_sz(item->record);
	return lines_of(off, front) > lines_of(0, front) ? gap : 0;
}

/* Where the records of a block begin under a unit of `1 << bits` bytes, in units. */
struct places {
	uint64_t base;
	uint64_t offsets[STELE_BLOCK_SLOTS];
};

/* False: an offset is too far from the base, or the base from the beginning. */
static bool find_places(const struct stele_hash_block *block, enum stele_shard_kind kind,
			const struct stele_pack_item items[STELE_BLOCK_SLOTS], uint64_t off,
			unsigned bits, struct places *places)
{
	uint64_t mask = (UINT64_C(1) << bits) - 1;
	bool fits = true;
	places->base = (off + mask) >> bits;
	for (unsigned i = 0; i < STELE_BLOCK_SLOTS; i++) {
		if (block->slots[i].fingerprint == 0)
			continue;
		uint64_t at = (off + mask) >> bits;
		if (kind == STELE_SHARD_NAMES && bits == 0)
			at += gap_before(items + i, at);
		places->offsets[i] = at - places->base;
		fits &= places->offsets[i] <= UINT16_MAX;
		off = (at << bits) + items[i].record_sz;
	}
	return fits && places->base <= UINT32_MAX;
}

uint64_t stele_pack_block(struct stele_hash_block *block, enum stele_shard_kind kind,
			  const struct stele_pack_item items[STELE_BLOCK_SLOTS], uint8_t *records,
			  uint64_t off)
{
	struct places places;
	unsigned exponent = 0;
	for (; !find_places(block, kind, items, off, exponent * STELE_BLOCK_UNIT_BITS, &places);
	     exponent++)
		if (exponent == STELE_BLOCK_UNIT_MAX)
			return UINT64_MAX;
	block->base = stele_to_le32((uint32_t)places.base);
	block->flags =
		(uint8_t)((block->flags & STELE_BLOCK_SPILLS) | exponent << STELE_BLOCK_UNIT_SHIFT);
	for (unsigned i = 0; i < STELE_BLOCK_SLOTS; i++) {
		if (block->slots[i].fingerprint == 0)
			continue;
		uint64_t at = (places.base + places.offsets[i])
			      << (exponent * STELE_BLOCK_UNIT_BITS);
		block->slots[i].offset = stele_to_le16((uint16_t)places.offsets[i]);
		memset(records + off, 0, at - off);
		memcpy(records + at, items[i].record, items[i].record_sz);
		off = at + items[i].record_sz;
	}
	return off;
}

uint64_t stele_pack_hash_shard_max(uint32_t item_cnt, uint64_t records_sz)
{
	/* A unit is no larger than it must be: with one of a sixteenth, some record would begin too far from the
	 * base. So the gaps, less than a unit each, are 18 * 16 / 65535 of the block at most; and much less of
	 * a shard that is so long that the base would be too large. */
	return sizeof(struct stele_hash_shard) +
	       stele_perfect_hash_block_cnt(item_cnt) * (uint64_t)sizeof(struct stele_hash_block) +
	       records_sz + records_sz / 200 + item_cnt * (uint64_t)STELE_RECORD_GAP_MAX;
}

static void get_items(const struct stele_packer *packer, const struct stele_pack_item *items,
		      uint32_t first_slot, struct stele_pack_item ret_items[STELE_BLOCK_SLOTS])
{
	for (unsigned i = 0; i < STELE_BLOCK_SLOTS; i++) {
		uint32_t item = packer->items[first_slot + i];
		ret_items[i] = item > 0 ? items[item - 1] : (struct stele_pack_item){0};
		/* Records lie scattered: ask for those of the next block. */
		__builtin_prefetch(ret_items[i].record);
	}
}

int stele_pack_hash_shard(struct stele_packer *packer, enum stele_shard_kind kind,
			  const struct stele_pack_item *items, uint32_t item_cnt,
			  uint64_t base_seed, uint8_t *shard, uint64_t *ret_size,
			  struct stele_error *reterr)
{
	int rc = make_room(packer, item_cnt, reterr);
	if (rc < 0)
		return rc;
	struct stele_hash_block *blocks = (void *)(shard + sizeof(struct stele_hash_shard));
	uint32_t block_cnt = stele_perfect_hash_block_cnt(item_cnt);
	uint32_t slot_cnt = block_cnt * STELE_BLOCK_SLOTS;
	uint64_t seed;
	for (uint32_t i = 0; i < item_cnt; i++)
		packer->keys[i] = items[i].key;
	rc = stele_perfect_hash_build(&packer->hash, packer->keys, item_cnt, base_seed, blocks,
				      packer->slots, &seed, reterr);
	if (rc < 0)
		return rc;

	memset(packer->items, 0, slot_cnt * sizeof(*packer->items));
	for (uint32_t i = 0; i < item_cnt; i++)
		packer->items[packer->slots[i]] = i + 1;
	uint8_t *records = (uint8_t *)(blocks + block_cnt);
	uint64_t off = 0;
	struct stele_pack_item now[STELE_BLOCK_SLOTS], next[STELE_BLOCK_SLOTS];
	get_items(packer, items, 0, next);
	for (uint32_t b = 0; b < block_cnt; b++) {
		memcpy(now, next, sizeof(now));
		if (b + 1 < block_cnt)
			get_items(packer, items, (b + 1) * STELE_BLOCK_SLOTS, next);
		off = stele_pack_block(blocks + b, kind, now, records, off);
		if (off == UINT64_MAX)
			return stele_fail(reterr, STELE_E_INPUT,
					  "records of %d names are longer than an image can hold",
					  STELE_BLOCK_SLOTS);
	}
	struct stele_hash_shard head = {
		.key_cnt = stele_to_le32(item_cnt),
		.block_cnt = stele_to_le32(block_cnt),
		.seed = stele_to_le64(seed),
		.size = stele_to_le64((uint64_t)(records + off - shard)),
	};
	memcpy(shard, &head, sizeof(head));
	*ret_size = stele_le64(head.size);
	return 0;
}
