/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a secondary: nothing waits for one that is a year ahead, since the clock was wrong; and what is over is told
 * once. */
#include "mgmt/transfer/refresh_internal.h"
#include "tests/unit/mgmt/daemon_world.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY = 86400, YEAR = 365 * DAY };

static const uint8_t apex[] = "\4zone\4test";
static struct stele_daemon daemon_;

static void put_zone(void)
{
	struct stele_store *store;
	struct stele_store_write *write;
	struct stele_error err;
	assert_int_equal(
		stele_store_open(daemon_world_path("store"), STELE_STORE_CREATE, &store, &err), 0);
	assert_int_equal(stele_store_write_begin(store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, apex, 1, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_store_close(store);
}

/* Its timer sleeps for an hour at most. */
static void let_it_look(const struct stele_managed_zone *zone)
{
	event_active(zone->refresh->timer, EV_TIMEOUT, 0);
	event_base_loop(stele_loop_base(daemon_.main), EVLOOP_NONBLOCK);
}

static void test_set_back(void **state)
{
	(void)state;
	put_zone();
	daemon_world_start(&daemon_, "templates: [{id: t, primaries: [p]}],"
				     " zones: [{name: zone.test, template: t}],");
	const struct stele_managed_zone *zone = stele_zones_find(daemon_.zones, apex);
	assert_non_null(zone);
	assert_non_null(zone->refresh);
	stele_refresh_shift_clock(&daemon_, -YEAR);
	assert_true(zone->next_refresh_at > refresh_clock(&daemon_) + YEAR - DAY);
	let_it_look(zone);
	assert_true(zone->next_refresh_at < refresh_clock(&daemon_) + DAY);
	assert_true(zone->expires_at < refresh_clock(&daemon_) + YEAR - DAY);
	stele_daemon_stop(&daemon_);
}

static void await_flag(const struct stele_managed_zone *zone)
{
	let_it_look(zone);
	while (zone->refresh->flag != NULL) {
		usleep(1000);
		event_base_loop(stele_loop_base(daemon_.main), EVLOOP_NONBLOCK);
	}
}

/* While the store cannot say that it has expired, this is tried again every second. */
static void test_expires_on_a_full_disk(void **state)
{
	(void)state;
	put_zone();
	daemon_world_start(&daemon_, "templates: [{id: t, primaries: [p]}],"
				     " zones: [{name: zone.test, template: t}],");
	const struct stele_managed_zone *zone = stele_zones_find(daemon_.zones, apex);
	assert_non_null(zone);
	assert_non_null(zone->refresh);
	stele_refresh_shift_clock(&daemon_, YEAR);
	daemon_world_fill_disk();
	for (unsigned i = 0; i < 3; i++)
		await_flag(zone);
	daemon_world_empty_disk();
	assert_false(zone->expired);
	assert_int_equal(daemon_.counters.zones_expired, 1);
	await_flag(zone);
	assert_true(zone->expired);
	assert_int_equal(daemon_.counters.zones_expired, 1);
	stele_daemon_stop(&daemon_);
}

static int begin(void **state)
{
	(void)state;
	return daemon_world_begin();
}

static int end(void **state)
{
	(void)state;
	return daemon_world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_back, begin, end),
		cmocka_unit_test_setup_teardown(test_expires_on_a_full_disk, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
