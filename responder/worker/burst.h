/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_WORKER_BURST_H
#define STELE_RESPONDER_WORKER_BURST_H

/*
 * What frames that are queries (burst.c) and those that are none (other.c) have in common: how they
 * leave (send.c).
 */

#include "responder/worker/internal.h"

/* Puts a packet among those that leave. */
static inline unsigned stele_burst_queue(struct stele_burst *burst, struct rte_mbuf *mbuf,
					 uint32_t len)
{
	unsigned i = burst->out_cnt++;

	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = len;
	burst->out[i] = mbuf;
	return i;
}

/* Sends frames of the worker's port. Returns how many it took; the rest is still the caller's. */
unsigned stele_burst_transmit(const struct stele_worker *worker, struct rte_mbuf **mbufs,
			      unsigned cnt);

/* What becomes of a frame that is no query, or is one while no image is there. */
void stele_burst_take_other(struct stele_worker *worker, struct rte_mbuf *mbuf,
			    const struct stele_frame *frame);

#endif
