/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of a zone are the same as replacing it; what is read inside a write. */
#include "tests/unit/store/edit_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- edits ---- */

static void change_some(struct model *model)
{
	for (uint32_t n = draw(12); n > 0; n--) {
		char rel[16], text[16];
		snprintf(text, sizeof(text), "%u", draw(5));
		if (draw(3) == 0 && model->cnt > 1) {
			model_remove(model, 1 + draw((uint32_t)model->cnt - 1));
		} else if (draw(4) == 0) {
			model_put_nsec3(model, (uint8_t)draw(30), text);
		} else {
			int len = snprintf(rel, sizeof(rel), "\2%02u", draw(60));
			if (draw(3) == 0)
				snprintf(rel + len, sizeof(rel) - (size_t)len, "\1%u", draw(9));
			model_put_text(model, rel, text);
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
	model_put_soa(&old, 0);
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
			model_put_soa(&new, serial);
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

static void test_steps_of_one_write(void **state)
{
	struct two_stores *f = *state;
	struct model first = {0}, now, next;
	model_put_soa(&first, 1);
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
		model_put_text(&next, "\1a", text);
		model_put_soa(&next, serial);
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
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
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
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
	model_put_nsec3(&model, 7, "n");
	struct stele_store_write *write = begin(f, f->store);
	struct stele_zone_info info, seen;
	two_stores_ok(f, model_replace(write, apex, &model, &info, &f->err));
	two_stores_ok(f,
		      stele_store_zone_find(stele_store_write_view(write), apex, &seen, &f->err));
	assert_int_equal(seen.id, info.id);
	const uint8_t *node;
	size_t node_sz;
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {7, 1, 2, 3};
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
	model_put_soa(&next, 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_edit_is_replacement), TEST(test_steps_of_one_write),
		TEST(test_bad_edits),           TEST(test_view),
		TEST(test_many_reads),
	};
	return cmocka_run_group_tests_name("store-edit", tests, NULL, NULL) + test_store_nests() +
	       test_store_flags();
}
