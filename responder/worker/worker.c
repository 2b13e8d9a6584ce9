/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/worker.h"

#include "responder/worker/internal.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <string.h>
#include <sys/prctl.h>

/* Replies in place, for each worker: so many to echo, and so many to ARP and ND. Fewer let a busy link's own probes be
 * lost in a flood, more let the flood take time from queries. Both have limits of their own, since echo comes from
 * anywhere: a flood of it must not keep the router from finding the port. */
#define LOCAL_RATE 20000
#define LOCAL_BURST 256

/* How long a worker that is to stop goes on while packets keep coming. */
#define DRAIN_SECONDS 1

static void init_local_buckets(struct stele_worker *worker)
{
	stele_bucket_init(&worker->local_bucket, LOCAL_RATE, LOCAL_BURST, worker->hz);
	stele_bucket_init(&worker->neighbour_bucket, LOCAL_RATE, LOCAL_BURST, worker->hz);
}

/* Those that are not in force: what they hold is nobody's any more, and becomes what is next. */
static struct stele_worker_rules *other_rules(struct stele_worker *worker)
{
	return &worker->rules_room[worker->rules == &worker->rules_room[0]];
}

void stele_worker_forget_rules(struct stele_worker *worker)
{
	struct stele_worker_rules *former = other_rules(worker);

	if (!worker->rules || former->rates != worker->rules->rates)
		stele_rates_free(former->rates);
	former->rates = NULL;
}

void stele_worker_set_rules(struct stele_worker *worker, const struct stele_worker_rules *rules)
{
	struct stele_worker_rules *next = other_rules(worker);

	stele_worker_forget_rules(worker);
	*next = *rules;
	next->answers.policy = rules->rates ? stele_rrl_policy : NULL;
	next->answers.policy_user = rules->rates ? rules->rates->rrl : NULL;
	__atomic_store_n(&worker->rules, next, __ATOMIC_RELEASE);
}

const struct stele_worker_rules *stele_worker_rules(const struct stele_worker *worker)
{
	return worker->rules;
}

void stele_worker_set_zones(struct stele_worker *worker, const struct stele_worker_zones *zones,
			    const struct stele_worker_zones **ret_old)
{
	*ret_old = __atomic_exchange_n(&worker->zones, zones, __ATOMIC_ACQ_REL);
}

int stele_worker_new(const struct stele_worker_settings *settings, struct stele_worker **ret_worker,
		     struct stele_error *reterr)
{
	int socket = (int)rte_lcore_to_socket_id(settings->lcore);
	/* Two cache lines, since processors fetch lines in pairs. */
	struct stele_worker *worker = rte_zmalloc_socket("worker", sizeof(*worker), 128, socket);
	struct stele_worker_rules rules = {.punt_rate = settings->punt_rate};
	int rc;

	if (!worker)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for a worker");
	worker->node = socket;
	worker->port_id = settings->port_id;
	worker->queue_id = settings->queue_id;
	worker->rx_cksum = settings->rx_cksum;
	worker->takes_returns = settings->takes_returns && settings->exception;
	worker->pool = settings->pool;
	worker->frame = settings->frame;
	worker->tx_cksum = (settings->frame->flags &
			    (STELE_FRAME_TX_IP_CKSUM | STELE_FRAME_TX_UDP_CKSUM)) != 0;
	worker->root = settings->root;
	worker->exception = settings->exception;
	worker->stats = settings->stats;
	worker->rows = settings->rows;
	worker->hz = rte_get_tsc_hz();
	worker->ns_per_cycle = 1e9 / (double)worker->hz;
	worker->port_workers = settings->port_workers;
	init_local_buckets(worker);
	stele_stats_set(worker->stats, STELE_STAT_CYCLES_HZ, worker->hz);
	stele_idle_init(&worker->idle, &settings->idle, worker->hz);

	worker->answerer = stele_answerer_new();
	rc = worker->answerer ? 0 : stele_fail(reterr, STELE_E_SYSTEM, "no memory for a worker");
	if (!rc && settings->rrl)
		rc = stele_rates_new(settings->rrl, socket, &rules.rates, reterr);
	if (rc) {
		stele_worker_free(worker);
		return rc;
	}
	rules.answers = *settings->answers;
	stele_worker_set_rules(worker, &rules);
	stele_punt_set_rate(worker, rules.punt_rate);
	*ret_worker = worker;
	return 0;
}

void stele_worker_free(struct stele_worker *worker)
{
	if (!worker)
		return;
	stele_answerer_free(worker->answerer);
	stele_worker_forget_rules(worker);
	if (worker->rules)
		stele_rates_free(worker->rules->rates);
	rte_free(worker);
}

void stele_worker_stop(struct stele_worker *worker)
{
	__atomic_fetch_or(&worker->orders, STELE_ORDER_STOP, __ATOMIC_RELEASE);
}

void stele_worker_announce(struct stele_worker *worker)
{
	__atomic_fetch_or(&worker->orders, STELE_ORDER_ANNOUNCE, __ATOMIC_RELEASE);
}

unsigned stele_worker_core(const struct stele_worker *worker)
{
	return worker->stats->place.core;
}

int stele_worker_node(const struct stele_worker *worker)
{
	return worker->node;
}

uint64_t stele_worker_generation(const struct stele_worker *worker)
{
	return __atomic_load_n(&worker->stats->values[STELE_STAT_GENERATION], __ATOMIC_ACQUIRE);
}

uint64_t stele_worker_view_serial(const struct stele_worker *worker)
{
	return __atomic_load_n(&worker->view_serial, __ATOMIC_ACQUIRE);
}

uint64_t stele_worker_quiescent(const struct stele_worker *worker)
{
	return __atomic_load_n(&worker->stats->values[STELE_STAT_QUIESCENT], __ATOMIC_RELAXED);
}

bool stele_worker_turn(struct stele_worker *worker)
{
	struct rte_mbuf *mbufs[STELE_BURST_MAX];
	const struct stele_view *view = stele_serve_view(worker->root);
	uint64_t polled = rte_rdtsc();
	unsigned cnt = rte_eth_rx_burst(worker->port_id, worker->queue_id, mbufs, STELE_BURST_MAX);
	bool busy = cnt > 0;

	if (likely(cnt > 0))
		stele_burst_process(worker, view, mbufs, cnt, polled);
	if (worker->takes_returns)
		busy |= stele_burst_return(worker) > 0;
	/* Gauges, and the empty poll: all in lines that this thread alone writes. */
	stele_stats_add(worker->stats, STELE_STAT_POLLS_EMPTY, cnt == 0);
	stele_stats_set(worker->stats, STELE_STAT_GENERATION, view ? view->generation : 0);
	__atomic_store_n(&worker->view_serial, view ? view->serial : 0, __ATOMIC_RELEASE);
	stele_stats_add(worker->stats, STELE_STAT_QUIESCENT, 1);
	stele_serve_reader_quiescent();
	return busy;
}

/* True if it is time to end: all that was received is answered, or there is no end to it. */
static bool follow_orders(struct stele_worker *worker, uint32_t orders, bool busy,
			  uint64_t *deadline)
{
	if (orders & STELE_ORDER_ANNOUNCE) {
		__atomic_fetch_and(&worker->orders, ~(uint32_t)STELE_ORDER_ANNOUNCE,
				   __ATOMIC_ACQUIRE);
		stele_burst_announce(worker);
	}
	if (!(orders & STELE_ORDER_STOP))
		return false;
	uint64_t now = rte_rdtsc();
	if (*deadline == 0)
		*deadline = now + DRAIN_SECONDS * worker->hz;
	return !busy || now > *deadline;
}

int stele_worker_run(void *arg)
{
	struct stele_worker *worker = arg;
	uint64_t deadline = 0;

	/* The kernel would let a sleep last 50 us longer than it was asked for. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	stele_serve_reader_begin();
	for (;;) {
		bool busy = stele_worker_turn(worker);
		uint32_t orders = __atomic_load_n(&worker->orders, __ATOMIC_RELAXED);
		if (unlikely(orders) && follow_orders(worker, orders, busy, &deadline))
			break;
		if (likely(busy))
			worker->idle.empty_polls = 0;
		else
			stele_idle_rest(&worker->idle);
	}
	stele_serve_reader_end();
	__atomic_store_n(&worker->ended, true, __ATOMIC_RELEASE);
	return 0;
}

bool stele_worker_has_ended(const struct stele_worker *worker)
{
	return __atomic_load_n(&worker->ended, __ATOMIC_ACQUIRE);
}
