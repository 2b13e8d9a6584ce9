/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_HASH_H
#define STELE_LIB_IMAGE_HASH_H

/*
 * From a name to its slot.
 *
 * A name is hashed label by label from the right, so that one pass gives the hash of every suffix.
 * The multiplier and the start value are secrets of the image: nobody outside can aim at
 * collisions. A *key* joins the hash of a name with that of the apex of its zone, so that a name that
 * stands both in a parent zone (as a cut) and in a child zone (as the apex) has two keys. A zone
 * record has a key of its own kind.
 *
 * A shard consists of blocks (struct stele_hash_block), each of them a cache line with a perfect hash of its
 * own, in the PtrHash family (Groot Koerkamp, 2025): the key chooses the block, and in it a bucket; the
 * bucket's 8-bit pilot and the key choose the slot. So a lookup reads one line, and then the record.
 *
 * All of this is part of the image format.
 */

#include "lib/base/bytes.h"

#include <stdint.h>

struct stele_hash_seed {
	uint64_t start;
	uint64_t multiplier; /* odd */
};

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that leaves no pattern. */
static inline uint64_t stele_hash_spread(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A seed may be anything, but a multiplier like 0x0101…01 would make names collide. */
static inline struct stele_hash_seed stele_hash_seed(uint64_t seed0, uint64_t seed1)
{
	return (struct stele_hash_seed){stele_hash_spread(seed0 + UINT64_C(0x9e3779b97f4a7c15)),
					stele_hash_spread(seed1 + UINT64_C(0x3c6ef372fe94f82a)) |
						1};
}

/* The two halves of the 128-bit product, folded: every input bit reaches every output bit. */
static inline uint64_t stele_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Bytes behind a label that its hashing may read: the buffer must go on that far. */
#define STELE_HASH_SLACK 15

/* The first `len` (1 … 16) of the 16 bytes at `p`, as two numbers; the others count as zero. */
static inline void stele_hash_words(const uint8_t *p, unsigned len, uint64_t words[2])
{
	/* A mask from a table: shifts would need a branch on whether the second word is in use, and
	 * lengths of labels are what nothing can predict. */
	static const uint8_t masks[32] = {255, 255, 255, 255, 255, 255, 255, 255,
					  255, 255, 255, 255, 255, 255, 255, 255};
	typedef uint8_t vector __attribute__((vector_size(16)));
	vector bytes, mask;
	memcpy(&bytes, p, sizeof(bytes));
	memcpy(&mask, masks + 16 - len, sizeof(mask));
	bytes &= mask;
	memcpy(words, &bytes, sizeof(bytes));
	words[0] = STELE_LE(64, words[0]);
	words[1] = STELE_LE(64, words[1]);
}

/*
 * The hash of the name that `label` (length byte and text, lower case) makes in front of the name
 * with hash `suffix`. The root has hash seed.start. Sixteen bytes a multiplication, as most labels
 * are no longer. Reads up to STELE_HASH_SLACK bytes past the label.
 */
static inline uint64_t stele_hash_label(struct stele_hash_seed seed, uint64_t suffix,
					const uint8_t *label)
{
	uint64_t h = suffix, words[2];
	unsigned left = label[0] + 1u;
	for (; left > 16; label += 16, left -= 16)
		h = stele_fold(h ^ stele_get_le64(label),
			       seed.multiplier ^ stele_get_le64(label + 8)) +
		    left;
	stele_hash_words(label, left, words);
	return stele_fold(h ^ words[0], seed.multiplier ^ words[1]) + left;
}

/* At the apex itself both hashes are the same: 23 and 64 have no common factor, so that this keeps 63
 * of its bits. (Swapping halves would keep 32: of 100 K zones two would have one key.) */
static inline uint64_t stele_key_name(struct stele_hash_seed seed, uint64_t name, uint64_t apex)
{
	return stele_fold(name ^ (apex << 23 | apex >> 41) ^ UINT64_C(0x9e3779b97f4a7c15),
			  seed.multiplier);
}

static inline uint64_t stele_key_zone(struct stele_hash_seed seed, uint64_t apex)
{
	return stele_fold(apex ^ UINT64_C(0xd1b54a32d192ed03), seed.multiplier);
}

/* Which of 2^bits shards: the leading bits of the key. */
static inline uint32_t stele_key_shard(uint64_t key, unsigned bits)
{
	return (uint32_t)((key >> 1) >> (63 - bits));
}

/* What tells names apart before their records are read; 0 is for empty slots. */
static inline uint8_t stele_key_fingerprint(uint64_t key)
{
	uint8_t lowest = (uint8_t)key;
	return (uint8_t)(lowest + (lowest == 0));
}

static inline uint64_t stele_mulhi(uint64_t a, uint64_t b)
{
	return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* Buckets, and so pilots, of a block; its slots. */
enum { STELE_BLOCK_BUCKETS = 5, STELE_BLOCK_SLOTS = 18 };

/* A key in a shard with `seed` of its own. It is mixed, since within a shard its leading bits are all the
 * same. */
static inline uint64_t stele_shard_mix(uint64_t key, uint64_t shard_seed)
{
	uint64_t x = (key ^ shard_seed) * UINT64_C(0x9fb21c651e98df25);
	return x ^ (x >> 32);
}

static inline uint32_t stele_shard_block(uint64_t mixed, uint32_t block_cnt)
{
	return (uint32_t)stele_mulhi(mixed, block_cnt);
}

/* The bucket in that block: where between it and the next one the key lies. */
static inline uint32_t stele_block_bucket(uint64_t mixed, uint32_t block_cnt)
{
	return (uint32_t)stele_mulhi(mixed * block_cnt, STELE_BLOCK_BUCKETS);
}

static inline uint32_t stele_block_slot(uint64_t mixed, uint8_t pilot)
{
	uint64_t x =
		(mixed ^ (pilot * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)stele_mulhi(x, STELE_BLOCK_SLOTS);
}

#endif
