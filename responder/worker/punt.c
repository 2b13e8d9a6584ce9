/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/internal.h"

#include "lib/base/bytes.h"

enum {
	TYPE_OFF = 12,
	TYPE_VLAN = 0x8100,
	UNTAGGED_SZ = 14,
	TAGGED_SZ = 18,
	PROTOCOL_UDP = 17,
	ICMP6_ND_MIN = 133, /* router solicitation … redirect (RFC 4861) */
	ICMP6_ND_MAX = 137,
	BFD_PORT = 3784, /* control packets, over one hop (RFC 5881 section 4) */
	BFD_HOP_LIMIT = 255,
	/* Of the packets to the kernel, the part that is kept for the network's own needs. */
	NETWORK_SHARE = 4,
};

/* What a group of the link is told (224.0.0.0/24, ff02::/16), which no router passes on: routing protocols,
 * VRRP, router advertisements, group membership. Not what hosts talk over UDP there. */
static bool is_for_link_group(const uint8_t *ip)
{
	if (ip[0] >> 4 == 6)
		return ip[24] == 0xff && (ip[25] & 15) == 2 && ip[6] != PROTOCOL_UDP;
	return ip[16] == 224 && ip[17] == 0 && ip[18] == 0 && ip[9] != PROTOCOL_UDP;
}

static bool is_neighbour_discovery(const uint8_t *ip, uint32_t len)
{
	return len > 40 && ip[0] >> 4 == 6 && ip[40] >= ICMP6_ND_MIN && ip[40] <= ICMP6_ND_MAX;
}

/* The port that TCP or UDP is for; 0: it is cut off. */
static uint16_t port_to(const uint8_t *ip, uint32_t len)
{
	uint32_t header_sz = ip[0] >> 4 == 6 ? 40 : (ip[0] & 15) * 4u;

	return len < header_sz + 4 ? 0 : stele_get_be16(ip + header_sz + 2);
}

static bool is_tcp_without_dns(const uint8_t *ip, uint32_t len)
{
	uint16_t to = port_to(ip, len);

	return to != 0 && to != 53 && to != 853;
}

/* From a neighbour: a router would have taken one off. Without it, the session of BGP that it watches ends. */
static bool is_bfd(const uint8_t *ip, uint32_t len)
{
	uint8_t hop_limit = ip[0] >> 4 == 6 ? ip[7] : ip[8];

	return hop_limit == BFD_HOP_LIMIT && port_to(ip, len) == BFD_PORT;
}

/*
 * Whom the reserve is for: address resolution, link protocols, what routers say to groups of the link, what is for the
 * node's own addresses, BFD, and TCP that is no DNS. Routing and the operator's shell are among these, and a flood
 * of queries by TCP, of signed messages, or of UDP to any port is not. The headers up to that of IP are known to be
 * whole.
 */
static bool is_for_network(const struct rte_mbuf *mbuf, enum stele_stat stat)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	/* A tag may be there without a VLAN, for its priority. */
	uint32_t l3 = stele_get_be16(frame + TYPE_OFF) == TYPE_VLAN ? TAGGED_SZ : UNTAGGED_SZ;
	const uint8_t *ip = frame + l3;
	uint32_t len = rte_pktmbuf_data_len(mbuf) - l3;

	switch (stat) {
	case STELE_STAT_PUNT_ETHERTYPE:
	case STELE_STAT_PUNT_ARP:
	case STELE_STAT_PUNT_ADDRESS:
		return true;
	case STELE_STAT_PUNT_GROUP:
		return is_for_link_group(ip);
	case STELE_STAT_PUNT_ICMP:
		return is_neighbour_discovery(ip, len);
	case STELE_STAT_PUNT_TCP:
		return is_tcp_without_dns(ip, len);
	case STELE_STAT_PUNT_UDP_PORT:
		return is_bfd(ip, len);
	default:
		return false;
	}
}

void stele_punt_set_rate(struct stele_worker *worker, uint32_t rate)
{
	uint64_t share = rate;

	worker->punt_rate = rate;
	if (rate) {
		/* At least one each, or a low rate over many workers would be none. */
		share = rate / worker->port_workers + 1;
		stele_bucket_init(&worker->network_bucket, share / NETWORK_SHARE + 1,
				  share / NETWORK_SHARE / 10 + 16, worker->hz);
		share -= share / NETWORK_SHARE;
	}
	stele_bucket_init(&worker->punt_bucket, share, share / 10 + 16, worker->hz);
}

void stele_punt_add(struct stele_worker *worker, struct rte_mbuf *mbuf, enum stele_stat stat)
{
	struct stele_burst *burst = &worker->burst;

	if (!worker->exception) {
		stele_worker_drop(worker, mbuf, STELE_STAT_DROP_PUNT_NOWHERE);
		return;
	}
	if (unlikely(worker->punt_rate != burst->rules->punt_rate))
		stele_punt_set_rate(worker, burst->rules->punt_rate);
	if (!(is_for_network(mbuf, stat) &&
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
