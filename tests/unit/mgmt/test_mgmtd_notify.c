/* SPDX-License-Identifier: Apache-2.0 */
/* A change is served while the store cannot be read: secondaries are told once it can. */
#include "mgmt/internal.h"
#include "mgmt/notify/notify.h"
#include "tests/unit/mgmt/daemon_world.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t apex[] = "\4zone\4test";
static const char *compiler;
static struct stele_error err;

/* A zone in the store, and in the image that is served from the start. */
static void make_zone(void)
{
	char command[512];
	daemon_world_put_zone(apex);
	snprintf(command, sizeof(command), "'%s' build --store %s/store -o %s/image >/dev/null",
		 compiler, daemon_world_dir(), daemon_world_dir());
	assert_int_equal(system(command), 0);
}

static struct stele_daemon daemon_;

static struct stele_managed_zone *start(void)
{
	make_zone();
	daemon_world_start(&daemon_, "templates: [{id: t, notify: [p]}],"
				     " zones: [{name: zone.test, template: t}],");
	struct stele_managed_zone *zone = stele_zones_find(daemon_.zones, apex);
	assert_non_null(zone);
	assert_true(zone->notify_due);
	return zone;
}

/* The image of the start, as if it were of this generation. */
static void serve(uint64_t generation)
{
	struct stele_mapped_image *current = stele_images_take(daemon_.images);
	assert_non_null(current);
	const struct stele_mapped_image image = {.view = current->view, .generation = generation};
	stele_daemon_served(&daemon_, &image);
	stele_images_put(current);
}

static void test_no_readers_left(void **state)
{
	(void)state;
	const struct stele_managed_zone *zone = start();
	daemon_world_hold_readers(&daemon_);
	serve(daemon_.generation);
	assert_true(zone->served);
	assert_null(zone->notify_out);
	daemon_world_release_readers();
	/* The tick comes back to it. */
	for (unsigned i = 0; i < 20 && zone->notify_out == NULL; i++)
		event_base_loop(stele_loop_base(daemon_.main), EVLOOP_ONCE);
	assert_non_null(zone->notify_out);
	assert_false(zone->notify_due);
	stele_daemon_stop(&daemon_);
}

/* Of the zone, which the daemon hears of. */
static void change_zone(void)
{
	struct stele_store_write *write;
	uint64_t generation;
	assert_int_equal(stele_store_write_begin(daemon_.store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, apex, 2, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_commit(write, &generation, &err), 0);
	stele_daemon_store_changed(&daemon_, generation);
	assert_int_equal(daemon_.generation, generation);
}

/* The tick makes up for what was served, and secondaries are told all the same when the change is. */
static void told_of_both(struct stele_managed_zone *zone)
{
	assert_null(zone->notify_out);
	stele_daemon_notify_again(&daemon_);
	assert_non_null(zone->notify_out);
	stele_notify_out_end(&daemon_, zone);
	serve(daemon_.generation);
	assert_non_null(zone->notify_out);
	stele_notify_out_end(&daemon_, zone);
	/* Once. */
	stele_daemon_notify_again(&daemon_);
	serve(daemon_.generation);
	assert_null(zone->notify_out);
	stele_daemon_stop(&daemon_);
}

static void test_changed_before_they_are_told_again(void **state)
{
	(void)state;
	struct stele_managed_zone *zone = start();
	daemon_world_hold_readers(&daemon_);
	serve(daemon_.generation);
	daemon_world_release_readers();
	change_zone();
	told_of_both(zone);
}

static void test_changed_before_it_was_served(void **state)
{
	(void)state;
	struct stele_managed_zone *zone = start();
	uint64_t served = daemon_.generation;
	change_zone();
	daemon_world_hold_readers(&daemon_);
	serve(served);
	daemon_world_release_readers();
	told_of_both(zone);
}

/* What it is told of at last is what is served by then. */
static void test_served_before_they_are_told_again(void **state)
{
	(void)state;
	struct stele_managed_zone *zone = start();
	daemon_world_hold_readers(&daemon_);
	serve(daemon_.generation);
	daemon_world_release_readers();
	serve(daemon_.generation);
	assert_non_null(zone->notify_out);
	assert_false(zone->notify_failed);
	stele_daemon_stop(&daemon_);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_readers_left),
		TEST(test_changed_before_they_are_told_again),
		TEST(test_changed_before_it_was_served),
		TEST(test_served_before_they_are_told_again),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmtd_notify STELE_COMPILE\n");
		return 2;
	}
	compiler = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
