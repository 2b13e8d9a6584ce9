/* SPDX-License-Identifier: Apache-2.0 */
/* What the card has checked or is to fill in: it is believed where it says so, and told of each packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/eal.h"
#include "tests/unit/loop/burst_case.h"

#include <string.h>

static void process_one(struct rte_mbuf *mbuf)
{
	burst_case_process(&mbuf, 1);
}

static struct rte_mbuf *sent(void)
{
	void *mbuf = NULL;

	assert_int_equal(rte_ring_dequeue(burst_case_out, &mbuf), 0);
	return mbuf;
}

/* ---- in ---- */

/* A query with a checksum that is wrong, of which the card says this. */
static void check_belief(size_t sum_off, uint64_t flags, bool believed, enum stele_stat drop)
{
	struct rte_mbuf *mbuf = burst_case_packet(17);
	uint64_t dropped = burst_case_value(drop);

	rte_pktmbuf_mtod(mbuf, uint8_t *)[sum_off] ^= 1;
	mbuf->ol_flags = flags;
	process_one(mbuf);
	assert_int_equal(burst_case_value(drop) - dropped, !believed);
	if (believed)
		rte_pktmbuf_free(sent());
}

static void test_what_the_card_has_checked(void **state)
{
	(void)state;
	enum { IP_SUM = 14 + 10, UDP_SUM = 14 + 20 + 6 };
	static const uint64_t ip[] = {RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN,
				      RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_NONE};
	static const uint64_t udp[] = {RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN,
				       RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_NONE};

	/* Whether the card checks at all. */
	for (unsigned checks = 0; checks < 2; checks++) {
		burst_case_server.worker->rx_cksum = checks;
		for (unsigned i = 0; i < 4; i++) {
			bool believed = checks && i == 0;
			check_belief(IP_SUM, ip[i] | RTE_MBUF_F_RX_L4_CKSUM_GOOD, believed,
				     STELE_STAT_DROP_IP_CHECKSUM);
			check_belief(UDP_SUM, RTE_MBUF_F_RX_IP_CKSUM_GOOD | udp[i], believed,
				     STELE_STAT_DROP_UDP_CHECKSUM);
		}
	}
}

/* The port's buffers hold a whole frame, so this one is none of its MTU. */
static void test_a_frame_in_two_buffers(void **state)
{
	(void)state;
	struct rte_mbuf *mbuf = burst_case_packet(17);

	assert_int_equal(rte_pktmbuf_chain(mbuf, burst_case_packet(17)), 0);
	process_one(mbuf);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_TOO_LONG), 1);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
}

/* ---- out ---- */

/* What is told of a frame, whatever was told of the one that it replies to. */
static void check_told(struct rte_mbuf *mbuf, uint64_t flags, unsigned l3_len)
{
	mbuf->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_TX_VLAN;
	process_one(mbuf);
	mbuf = sent();
	assert_int_equal(mbuf->ol_flags, flags);
	if (flags != 0) {
		assert_int_equal(mbuf->l2_len, 14);
		assert_int_equal(mbuf->l3_len, l3_len);
	}
	rte_pktmbuf_free(mbuf);
}

static void test_what_the_card_fills_in(void **state)
{
	uint32_t fills = ((const struct loop_server_settings *)*state)->frame_flags;
	uint64_t udp = (fills & STELE_FRAME_TX_UDP_CKSUM) != 0 ? RTE_MBUF_F_TX_UDP_CKSUM : 0;
	uint64_t ip = (fills & STELE_FRAME_TX_IP_CKSUM) != 0 ? RTE_MBUF_F_TX_IP_CKSUM : 0;

	check_told(burst_case_packet(17), fills != 0 ? RTE_MBUF_F_TX_IPV4 | ip | udp : 0, 20);
	check_told(burst_case_query6(), fills != 0 ? RTE_MBUF_F_TX_IPV6 | udp : 0, 40);
	/* Nothing of what is not a reply to a query. */
	check_told(burst_case_arp_request(), 0, 0);
}

/* ---- whose bytes they are ---- */

static unsigned given_back;

static void give_back(void *addr, void *user)
{
	(void)addr;
	(void)user;
	given_back++;
}

/* Moves a frame to memory of a driver's own, as some leave it there (mlx5 with mprq_en). */
static void move_out(struct rte_mbuf *mbuf)
{
	static uint8_t room[4096] __attribute__((aligned(64)));
	uint16_t sz = sizeof(room), len = rte_pktmbuf_data_len(mbuf);

	memcpy(room, rte_pktmbuf_mtod(mbuf, const void *), len);
	rte_pktmbuf_attach_extbuf(mbuf, room, 0, sz,
				  rte_pktmbuf_ext_shinfo_init_helper(room, &sz, give_back, NULL));
	mbuf->buf_len = sz;
	mbuf->data_len = len;
}

/* What the card fills in or not, the driver gets its memory back, and the buffer its own. */
static void test_frames_in_a_drivers_memory(void **state)
{
	struct rte_mbuf *frames[] = {burst_case_packet(17), burst_case_query6(),
				     burst_case_arp_request()};

	(void)state;
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		const void *own = frames[i]->buf_addr;
		given_back = 0;
		move_out(frames[i]);
		process_one(frames[i]);
		assert_ptr_equal(sent(), frames[i]);
		rte_pktmbuf_free(frames[i]);
		assert_int_equal(given_back, 1);
		assert_ptr_equal(frames[i]->buf_addr, own);
	}
}

int main(int argc, char **argv)
{
	static struct loop_server_settings fills[] = {
		{.frame_flags = 0},
		{.frame_flags = STELE_FRAME_TX_IP_CKSUM},
		{.frame_flags = STELE_FRAME_TX_UDP_CKSUM},
		{.frame_flags = STELE_FRAME_TX_IP_CKSUM | STELE_FRAME_TX_UDP_CKSUM},
	};
#define TEST_FILLS(i)                                                                              \
	cmocka_unit_test_prestate_setup_teardown(test_what_the_card_fills_in, burst_case_open,     \
						 burst_case_close, &fills[i])
#define TEST_MEMORY(i)                                                                             \
	cmocka_unit_test_prestate_setup_teardown(test_frames_in_a_drivers_memory, burst_case_open, \
						 burst_case_close, &fills[i])
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_the_card_has_checked, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_a_frame_in_two_buffers, burst_case_open,
						burst_case_close),
		TEST_FILLS(0),
		TEST_FILLS(1),
		TEST_FILLS(2),
		TEST_FILLS(3),
		TEST_MEMORY(0),
		TEST_MEMORY(3),
	};

	if (argc != 2)
		return 2;
	loop_eal_start("test_worker_offloads", "0@0", NULL, false);
	burst_case_start(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	burst_case_end();
	return failed;
}
