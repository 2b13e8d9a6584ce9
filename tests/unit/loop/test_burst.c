/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst is counted as it left: each packet once, whatever the port takes of it. On a port of two rings, of which
 * the one that leads out is small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/check.h"
#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/server.h"
#include "lib/base/bytes.h"
#include "responder/worker/internal.h"

#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 7, BURST = STELE_BURST_MAX };

static const char *image;
static struct rte_mempool *pool;
static struct rte_ring *out;
static uint16_t port_id;
static struct stele_serve *serve;
static struct loop_server server;

static const uint8_t message[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0, 0,   0,
				  0,    0,    4,   'n', 'o', 'n', 'e', 7, 'i', 'n',
				  'v',  'a',  'l', 'i', 'd', 0,   0,   1, 0,   1};

static int start(void **state)
{
	(void)state;
	struct stele_error error;
	const struct stele_serve_options options = {
		.arena = {.size = 64u << 20, .pages = STELE_ARENA_PAGES_PLAIN, .node = -1}};
	struct stele_serve_load_info info;
	struct rte_ring *in = rte_ring_create("in", 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);

	out = rte_ring_create("out", ROOM + 1, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	pool = loop_pool_new();
	int id = rte_eth_from_rings("port", &in, 1, &out, 1, 0);
	assert_true(id >= 0);
	port_id = (uint16_t)id;
	loop_port_start(port_id, 64, pool);
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(stele_serve_open(&options, &serve, &error), 0);
	assert_int_equal(stele_serve_load(serve, fd, image, &info, &error), 0);
	close(fd);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stele_serve_close(serve);
	return 0;
}

static int open_worker(void **state)
{
	(void)state;
	struct stele_error error;
	const struct loop_server_settings settings = {
		.port_id = port_id, .pool = pool, .root = stele_serve_root(serve)};

	assert_int_equal(loop_server_open(&settings, &server, &error), 0);
	return 0;
}

static int close_worker(void **state)
{
	(void)state;
	void *mbuf;

	while (rte_ring_dequeue(out, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	/* What it took is all given back. */
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	loop_server_close(&server);
	return 0;
}

static uint8_t *frame(struct rte_mbuf **ret_mbuf, uint16_t ethertype, uint32_t len)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	assert_non_null(mbuf);
	uint8_t *bytes = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)len);
	memset(bytes, 0, len);
	memcpy(bytes, loop_server_mac, 6);
	memcpy(bytes + 6, loop_client_mac, 6);
	stele_put_be16(bytes + 12, ethertype);
	*ret_mbuf = mbuf;
	return bytes;
}

/* Of protocol 17 (UDP, without a checksum) a query. */
static struct rte_mbuf *packet(uint8_t protocol)
{
	struct rte_mbuf *mbuf;
	uint8_t *ip = frame(&mbuf, 0x0800, 14 + 20 + 8 + sizeof(message)) + 14;

	ip[0] = 0x45;
	stele_put_be16(ip + 2, 20 + 8 + sizeof(message));
	ip[8] = 64;
	ip[9] = protocol;
	ip[12] = 10;
	ip[15] = 1;
	memcpy(ip + 16, loop_server4, 4);
	uint32_t sum = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += stele_get_be16(ip + i);
	stele_put_be16(ip + 10, (uint16_t) ~(sum + (sum >> 16)));
	stele_put_be16(ip + 20, 12345);
	stele_put_be16(ip + 22, 53);
	stele_put_be16(ip + 24, 8 + sizeof(message));
	memcpy(ip + 28, message, sizeof(message));
	return mbuf;
}

static struct rte_mbuf *arp_request(void)
{
	struct rte_mbuf *mbuf;
	uint8_t *arp = frame(&mbuf, 0x0806, 60) + 14;

	memset(arp - 14, 0xff, 6);
	memcpy(arp, "\0\1\10\0\6\4\0\1", 8);
	memcpy(arp + 8, loop_client_mac, 6);
	arp[14] = 10;
	arp[17] = 1;
	memcpy(arp + 24, loop_server4, 4);
	return mbuf;
}

static struct rte_mbuf *cut_off(void)
{
	struct rte_mbuf *mbuf;

	frame(&mbuf, 0x0800, 20);
	return mbuf;
}

static uint64_t value(enum stele_stat stat)
{
	return server.counters->values[stat];
}

static uint64_t row_sum(void)
{
	const struct stele_stats_zone_row *row = stele_stats_zone_rows(server.stats, 0);

	return row->values[STELE_ZONE_STAT_ANSWER] + row->values[STELE_ZONE_STAT_REFERRAL] +
	       row->values[STELE_ZONE_STAT_NODATA] + row->values[STELE_ZONE_STAT_NXDOMAIN] +
	       row->values[STELE_ZONE_STAT_ERROR];
}

static uint64_t histogram_sum(enum stele_histogram histogram)
{
	uint32_t cnt;
	const uint64_t *buckets = stele_stats_histogram(server.counters, histogram, &cnt);
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
		return packet(6);
	case 9:
		return arp_request();
	default:
		return packet(17);
	}
}

/* A burst; the port has room for `room`. */
static void process(unsigned room)
{
	struct rte_mbuf *mbufs[BURST];

	for (unsigned i = 0; i < ROOM - room; i++)
		assert_int_equal(rte_ring_enqueue(out, packet(17)), 0);
	for (unsigned i = 0; i < BURST; i++)
		mbufs[i] = nth_of_burst(i);
	stele_burst_process(server.worker, stele_serve_view(stele_serve_root(serve)), mbufs, BURST,
			    rte_rdtsc());
}

static void check(unsigned left)
{
	unsigned locals = left > 0;

	assert_int_equal(value(STELE_STAT_RX_PACKETS), BURST);
	assert_int_equal(value(STELE_STAT_TX_PACKETS), left);
	assert_int_equal(value(STELE_STAT_LOCAL_ARP), locals);
	assert_int_equal(value(STELE_STAT_ANSWERED_UDP4), left - locals);
	assert_int_equal(value(STELE_STAT_ANSWERED_UDP6), 0);
	assert_int_equal(value(STELE_STAT_DROP_TX_FULL), BURST - 2 - left);
	assert_int_equal(value(STELE_STAT_DROP_SHORT), 1);
	assert_int_equal(value(STELE_STAT_DROP_PUNT_NOWHERE), 1);
	assert_int_equal(stele_stats_balance(server.counters), 0);
	/* What is told of replies is told of those that left. */
	assert_int_equal(value(STELE_STAT_RCODE_REFUSED), left - locals);
	assert_int_equal(value(STELE_STAT_RCODE_NOERROR), 0);
	assert_int_equal(row_sum(), left - locals);
	assert_int_equal(histogram_sum(STELE_HISTOGRAM_RESPONSE_SIZE), left - locals);
	assert_int_equal(histogram_sum(STELE_HISTOGRAM_RESPONSE_TIME), left - locals);
	uint64_t bytes = stele_stats_zone_rows(server.stats, 0)->values[STELE_ZONE_STAT_TX_BYTES];
	assert_int_equal(server.counters->sums[STELE_HISTOGRAM_RESPONSE_SIZE], bytes);
	assert_int_equal(value(STELE_STAT_TX_BYTES), bytes + 42 * (left - locals) + 42 * locals);
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
		assert_true(value((enum stele_stat)i) > 0);
		sum += value((enum stele_stat)i);
	}
	assert_true(sum <= all);
	assert_int_equal(value(STELE_STAT_CYCLES_HZ), rte_get_tsc_hz());
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_some, open_worker,
						close_worker),
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_one, open_worker,
						close_worker),
		cmocka_unit_test_setup_teardown(test_a_port_that_takes_none, open_worker,
						close_worker),
		cmocka_unit_test_setup_teardown(test_stages_are_timed, open_worker, close_worker),
	};

	if (argc != 2)
		return 2;
	image = argv[1];
	loop_eal_start("test_burst", "0@0", NULL, false);
	return cmocka_run_group_tests(tests, start, end);
}
