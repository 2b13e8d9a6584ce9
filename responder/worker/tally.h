/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_WORKER_TALLY_H
#define STELE_RESPONDER_WORKER_TALLY_H

/*
 * How a burst counts its replies. Most of them would add to the same few counters: those are summed
 * up on the stack and written once a burst. What differs from reply to reply (size, class, rare rcodes)
 * is counted at once, and the bytes of a zone when another zone follows. Inline, since this is done for
 * each reply.
 */

#include "responder/worker/internal.h"

#include <assert.h>

/* What the replies of a burst add up to. */
struct stele_tally {
	uint64_t replies, bytes, reply_bytes, nxdomain, other_rcodes, truncated, udp4;
	/* The zone of the reply before, mostly that of the next one too, and what `reply_bytes` were when
	 * it began. */
	uint32_t zone_id;
	struct stele_stats_zone_row *row;
	uint64_t zone_began;
};

static inline enum stele_stat stele_tally_rcode(uint16_t rcode)
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
static inline void stele_tally_write_zone(struct stele_tally *tally)
{
	if (tally->row)
		stele_stats_zone_add(tally->row, STELE_ZONE_STAT_TX_BYTES,
				     tally->reply_bytes - tally->zone_began);
	tally->zone_began = tally->reply_bytes;
}

/* The replies that follow are of another zone. Rare, so not inline. */
void stele_tally_change_zone(struct stele_worker *worker, const struct stele_worker_zones *zones,
			     uint32_t zone_id, struct stele_tally *tally);

/* `n` is 1, or -1 for a reply that was counted and did not leave. Its bytes are still there. */
static inline __attribute__((always_inline)) void
stele_tally_reply(struct stele_worker *worker, const struct stele_worker_zones *zones,
		  const struct stele_reply *reply, unsigned family, uint64_t n,
		  struct stele_tally *tally)
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
		stele_tally_change_zone(worker, zones, reply->zone_id, tally);
	tally->replies += n;
	tally->reply_bytes += reply->len * n;
	tally->udp4 += family == 4 ? n : 0;
	if (likely(reply->rcode == 0)) {
		/* All that is none of the others. */
	} else if (reply->rcode == 3) {
		tally->nxdomain += n;
	} else {
		tally->other_rcodes += n;
		stele_stats_add(stats, stele_tally_rcode(reply->rcode), n);
	}
	stele_stats_count_bucket(stats->buckets.RESPONSE_SIZE, STELE_BUCKETS_RESPONSE_SIZE,
				 reply->len, n);
	stele_stats_zone_add(tally->row, zone_stats[reply->reply_class], n);
	if (unlikely(reply->buf[2] & 0x02)) {
		tally->truncated += n;
		stele_stats_zone_add(tally->row, STELE_ZONE_STAT_TRUNCATED, n);
	}
}

/* Adds it all to the counters, with the time that the burst took. */
static inline void stele_tally_write(struct stele_worker *worker, struct stele_tally *tally,
				     uint64_t cycles)
{
	struct stele_stats_worker *stats = worker->stats;

	stele_tally_write_zone(tally);
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

#endif
