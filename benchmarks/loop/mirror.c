/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/mirror.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_udp.h>
#include <stddef.h>
#include <string.h>

#define BURST 32

/* Two neighbouring fields of `sz` bytes each. Inlined, so that sizes are constants. */
static inline __attribute__((always_inline)) void swap(uint8_t *fields, size_t sz)
{
	uint8_t first[16];

	memcpy(first, fields, sz);
	memmove(fields, fields + sz, sz);
	memcpy(fields + sz, first, sz);
}

static inline void reflect(struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *l3 = frame + sizeof(struct rte_ether_hdr), *l4 = NULL;
	uint16_t ethertype;

	memcpy(&ethertype, frame + offsetof(struct rte_ether_hdr, ether_type), 2);
	swap(frame, RTE_ETHER_ADDR_LEN);
	while (ethertype == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
	       ethertype == RTE_BE16(RTE_ETHER_TYPE_QINQ)) {
		memcpy(&ethertype, l3 + offsetof(struct rte_vlan_hdr, eth_proto), 2);
		l3 += sizeof(struct rte_vlan_hdr);
	}
	uint8_t protocol = 0;
	if (ethertype == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		protocol = l3[offsetof(struct rte_ipv4_hdr, next_proto_id)];
		swap(l3 + offsetof(struct rte_ipv4_hdr, src_addr), 4);
		l4 = l3 + (l3[0] & 0x0f) * 4;
	} else if (ethertype == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		protocol = l3[offsetof(struct rte_ipv6_hdr, proto)];
		swap(l3 + offsetof(struct rte_ipv6_hdr, src_addr), 16);
		l4 = l3 + sizeof(struct rte_ipv6_hdr);
	}
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_TCP)
		swap(l4 + offsetof(struct rte_udp_hdr, src_port), 2);
	mbuf->ol_flags = 0;
	mbuf->vlan_tci = mbuf->vlan_tci_outer = 0;
	mbuf->l2_len = (uint64_t)(l3 - frame) & 0x7f;
	mbuf->l3_len = l4 ? (uint64_t)(l4 - l3) & 0x1ff : 0;
}

int loop_mirror_run(void *arg)
{
	struct loop_mirror *mirror = arg;
	struct rte_mbuf *mbufs[BURST];

	while (!__atomic_load_n(&mirror->stop, __ATOMIC_RELAXED)) {
		uint64_t polled = rte_rdtsc();
		uint16_t cnt = rte_eth_rx_burst(mirror->port_id, 0, mbufs, BURST);
		if (cnt == 0) {
			mirror->empty_cnt++;
			continue;
		}
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[0], void *));
		for (uint16_t i = 0; i < cnt; i++) {
			if (i + 1 < cnt)
				rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 1], void *));
			reflect(mbufs[i]);
		}
		uint16_t sent = rte_eth_tx_burst(mirror->port_id, 0, mbufs, cnt);
		mirror->unsent_cnt += cnt - sent;
		for (; sent < cnt; sent++)
			rte_pktmbuf_free(mbufs[sent]);
		mirror->packet_cnt += cnt;
		mirror->burst_cnt++;
		mirror->busy_cycles += rte_rdtsc() - polled;
	}
	return 0;
}
