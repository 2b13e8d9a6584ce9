/* SPDX-License-Identifier: Apache-2.0 */
/* Two catalogs with many members, of which all clash, then move, then are reset, then go; one that cannot
 * be read when it is due; a member of which nothing is remembered; and one that is made here. */
#include "lib/dns/serial.h"
#include "mgmt/catalog/contents.h"
#include "mgmt/catalog/internal.h"
#include "mgmt/internal.h"
#include "tests/unit/mgmt/daemon_world.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CNT = 1500 };

static const char *compiler;
static struct stele_daemon daemon_of_all;
static struct stele_managed_zone *one, *two;

/* A catalog with `cnt` members; their nodes begin with `label`, and hand them over to `coo` unless that is NULL. */
static void import(const char *name, unsigned serial, unsigned cnt, char label, const char *coo)
{
	FILE *file = fopen(daemon_world_path("zone"), "we");
	assert_non_null(file);
	fprintf(file,
		"@ 0 SOA invalid. invalid. %u 3600 600 2147483646 0\n@ 0 NS invalid.\n"
		"version 0 TXT \"2\"\n",
		serial);
	for (unsigned i = 0; i < cnt; i++) {
		fprintf(file, "%c%u.zones 0 PTR m%u.test.\n", label, i, i);
		if (coo != NULL)
			fprintf(file, "coo.%c%u.zones 0 PTR %s.\n", label, i, coo);
	}
	fclose(file);
	daemon_world_import(compiler, name);
}

static void read_catalog(struct stele_managed_zone *catalog)
{
	struct stele_error err;
	if (stele_catalog_changed(&daemon_of_all, catalog, &err) != 0)
		fail_msg("%s", err.text);
}

static unsigned members_of(const struct stele_managed_zone *catalog)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < stele_zones_cnt(daemon_of_all.zones); i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon_of_all.zones, i);
		cnt += zone->from_catalog &&
		       memcmp(zone->catalog, catalog->apex, catalog->apex_len) == 0;
	}
	return cnt;
}

static void count(void *user, const char *member, const char *reason)
{
	(void)member;
	assert_string_equal(reason, "it is a member of another catalog");
	(*(unsigned *)user)++;
}

static void count_there_already(void *user, const char *member, const char *reason)
{
	assert_string_equal(member, "m1.test.");
	assert_string_equal(reason, "a zone of this name is there already");
	(*(unsigned *)user)++;
}

static unsigned problems_of(const struct stele_managed_zone *catalog)
{
	unsigned cnt = 0;
	stele_catalog_problems(catalog, count, &cnt);
	return cnt;
}

static struct stele_managed_zone *find(const char *text)
{
	uint8_t apex[STELE_NAME_MAX];
	assert_true(stele_name_from_text(text, strlen(text), apex) > 0);
	struct stele_managed_zone *zone = stele_zones_find(daemon_of_all.zones, apex);
	assert_non_null(zone);
	return zone;
}

static void test_clash(void **state)
{
	(void)state;
	import("one.test", 1, CNT, 'a', NULL);
	import("two.test", 1, CNT, 'b', NULL);
	read_catalog(one);
	assert_int_equal(members_of(one), CNT);
	read_catalog(two);
	assert_int_equal(members_of(one), CNT);
	assert_int_equal(problems_of(two), CNT);
}

/* The nodes are others, so all are reset on the way. */
static void test_move(void **state)
{
	(void)state;
	import("one.test", 2, CNT, 'a', "two.test");
	read_catalog(two);
	assert_int_equal(members_of(one), 0);
	assert_int_equal(members_of(two), CNT);
	assert_int_equal(problems_of(two), 0);
}

static void test_reset(void **state)
{
	(void)state;
	import("two.test", 2, CNT, 'c', NULL);
	read_catalog(two);
	assert_int_equal(members_of(two), CNT);
	assert_memory_equal(find("m7.test")->catalog_unique, "\2c7\5zones\3two\4test", 19);
}

static void test_end(void **state)
{
	(void)state;
	import("two.test", 3, 1, 'c', NULL);
	read_catalog(two);
	assert_int_equal(members_of(two), 1);
	assert_int_equal(stele_zones_cnt(daemon_of_all.zones), 3);
}

/* Each gives the other its members: that is read once, not for as long as both are due again. */
static void test_given_to_and_fro(void **state)
{
	(void)state;
	import("one.test", 3, 3, 'a', "two.test");
	import("two.test", 4, 3, 'b', "one.test");
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_int_equal(members_of(one) + members_of(two), 3);
	assert_false(one->catalog_due || two->catalog_due);
}

/* A catalog goes while the store cannot be read: the other one has its members once it can. */
static void test_no_readers_left(void **state)
{
	(void)state;
	import("one.test", 1, 3, 'a', NULL);
	import("two.test", 1, 3, 'b', NULL);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_int_equal(members_of(one), 3);
	assert_int_equal(problems_of(two), 3);
	daemon_world_hold_readers(&daemon_of_all);
	stele_daemon_zone_remove(&daemon_of_all, one, true);
	stele_daemon_read_catalogs(&daemon_of_all);
	daemon_world_release_readers();
	assert_int_equal(members_of(two), 0);
	/* The tick comes back to it. */
	for (unsigned i = 0; i < 1000 && members_of(two) == 0; i++)
		event_base_loop(stele_loop_base(daemon_of_all.main), EVLOOP_ONCE);
	assert_int_equal(members_of(two), 3);
	assert_int_equal(problems_of(two), 0);
}

/* In the store alone, as it is when we die before anything else is written: what a primary sent is the catalog's,
 * what somebody has imported is not. */
static void test_data_without_a_row(void **state)
{
	static const uint8_t came[] = "\2m0\4test", ours[] = "\2m1\4test";
	struct stele_store_write *write;
	struct stele_error err;
	unsigned cnt = 0;
	(void)state;
	import("two.test", 1, 2, 'b', NULL);
	assert_int_equal(stele_store_write_begin(daemon_of_all.store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, came, 1, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_zone_set_transferred(write, came, true, &err), 0);
	assert_int_equal(bulk_replace(write, ours, 1, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_int_equal(members_of(two), 1);
	const struct stele_managed_zone *zone = find("m0.test");
	assert_true(zone->from_catalog && zone->loaded && zone->options->has_primaries);
	assert_non_null(zone->refresh);
	assert_false(find("m1.test")->from_catalog);
	stele_catalog_problems(two, count_there_already, &cnt);
	assert_int_equal(cnt, 1);
	/* Until they remove it. */
	assert_int_equal(stele_store_write_begin(daemon_of_all.store, &write, &err), 0);
	assert_int_equal(stele_store_zone_remove(write, ours, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_int_equal(members_of(two), 2);
	assert_int_equal(problems_of(two), 0);
}

/* ---- many of them ---- */

enum { CATALOG_CNT = 70 };

static int begin_many(void **state)
{
	char options[256 + CATALOG_CNT * 40];
	size_t len = 0;
	if (daemon_world_begin(state) < 0)
		return -1;
	len += (size_t)sprintf(options, "templates: [{id: member}, {id: cat, catalog: consumer,"
					" catalog_template: member}], zones: [");
	for (unsigned i = 0; i < CATALOG_CNT; i++)
		len += (size_t)sprintf(options + len, "{name: c%u.test, template: cat}, ", i);
	sprintf(options + len, "],");
	daemon_world_start(&daemon_of_all, options);
	return 0;
}

/* All are new with the same change, as at a start; and none is sound, so that nothing changes by reading it. */
static void test_all_that_are_due_are_read(void **state)
{
	struct stele_store_write *write;
	struct stele_error err;
	(void)state;
	assert_int_equal(stele_store_write_begin(daemon_of_all.store, &write, &err), 0);
	for (size_t i = 0; i < stele_zones_cnt(daemon_of_all.zones); i++)
		assert_int_equal(bulk_replace(write, stele_zones_at(daemon_of_all.zones, i)->apex,
					      1, 3, false, NULL, &err),
				 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	for (size_t i = 0; i < stele_zones_cnt(daemon_of_all.zones); i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon_of_all.zones, i);
		assert_true(zone->loaded);
		assert_false(zone->catalog_due);
	}
}

/* The catalog is none any more, and its member is ours: nobody could send its data again. */
static void test_configured_as_its_catalog_ends(void **state)
{
	static const uint8_t member[] = "\2m0\4test";
	struct stele_store_write *write;
	struct stele_store_read *read;
	struct stele_zone_info info;
	struct stele_error err;
	(void)state;
	import("two.test", 1, 1, 'b', NULL);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_int_equal(stele_store_write_begin(daemon_of_all.store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, member, 1, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_zone_set_transferred(write, member, true, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_true(find("m0.test")->from_catalog && find("m0.test")->loaded);
	daemon_world_reload(&daemon_of_all,
			    "templates: [{id: own}], zones: [{name: two.test, template: own},"
			    " {name: m0.test, template: own}],");
	assert_true(find("m0.test")->configured && !find("m0.test")->from_catalog);
	/* What the daemon wants of the store for that is done in time. */
	for (unsigned i = 0; i < 20 && find("m0.test")->transferred; i++)
		event_base_loop(stele_loop_base(daemon_of_all.main), EVLOOP_ONCE);
	assert_int_equal(stele_store_read_begin(daemon_of_all.store, &read, &err), 0);
	assert_int_equal(stele_store_zone_find(read, member, &info, &err), 0);
	assert_int_equal(info.flags, 0);
	stele_store_read_end(read);
}

/* ---- one that is made here ---- */

/* And until nothing else of this is under way. */
static void run_until_listed(size_t cnt)
{
	const struct stele_managed_zone *catalog = find("cat.test"), *last = find("own.test");
	size_t listed = SIZE_MAX;
	bool rests = false;
	for (unsigned i = 0; i < 20 && !(rests && listed == cnt); i++) {
		struct stele_store_read *read;
		struct stele_catalog_contents contents;
		struct stele_error err;
		event_base_loop(stele_loop_base(daemon_of_all.main), EVLOOP_ONCE);
		assert_int_equal(stele_store_read_begin(daemon_of_all.store, &read, &err), 0);
		if (stele_catalog_read(read, catalog->apex, &contents, &err) == 0) {
			listed = contents.member_cnt;
			stele_catalog_contents_free(&contents);
		}
		stele_store_read_end(read);
		rests = last->id != 0 && !catalog->catalog_state->writing;
	}
	assert_int_equal(listed, cnt);
}

static int begin_producer(void **state)
{
	if (daemon_world_begin(state) < 0)
		return -1;
	daemon_world_start(
		&daemon_of_all,
		"templates: [{id: cat, catalog: producer}, {id: listed, catalog_zone: cat.test},"
		" {id: own}], zones: [{name: cat.test, template: cat},"
		" {name: m0.test, template: listed}, {name: own.test, template: own}],");
	return 0;
}

/* A zone gets another template while the store cannot be read, and nothing of the store changes with that. */
static void test_written_once_it_can_be_read(void **state)
{
	struct stele_error err;
	(void)state;
	run_until_listed(1);
	daemon_world_hold_readers(&daemon_of_all);
	stele_daemon_zone_set_options(&daemon_of_all, find("m0.test"), daemon_of_all.config,
				      find("own.test")->options);
	assert_int_equal(stele_catalog_produce(&daemon_of_all, &err), STELE_E_SYSTEM);
	daemon_world_release_readers();
	/* The tick comes back to it. */
	run_until_listed(0);
}

/* Nobody else's hand is in it for long. */
static void test_written_in_the_place_of_what_was_imported(void **state)
{
	(void)state;
	run_until_listed(1);
	import("cat.test", 9, 3, 'a', NULL);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	run_until_listed(1);
}

/* Who has one of a server that was lost takes that of its successor, whose store is empty. */
static void test_newer_than_any_before(void **state)
{
	uint32_t now = (uint32_t)time(NULL);
	(void)state;
	run_until_listed(1);
	uint32_t serial = find("cat.test")->serial;
	assert_true(stele_serial_reaches(serial, now));
	/* What somebody imports does not lead back. */
	import("cat.test", 9, 3, 'a', NULL);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	run_until_listed(1);
	assert_true(stele_serial_reaches(find("cat.test")->serial, serial));
}

/* It has left the configuration, and then somebody removes it. */
static void test_removed_when_it_is_made_no_more(void **state)
{
	static const uint8_t catalog[] = "\3cat\4test";
	struct stele_store_write *write;
	struct stele_error err;
	(void)state;
	run_until_listed(1);
	daemon_world_reload(&daemon_of_all, "zones: [{name: own.test}],");
	assert_true(find("cat.test")->loaded && !find("cat.test")->configured);
	assert_int_equal(stele_store_write_begin(daemon_of_all.store, &write, &err), 0);
	assert_int_equal(stele_store_zone_remove(write, catalog, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_daemon_store_changed(&daemon_of_all, daemon_of_all.generation + 1);
	assert_null(stele_zones_find(daemon_of_all.zones, catalog));
}

static int begin(void **state)
{
	if (daemon_world_begin(state) < 0)
		return -1;
	daemon_world_start(
		&daemon_of_all,
		"templates: [{id: cat, primaries: [p], catalog: consumer, catalog_template: member},"
		" {id: member, primaries: [p]}],"
		" zones: [{name: one.test, template: cat}, {name: two.test, template: cat}],");
	one = find("one.test");
	two = find("two.test");
	return 0;
}

static int end(void **state)
{
	stele_daemon_stop(&daemon_of_all);
	return daemon_world_end(state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clash),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_given_to_and_fro),
	};
	const struct CMUnitTest others[] = {
		cmocka_unit_test_setup_teardown(test_no_readers_left, begin, end),
		cmocka_unit_test_setup_teardown(test_data_without_a_row, begin, end),
		cmocka_unit_test_setup_teardown(test_all_that_are_due_are_read, begin_many, end),
		cmocka_unit_test_setup_teardown(test_configured_as_its_catalog_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_written_once_it_can_be_read, begin_producer,
						end),
		cmocka_unit_test_setup_teardown(test_written_in_the_place_of_what_was_imported,
						begin_producer, end),
		cmocka_unit_test_setup_teardown(test_newer_than_any_before, begin_producer, end),
		cmocka_unit_test_setup_teardown(test_removed_when_it_is_made_no_more,
						begin_producer, end),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmtd_catalog STELE_COMPILE\n");
		return 2;
	}
	compiler = argv[1];
	return cmocka_run_group_tests(tests, begin, end) +
	       cmocka_run_group_tests(others, NULL, NULL);
}
