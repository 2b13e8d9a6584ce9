/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/internal.h"

#include "lib/base/bytes.h"

/*
 * Whom the reserve is for: address resolution, link protocols, what is for the node's own
 * addresses, and TCP that is no DNS. Routing and the operator's shell are among these, and a flood
 * of queries by TCP or of signed messages is not.
 */
static bool is_for_network(const struct stele_worker *worker, const struct rte_mbuf *mbuf,
			   enum stele_stat stat)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint32_t len = rte_pktmbuf_data_len(mbuf);

	switch (stat) {
	case STELE_STAT_PUNT_ETHERTYPE:
	case STELE_STAT_PUNT_ARP:
	case STELE_STAT_PUNT_ADDRESS:
		return true;
	case STELE_STAT_PUNT_ICMP: {
		/* Neighbour advertisements and solicitations (RFC 4861) */
		uint32_t l3 = worker->frame->vlan_id ? 18 : 14;
		return len > l3 + 40 && frame[l3] >> 4 == 6 && frame[l3 + 40] >= 133 &&
		       frame[l3 + 40] <= 137;
	}
	case STELE_STAT_PUNT_TCP: {
		uint32_t l3 = worker->frame->vlan_id ? 18 : 14;
		uint32_t l4 = l3 + (frame[l3] >> 4 == 6 ? 40 : (frame[l3] & 15) * 4u);
		if (len < l4 + 4)
			return false;
		uint16_t to = stele_get_be16(frame + l4 + 2);
		return to != 53 && to != 853;
	}
	default:
		return false;
	}
}

void stele_punt_add(struct stele_worker *worker, struct rte_mbuf *mbuf, enum stele_stat stat)
{
	struct stele_burst *burst = &worker->burst;

	if (!worker->exception) {
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_PUNT_NOWHERE);
		return;
	}
	if (!(is_for_network(worker, mbuf, stat) &&
	      stele_bucket_take(&worker->network_bucket, burst->began)) &&
	    !stele_bucket_take(&worker->punt_bucket, burst->began)) {
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_PUNT_CAP);
		return;
	}
	burst->punts[burst->punt_cnt] = mbuf;
	burst->punt_stat[burst->punt_cnt++] = (uint8_t)stat;
}

void stele_punt_flush(struct stele_worker *worker)
{
	struct stele_burst *burst = &worker->burst;

	if (burst->punt_cnt == 0)
		return;
	unsigned taken = stele_exception_punt(worker->exception, burst->punts, burst->punt_cnt);
	for (unsigned i = 0; i < taken; i++)
		stele_stats_add(worker->stats, burst->punt_stat[i], 1);
	for (unsigned i = taken; i < burst->punt_cnt; i++)
		stele_worker_drop(worker, burst->punts[i], STELE_STAT_DROP_PUNT_FULL);
	burst->punt_cnt = 0;
}
