/* SPDX-License-Identifier: Apache-2.0 */
/* How frames leave a port, and those that leave without a query: the kernel's, and announcements. */
#include "responder/worker/burst.h"

#include <rte_ethdev.h>
#include <rte_pause.h>

/*
 * How often a full transmit queue is tried again. A card frees descriptors in less than a
 * microsecond each; fewer tries lose replies to a burst that it could take, more let the receive
 * queue run over instead.
 */
#define TX_TRIES 64

unsigned stele_burst_transmit(const struct stele_worker *worker, struct rte_mbuf **mbufs,
			      unsigned cnt)
{
	unsigned sent = rte_eth_tx_burst(worker->port_id, worker->queue_id, mbufs, (uint16_t)cnt);

	for (unsigned i = 0; unlikely(sent < cnt) && i < TX_TRIES; i++) {
		rte_pause();
		sent += rte_eth_tx_burst(worker->port_id, worker->queue_id, mbufs + sent,
					 (uint16_t)(cnt - sent));
	}
	return sent;
}

unsigned stele_burst_return(struct stele_worker *worker)
{
	struct rte_mbuf *mbufs[STELE_BURST_MAX];
	unsigned cnt = stele_exception_take(worker->exception, mbufs, STELE_BURST_MAX);

	if (likely(cnt == 0))
		return 0;
	for (unsigned i = 0; i < cnt; i++)
		stele_pool_forget_offloads(mbufs[i]);
	unsigned sent = stele_burst_transmit(worker, mbufs, cnt);
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
		if (stele_burst_transmit(worker, &mbuf, 1) == 0)
			rte_pktmbuf_free(mbuf);
	}
}
