/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst is counted as it left: each packet once, whatever the port takes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/eal.h"
#include "tests/unit/loop/burst_case.h"

#include <rte_cycles.h>

enum { ROOM = BURST_CASE_ROOM, BURST = STELE_BURST_MAX };

static struct rte_mbuf *cut_off(void)
{
	struct rte_mbuf *mbuf;

	burst_case_frame(&mbuf, 0x0800, 20);
	return mbuf;
}

static uint64_t row_sum(void)
{
	const struct stele_stats_zone_row *row = stele_stats_zone_rows(burst_case_server.stats, 0);

	return row->values[STELE_ZONE_STAT_ANSWER] + row->values[STELE_ZONE_STAT_REFERRAL] +
	       row->values[STELE_ZONE_STAT_NODATA] + row->values[STELE_ZONE_STAT_NXDOMAIN] +
	       row->values[STELE_ZONE_STAT_ERROR];
}

static uint64_t histogram_sum(enum stele_histogram histogram)
{
	uint32_t cnt;
	const uint64_t *buckets =
		stele_stats_histogram(burst_case_server.counters, histogram, &cnt);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cnt; i++)
		sum += buckets[i];
	return sum;
}

/* Something broken, something for the kernel, a request, and else queries. */
static struct rte_mbuf *nth_of_burst(unsigned n)
{
	switch (n) {
	case 1:
		return cut_off();
	case 2:
		return burst_case_packet(6);
	case 9:
		return burst_case_arp_request();
	default:
		return burst_case_packet(17);
	}
}

/* A burst; the port has room for `room`. */
static void process(unsigned room)
{
	struct rte_mbuf *mbufs[BURST];

	for (unsigned i = 0; i < ROOM - room; i++)
		assert_int_equal(rte_ring_enqueue(burst_case_out, burst_case_packet(17)), 0);
	for (unsigned i = 0; i < BURST; i++)
		mbufs[i] = nth_of_burst(i);
	burst_case_process(mbufs, BURST);
}

static void check(unsigned left)
{
	unsigned locals = left > 0;

	assert_int_equal(burst_case_value(STELE_STAT_BURSTS), 1);
	assert_int_equal(burst_case_value(STELE_STAT_RX_PACKETS), BURST);
	assert_int_equal(burst_case_value(STELE_STAT_RX_BYTES), 20 + 60 + 72 * (BURST - 2));
	assert_int_equal(burst_case_value(STELE_STAT_TX_PACKETS), left);
	assert_int_equal(burst_case_value(STELE_STAT_LOCAL_ARP), locals);
	assert_int_equal(burst_case_value(STELE_STAT_ANSWERED_UDP4), left - locals);
	assert_int_equal(burst_case_value(STELE_STAT_ANSWERED_UDP6), 0);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_TX_FULL), BURST - 2 - left);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_SHORT), 1);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_PUNT_NOWHERE), 1);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
	/* What is told of replies is told of those that left. */
	assert_int_equal(burst_case_value(STELE_STAT_RCODE_REFUSED), left - locals);
	assert_int_equal(burst_case_value(STELE_STAT_RCODE_NOERROR), 0);
	assert_int_equal(row_sum(), left - locals);
	assert_int_equal(histogram_sum(STELE_HISTOGRAM_RESPONSE_SIZE), left - locals);
	assert_int_equal(histogram_sum(STELE_HISTOGRAM_RESPONSE_TIME), left - locals);
	uint64_t bytes =
		stele_stats_zone_rows(burst_case_server.stats, 0)->values[STELE_ZONE_STAT_TX_BYTES];
	assert_int_equal(burst_case_server.counters->sums[STELE_HISTOGRAM_RESPONSE_SIZE], bytes);
	assert_int_equal(burst_case_value(STELE_STAT_TX_BYTES),
			 bytes + 42 * (left - locals) + 42 * locals);
}

static void test_a_port_that_takes_some(void **state)
{
	(void)state;
	process(ROOM);
	check(ROOM);
}

static void test_a_port_that_takes_one(void **state)
{
	(void)state;
	process(1);
	check(1);
}

static void test_a_port_that_takes_none(void **state)
{
	(void)state;
	process(0);
	check(0);
}

/* Each stage took some time, and all together no more than there was. */
static void test_stages_are_timed(void **state)
{
	(void)state;
	uint64_t began = rte_rdtsc(), sum = 0;
	process(ROOM);
	uint64_t all = rte_rdtsc() - began;
	for (unsigned i = STELE_STAT_CYCLES_RX; i <= STELE_STAT_CYCLES_TX; i++) {
		assert_true(burst_case_value((enum stele_stat)i) > 0);
		sum += burst_case_value((enum stele_stat)i);
	}
	assert_true(sum <= all);
	assert_int_equal(burst_case_value(STELE_STAT_CYCLES_HZ), rte_get_tsc_hz());
}

static void test_each_address_is_announced(void **state)
{
	(void)state;
	stele_burst_announce(burst_case_server.worker);
	assert_int_equal(rte_ring_count(burst_case_out), burst_case_server.frame.address_cnt);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_some, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_one, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_none, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_stages_are_timed, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_each_address_is_announced, burst_case_open,
						burst_case_close),
	};

	if (argc != 2)
		return 2;
	loop_eal_start("test_burst", "0@0", NULL, false);
	burst_case_start(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	burst_case_end();
	return failed;
}
