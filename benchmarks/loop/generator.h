/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_GENERATOR_H
#define STELE_BENCHMARKS_LOOP_GENERATOR_H

/*
 * A generator of queries: one lcore that writes each frame anew, sends it by a port, and checks what
 * comes back.
 *
 * It keeps a window of queries in flight: a new burst leaves when there is room for it. So the other side
 * is always busy, nothing is lost to a queue that runs over, and response times are those under full
 * load. Each query has its own id, client address and port. Of each reply are checked: MACs, addresses and
 * ports swapped, an id that is awaited, QR, rcode; of every so many-th also lengths, checksums, and each byte
 * of the message.
 */

#include "benchmarks/loop/check.h"
#include "benchmarks/loop/queries.h"
#include "lib/stats/stats.h"

#include <stdint.h>

struct rte_mempool;

#define LOOP_BURST 32
/* More would not fit into the rings between generator and server, and then queries would be lost. */
#define LOOP_WINDOW_MAX 1024u
#define LOOP_CLIENTS_MAX 65536
#define LOOP_BUCKETS STELE_STATS_BUCKETS(40)

/* What is at the other end. */
enum loop_peer {
	LOOP_SERVER, /* answers */
	LOOP_MIRROR, /* sends everything back with addresses and ports swapped */
	LOOP_NOBODY, /* the port gives back what it was given */
};

struct loop_settings {
	uint16_t port_id; /* queue 0 */
	struct rte_mempool *pool;
	enum loop_peer peer;
	const struct loop_queries *queries;
	unsigned window;     /* queries in flight, LOOP_BURST … LOOP_WINDOW_MAX */
	unsigned family;     /* 4, 6, or 0: a burst of each in turn */
	uint32_t client_cnt; /* networks (/24 and /48) that queries come from, up to LOOP_CLIENTS_MAX */
	const struct loop_checker *checker; /* of LOOP_SERVER */
	unsigned check_every;               /* replies; 0: no bytes are checked */
	double warm_seconds, seconds;       /* not counted, counted */
	/* The server's turn, between sending and receiving, where both share a thread; NULL: it has its own. */
	void (*turn)(void *user);
	void *turn_user;
};

/* The server's addresses, and the MACs of both. */
extern const uint8_t loop_server_mac[6], loop_client_mac[6];
extern const uint8_t loop_server4[4], loop_server6[16];

/* Response times, in ticks: from handing a burst to the port to taking one from it. */
struct loop_times {
	uint64_t buckets[LOOP_BUCKETS];
};

struct loop_result {
	double seconds;
	uint64_t sent, received; /* in these seconds, and until the last reply came */
	uint64_t counted;        /* replies in these seconds alone */
	uint64_t lost;           /* no reply within LOST_SECONDS */
	uint64_t wrong;
	uint64_t checked; /* in each byte */
	char first_wrong[160];
	struct loop_times times;
	/* The same without replies that were under way while the generator itself did not run: the system
	 * had given its processor to another thread. */
	struct loop_times steady;
	uint64_t pauses; /* how often that was */
};

struct loop_generator;

/* No memory ends the program. `settings` is copied, what it points to has to stay. */
struct loop_generator *loop_generator_new(const struct loop_settings *settings);
void loop_generator_free(struct loop_generator *generator);

/* For rte_eal_remote_launch(): runs for the seconds of its settings; returns 0. */
int loop_generator_run(void *generator);

const struct loop_result *loop_generator_result(const struct loop_generator *generator);

/* The time that `fraction` of the replies took at most, in microseconds. */
double loop_quantile_us(const struct loop_times *times, double fraction);

#endif
