/* SPDX-License-Identifier: Apache-2.0 */
/* What a flood of one kind of frames takes from others that are no queries: nothing that the network lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/queries.h"
#include "tests/unit/loop/burst_case.h"

#include <string.h>

enum { BURST = STELE_BURST_MAX };

/* ---- replies in place ---- */

static struct rte_mbuf *echo_request(void)
{
	struct rte_mbuf *mbuf = burst_case_packet(1);
	uint8_t *ip = rte_pktmbuf_mtod(mbuf, uint8_t *) + 14, *icmp = ip + 20;
	uint32_t len = rte_pktmbuf_data_len(mbuf) - 34;

	memcpy(icmp, "\x08\0\0\0", 4);
	uint16_t sum = (uint16_t)~loop_sum(icmp, len, 0);
	memcpy(icmp + 2, &sum, 2);
	return mbuf;
}

static void flood(struct rte_mbuf *(*make)(void))
{
	struct rte_mbuf *mbufs[BURST];

	for (unsigned i = 0; i < BURST; i++)
		mbufs[i] = make();
	burst_case_process(mbufs, BURST);
}

static void process_one(struct rte_mbuf *mbuf)
{
	burst_case_process(&mbuf, 1);
}

static void test_echo_leaves_neighbours_alone(void **state)
{
	(void)state;
	enum { ECHOS = 4 };
	struct stele_worker *worker = burst_case_server.worker;

	/* One a second: the flood is over long before. */
	stele_bucket_init(&worker->local_bucket, 1, ECHOS, worker->hz);
	flood(echo_request);
	assert_int_equal(burst_case_value(STELE_STAT_LOCAL_ECHO4), ECHOS);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_LOCAL_CAP), BURST - ECHOS);
	process_one(burst_case_arp_request());
	process_one(burst_case_solicitation());
	assert_int_equal(burst_case_value(STELE_STAT_LOCAL_ARP), 1);
	assert_int_equal(burst_case_value(STELE_STAT_LOCAL_ND), 1);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_LOCAL_CAP), BURST - ECHOS);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_echo_leaves_neighbours_alone, burst_case_open,
						burst_case_close),
	};

	if (argc != 2)
		return 2;
	loop_eal_start("test_worker_limits", "0@0", NULL, false);
	burst_case_start(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	burst_case_end();
	return failed;
}
