/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/perfect_hash.h"

#include "lib/image/hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PILOTS 256u
/* A seed that fails once is rare (below 1 in 1000 shards); so many in a row do not happen. */
#define ATTEMPTS_MAX 64u
/* Buckets longer than this make the seed fail: with 3.2 keys a bucket the longest of a shard has
 * about 14. */
#define BUCKET_KEYS_MAX 40u
/* How many of the buckets placed last are not evicted again at once, lest two evict one another. */
#define RECENT 8u

uint32_t stele_perfect_hash_slot_cnt(uint32_t key_cnt)
{
	return key_cnt + key_cnt / 19 + 1;
}

uint32_t stele_perfect_hash_bucket_cnt(uint32_t key_cnt)
{
	return (uint32_t)((uint64_t)key_cnt * 10 / STELE_PERFECT_HASH_BUCKET_TENTHS) + 1;
}

/* One attempt. Arrays lie in the memory of struct stele_perfect_hash. */
struct attempt {
	uint32_t key_cnt, slot_cnt, bucket_cnt;
	uint64_t seed;
	uint64_t *mixed;    /* by bucket, ascending in each */
	uint32_t *source;   /* which key it is */
	uint32_t *begin;    /* bucket_cnt + 1: where the bucket's keys begin */
	uint32_t *order;    /* buckets, the largest first */
	uint32_t *owner;    /* of a slot: bucket + 1, or 0 */
	uint32_t *waiting;  /* stack of buckets to be placed */
	uint64_t *occupied; /* bit for each slot */
	uint8_t *pilots;
};

void stele_perfect_hash_free(struct stele_perfect_hash *hash)
{
	free(hash->memory);
	*hash = (struct stele_perfect_hash){0};
}

static int lay_out(struct stele_perfect_hash *hash, struct attempt *a, struct stele_error *reterr)
{
	size_t words = ((size_t)a->slot_cnt + 63) / 64;
	size_t need = (a->key_cnt + words) * sizeof(uint64_t) +
		      ((size_t)a->key_cnt + a->slot_cnt + 3 * (size_t)a->bucket_cnt + 1) *
			      sizeof(uint32_t);
	if (hash->memory_sz < need) {
		stele_perfect_hash_free(hash);
		hash->memory = malloc(need);
		if (hash->memory == NULL) {
			stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
			return STELE_E_SYSTEM;
		}
		hash->memory_sz = need;
	}
	a->mixed = hash->memory;
	a->occupied = a->mixed + a->key_cnt;
	a->source = (uint32_t *)(a->occupied + words);
	a->begin = a->source + a->key_cnt;
	a->order = a->begin + a->bucket_cnt + 1;
	a->owner = a->order + a->bucket_cnt;
	a->waiting = a->owner + a->slot_cnt;
	return 0;
}

/* Groups the keys by bucket and orders them inside. False if a bucket is too large; `*ret_same` is
 * the position of a key that is there twice, or key_cnt. */
static bool fill_buckets(struct attempt *a, const uint64_t *keys, uint32_t *ret_same)
{
	memset(a->begin, 0, ((size_t)a->bucket_cnt + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < a->key_cnt; i++) {
		uint64_t mixed = stele_shard_mix(keys[i], a->seed);
		a->begin[stele_shard_bucket(mixed, a->bucket_cnt) + 1]++;
	}
	uint32_t largest = 0;
	for (uint32_t b = 0; b < a->bucket_cnt; b++) {
		if (a->begin[b + 1] > largest)
			largest = a->begin[b + 1];
		a->begin[b + 1] += a->begin[b];
	}
	/* The waiting stack is not in use yet: where the next key of a bucket goes. */
	memcpy(a->waiting, a->begin, a->bucket_cnt * sizeof(uint32_t));
	*ret_same = a->key_cnt;
	for (uint32_t i = 0; i < a->key_cnt; i++) {
		uint64_t mixed = stele_shard_mix(keys[i], a->seed);
		uint32_t b = stele_shard_bucket(mixed, a->bucket_cnt);
		uint32_t at = a->waiting[b]++;
		while (at > a->begin[b] && a->mixed[at - 1] > mixed) {
			a->mixed[at] = a->mixed[at - 1];
			a->source[at] = a->source[at - 1];
			at--;
		}
		if (at > a->begin[b] && a->mixed[at - 1] == mixed)
			*ret_same = i;
		a->mixed[at] = mixed;
		a->source[at] = i;
	}
	return largest <= BUCKET_KEYS_MAX;
}

static uint32_t bucket_size(const struct attempt *a, uint32_t bucket)
{
	return a->begin[bucket + 1] - a->begin[bucket];
}

static void order_buckets(struct attempt *a)
{
	uint32_t at[BUCKET_KEYS_MAX + 2] = {0}; /* of sizes, counted from the largest */
	for (uint32_t b = 0; b < a->bucket_cnt; b++)
		at[BUCKET_KEYS_MAX - bucket_size(a, b) + 1]++;
	for (uint32_t s = 0; s <= BUCKET_KEYS_MAX; s++)
		at[s + 1] += at[s];
	for (uint32_t b = 0; b < a->bucket_cnt; b++)
		a->order[at[BUCKET_KEYS_MAX - bucket_size(a, b)]++] = b;
}

static inline bool is_occupied(const struct attempt *a, uint32_t slot)
{
	return a->occupied[slot / 64] >> (slot % 64) & 1;
}

/* The slots of a bucket under a pilot; false if two are the same. */
static bool distinct_slots(const struct attempt *a, uint32_t bucket, uint8_t pilot,
			   uint32_t slots[BUCKET_KEYS_MAX])
{
	const uint64_t *mixed = a->mixed + a->begin[bucket];
	uint32_t size = bucket_size(a, bucket);
	for (uint32_t i = 0; i < size; i++) {
		slots[i] = stele_shard_slot(mixed[i], pilot, a->slot_cnt);
		for (uint32_t k = 0; k < i; k++)
			if (slots[k] == slots[i])
				return false;
	}
	return true;
}

static void place(struct attempt *a, uint32_t bucket, uint8_t pilot)
{
	a->pilots[bucket] = pilot;
	for (uint32_t i = a->begin[bucket]; i < a->begin[bucket + 1]; i++) {
		uint32_t slot = stele_shard_slot(a->mixed[i], pilot, a->slot_cnt);
		a->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
		a->owner[slot] = bucket + 1;
	}
}

static void evict(struct attempt *a, uint32_t bucket)
{
	for (uint32_t i = a->begin[bucket]; i < a->begin[bucket + 1]; i++) {
		uint32_t slot = stele_shard_slot(a->mixed[i], a->pilots[bucket], a->slot_cnt);
		a->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
		a->owner[slot] = 0;
	}
}

/* The first pilot that sends all keys of the bucket to free slots, or -1. */
static int find_free(const struct attempt *a, uint32_t bucket)
{
	const uint64_t *mixed = a->mixed + a->begin[bucket];
	uint32_t size = bucket_size(a, bucket);
	uint32_t slots[BUCKET_KEYS_MAX];
	for (unsigned pilot = 0; pilot < PILOTS; pilot++) {
		uint32_t i = 0;
		while (i < size &&
		       !is_occupied(a, stele_shard_slot(mixed[i], (uint8_t)pilot, a->slot_cnt)))
			i++;
		if (i == size && distinct_slots(a, bucket, (uint8_t)pilot, slots))
			return (int)pilot;
	}
	return -1;
}

/* The pilot whose slots belong to the buckets that are easiest to place again, or -1. */
static int find_cheapest(const struct attempt *a, uint32_t bucket, const uint32_t recent[RECENT],
			 uint32_t turn)
{
	uint32_t slots[BUCKET_KEYS_MAX];
	uint32_t size = bucket_size(a, bucket);
	uint64_t best_cost = UINT64_MAX;
	int best = -1;
	for (unsigned k = 0; k < PILOTS; k++) {
		uint8_t pilot = (uint8_t)(k + turn * 97);
		if (!distinct_slots(a, bucket, pilot, slots))
			continue;
		uint64_t cost = 0;
		for (uint32_t i = 0; i < size && cost < best_cost; i++) {
			uint32_t other = a->owner[slots[i]];
			if (other == 0)
				continue;
			for (unsigned r = 0; r < RECENT; r++)
				if (recent[r] == other)
					cost = UINT64_MAX / 2;
			cost += (uint64_t)bucket_size(a, other - 1) * bucket_size(a, other - 1);
		}
		if (cost < best_cost && cost < UINT64_MAX / 2) {
			best_cost = cost;
			best = pilot;
		}
	}
	return best;
}

static bool place_all(struct attempt *a)
{
	uint32_t recent[RECENT] = {0};
	uint32_t turn = 0;
	/* A shard of 16 K keys needs some hundreds of evictions; ten times that means a bad seed. */
	uint32_t turns_max = a->bucket_cnt + 256;
	for (uint32_t i = 0; i < a->bucket_cnt; i++) {
		uint32_t waiting_cnt = 0;
		a->waiting[waiting_cnt++] = a->order[i];
		while (waiting_cnt > 0) {
			uint32_t bucket = a->waiting[--waiting_cnt];
			int pilot = find_free(a, bucket);
			if (pilot < 0) {
				if (++turn > turns_max)
					return false;
				pilot = find_cheapest(a, bucket, recent, turn);
				if (pilot < 0)
					return false;
				uint32_t slots[BUCKET_KEYS_MAX];
				distinct_slots(a, bucket, (uint8_t)pilot, slots);
				for (uint32_t s = 0; s < bucket_size(a, bucket); s++) {
					uint32_t other = a->owner[slots[s]];
					if (other == 0)
						continue;
					evict(a, other - 1);
					a->waiting[waiting_cnt++] = other - 1;
				}
				recent[turn % RECENT] = bucket + 1;
			}
			place(a, bucket, (uint8_t)pilot);
		}
	}
	return true;
}

int stele_perfect_hash_build(struct stele_perfect_hash *hash, const uint64_t *keys,
			     uint32_t key_cnt, uint64_t base_seed, uint8_t *pilots, uint32_t *slots,
			     uint64_t *ret_seed, uint64_t *ret_same, struct stele_error *reterr)
{
	struct attempt a = {
		.key_cnt = key_cnt,
		.slot_cnt = stele_perfect_hash_slot_cnt(key_cnt),
		.bucket_cnt = stele_perfect_hash_bucket_cnt(key_cnt),
		.pilots = pilots,
	};
	int rc = lay_out(hash, &a, reterr);
	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < ATTEMPTS_MAX; i++) {
		a.seed = stele_fold(base_seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
				    UINT64_C(0xd6e8feb86659fd93));
		uint32_t same;
		bool fits = fill_buckets(&a, keys, &same);
		if (same < key_cnt) {
			if (ret_same != NULL)
				*ret_same = keys[same];
			return stele_fail(reterr, STELE_E_INPUT,
					  "two names have the key %016llx (expected "
					  "different ones; build with another seed)",
					  (unsigned long long)keys[same]);
		}
		if (!fits)
			continue;
		order_buckets(&a);
		memset(a.owner, 0, a.slot_cnt * sizeof(uint32_t));
		memset(a.occupied, 0, ((size_t)a.slot_cnt + 63) / 64 * sizeof(uint64_t));
		memset(pilots, 0, a.bucket_cnt);
		if (!place_all(&a))
			continue;
		for (uint32_t b = 0; b < a.bucket_cnt; b++)
			for (uint32_t k = a.begin[b]; k < a.begin[b + 1]; k++)
				slots[a.source[k]] =
					stele_shard_slot(a.mixed[k], pilots[b], a.slot_cnt);
		*ret_seed = a.seed;
		return 0;
	}
	return stele_fail(reterr, STELE_E_SYSTEM,
			  "no perfect hash for %u keys after %u attempts (try another --seed)",
			  key_cnt, ATTEMPTS_MAX);
}
