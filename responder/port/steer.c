/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/steer.h"

#include "lib/daemon/log.h"
#include "responder/port/ports.h"

#include <rte_byteorder.h>
#include <rte_flow.h>
#include <string.h>

bool stele_steer_isolate(const struct stele_port *port, const struct rte_eth_dev_info *info)
{
	struct rte_flow_error error;
	enum stele_exception_kind kind = port->config->exception.kind;

	if (port->config->kind != STELE_PORT_PCI || strncmp(info->driver_name, "mlx", 3) != 0 ||
	    (kind != STELE_EXCEPTION_AUTO && kind != STELE_EXCEPTION_NONE))
		return false;
	if (rte_flow_isolate(port->id, 1, &error) != 0) {
		stele_log(
			STELE_LOG_WARNING,
			"port '%s': the device cannot share its packets with the kernel (%s), so all come "
			"here",
			port->config->name, error.message ? error.message : "no reason given");
		return false;
	}
	return true;
}

static int add_rule(const struct stele_port *port, const struct stele_config_prefix *address,
		    uint16_t udp_port, struct rte_flow_error *error)
{
	uint16_t queues[STELE_PORT_CORES_MAX];
	bool ipv4 = address->family == 4;
	struct rte_flow_item_ipv4 ipv4_spec = {0}, ipv4_mask = {.hdr.dst_addr = UINT32_MAX};
	struct rte_flow_item_ipv6 ipv6_spec = {0}, ipv6_mask = {0};
	struct rte_flow_item_udp udp_spec = {.hdr.dst_port = rte_cpu_to_be_16(udp_port)};
	struct rte_flow_item_udp udp_mask = {.hdr.dst_port = UINT16_MAX};
	const struct rte_flow_item ip_item = {
		.type = ipv4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6,
		.spec = ipv4 ? (const void *)&ipv4_spec : &ipv6_spec,
		.mask = ipv4 ? (const void *)&ipv4_mask : &ipv6_mask,
	};
	const struct rte_flow_item_vlan vlan_spec = {.tci = rte_cpu_to_be_16(port->config->vlan)};
	const struct rte_flow_item_vlan vlan_mask = {.tci = rte_cpu_to_be_16(0x0fff)};
	struct rte_flow_item pattern[5] = {{.type = RTE_FLOW_ITEM_TYPE_ETH}};
	unsigned n = 1;

	memcpy(&ipv4_spec.hdr.dst_addr, address->addr, 4);
	memcpy(ipv6_spec.hdr.dst_addr, address->addr, 16);
	memset(ipv6_mask.hdr.dst_addr, 0xff, 16);
	if (port->config->vlan)
		pattern[n++] = (struct rte_flow_item){
			.type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &vlan_spec, .mask = &vlan_mask};
	pattern[n++] = ip_item;
	pattern[n++] = (struct rte_flow_item){
		.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp_spec, .mask = &udp_mask};
	pattern[n] = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_END};

	for (uint16_t i = 0; i < port->queue_cnt; i++)
		queues[i] = i;
	const struct rte_flow_action_rss rss = {
		.types = ipv4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP,
		.queue = queues,
		.queue_num = port->queue_cnt,
	};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	const struct rte_flow_attr attributes = {.ingress = 1};
	return rte_flow_create(port->id, &attributes, pattern, actions, error) ? 0 : -1;
}

int stele_steer_queries(const struct stele_port *port, uint16_t udp_port,
			struct stele_error *reterr)
{
	for (size_t i = 0; i < port->config->addresses.cnt; i++) {
		struct rte_flow_error error = {0};
		if (add_rule(port, &port->config->addresses.items[i], udp_port, &error) != 0)
			return stele_fail(
				reterr, STELE_E_SYSTEM,
				"port '%s': the device takes no rule that steers queries here: %s",
				port->config->name,
				error.message ? error.message : "no reason given");
	}
	stele_log(
		STELE_LOG_INFO,
		"port '%s': UDP port %u of the service addresses is steered here, all else stays with "
		"the kernel",
		port->config->name, udp_port);
	return 0;
}
