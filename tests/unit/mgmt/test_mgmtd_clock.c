/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a secondary: nothing waits for one that is a year ahead, since the clock was wrong; and what is over is told
 * once. */
#include "mgmt/transfer/refresh_internal.h"
#include "tests/unit/mgmt/daemon_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY = 86400, YEAR = 365 * DAY };

static const uint8_t apex[] = "\4zone\4test";
static struct stele_daemon daemon_;

static const struct stele_managed_zone *start(void)
{
	daemon_world_put_zone(apex);
	daemon_world_start(&daemon_, "templates: [{id: t, primaries: [p]}],"
				     " zones: [{name: zone.test, template: t}],");
	const struct stele_managed_zone *zone = stele_zones_find(daemon_.zones, apex);
	assert_non_null(zone);
	assert_non_null(zone->refresh);
	return zone;
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
	const struct stele_managed_zone *zone = start();
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
	const struct stele_managed_zone *zone = start();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_set_back),
		TEST(test_expires_on_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
