/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/internal.h"

#include "lib/base/bytes.h"

#include <assert.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <time.h>

/*
 * How often a full transmit queue is tried again. A card frees descriptors in less than a
 * microsecond each; fewer tries lose replies to a burst that it could take, more let the receive
 * queue run over instead.
 */
#define TX_TRIES 64

/* The frame's reasons are counted in their order. */
#define CHECK_PUNT(name, counter, meaning)                                                         \
	static_assert((int)STELE_STAT_PUNT_##name ==                                               \
			      (int)STELE_STAT_PUNT_ETHERTYPE + (int)STELE_FRAME_PUNT_##name,       \
		      "counter of a punt reason");
#define CHECK_DROP(name, counter, meaning)                                                         \
	static_assert((int)STELE_STAT_DROP_##name ==                                               \
			      (int)STELE_STAT_DROP_SHORT + (int)STELE_FRAME_DROP_##name,           \
		      "counter of a drop reason");
STELE_FRAME_PUNT_REASONS(CHECK_PUNT)
STELE_FRAME_DROP_REASONS(CHECK_DROP)
static_assert(STELE_STAT_CNT <= UINT8_MAX, "counters are kept in a byte");

/* What a stage took that began at `from`. Returns when it ended. */
static inline uint64_t end_stage(struct stele_worker *worker, enum stele_stat stage, uint64_t from)
{
	uint64_t now = rte_rdtsc();

	stele_stats_add(worker->stats, stage, now - from);
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

/* Puts a packet among those that leave. */
static inline unsigned queue(struct stele_burst *burst, struct rte_mbuf *mbuf, uint32_t len)
{
	unsigned i = burst->out_cnt++;

	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = len;
	burst->out[i] = mbuf;
	return i;
}

static void reply_locally(struct stele_worker *worker, struct rte_mbuf *mbuf,
			  const struct stele_frame *frame)
{
	static const uint8_t stats[STELE_FRAME_LOCAL_CNT] = {
		[STELE_FRAME_LOCAL_ARP] = STELE_STAT_LOCAL_ARP,
		[STELE_FRAME_LOCAL_NS] = STELE_STAT_LOCAL_ND,
		[STELE_FRAME_LOCAL_ECHO4] = STELE_STAT_LOCAL_ECHO4,
		[STELE_FRAME_LOCAL_ECHO6] = STELE_STAT_LOCAL_ECHO6,
	};

	if (!stele_bucket_take(&worker->local_bucket, worker->burst.began)) {
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_LOCAL_CAP);
		return;
	}
	uint32_t len =
		stele_frame_local_reply(worker->frame, frame, rte_pktmbuf_mtod(mbuf, uint8_t *));
	mbuf->ol_flags = 0;
	/* Before all replies to queries. */
	worker->burst.local_stat[queue(&worker->burst, mbuf, len)] = stats[frame->reason];
	worker->burst.local_cnt++;
	stele_stats_add(worker->stats, stats[frame->reason], 1);
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

static __attribute__((noinline)) void take_other(struct stele_worker *worker, struct rte_mbuf *mbuf,
						 const struct stele_frame *frame)
{
	switch (frame->verdict) {
	case STELE_FRAME_QUERY:
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_NO_IMAGE);
		break;
	case STELE_FRAME_LOCAL:
		reply_locally(worker, mbuf, frame);
		break;
	case STELE_FRAME_PUNT:
		stele_punt_add(worker, mbuf,
			       (enum stele_stat)(STELE_STAT_PUNT_ETHERTYPE + frame->reason));
		break;
	default:
		stele_worker_drop(worker, mbuf,
				  (enum stele_stat)(STELE_STAT_DROP_SHORT + frame->reason));
	}
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
		take_other(worker, mbuf, frame);
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
		mbuf->ol_flags = RTE_MBUF_F_TX_IPV4;
		if (flags & STELE_FRAME_TX_IP_CKSUM)
			mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	} else {
		mbuf->ol_flags = RTE_MBUF_F_TX_IPV6;
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

static enum stele_stat drop_stat(const struct stele_worker *worker, const struct stele_reply *reply)
{
	switch (reply->drop_reason) {
	case STELE_DROP_SHORT:
		return STELE_STAT_DROP_DNS_SHORT;
	case STELE_DROP_RESPONSE:
		return STELE_STAT_DROP_DNS_RESPONSE;
	default:
		return worker->rrl ? STELE_STAT_DROP_RRL : STELE_STAT_DROP_POLICY;
	}
}

/* What the replies of a burst add up to. Written to the counters once, where most would add to the same ones. */
struct tally {
	uint64_t replies, bytes, reply_bytes, nxdomain, other_rcodes, truncated, udp4;
	/* The zone of the reply before, mostly that of the next one too, and what `reply_bytes` were when
	 * it began. */
	uint32_t zone_id;
	struct stele_stats_zone_row *row;
	uint64_t zone_began;
};

static inline enum stele_stat rcode_stat(uint16_t rcode)
{
	enum { KNOWN = 24 };
	static const uint8_t stats[KNOWN] = {
		[0] = STELE_STAT_RCODE_NOERROR,    [1] = STELE_STAT_RCODE_FORMERR,
		[2] = STELE_STAT_RCODE_SERVFAIL,   [3] = STELE_STAT_RCODE_NXDOMAIN,
		[4] = STELE_STAT_RCODE_NOTIMP,     [5] = STELE_STAT_RCODE_REFUSED,
		[6] = STELE_STAT_RCODE_YXDOMAIN,   [16] = STELE_STAT_RCODE_BADVERS,
		[23] = STELE_STAT_RCODE_BADCOOKIE,
	};
	static_assert(STELE_STAT_RCODE_NOERROR != 0, "0 stands for the others");
	return rcode < KNOWN && stats[rcode] != 0 ? (enum stele_stat)stats[rcode] :
						    STELE_STAT_RCODE_OTHER;
}

/* What was sent of a zone, as far as it is not in its row yet. */
static inline void write_zone_bytes(struct tally *tally)
{
	if (tally->row)
		stele_stats_zone_add(tally->row, STELE_ZONE_STAT_TX_BYTES,
				     tally->reply_bytes - tally->zone_began);
	tally->zone_began = tally->reply_bytes;
}

static __attribute__((noinline)) void change_zone(struct stele_worker *worker,
						  const struct stele_worker_zones *zones,
						  uint32_t zone_id, struct tally *tally)
{
	write_zone_bytes(tally);
	tally->zone_id = zone_id;
	tally->row = &worker->rows[zones ? stele_stats_zone_slot(zones->map, zone_id) : 0];
}

/* `n` is 1, or -1 for a reply that was counted and did not leave. Its bytes are still there. */
static inline __attribute__((always_inline)) void
count_reply(struct stele_worker *worker, const struct stele_worker_zones *zones,
	    const struct stele_reply *reply, unsigned family, uint64_t n, struct tally *tally)
{
	static const uint8_t zone_stats[STELE_REPLY_CLASS_CNT] = {
		[STELE_CLASS_ANSWER] = STELE_ZONE_STAT_ANSWER,
		[STELE_CLASS_REFERRAL] = STELE_ZONE_STAT_REFERRAL,
		[STELE_CLASS_NODATA] = STELE_ZONE_STAT_NODATA,
		[STELE_CLASS_NXDOMAIN] = STELE_ZONE_STAT_NXDOMAIN,
		[STELE_CLASS_ERROR] = STELE_ZONE_STAT_ERROR,
	};
	struct stele_stats_worker *stats = worker->stats;

	if (unlikely(!tally->row || tally->zone_id != reply->zone_id))
		change_zone(worker, zones, reply->zone_id, tally);
	tally->replies += n;
	tally->reply_bytes += reply->len * n;
	tally->udp4 += family == 4 ? n : 0;
	if (likely(reply->rcode == 0)) {
		/* All that is none of the others. */
	} else if (reply->rcode == 3) {
		tally->nxdomain += n;
	} else {
		tally->other_rcodes += n;
		stele_stats_add(stats, rcode_stat(reply->rcode), n);
	}
	stele_stats_count_bucket(stats->buckets.RESPONSE_SIZE, STELE_BUCKETS_RESPONSE_SIZE,
				 reply->len, n);
	stele_stats_zone_add(tally->row, zone_stats[reply->reply_class], n);
	if (unlikely(reply->buf[2] & 0x02)) {
		tally->truncated += n;
		stele_stats_zone_add(tally->row, STELE_ZONE_STAT_TRUNCATED, n);
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
	const struct stele_answer_settings *answers =
		__atomic_load_n(&worker->answers, __ATOMIC_ACQUIRE);

	if (worker->rrl)
		stele_rrl_tick(worker->rrl,
			       (uint64_t)((double)burst->began * worker->ns_per_cycle / 1000));
	stele_answer_batch(worker->answerer, view, answers, (uint32_t)time(NULL), burst->queries,
			   burst->replies, burst->query_cnt);
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
	stele_worker_drop(worker, mbuf, drop_stat(worker, reply));
}

/* Frames around the replies. All are counted here, where they are at hand; hardly any does not leave. */
static void reply_all(struct stele_worker *worker, const struct stele_worker_zones *zones,
		      struct tally *ret_tally)
{
	struct stele_burst *burst = &worker->burst;
	struct tally tally = {0};
	bool tx_cksum = worker->tx_cksum;

	for (unsigned i = 0; i < burst->query_cnt; i++) {
		struct rte_mbuf *mbuf = burst->query_mbufs[i];
		const struct stele_frame *frame = &burst->frames[i];
		const struct stele_reply *reply = &burst->replies[i];
		if (unlikely(reply->verdict != STELE_VERDICT_REPLY)) {
			not_answered(worker, zones, mbuf, reply);
			continue;
		}
		mbuf->ol_flags = 0;
		if (tx_cksum)
			offload_checksums(worker, mbuf, frame);
		uint32_t len = stele_frame_reply(worker->frame, frame,
						 rte_pktmbuf_mtod(mbuf, uint8_t *), reply);
		burst->out_query[queue(burst, mbuf, len)] = (uint8_t)i;
		tally.bytes += len;
		count_reply(worker, zones, reply, frame->family, 1, &tally);
	}
	*ret_tally = tally;
}

/* ---- out ---- */

/* Returns how many the port took; the rest is still the caller's. */
static unsigned transmit(const struct stele_worker *worker, struct rte_mbuf **mbufs, unsigned cnt)
{
	unsigned sent = rte_eth_tx_burst(worker->port_id, worker->queue_id, mbufs, (uint16_t)cnt);

	for (unsigned i = 0; unlikely(sent < cnt) && i < TX_TRIES; i++) {
		rte_pause();
		sent += rte_eth_tx_burst(worker->port_id, worker->queue_id, mbufs + sent,
					 (uint16_t)(cnt - sent));
	}
	return sent;
}

/* Packets from `sent` on stay behind: what was counted of them is taken back. */
static __attribute__((noinline)) void take_back(struct stele_worker *worker,
						const struct stele_worker_zones *zones,
						unsigned sent, struct tally *tally)
{
	struct stele_burst *burst = &worker->burst;

	for (unsigned i = sent; i < burst->out_cnt; i++) {
		if (i < burst->local_cnt) {
			stele_stats_add(worker->stats, burst->local_stat[i], (uint64_t)-1);
		} else {
			unsigned query = burst->out_query[i];
			tally->bytes -= rte_pktmbuf_pkt_len(burst->out[i]);
			count_reply(worker, zones, &burst->replies[query],
				    burst->frames[query].family, (uint64_t)-1, tally);
		}
		stele_worker_drop(worker, burst->out[i], STELE_STAT_DROP_TX_FULL);
	}
}

static void write_tally(struct stele_worker *worker, struct tally *tally, uint64_t cycles)
{
	struct stele_stats_worker *stats = worker->stats;

	write_zone_bytes(tally);
	if (tally->replies == 0)
		return;
	stele_stats_add(stats, STELE_STAT_ANSWERED_UDP4, tally->udp4);
	stele_stats_add(stats, STELE_STAT_ANSWERED_UDP6, tally->replies - tally->udp4);
	stele_stats_add(stats, STELE_STAT_RCODE_NOERROR,
			tally->replies - tally->nxdomain - tally->other_rcodes);
	stele_stats_add(stats, STELE_STAT_RCODE_NXDOMAIN, tally->nxdomain);
	stele_stats_add(stats, STELE_STAT_TRUNCATED, tally->truncated);
	stele_stats_add_sum(stats, STELE_HISTOGRAM_RESPONSE_SIZE, tally->reply_bytes);
	STELE_STATS_RECORD(stats, RESPONSE_TIME, (uint64_t)((double)cycles * worker->ns_per_cycle),
			   tally->replies);
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
		     struct tally *tally, uint64_t now)
{
	struct stele_burst *burst = &worker->burst;

	if (burst->out_cnt == 0)
		return;
	uint64_t bytes = local_bytes(burst, burst->local_cnt);
	unsigned sent = transmit(worker, burst->out, burst->out_cnt);
	uint64_t cycles = end_stage(worker, STELE_STAT_CYCLES_TX, now) - burst->began;
	if (unlikely(sent < burst->out_cnt)) {
		for (unsigned i = sent; i < burst->local_cnt; i++)
			bytes -= rte_pktmbuf_pkt_len(burst->out[i]);
		take_back(worker, zones, sent, tally);
	}
	stele_stats_add(worker->stats, STELE_STAT_TX_PACKETS, sent);
	stele_stats_add(worker->stats, STELE_STAT_TX_BYTES, bytes + tally->bytes);
	write_tally(worker, tally, cycles);
}

static void count_slipped(struct stele_worker *worker)
{
	const struct stele_rrl_counters *counters = stele_rrl_counters(worker->rrl);
	uint64_t slipped = 0;

	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++)
		slipped += counters->truncated[i];
	stele_stats_add(worker->stats, STELE_STAT_RRL_SLIPPED, slipped - worker->rrl_slipped);
	worker->rrl_slipped = slipped;
}

void stele_burst_process(struct stele_worker *worker, const struct stele_view *view,
			 struct rte_mbuf **mbufs, unsigned cnt, uint64_t polled)
{
	struct stele_burst *burst = &worker->burst;
	const struct stele_worker_zones *zones = __atomic_load_n(&worker->zones, __ATOMIC_ACQUIRE);
	struct tally tally = {0};
	uint64_t bytes = 0;

	burst->began = rte_rdtsc();
	for (unsigned i = 0; i < cnt; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
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
	if (worker->rrl)
		count_slipped(worker);
	stele_stats_add(worker->stats, STELE_STAT_CYCLES_RX, burst->began - polled);
	stele_stats_add(worker->stats, STELE_STAT_RX_PACKETS, cnt);
	stele_stats_add(worker->stats, STELE_STAT_RX_BYTES, bytes);
	stele_stats_add(worker->stats, STELE_STAT_BURSTS, 1);
	stele_stats_end(worker->stats);
}

unsigned stele_burst_return(struct stele_worker *worker)
{
	struct rte_mbuf *mbufs[STELE_BURST_MAX];
	unsigned cnt = stele_exception_take(worker->exception, mbufs, STELE_BURST_MAX);

	if (likely(cnt == 0))
		return 0;
	for (unsigned i = 0; i < cnt; i++)
		mbufs[i]->ol_flags = 0;
	unsigned sent = transmit(worker, mbufs, cnt);
	for (unsigned i = sent; i < cnt; i++)
		rte_pktmbuf_free(mbufs[i]);
	stele_stats_begin(worker->stats);
	stele_stats_add(worker->stats, STELE_STAT_RETURN_IN, cnt);
	stele_stats_add(worker->stats, STELE_STAT_RETURN_OUT, sent);
	stele_stats_add(worker->stats, STELE_STAT_RETURN_LOST, cnt - sent);
	stele_stats_end(worker->stats);
	return cnt;
}

void stele_burst_announce(struct stele_worker *worker)
{
	for (unsigned i = 0; i < worker->frame->address_cnt; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->pool);
		if (!mbuf)
			return; /* under load, clients learn the address from replies anyway */
		uint32_t len =
			stele_frame_announce(worker->frame, i, rte_pktmbuf_mtod(mbuf, uint8_t *));
		mbuf->data_len = (uint16_t)len;
		mbuf->pkt_len = len;
		if (transmit(worker, &mbuf, 1) == 0)
			rte_pktmbuf_free(mbuf);
	}
}
