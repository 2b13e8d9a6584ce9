/* SPDX-License-Identifier: Apache-2.0 */
/* Shards of names and zones: what is packed is found, however long; and no other bytes pass the verifier. */
#include "zonecompiler/pack/hash_shard.h"

#include "lib/image/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORD_HEAD_SZ                                                                             \
	12 /* le64 key | le32 size: stands for a zone record, which is opaque to packing */

static struct stele_error err;

struct packed {
	struct stele_pack_item *items;
	uint32_t cnt;
	uint8_t *shard;
	uint64_t size;
	struct stele_view_shard view;
};

static struct stele_pack_item make_item(uint64_t key, uint32_t record_sz)
{
	uint8_t *record = malloc(record_sz);
	assert_non_null(record);
	memset(record, (int)(key & 0x7f) | 0x80, record_sz);
	stele_put_le64(record, key);
	stele_put_le32(record + 8, record_sz);
	return (struct stele_pack_item){key, record, record_sz};
}

static void pack(struct packed *p, enum stele_shard_kind kind)
{
	struct stele_packer packer = {0};
	uint64_t records_sz = 0;
	for (uint32_t i = 0; i < p->cnt; i++)
		records_sz += p->items[i].record_sz;
	uint64_t max = stele_pack_hash_shard_max(p->cnt, records_sz);
	p->shard = aligned_alloc(STELE_SHARD_ALIGN, (max + STELE_VIEW_SLACK + 63) / 64 * 64);
	assert_non_null(p->shard);
	assert_int_equal(stele_pack_hash_shard(&packer, kind, p->items, p->cnt, 5, p->shard,
					       &p->size, &err),
			 0);
	assert_true(p->size <= max);
	const struct stele_hash_shard *head = (const void *)p->shard;
	uint32_t block_cnt = stele_le32(head->block_cnt);
	assert_int_equal(stele_le64(head->size), p->size);
	p->view = (struct stele_view_shard){
		.base = p->shard,
		.seed = stele_le64(head->seed),
		.records = p->shard + sizeof(*head) + block_cnt * sizeof(struct stele_hash_block),
		.block_cnt = block_cnt,
	};
	stele_packer_free(&packer);
}

/* A shard of zones whose records have the lengths that `size_of` says; packed from the last one on if `backwards`. */
static struct packed make_in_order(uint32_t cnt, uint32_t (*size_of)(uint32_t i), bool backwards)
{
	struct packed p = {.items = calloc(cnt, sizeof(*p.items)), .cnt = cnt};
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t k = backwards ? cnt - 1 - i : i;
		p.items[i] = make_item(stele_hash_spread(k + 1), size_of(k));
	}
	pack(&p, STELE_SHARD_ZONES);
	return p;
}

static struct packed make(uint32_t cnt, uint32_t (*size_of)(uint32_t i))
{
	return make_in_order(cnt, size_of, false);
}

static void drop(struct packed *p)
{
	for (uint32_t i = 0; i < p->cnt; i++)
		free((void *)(uintptr_t)p->items[i].record);
	free(p->items);
	free(p->shard);
}

/* ---- verifying ---- */

static int check_record(struct verify *v, const uint8_t *record, uint64_t left, uint64_t *ret_size,
			uint64_t *ret_key)
{
	if (left < RECORD_HEAD_SZ || stele_get_le32(record + 8) > left ||
	    stele_get_le32(record + 8) < RECORD_HEAD_SZ)
		return stele_verify_fault(v, record, "record");
	*ret_key = stele_get_le64(record);
	*ret_size = stele_get_le32(record + 8);
	return 0;
}

static int verify(struct packed *p)
{
	struct stele_shard_ref ref = {.size = stele_to_le64(p->size)};
	struct stele_view view = {.shards = &p->view, .refs = &ref, .shard_cnt = 1};
	struct verify *v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->view = &view;
	v->reterr = &err;
	int rc = stele_verify_hash_shard(v, 0, check_record);
	free(v);
	return rc;
}

static void check_found(struct packed *p)
{
	uint32_t used_cnt = 0;
	for (uint32_t i = 0; i < p->cnt; i++) {
		uint32_t slot;
		const uint8_t *record = stele_view_find(&p->view, p->items[i].key);
		assert_non_null(record);
		assert_true(record + p->items[i].record_sz <= p->shard + p->size);
		assert_memory_equal(record, p->items[i].record, p->items[i].record_sz);
		assert_ptr_equal(stele_view_find_slot(&p->view, p->items[i].key, &slot), record);
		assert_ptr_equal(stele_view_slot_record(&p->view, slot), record);
	}
	for (uint32_t i = 0; i < stele_view_slot_cnt(&p->view); i++)
		used_cnt += stele_view_slot_record(&p->view, i) != NULL;
	assert_int_equal(used_cnt, p->cnt);
	assert_int_equal(verify(p), 0);
}

/* ---- tests ---- */

static uint32_t ordinary_size(uint32_t i)
{
	return 20 + i * 37 % 300;
}

static void test_ordinary(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1, 2, 11, 12, 200, 16384};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct packed p = make(sizes[i], ordinary_size);
		check_found(&p);
		drop(&p);
	}
	struct packed one = make(1, ordinary_size);
	assert_int_equal(one.size, 64 + 64 + ordinary_size(0));
	drop(&one);
}

static uint32_t one_large_size(uint32_t i)
{
	return i == 77 ? 61000 : ordinary_size(i);
}

static uint32_t large_size(uint32_t i)
{
	return 61000 + i;
}

static uint32_t giant_size(uint32_t i)
{
	return i % 16 == 0 ? 2000000 + i : ordinary_size(i);
}

/* RRsets of 60 KB, and many of them at one name. */
static void test_long_records(void **state)
{
	(void)state;
	struct packed p = make(1000, one_large_size);
	check_found(&p);
	uint64_t records_sz = 0;
	for (uint32_t i = 0; i < p.cnt; i++)
		records_sz += p.items[i].record_sz;
	/* One alone takes no larger unit, or at least none in other blocks than its own. */
	assert_true(p.size - (uint64_t)(p.view.records - p.shard) - records_sz < 18 * 16);
	drop(&p);
	p = make(100, large_size);
	check_found(&p);
	drop(&p);
	p = make(100, giant_size);
	check_found(&p);
	drop(&p);
}

static void test_order_does_not_show(void **state)
{
	(void)state;
	struct packed a = make(3000, one_large_size), b = make_in_order(3000, one_large_size, true);
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.shard, b.shard, a.size);
	drop(&a);
	drop(&b);
}

/* Authoritative names with one A record. */
static struct packed make_names(uint32_t cnt)
{
	struct packed p = {.items = calloc(cnt, sizeof(*p.items)), .cnt = cnt};
	for (uint32_t i = 0; i < cnt; i++) {
		uint8_t rel_len = (uint8_t)(i % 90), *at = calloc(1, 300);
		struct stele_name head = {.kind = STELE_NAME_AUTHORITATIVE,
					  .rel_len = rel_len,
					  .rrset_cnt = stele_to_le16(1)};
		struct stele_rrset a = {.type = stele_to_le16(1), .plain_len = stele_to_le16(16)};
		p.items[i] = (struct stele_pack_item){stele_hash_spread(i + 1), at,
						      9 + rel_len + 12 + 16 + i % 50};
		memcpy(at, &head, sizeof(head));
		memcpy(at + 9 + rel_len, &a, sizeof(a));
	}
	pack(&p, STELE_SHARD_NAMES);
	return p;
}

/* Fronts lie in as few lines as a gap of 16 bytes allows, and no gap is in vain. */
static void test_fronts_of_names(void **state)
{
	(void)state;
	struct packed p = make_names(2000);
	const uint8_t *end = p.view.records;
	uint32_t moved_cnt = 0;
	for (uint32_t i = 0; i < stele_view_slot_cnt(&p.view); i++) {
		const uint8_t *record = stele_view_slot_record(&p.view, i);
		if (record == NULL)
			continue;
		uint64_t front = 9 + (uint64_t)record[2] + 12 + 16;
		uint64_t begin = (uint64_t)(end - p.shard), gap = -begin % 64;
		uint64_t lines = (begin % 64 + front + 63) / 64;
		bool moves = gap > 0 && gap <= STELE_RECORD_GAP_MAX && lines > (front + 63) / 64;
		assert_ptr_equal(record, end + (moves ? gap : 0));
		moved_cnt += moves;
		for (; end < record; end++)
			assert_int_equal(*end, 0);
		for (uint32_t k = 0; k < p.cnt; k++)
			if (stele_view_find(&p.view, p.items[k].key) == record)
				end = record + p.items[k].record_sz;
	}
	assert_true(moved_cnt > 100 && moved_cnt < 500);
	assert_ptr_equal(end, p.shard + p.size);
	drop(&p);
}

/* Every byte of blocks and gaps has a meaning: no other value passes. */
static void test_no_other_bytes_pass(void **state)
{
	(void)state;
	struct packed p = make(400, giant_size);
	size_t frame_sz = (size_t)(p.view.records - p.shard);
	unsigned spilled_cnt = 0, unit_cnt = 0, other_pilot_cnt = 0;
	for (uint32_t b = 0; b < p.view.block_cnt; b++) {
		const struct stele_hash_block *block = stele_view_block(&p.view, b);
		spilled_cnt += (block->flags & STELE_BLOCK_SPILLS) != 0;
		unit_cnt += block->flags >> STELE_BLOCK_UNIT_SHIFT != 0;
	}
	assert_true(spilled_cnt > 0 && unit_cnt > 0);
	for (size_t at = sizeof(struct stele_hash_shard); at < frame_sz; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			p.shard[at] ^= (uint8_t)(1u << bit);
			/* With another pilot, all keys of a bucket may have their slots by chance. */
			size_t in_block = at % sizeof(struct stele_hash_block);
			if (in_block >= offsetof(struct stele_hash_block, pilots) &&
			    in_block < offsetof(struct stele_hash_block, slots) && verify(&p) == 0)
				other_pilot_cnt++;
			else
				assert_int_equal(verify(&p), STELE_E_INPUT);
			p.shard[at] ^= (uint8_t)(1u << bit);
		}
	}
	assert_true(other_pilot_cnt < 30);
	assert_int_equal(verify(&p), 0);

	/* In front of a record that does not begin at once. */
	uint32_t gap_cnt = 0;
	for (uint32_t i = 0; i < stele_view_slot_cnt(&p.view); i++) {
		uint8_t *record = (uint8_t *)(uintptr_t)stele_view_slot_record(&p.view, i);
		if (record == NULL || record == p.view.records || record[-1] != 0)
			continue;
		record[-1] = 1;
		assert_int_equal(verify(&p), STELE_E_INPUT);
		record[-1] = 0;
		gap_cnt++;
	}
	assert_true(gap_cnt > 0);

	/* One key more or less; a byte behind the last record. */
	struct stele_hash_shard *head = (void *)p.shard;
	head->key_cnt = stele_to_le32(401);
	assert_int_equal(verify(&p), STELE_E_INPUT);
	head->key_cnt = stele_to_le32(400);
	head->size = stele_to_le64(p.size + 1);
	assert_int_equal(verify(&p), STELE_E_INPUT);
	drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_long_records),
		cmocka_unit_test(test_order_does_not_show),
		cmocka_unit_test(test_fronts_of_names),
		cmocka_unit_test(test_no_other_bytes_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
