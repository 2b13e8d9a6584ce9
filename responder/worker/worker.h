/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_WORKER_WORKER_H
#define STELE_RESPONDER_WORKER_WORKER_H

/*
 * A worker: one thread on one core that polls one queue of one port and does all that a packet
 * needs before it takes the next burst. It shares nothing that it writes with another worker, takes
 * no locks, allocates nothing while it runs, and looks at one image for the whole of a burst.
 *
 * Everything it needs is given to stele_worker_new(), so that a benchmark can run it on any queue
 * that DPDK knows.
 */

#include "lib/answer/answer.h"
#include "lib/answer/rrl.h"
#include "lib/base/error.h"
#include "lib/stats/stats.h"
#include "responder/config/config.h"
#include "responder/frame/frame.h"
#include "responder/serve/serve.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;
struct stele_exception;
struct stele_rates;
struct stele_worker;

/* Where replies are counted by zone: good for views of this image alone. While one takes the place of
 * another, `before` (atomic) is for the other; NULL when nobody looks at that any more. */
struct stele_worker_zones {
	uint64_t view_serial;
	const struct stele_stats_zone_map *map;
	const struct stele_worker_zones *before;
};

struct stele_worker_settings {
	unsigned lcore;        /* it will run on; its memory is on that NUMA node */
	uint16_t port_id;      /* DPDK's */
	uint16_t queue_id;     /* to receive and to send */
	bool rx_cksum;         /* the NIC checks checksums; its word is taken */
	bool takes_returns;    /* what the kernel sends leaves by this queue */
	uint32_t port_workers; /* workers of this port: each gets its share of `punt_rate` */
	uint32_t punt_rate;    /* packets/s of the port to the kernel; 0: no limit */
	struct stele_idle_config idle;
	struct rte_mempool *pool; /* of the queue */
	const struct stele_frame_port *frame;
	const struct stele_serve_root *root;
	struct stele_exception *exception; /* NULL: none; what is for the kernel is dropped */
	struct stele_stats_worker *stats;
	struct stele_stats_zone_row *rows;
	/* `policy` and its user are set by the worker. */
	const struct stele_answer_settings *answers;
	const struct stele_rrl_settings *rrl; /* NULL: no rate limit. Copied. */
};

/* What may be replaced while it runs: as a whole, so that a burst has all of one. */
struct stele_worker_rules {
	struct stele_answer_settings answers; /* `policy` and its user are set by the worker */
	struct stele_rates *rates;            /* of this worker alone; NULL: no limit */
	uint32_t punt_rate;                   /* as in struct stele_worker_settings */
};

/* What is pointed to stays there until the worker is freed, but for `answers` and `rrl`.
 * STELE_E_SYSTEM: no memory; STELE_E_INPUT: rate limits out of range. */
int stele_worker_new(const struct stele_worker_settings *settings, struct stele_worker **ret_worker,
		     struct stele_error *reterr);
void stele_worker_free(struct stele_worker *worker); /* not running; NULL is fine */

/* Runs until it is told to stop and then finds its queue empty, or for a second more at most. For
 * rte_eal_remote_launch(): `worker` is the struct; returns 0. */
int stele_worker_run(void *worker);

/* One turn of that loop: what is there now, if anything is; true if there was. For who has turns of its own
 * to take; a reader of images (stele_serve_reader_begin()) as long as it does. */
bool stele_worker_turn(struct stele_worker *worker);

/* Any thread. */
void stele_worker_stop(struct stele_worker *worker);

/* Whether stele_worker_run() is over; all that it did is seen then. Any thread. */
bool stele_worker_has_ended(const struct stele_worker *worker);

/* Has it tell the link where the port's addresses are now. Any thread. */
void stele_worker_announce(struct stele_worker *worker);

/* ---- control thread ---- */

/*
 * Replaces the rules, from the next burst on. They are copied to where those before the current ones were, so that it
 * cannot fail: between two calls the worker has to pass a grace period (serve/grace.h). `rates` are the worker's from then
 * on; those that it has go on if they are given again.
 */
void stele_worker_set_rules(struct stele_worker *worker, const struct stele_worker_rules *rules);

/* Those in force, until the next call of stele_worker_set_rules(). */
const struct stele_worker_rules *stele_worker_rules(const struct stele_worker *worker);

/* Frees what the last call of stele_worker_set_rules() took out of force: when a grace period has passed. Without it the
 * next such call does. */
void stele_worker_forget_rules(struct stele_worker *worker);

/*
 * Replaces the zones, from the next burst on. The caller keeps what was there (given in `ret_old`, NULL the first time)
 * until all workers have passed a grace period.
 */
void stele_worker_set_zones(struct stele_worker *worker, const struct stele_worker_zones *zones,
			    const struct stele_worker_zones **ret_old);

/* The processor that it is pinned to, as messages call it. */
unsigned stele_worker_core(const struct stele_worker *worker);

/* The NUMA node that it runs on. */
int stele_worker_node(const struct stele_worker *worker);

/* Generation of the image that its last burst saw, or last empty poll: for people. Images of two stores may have the
 * same. */
uint64_t stele_worker_generation(const struct stele_worker *worker);

/* Of the same image the serial of its view, which no other has; 0: it saw none. Any thread. */
uint64_t stele_worker_view_serial(const struct stele_worker *worker);

/* How often it held no image; stands still if the worker does. */
uint64_t stele_worker_quiescent(const struct stele_worker *worker);

#endif
