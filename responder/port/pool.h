/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_POOL_H
#define STELE_RESPONDER_PORT_POOL_H

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A pool of `cnt` packet buffers with `room` bytes each, as rte_pktmbuf_pool_create() makes it, but
 * for a `dense` one the buffers lie one behind the other, as virtual devices need them. Left to
 * itself, DPDK lets no buffer cross a page of 4 KB where there are no huge pages, for the sake of
 * cards that read memory by themselves. Then half of the memory is gaps, and the driver of AF_XDP,
 * which reckons without gaps, gives the kernel less memory than the buffers lie in: frames in the
 * others are lost without a word.
 *
 * NULL with rte_errno. Freed with rte_mempool_free().
 */
struct rte_mempool *stele_pool_new(const char *name, unsigned cnt, unsigned cache, uint32_t room,
				   int socket, bool dense);

/* Of a frame that is to leave: forgets what it was received with, but not whose memory it lies in. Some drivers leave
 * frames in memory of their own, which they get back with the buffer. */
static inline void stele_pool_forget_offloads(struct rte_mbuf *mbuf)
{
	mbuf->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
}

#endif
