/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_PACK_PERFECT_HASH_H
#define STELE_ZONECOMPILER_PACK_PERFECT_HASH_H

/*
 * The perfect hash of one shard: every key gets a slot of its own.
 *
 * lib/image/hash.h says how a key finds its block, its bucket in the block, and how the bucket's 8-bit pilot
 * sends it to a slot. Here the pilots are found, block after block: buckets are placed from the largest to the
 * smallest, each with the first pilot that sends all its keys to free slots. Where there is none, it is tried
 * with other pilots of those before it, and then with one key less: that one is spilled into the next block,
 * where it comes first. When the last block spills, or a block has no place for what was spilled into it,
 * all is tried again with another shard seed.
 *
 * What comes out depends on the set of keys and the base seed alone, not on the order of the keys.
 */

#include "lib/base/error.h"
#include "lib/image/format.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Keys a block, times ten. Lower: more bytes for a key. Higher: more keys are spilled, and so more lookups read
 * a second block. With 11.5 of 18 it is 0.6 % of the keys, and 0.9 % of the lookups for what is not there.
 */
enum { STELE_PERFECT_HASH_BLOCK_TENTHS = 115 };

uint32_t stele_perfect_hash_block_cnt(uint32_t key_cnt);

/* Memory that is used again from shard to shard. Zeroed by its owner; one thread at a time. */
struct stele_perfect_hash {
	void *memory;
	size_t memory_sz;
};

void stele_perfect_hash_free(struct stele_perfect_hash *hash);

/*
 * Writes pilots, marks of spilled buckets and fingerprints to stele_perfect_hash_block_cnt() blocks, all else in
 * them being zero; the number of the slot of keys[i], counted through the blocks, to slots[i]; and the shard
 * seed to `*ret_seed`. STELE_E_INPUT: two keys are the same, which the text names.
 * STELE_E_SYSTEM: no memory, or no luck with any seed. About 60 ns a key.
 */
int stele_perfect_hash_build(struct stele_perfect_hash *hash, const uint64_t *keys,
			     uint32_t key_cnt, uint64_t base_seed, struct stele_hash_block *blocks,
			     uint32_t *slots, uint64_t *ret_seed, struct stele_error *reterr);

#endif
