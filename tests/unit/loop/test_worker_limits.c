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
#include "lib/base/bytes.h"
#include "tests/unit/loop/burst_case.h"

#include <arpa/inet.h>
#include <rte_cycles.h>
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

static struct rte_mbuf *echo_request6(void)
{
	struct rte_mbuf *mbuf = burst_case_solicitation();
	uint8_t *icmp = rte_pktmbuf_mtod(mbuf, uint8_t *) + 14 + 40;
	uint32_t sum = stele_get_be16(icmp + 2) + ((135u - 128u) << 8);

	icmp[0] = 128;
	stele_put_be16(icmp + 2, (uint16_t)((sum & 0xffff) + (sum >> 16)));
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

static void test_each_kind_counts(void **state)
{
	(void)state;
	static const enum stele_stat stats[] = {STELE_STAT_LOCAL_ARP, STELE_STAT_LOCAL_ND,
						STELE_STAT_LOCAL_ECHO4, STELE_STAT_LOCAL_ECHO6};

	process_one(burst_case_arp_request());
	process_one(burst_case_solicitation());
	process_one(echo_request());
	process_one(echo_request6());
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(burst_case_value(stats[i]), 1);
}

/* ---- to the kernel ---- */

/* One frame of what the kernel is given. */
struct punted {
	const char *what;
	const char *to; /* NULL: the worker's address of this family */
	unsigned family;
	uint8_t protocol;
	uint16_t to_port; /* TCP and UDP; ICMPv6: the type, in the upper byte */
	bool tagged;      /* with a priority */
	enum stele_stat stat;
	bool reserved;
	uint8_t hop_limit;
};

static const struct punted punted[] = {
	{"OSPF hello", "224.0.0.5", 4, 89, 0, false, STELE_STAT_PUNT_GROUP, true, 255},
	{"VRRP", "224.0.0.18", 4, 112, 0, false, STELE_STAT_PUNT_GROUP, true, 255},
	{"OSPF with a priority", "224.0.0.5", 4, 89, 0, true, STELE_STAT_PUNT_GROUP, true, 255},
	{"OSPFv3 hello", "ff02::5", 6, 89, 0, false, STELE_STAT_PUNT_GROUP, true, 255},
	{"router advertisement", "ff02::1", 6, 58, 134 << 8, false, STELE_STAT_PUNT_GROUP, true,
	 255},
	{"advertisement to us", NULL, 6, 58, 136 << 8, false, STELE_STAT_PUNT_ICMP, true, 255},
	{"router solicitation to us", NULL, 6, 58, 133 << 8, false, STELE_STAT_PUNT_ICMP, true,
	 255},
	{"redirect", NULL, 6, 58, 137 << 8, false, STELE_STAT_PUNT_ICMP, true, 255},
	{"an ICMPv6 type before these", NULL, 6, 58, 132 << 8, false, STELE_STAT_PUNT_ICMP, false,
	 255},
	{"an ICMPv6 type behind these", NULL, 6, 58, 138 << 8, false, STELE_STAT_PUNT_ICMP, false,
	 255},
	{"to the node's own address", "198.51.100.9", 4, 6, 22, false, STELE_STAT_PUNT_ADDRESS,
	 true, 64},
	{"a group beside the link's", "224.0.1.5", 4, 89, 0, false, STELE_STAT_PUNT_GROUP, false,
	 255},
	{"another group beside the link's", "224.1.0.5", 4, 89, 0, false, STELE_STAT_PUNT_GROUP,
	 false, 255},
	{"the same with a priority", NULL, 6, 58, 136 << 8, true, STELE_STAT_PUNT_ICMP, true, 255},
	{"BGP", NULL, 4, 6, 179, false, STELE_STAT_PUNT_TCP, true, 255},
	{"BGP with a priority", NULL, 4, 6, 179, true, STELE_STAT_PUNT_TCP, true, 255},
	{"BGP with a priority, IPv6", NULL, 6, 6, 179, true, STELE_STAT_PUNT_TCP, true, 255},
	{"BFD", NULL, 4, 17, 3784, false, STELE_STAT_PUNT_UDP_PORT, true, 255},
	{"BFD with a priority, IPv6", NULL, 6, 17, 3784, true, STELE_STAT_PUNT_UDP_PORT, true, 255},
	{"BFD from afar", NULL, 4, 17, 3784, false, STELE_STAT_PUNT_UDP_PORT, false, 61},
	{"BFD from afar, IPv6", NULL, 6, 17, 3784, false, STELE_STAT_PUNT_UDP_PORT, false, 61},
	{"DNS over TCP", NULL, 4, 6, 53, false, STELE_STAT_PUNT_TCP, false, 255},
	{"DNS over TCP with a priority", NULL, 4, 6, 53, true, STELE_STAT_PUNT_TCP, false, 255},
	{"DNS over TLS, IPv6", NULL, 6, 6, 853, false, STELE_STAT_PUNT_TCP, false, 255},
	{"mDNS", "224.0.0.251", 4, 17, 5353, false, STELE_STAT_PUNT_GROUP, false, 255},
	{"mDNS, IPv6", "ff02::fb", 6, 17, 5353, false, STELE_STAT_PUNT_GROUP, false, 255},
	{"a group that is routed", "239.1.1.1", 4, 89, 0, false, STELE_STAT_PUNT_GROUP, false, 255},
	{"broadcast", "255.255.255.255", 4, 1, 8 << 8, false, STELE_STAT_PUNT_GROUP, false, 255},
	{"a routed group, IPv6", "ff05::5", 6, 89, 0, false, STELE_STAT_PUNT_GROUP, false, 255},
	{"unreachable", NULL, 6, 58, 1 << 8, false, STELE_STAT_PUNT_ICMP, false, 255},
	{"UDP to another port", NULL, 6, 17, 123, false, STELE_STAT_PUNT_UDP_PORT, false, 255},
};

/* What would be reserved, if it were not cut off in front of what says so. */
static const struct punted cut_off[] = {
	{"ICMPv6 with nothing in it", NULL, 6, 58, 136 << 8, false, STELE_STAT_PUNT_ICMP, false,
	 255},
	{"TCP without ports", NULL, 4, 6, 179, false, STELE_STAT_PUNT_TCP, false, 255},
	{"TCP without ports, IPv6", NULL, 6, 6, 179, false, STELE_STAT_PUNT_TCP, false, 255},
};

enum { PAYLOAD = 24 };

static struct rte_mbuf *make_punted(const struct punted *p, unsigned payload)
{
	struct rte_mbuf *mbuf;
	uint32_t l3 = p->tagged ? 18 : 14, ip_sz = p->family == 4 ? 20 : 40;
	uint16_t type = p->family == 4 ? 0x0800 : 0x86dd;
	uint8_t *frame = burst_case_frame(&mbuf, p->tagged ? 0x8100 : type, l3 + ip_sz + PAYLOAD);
	uint8_t *ip = frame + l3;

	if (p->tagged) {
		frame[14] = 3 << 5;
		stele_put_be16(frame + 16, type);
	}
	if (p->family == 4) {
		ip[0] = 0x45;
		stele_put_be16(ip + 2, (uint16_t)(ip_sz + payload));
		ip[8] = p->hop_limit;
		ip[9] = p->protocol;
		memcpy(ip + 12, "\x0a\0\0\1", 4);
		memcpy(ip + 16, loop_server4, 4);
	} else {
		ip[0] = 0x60;
		stele_put_be16(ip + 4, (uint16_t)payload);
		ip[6] = p->protocol;
		ip[7] = p->hop_limit;
		memcpy(ip + 8, loop_server6, 16);
		ip[8 + 15] ^= 1;
		memcpy(ip + 24, loop_server6, 16);
	}
	if (p->to)
		assert_int_equal(inet_pton(p->family == 4 ? AF_INET : AF_INET6, p->to,
					   ip + (p->family == 4 ? 16 : 24)),
				 1);
	/* ICMP has its type where ports are. */
	if (p->protocol == 6 || p->protocol == 17)
		stele_put_be16(ip + ip_sz + 2, p->to_port);
	else
		stele_put_be16(ip + ip_sz, p->to_port);
	if (p->family == 4) {
		uint16_t sum = (uint16_t)~loop_sum(ip, ip_sz, 0);
		memcpy(ip + 10, &sum, 2);
	}
	/* What is cut off is still in the buffer, and must not be looked at. */
	assert_int_equal(rte_pktmbuf_trim(mbuf, (uint16_t)(PAYLOAD - payload)), 0);
	return mbuf;
}

static struct rte_mbuf *link_protocol(void)
{
	struct rte_mbuf *mbuf;

	burst_case_frame(&mbuf, 0x88cc, 60);
	return mbuf;
}

static struct rte_mbuf *arp_of_another(void)
{
	struct rte_mbuf *mbuf = burst_case_arp_request();

	rte_pktmbuf_mtod(mbuf, uint8_t *)[14 + 24 + 3] ^= 1;
	return mbuf;
}

static void check_punted(const struct punted *p, unsigned payload)
{
	uint64_t before = burst_case_value(p->stat);
	uint64_t capped = burst_case_value(STELE_STAT_DROP_PUNT_CAP);

	process_one(make_punted(p, payload));
	if (burst_case_value(p->stat) - before != p->reserved ||
	    burst_case_value(STELE_STAT_DROP_PUNT_CAP) - capped != !p->reserved)
		fail_msg("%s", p->what);
}

/* What the worker gives to the kernel ends here. */
static void open_kernel(struct stele_exception *exception)
{
	exception->to_kernel = rte_ring_create("kernel", 64, 0, 0);
	assert_non_null(exception->to_kernel);
	burst_case_server.worker->exception = exception;
}

static void close_kernel(struct stele_exception *exception)
{
	void *mbuf = NULL;

	while (rte_ring_dequeue(exception->to_kernel, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(exception->to_kernel);
}

/* For the daemon, and of no use to the network. */
static struct rte_mbuf *notify(void)
{
	static const uint8_t message[12] = {[2] = 0x20};

	return burst_case_query(message, sizeof(message));
}

/* With nothing left but the reserve. */
static void test_the_reserve(void **state)
{
	(void)state;
	struct stele_worker *worker = burst_case_server.worker;
	struct stele_exception exception = {0};

	open_kernel(&exception);
	process_one(notify());
	assert_int_equal(burst_case_value(STELE_STAT_PUNT_DNS), 1);

	stele_bucket_init(&worker->network_bucket, 1, 64, worker->hz);
	/* Paid for when this machine is long gone. */
	worker->punt_bucket =
		(struct stele_bucket){.paid_at = UINT64_C(1) << 62, .interval = UINT64_C(1) << 62};
	for (unsigned i = 0; i < sizeof(punted) / sizeof(punted[0]); i++)
		check_punted(&punted[i], PAYLOAD);
	for (unsigned i = 0; i < sizeof(cut_off) / sizeof(cut_off[0]); i++)
		check_punted(&cut_off[i], cut_off[i].protocol == 6 ? 3 : 0);
	process_one(link_protocol());
	process_one(arp_of_another());
	assert_int_equal(burst_case_value(STELE_STAT_PUNT_ETHERTYPE), 1);
	assert_int_equal(burst_case_value(STELE_STAT_PUNT_ARP), 1);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
	close_kernel(&exception);
}

/* A reload of the port's rate: from the next packet to the kernel on. */
static void test_another_rate(void **state)
{
	(void)state;
	struct stele_worker *worker = burst_case_server.worker;
	struct stele_exception exception = {0};
	struct stele_worker_rules rules = *stele_worker_rules(worker);
	enum { BURST_OF_ONE = 16 }; /* so many at once, however low the rate */

	open_kernel(&exception);
	for (unsigned i = 0; i < 2 * BURST_OF_ONE; i++)
		process_one(notify());
	assert_int_equal(burst_case_value(STELE_STAT_PUNT_DNS), 2 * BURST_OF_ONE);
	rules.punt_rate = 1;
	stele_worker_set_rules(worker, &rules);
	for (unsigned i = 0; i < 2 * BURST_OF_ONE; i++)
		process_one(notify());
	assert_in_range(burst_case_value(STELE_STAT_PUNT_DNS), 3 * BURST_OF_ONE,
			4 * BURST_OF_ONE - 1);
	assert_int_equal(burst_case_value(STELE_STAT_DROP_PUNT_CAP) +
				 burst_case_value(STELE_STAT_PUNT_DNS),
			 4 * BURST_OF_ONE);
	assert_int_equal(stele_stats_balance(burst_case_server.counters), 0);
	close_kernel(&exception);
}

static uint64_t rate_of(const struct stele_bucket *bucket)
{
	return rte_get_tsc_hz() / bucket->interval;
}

/* All workers of a port together: no more than its rate but for what rounding adds, a quarter of it the reserve. */
static void test_workers_share_the_rate(void **state)
{
	(void)state;
	enum { WORKERS = 4, RATE = 4000 };
	struct stele_worker *worker;
	struct stele_error error;
	const struct stele_worker_settings settings = {
		.port_workers = WORKERS,
		.punt_rate = RATE,
		.frame = &burst_case_server.frame,
		.root = burst_case_server.worker->root,
		.stats = burst_case_server.counters,
		.rows = burst_case_server.worker->rows,
		.answers = &burst_case_server.answers,
	};

	assert_int_equal(stele_worker_new(&settings, &worker, &error), 0);
	assert_in_range(rate_of(&worker->network_bucket), RATE / WORKERS / 4,
			RATE / WORKERS / 4 + 2);
	assert_in_range(rate_of(&worker->punt_bucket), RATE / WORKERS * 3 / 4,
			RATE / WORKERS * 3 / 4 + 2);
	stele_worker_free(worker);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_kind_counts, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_echo_leaves_neighbours_alone, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_the_reserve, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_another_rate, burst_case_open,
						burst_case_close),
		cmocka_unit_test_setup_teardown(test_workers_share_the_rate, burst_case_open,
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
