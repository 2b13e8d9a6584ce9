/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_WORKER_INTERNAL_H
#define STELE_RESPONDER_WORKER_INTERNAL_H

/*
 * What the files of the worker share: worker.c (the loop), burst.c (a burst of queries), tally.h (how
 * its replies are counted), other.c (frames that are no queries), send.c (how frames leave), punt.c,
 * idle.c.
 */

#include "lib/serving/rates.h"
#include "responder/worker/bucket.h"
#include "responder/port/exception.h"
#include "responder/port/pool.h"
#include "responder/worker/worker.h"

#include <rte_mbuf.h>

/* Packets taken at once: as many as lib/answer works on together. */
#define STELE_BURST_MAX STELE_BATCH_MAX

struct stele_idle {
	enum stele_idle_mode mode;
	bool can_wait;       /* the processor has an instruction that waits for a time */
	uint64_t max_cycles; /* of one rest */
	uint64_t max_ns;
	uint32_t empty_polls; /* in a row */
};

/* A burst on its way through. Lives in the worker, so that no stack grows with it. */
struct stele_burst {
	uint64_t began; /* cycles: when its packets had been taken from the port */
	const struct stele_worker_rules *rules; /* for all of it */

	unsigned query_cnt;
	struct rte_mbuf *query_mbufs[STELE_BURST_MAX];
	struct stele_frame frames[STELE_BURST_MAX];
	struct stele_query queries[STELE_BURST_MAX];
	struct stele_reply replies[STELE_BURST_MAX];

	/* What leaves: first local replies, then those to queries. Counted already. */
	unsigned out_cnt, local_cnt;
	struct rte_mbuf *out[STELE_BURST_MAX];
	uint8_t local_stat[STELE_BURST_MAX]; /* enum stele_stat */
	uint8_t out_query[STELE_BURST_MAX];  /* which query it replies to */

	unsigned punt_cnt;
	struct rte_mbuf *punts[STELE_BURST_MAX];
	uint8_t punt_stat[STELE_BURST_MAX];
};

enum stele_worker_order {
	STELE_ORDER_STOP = 1,
	STELE_ORDER_ANNOUNCE = 2,
};

struct stele_worker {
	uint16_t port_id, queue_id;
	bool rx_cksum, tx_cksum, takes_returns;
	uint32_t port_workers;
	uint32_t punt_rate; /* that the buckets are of */
	bool ended;         /* atomic; it runs no more */
	uint32_t orders;    /* atomic; enum stele_worker_order: looked at once a poll */
	int node;
	struct rte_mempool *pool;
	const struct stele_frame_port *frame;
	const struct stele_serve_root *root;
	const struct stele_worker_rules *rules; /* atomic; one of `rules_room` */
	const struct stele_worker_zones *zones; /* atomic; may be NULL */
	struct stele_answerer *answerer;
	struct stele_exception *exception;
	struct stele_stats_worker *stats;
	struct stele_stats_zone_row *rows;
	uint64_t hz;
	double ns_per_cycle;

	struct stele_bucket local_bucket;     /* of replies to echo, which anybody can ask for */
	struct stele_bucket neighbour_bucket; /* of those to ARP and ND, for who is on the link */
	struct stele_bucket punt_bucket;      /* of what anybody can send */
	struct stele_bucket network_bucket;   /* kept for what the network needs to live */
	struct stele_idle idle;
	uint64_t view_serial; /* atomic; what stele_worker_view_serial() tells */
	struct stele_burst burst;
	/* Those in force, and those before, which become the next. */
	struct stele_worker_rules rules_room[2];
};

/* Everything that becomes of `cnt` packets that were just received, by a poll that began at `polled`. */
void stele_burst_process(struct stele_worker *worker, const struct stele_view *view,
			 struct rte_mbuf **mbufs, unsigned cnt, uint64_t polled);

/* Sends what the kernel has for the port. Returns how many frames there were. */
unsigned stele_burst_return(struct stele_worker *worker);

/* Sends an announcement of each address of the port. */
void stele_burst_announce(struct stele_worker *worker);

/* Buckets for the worker's share of what the port may give to the kernel, in packets/s; 0: no limit. */
void stele_punt_set_rate(struct stele_worker *worker, uint32_t rate);
/* Takes a packet for the kernel, counted by `stat` if it gets there. */
void stele_punt_add(struct stele_worker *worker, struct rte_mbuf *mbuf, enum stele_stat stat);
/* Hands all of a burst over. */
void stele_punt_flush(struct stele_worker *worker);

void stele_idle_init(struct stele_idle *idle, const struct stele_idle_config *config, uint64_t hz);
/* After a poll that found nothing: rests as the mode has it, offline for as long as it sleeps. */
void stele_idle_rest(struct stele_idle *idle);

/* The packet counts as `stat` and is gone. */
static inline void stele_worker_drop(struct stele_worker *worker, struct rte_mbuf *mbuf,
				     enum stele_stat stat)
{
	stele_stats_add(worker->stats, stat, 1);
	rte_pktmbuf_free(mbuf);
}

#endif
