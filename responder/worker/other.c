/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that are no queries: what the port replies itself, what is the kernel's, what is dropped. */
#include "responder/worker/burst.h"

#include <assert.h>

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

static void reply_locally(struct stele_worker *worker, struct rte_mbuf *mbuf,
			  const struct stele_frame *frame)
{
	static const uint8_t stats[STELE_FRAME_LOCAL_CNT] = {
		[STELE_FRAME_LOCAL_ARP] = STELE_STAT_LOCAL_ARP,
		[STELE_FRAME_LOCAL_NS] = STELE_STAT_LOCAL_ND,
		[STELE_FRAME_LOCAL_ECHO4] = STELE_STAT_LOCAL_ECHO4,
		[STELE_FRAME_LOCAL_ECHO6] = STELE_STAT_LOCAL_ECHO6,
	};
	bool neighbour = frame->reason == STELE_FRAME_LOCAL_ARP ||
			 frame->reason == STELE_FRAME_LOCAL_NS;

	if (!stele_bucket_take(neighbour ? &worker->neighbour_bucket : &worker->local_bucket,
			       worker->burst.began)) {
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_LOCAL_CAP);
		return;
	}
	uint32_t len =
		stele_frame_local_reply(worker->frame, frame, rte_pktmbuf_mtod(mbuf, uint8_t *));
	stele_pool_forget_offloads(mbuf);
	/* Before all replies to queries. */
	worker->burst.local_stat[stele_burst_queue(&worker->burst, mbuf, len)] =
		stats[frame->reason];
	worker->burst.local_cnt++;
	stele_stats_add(worker->stats, stats[frame->reason], 1);
}

void stele_burst_take_other(struct stele_worker *worker, struct rte_mbuf *mbuf,
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
