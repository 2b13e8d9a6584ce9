/* SPDX-License-Identifier: Apache-2.0 */
/* Writes within a write, which are undone or kept as a whole. */
#include "tests/unit/store/edit_case.h"

#include <stdio.h>

static void test_nests(void **state)
{
	struct two_stores *f = *state;
	struct model v[5] = {{0}};
	model_put_soa(&v[0], 0);
	for (uint32_t i = 1; i < 5; i++) {
		char text[8];
		snprintf(text, sizeof(text), "%u", i);
		v[i] = model_clone(&v[i - 1]);
		model_put_soa(&v[i], i);
		model_put_text(&v[i], "\1a", text);
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

int test_store_nests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nests),
		TEST(test_large_nests),
	};
	return cmocka_run_group_tests_name("store-nests", tests, NULL, NULL);
}
