/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between versions of a zone: changes, journals, and how much of both is remembered.
 */
#include "tests/unit/store/store_case.h"

#include "lib/dns/rrtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_large_nodes(void **state)
{
	struct fixture *f = *state;
	struct model model = {0}, old;
	model_put_soa(&model, 1);
	char *text = malloc(65536);
	memset(text, 'x', 65535);
	text[65535] = '\0';
	const char *many[40];
	for (unsigned i = 0; i < 40; i++)
		many[i] = text + i;
	model_put_rrset(&model, "\3one", 4, STELE_TYPE_TXT, 60, many, 1, 0);
	model_put_rrset(&model, "\4many", 5, STELE_TYPE_TXT, 60, many, 39, 10);
	struct stele_zone_info info;
	store_model(f, apex, &model, &info);
	check_zone(f, apex, &model);
	old = model_clone(&model);
	/* Two records and two signatures of many differ: a step of several chunks holds just these. */
	model_put_rrset(&model, "\4many", 5, STELE_TYPE_TXT, 60, many + 1, 39, 10);
	model_put_soa(&model, 2);
	store_model(f, apex, &model, &info);
	check_zone(f, apex, &model);
	expect_journal(f, info.id, 1, &old, &model);
	model_put_rrset(&model, "\3one", 4, STELE_TYPE_TXT, 60, many, 40, 0);
	model_put_soa(&model, 3);
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
	model_put_soa(&model, 10);
	model_put_text(&model, "\1a", "1");
	model_put_text(&model, "\1b", "1");
	model_put_text(&model, "\1c", "1");
	model_put_nsec3(&model, 'x', "1");
	struct stele_zone_info info;
	assert_int_equal(store_model(f, apex, &model, &info), 1);
	assert_int_equal(info.id, 1);
	expect_changes(f, 0, "zone 1 \n");
	expect_steps(f, info.id, 10, "");
	expect_steps(f, info.id, 9, NULL);
	struct model first = model_clone(&model);

	model_put_soa(&model, 11);
	model_put_text(&model, "\1a", "2");  /* changed */
	model_remove(&model, 2);             /* b removed */
	model_put_text(&model, "\2bb", "1"); /* added */
	model_put_text(&model, "\1d", "1");  /* added at the end */
	model_put_nsec3(&model, 'y', "1");
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
	model_put_soa(&model, 12);
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
		model_put_soa(&model, i);
		model_put_rrset(&model, "\1a", 2, STELE_TYPE_TXT, versions[i].ttl,
				versions[i].rdatas, versions[i].cnt, versions[i].sig_cnt);
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
		model_put_soa(&model, versions[i].serial);
		model_put_text(&model, "\1a", text);
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
		model_put_soa(&model, i);
		text[0] = (char)('a' + i % 26);
		model_put_text(&model, "\1a", text);
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

static uint64_t mark_of(struct fixture *f, uint64_t generation)
{
	struct stele_store_read *read;
	uint64_t mark = 1;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_mark(read, generation, &mark, &f->err));
	stele_store_read_end(read);
	return mark;
}

/* Each commit draws its own, which stays; a store without commits has none. */
static void test_marks(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	struct stele_zone_info info;
	assert_int_equal(mark_of(f, 0), 0);
	assert_int_equal(mark_of(f, 1), 0);
	model_put_soa(&model, 1);
	store_model(f, apex, &model, &info);
	uint64_t first = mark_of(f, 1);
	assert_int_not_equal(first, 0);
	assert_int_equal(mark_of(f, 2), 0);
	model_put_soa(&model, 2);
	store_model(f, apex, &model, &info);
	assert_int_equal(mark_of(f, 1), first);
	assert_int_not_equal(mark_of(f, 2), 0);
	assert_int_not_equal(mark_of(f, 2), first);
	model_free(&model);
}

int test_store_changes(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_large_nodes),
		TEST(test_differences),
		TEST(test_differences_within_a_node),
		TEST(test_serials),
		TEST(test_bounds),
		TEST(test_journal_loses_its_oldest),
		TEST(test_marks),
	};
	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
