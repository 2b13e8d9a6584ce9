/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/loop/burst_case.h"

#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/queries.h"
#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <string.h>
#include <unistd.h>

struct rte_ring *burst_case_out;
struct loop_server burst_case_server;

static struct rte_mempool *pool;
static uint16_t port_id;
static struct stele_serve *serve;

static const uint8_t message[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0, 0,   0,
				  0,    0,    4,   'n', 'o', 'n', 'e', 7, 'i', 'n',
				  'v',  'a',  'l', 'i', 'd', 0,   0,   1, 0,   1};

void burst_case_start(const char *image)
{
	struct stele_error error;
	const struct stele_serve_options options = {
		.arena = {.size = 64u << 20, .pages = STELE_ARENA_PAGES_PLAIN, .node = -1}};
	struct stele_serve_load_info info;
	struct rte_ring *in = rte_ring_create("in", 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);

	burst_case_out =
		rte_ring_create("out", BURST_CASE_ROOM + 1, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	pool = loop_pool_new();
	int id = rte_eth_from_rings("port", &in, 1, &burst_case_out, 1, 0);
	assert_true(id >= 0);
	port_id = (uint16_t)id;
	loop_port_start(port_id, 64, pool);
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(stele_serve_open(&options, &serve, &error), 0);
	assert_int_equal(stele_serve_load(serve, fd, image, &info, &error), 0);
	close(fd);
}

void burst_case_end(void)
{
	stele_serve_close(serve);
}

int burst_case_open(void **state)
{
	struct stele_error error;
	struct loop_server_settings settings = {0};

	if (*state)
		settings = *(const struct loop_server_settings *)*state;
	settings.port_id = port_id;
	settings.pool = pool;
	settings.root = stele_serve_root(serve);

	assert_int_equal(loop_server_open(&settings, &burst_case_server, &error), 0);
	return 0;
}

int burst_case_close(void **state)
{
	(void)state;
	void *mbuf;

	while (rte_ring_dequeue(burst_case_out, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	loop_server_close(&burst_case_server);
	return 0;
}

uint8_t *burst_case_frame(struct rte_mbuf **ret_mbuf, uint16_t ethertype, uint32_t len)
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

static struct rte_mbuf *packet(uint8_t protocol, const uint8_t *payload, uint16_t len)
{
	struct rte_mbuf *mbuf;
	uint8_t *ip = burst_case_frame(&mbuf, 0x0800, 14 + 20 + 8 + len) + 14;

	ip[0] = 0x45;
	stele_put_be16(ip + 2, (uint16_t)(20 + 8 + len));
	ip[8] = 64;
	ip[9] = protocol;
	ip[12] = 10;
	ip[15] = 1;
	memcpy(ip + 16, loop_server4, 4);
	uint16_t sum = (uint16_t)~loop_sum(ip, 20, 0);
	memcpy(ip + 10, &sum, 2);
	stele_put_be16(ip + 20, 12345);
	stele_put_be16(ip + 22, 53);
	stele_put_be16(ip + 24, (uint16_t)(8 + len));
	memcpy(ip + 28, payload, len);
	return mbuf;
}

struct rte_mbuf *burst_case_packet(uint8_t protocol)
{
	return packet(protocol, message, sizeof(message));
}

struct rte_mbuf *burst_case_query(const uint8_t *query, uint16_t len)
{
	return packet(17, query, len);
}

/* A frame from a neighbour with room for `len` bytes behind the IPv6 header, which are returned. */
static uint8_t *frame6(struct rte_mbuf **ret_mbuf, uint8_t next, uint8_t hops, uint16_t len)
{
	uint8_t *ip = burst_case_frame(ret_mbuf, 0x86dd, 14u + 40u + len) + 14;

	ip[0] = 0x60;
	stele_put_be16(ip + 4, len);
	ip[6] = next;
	ip[7] = hops;
	memcpy(ip + 8, loop_server6, 16);
	ip[8 + 15] ^= 1;
	memcpy(ip + 24, loop_server6, 16);
	return ip + 40;
}

/* Of what stands behind the header, with a checksum of 0 in it. */
static uint16_t sum6(const uint8_t *payload, uint8_t next, uint16_t len)
{
	uint32_t pseudo = (uint32_t)htons(len) + htons(next);

	return (uint16_t)~loop_sum(payload, len, loop_sum(payload - 32, 32, pseudo));
}

struct rte_mbuf *burst_case_query6(void)
{
	enum { LEN = 8 + sizeof(message) };
	struct rte_mbuf *mbuf;
	uint8_t *udp = frame6(&mbuf, 17, 64, LEN);

	stele_put_be16(udp, 12345);
	stele_put_be16(udp + 2, 53);
	stele_put_be16(udp + 4, LEN);
	memcpy(udp + 8, message, sizeof(message));
	uint16_t sum = sum6(udp, 17, LEN);
	memcpy(udp + 6, &sum, 2);
	return mbuf;
}

struct rte_mbuf *burst_case_arp_request(void)
{
	struct rte_mbuf *mbuf;
	uint8_t *arp = burst_case_frame(&mbuf, 0x0806, 60) + 14;

	memset(arp - 14, 0xff, 6);
	memcpy(arp, "\0\1\10\0\6\4\0\1", 8);
	memcpy(arp + 8, loop_client_mac, 6);
	arp[14] = 10;
	arp[17] = 1;
	memcpy(arp + 24, loop_server4, 4);
	return mbuf;
}

struct rte_mbuf *burst_case_solicitation(void)
{
	enum { LEN = 24 };
	struct rte_mbuf *mbuf;
	uint8_t *nd = frame6(&mbuf, 58, 255, LEN);

	nd[0] = 135;
	memcpy(nd + 8, loop_server6, 16);
	uint16_t sum = sum6(nd, 58, LEN);
	memcpy(nd + 2, &sum, 2);
	return mbuf;
}

void burst_case_process(struct rte_mbuf **mbufs, unsigned cnt)
{
	stele_burst_process(burst_case_server.worker, stele_serve_view(stele_serve_root(serve)),
			    mbufs, cnt, rte_rdtsc());
}

uint64_t burst_case_value(enum stele_stat stat)
{
	return burst_case_server.counters->values[stat];
}
