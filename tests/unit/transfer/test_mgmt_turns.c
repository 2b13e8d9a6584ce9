/* SPDX-License-Identifier: Apache-2.0 */
/* How many ask at once and in which order, and when a secondary asks again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mgmt/transfer/turns.h"
#include "mgmt/transfer/timers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct event_base *base;
static struct stele_turns *turns;
static time_t now;

static time_t fake_now(void *user)
{
	(void)user;
	return now;
}

static int set_up(void **state)
{
	(void)state;
	now = 1000;
	base = event_base_new();
	return stele_turns_new(base, fake_now, NULL, &turns, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	stele_turns_free(turns);
	event_base_free(base);
	return 0;
}

static struct stele_config_address address(uint8_t last)
{
	return (struct stele_config_address){.family = 4, .addr = {192, 0, 2, last}};
}

struct zone {
	struct stele_turn turn;
	int number;
	bool leaves_at_once;
};

static int had[20000];
static size_t had_cnt;

static void on_ready(struct stele_turn *turn)
{
	struct zone *zone = (struct zone *)turn;
	had[had_cnt++] = zone->number;
	if (zone->leaves_at_once)
		stele_turn_leave(turns, turn);
}

static void enter(struct zone *zone, int number, enum stele_turn_kind kind, uint8_t last)
{
	struct stele_config_address a = address(last);
	zone->turn.ready = on_ready;
	zone->number = number;
	assert_int_equal(stele_turn_wait(turns, &zone->turn, kind, &a, 53, NULL), 0);
}

static void run(void)
{
	had_cnt = 0;
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void one_server_has_its_share(void **state)
{
	(void)state;
	static struct zone zones[200];
	memset(zones, 0, sizeof(zones));
	for (int i = 0; i < 200; i++)
		enter(&zones[i], i, STELE_TURN_PROBE, 1);
	assert_int_equal(had_cnt, 0); /* from the loop only */
	run();
	assert_int_equal(had_cnt, STELE_TURN_SERVER_PROBES_MAX);
	/* First come, first served. */
	for (size_t i = 0; i < had_cnt; i++)
		assert_int_equal(had[i], i);
	/* One waits no longer, two others are done. */
	stele_turn_leave(turns, &zones[STELE_TURN_SERVER_PROBES_MAX].turn);
	stele_turn_leave(turns, &zones[3].turn);
	stele_turn_leave(turns, &zones[7].turn);
	stele_turn_leave(turns, &zones[7].turn);
	run();
	assert_int_equal(had_cnt, 2);
	assert_int_equal(had[0], STELE_TURN_SERVER_PROBES_MAX + 1);
	struct stele_turns_counts counts;
	stele_turns_counts(turns, &counts);
	assert_int_equal(counts.had[STELE_TURN_PROBE], STELE_TURN_SERVER_PROBES_MAX);
	assert_int_equal(counts.waiting[STELE_TURN_PROBE], 200 - STELE_TURN_SERVER_PROBES_MAX - 3);
	for (int i = 0; i < 200; i++)
		stele_turn_leave(turns, &zones[i].turn);
}

/* A server that answers nobody holds up only its own zones. */
static void servers_take_turns(void **state)
{
	(void)state;
	static struct zone silent[1000], well[10];
	memset(silent, 0, sizeof(silent));
	memset(well, 0, sizeof(well));
	for (int i = 0; i < 1000; i++)
		enter(&silent[i], i, STELE_TURN_TRANSFER, 1);
	for (int i = 0; i < 4; i++)
		enter(&well[i], 5000 + i, STELE_TURN_TRANSFER, 2);
	run();
	assert_int_equal(had_cnt, STELE_TURN_SERVER_TRANSFERS_MAX + 4);
	for (int i = 0; i < 8; i++)
		assert_true((had[i] >= 5000) == (i % 2 == (had[0] < 5000)));
	for (int i = 0; i < 1000; i++)
		stele_turn_leave(turns, &silent[i].turn);
	for (int i = 0; i < 10; i++)
		stele_turn_leave(turns, &well[i].turn);
}

static void all_together_have_a_limit(void **state)
{
	(void)state;
	static struct zone zones[100];
	memset(zones, 0, sizeof(zones));
	for (int i = 0; i < 100; i++)
		enter(&zones[i], i, STELE_TURN_TRANSFER, (uint8_t)(i % 20));
	run();
	assert_int_equal(had_cnt, STELE_TURN_TRANSFERS_MAX);
	for (int i = 0; i < 100; i++)
		stele_turn_leave(turns, &zones[i].turn);
}

static void thousands_that_leave_at_once(void **state)
{
	(void)state;
	static struct zone zones[10000];
	memset(zones, 0, sizeof(zones));
	for (int i = 0; i < 10000; i++) {
		zones[i].leaves_at_once = true;
		enter(&zones[i], i, STELE_TURN_PROBE, 1);
	}
	run();
	assert_int_equal(had_cnt, 10000);
}

/* All members of a large catalog go while they wait: the last first, as who takes them out of the table does it. */
static void many_give_up(void **state)
{
	(void)state;
	enum { CNT = 100000 };
	struct zone *zones = calloc(CNT, sizeof(*zones));
	assert_non_null(zones);
	for (int i = 0; i < CNT; i++)
		enter(&zones[i], i, STELE_TURN_PROBE, 1);
	clock_t begun = clock();
	for (int i = CNT; i-- > 1;)
		stele_turn_leave(turns, &zones[i].turn);
	assert_true(clock() - begun < 2 * CLOCKS_PER_SEC);
	/* Some in the middle, then one behind the last. */
	for (int i = 1; i < 6; i++)
		enter(&zones[i], i, STELE_TURN_PROBE, 1);
	stele_turn_leave(turns, &zones[2].turn);
	stele_turn_leave(turns, &zones[5].turn);
	stele_turn_leave(turns, &zones[0].turn);
	enter(&zones[6], 6, STELE_TURN_PROBE, 1);
	run();
	static const int expected[] = {1, 3, 4, 6};
	assert_int_equal(had_cnt, 4);
	assert_memory_equal(had, expected, sizeof(expected));
	for (int i = 0; i < 7; i++)
		stele_turn_leave(turns, &zones[i].turn);
	free(zones);
}

static void a_server_stands_back(void **state)
{
	(void)state;
	struct zone zone = {0};
	struct stele_config_address a = address(1), b = address(2);
	enter(&zone, 0, STELE_TURN_PROBE, 1);
	assert_null(stele_turns_stands_back(turns, &a, 53));
	time_t wait = STELE_TURN_BACK_S;
	for (int i = 0; i < 12; i++) {
		stele_turns_failed(turns, &a, 53, "no answer");
		stele_turns_failed(turns, &a, 53, "counts once");
		assert_string_equal(stele_turns_stands_back(turns, &a, 53), "no answer");
		assert_null(stele_turns_stands_back(turns, &b, 53));
		assert_null(stele_turns_stands_back(turns, &a, 54));
		now += wait - 1;
		assert_non_null(stele_turns_stands_back(turns, &a, 53));
		now += 1;
		assert_null(stele_turns_stands_back(turns, &a, 53));
		wait = wait * 2 < STELE_TURN_BACK_MAX_S ? wait * 2 : STELE_TURN_BACK_MAX_S;
	}
	stele_turns_failed(turns, &a, 53, "again");
	stele_turns_answered(turns, &a, 53);
	assert_null(stele_turns_stands_back(turns, &a, 53));
	stele_turn_leave(turns, &zone.turn);
}

/* A clock that was wrong and is set right: nobody is left alone until the time that it showed comes again. */
static void the_clock_goes_back(void **state)
{
	(void)state;
	struct zone zone = {0};
	struct stele_config_address a = address(1);
	enter(&zone, 0, STELE_TURN_PROBE, 1);
	now += 1000000;
	stele_turns_failed(turns, &a, 53, "no answer");
	assert_non_null(stele_turns_stands_back(turns, &a, 53));
	now -= 1000000;
	assert_null(stele_turns_stands_back(turns, &a, 53));
	/* It fails once more, by the clock as it is now. */
	stele_turns_failed(turns, &a, 53, "still no answer");
	assert_string_equal(stele_turns_stands_back(turns, &a, 53), "still no answer");
	now += STELE_TURN_BACK_MAX_S;
	assert_null(stele_turns_stands_back(turns, &a, 53));
	stele_turn_leave(turns, &zone.turn);
}

/* ---- timers ---- */

#define S UINT64_C(1000000000)

static const struct stele_template_config options = {
	.refresh_min_ns = 10 * S,
	.refresh_max_ns = 10000 * S,
	.retry_min_ns = 2 * S,
	.retry_max_ns = 5000 * S,
};

static struct stele_soa_timers soa(uint32_t refresh, uint32_t retry, uint32_t expire)
{
	return (struct stele_soa_timers){.refresh = refresh, .retry = retry, .expire = expire};
}

static void refresh_waits(void **state)
{
	(void)state;
	static const struct {
		uint32_t refresh, expire, most;
	} cases[] = {
		{3600, 86400, 3600}, {0, 86400, 10}, {UINT32_MAX, UINT32_MAX, 10000},
		{3600, 100, 50}, /* it must not expire while the primary is well */
		{3600, 0, 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stele_soa_timers t = soa(cases[i].refresh, 60, cases[i].expire);
		uint32_t least = UINT32_MAX, most = 0;
		for (uint32_t random = 0; random < 2000; random++) {
			uint32_t wait = stele_timers_refresh(&t, &options, cases[i].expire, random);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
		}
		assert_int_equal(most, cases[i].most);
		uint32_t shortest = cases[i].most - cases[i].most / 10;
		assert_int_equal(least, shortest == 0 ? 1 : shortest);
	}
}

static void retry_waits(void **state)
{
	(void)state;
	struct stele_soa_timers t = soa(3600, 600, 86400), zero = soa(0, 0, 0);
	for (unsigned failures = 1; failures < 50; failures++)
		assert_int_equal(stele_timers_retry(&t, &options, true, failures, 0), 600);
	assert_int_equal(stele_timers_retry(&zero, &options, true, 1, 0), 2);
	uint32_t last = 0;
	for (unsigned failures = 1; failures < 50; failures++) {
		uint32_t wait = stele_timers_retry(&zero, &options, false, failures, 0);
		if (failures == 1)
			assert_int_equal(wait, 5);
		if (failures == 2)
			assert_int_equal(wait, 10);
		assert_true(wait >= last);
		last = wait;
	}
	assert_int_equal(last, 3600);
}

static void expiry(void **state)
{
	(void)state;
	/* Without the option the SOA says it. */
	assert_int_equal(stele_timers_expiry(1000, 500, false, 0, true, 0), 1500);
	assert_int_equal(stele_timers_expiry(1000, 500, false, 0, false, 1400), 1500);
	/* What was sent by a secondary is as old as it says. */
	assert_int_equal(stele_timers_expiry(1000, 500, true, 200, true, 1400), 1200);
	assert_int_equal(stele_timers_expiry(1000, 500, true, 9000, true, 0), 1500);
	/* A secondary that knows less than we do. */
	assert_int_equal(stele_timers_expiry(1000, 500, true, 200, false, 1400), 1400);
	assert_int_equal(stele_timers_expiry(1000, 500, true, 450, false, 1400), 1450);
	assert_int_equal(stele_timers_expiry(1000, 500, true, 0, false, 900), 1000);
	/* A clock that went back. */
	assert_int_equal(stele_timers_expiry(1000, 500, true, 200, false, 99999), 1200);
}

static void expire_of_the_soa(void **state)
{
	(void)state;
	struct stele_soa_timers usual = soa(100, 50, 1000), none = soa(100, 50, 0),
				huge = soa(UINT32_MAX, UINT32_MAX, UINT32_MAX);
	assert_int_equal(stele_timers_expire(&usual, &options), 1000);
	assert_int_equal(stele_timers_expire(&none, &options), 150);
	assert_int_equal(stele_timers_expire(&huge, &options), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_server_has_its_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(servers_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_together_have_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(thousands_that_leave_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_give_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_stands_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_clock_goes_back, set_up, tear_down),
		cmocka_unit_test(refresh_waits),
		cmocka_unit_test(retry_waits),
		cmocka_unit_test(expiry),
		cmocka_unit_test(expire_of_the_soa),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
