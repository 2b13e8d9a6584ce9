/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds: order, sizes, differences, changes, journals. */
#include "tests/unit/store/journal.h"
#include "tests/unit/store/store_model.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t apex[] = "\7example\3com";
static const uint8_t other_apex[] = "\3net";
static const uint8_t root[] = "";

struct fixture {
	char dir[64];
	struct stele_store *store;
	struct stele_error err;
};

/* Fails the test with the text of the error. */
static void ok(const struct fixture *f, int status)
{
	if (status < 0)
		fail_msg("%s", f->err.text);
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	for (unsigned i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){.dir = "/tmp/stele-test-store-XXXXXX"};
	if (mkdtemp(f.dir) == NULL)
		return -1;
	*state = &f;
	ok(&f, stele_store_open(f.dir, STELE_STORE_CREATE, &f.store, &f.err));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	stele_store_close(f->store);
	remove_dir(f->dir);
	return 0;
}

static void put(struct model *model, const char *rel, size_t rel_len, uint16_t type, uint32_t ttl,
		const char *const *rdatas, unsigned cnt, unsigned sig_cnt)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key((const uint8_t *)rel, rel_len, key);
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, type, ttl, rdatas, cnt, sig_cnt);
	model_put(model, STELE_STORE_NODES, key, key_len, node, node_sz);
}

static void put_text(struct model *model, const char *rel, const char *text)
{
	put(model, rel, strlen(rel), STELE_TYPE_TXT, 60, &text, 1, 0);
}

static void put_soa(struct model *model, uint32_t serial)
{
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add_soa(&node, &node_sz, serial);
	model_put(model, STELE_STORE_NODES, (const uint8_t *)"", 0, node, node_sz);
}

static void put_nsec3(struct model *model, uint8_t first, const char *text)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {first, 1, 2, 3};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_NSEC3, 60, &text, 1, 0);
	model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
}

static uint64_t store_model(struct fixture *f, const uint8_t *zone, const struct model *model,
			    struct stele_zone_info *ret_info)
{
	struct stele_store_write *write;
	uint64_t generation = 0;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, zone, model, ret_info, &f->err));
	ok(f, stele_store_commit(write, &generation, &f->err));
	return generation;
}

/* The zone holds exactly the model, and its counts are right. */
static void check_zone(struct fixture *f, const uint8_t *zone, const struct model *model)
{
	struct stele_store_read *read;
	struct stele_zone_info info;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_zone_find(read, zone, &info, &f->err));
	size_t at = 0, cnts[2] = {0, 0};
	for (enum stele_store_table t = STELE_STORE_NODES; t <= STELE_STORE_NSEC3; t++) {
		struct stele_store_cursor *cursor;
		struct stele_store_item item;
		ok(f,
		   stele_store_cursor_open(read, t, info.id, NULL, 0, NULL, 0, &cursor, &f->err));
		while (stele_store_cursor_next(cursor, &item, &f->err) == 1) {
			assert_true(at < model->cnt);
			const struct model_entry *e = &model->entries[at++];
			assert_int_equal(e->table, t);
			assert_int_equal(item.key_len, e->key_len);
			assert_memory_equal(item.key, e->key, e->key_len);
			assert_int_equal(item.node_sz, e->node_sz);
			assert_memory_equal(item.node, e->node, e->node_sz);
			cnts[t]++;
		}
		assert_int_equal(stele_store_cursor_next(cursor, &item, &f->err), 0);
		stele_store_cursor_close(cursor);
	}
	assert_int_equal(at, model->cnt);
	assert_int_equal(info.node_cnt, cnts[STELE_STORE_NODES]);
	assert_int_equal(info.nsec3_cnt, cnts[STELE_STORE_NSEC3]);
	struct records records = records_of(model, zone);
	assert_int_equal(info.rr_cnt, records.cnt);
	records_free(&records);
	stele_store_read_end(read);
}

/* ---- order and sizes ---- */

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
		put(&model, names[i].rel, names[i].len, STELE_TYPE_TXT, 60,
		    (const char *const[]){"x"}, 1, 0);
	put_soa(&model, 1);
	put_nsec3(&model, 9, "b");
	put_nsec3(&model, 1, "a");
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
	put_soa(&model, 1);
	put_text(&model, "\3www", "x");
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
	put_soa(&model, 1);
	put(&model, rel, sizeof(rel), STELE_TYPE_TXT, 60, (const char *const[]){"x"}, 1, 0);
	assert_int_equal(model.entries[1].key_len, 504);
	char deep[252];
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 == 0 ? 1 : 'a';
	put(&model, deep, sizeof(deep), STELE_TYPE_TXT, 60, (const char *const[]){"x"}, 1, 0);
	struct stele_zone_info info;
	store_model(f, root, &model, &info);
	assert_int_equal(info.apex_len, 1);
	assert_int_equal(info.label_max, 126);
	check_zone(f, root, &model);
	/* Changes and journal of such owners. */
	model_remove(&model, 1);
	model_remove(&model, 1);
	put_soa(&model, 2);
	store_model(f, root, &model, &info);
	assert_int_equal(info.label_max, 126);
	check_zone(f, root, &model);
	model_free(&model);
}

/* ---- changes and journals ---- */

struct seen {
	char text[4096];
	size_t len;
};

static int see_change(void *user, const struct stele_change *change)
{
	struct seen *seen = user;
	static const char *const kinds[] = {"node", "nsec3", "zone", "removed"};
	seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
				      "%s %u ", kinds[change->kind], change->zone_id);
	for (size_t i = 0; i < change->key_len; i++) {
		char c = (char)change->key[i];
		seen->text[seen->len++] = c == 0 ? '.' : c < ' ' ? (char)('0' + c) : c;
	}
	seen->text[seen->len++] = '\n';
	seen->text[seen->len] = '\0';
	return 0;
}

static void expect_changes(struct fixture *f, uint64_t since, const char *expected)
{
	struct stele_store_read *read;
	struct seen seen = {.len = 0};
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_changes(read, since, see_change, &seen, &f->err));
	assert_string_equal(seen.text, expected);
	stele_store_read_end(read);
}

static void see_step(void *user, const struct stele_journal_step *step)
{
	struct seen *seen = user;
	seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
				      "%u-%u ", step->from_serial, step->to_serial);
}

static void expect_steps(struct fixture *f, uint32_t zone_id, uint32_t from, const char *expected)
{
	struct stele_store_read *read;
	struct seen seen = {.len = 0};
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	int status = journal_walk(read, zone_id, from, see_step, &seen, &f->err);
	stele_store_read_end(read);
	if (expected == NULL) {
		assert_int_equal(status, STELE_E_NOTFOUND);
		return;
	}
	ok(f, status);
	assert_string_equal(seen.text, expected);
}

/* The journal leads from `old` to `new`, and says how long it is. */
static void expect_journal(struct fixture *f, uint32_t zone_id, uint32_t from,
			   const struct model *old, const struct model *new)
{
	struct stele_store_read *read;
	struct records records = records_of(old, apex), expected = records_of(new, apex);
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	struct stele_store_steps *steps;
	struct stele_journal_step step;
	uint64_t sz, seen_sz = 0;
	ok(f, stele_store_steps_open(read, zone_id, from, &steps, &sz, &f->err));
	while (stele_store_steps_next(steps, &step, &f->err) == 1) {
		assert_true(records_apply(&records, &step));
		seen_sz += step.removed_sz + step.added_sz;
	}
	assert_int_equal(stele_store_steps_next(steps, &step, &f->err), 0);
	assert_int_equal(sz, seen_sz);
	stele_store_steps_close(steps);
	stele_store_read_end(read);
	assert_true(records_equal(&records, &expected));
	records_free(&records);
	records_free(&expected);
}

static void test_large_nodes(void **state)
{
	struct fixture *f = *state;
	struct model model = {0}, old;
	put_soa(&model, 1);
	char *text = malloc(65536);
	memset(text, 'x', 65535);
	text[65535] = '\0';
	const char *many[40];
	for (unsigned i = 0; i < 40; i++)
		many[i] = text + i;
	put(&model, "\3one", 4, STELE_TYPE_TXT, 60, many, 1, 0);
	put(&model, "\4many", 5, STELE_TYPE_TXT, 60, many, 39, 10);
	struct stele_zone_info info;
	store_model(f, apex, &model, &info);
	check_zone(f, apex, &model);
	old = model_clone(&model);
	/* Two records and two signatures of many differ: a step of several chunks holds just these. */
	put(&model, "\4many", 5, STELE_TYPE_TXT, 60, many + 1, 39, 10);
	put_soa(&model, 2);
	store_model(f, apex, &model, &info);
	check_zone(f, apex, &model);
	expect_journal(f, info.id, 1, &old, &model);
	put(&model, "\3one", 4, STELE_TYPE_TXT, 60, many, 40, 0);
	put_soa(&model, 3);
	store_model(f, apex, &model, &info);
	check_zone(f, apex, &model);
	model_free(&old);
	model_free(&model);
	free(text);
}

static void test_differences(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	put_soa(&model, 10);
	put_text(&model, "\1a", "1");
	put_text(&model, "\1b", "1");
	put_text(&model, "\1c", "1");
	put_nsec3(&model, 'x', "1");
	struct stele_zone_info info;
	assert_int_equal(store_model(f, apex, &model, &info), 1);
	assert_int_equal(info.id, 1);
	expect_changes(f, 0, "zone 1 \n");
	expect_steps(f, info.id, 10, "");
	expect_steps(f, info.id, 9, NULL);
	struct model first = model_clone(&model);

	put_soa(&model, 11);
	put_text(&model, "\1a", "2");  /* changed */
	model_remove(&model, 2);       /* b removed */
	put_text(&model, "\2bb", "1"); /* added */
	put_text(&model, "\1d", "1");  /* added at the end */
	put_nsec3(&model, 'y', "1");
	assert_int_equal(store_model(f, apex, &model, &info), 2);
	assert_int_equal(info.serial, 11);
	check_zone(f, apex, &model);
	expect_changes(f, 1,
		       "node 1 \nnode 1 a.\nnode 1 b.\nnode 1 bb.\nnode 1 d.\n"
		       "nsec3 1 y123................\n");
	expect_steps(f, info.id, 10, "10-11 ");
	expect_journal(f, info.id, 10, &first, &model);

	/* Nothing differs: no generation. */
	assert_int_equal(store_model(f, apex, &model, &info), 2);
	expect_changes(f, 2, "");

	struct model second = model_clone(&model);
	put_soa(&model, 12);
	model_remove(&model, model.cnt - 1);
	store_model(f, apex, &model, &info);
	expect_changes(f, 2, "node 1 \nnsec3 1 y123................\n");
	expect_steps(f, info.id, 10, "10-11 11-12 ");
	expect_steps(f, info.id, 11, "11-12 ");
	expect_steps(f, info.id, 12, "");
	expect_steps(f, info.id, 13, NULL);
	expect_journal(f, info.id, 10, &first, &model);
	expect_journal(f, info.id, 11, &second, &model);

	struct stele_store_read *read;
	struct seen seen = {.len = 0};
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	assert_int_equal(stele_store_changes(read, 4, see_change, &seen, &f->err), STELE_E_STALE);
	stele_store_read_end(read);
	model_free(&first);
	model_free(&second);
	model_free(&model);
}

/* Signatures, TTLs, and the order of records within a node. */
static void test_differences_within_a_node(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t ttl;
		const char *rdatas[4];
		unsigned cnt, sig_cnt;
		const char *differs; /* removed/added records */
	} versions[] = {
		{60, {"a", "b", "s"}, 3, 1, NULL},
		{60, {"a", "b", "t"}, 3, 1, "1/1"},      /* a new signature */
		{60, {"a", "b", "c", "t"}, 4, 1, "0/1"}, /* a record more */
		{61, {"a", "b", "c", "t"}, 4, 1, "4/4"}, /* another TTL */
		{61, {"b", "a", "c", "t"}, 4, 1, "0/0"}, /* another order */
		{61, {"b", "a", "c", "t"}, 4, 2, "1/1"}, /* a record turns into a signature */
		{61, {"t"}, 1, 1, "3/0"},                /* a signature over nothing */
	};
	struct model model = {0}, before = {0};
	struct stele_zone_info info;
	for (uint32_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		put_soa(&model, i);
		put(&model, "\1a", 2, STELE_TYPE_TXT, versions[i].ttl, versions[i].rdatas,
		    versions[i].cnt, versions[i].sig_cnt);
		store_model(f, apex, &model, &info);
		check_zone(f, apex, &model);
		if (i > 0) {
			expect_journal(f, info.id, i - 1, &before, &model);
			struct records old = records_of(&before, apex);
			struct records new = records_of(&model, apex);
			size_t same = 0;
			for (size_t k = 0; k < old.cnt; k++)
				for (size_t n = 0; n < new.cnt; n++)
					same += strcmp(old.texts[k], new.texts[n]) == 0;
			char text[32]; /* without the SOA */
			snprintf(text, sizeof(text), "%zu/%zu", old.cnt - same - 1,
				 new.cnt - same - 1);
			assert_string_equal(text, versions[i].differs);
			records_free(&old);
			records_free(&new);
		}
		model_free(&before);
		before = model_clone(&model);
	}
	model_free(&before);
	model_free(&model);
}

/* Only a rising serial (RFC 1982) makes a step; anything else breaks the chain. */
static void test_serials(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	struct stele_zone_info info;
	static const struct {
		uint32_t serial;
		const char *chain; /* from the serial before; NULL: there is none */
	} versions[] = {
		{4294967295u, NULL},
		{0, "4294967295-0 "}, /* wraps around */
		{2147483647u, "0-2147483647 "},
		{2147483647u, ""}, /* the same serial, other contents */
		{5, NULL},         /* backwards */
		{6, "5-6 "},
	};
	uint32_t last = 0;
	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		char text[16];
		snprintf(text, sizeof(text), "%u", i);
		put_soa(&model, versions[i].serial);
		put_text(&model, "\1a", text);
		store_model(f, apex, &model, &info);
		if (i > 0)
			expect_steps(f, info.id, last, versions[i].chain);
		if (i == 2)
			expect_steps(f, info.id, 4294967295u, "4294967295-0 0-2147483647 ");
		if (i >= 3)
			expect_steps(f, info.id, 0, NULL);
		last = versions[i].serial;
	}
	model_free(&model);
}

static void test_zones(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	put_soa(&model, 1);
	put_text(&model, "\1a", "x");
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

/* ---- the bounds of what is remembered ---- */

static int count_changes(void *user, const struct stele_change *change)
{
	size_t *cnts = user;
	cnts[change->kind]++;
	return 0;
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	/* 24,000 owners of 387 bytes: 9 MB of changes a commit, 30 MB of journal, 10 MB of zone. */
	enum { OWNERS = 24000, COMMITS = 9 };
	struct stele_zone_info info = {0};
	for (uint32_t i = 1; i <= COMMITS; i++) {
		struct stele_store_write *write;
		ok(f, stele_store_write_begin(f->store, &write, &f->err));
		ok(f, bulk_replace(write, apex, i, OWNERS, true, &info, &f->err));
		ok(f, stele_store_commit(write, NULL, &f->err));
	}
	assert_int_equal(info.node_cnt, OWNERS + 1);
	struct stele_store_read *read;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	size_t cnts[4] = {0};
	assert_int_equal(stele_store_changes(read, 0, count_changes, cnts, &f->err), STELE_E_STALE);
	assert_int_equal(stele_store_changes(read, 1, count_changes, cnts, &f->err), STELE_E_STALE);
	ok(f, stele_store_changes(read, 4, count_changes, cnts, &f->err));
	assert_int_equal(cnts[STELE_CHANGE_NODE], (OWNERS + 1) * 5);
	stele_store_read_end(read);
	/* A step with all of the zone twice is larger than the zone. */
	expect_steps(f, info.id, COMMITS - 1, NULL);

	/* More than 32 MiB of owners. */
	for (uint32_t i = 1; i <= 2; i++) {
		struct stele_store_write *write;
		ok(f, stele_store_write_begin(f->store, &write, &f->err));
		ok(f, bulk_replace(write, other_apex, i, 100000, true, &info, &f->err));
		ok(f, stele_store_commit(write, NULL, &f->err));
		char expected[32];
		snprintf(expected, sizeof(expected), "zone %u \n", info.id);
		expect_changes(f, COMMITS + i - 1, expected);
	}
}

/* A long journal loses its oldest steps and still leads from the others to the end. */
static void test_journal_loses_its_oldest(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(60001);
	memset(text, 'x', 60000);
	text[60000] = '\0';
	struct model model = {0}, before = {0};
	struct stele_zone_info info;
	for (uint32_t i = 1; i <= 30; i++) {
		put_soa(&model, i);
		text[0] = (char)('a' + i % 26);
		put_text(&model, "\1a", text);
		store_model(f, apex, &model, &info);
		if (i == 22)
			before = model_clone(&model);
	}
	/* Steps of 120 kB, at least 1 MiB of them: 8. */
	expect_steps(f, info.id, 21, NULL);
	expect_steps(f, info.id, 28, "28-29 29-30 ");
	expect_journal(f, info.id, 22, &before, &model);
	model_free(&before);
	model_free(&model);
	free(text);
}

/* ---- writes that come to nothing ---- */

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct model model = {0}, changed;
	put_soa(&model, 1);
	put_text(&model, "\1a", "x");
	struct stele_zone_info info;
	store_model(f, apex, &model, &info);
	changed = model_clone(&model);
	put_soa(&changed, 2);
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

/* ---- random edits ---- */

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
	put_soa(&versions[0], 0);
	store_model(f, apex, &versions[0], &info);
	for (uint32_t i = 1; i < ROUNDS; i++) {
		versions[i] = model_clone(&versions[i - 1]);
		for (uint32_t edits = draw(30); edits > 0; edits--)
			edit(&versions[i]);
		put_soa(&versions[i], i);
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_canonical_order),
		TEST(test_node_by_key),
		TEST(test_longest_keys),
		TEST(test_large_nodes),
		TEST(test_differences),
		TEST(test_differences_within_a_node),
		TEST(test_serials),
		TEST(test_zones),
		TEST(test_bounds),
		TEST(test_journal_loses_its_oldest),
		TEST(test_abort),
		TEST(test_bad_input),
		cmocka_unit_test(test_node_check),
		TEST(test_random_edits),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
