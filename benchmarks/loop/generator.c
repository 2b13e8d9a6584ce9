/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/generator.h"

#include "lib/base/bytes.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reply that takes longer is lost. A server that the system does not run for some time, on a machine that
 * is overloaded, is not to be taken for one that loses queries. */
#define LOST_SECONDS 5

/* Between two polls the generator works for at most about 5 us. */
#define PAUSE_SECONDS 50e-6

#define QUERIES_AHEAD 8 /* fetched into the cache before their turn */

#define L2_SZ 14
#define UDP_SZ 8
#define HEADERS4_SZ (L2_SZ + 20 + UDP_SZ)
#define HEADERS6_SZ (L2_SZ + 40 + UDP_SZ)

const uint8_t loop_server_mac[6] = {0x02, 0, 0, 0, 0, 0x53};
const uint8_t loop_client_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t loop_server4[4] = {192, 0, 2, 53};
const uint8_t loop_server6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x53};

/* A query that is under way. */
struct slot {
	uint64_t sent; /* ticks; 0: the slot is free */
	uint32_t query;
	uint16_t id, port;
	uint16_t client; /* network, in the order of its bytes */
	uint8_t family, host;
};

struct loop_generator {
	struct loop_settings settings;
	struct slot slots[LOOP_WINDOW_MAX];
	uint32_t in_flight;
	uint16_t next_id;
	uint32_t burst_cnt;
	size_t next_query;
	uint64_t random;
	uint64_t lost_ticks, pause_ticks, last_poll, last_pause_end;
	bool counting;
	unsigned until_check;
	uint8_t headers4[HEADERS4_SZ], headers6[HEADERS6_SZ]; /* the fields that do not change */
	uint32_t ip4_sum, udp4_sum, udp6_sum;                 /* of them */
	struct loop_result result;
};

/* ---- out ---- */

static void make_headers(struct loop_generator *generator)
{
	uint8_t *h4 = generator->headers4, *h6 = generator->headers6;

	memcpy(h4, loop_server_mac, 6);
	memcpy(h4 + 6, loop_client_mac, 6);
	memcpy(h6, h4, 12);
	stele_put_be16(h4 + 12, 0x0800);
	stele_put_be16(h6 + 12, 0x86dd);
	uint8_t *ip = h4 + L2_SZ;
	ip[0] = 0x45;
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 16, loop_server4, 4);
	stele_put_be16(ip + 20 + 2, 53);
	generator->ip4_sum = loop_sum(ip, 20, 0);
	generator->udp4_sum = loop_sum(ip + 12, 12, htons(17));
	ip = h6 + L2_SZ;
	ip[0] = 0x60;
	ip[6] = 17;
	ip[7] = 64;
	stele_put_be32(ip + 8, 0x20010db8);
	memcpy(ip + 24, loop_server6, 16);
	stele_put_be16(ip + 40 + 2, 53);
	generator->udp6_sum = loop_sum(ip + 8, 36, htons(17));
}

static inline uint16_t checksum(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static inline void put16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, 2);
}

static inline void write_frame(struct loop_generator *generator, struct rte_mbuf *mbuf,
			       unsigned family, uint16_t id, uint64_t now)
{
	const struct loop_settings *settings = &generator->settings;
	const struct loop_query *query = &settings->queries->items[generator->next_query];
	struct slot *slot = &generator->slots[id % LOOP_WINDOW_MAX];
	uint64_t random = sample_random(&generator->random);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint32_t headers_sz = family == 4 ? HEADERS4_SZ : HEADERS6_SZ;
	uint32_t len = headers_sz + query->len;
	uint16_t udp_len = htons((uint16_t)(UDP_SZ + query->len));

	slot->sent = now;
	slot->query = (uint32_t)generator->next_query;
	slot->id = id;
	slot->client = htons((uint16_t)((random & 0xffff) * settings->client_cnt >> 16));
	slot->host = (uint8_t)(1 + (random >> 16 & 0x7f));
	slot->port = htons((uint16_t)(1024 + (random >> 32 & 0x7fff)));
	slot->family = (uint8_t)family;
	if (++generator->next_query == settings->queries->cnt)
		generator->next_query = 0;

	uint16_t net_id = htons(id), host = htons(slot->host);
	uint32_t sum = (uint32_t)slot->port + query->sum + net_id + 2 * udp_len;
	uint8_t *udp = frame + headers_sz - UDP_SZ;
	if (family == 4) {
		uint16_t total = htons((uint16_t)(len - L2_SZ));
		uint8_t *ip = frame + L2_SZ;
		memcpy(frame, generator->headers4, HEADERS4_SZ);
		/* 10.client.client.host */
		ip[12] = 10;
		memcpy(ip + 13, &slot->client, 2);
		ip[15] = slot->host;
		uint16_t source[2];
		memcpy(source, ip + 12, 4);
		put16(ip + 2, total);
		put16(ip + 10, checksum(generator->ip4_sum + total + source[0] + source[1]));
		sum += generator->udp4_sum + source[0] + source[1];
	} else {
		uint8_t *ip = frame + L2_SZ;
		memcpy(frame, generator->headers6, HEADERS6_SZ);
		put16(ip + 4, udp_len);
		put16(ip + 12, slot->client);
		put16(ip + 22, host);
		sum += generator->udp6_sum + slot->client + host;
	}
	put16(udp, slot->port);
	put16(udp + 4, udp_len);
	uint16_t udp_sum = checksum(sum);
	put16(udp + 6, udp_sum ? udp_sum : 0xffff);
	memcpy(udp + UDP_SZ, query->msg, 64);
	if (query->len > 64)
		memcpy(udp + UDP_SZ + 64, query->msg + 64, LOOP_QUERY_MAX - 64);
	put16(udp + UDP_SZ, net_id);
	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = len;
}

static void send_burst(struct loop_generator *generator)
{
	const struct loop_settings *settings = &generator->settings;
	struct rte_mbuf *mbufs[LOOP_BURST];
	unsigned family = settings->family;

	if (family == 0)
		family = generator->burst_cnt++ & 1 ? 6 : 4;
	if (rte_pktmbuf_alloc_bulk(settings->pool, mbufs, LOOP_BURST) != 0)
		return;
	size_t ahead = generator->next_query + LOOP_BURST;
	for (unsigned i = 0; i < QUERIES_AHEAD; i++) {
		const struct loop_query *query =
			&settings->queries->items[(ahead + i) % settings->queries->cnt];
		rte_prefetch0(query);
		rte_prefetch0((const uint8_t *)query + 64);
	}
	uint64_t now = rte_rdtsc();
	for (unsigned i = 0; i < LOOP_BURST; i++) {
		/* There are fewer in flight than slots. */
		while (generator->slots[generator->next_id % LOOP_WINDOW_MAX].sent)
			generator->next_id++;
		write_frame(generator, mbufs[i], family, generator->next_id++, now);
	}
	unsigned sent = 0;
	while (sent < LOOP_BURST)
		sent += rte_eth_tx_burst(settings->port_id, 0, mbufs + sent,
					 (uint16_t)(LOOP_BURST - sent));
	generator->in_flight += LOOP_BURST;
	if (generator->counting)
		generator->result.sent += LOOP_BURST;
}

/* ---- in ---- */

static void note_wrong(struct loop_generator *generator, const char *what,
		       const struct rte_mbuf *mbuf)
{
	struct loop_result *result = &generator->result;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);

	if (result->wrong++ > 0)
		return;
	int at = snprintf(result->first_wrong, sizeof(result->first_wrong), "%s; %u bytes:", what,
			  rte_pktmbuf_data_len(mbuf));
	for (unsigned i = 0; i < rte_pktmbuf_data_len(mbuf) && at > 0 &&
			     (size_t)at + 3 < sizeof(result->first_wrong);
	     i++)
		at += snprintf(result->first_wrong + at, sizeof(result->first_wrong) - (size_t)at,
			       "%02x", frame[i]);
}

static void make_client(const struct slot *slot, struct stele_client *ret_client)
{
	memset(ret_client, 0, sizeof(*ret_client));
	ret_client->family = slot->family;
	if (slot->family == 4) {
		ret_client->addr[0] = 10;
		memcpy(ret_client->addr + 1, &slot->client, 2);
		ret_client->addr[3] = slot->host;
	} else {
		stele_put_be32(ret_client->addr, 0x20010db8);
		memcpy(ret_client->addr + 4, &slot->client, 2);
		ret_client->addr[15] = slot->host;
	}
}

static const char *check_bytes(const struct loop_generator *generator, const struct slot *slot,
			       const struct rte_mbuf *mbuf)
{
	const struct loop_query *query = &generator->settings.queries->items[slot->query];
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint32_t headers_sz = slot->family == 4 ? HEADERS4_SZ : HEADERS6_SZ;
	const uint8_t *reply = frame + headers_sz;
	uint32_t len = rte_pktmbuf_data_len(mbuf), reply_len = len - headers_sz;
	uint8_t msg[LOOP_QUERY_MAX];
	struct stele_client client;

	if (!loop_check_frame(frame, len))
		return "lengths or checksums";
	memcpy(msg, query->msg, query->len);
	stele_put_be16(msg, slot->id);
	if (generator->settings.peer != LOOP_SERVER)
		return reply_len == query->len && memcmp(reply, msg, reply_len) == 0 ?
			       NULL :
			       "not the query's bytes";
	make_client(slot, &client);
	return loop_check_message(generator->settings.checker, &client, msg, query->len, reply,
				  reply_len) ?
		       NULL :
		       "not the bytes of the answer";
}

/* Addresses and ports of the frame of a query or reply, as its receiver sees them. */
static inline bool is_for(const uint8_t *frame, const struct slot *slot, uint32_t ip_off,
			  bool swapped)
{
	const uint8_t *server_mac = swapped ? frame + 6 : frame;
	const uint8_t *client_mac = swapped ? frame : frame + 6;
	uint32_t sz = slot->family == 4 ? 4 : 16;
	const uint8_t *source = frame + ip_off, *target = source + sz, *ports = target + sz;
	const uint8_t *client = swapped ? target : source, *server = swapped ? source : target;
	uint16_t server_port = htons(53);
	bool ok = memcmp(server_mac, loop_server_mac, 6) == 0 &&
		  memcmp(client_mac, loop_client_mac, 6) == 0 &&
		  memcmp(ports + (swapped ? 2 : 0), &slot->port, 2) == 0 &&
		  memcmp(ports + (swapped ? 0 : 2), &server_port, 2) == 0 &&
		  client[sz - 1] == slot->host;

	if (slot->family == 4)
		return ok && client[0] == 10 && memcmp(client + 1, &slot->client, 2) == 0 &&
		       memcmp(server, loop_server4, 4) == 0;
	return ok && memcmp(client + 4, &slot->client, 2) == 0 &&
	       memcmp(server, loop_server6, 16) == 0;
}

/* A port tells the link of its addresses when it comes up. */
static bool is_announcement(const uint8_t *frame)
{
	uint16_t ethertype = stele_get_be16(frame + 12);

	return ethertype == 0x0806 || (ethertype == 0x86dd && frame[L2_SZ + 6] == 58);
}

static inline void receive(struct loop_generator *generator, const struct rte_mbuf *mbuf,
			   uint64_t now)
{
	const struct loop_settings *settings = &generator->settings;
	struct loop_result *result = &generator->result;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	unsigned family = stele_get_be16(frame + 12) == 0x0800 ? 4 : 6;
	uint32_t headers_sz = family == 4 ? HEADERS4_SZ : HEADERS6_SZ;

	if (family != 4 && is_announcement(frame))
		return;
	if (rte_pktmbuf_data_len(mbuf) < headers_sz + 12) {
		note_wrong(generator, "too short", mbuf);
		return;
	}
	const uint8_t *reply = frame + headers_sz;
	uint16_t id = stele_get_be16(reply);
	struct slot *slot = &generator->slots[id % LOOP_WINDOW_MAX];
	if (slot->sent == 0 || slot->id != id || slot->family != family ||
	    !is_for(frame, slot, family == 4 ? L2_SZ + 12 : L2_SZ + 8,
		    settings->peer != LOOP_NOBODY)) {
		note_wrong(generator, "to nobody's query", mbuf);
		return;
	}
	uint64_t took = now - slot->sent;
	bool steady = slot->sent >= generator->last_pause_end;
	const char *fault = NULL;
	if (settings->peer == LOOP_SERVER &&
	    ((reply[2] & 0x82) != 0x80 || (reply[3] & 0x0f) != settings->queries->rcode))
		fault = "rcode or flags";
	if (!fault && settings->check_every && --generator->until_check == 0) {
		generator->until_check = settings->check_every;
		result->checked++;
		fault = check_bytes(generator, slot, mbuf);
	}
	slot->sent = 0;
	generator->in_flight--;
	if (fault)
		note_wrong(generator, fault, mbuf);
	if (!generator->counting)
		return;
	result->received++;
	uint32_t bucket = stele_stats_bucket(took, LOOP_BUCKETS);
	result->times.buckets[bucket]++;
	result->steady.buckets[bucket] += steady;
}

/* Whether anything came. */
static bool poll_once(struct loop_generator *generator)
{
	const struct loop_settings *settings = &generator->settings;
	struct rte_mbuf *mbufs[LOOP_BURST];
	uint64_t before = rte_rdtsc();

	/* Replies that lay there meanwhile are late by no fault of the server. */
	if (before - generator->last_poll > generator->pause_ticks) {
		generator->last_pause_end = before;
		generator->result.pauses += generator->counting;
	}
	generator->last_poll = before;
	uint16_t cnt = rte_eth_rx_burst(settings->port_id, 0, mbufs, LOOP_BURST);
	if (cnt == 0)
		return false;
	for (uint16_t i = 0; i < cnt; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (uint16_t i = 0; i < cnt; i++)
		receive(generator, mbufs[i], before);
	rte_pktmbuf_free_bulk(mbufs, cnt);
	return true;
}

static void give_up_lost(struct loop_generator *generator, uint64_t now)
{
	for (unsigned i = 0; i < LOOP_WINDOW_MAX; i++) {
		struct slot *slot = &generator->slots[i];
		if (slot->sent == 0 || slot->sent + generator->lost_ticks > now)
			continue;
		slot->sent = 0;
		generator->in_flight--;
		generator->result.lost++;
	}
}

/* ---- the whole ---- */

static void take_turn(const struct loop_generator *generator)
{
	if (generator->settings.turn)
		generator->settings.turn(generator->settings.turn_user);
}

/* Until `end`; looks at the clock now and then. */
static void keep_busy(struct loop_generator *generator, uint64_t end)
{
	uint64_t next_sweep = rte_rdtsc() + generator->lost_ticks / 4;

	while (generator->last_poll < end) {
		take_turn(generator);
		poll_once(generator);
		/* Where the server has to wait for its turn, the window is filled at once. */
		bool more = true;
		while (more && generator->in_flight + LOOP_BURST <= generator->settings.window) {
			send_burst(generator);
			more = generator->settings.turn != NULL;
		}
		if (generator->last_poll > next_sweep) {
			give_up_lost(generator, generator->last_poll);
			next_sweep = generator->last_poll + generator->lost_ticks / 4;
		}
	}
}

int loop_generator_run(void *arg)
{
	struct loop_generator *generator = arg;
	const struct loop_settings *settings = &generator->settings;
	struct loop_result *result = &generator->result;
	double hz = (double)rte_get_tsc_hz();

	generator->last_poll = rte_rdtsc();
	keep_busy(generator, generator->last_poll + (uint64_t)(settings->warm_seconds * hz));
	generator->counting = true;
	uint64_t began = rte_rdtsc();
	keep_busy(generator, began + (uint64_t)(settings->seconds * hz));
	result->counted = result->received;
	result->seconds = (double)(rte_rdtsc() - began) / hz;
	while (generator->in_flight > 0) {
		take_turn(generator);
		poll_once(generator);
		give_up_lost(generator, generator->last_poll);
	}
	return 0;
}

struct loop_generator *loop_generator_new(const struct loop_settings *settings)
{
	struct loop_generator *generator = aligned_alloc(64, (sizeof(*generator) + 63) / 64 * 64);

	if (generator == NULL)
		abort();
	memset(generator, 0, sizeof(*generator));
	generator->settings = *settings;
	generator->random = 1;
	generator->until_check = settings->check_every;
	generator->lost_ticks = LOST_SECONDS * rte_get_tsc_hz();
	generator->pause_ticks = (uint64_t)(PAUSE_SECONDS * (double)rte_get_tsc_hz());
	make_headers(generator);
	return generator;
}

void loop_generator_free(struct loop_generator *generator)
{
	free(generator);
}

const struct loop_result *loop_generator_result(const struct loop_generator *generator)
{
	return &generator->result;
}

double loop_quantile_us(const struct loop_times *times, double fraction)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < LOOP_BUCKETS; i++)
		total += times->buckets[i];
	for (unsigned i = 0; i < LOOP_BUCKETS && total > 0; i++) {
		seen += times->buckets[i];
		if ((double)seen >= fraction * (double)total)
			return (double)stele_stats_bucket_floor(i + 1) * 1e6 /
			       (double)rte_get_tsc_hz();
	}
	return 0;
}
