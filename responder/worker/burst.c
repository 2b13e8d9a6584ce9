/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/burst.h"
#include "responder/worker/tally.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>
#include <time.h>

/* 0 if the counter has gone back between the two: see bucket.h. */
static inline uint64_t cycles_between(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* What a stage took that began at `from`. Returns when it ended. */
static inline uint64_t end_stage(struct stele_worker *worker, enum stele_stat stage, uint64_t from)
{
	uint64_t now = rte_rdtsc();

	stele_stats_add(worker->stats, stage, cycles_between(from, now));
	return now;
}

/* ---- in ---- */

static inline uint32_t offloads(const struct stele_worker *worker, const struct rte_mbuf *mbuf)
{
	uint32_t flags = 0;

	if (!worker->rx_cksum)
		return 0;
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		flags |= STELE_FRAME_RX_IP_GOOD;
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		flags |= STELE_FRAME_RX_UDP_GOOD;
	return flags;
}

static inline void take_query(struct stele_worker *worker, struct rte_mbuf *mbuf, uint8_t *bytes,
			      const struct stele_frame *frame)
{
	struct stele_burst *burst = &worker->burst;
	unsigned i = burst->query_cnt++;
	struct stele_query *query = &burst->queries[i];

	burst->query_mbufs[i] = mbuf;
	stele_frame_query(frame, bytes, query, &burst->replies[i]);
}

static inline void sort(struct stele_worker *worker, struct rte_mbuf *mbuf, bool image)
{
	struct stele_frame *frame = &worker->burst.frames[worker->burst.query_cnt];
	uint8_t *bytes = rte_pktmbuf_mtod(mbuf, uint8_t *);

	if (unlikely(mbuf->nb_segs > 1)) {
		/* Buffers hold whole frames of the port's MTU. */
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_TOO_LONG);
		return;
	}
	stele_frame_parse(worker->frame, bytes, rte_pktmbuf_data_len(mbuf),
			  (uint32_t)(mbuf->buf_len - mbuf->data_off), offloads(worker, mbuf),
			  frame);
	if (likely(frame->verdict == STELE_FRAME_QUERY && image))
		take_query(worker, mbuf, bytes, frame);
	else
		stele_burst_take_other(worker, mbuf, frame);
}

/* ---- between ---- */

static __attribute__((noinline)) void offload_checksums(const struct stele_worker *worker,
							struct rte_mbuf *mbuf,
							const struct stele_frame *frame)
{
	uint32_t flags = worker->frame->flags;

	/* A reply has no options. */
	uint64_t l3_len = frame->family == 4 ? 20 : 40;
	mbuf->tx_offload = frame->l3_off | l3_len << RTE_MBUF_L3_LEN_OFS;
	if (frame->family == 4) {
		mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4;
		if (flags & STELE_FRAME_TX_IP_CKSUM)
			mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	} else {
		mbuf->ol_flags |= RTE_MBUF_F_TX_IPV6;
	}
	if (flags & STELE_FRAME_TX_UDP_CKSUM)
		mbuf->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
}

static void count_limited(struct stele_worker *worker, const struct stele_worker_zones *zones,
			  const struct stele_reply *reply)
{
	uint32_t slot = zones ? stele_stats_zone_slot(zones->map, reply->zone_id) : 0;

	stele_stats_zone_add(&worker->rows[slot], STELE_ZONE_STAT_LIMITED, 1);
}

static enum stele_stat drop_stat(const struct stele_rates *rates, const struct stele_reply *reply)
{
	switch (reply->drop_reason) {
	case STELE_DROP_SHORT:
		return STELE_STAT_DROP_DNS_SHORT;
	case STELE_DROP_RESPONSE:
		return STELE_STAT_DROP_DNS_RESPONSE;
	default:
		return rates ? STELE_STAT_DROP_RRL : STELE_STAT_DROP_POLICY;
	}
}

static void count_cookies(struct stele_worker *worker)
{
	struct stele_cookie_counts counts = stele_answerer_cookies(worker->answerer);

	stele_stats_add(worker->stats, STELE_STAT_COOKIE_VALID, counts.valid);
	stele_stats_add(worker->stats, STELE_STAT_COOKIE_INVALID, counts.invalid);
}

static void answer(struct stele_worker *worker, const struct stele_view *view)
{
	struct stele_burst *burst = &worker->burst;
	const struct stele_answer_settings *answers = &burst->rules->answers;
	struct stele_rates *rates = burst->rules->rates;

	if (rates)
		stele_rrl_tick(rates->rrl,
			       (uint64_t)((double)burst->began * worker->ns_per_cycle / 1000));
	stele_answer_batch(worker->answerer, view, answers, (uint32_t)time(NULL), burst->queries,
			   burst->replies, burst->query_cnt);
	stele_stats_add(worker->stats, STELE_STAT_CACHED, stele_answerer_cached(worker->answerer));
	if (answers->cookies)
		count_cookies(worker);
}

static void not_answered(struct stele_worker *worker, const struct stele_worker_zones *zones,
			 struct rte_mbuf *mbuf, const struct stele_reply *reply)
{
	if (reply->verdict == STELE_VERDICT_PUNT) {
		stele_punt_add(worker, mbuf, STELE_STAT_PUNT_DNS);
		return;
	}
	if (reply->drop_reason == STELE_DROP_POLICY)
		count_limited(worker, zones, reply);
	stele_worker_drop(worker, mbuf, drop_stat(worker->burst.rules->rates, reply));
}

/* Frames around the replies. All are counted here, where they are at hand; hardly any does not leave. */
static void reply_all(struct stele_worker *worker, const struct stele_worker_zones *zones,
		      struct stele_tally *ret_tally)
{
	struct stele_burst *burst = &worker->burst;
	struct stele_tally tally = {0};
	bool tx_cksum = worker->tx_cksum;

	for (unsigned i = 0; i < burst->query_cnt; i++) {
		struct rte_mbuf *mbuf = burst->query_mbufs[i];
		const struct stele_frame *frame = &burst->frames[i];
		const struct stele_reply *reply = &burst->replies[i];
		if (unlikely(reply->verdict != STELE_VERDICT_REPLY)) {
			not_answered(worker, zones, mbuf, reply);
			continue;
		}
		stele_pool_forget_offloads(mbuf);
		if (tx_cksum)
			offload_checksums(worker, mbuf, frame);
		uint32_t len = stele_frame_reply(worker->frame, frame,
						 rte_pktmbuf_mtod(mbuf, uint8_t *), reply);
		burst->out_query[stele_burst_queue(burst, mbuf, len)] = (uint8_t)i;
		tally.bytes += len;
		stele_tally_reply(worker, zones, reply, frame->family, 1, &tally);
	}
	*ret_tally = tally;
}

/* ---- out ---- */

/* Packets from `sent` on stay behind: what was counted of them is taken back. */
static __attribute__((noinline)) void take_back(struct stele_worker *worker,
						const struct stele_worker_zones *zones,
						unsigned sent, struct stele_tally *tally)
{
	struct stele_burst *burst = &worker->burst;

	for (unsigned i = sent; i < burst->out_cnt; i++) {
		if (i < burst->local_cnt) {
			stele_stats_add(worker->stats, burst->local_stat[i], (uint64_t)-1);
		} else {
			unsigned query = burst->out_query[i];
			tally->bytes -= rte_pktmbuf_pkt_len(burst->out[i]);
			stele_tally_reply(worker, zones, &burst->replies[query],
					  burst->frames[query].family, (uint64_t)-1, tally);
		}
		stele_worker_drop(worker, burst->out[i], STELE_STAT_DROP_TX_FULL);
	}
}

/* The bytes of local replies that are to leave. */
static uint64_t local_bytes(const struct stele_burst *burst, unsigned cnt)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < cnt; i++)
		bytes += rte_pktmbuf_pkt_len(burst->out[i]);
	return bytes;
}

static void send_all(struct stele_worker *worker, const struct stele_worker_zones *zones,
		     struct stele_tally *tally, uint64_t now)
{
	struct stele_burst *burst = &worker->burst;

	if (burst->out_cnt == 0)
		return;
	uint64_t bytes = local_bytes(burst, burst->local_cnt);
	unsigned sent = stele_burst_transmit(worker, burst->out, burst->out_cnt);
	uint64_t ended = end_stage(worker, STELE_STAT_CYCLES_TX, now);
	if (unlikely(sent < burst->out_cnt)) {
		for (unsigned i = sent; i < burst->local_cnt; i++)
			bytes -= rte_pktmbuf_pkt_len(burst->out[i]);
		take_back(worker, zones, sent, tally);
	}
	stele_stats_add(worker->stats, STELE_STAT_TX_PACKETS, sent);
	stele_stats_add(worker->stats, STELE_STAT_TX_BYTES, bytes + tally->bytes);
	stele_tally_write(worker, tally, cycles_between(burst->began, ended));
}

void stele_burst_process(struct stele_worker *worker, const struct stele_view *view,
			 struct rte_mbuf **mbufs, unsigned cnt, uint64_t polled)
{
	struct stele_burst *burst = &worker->burst;
	const struct stele_worker_zones *zones = __atomic_load_n(&worker->zones, __ATOMIC_ACQUIRE);
	struct stele_tally tally = {0};
	uint64_t bytes = 0;

	burst->began = rte_rdtsc();
	burst->rules = __atomic_load_n(&worker->rules, __ATOMIC_ACQUIRE);
	/* A query's headers are on the first line, most of its name is on the second. */
	for (unsigned i = 0; i < cnt; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);
		rte_prefetch0(frame);
		rte_prefetch0(frame + RTE_CACHE_LINE_SIZE);
	}
	/* Of another image, zones may have other ids. */
	if (zones && unlikely(!view || zones->view_serial != view->serial)) {
		zones = __atomic_load_n(&zones->before, __ATOMIC_ACQUIRE);
		if (zones && (!view || zones->view_serial != view->serial))
			zones = NULL;
	}

	stele_stats_begin(worker->stats);
	burst->query_cnt = burst->out_cnt = burst->local_cnt = burst->punt_cnt = 0;
	for (unsigned i = 0; i < cnt; i++) {
		bytes += rte_pktmbuf_pkt_len(mbufs[i]);
		sort(worker, mbufs[i], view != NULL);
	}
	uint64_t now = end_stage(worker, STELE_STAT_CYCLES_PARSE, burst->began);
	if (likely(burst->query_cnt > 0)) {
		answer(worker, view);
		now = end_stage(worker, STELE_STAT_CYCLES_ANSWER, now);
		reply_all(worker, zones, &tally);
		now = end_stage(worker, STELE_STAT_CYCLES_COMPOSE, now);
	}
	send_all(worker, zones, &tally, now);
	stele_punt_flush(worker);
	if (burst->rules->rates)
		stele_stats_add(worker->stats, STELE_STAT_RRL_SLIPPED,
				stele_rates_count(burst->rules->rates).slipped);
	stele_stats_add(worker->stats, STELE_STAT_CYCLES_RX, cycles_between(polled, burst->began));
	stele_stats_add(worker->stats, STELE_STAT_RX_PACKETS, cnt);
	stele_stats_add(worker->stats, STELE_STAT_RX_BYTES, bytes);
	stele_stats_add(worker->stats, STELE_STAT_BURSTS, 1);
	stele_stats_end(worker->stats);
}
