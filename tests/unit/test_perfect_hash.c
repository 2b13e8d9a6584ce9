/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of a shard finds a slot of its own, and finds it again through lib/image/hash.h. */
#include "zonecompiler/pack/perfect_hash.h"

#include "lib/image/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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
	uint8_t *pilots;
	uint32_t *slots;
	uint32_t key_cnt;
	uint64_t seed;
};

static struct built make(uint32_t key_cnt, uint64_t state)
{
	struct built b = {
		.keys = calloc(key_cnt + 1, sizeof(*b.keys)),
		.pilots = calloc(stele_perfect_hash_bucket_cnt(key_cnt), 1),
		.slots = calloc(key_cnt + 1, sizeof(*b.slots)),
		.key_cnt = key_cnt,
	};
	for (uint32_t i = 0; i < key_cnt; i++)
		b.keys[i] = next_key(&state);
	return b;
}

static void drop(struct built *b)
{
	free(b->keys);
	free(b->pilots);
	free(b->slots);
}

static void build(struct built *b)
{
	struct stele_perfect_hash hash = {0};
	struct stele_error err;
	assert_int_equal(stele_perfect_hash_build(&hash, b->keys, b->key_cnt, 7, b->pilots,
						  b->slots, &b->seed, NULL, &err),
			 0);
	stele_perfect_hash_free(&hash);
}

static void check_all_found(uint32_t key_cnt)
{
	struct built b = make(key_cnt, key_cnt);
	build(&b);
	uint32_t slot_cnt = stele_perfect_hash_slot_cnt(key_cnt);
	uint32_t bucket_cnt = stele_perfect_hash_bucket_cnt(key_cnt);
	bool *taken = calloc(slot_cnt, sizeof(*taken));
	for (uint32_t i = 0; i < key_cnt; i++) {
		uint64_t mixed = stele_shard_mix(b.keys[i], b.seed);
		uint8_t pilot = b.pilots[stele_shard_bucket(mixed, bucket_cnt)];
		uint32_t slot = stele_shard_slot(mixed, pilot, slot_cnt);
		assert_int_equal(slot, b.slots[i]);
		assert_true(slot < slot_cnt);
		assert_false(taken[slot]);
		taken[slot] = true;
	}
	free(taken);
	drop(&b);
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
	assert_memory_equal(a.pilots, b.pilots, stele_perfect_hash_bucket_cnt(a.key_cnt));
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
	uint64_t same = 0;
	assert_int_equal(stele_perfect_hash_build(&hash, b.keys, b.key_cnt, 7, b.pilots, b.slots,
						  &b.seed, &same, &err),
			 STELE_E_INPUT);
	assert_int_equal(same, b.keys[17]);
	stele_perfect_hash_free(&hash);
	drop(&b);
}

static void test_some_slots_are_empty(void **state)
{
	(void)state;
	for (uint32_t cnt = 1000; cnt < 100000; cnt += 777) {
		double empty = 1 - (double)cnt / stele_perfect_hash_slot_cnt(cnt);
		assert_true(empty > 0.045 && empty < 0.055);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys_are_found),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_same_key_twice_is_an_error),
		cmocka_unit_test(test_some_slots_are_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
