/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame costs beside its answer: stele_frame_parse() and stele_frame_reply() over bursts of 32
 * buffers, as a NIC fills them. Frames and replies are written outside of the measured time. A round's
 * figure is that of its median burst; cases take turns.
 *
 *   bench_frame [--rounds N] [--bursts N] [--only CASE]
 */
#include "benchmarks/measure.h"
#include "lib/base/bytes.h"
#include "responder/frame/frame.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	BURST = 32,
	BUFFER_SZ = 2048 + 64, /* an odd number of cache lines apart */
	ROUNDS_MAX = 31,
	QUESTION_SZ = 29,
	BODY_SZ = 160, /* an address and its signature */
	REPLY_SZ = QUESTION_SZ + BODY_SZ + 11,
};

static struct bench_case {
	const char *name;
	unsigned family;
	bool offload, known_sum;
	uint16_t vlan_id;
	double parse_ns[ROUNDS_MAX], reply_ns[ROUNDS_MAX];
} cases[] = {
	{.name = "ipv4", .family = 4, .known_sum = true},
	{.name = "ipv4-unknown-sum", .family = 4},
	{.name = "ipv4-offload", .family = 4, .offload = true, .known_sum = true},
	{.name = "ipv6", .family = 6, .known_sum = true},
	{.name = "ipv6-unknown-sum", .family = 6},
	{.name = "ipv4-vlan", .family = 4, .known_sum = true, .vlan_id = 7},
	{.name = "ipv6-vlan", .family = 6, .known_sum = true, .vlan_id = 7},
	{.name = "ipv6-offload", .family = 6, .offload = true, .known_sum = true},
};
#define CASE_CNT (sizeof(cases) / sizeof(cases[0]))

static uint8_t buffers[BURST][BUFFER_SZ] __attribute__((aligned(64)));
static uint32_t lens[BURST];
static struct stele_frame frames[BURST];
static struct stele_reply replies[BURST];

static const struct stele_frame_address addresses[] = {
	{{4, {10, 53, 0, 2}}, 24},
	{{6, {0xfd, 0x53, [15] = 2}}, 64},
};

/* One's-complement sum of big-endian words. */
static uint32_t sum(uint32_t start, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		start += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (start > 0xffff)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* Frames that differ in client and port, as clients do. */
static void receive(unsigned family, uint16_t vlan_id)
{
	static const uint8_t macs[12] = {2, 0x53, [5] = 1, 2, 0x99, [11] = 7};
	const uint32_t udp_len = 8 + QUESTION_SZ + 11;
	for (unsigned i = 0; i < BURST; i++) {
		uint8_t *ip = buffers[i] + (vlan_id ? 18 : 14);
		uint8_t *udp = ip + (family == 4 ? 20 : 40);
		memset(buffers[i], 0, BUFFER_SZ);
		memcpy(buffers[i], macs, sizeof(macs));
		stele_put_be32(buffers[i] + 12, UINT32_C(0x8100) << 16 | vlan_id);
		stele_put_be16(ip - 2, family == 4 ? 0x0800 : 0x86dd);
		if (family == 4) {
			stele_put_be64(ip, UINT64_C(0x45000000beef0000) | (uint64_t)(20 + udp_len)
										  << 32);
			stele_put_be32(ip + 8, 57u << 24 | 17 << 16);
			stele_put_be32(ip + 12, 0xc6336401 + i);
			memcpy(ip + 16, addresses[0].address.addr, 4);
			stele_put_be16(ip + 10, (uint16_t)~sum(0, ip, 20));
		} else {
			stele_put_be64(ip, UINT64_C(6) << 60 | udp_len << 16 | 17 << 8 | 57);
			stele_put_be64(ip + 8, 0x20010db800070000);
			stele_put_be64(ip + 16, i + 1);
			memcpy(ip + 24, addresses[1].address.addr, 16);
		}
		stele_put_be64(udp, (uint64_t)(1024 + i * 1999) << 48 | UINT64_C(53) << 32 |
					    udp_len << 16);
		memset(udp + 8, (int)i + 1, QUESTION_SZ + 11);
		const uint8_t *pseudo = family == 4 ? ip + 12 : ip + 8;
		uint32_t check = sum(17 + udp_len, pseudo, (uint32_t)(udp - pseudo) + udp_len);
		stele_put_be16(udp + 6, (uint16_t)~check);
		lens[i] = (uint32_t)(udp - buffers[i]) + udp_len;
	}
}

/* What lib/answer would do between the two. */
static void answer(bool known_sum)
{
	for (unsigned i = 0; i < BURST; i++) {
		struct stele_query query;
		stele_frame_query(&frames[i], buffers[i], &query, &replies[i]);
		replies[i].len = REPLY_SZ;
		memset(replies[i].buf + QUESTION_SZ, (int)i, REPLY_SZ - QUESTION_SZ);
		replies[i].body_off = QUESTION_SZ;
		replies[i].body_len = known_sum ? BODY_SZ : 0;
		replies[i].body_sum =
			known_sum ? (uint16_t)sum(0, replies[i].buf + QUESTION_SZ, BODY_SZ) : 0;
	}
}

static void run(struct bench_case *c, unsigned round, unsigned burst_cnt, double *ticks[2],
		double ns_per_tick)
{
	static struct stele_frame_port port;
	struct stele_frame_settings settings = {
		.mac = {2, 0x53, [5] = 1},
		.mtu = 1500,
		.vlan_id = c->vlan_id,
		.addresses = addresses,
		.address_cnt = 2,
		.udp_ports = {53},
		.udp_port_cnt = 1,
		.reflector_ports = stele_frame_reflector_ports,
		.reflector_port_cnt = 5,
	};
	uint32_t rx = c->offload ? STELE_FRAME_RX_IP_GOOD | STELE_FRAME_RX_UDP_GOOD : 0;
	settings.flags = c->offload ? STELE_FRAME_TX_IP_CKSUM | STELE_FRAME_TX_UDP_CKSUM : 0;
	if (stele_frame_port_init(&port, &settings, NULL) != 0)
		exit(1);
	uint64_t sent = 0;
	for (unsigned burst = 0; burst < burst_cnt; burst++) {
		receive(c->family, c->vlan_id);
		uint64_t t0 = measure_ticks();
		for (unsigned i = 0; i < BURST; i++)
			stele_frame_parse(&port, buffers[i], lens[i], 2048, rx, &frames[i]);
		uint64_t t1 = measure_ticks();
		for (unsigned i = 0; i < BURST; i++)
			if (frames[i].verdict != STELE_FRAME_QUERY)
				exit(1);
		answer(c->known_sum);
		uint64_t t2 = measure_ticks();
		for (unsigned i = 0; i < BURST; i++)
			sent += stele_frame_reply(&port, &frames[i], buffers[i], &replies[i]);
		uint64_t t3 = measure_ticks();
		ticks[0][burst] = (double)(t1 - t0);
		ticks[1][burst] = (double)(t3 - t2);
	}
	if (sent == 0)
		exit(1);
	c->parse_ns[round] = measure_median(ticks[0], burst_cnt) / BURST * ns_per_tick;
	c->reply_ns[round] = measure_median(ticks[1], burst_cnt) / BURST * ns_per_tick;
}

/* Status of a program that was asked for its usage, or used wrongly. */
static int usage(bool asked)
{
	fputs("usage: bench_frame [--rounds N] [--bursts N] [--only CASE]\n",
	      asked ? stdout : stderr);
	return asked ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"bursts", required_argument, NULL, 'b'},
						{"only", required_argument, NULL, 'o'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	unsigned rounds = 9, burst_cnt = 4000;
	const char *only = NULL;
	for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (opt == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'b')
			burst_cnt = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'o')
			only = optarg;
		else
			return usage(opt == 'h');
	}
	if (rounds == 0 || rounds > ROUNDS_MAX || burst_cnt == 0)
		return usage(false);
	double *ticks[2] = {malloc(burst_cnt * sizeof(double)), malloc(burst_cnt * sizeof(double))};
	if (ticks[0] == NULL || ticks[1] == NULL)
		abort();
	double ns_per_tick = measure_ns_per_tick();
	for (unsigned round = 0; round < rounds; round++)
		for (size_t i = 0; i < CASE_CNT; i++)
			if (only == NULL || strcmp(only, cases[i].name) == 0)
				run(&cases[i], round, burst_cnt, ticks, ns_per_tick);
	printf("| case | parse, ns | reply, ns |\n|---|--:|--:|\n");
	for (size_t i = 0; i < CASE_CNT; i++)
		if (only == NULL || strcmp(only, cases[i].name) == 0)
			printf("| %s | %.1f | %.1f |\n", cases[i].name,
			       measure_median(cases[i].parse_ns, rounds),
			       measure_median(cases[i].reply_ns, rounds));
	free(ticks[0]);
	free(ticks[1]);
	return 0;
}
