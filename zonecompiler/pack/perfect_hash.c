/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/perfect_hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS STELE_BLOCK_BUCKETS
#define SLOTS STELE_BLOCK_SLOTS
#define PILOTS 256u
/* A seed fails for one in 30 shards; so many in a row do not happen. */
#define ATTEMPTS_MAX 64u
/* Keys of one block: with 11.5 on average none has over 40. More make the seed fail. */
#define BLOCK_KEYS_MAX 64u
/* Each time with other pilots for the buckets that are placed first. Fewer: more keys are spilled. More: what has
 * no solution is tried for longer. */
#define TURNS 4u

uint32_t stele_perfect_hash_block_cnt(uint32_t key_cnt)
{
	return (uint32_t)((uint64_t)key_cnt * 10 / STELE_PERFECT_HASH_BLOCK_TENTHS) + 1;
}

struct key {
	uint64_t mixed;
	uint32_t source; /* which one it is */
	uint8_t bucket;
	uint8_t fingerprint;
};

/* One attempt. Arrays lie in the memory of struct stele_perfect_hash. */
struct attempt {
	uint32_t key_cnt, block_cnt;
	uint64_t seed;
	struct key *keys; /* by block, ascending by `mixed` in each */
	uint32_t *begin;  /* block_cnt + 1: where the keys of a block begin */
	uint32_t *next;   /* block_cnt: where the next key of a block goes */
	struct stele_hash_block *blocks;
	uint32_t *slots; /* by source */
};

/* A block under way. What was spilled into it comes first. */
struct placing {
	struct key keys[2 * BLOCK_KEYS_MAX];
	unsigned key_cnt, in_cnt;
	struct key spilled[BLOCK_KEYS_MAX];
	unsigned spilled_cnt;
	uint8_t pilots[BUCKETS];
};

void stele_perfect_hash_free(struct stele_perfect_hash *hash)
{
	free(hash->memory);
	*hash = (struct stele_perfect_hash){0};
}

static int lay_out(struct stele_perfect_hash *hash, struct attempt *a, struct stele_error *reterr)
{
	size_t need =
		a->key_cnt * sizeof(struct key) + (2 * (size_t)a->block_cnt + 1) * sizeof(uint32_t);
	if (hash->memory_sz < need) {
		stele_perfect_hash_free(hash);
		hash->memory = malloc(need);
		if (hash->memory == NULL) {
			stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
			return STELE_E_SYSTEM;
		}
		hash->memory_sz = need;
	}
	a->keys = hash->memory;
	a->begin = (uint32_t *)(a->keys + a->key_cnt);
	a->next = a->begin + a->block_cnt + 1;
	return 0;
}

/* Groups the keys by block and orders them inside. False if a block has too many; `*ret_same` is the
 * position of a key that is there twice, or key_cnt. */
static bool sort_keys(struct attempt *a, const uint64_t *keys, uint32_t *ret_same)
{
	memset(a->begin, 0, ((size_t)a->block_cnt + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < a->key_cnt; i++) {
		uint64_t mixed = stele_shard_mix(keys[i], a->seed);
		a->begin[stele_shard_block(mixed, a->block_cnt) + 1]++;
	}
	uint32_t largest = 0;
	for (uint32_t b = 0; b < a->block_cnt; b++) {
		if (a->begin[b + 1] > largest)
			largest = a->begin[b + 1];
		a->begin[b + 1] += a->begin[b];
	}
	memcpy(a->next, a->begin, a->block_cnt * sizeof(uint32_t));
	*ret_same = a->key_cnt;
	for (uint32_t i = 0; i < a->key_cnt; i++) {
		uint64_t mixed = stele_shard_mix(keys[i], a->seed);
		uint32_t b = stele_shard_block(mixed, a->block_cnt);
		uint32_t at = a->next[b]++;
		/* The keys from begin[b] to next[b] have been stored, which the analyzer does not follow. */
		/* NOLINTBEGIN(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		for (; at > a->begin[b] && a->keys[at - 1].mixed > mixed; at--)
			a->keys[at] = a->keys[at - 1];
		if (at > a->begin[b] && a->keys[at - 1].mixed == mixed)
			*ret_same = i;
		/* NOLINTEND(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		a->keys[at] = (struct key){
			.mixed = mixed,
			.source = i,
			.bucket = (uint8_t)stele_block_bucket(mixed, a->block_cnt),
			.fingerprint = stele_key_fingerprint(keys[i]),
		};
	}
	return largest <= BLOCK_KEYS_MAX;
}

/* The keys of a block by bucket. */
struct buckets {
	uint64_t mixed[BUCKETS][SLOTS];
	unsigned cnt[BUCKETS];
	unsigned order[BUCKETS]; /* the largest first */
};

static void sort_buckets(const struct placing *p, struct buckets *buckets)
{
	memset(buckets->cnt, 0, sizeof(buckets->cnt));
	for (unsigned i = 0; i < p->key_cnt; i++) {
		unsigned b = p->keys[i].bucket;
		buckets->mixed[b][buckets->cnt[b]++] = p->keys[i].mixed;
	}
	for (unsigned b = 0; b < BUCKETS; b++) {
		unsigned at = b;
		for (; at > 0 && buckets->cnt[buckets->order[at - 1]] < buckets->cnt[b]; at--)
			buckets->order[at] = buckets->order[at - 1];
		buckets->order[at] = b;
	}
}

/* The slots that a pilot sends keys to, as bits; 0 if one of them is taken or two are the same. */
static uint32_t slots_of(const uint64_t *mixed, unsigned cnt, uint8_t pilot, uint32_t taken)
{
	uint32_t slots = 0;
	for (unsigned i = 0; i < cnt; i++) {
		uint32_t slot = UINT32_C(1) << stele_block_slot(mixed[i], pilot);
		if (((taken | slots) & slot) != 0)
			return 0;
		slots |= slot;
	}
	return slots;
}

/* Finds the pilots of all buckets. `turn` says with which pilot to begin. */
static bool find_pilots(struct placing *p, const struct buckets *buckets, unsigned turn)
{
	uint32_t taken = 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		unsigned bucket = buckets->order[i], cnt = buckets->cnt[bucket];
		uint32_t slots = 0;
		p->pilots[bucket] = 0;
		for (unsigned k = 0; k < PILOTS && cnt > 0 && slots == 0; k++) {
			uint8_t pilot = (uint8_t)(k + turn * 97);
			slots = slots_of(buckets->mixed[bucket], cnt, pilot, taken);
			p->pilots[bucket] = pilot;
		}
		if (cnt > 0 && slots == 0)
			return false;
		taken |= slots;
	}
	return true;
}

/* A lookup of a spilled key goes on to the next block only if its own does not have its fingerprint. */
static bool misses_spilled(const struct placing *p)
{
	for (unsigned s = 0; s < p->spilled_cnt; s++) {
		const struct key *spilled = p->spilled + s;
		uint32_t slot = stele_block_slot(spilled->mixed, p->pilots[spilled->bucket]);
		for (unsigned i = 0; i < p->key_cnt; i++) {
			const struct key *key = p->keys + i;
			if (key->fingerprint == spilled->fingerprint &&
			    stele_block_slot(key->mixed, p->pilots[key->bucket]) == slot)
				return false;
		}
	}
	return true;
}

static bool place(struct placing *p)
{
	struct buckets buckets;
	if (p->key_cnt > SLOTS)
		return false;
	sort_buckets(p, &buckets);
	for (unsigned turn = 0; turn < TURNS; turn++)
		if (find_pilots(p, &buckets, turn) && misses_spilled(p))
			return true;
	return false;
}

/* Takes out the last key that this block may spill of the bucket that has most keys. False: there is none. */
static bool spill(struct placing *p)
{
	unsigned cnt[BUCKETS] = {0};
	for (unsigned i = 0; i < p->key_cnt; i++)
		cnt[p->keys[i].bucket]++;
	unsigned best = p->in_cnt;
	for (unsigned i = p->in_cnt; i < p->key_cnt; i++)
		if (cnt[p->keys[i].bucket] >= cnt[p->keys[best].bucket])
			best = i;
	if (best >= p->key_cnt)
		return false;
	p->spilled[p->spilled_cnt++] = p->keys[best];
	p->key_cnt--;
	memmove(p->keys + best, p->keys + best + 1, (p->key_cnt - best) * sizeof(p->keys[0]));
	return true;
}

static void write_block(const struct attempt *a, uint32_t b, const struct placing *p)
{
	struct stele_hash_block *block = a->blocks + b;
	memcpy(block->pilots, p->pilots, sizeof(block->pilots));
	for (unsigned i = 0; i < p->spilled_cnt; i++)
		block->flags |= (uint8_t)(1u << p->spilled[i].bucket);
	for (unsigned i = 0; i < p->key_cnt; i++) {
		const struct key *key = p->keys + i;
		uint32_t slot = stele_block_slot(key->mixed, p->pilots[key->bucket]);
		block->slots[slot].fingerprint = key->fingerprint;
		a->slots[key->source] = b * SLOTS + slot;
	}
}

static bool place_all(const struct attempt *a)
{
	struct placing p;
	p.spilled_cnt = 0;
	for (uint32_t b = 0; b < a->block_cnt; b++) {
		unsigned home_cnt = a->begin[b + 1] - a->begin[b];
		memcpy(p.keys, p.spilled, p.spilled_cnt * sizeof(p.keys[0]));
		memcpy(p.keys + p.spilled_cnt, a->keys + a->begin[b], home_cnt * sizeof(p.keys[0]));
		p.in_cnt = p.spilled_cnt;
		p.key_cnt = p.in_cnt + home_cnt;
		p.spilled_cnt = 0;
		while (!place(&p))
			if (!spill(&p))
				return false;
		write_block(a, b, &p);
	}
	return p.spilled_cnt == 0;
}

int stele_perfect_hash_build(struct stele_perfect_hash *hash, const uint64_t *keys,
			     uint32_t key_cnt, uint64_t base_seed, struct stele_hash_block *blocks,
			     uint32_t *slots, uint64_t *ret_seed, struct stele_error *reterr)
{
	struct attempt a = {
		.key_cnt = key_cnt,
		.block_cnt = stele_perfect_hash_block_cnt(key_cnt),
		.blocks = blocks,
		.slots = slots,
	};
	int rc = lay_out(hash, &a, reterr);
	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < ATTEMPTS_MAX; i++) {
		a.seed = stele_fold(base_seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
				    UINT64_C(0xd6e8feb86659fd93));
		uint32_t same;
		bool fits = sort_keys(&a, keys, &same);
		if (same < key_cnt)
			return stele_fail(reterr, STELE_E_INPUT,
					  "two names have the key %016llx (expected "
					  "different ones; build with another seed)",
					  (unsigned long long)keys[same]);
		memset(blocks, 0, a.block_cnt * sizeof(*blocks));
		if (!fits || !place_all(&a))
			continue;
		*ret_seed = a.seed;
		return 0;
	}
	return stele_fail(reterr, STELE_E_SYSTEM,
			  "no perfect hash for %u keys after %u attempts (try another --seed)",
			  key_cnt, ATTEMPTS_MAX);
}
