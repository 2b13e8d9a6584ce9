/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of a shard finds a slot of its own, and finds it again through lib/image/hash.h. */
#include "zonecompiler/pack/perfect_hash.h"

#include "lib/image/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* SplitMix64: the same keys in each run. */
static uint64_t next_key(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct built {
	uint64_t *keys;
	struct stele_hash_block *blocks;
	uint32_t *slots;
	uint32_t key_cnt, block_cnt;
	uint64_t seed;
};

static struct built make(uint32_t key_cnt, uint64_t state)
{
	struct built b = {
		.keys = calloc(key_cnt + 1, sizeof(*b.keys)),
		.slots = calloc(key_cnt + 1, sizeof(*b.slots)),
		.key_cnt = key_cnt,
		.block_cnt = stele_perfect_hash_block_cnt(key_cnt),
	};
	b.blocks = calloc(b.block_cnt, sizeof(*b.blocks));
	for (uint32_t i = 0; i < key_cnt; i++)
		b.keys[i] = next_key(&state);
	return b;
}

static void drop(struct built *b)
{
	free(b->keys);
	free(b->blocks);
	free(b->slots);
}

static void build(struct built *b)
{
	struct stele_perfect_hash hash = {0};
	struct stele_error err;
	assert_int_equal(stele_perfect_hash_build(&hash, b->keys, b->key_cnt, 7, b->blocks,
						  b->slots, &b->seed, &err),
			 0);
	stele_perfect_hash_free(&hash);
}

/* Where a lookup of the key ends. */
static uint32_t find(const struct built *b, uint64_t key, bool *ret_spilled)
{
	uint64_t mixed = stele_shard_mix(key, b->seed);
	uint32_t i = stele_shard_block(mixed, b->block_cnt);
	uint32_t bucket = stele_block_bucket(mixed, b->block_cnt);
	assert_true(i < b->block_cnt && bucket < STELE_BLOCK_BUCKETS);
	uint32_t slot = stele_block_slot(mixed, b->blocks[i].pilots[bucket]);
	*ret_spilled = b->blocks[i].slots[slot].fingerprint != stele_key_fingerprint(key);
	if (!*ret_spilled)
		return i * STELE_BLOCK_SLOTS + slot;
	assert_true((b->blocks[i].flags >> bucket & 1) != 0);
	assert_true(++i < b->block_cnt);
	slot = stele_block_slot(mixed, b->blocks[i].pilots[bucket]);
	assert_int_equal(b->blocks[i].slots[slot].fingerprint, stele_key_fingerprint(key));
	return i * STELE_BLOCK_SLOTS + slot;
}

/* Returns how many keys were spilled. */
static uint32_t check_all_found(uint32_t key_cnt)
{
	struct built b = make(key_cnt, key_cnt);
	build(&b);
	uint32_t slot_cnt = b.block_cnt * STELE_BLOCK_SLOTS, spilled_cnt = 0, used_cnt = 0;
	bool *taken = calloc(slot_cnt, sizeof(*taken));
	for (uint32_t i = 0; i < key_cnt; i++) {
		bool is_spilled;
		uint32_t slot = find(&b, b.keys[i], &is_spilled);
		assert_int_equal(slot, b.slots[i]);
		assert_false(taken[slot]);
		taken[slot] = true;
		spilled_cnt += is_spilled;
	}
	for (uint32_t i = 0; i < slot_cnt; i++)
		used_cnt +=
			b.blocks[i / STELE_BLOCK_SLOTS].slots[i % STELE_BLOCK_SLOTS].fingerprint !=
			0;
	assert_int_equal(used_cnt, key_cnt);
	assert_int_equal(b.blocks[b.block_cnt - 1].flags, 0);
	free(taken);
	drop(&b);
	return spilled_cnt;
}

static void test_all_keys_are_found(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {0, 1, 2, 3, 7, 100, 1000, 16384, 65536};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_all_found(sizes[i]);
	for (uint32_t size = 1; size < 200; size++)
		check_all_found(size);
}

static void test_few_keys_are_spilled(void **state)
{
	(void)state;
	assert_int_equal(stele_perfect_hash_block_cnt(1), 1);
	assert_int_equal(stele_perfect_hash_block_cnt(11), 1);
	uint32_t spilled_cnt = 0, key_cnt = 0;
	for (uint32_t size = 16000; size < 17000; size += 50, key_cnt += size)
		spilled_cnt += check_all_found(size);
	assert_true(spilled_cnt > key_cnt / 500 && spilled_cnt < key_cnt / 100);
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	struct built a = make(20000, 3), b = make(20000, 3);
	for (uint32_t i = 0; i < b.key_cnt / 2; i++) {
		uint64_t key = b.keys[i];
		b.keys[i] = b.keys[b.key_cnt - 1 - i];
		b.keys[b.key_cnt - 1 - i] = key;
	}
	build(&a);
	build(&b);
	assert_int_equal(a.seed, b.seed);
	assert_memory_equal(a.blocks, b.blocks, a.block_cnt * sizeof(*a.blocks));
	for (uint32_t i = 0; i < a.key_cnt; i++)
		assert_int_equal(a.slots[i], b.slots[b.key_cnt - 1 - i]);
	drop(&a);
	drop(&b);
}

static void test_same_key_twice_is_an_error(void **state)
{
	(void)state;
	struct built b = make(1000, 5);
	b.keys[900] = b.keys[17];
	struct stele_perfect_hash hash = {0};
	struct stele_error err;
	char same[17];
	snprintf(same, sizeof(same), "%016llx", (unsigned long long)b.keys[17]);
	assert_int_equal(stele_perfect_hash_build(&hash, b.keys, b.key_cnt, 7, b.blocks, b.slots,
						  &b.seed, &err),
			 STELE_E_INPUT);
	assert_non_null(strstr(err.text, same));
	stele_perfect_hash_free(&hash);
	drop(&b);
}

/* All keys but for a few bits the same: what the hash of names never gives, but who knows. */
static void test_similar_keys(void **state)
{
	(void)state;
	struct built b = make(5000, 1);
	for (uint32_t i = 0; i < b.key_cnt; i++)
		b.keys[i] = UINT64_C(0x1234567800000000) + i;
	build(&b);
	for (uint32_t i = 0; i < b.key_cnt; i++) {
		bool is_spilled;
		assert_int_equal(find(&b, b.keys[i], &is_spilled), b.slots[i]);
	}
	drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys_are_found),
		cmocka_unit_test(test_few_keys_are_spilled),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_same_key_twice_is_an_error),
		cmocka_unit_test(test_similar_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
