/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_PACK_PERFECT_HASH_H
#define STELE_ZONECOMPILER_PACK_PERFECT_HASH_H

/*
 * The perfect hash of one shard: every key gets a slot of its own.
 *
 * lib/image/hash.h says how a key finds its bucket, and how the bucket's 8-bit pilot sends it to a
 * slot. Here the pilots are found: buckets are placed from the largest to the smallest, each with the
 * first pilot that sends all its keys to free slots. Where there is none, the pilot that
 * disturbs the least is taken and the buckets in its way are placed again. When that does not come
 * to an end, all is tried again with another shard seed.
 *
 * What comes out depends on the set of keys and the base seed alone, not on the order of the keys.
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Keys a bucket, times ten. Lower: more bytes of pilots (each bucket has one). Higher: the large
 * buckets need more tries than there are pilots, and building slows down.
 */
enum { STELE_PERFECT_HASH_BUCKET_TENTHS = 32 };

/* Slots for so many keys: about 5 % more. Fewer: the last buckets hardly find a free slot. */
uint32_t stele_perfect_hash_slot_cnt(uint32_t key_cnt);
uint32_t stele_perfect_hash_bucket_cnt(uint32_t key_cnt);

/* Memory that is used again from shard to shard. Zeroed by its owner; one thread at a time. */
struct stele_perfect_hash {
	void *memory;
	size_t memory_sz;
};

void stele_perfect_hash_free(struct stele_perfect_hash *hash);

/*
 * Writes stele_perfect_hash_bucket_cnt() pilots to `pilots`, the slot of keys[i] to slots[i], and the
 * shard seed to `*ret_seed`. STELE_E_INPUT: two keys are the same; `ret_same` (may be NULL) gets
 * that key. STELE_E_SYSTEM: no memory, or no luck with any seed. About 60 ns a key.
 */
int stele_perfect_hash_build(struct stele_perfect_hash *hash, const uint64_t *keys,
			     uint32_t key_cnt, uint64_t base_seed, uint8_t *pilots, uint32_t *slots,
			     uint64_t *ret_seed, uint64_t *ret_same, struct stele_error *reterr);

#endif
