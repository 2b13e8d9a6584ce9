/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon makes of zones that the configuration has otherwise than when it ended. */
#include "mgmt/internal.h"
#include "tests/unit/mgmt/daemon_world.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t apex[] = "\4zone\4test";

#define SECONDARY "templates: [{id: t, primaries: [p]}], zones: [{name: zone.test, template: t}],"
#define PRIMARY "templates: [{id: t}], zones: [{name: zone.test, template: t}],"
#define NOTHING ""

static struct stele_error err;

static void start_and_stop(const char *options)
{
	struct stele_daemon daemon;
	daemon_world_start(&daemon, options);
	stele_daemon_stop(&daemon);
}

static struct stele_store *open_store(void)
{
	struct stele_store *store;
	if (stele_store_open(daemon_world_path("store"), STELE_STORE_CREATE, &store, &err) < 0)
		fail_msg("%s", err.text);
	return store;
}

/* A zone with these flags of the store. */
static void write_zone(struct stele_store *store, uint32_t serial, bool expired, bool transferred)
{
	struct stele_store_write *write;
	assert_int_equal(stele_store_write_begin(store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, apex, serial, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_zone_set_expired(write, apex, expired, &err), 0);
	assert_int_equal(stele_store_zone_set_transferred(write, apex, transferred, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
}

static void put_zone(bool expired, bool transferred)
{
	struct stele_store *store = open_store();
	write_zone(store, 1, expired, transferred);
	stele_store_close(store);
}

static void import(bool expired)
{
	put_zone(expired, false);
}

static void transfer(bool expired)
{
	put_zone(expired, true);
}

/* Of the zone in the store; -1: it is not there. */
static int stored_flags(void)
{
	struct stele_store *store = open_store();
	struct stele_store_read *read;
	struct stele_zone_info info = {.flags = 0};
	assert_int_equal(stele_store_read_begin(store, &read, &err), 0);
	int status = stele_store_zone_find(read, apex, &info, &err);
	stele_store_read_end(read);
	stele_store_close(store);
	assert_true(status == 0 || status == STELE_E_NOTFOUND);
	return status == 0 ? (int)info.flags : -1;
}

/* The primary has died for good, and its secondary takes its place. */
static void test_promoted(void **state)
{
	(void)state;
	import(false);
	start_and_stop(SECONDARY);
	assert_int_equal(daemon_world_rows().cnt, 1);
	start_and_stop(PRIMARY);
	assert_int_equal(daemon_world_rows().cnt, 0);
	/* It is ours: who edits a file does not remove it. */
	start_and_stop(NOTHING);
	start_and_stop(NOTHING);
	assert_int_equal(stored_flags(), 0);
}

static void test_promoted_after_it_expired(void **state)
{
	(void)state;
	import(false);
	start_and_stop(SECONDARY);
	import(true);
	start_and_stop(SECONDARY);
	assert_int_equal(stored_flags(), STELE_STORE_ZONE_EXPIRED);
	start_and_stop(PRIMARY);
	assert_int_equal(stored_flags(), 0);
}

/* With what was remembered of it, and without. */
static void test_promoted_after_a_transfer(void **state)
{
	(void)state;
	transfer(false);
	start_and_stop(SECONDARY);
	assert_int_equal(stored_flags(), STELE_STORE_ZONE_TRANSFERRED);
	start_and_stop(PRIMARY);
	assert_int_equal(stored_flags(), 0);
	transfer(true);
	start_and_stop(PRIMARY);
	assert_int_equal(stored_flags(), 0);
}

/* Nobody has said that it is ours, nor that it is not: it stays as it is. */
static void test_transferred_and_unknown(void **state)
{
	(void)state;
	transfer(false);
	start_and_stop(NOTHING);
	assert_int_equal(stored_flags(), STELE_STORE_ZONE_TRANSFERRED);
}

/* Nobody has said that it is ours: that its row was lost does not make it good. */
static void test_expired_and_unknown(void **state)
{
	(void)state;
	import(true);
	start_and_stop(NOTHING);
	assert_int_equal(stored_flags(), STELE_STORE_ZONE_EXPIRED);
}

static void test_left(void **state)
{
	(void)state;
	import(false);
	start_and_stop(SECONDARY);
	start_and_stop(NOTHING);
	assert_int_equal(stored_flags(), -1);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

/* Starts, and dies with all that is remembered on disk, but before the store has heard of anything. */
static void start_and_die(const char *options)
{
	struct stele_daemon daemon;
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		daemon_world_start(&daemon, options);
		stele_zone_states_close(daemon.states);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Else its data would be taken for ours, and be served for ever. */
static void test_left_and_died(void **state)
{
	(void)state;
	import(false);
	start_and_stop(SECONDARY);
	start_and_die(NOTHING);
	assert_int_equal(stored_flags(), 0);
	assert_int_equal(daemon_world_rows().cnt, 1);
	start_and_stop(NOTHING);
	assert_int_equal(stored_flags(), -1);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

/* It left by a reload, and came back as ours before its data was removed, which then was not. */
static void test_left_and_came_back(void **state)
{
	struct stele_daemon daemon;
	struct stele_managed_zone *zone;
	(void)state;
	import(false);
	daemon_world_start(&daemon, SECONDARY);
	zone = stele_zones_find(daemon.zones, apex);
	assert_non_null(zone);
	stele_daemon_zone_remove(&daemon, zone, true);
	assert_int_equal(stele_daemon_zone_add(&daemon, apex, daemon.config,
					       daemon.config->default_template, &zone, &err),
			 0);
	zone->configured = true;
	stele_daemon_stop(&daemon);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

/* The disk is full while what is to be removed is committed. */
static void fail_removal(struct stele_daemon *daemon)
{
	daemon_world_fill_disk();
	do {
		stele_loop_drain(daemon->main);
		usleep(1000);
	} while (daemon->failed_work == NULL);
	daemon_world_empty_disk();
}

/* It left while a transfer was being stored, so that it was met in the store once more; and its data could not be
 * removed at first. */
static void test_left_and_met_again(void **state)
{
	struct stele_daemon daemon;
	(void)state;
	transfer(false);
	daemon_world_start(&daemon, SECONDARY);
	write_zone(daemon.store, 2, false, true);
	daemon_world_reload(&daemon, NOTHING);
	assert_null(stele_zones_find(daemon.zones, apex));
	stele_daemon_store_changed(&daemon, daemon.generation + 1);
	assert_non_null(stele_zones_find(daemon.zones, apex));
	fail_removal(&daemon);
	/* As the tick does. */
	stele_daemon_work_again(&daemon);
	stele_daemon_stop(&daemon);
	assert_int_equal(stored_flags(), -1);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

/* It is met in the store at a start, is to be removed, and the disk is full. Nothing in the store says that it was a
 * secondary's. */
static void start_without_it(struct stele_daemon *daemon)
{
	import(false);
	start_and_stop(SECONDARY);
	daemon_world_start(daemon, NOTHING);
	assert_non_null(stele_zones_find(daemon->zones, apex));
	fail_removal(daemon);
}

static void test_left_and_met_at_a_start(void **state)
{
	struct stele_daemon daemon;
	(void)state;
	start_without_it(&daemon);
	stele_daemon_work_again(&daemon);
	stele_daemon_stop(&daemon);
	assert_int_equal(stored_flags(), -1);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

/* Somebody has imported it since: it is ours, now and after the next start. */
static void test_left_and_imported_again(void **state)
{
	struct stele_daemon daemon;
	(void)state;
	start_without_it(&daemon);
	write_zone(daemon.store, 2, false, false);
	stele_daemon_store_changed(&daemon, daemon.generation + 1);
	stele_daemon_work_again(&daemon);
	stele_daemon_stop(&daemon);
	assert_int_equal(stored_flags(), 0);
	assert_int_equal(daemon_world_rows().cnt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_promoted),
		TEST(test_promoted_after_it_expired),
		TEST(test_promoted_after_a_transfer),
		TEST(test_transferred_and_unknown),
		TEST(test_expired_and_unknown),
		TEST(test_left),
		TEST(test_left_and_died),
		TEST(test_left_and_came_back),
		TEST(test_left_and_met_again),
		TEST(test_left_and_met_at_a_start),
		TEST(test_left_and_imported_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
