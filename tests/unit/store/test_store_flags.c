/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of a zone: expired, transferred, a stub; what clears them, and what changes with them. */
#include "tests/unit/store/edit_case.h"

#include <stdio.h>
#include <string.h>

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
	model_put_soa(&model, 1);
	model_put_text(&model, "\1a", "x");
	struct stele_store_write *write = begin(f, f->store);
	assert_int_equal(stele_store_zone_set_expired(write, apex, true, &f->err),
			 STELE_E_NOTFOUND);
	two_stores_ok(f, model_replace(write, apex, &model, NULL, &f->err));
	commit(f, write);
	assert_int_equal(info_of(f, apex).flags, 0);
	next = model_clone(&model);
	model_put_soa(&next, 2);
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
	model_put_soa(&model, 1);
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
	model_put_soa(&next, 2);
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
	model_put_soa(&model, 5);
	model_put_text(&model, "\1a", "x");
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

int test_store_flags(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expired),
		TEST(test_transferred),
		TEST(test_stub),
	};
	return cmocka_run_group_tests_name("store-flags", tests, NULL, NULL);
}
