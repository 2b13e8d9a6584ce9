/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of a zone: the same as replacing it; nests; flags; reading inside a write. */
#include "tests/unit/store/journal.h"
#include "tests/unit/store/store_dump.h"
#include "tests/unit/store/store_model.h"
#include "tests/unit/store/two_stores.h"

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

/* ---- models ---- */

static void put(struct model *model, const char *rel, const char *text)
{
	uint8_t key[STELE_SORT_KEY_MAX], *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_TXT, 60, &text, 1, 0);
	model_put(model, STELE_STORE_NODES, key,
		  stele_sort_key((const uint8_t *)rel, strlen(rel), key), node, node_sz);
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
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {first}, *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_NSEC3, 60, &text, 1, 0);
	model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
}

static struct stele_store_edit edit_of(const struct model_entry *e, bool goes)
{
	return (struct stele_store_edit){e->table, e->key, e->key_len, goes ? NULL : e->node,
					 goes ? 0 : e->node_sz};
}

static bool entry_before(const struct model_entry *a, const struct model_entry *b)
{
	if (a->table != b->table)
		return a->table < b->table;
	return stele_sort_key_compare(a->key, a->key_len, b->key, b->key_len) < 0;
}

/* Edits that lead from `old` to `new`; of owners that stay as they are about one in `same` too. */
static size_t make_edits(const struct model *old, const struct model *new, unsigned same,
			 struct stele_store_edit *edits)
{
	size_t cnt = 0, i = 0, k = 0;
	for (;;) {
		const struct model_entry *a = i < old->cnt ? &old->entries[i] : NULL;
		const struct model_entry *b = k < new->cnt ? &new->entries[k] : NULL;
		if (a == NULL && b == NULL)
			return cnt;
		if (b == NULL || (a != NULL && entry_before(a, b))) {
			edits[cnt++] = edit_of(a, true);
			i++;
		} else if (a == NULL || entry_before(b, a)) {
			edits[cnt++] = edit_of(b, false);
			k++;
		} else {
			if (a->node_sz != b->node_sz || memcmp(a->node, b->node, a->node_sz) != 0 ||
			    (same > 0 && (i + k) % same == 0))
				edits[cnt++] = edit_of(b, false);
			i++;
			k++;
		}
	}
}

static int apply(struct stele_store_write *write, const uint8_t *zone, const struct model *old,
		 const struct model *new, struct stele_zone_info *ret_info, struct stele_error *err)
{
	struct stele_store_edit *edits = calloc(old->cnt + new->cnt + 1, sizeof(*edits));
	size_t cnt = make_edits(old, new, 5, edits);
	int status = stele_store_zone_edit(write, zone, edits, cnt, ret_info, err);
	free(edits);
	return status;
}

static struct dump dump_store(struct two_stores *f, struct stele_store *store, uint64_t since,
			      uint32_t from_serial)
{
	struct stele_store_read *read;
	two_stores_ok(f, stele_store_read_begin(store, &read, &f->err));
	struct dump dump = dump_read(read, since, from_serial);
	stele_store_read_end(read);
	return dump;
}

static void expect_same(struct dump a, struct dump b)
{
	assert_int_equal(a.sz, b.sz);
	assert_memory_equal(a.bytes, b.bytes, a.sz);
	free(a.bytes);
	free(b.bytes);
}

static struct stele_store_write *begin(struct two_stores *f, struct stele_store *store)
{
	struct stele_store_write *write;
	two_stores_ok(f, stele_store_write_begin(store, &write, &f->err));
	return write;
}

static void commit(struct two_stores *f, struct stele_store_write *write)
{
	two_stores_ok(f, stele_store_commit(write, NULL, &f->err));
}

/* ---- edits ---- */

static void change_some(struct model *model)
{
	for (uint32_t n = draw(12); n > 0; n--) {
		char rel[16], text[16];
		snprintf(text, sizeof(text), "%u", draw(5));
		if (draw(3) == 0 && model->cnt > 1) {
			model_remove(model, 1 + draw((uint32_t)model->cnt - 1));
		} else if (draw(4) == 0) {
			put_nsec3(model, (uint8_t)draw(30), text);
		} else {
			int len = snprintf(rel, sizeof(rel), "\2%02u", draw(60));
			if (draw(3) == 0)
				snprintf(rel + len, sizeof(rel) - (size_t)len, "\1%u", draw(9));
			put(model, rel, text);
		}
	}
}

/* The property that the rest follows from: an edit leaves the store as a replacement does. */
static void test_edit_is_replacement(void **state)
{
	struct two_stores *f = *state;
	const char *seed = getenv("STELE_SEED");
	draw_seed(seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20301);
	struct model old = {0}, new;
	struct stele_store_write *a = begin(f, f->store), *b = begin(f, f->twin);
	put_soa(&old, 0);
	two_stores_ok(f, model_replace(a, apex, &old, NULL, &f->err));
	two_stores_ok(f, model_replace(b, apex, &old, NULL, &f->err));
	commit(f, a);
	commit(f, b);
	uint32_t serial = 0;
	for (unsigned round = 0; round < 200; round++) {
		a = begin(f, f->store);
		b = begin(f, f->twin);
		for (uint32_t n = 1 + draw(3); n > 0; n--) { /* of one write, each makes its step */
			new = model_clone(&old);
			change_some(&new);
			/* Sometimes not risen, which breaks the journal of both. */
			serial += draw(12) > 0;
			put_soa(&new, serial);
			struct stele_zone_info info_a = {0}, info_b = {0};
			two_stores_ok(f, apply(a, apex, &old, &new, &info_a, &f->err));
			two_stores_ok(f, model_replace(b, apex, &new, &info_b, &f->err));
			assert_memory_equal(&info_a, &info_b, sizeof(info_a));
			model_free(&old);
			old = new;
		}
		commit(f, a);
		commit(f, b);
		uint32_t from = draw(serial + 1);
		expect_same(dump_store(f, f->store, 0, from), dump_store(f, f->twin, 0, from));
	}
	model_free(&old);
}

static void count_step(void *user, const struct stele_journal_step *step)
{
	(void)step;
	++*(unsigned *)user;
}

static void test_steps_of_one_write(void **state)
{
	struct two_stores *f = *state;
	struct model first = {0}, now, next;
	put_soa(&first, 1);
	struct stele_store_write *write = begin(f, f->store);
	two_stores_ok(f, model_replace(write, apex, &first, NULL, &f->err));
	commit(f, write);
	now = model_clone(&first);
	write = begin(f, f->store);
	struct stele_zone_info info;
	for (uint32_t serial = 2; serial <= 4; serial++) {
		char text[8];
		snprintf(text, sizeof(text), "%u", serial);
		next = model_clone(&now);
		put(&next, "\1a", text);
		put_soa(&next, serial);
		two_stores_ok(f, apply(write, apex, &now, &next, &info, &f->err));
		model_free(&now);
		now = next;
	}
	/* Inside the write already, and of course behind it. */
	unsigned cnt = 0;
	two_stores_ok(f, journal_walk(stele_store_write_view(write), info.id, 1, count_step, &cnt,
				      &f->err));
	assert_int_equal(cnt, 3);
	commit(f, write);
	struct stele_store_read *read;
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	cnt = 0;
	two_stores_ok(f, journal_walk(read, info.id, 2, count_step, &cnt, &f->err));
	assert_int_equal(cnt, 2);
	assert_int_equal(stele_store_generation(read), 2);
	stele_store_read_end(read);
	model_free(&first);
	model_free(&now);
}

static void test_bad_edits(void **state)
{
	struct two_stores *f = *state;
	struct model model = {0};
	put_soa(&model, 1);
	put(&model, "\1a", "x");
	struct stele_store_write *write = begin(f, f->store);
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	commit(f, write);
	const struct model_entry *soa = &model.entries[0], *text = &model.entries[1];
	const uint8_t *a = (const uint8_t *)"a", *b = (const uint8_t *)"b";
	const struct {
		struct stele_store_edit edits[2];
		unsigned cnt;
		const char *text;
	} cases[] = {
		{{{STELE_STORE_NODES, NULL, 0, NULL, 0}}, 1, "there is no SOA"},
		{{{STELE_STORE_NODES, NULL, 0, text->node, text->node_sz}}, 1, "there is no SOA"},
		{{{STELE_STORE_NODES, a, 2, text->node, text->node_sz - 1}}, 1, "malformed"},
		{{{STELE_STORE_NODES, a, 1, text->node, text->node_sz}}, 1, "key"},
		{{{STELE_STORE_NODES, a, 1, NULL, 0}}, 1, "key"},
		{{{STELE_STORE_NSEC3, a, 2, text->node, text->node_sz}}, 1, "key"},
		{{{STELE_STORE_NODES, b, 2, text->node, text->node_sz},
		  {STELE_STORE_NODES, a, 2, text->node, text->node_sz}},
		 2,
		 "ascending"},
		{{{STELE_STORE_NODES, a, 2, NULL, 0}, {STELE_STORE_NODES, a, 2, NULL, 0}},
		 2,
		 "ascending"},
		{{{STELE_STORE_NODES, a, 2, NULL, 0},
		  {STELE_STORE_NODES, NULL, 0, soa->node, soa->node_sz}},
		 2,
		 "ascending"},
	};
	struct dump before = dump_store(f, f->store, 0, 1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write = begin(f, f->store);
		assert_int_equal(stele_store_zone_edit(write, apex, cases[i].edits, cases[i].cnt,
						       NULL, &f->err),
				 STELE_E_INPUT);
		assert_non_null(strstr(f->err.text, cases[i].text));
		assert_int_equal(stele_store_commit(write, NULL, &f->err), STELE_E_USAGE);
	}
	/* A zone that is not there harms nothing. */
	write = begin(f, f->store);
	assert_int_equal(stele_store_zone_edit(write, other_apex, NULL, 0, NULL, &f->err),
			 STELE_E_NOTFOUND);
	two_stores_ok(f, stele_store_zone_edit(write, apex, NULL, 0, NULL, &f->err));
	commit(f, write);
	expect_same(before, dump_store(f, f->store, 0, 1));
	model_free(&model);
}

/* ---- inside a write ---- */

static void test_view(void **state)
{
	struct two_stores *f = *state;
	struct model model = {0}, next;
	put_soa(&model, 1);
	put(&model, "\1a", "x");
	put_nsec3(&model, 7, "n");
	struct stele_store_write *write = begin(f, f->store);
	struct stele_zone_info info, seen;
	two_stores_ok(f, model_replace(write, apex, &model, &info, &f->err));
	two_stores_ok(f,
		      stele_store_zone_find(stele_store_write_view(write), apex, &seen, &f->err));
	assert_int_equal(seen.id, info.id);
	const uint8_t *node;
	size_t node_sz;
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {7};
	two_stores_ok(f, stele_store_write_node(write, info.id, STELE_STORE_NODES,
						(const uint8_t *)"a", 2, &node, &node_sz, &f->err));
	assert_memory_equal(node, model.entries[1].node, node_sz);
	two_stores_ok(f, stele_store_write_node(write, info.id, STELE_STORE_NSEC3, hash,
						sizeof(hash), &node, &node_sz, &f->err));
	assert_memory_equal(node, model.entries[2].node, node_sz);
	commit(f, write);

	struct stele_store_read *read;
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	write = begin(f, f->store);
	next = model_clone(&model);
	model_remove(&next, 2);
	model_remove(&next, 1);
	put_soa(&next, 2);
	two_stores_ok(f, apply(write, apex, &model, &next, &info, &f->err));
	assert_int_equal(stele_store_write_node(write, info.id, STELE_STORE_NODES,
						(const uint8_t *)"a", 2, &node, &node_sz, &f->err),
			 STELE_E_NOTFOUND);
	assert_int_equal(stele_store_write_node(write, info.id, STELE_STORE_NSEC3, hash,
						sizeof(hash), &node, &node_sz, &f->err),
			 STELE_E_NOTFOUND);
	/* A read of the same thread, begun before, sees what was. */
	two_stores_ok(f, stele_store_find(read, STELE_STORE_NSEC3, info.id, hash, sizeof(hash),
					  &node, &node_sz, &f->err));
	commit(f, write);
	two_stores_ok(f, stele_store_node(read, info.id, (const uint8_t *)"a", 2, &node, &node_sz,
					  &f->err));
	stele_store_read_end(read);
	model_free(&model);
	model_free(&next);
}

static void test_many_reads(void **state)
{
	struct two_stores *f = *state;
	enum { READS = 1024 };
	static struct stele_store_read *reads[READS];
	for (unsigned i = 0; i < READS; i++)
		two_stores_ok(f, stele_store_read_begin(f->store, &reads[i], &f->err));
	for (unsigned i = 0; i < READS; i++)
		stele_store_read_end(reads[i]);
}

/* ---- nests ---- */

static void test_nests(void **state)
{
	struct two_stores *f = *state;
	struct model v[5] = {{0}};
	put_soa(&v[0], 0);
	for (uint32_t i = 1; i < 5; i++) {
		char text[8];
		snprintf(text, sizeof(text), "%u", i);
		v[i] = model_clone(&v[i - 1]);
		put_soa(&v[i], i);
		put(&v[i], "\1a", text);
	}
	struct stele_store_write *a = begin(f, f->store), *b = begin(f, f->twin);
	two_stores_ok(f, model_replace(a, apex, &v[0], NULL, &f->err));
	two_stores_ok(f, model_replace(b, apex, &v[0], NULL, &f->err));
	commit(f, a);
	commit(f, b);

	a = begin(f, f->store);
	two_stores_ok(f, apply(a, apex, &v[0], &v[1], NULL, &f->err));
	two_stores_ok(f, stele_store_write_nest(a, &f->err)); /* undone, with a zone of its own */
	two_stores_ok(f, apply(a, apex, &v[1], &v[4], NULL, &f->err));
	two_stores_ok(f, model_replace(a, other_apex, &v[0], NULL, &f->err));
	stele_store_nest_abort(a);
	two_stores_ok(f, stele_store_write_nest(a, &f->err)); /* failed */
	assert_int_equal(stele_store_zone_edit(a, apex,
					       (const struct stele_store_edit[]){
						       {STELE_STORE_NODES, NULL, 0, NULL, 0}},
					       1, NULL, &f->err),
			 STELE_E_INPUT);
	assert_int_equal(stele_store_nest_commit(a, &f->err), STELE_E_USAGE);
	two_stores_ok(f, stele_store_write_nest(
				 a, &f->err)); /* one in another: the inner one is undone */
	two_stores_ok(f, apply(a, apex, &v[1], &v[2], NULL, &f->err));
	two_stores_ok(f, stele_store_write_nest(a, &f->err));
	two_stores_ok(f, stele_store_zone_remove(a, apex, &f->err));
	stele_store_nest_abort(a);
	two_stores_ok(f, stele_store_nest_commit(a, &f->err));
	two_stores_ok(f, apply(a, apex, &v[2], &v[3], NULL, &f->err));
	assert_int_equal(stele_store_nest_commit(a, &f->err), STELE_E_USAGE);
	stele_store_nest_abort(a); /* there is none: nothing happens */
	commit(f, a);

	b = begin(f, f->twin);
	for (unsigned i = 1; i < 4; i++)
		two_stores_ok(f, model_replace(b, apex, &v[i], NULL, &f->err));
	commit(f, b);
	expect_same(dump_store(f, f->store, 0, 0), dump_store(f, f->twin, 0, 0));

	/* Undone as a whole: no generation. Left open at a commit: an error. */
	struct dump before = dump_store(f, f->store, 0, 0);
	a = begin(f, f->store);
	two_stores_ok(f, stele_store_write_nest(a, &f->err));
	two_stores_ok(f, apply(a, apex, &v[3], &v[4], NULL, &f->err));
	stele_store_nest_abort(a);
	commit(f, a);
	a = begin(f, f->store);
	two_stores_ok(f, stele_store_write_nest(a, &f->err));
	two_stores_ok(f, apply(a, apex, &v[3], &v[4], NULL, &f->err));
	assert_int_equal(stele_store_commit(a, NULL, &f->err), STELE_E_USAGE);
	a = begin(f, f->store);
	two_stores_ok(f, stele_store_write_nest(a, &f->err));
	two_stores_ok(f, apply(a, apex, &v[3], &v[4], NULL, &f->err));
	stele_store_abort(a);
	expect_same(before, dump_store(f, f->store, 0, 0));
	for (unsigned i = 0; i < 5; i++)
		model_free(&v[i]);
}

/* So much that the list of changes is written in several pieces, some of them inside the nest. */
static void test_large_nests(void **state)
{
	struct two_stores *f = *state;
	enum { OWNERS = 3000 };
	struct stele_store_write *a = begin(f, f->store), *b = begin(f, f->twin);
	two_stores_ok(f, bulk_replace(a, apex, 1, OWNERS, true, NULL, &f->err));
	two_stores_ok(f, bulk_replace(b, apex, 1, OWNERS, true, NULL, &f->err));
	commit(f, a);
	commit(f, b);
	a = begin(f, f->store);
	b = begin(f, f->twin);
	for (uint32_t serial = 2; serial < 8; serial++) {
		two_stores_ok(f, stele_store_write_nest(a, &f->err));
		two_stores_ok(f, bulk_replace(a, apex, serial, OWNERS, true, NULL, &f->err));
		if (serial % 2 == 0) {
			stele_store_nest_abort(a);
			continue;
		}
		two_stores_ok(f, stele_store_nest_commit(a, &f->err));
		two_stores_ok(f, bulk_replace(b, apex, serial, OWNERS, true, NULL, &f->err));
	}
	commit(f, a);
	commit(f, b);
	expect_same(dump_store(f, f->store, 0, 5), dump_store(f, f->twin, 0, 5));
}

/* ---- flags ---- */

static int see_change(void *user, const struct stele_change *change)
{
	char *text = user;
	static const char *const kinds[] = {"node", "nsec3", "zone", "removed"};
	snprintf(text + strlen(text), 64, "%s %u %zu,", kinds[change->kind], change->zone_id,
		 change->key_len);
	return 0;
}

static struct stele_zone_info info_of(struct two_stores *f, const uint8_t *zone)
{
	struct stele_store_read *read;
	struct stele_zone_info info = {0};
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	two_stores_ok(f, stele_store_zone_find(read, zone, &info, &f->err));
	stele_store_read_end(read);
	return info;
}

/* What the last commit changed. */
static void expect_changes(struct two_stores *f, const char *expected)
{
	struct stele_store_read *read;
	char text[1024] = "";
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	two_stores_ok(f, stele_store_changes(read, stele_store_generation(read) - 1, see_change,
					     text, &f->err));
	stele_store_read_end(read);
	assert_string_equal(text, expected);
}

static void set_expired(struct two_stores *f, const uint8_t *zone, bool expired)
{
	struct stele_store_write *write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_set_expired(write, zone, expired, &f->err));
	commit(f, write);
}

static void test_expired(void **state)
{
	struct two_stores *f = *state;
	struct model model = {0}, next;
	put_soa(&model, 1);
	put(&model, "\1a", "x");
	struct stele_store_write *write = begin(f, f->store);
	assert_int_equal(stele_store_zone_set_expired(write, apex, true, &f->err),
			 STELE_E_NOTFOUND);
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, 0);
	next = model_clone(&model);
	put_soa(&next, 2);
	write = begin(f, f->store);
	two_stores_ok(f, apply(write, apex, &model, &next, NULL, &f->err));
	commit(f, write);

	set_expired(f, apex, true);
	assert_int_equal(info_of(f, apex).flags, STELE_STORE_ZONE_EXPIRED);
	assert_int_equal(info_of(f, apex).generation, 3);
	assert_int_equal(info_of(f, apex).serial, 2);
	expect_changes(f, "node 1 0,");
	set_expired(f, apex, true); /* nothing changes */
	assert_int_equal(info_of(f, apex).generation, 3);
	set_expired(f, apex, false);
	assert_int_equal(info_of(f, apex).flags, 0);
	expect_changes(f, "node 1 0,");

	/* The journal has outlived that. The same contents anew clear the flag, an edit does too. */
	struct stele_store_read *read;
	unsigned cnt = 0;
	set_expired(f, apex, true);
	write = begin(f, f->store);
	two_stores_ok(f, model_replace(write, apex, &next, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, 0);
	expect_changes(f, "node 1 0,");
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	two_stores_ok(f, journal_walk(read, 1, 1, count_step, &cnt, &f->err));
	assert_int_equal(cnt, 1);
	stele_store_read_end(read);
	set_expired(f, apex, true);
	write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_edit(write, apex, NULL, 0, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, 0);
	model_free(&model);
	model_free(&next);
}

static void set_transferred(struct two_stores *f, bool transferred)
{
	struct stele_store_write *write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_set_transferred(write, apex, transferred, &f->err));
	commit(f, write);
}

/* Outlives other contents, and stands beside the other flags. */
static void test_transferred(void **state)
{
	struct two_stores *f = *state;
	struct model model = {0}, next;
	put_soa(&model, 1);
	struct stele_store_write *write = begin(f, f->store);
	assert_int_equal(stele_store_zone_set_transferred(write, apex, true, &f->err),
			 STELE_E_NOTFOUND);
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	two_stores_ok(f, stele_store_zone_set_transferred(write, apex, true, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, STELE_STORE_ZONE_TRANSFERRED);
	assert_int_equal(info_of(f, apex).generation, 1);

	/* The same once more makes no generation. */
	write = begin(f, f->store);
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	two_stores_ok(f, stele_store_zone_set_transferred(write, apex, true, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).generation, 1);

	set_expired(f, apex, true);
	assert_int_equal(info_of(f, apex).flags,
			 STELE_STORE_ZONE_EXPIRED | STELE_STORE_ZONE_TRANSFERRED);
	next = model_clone(&model);
	put_soa(&next, 2);
	write = begin(f, f->store);
	two_stores_ok(f, apply(write, apex, &model, &next, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, STELE_STORE_ZONE_TRANSFERRED);
	set_transferred(f, false);
	assert_int_equal(info_of(f, apex).flags, 0);
	assert_int_equal(info_of(f, apex).serial, 2);
	expect_changes(f, "node 1 0,");

	/* Another zone of the same name. */
	set_transferred(f, true);
	write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_remove(write, apex, &f->err));
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, 0);
	model_free(&model);
	model_free(&next);
}

static void test_stub(void **state)
{
	struct two_stores *f = *state;
	struct stele_store_write *write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_stub(write, apex, &f->err));
	commit(f, write);
	struct stele_zone_info info = info_of(f, apex);
	assert_int_equal(info.flags, STELE_STORE_ZONE_EXPIRED | STELE_STORE_ZONE_STUB);
	assert_int_equal(info.serial, 0);
	assert_int_equal(info.rr_cnt, 2);
	assert_int_equal(info.label_max, 2);
	expect_changes(f, "zone 1 0,");
	set_expired(f, apex, false); /* stays what it is */
	write = begin(f, f->store);
	two_stores_ok(f, stele_store_zone_stub(write, apex, &f->err));
	commit(f, write);
	info = info_of(f, apex);
	assert_int_equal(info.flags, STELE_STORE_ZONE_EXPIRED | STELE_STORE_ZONE_STUB);
	assert_int_equal(info.generation, 1);

	/* Its contents come: nobody is told how they differ from what was made up. */
	struct model model = {0};
	put_soa(&model, 5);
	put(&model, "\1a", "x");
	write = begin(f, f->store);
	two_stores_ok(f, model_replace(write, apex, &model, &info, &f->err));
	commit(f, write);
	assert_int_equal(info.flags, 0);
	assert_int_equal(info.id, 1);
	assert_int_equal(info.rr_cnt, 2);
	expect_changes(f, "node 1 0,node 1 2,");
	struct stele_store_read *read;
	unsigned cnt = 0;
	two_stores_ok(f, stele_store_read_begin(f->store, &read, &f->err));
	assert_int_equal(journal_walk(read, 1, 0, count_step, &cnt, &f->err), STELE_E_NOTFOUND);
	stele_store_read_end(read);
	model_free(&model);
}

#define TEST(function)                                                                             \
	cmocka_unit_test_setup_teardown(function, two_stores_setup, two_stores_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_edit_is_replacement), TEST(test_steps_of_one_write),
		TEST(test_bad_edits),           TEST(test_view),
		TEST(test_many_reads),          TEST(test_nests),
		TEST(test_large_nests),         TEST(test_expired),
		TEST(test_transferred),         TEST(test_stub),
	};
	return cmocka_run_group_tests_name("store-edit", tests, NULL, NULL);
}
