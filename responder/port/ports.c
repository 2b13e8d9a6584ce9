/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/ports.h"

#include "responder/eal/args.h"
#include "lib/daemon/log.h"
#include "responder/port/pool.h"
#include "responder/port/steer.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_errno.h>
#include <string.h>

/* Buffers that a worker keeps at hand. Fewer make it go to the shared ring of the pool more often,
 * more take them from the descriptors of a small pool. */
#define POOL_CACHE 256

#define RSS_FLOWS                                                                                  \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 |                      \
	 RTE_ETH_RSS_NONFRAG_IPV6_UDP)

static int find_device(const struct stele_responder_config *config, unsigned index,
		       uint16_t *ret_id, struct stele_error *reterr)
{
	char name[STELE_DEVICE_NAME_MAX];

	stele_responder_device_name(config, index, name);
	if (rte_eth_dev_get_port_by_name(name, ret_id) == 0)
		return 0;
	/* Drivers may call the ports of a PCI device otherwise than the device. */
	struct rte_dev_iterator iterator;
	uint16_t id;
	RTE_ETH_FOREACH_MATCHING_DEV(id, name, &iterator)
	{
		rte_eth_iterator_cleanup(&iterator);
		*ret_id = id;
		return 0;
	}
	return stele_fail(reterr, STELE_E_SYSTEM, "port '%s': DPDK has no device %s (expected %s)",
			  config->ports.items[index].name, name,
			  config->ports.items[index].kind == STELE_PORT_PCI ?
				  "a network card that is bound to vfio-pci, see stele-host-setup" :
				  "a device that this machine can make");
}

static int make_pools(struct stele_port *port, const struct stele_responder_config *config,
		      const unsigned *lcores, struct stele_error *reterr)
{
	unsigned cache = config->memory.mbufs_per_queue / 8;

	if (cache > POOL_CACHE)
		cache = POOL_CACHE;
	port->mbuf_room = stele_eal_mbuf_room(port->config);
	for (unsigned i = 0; i < port->queue_cnt; i++) {
		char name[RTE_MEMPOOL_NAMESIZE];
		snprintf(name, sizeof(name), "stele-%u-%u", port->id, i);
		port->pools[i] = stele_pool_new(name, config->memory.mbufs_per_queue, cache,
						port->mbuf_room,
						(int)rte_lcore_to_socket_id(lcores[i]),
						port->config->kind != STELE_PORT_PCI);
		if (!port->pools[i])
			return stele_fail_errno(reterr, rte_errno,
						"port '%s': no memory for %u buffers of %u bytes",
						port->config->name, config->memory.mbufs_per_queue,
						port->mbuf_room);
	}
	return 0;
}

static void free_pools(struct stele_port *port)
{
	for (unsigned i = 0; i < port->queue_cnt; i++)
		rte_mempool_free(port->pools[i]);
}

/* What is asked of the device, of what it offers. */
static void choose_offloads(struct stele_port *port, const struct rte_eth_dev_info *info,
			    struct rte_eth_conf *conf, uint32_t *frame_flags)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

	if (port->config->kind == STELE_PORT_PCI) {
		if ((info->rx_offload_capa & rx) == rx) {
			conf->rxmode.offloads |= rx;
			port->rx_cksum = true;
		}
		if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) {
			conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
			*frame_flags |= STELE_FRAME_TX_IP_CKSUM;
		}
		if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) {
			conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
			*frame_flags |= STELE_FRAME_TX_UDP_CKSUM;
		}
	}
	/* A queue sends nothing but buffers of its own pool, each with one owner. */
	conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;

	if (port->queue_cnt > 1 && info->flow_type_rss_offloads & RSS_FLOWS) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & RSS_FLOWS;
	}
}

static int set_mtu(struct stele_port *port, const struct rte_eth_dev_info *info,
		   struct stele_error *reterr)
{
	uint16_t mtu = port->config->mtu, now = 0;

	if (mtu < info->min_mtu || mtu > info->max_mtu)
		return stele_fail(reterr, STELE_E_INPUT,
				  "port '%s': the device takes no MTU of %u (expected %u to %u)",
				  port->config->name, mtu, info->min_mtu, info->max_mtu);
	rte_eth_dev_get_mtu(port->id, &now);
	int rc = mtu == now ? 0 : rte_eth_dev_set_mtu(port->id, mtu);
	/* Drivers without an MTU of their own pass what fits into a buffer. */
	if (rc && rc != -ENOTSUP)
		return stele_fail_errno(reterr, -rc, "port '%s': the device takes no MTU of %u",
					port->config->name, mtu);
	return 0;
}

static int configure(struct stele_port *port, const struct rte_eth_dev_info *info,
		     const unsigned *lcores, uint32_t *frame_flags, struct stele_error *reterr)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx_cnt = port->config->rx_descriptors, tx_cnt = port->config->tx_descriptors;
	int rc;

	if (port->queue_cnt > info->max_rx_queues || port->queue_cnt > info->max_tx_queues)
		return stele_fail(
			reterr, STELE_E_INPUT,
			"port '%s': %u cores, but the device has %u receive and %u transmit queues",
			port->config->name, port->queue_cnt, info->max_rx_queues,
			info->max_tx_queues);
	choose_offloads(port, info, &conf, frame_flags);
	rc = rte_eth_dev_configure(port->id, port->queue_cnt, port->queue_cnt, &conf);
	if (rc)
		return stele_fail_errno(reterr, -rc, "port '%s': cannot be configured",
					port->config->name);
	rc = set_mtu(port, info, reterr);
	if (rc)
		return rc;
	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_cnt, &tx_cnt);
	for (uint16_t i = 0; i < port->queue_cnt; i++) {
		unsigned socket = rte_lcore_to_socket_id(lcores[i]);
		struct rte_eth_txconf tx_conf = info->default_txconf;
		tx_conf.offloads = conf.txmode.offloads;
		struct rte_eth_rxconf rx_conf = info->default_rxconf;
		rx_conf.offloads = conf.rxmode.offloads;
		rc = rte_eth_rx_queue_setup(port->id, i, rx_cnt, socket, &rx_conf, port->pools[i]);
		if (!rc)
			rc = rte_eth_tx_queue_setup(port->id, i, tx_cnt, socket, &tx_conf);
		if (rc)
			return stele_fail_errno(reterr, -rc, "port '%s': queue %u cannot be set up",
						port->config->name, i);
	}
	return 0;
}

/* The MAC that clients see. */
static int choose_mac(struct stele_port *port, uint8_t mac[6], bool *foreign,
		      struct stele_error *reterr)
{
	struct rte_ether_addr addr;
	int rc = rte_eth_macaddr_get(port->id, &addr);

	if (rc)
		return stele_fail_errno(reterr, -rc, "port '%s': has no MAC address",
					port->config->name);
	if (port->config->mac.set) {
		memcpy(addr.addr_bytes, port->config->mac.addr, 6);
		/* That of a TAP device is not ours to set: it is the kernel's end of the cable. */
		*foreign = port->config->kind != STELE_PORT_TAP &&
			   rte_eth_dev_default_mac_addr_set(port->id, &addr) != 0;
	} else if (rte_is_zero_ether_addr(&addr)) {
		rte_eth_random_addr(addr.addr_bytes); /* rings have none */
	} else if (port->config->kind == STELE_PORT_TAP) {
		/* The device's address is that of the interface on the kernel's end of the cable.
		 * This end is somebody else. */
		addr.addr_bytes[0] |= RTE_ETHER_LOCAL_ADMIN_ADDR;
		addr.addr_bytes[5] ^= 1;
	}
	memcpy(mac, addr.addr_bytes, 6);
	return 0;
}

/*
 * Frames for a MAC that the device does not know, and for groups, have to come through too: solicitations of IPv6, and
 * whatever groups the kernel behind the port is in.
 */
static void open_filters(struct stele_port *port, bool foreign)
{
	bool groups = port->config->exception.kind != STELE_EXCEPTION_NONE;

	for (size_t i = 0; i < port->config->addresses.cnt; i++)
		groups |= port->config->addresses.items[i].family == 6;
	if (foreign || (groups && rte_eth_allmulticast_enable(port->id) != 0)) {
		int rc = rte_eth_promiscuous_enable(port->id);
		if (rc && rc != -ENOTSUP)
			stele_log(STELE_LOG_WARNING,
				  "port '%s': takes only frames for its own address (%s)",
				  port->config->name, strerror(-rc));
	}
}

static int make_frame_port(struct stele_port *port, const struct stele_responder_config *config,
			   const uint8_t mac[6], uint32_t flags, struct stele_error *reterr)
{
	const struct stele_port_config *c = port->config;
	struct stele_frame_address addresses[STELE_PORT_ADDRESSES_MAX];
	struct stele_error cause;
	struct stele_frame_settings settings = {
		.mtu = c->mtu,
		.vlan_id = c->vlan,
		.flags = flags,
		.addresses = addresses,
		.address_cnt = (unsigned)c->addresses.cnt,
		.udp_ports = {config->answers.port},
		.udp_port_cnt = 1,
		.reflector_ports = config->drop.source_ports.items,
		.reflector_port_cnt = (unsigned)config->drop.source_ports.cnt,
	};

	memcpy(settings.mac, mac, 6);
	for (size_t i = 0; i < c->addresses.cnt; i++) {
		addresses[i] = (struct stele_frame_address){
			.address.family = c->addresses.items[i].family,
			.prefix_len = c->addresses.items[i].len,
		};
		memcpy(addresses[i].address.addr, c->addresses.items[i].addr, 16);
	}
	int rc = stele_frame_port_init(&port->frame, &settings, &cause);
	return rc ? stele_fail(reterr, rc, "port '%s': %s", c->name, cause.text) : 0;
}

int stele_port_open(struct stele_port *port, const struct stele_responder_config *config,
		    unsigned index, const unsigned *lcores, struct stele_error *reterr)
{
	struct rte_eth_dev_info info;
	uint32_t frame_flags = 0;
	uint8_t mac[6];
	bool foreign = false;
	int rc;

	port->config = &config->ports.items[index];
	port->queue_cnt = (uint16_t)port->config->cores.cnt;
	rc = find_device(config, index, &port->id, reterr);
	if (rc)
		return rc;
	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc)
		return stele_fail_errno(reterr, -rc, "port '%s'", port->config->name);
	port->bifurcated = stele_steer_isolate(port, &info);
	rc = make_pools(port, config, lcores, reterr);
	if (rc)
		goto free_pools;
	rc = configure(port, &info, lcores, &frame_flags, reterr);
	if (!rc)
		rc = choose_mac(port, mac, &foreign, reterr);
	if (!rc)
		rc = make_frame_port(port, config, mac, frame_flags, reterr);
	if (rc)
		goto close;
	rc = rte_eth_dev_start(port->id);
	if (rc) {
		rc = stele_fail_errno(reterr, -rc, "port '%s': does not start", port->config->name);
		goto close;
	}
	if (port->bifurcated)
		rc = stele_steer_queries(port, config->answers.port, reterr);
	else
		open_filters(port, foreign);
	if (rc)
		goto stop;
	stele_log(STELE_LOG_INFO, "port '%s': %s (%s), %u queue%s, checksums in %s",
		  port->config->name, port->config->device, info.driver_name, port->queue_cnt,
		  port->queue_cnt == 1 ? "" : "s",
		  frame_flags & STELE_FRAME_TX_UDP_CKSUM ? "hardware" : "software");
	return 0;
stop:
	rte_eth_dev_stop(port->id);
close:
	/* It has buffers of the pools. */
	rte_eth_dev_close(port->id);
free_pools:
	free_pools(port);
	return rc;
}

void stele_port_close(struct stele_port *port)
{
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	free_pools(port);
}

bool stele_port_poll_link(struct stele_port *port)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return false;
	bool up = link.link_status == RTE_ETH_LINK_UP;
	if (up == port->link_up)
		return false;
	port->link_up = up;
	return true;
}

void stele_port_poll_counters(struct stele_port *port, uint64_t *missed, uint64_t *errors)
{
	struct rte_eth_stats stats;

	if (rte_eth_stats_get(port->id, &stats) != 0)
		return;
	uint64_t missed_now = stats.imissed + stats.rx_nombuf;
	/* Some drivers start over when a link comes back. */
	if (missed_now > port->missed)
		*missed += missed_now - port->missed;
	if (stats.ierrors > port->errors)
		*errors += stats.ierrors - port->errors;
	port->missed = missed_now;
	port->errors = stats.ierrors;
}
