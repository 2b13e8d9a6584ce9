/* SPDX-License-Identifier: Apache-2.0 */
/* Random edits: contents, changes and journals are those of a model. */
#include "tests/unit/store/store_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static void edit(struct model *model)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	char rel[16];
	if (draw(4) == 0 && model->cnt > 1) {
		model_remove(model, 1 + draw((uint32_t)model->cnt - 1));
		return;
	}
	uint8_t *node = NULL;
	size_t node_sz = 0;
	static const char *const pool[] = {"aa", "b", "cccc", "dd", "e", "ffffff", "g", "hh"};
	for (uint16_t type = 1; type < 4; type++)
		if (type == 1 || draw(2) == 0) {
			unsigned cnt = 1 + draw(4);
			node_add(&node, &node_sz, type, 60 + draw(2), pool + draw(4), cnt,
				 draw(cnt + 1));
		}
	if (draw(4) == 0) {
		uint8_t hash[STELE_NSEC3_HASH_SZ] = {(uint8_t)draw(40)};
		model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
		return;
	}
	size_t len = (size_t)snprintf(rel, sizeof(rel), "\2%02u", draw(99));
	if (draw(3) == 0)
		len += (size_t)snprintf(rel + len, sizeof(rel) - len, "\1%u", draw(9));
	model_put(model, STELE_STORE_NODES, key, stele_sort_key((const uint8_t *)rel, len, key),
		  node, node_sz);
}

struct expected_changes {
	const struct model *versions; /* one behind the other, `cnt` of them */
	size_t cnt;
	size_t found;
	uint32_t zone_id;
};

/* Every listed owner differs between two neighbouring versions. */
static int expect_change(void *user, const struct stele_change *change)
{
	struct expected_changes *e = user;
	assert_int_equal(change->zone_id, e->zone_id);
	enum stele_store_table table = change->kind == STELE_CHANGE_NSEC3 ? STELE_STORE_NSEC3 :
									    STELE_STORE_NODES;
	bool differs = false;
	for (size_t i = 0; i + 1 < e->cnt && !differs; i++) {
		const struct model_entry *a =
			model_find(&e->versions[i], table, change->key, change->key_len);
		const struct model_entry *b =
			model_find(&e->versions[i + 1], table, change->key, change->key_len);
		differs = (a == NULL) != (b == NULL) ||
			  (a != NULL &&
			   (a->node_sz != b->node_sz || memcmp(a->node, b->node, a->node_sz) != 0));
	}
	assert_true(differs);
	e->found++;
	return 0;
}

static size_t difference_cnt(const struct model *a, const struct model *b)
{
	size_t cnt = 0;
	for (size_t i = 0; i < a->cnt; i++) {
		const struct model_entry *e = &a->entries[i];
		const struct model_entry *o = model_find(b, e->table, e->key, e->key_len);
		cnt += o == NULL || o->node_sz != e->node_sz ||
		       memcmp(o->node, e->node, e->node_sz) != 0;
	}
	for (size_t i = 0; i < b->cnt; i++) {
		const struct model_entry *e = &b->entries[i];
		cnt += model_find(a, e->table, e->key, e->key_len) == NULL;
	}
	return cnt;
}

static void test_random_edits(void **state)
{
	struct fixture *f = *state;
	enum { ROUNDS = 120 };
	const char *seed = getenv("STELE_SEED");
	random_state = seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20201;
	struct model versions[ROUNDS] = {{0}};
	struct stele_zone_info info;
	model_put_soa(&versions[0], 0);
	store_model(f, apex, &versions[0], &info);
	for (uint32_t i = 1; i < ROUNDS; i++) {
		versions[i] = model_clone(&versions[i - 1]);
		for (uint32_t edits = draw(30); edits > 0; edits--)
			edit(&versions[i]);
		model_put_soa(&versions[i], i);
		if (draw(4) == 0) { /* a write that comes to nothing, in between */
			struct stele_store_write *write;
			ok(f, stele_store_write_begin(f->store, &write, &f->err));
			ok(f, draw(2) == 0 ?
				      stele_store_zone_remove(write, apex, &f->err) :
				      model_replace(write, apex, &versions[0], NULL, &f->err));
			stele_store_abort(write);
		}
		assert_int_equal(store_model(f, apex, &versions[i], &info), i + 1);
		check_zone(f, apex, &versions[i]);
		uint32_t since = draw(i + 1);
		expect_journal(f, info.id, since, &versions[since], &versions[i]);
		struct expected_changes e = {&versions[since], i - since + 1, 0, info.id};
		struct stele_store_read *read;
		ok(f, stele_store_read_begin(f->store, &read, &f->err));
		ok(f, stele_store_changes(read, since + 1, expect_change, &e, &f->err));
		stele_store_read_end(read);
		size_t expected = 0;
		for (uint32_t k = since; k < i; k++)
			expected += difference_cnt(&versions[k], &versions[k + 1]);
		assert_int_equal(e.found, expected);
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		model_free(&versions[i]);
}

int test_store_random(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_edits),
	};
	return cmocka_run_group_tests_name("random edits", tests, NULL, NULL);
}
