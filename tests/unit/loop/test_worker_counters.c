/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of a reply beside that it left: its zone, its cookie, that it was held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/eal.h"
#include "lib/base/bytes.h"
#include "tests/unit/loop/burst_case.h"

#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void process(struct rte_mbuf *mbuf, unsigned cnt)
{
	struct rte_mbuf *mbufs[STELE_BURST_MAX] = {mbuf};

	for (unsigned i = 1; i < cnt; i++)
		mbufs[i] = burst_case_packet(17);
	burst_case_process(mbufs, cnt);
}

static void forget_what_left(void)
{
	void *mbuf;

	while (rte_ring_dequeue(burst_case_out, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

/* Something that a zone of the image does not have. */
static struct rte_mbuf *of_a_zone(void)
{
	static const uint8_t query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\2no\4nsec\4test\0\0\1\0\1";

	return burst_case_query(query, sizeof(query) - 1);
}

/* ---- zones ---- */

enum { ZONES = 3 }; /* of the image */

/* The zones of the image in row 1, all others in row 0. */
static struct stele_stats_zone_map *map_of_image(void)
{
	static struct stele_stats_zone zones[ZONES];
	static const uint32_t slots[ZONES] = {1, 1, 1};
	struct stele_stats_zone_map *map;
	struct stele_error error;

	for (uint32_t i = 0; i < ZONES; i++)
		zones[i].zone_id = i;
	assert_int_equal(stele_stats_zone_map_new(zones, slots, ZONES, &map, &error), 0);
	return map;
}

static void test_zones_of_the_image_that_answers(void **state)
{
	(void)state;
	struct stele_worker *worker = burst_case_server.worker;
	uint64_t serial = stele_serve_view(worker->root)->serial;
	struct stele_stats_zone_map *map = map_of_image();
	const struct stele_worker_zones right = {.view_serial = serial, .map = map};
	const struct stele_worker_zones other = {.view_serial = serial + 1, .map = map};
	const struct stele_worker_zones before = {
		.view_serial = serial + 1, .map = map, .before = &right};
	const struct stele_worker_zones before_that = {
		.view_serial = serial + 1, .map = map, .before = &other};
	const struct {
		const struct stele_worker_zones *zones;
		unsigned row;
	} cases[] = {{NULL, 0}, {&right, 1}, {&other, 0}, {&before, 1}, {&before_that, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stele_stats_zone_row rows[2] = {0};
		worker->rows = rows;
		worker->zones = cases[i].zones;
		process(of_a_zone(), 3);
		assert_int_equal(rows[cases[i].row].values[STELE_ZONE_STAT_NODATA], 1);
		assert_int_equal(rows[0].values[STELE_ZONE_STAT_ERROR], 2);
		if (cases[i].row == 1)
			/* Header and question. */
			assert_int_equal(rows[0].values[STELE_ZONE_STAT_TX_BYTES], 2 * 30);
		assert_true(rows[cases[i].row].values[STELE_ZONE_STAT_TX_BYTES] > 30);
		forget_what_left();
	}
	stele_stats_zone_map_free(map);
}

/* ---- rate limits ---- */

/* Nothing but one at a time, and that ten times a second. */
static struct stele_rates *rates_of_nodata(void)
{
	struct stele_rrl_settings settings;
	struct stele_rates *rates;
	struct stele_error error;

	stele_rrl_settings_default(&settings);
	settings.rates[STELE_CLASS_NODATA] = (struct stele_rrl_rate){.narrow = 10};
	settings.burst_ms = STELE_RRL_BURST_MS_MIN;
	settings.line_cnt = STELE_RRL_LINES_MIN;
	assert_int_equal(stele_rates_new(&settings, 0, &rates, &error), 0);
	return rates;
}

static void set_rates(struct stele_rates *rates)
{
	const struct stele_worker_rules rules = {.answers = burst_case_server.answers,
						 .rates = rates};

	stele_worker_set_rules(burst_case_server.worker, &rules);
}

static void test_what_is_held_back(void **state)
{
	(void)state;
	enum { QUERIES = 5 };
	struct stele_worker *worker = burst_case_server.worker;
	struct stele_stats_zone_map *map = map_of_image();
	struct stele_stats_zone_row rows[2] = {0};
	const struct stele_worker_zones zones = {
		.view_serial = stele_serve_view(worker->root)->serial, .map = map};

	set_rates(rates_of_nodata());
	worker->rows = rows;
	worker->zones = &zones;
	for (unsigned round = 1; round <= 2; round++) {
		struct rte_mbuf *mbufs[QUERIES];
		for (unsigned i = 0; i < QUERIES; i++)
			mbufs[i] = of_a_zone();
		/* Of one moment: the first passes, and each second of the others. */
		burst_case_process(mbufs, QUERIES);
		assert_int_equal(burst_case_value(STELE_STAT_DROP_RRL), 2 * round);
		assert_int_equal(burst_case_value(STELE_STAT_RRL_SLIPPED), 2 * round);
		assert_int_equal(burst_case_value(STELE_STAT_TRUNCATED), 2 * round);
		assert_int_equal(burst_case_value(STELE_STAT_DROP_POLICY), 0);
		assert_int_equal(rows[0].values[STELE_ZONE_STAT_LIMITED], 0);
		assert_int_equal(rows[1].values[STELE_ZONE_STAT_LIMITED], 2 * round);
		assert_int_equal(rows[1].values[STELE_ZONE_STAT_NODATA], 3 * round);
		forget_what_left();
		/* Then it is paid for. */
		usleep(200000);
	}
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
	stele_stats_zone_map_free(map);
}

/* How many replies five queries of one moment get. */
static uint64_t replies_to_five(void)
{
	enum { QUERIES = 5 };
	struct rte_mbuf *mbufs[QUERIES];
	uint64_t before = burst_case_value(STELE_STAT_RCODE_NOERROR);

	for (unsigned i = 0; i < QUERIES; i++)
		mbufs[i] = of_a_zone();
	burst_case_process(mbufs, QUERIES);
	forget_what_left();
	return burst_case_value(STELE_STAT_RCODE_NOERROR) - before;
}

static void test_rates_are_replaced(void **state)
{
	(void)state;
	struct stele_worker *worker = burst_case_server.worker;
	struct stele_rates *rates = rates_of_nodata();

	assert_int_equal(replies_to_five(), 5);
	set_rates(rates);
	assert_ptr_equal(stele_worker_rules(worker)->rates, rates);
	assert_int_equal(replies_to_five(), 3);
	/* The same go on, also where the rules before are forgotten: nothing is paid for yet. */
	set_rates(rates);
	stele_worker_forget_rules(worker);
	assert_int_equal(replies_to_five(), 2);
	/* Others begin anew, and count what they let slip themselves. */
	set_rates(rates_of_nodata());
	assert_int_equal(replies_to_five(), 3);
	set_rates(NULL);
	assert_int_equal(replies_to_five(), 5);
	/* Without a moment between, as where a worker stands still; freed with the worker. */
	set_rates(rates_of_nodata());
	set_rates(rates_of_nodata());
	assert_int_equal(replies_to_five(), 3);
	assert_int_equal(burst_case_value(STELE_STAT_RRL_SLIPPED), 2 + 2 + 2 + 2);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_RRL), 2 + 3 + 2 + 2);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
}

/* Responses and what is too short are not limited, and not a zone's. */
static void test_what_is_no_query(void **state)
{
	(void)state;
	static const uint8_t response[12] = {[2] = 0x80};
	struct stele_stats_zone_row rows[2] = {0};

	burst_case_server.worker->rows = rows;
	process(burst_case_query(response, 12), 1);
	process(burst_case_query(response, 11), 1);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_DNS_RESPONSE), 1);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_DNS_SHORT), 1);
	assert_int_equal(rows[0].values[STELE_ZONE_STAT_LIMITED], 0);
}

/* ---- cookies ---- */

/* A query with a cookie; of its last 24 bytes the first 8 are the client's. */
static uint8_t query_with_cookie[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1\4none\7invalid\0\0\1\0\1"
				     "\0\0\x29\4\xd0\0\0\0\0\0\x1c\0\x0a\0\x18"
				     "clientid"
				     "no cookie of us.";
enum { WITH_COOKIE_SZ = sizeof(query_with_cookie) - 1 };

static void ask_with_cookie(void)
{
	void *mbuf = NULL;

	/* The one that came back goes out again. */
	process(burst_case_query(query_with_cookie, WITH_COOKIE_SZ), 1);
	assert_int_equal(rte_ring_dequeue(burst_case_out, &mbuf), 0);
	const uint8_t *reply = rte_pktmbuf_mtod((struct rte_mbuf *)mbuf, const uint8_t *) + 42;
	/* It stands where the query had its own. */
	memcpy(query_with_cookie + WITH_COOKIE_SZ - 24, reply + WITH_COOKIE_SZ - 24, 24);
	rte_pktmbuf_free(mbuf);
}

static void test_cookies(void **state)
{
	(void)state;
	time_t began = time(NULL);
	ask_with_cookie();
	/* RFC 9018 section 4: behind version and three bytes, when it was made. */
	uint32_t made = stele_get_be32(query_with_cookie + WITH_COOKIE_SZ - 12);
	assert_true(made >= (uint32_t)began && made <= (uint32_t)time(NULL));
	assert_int_equal(burst_case_value(STELE_STAT_COOKIE_INVALID), 1);
	assert_int_equal(burst_case_value(STELE_STAT_COOKIE_VALID), 0);
	for (unsigned i = 0; i < 2; i++)
		ask_with_cookie();
	assert_int_equal(burst_case_value(STELE_STAT_COOKIE_INVALID), 1);
	assert_int_equal(burst_case_value(STELE_STAT_COOKIE_VALID), 2);
}

/* ---- polls ---- */

static void test_polls(void **state)
{
	(void)state;
	struct stele_worker *worker = burst_case_server.worker;
	const struct stele_view *view = stele_serve_view(worker->root);

	stele_serve_reader_begin();
	assert_false(stele_worker_turn(worker));
	assert_int_equal(rte_ring_enqueue(rte_ring_lookup("in"), burst_case_packet(17)), 0);
	assert_true(stele_worker_turn(worker));
	stele_serve_reader_end();
	assert_int_equal(burst_case_value(STELE_STAT_POLLS_EMPTY), 1);
	assert_int_equal(burst_case_value(STELE_STAT_BURSTS), 1);
	assert_int_equal(stele_worker_quiescent(worker), 2);
	assert_int_equal(stele_worker_generation(worker), view->generation);
}

/* ---- time ---- */

/* The counter of cycles goes back when a machine has slept, or a virtual one was moved: nobody knows what it took. */
static void test_time_that_goes_back(void **state)
{
	struct rte_mbuf *mbuf = burst_case_packet(17);
	uint64_t ahead = rte_rdtsc() + 3600 * rte_get_tsc_hz();

	(void)state;
	stele_burst_process(burst_case_server.worker, NULL, &mbuf, 1, ahead);
	assert_int_equal(burst_case_value(STELE_STAT_CYCLES_RX), 0);
}

int main(int argc, char **argv)
{
	static struct loop_server_settings with_cookies = {.cookies = true};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zones_of_the_image_that_answers,
						burst_case_open, burst_case_close),
		cmocka_unit_test_setup_teardown(test_what_is_held_back, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_rates_are_replaced, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_what_is_no_query, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_polls, burst_case_open, burst_case_close),
		cmocka_unit_test_prestate_setup_teardown(test_cookies, burst_case_open,
							 burst_case_close, &with_cookies),
		cmocka_unit_test_setup_teardown(test_time_that_goes_back, burst_case_open,
						burst_case_close),
	};

	if (argc != 2)
		return 2;
	loop_eal_start("test_worker_counters", "0@0", NULL, false);
	burst_case_start(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	burst_case_end();
	return failed;
}
