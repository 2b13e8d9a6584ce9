/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds: order, sizes, zones; and writes that come to nothing. */
#include "tests/unit/store/store_case.h"

#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

/* RFC 4034 section 6.1. */
static void test_canonical_order(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *rel;
		size_t len;
	} names[] = {
		{"", 0},        {"\1a", 2},       {"\10yljkjljk\1a", 11},
		{"\1z\1a", 4},  {"\4zabc\1a", 7}, {"\1z", 2},
		{"\1\1\1z", 4}, {"\1*\1z", 4},    {"\1\310\1z", 4},
	};
	struct model model = {0};
	for (size_t i = sizeof(names) / sizeof(names[0]); i-- > 1;)
		model_put_rrset(&model, names[i].rel, names[i].len, STELE_TYPE_TXT, 60,
				(const char *const[]){"x"}, 1, 0);
	model_put_soa(&model, 1);
	model_put_nsec3(&model, 9, "b");
	model_put_nsec3(&model, 1, "a");
	struct stele_zone_info info;
	assert_int_equal(store_model(f, apex, &model, &info), 1);
	assert_int_equal(info.label_max, 4);
	assert_int_equal(info.serial, 1);
	assert_int_equal(info.generation, 1);
	check_zone(f, apex, &model);

	struct stele_store_read *read;
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_cursor_open(read, STELE_STORE_NODES, info.id, NULL, 0, NULL, 0, &cursor,
				      &f->err));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t key[STELE_SORT_KEY_MAX];
		size_t len = stele_sort_key((const uint8_t *)names[i].rel, names[i].len, key);
		assert_int_equal(stele_store_cursor_next(cursor, &item, &f->err), 1);
		assert_int_equal(item.key_len, len);
		assert_memory_equal(item.key, key, len);
	}
	stele_store_cursor_close(cursor);

	/* From "a" on, before "z". */
	ok(f, stele_store_cursor_open(read, STELE_STORE_NODES, info.id, (const uint8_t *)"a", 1,
				      (const uint8_t *)"z\0", 2, &cursor, &f->err));
	for (int i = 0; i < 4; i++)
		assert_int_equal(stele_store_cursor_next(cursor, &item, &f->err), 1);
	assert_int_equal(stele_store_cursor_next(cursor, &item, &f->err), 0);
	stele_store_cursor_close(cursor);
	stele_store_read_end(read);
	model_free(&model);
}

static void test_node_by_key(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	model_put_soa(&model, 1);
	model_put_text(&model, "\3www", "x");
	struct stele_zone_info info;
	store_model(f, apex, &model, &info);
	struct stele_store_read *read;
	const uint8_t *node;
	size_t node_sz;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_node(read, info.id, NULL, 0, &node, &node_sz, &f->err));
	assert_int_equal(node_sz, model.entries[0].node_sz);
	ok(f, stele_store_node(read, info.id, (const uint8_t *)"www", 4, &node, &node_sz, &f->err));
	assert_memory_equal(node, model.entries[1].node, node_sz);
	assert_int_equal(stele_store_node(read, info.id, (const uint8_t *)"ww", 3, &node, &node_sz,
					  &f->err),
			 STELE_E_NOTFOUND);
	assert_int_equal(stele_store_node(read, info.id + 1, NULL, 0, &node, &node_sz, &f->err),
			 STELE_E_NOTFOUND);
	assert_int_equal(stele_store_zone_find(read, other_apex, &info, &f->err), STELE_E_NOTFOUND);
	assert_string_equal(strstr(f->err.text, "zone net."), f->err.text);
	stele_store_read_end(read);
	model_free(&model);
}

/* 254 bytes of relative name of zero bytes only: the longest sort key that there is. */
static void test_longest_keys(void **state)
{
	struct fixture *f = *state;
	char rel[254] = {0};
	rel[0] = rel[64] = rel[128] = 63;
	rel[192] = 61;
	struct model model = {0};
	model_put_soa(&model, 1);
	model_put_rrset(&model, rel, sizeof(rel), STELE_TYPE_TXT, 60, (const char *const[]){"x"}, 1,
			0);
	assert_int_equal(model.entries[1].key_len, 504);
	char deep[252];
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 == 0 ? 1 : 'a';
	model_put_rrset(&model, deep, sizeof(deep), STELE_TYPE_TXT, 60, (const char *const[]){"x"},
			1, 0);
	struct stele_zone_info info;
	store_model(f, root, &model, &info);
	assert_int_equal(info.apex_len, 1);
	assert_int_equal(info.label_max, 126);
	check_zone(f, root, &model);
	/* Changes and journal of such owners. */
	model_remove(&model, 1);
	model_remove(&model, 1);
	model_put_soa(&model, 2);
	store_model(f, root, &model, &info);
	assert_int_equal(info.label_max, 126);
	check_zone(f, root, &model);
	model_free(&model);
}

static void test_zones(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
	struct stele_zone_info info, *infos;
	store_model(f, apex, &model, &info);
	store_model(f, other_apex, &model, &info);
	store_model(f, root, &model, &info);
	store_model(f, (const uint8_t *)"\3com", &model, &info);
	assert_int_equal(info.id, 4);
	struct stele_store_read *read;
	size_t cnt;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_zones(read, &infos, &cnt, &f->err));
	stele_store_read_end(read);
	assert_int_equal(cnt, 4);
	static const uint8_t *const order[] = {root, (const uint8_t *)"\3com", apex, other_apex};
	for (unsigned i = 0; i < 4; i++)
		assert_memory_equal(infos[i].apex, order[i], infos[i].apex_len);
	free(infos);

	/* An id is never used again. */
	struct stele_store_write *write;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, stele_store_zone_remove(write, (const uint8_t *)"\3com", &f->err));
	assert_int_equal(stele_store_zone_remove(write, (const uint8_t *)"\3com", &f->err),
			 STELE_E_NOTFOUND);
	ok(f, model_replace(write, (const uint8_t *)"\3com", &model, &info, &f->err));
	assert_int_equal(info.id, 5);
	uint64_t generation;
	ok(f, stele_store_commit(write, &generation, &f->err));
	assert_int_equal(generation, 5);
	expect_changes(f, 4, "removed 4 \nzone 5 \n");
	check_zone(f, apex, &model);
	check_zone(f, (const uint8_t *)"\3com", &model);
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	const uint8_t *node;
	size_t node_sz;
	assert_int_equal(stele_store_node(read, 4, NULL, 0, &node, &node_sz, &f->err),
			 STELE_E_NOTFOUND);
	stele_store_read_end(read);
	model_free(&model);
}

/* ---- writes that come to nothing ---- */

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct model model = {0}, changed;
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
	struct stele_zone_info info;
	store_model(f, apex, &model, &info);
	changed = model_clone(&model);
	model_put_soa(&changed, 2);
	struct stele_store_write *write;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, apex, &changed, NULL, &f->err));
	ok(f, model_replace(write, other_apex, &changed, NULL, &f->err));
	stele_store_abort(write);
	stele_store_abort(NULL);
	check_zone(f, apex, &model);
	expect_changes(f, 1, "");
	struct stele_store_read *read;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	assert_int_equal(stele_store_generation(read), 1);
	assert_int_equal(stele_store_zone_find(read, other_apex, &info, &f->err), STELE_E_NOTFOUND);
	stele_store_read_end(read);
	model_free(&changed);
	model_free(&model);
}

struct literal {
	struct stele_store_item items[3];
	unsigned at, cnt;
	int last;
};

static int literal_next(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct literal *l = user;
	if (l->at == l->cnt)
		return l->last == 0 ? 0 : stele_fail(reterr, l->last, "the source says no");
	*ret_item = l->items[l->at++];
	return 1;
}

static void test_bad_input(void **state)
{
	struct fixture *f = *state;
	uint8_t *soa = NULL, *text = NULL;
	size_t soa_sz = 0, text_sz = 0;
	node_add_soa(&soa, &soa_sz, 1);
	node_add(&text, &text_sz, STELE_TYPE_TXT, 1, (const char *const[]){"x"}, 1, 0);
	const uint8_t *a = (const uint8_t *)"a", *b = (const uint8_t *)"b";
	const struct {
		struct literal source;
		int status;
		const char *text;
	} cases[] = {
		{{{{0}}, 0, 0, 0}, STELE_E_INPUT, "there is no SOA"},
		{{{{a, 2, text, text_sz}}, 0, 1, 0}, STELE_E_INPUT, "there is no SOA"},
		{{{{a, 0, text, text_sz}}, 0, 1, 0}, STELE_E_INPUT, "there is no SOA"},
		{{{{a, 0, soa, soa_sz}, {a, 2, text, 0}}, 0, 2, 0}, STELE_E_INPUT, "malformed"},
		{{{{a, 0, soa, soa_sz}, {a, 2, text, text_sz - 1}}, 0, 2, 0},
		 STELE_E_INPUT,
		 "malformed"},
		{{{{a, 0, soa, soa_sz}, {b, 2, text, text_sz}, {a, 2, text, text_sz}}, 0, 3, 0},
		 STELE_E_INPUT,
		 "ascending"},
		{{{{a, 0, soa, soa_sz}, {a, 2, text, text_sz}, {a, 2, text, text_sz}}, 0, 3, 0},
		 STELE_E_INPUT,
		 "ascending"},
		{{{{a, 0, soa, soa_sz}, {a, 1, text, text_sz}}, 0, 2, 0}, STELE_E_INPUT, "key"},
		{{{{a, 0, soa, soa_sz}}, 0, 1, STELE_E_STALE}, STELE_E_STALE, "the source says no"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct literal source = cases[i].source;
		struct stele_store_write *write;
		ok(f, stele_store_write_begin(f->store, &write, &f->err));
		assert_int_equal(stele_store_zone_replace(write, apex, literal_next, &source, NULL,
							  NULL, NULL, &f->err),
				 cases[i].status);
		assert_non_null(strstr(f->err.text, cases[i].text));
		assert_int_equal(stele_store_commit(write, NULL, &f->err), STELE_E_USAGE);
	}
	expect_changes(f, 0, "");
	free(soa);
	free(text);
}

/* A zone that fails half-way, at every node, does not stand in the way of the next one, whose own
 * faults are told; and nothing of any of them is committed. */
static void test_zones_behind_a_bad_one(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
	model_put_nsec3(&model, 7, "y");
	uint8_t *soa = NULL, *text = NULL;
	size_t soa_sz = 0, text_sz = 0;
	node_add_soa(&soa, &soa_sz, 1);
	node_add(&text, &text_sz, STELE_TYPE_TXT, 1, (const char *const[]){"x"}, 1, 0);
	const uint8_t *b = (const uint8_t *)"b", hash[STELE_NSEC3_HASH_SZ] = {9};
	for (unsigned cnt = 0; cnt <= 2; cnt++) {
		struct literal nodes = {{{b, 0, soa, soa_sz}, {b, 2, text, text_sz}}, 0, cnt, 0};
		struct literal nsec3 = {{{hash, sizeof(hash), text, text_sz}}, 0, 1, STELE_E_INPUT};
		nodes.last = cnt < 2 ? STELE_E_INPUT : 0;
		struct stele_store_write *write;
		ok(f, stele_store_write_begin(f->store, &write, &f->err));
		for (unsigned turn = 0; turn < 2; turn++) {
			struct literal again = nodes, again3 = nsec3;
			assert_int_equal(stele_store_zone_replace(write, apex, literal_next, &again,
								  literal_next, &again3, NULL,
								  &f->err),
					 STELE_E_INPUT);
			assert_string_equal(f->err.text, "the source says no");
		}
		ok(f, model_replace(write, other_apex, &model, NULL, &f->err));
		ok(f, model_replace(write, root, &model, NULL, &f->err));
		assert_int_equal(stele_store_commit(write, NULL, &f->err), STELE_E_USAGE);
	}
	expect_changes(f, 0, "");
	free(soa);
	free(text);
	model_free(&model);
}

static void test_node_check(void **state)
{
	(void)state;
	uint8_t *node = NULL;
	size_t sz = 0;
	node_add(&node, &sz, STELE_TYPE_A, 1, (const char *const[]){"1234", "5678", "sig"}, 3, 1);
	node_add(&node, &sz, STELE_TYPE_TXT, 1, (const char *const[]){"x"}, 1, 0);
	assert_true(stele_node_check(node, sz));
	for (size_t i = 1; i < sz; i++) {
		uint8_t *cut = malloc(i); /* so that a read behind the end is seen */
		memcpy(cut, node, i);
		assert_true(!stele_node_check(cut, i) || i == 16 + 3 * 2 + 4 + 4 + 3);
		free(cut);
	}
	struct stele_node_rrset rrset;
	assert_true(stele_node_find(node, sz, STELE_TYPE_TXT, &rrset));
	assert_int_equal(rrset.rr_cnt, 1);
	assert_false(stele_node_find(node, sz, STELE_TYPE_NS, &rrset));
	node_add(&node, &sz, STELE_TYPE_TXT, 1, (const char *const[]){"x"}, 1, 0);
	assert_false(stele_node_check(node, sz)); /* the same type twice */
	free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_canonical_order),
		TEST(test_node_by_key),
		TEST(test_longest_keys),
		TEST(test_zones),
		TEST(test_abort),
		TEST(test_bad_input),
		TEST(test_zones_behind_a_bad_one),
		cmocka_unit_test(test_node_check),
	};
	int failed = cmocka_run_group_tests_name("store", tests, NULL, NULL);
	failed |= test_store_changes();
	failed |= test_store_random();
	return failed;
}
