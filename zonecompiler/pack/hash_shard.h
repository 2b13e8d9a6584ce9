/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_PACK_HASH_SHARD_H
#define STELE_ZONECOMPILER_PACK_HASH_SHARD_H

/*
 * A shard of names or zones (struct stele_hash_shard): records that are found by a perfect hash of
 * their keys. Records stand in the order of their slots, so that the bytes depend only on what
 * is in the shard and on the base seed, not on the order in which the records came.
 */

#include "zonecompiler/pack/perfect_hash.h"

#include "lib/image/format.h"
#include "lib/image/hash.h"

/* The base seed of a shard: each has its own, from the seed of the image. */
static inline uint64_t stele_shard_seed(struct stele_hash_seed seed, uint32_t shard)
{
	return stele_fold(seed.start ^ (shard + UINT64_C(0x632be59bd9b4e019)), seed.multiplier);
}

struct stele_pack_item {
	uint64_t key;
	const uint8_t *record;
	uint32_t record_sz;
};

/* Memory that is used again from shard to shard. Zeroed by its owner; one thread at a time. */
struct stele_packer {
	struct stele_perfect_hash hash;
	uint64_t *keys;
	uint32_t *slots; /* of each item */
	uint32_t *items; /* of each slot: item + 1, or 0 */
	uint32_t cap;    /* items that there is room for */
};

void stele_packer_free(struct stele_packer *packer);

/* The most that a shard of so many items (at least 1) takes, whose records are so long together. */
uint64_t stele_pack_hash_shard_max(uint32_t item_cnt, uint64_t records_sz);

/*
 * Writes the shard to `shard`, at most stele_pack_hash_shard_max() bytes; `*ret_size` gets how many. Errors as of
 * stele_perfect_hash_build(). 250 ns an item of 120 bytes, most of them waiting for the records.
 */
int stele_pack_hash_shard(struct stele_packer *packer, enum stele_shard_kind kind,
			  const struct stele_pack_item *items, uint32_t item_cnt,
			  uint64_t base_seed, uint8_t *shard, uint64_t *ret_size,
			  struct stele_error *reterr);

/*
 * Copies the records of one block to where they belong: `off` bytes behind `records` or, as the block's unit and cache
 * lines have it, a little further. Which slots are in use stands in the block; base, unit and offsets are set. Returns
 * the offset behind the last record; UINT64_MAX: no unit is large enough.
 */
uint64_t stele_pack_block(struct stele_hash_block *block, enum stele_shard_kind kind,
			  const struct stele_pack_item items[STELE_BLOCK_SLOTS], uint8_t *records,
			  uint64_t off);

#endif
