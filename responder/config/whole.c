/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what no single value can tell. */
#include "responder/config/check.h"

#include "lib/base/bytes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Buffers of a queue outside of its descriptors: two bursts at work and the cache of the pool. Fewer
 * let reception stall while replies are on their way. */
#define MBUFS_UNDERWAY 512

/* What `auto` stands for at least: room for a kernel that is slow to take what it is given. */
#define MBUFS_AUTO_MIN 4096

#define IPV4_UDP_SZ 28 /* headers in front of a reply */
#define IPV6_UDP_SZ 48

/* ---- arguments of devices ---- */

static const struct stele_config_pair *find_arg(const struct stele_port_config *port,
						const char *key)
{
	for (size_t i = 0; i < port->args.cnt; i++)
		if (strcmp(port->args.items[i].key, key) == 0)
			return &port->args.items[i];
	return NULL;
}

static void check_args(struct stele_config *config, const struct stele_port_config *port)
{
	/* What the responder derives from other options. */
	static const struct {
		enum stele_port_kind kind;
		const char *key, *option;
	} own[] = {
		{STELE_PORT_AF_PACKET, "qpairs", "cores"},
		{STELE_PORT_AF_XDP, "queue_count", "cores"},
		{STELE_PORT_TAP, "mac", "mac"},
		{STELE_PORT_MEMIF, "mac", "mac"},
	};
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct stele_config_pair *arg = find_arg(port, own[i].key);
		if (arg != NULL && port->kind == own[i].kind)
			stele_config_fault(config, &arg->value,
					   "the argument '%s' of %s (expected '%s' of the port to "
					   "say that)",
					   arg->key, port->device, own[i].option);
	}
	bool needs_iface = port->kind == STELE_PORT_AF_PACKET || port->kind == STELE_PORT_AF_XDP;
	if (needs_iface && find_arg(port, "iface") == NULL)
		stele_config_fault(config, &port->args,
				   "%s has no interface (expected args: { iface: NAME })",
				   port->device);
	if (port->kind == STELE_PORT_PCAP && find_arg(port, "iface") == NULL &&
	    find_arg(port, "rx_pcap") == NULL && find_arg(port, "rx_iface") == NULL)
		stele_config_fault(config, &port->args,
				   "%s has nothing to read (expected args with iface, rx_iface or "
				   "rx_pcap)",
				   port->device);
}

/* The interface of the kernel that the device itself is or makes; NULL if there is none. */
static const struct stele_config_pair *own_interface(const struct stele_port_config *port)
{
	switch (port->kind) {
	case STELE_PORT_TAP:
	case STELE_PORT_AF_PACKET:
	case STELE_PORT_AF_XDP:
		return find_arg(port, "iface");
	default:
		return NULL;
	}
}

/* ---- addresses of a port ---- */

static bool is_broadcast_of(const struct stele_config_prefix *a,
			    const struct stele_config_prefix *other)
{
	if (a->family != 4 || other->family != 4 || other->len == 0 || other->len > 30)
		return false;
	return stele_get_be32(a->addr) == (stele_get_be32(other->addr) | UINT32_MAX >> other->len);
}

/* What stele_frame_port_init() would refuse, too: a broadcast address is no source of queries, and no
 * address to be asked at. `a` stands behind `b`. */
static void check_addresses(struct stele_config *config, const struct stele_config_prefix *a,
			    const struct stele_config_prefix *b)
{
	if (is_broadcast_of(a, b))
		stele_config_fault(config, a,
				   "the broadcast address of the address on line %u (expected "
				   "another address, or another prefix there)",
				   stele_config_line(config, b));
	else if (is_broadcast_of(b, a))
		stele_config_fault(config, a,
				   "the broadcast address of this one is the address on line %u "
				   "(expected another prefix, or another address)",
				   stele_config_line(config, b));
}

/* ---- one port ---- */

static void set_derived(struct stele_config *config, struct stele_port_config *port)
{
	port->kind = config_port_kind(port->device);
	if (port->exception.interface == NULL) {
		size_t sz = strlen(port->name) + sizeof("x-");
		char *interface = stele_config_alloc(config, sz);
		if (interface != NULL)
			snprintf(interface, sz, "x-%s", port->name);
		port->exception.interface = interface;
	}
}

/*
 * Buffers that virtio-user devices hold. They are of the port's pools: the ring towards us is filled from that
 * of queue 0 and kept full, that towards the kernel holds what any queue has handed over. Left out of
 * the reckoning, they are taken from a small pool until queue 0 has none left to receive with. Whether
 * there is /dev/vhost-net, `auto` finds out at start only.
 */
static uint32_t virtio_mbufs(const struct stele_port_config *port)
{
	bool may_be = port->exception.kind == STELE_EXCEPTION_VIRTIO_USER ||
		      port->exception.kind == STELE_EXCEPTION_AUTO;
	return may_be ? 2 * STELE_VIRTIO_DESCRIPTORS : 0;
}

static uint32_t needed_mbufs(const struct stele_port_config *port)
{
	return (uint32_t)port->rx_descriptors + port->tx_descriptors + MBUFS_UNDERWAY +
	       virtio_mbufs(port);
}

/* Where it says `auto`. */
static void choose_mbufs(struct stele_responder_config *root)
{
	if (root->memory.mbufs_per_queue != 0)
		return;
	root->memory.mbufs_per_queue = MBUFS_AUTO_MIN;
	for (size_t i = 0; i < root->ports.cnt; i++) {
		uint32_t needed = needed_mbufs(&root->ports.items[i]);
		if (needed > root->memory.mbufs_per_queue)
			root->memory.mbufs_per_queue = needed;
	}
}

static void check_port(struct stele_config *config, const struct stele_responder_config *root,
		       const struct stele_port_config *port)
{
	check_args(config, port);

	if (root->memory.mbufs_per_queue < needed_mbufs(port))
		stele_config_fault(config, &root->memory.mbufs_per_queue,
				   "mbufs_per_queue is %u, but port '%s' needs %u (expected its "
				   "rx_descriptors, its tx_descriptors and %u more%s)",
				   root->memory.mbufs_per_queue, port->name, needed_mbufs(port),
				   MBUFS_UNDERWAY + virtio_mbufs(port),
				   virtio_mbufs(port) > 0 ? ", most of them for virtio-user" : "");

	bool ipv6 = false;
	for (size_t i = 0; i < port->addresses.cnt; i++) {
		ipv6 |= port->addresses.items[i].family == 6;
		for (size_t j = 0; j < i; j++)
			check_addresses(config, &port->addresses.items[i],
					&port->addresses.items[j]);
	}
	unsigned headers = ipv6 ? IPV6_UDP_SZ : IPV4_UDP_SZ;
	if (root->answers.common.udp_size + headers > port->mtu)
		stele_config_fault(config, &root->answers.common.udp_size,
				   "udp_size is %u, but the mtu of port '%s' is %u (expected at "
				   "most %u, replies are not fragmented)",
				   root->answers.common.udp_size, port->name, port->mtu,
				   port->mtu - headers);
}

/* ---- ports among one another ---- */

static bool in_same_namespace(const struct stele_exception_config *a,
			      const struct stele_exception_config *b)
{
	if (a->namespace == NULL || b->namespace == NULL)
		return a->namespace == b->namespace;
	return strcmp(a->namespace, b->namespace) == 0;
}

/* Whether `port` has an exception interface of that name in the responder's own namespace. */
static bool makes_interface(const struct stele_port_config *port, const char *name)
{
	return port->exception.kind != STELE_EXCEPTION_NONE && port->exception.namespace == NULL &&
	       strcmp(port->exception.interface, name) == 0;
}

static void check_interfaces(struct stele_config *config, const struct stele_port_config *port,
			     const struct stele_port_config *other)
{
	const struct stele_config_pair *own = own_interface(port), *others = own_interface(other);
	if (port != other && own != NULL && others != NULL &&
	    strcmp(own->value, others->value) == 0)
		stele_config_fault(config, &own->value,
				   "interface '%s' is that of port '%s' on line %u (expected "
				   "another one)",
				   own->value, other->name,
				   stele_config_line(config, &others->value));
	if (others != NULL && makes_interface(port, others->value))
		stele_config_fault(config, &port->exception.interface,
				   "interface '%s' is the device of port '%s' (expected another "
				   "one)",
				   others->value, other->name);
	if (port != other && own != NULL && makes_interface(other, own->value))
		stele_config_fault(config, &own->value,
				   "interface '%s' is the exception interface of port '%s' "
				   "(expected another one)",
				   own->value, other->name);
	if (port != other && port->exception.kind != STELE_EXCEPTION_NONE &&
	    other->exception.kind != STELE_EXCEPTION_NONE &&
	    in_same_namespace(&port->exception, &other->exception) &&
	    strcmp(port->exception.interface, other->exception.interface) == 0)
		stele_config_fault(config, &port->exception.interface,
				   "interface '%s' is the exception interface of port '%s' "
				   "(expected another one)",
				   port->exception.interface, other->name);
}

static void check_cores(struct stele_config *config, const struct stele_port_config *port,
			const struct stele_port_config *other)
{
	for (size_t i = 0; i < port->cores.cnt; i++)
		for (size_t j = 0; j < other->cores.cnt; j++) {
			const uint16_t *core = &port->cores.items[i];
			if (*core == other->cores.items[j])
				stele_config_fault(
					config, core,
					"core %u serves port '%s' on line %u (expected one that "
					"serves no other)",
					*core, other->name,
					stele_config_line(config, &other->cores.items[j]));
		}
}

/* Of what is no PCI address, DPDK is told the name with a number, which may be that of another. */
static bool is_same_device(const struct stele_responder_config *root, unsigned a, unsigned b)
{
	char name[STELE_DEVICE_NAME_MAX], other[STELE_DEVICE_NAME_MAX];
	stele_responder_device_name(root, a, name);
	stele_responder_device_name(root, b, other);
	return strcasecmp(name, other) == 0 ||
	       strcasecmp(root->ports.items[a].device, root->ports.items[b].device) == 0;
}

/* Port `i` stands behind port `j`. */
static void check_pair(struct stele_config *config, const struct stele_responder_config *root,
		       unsigned i, unsigned j)
{
	const struct stele_port_config *port = &root->ports.items[i],
				       *other = &root->ports.items[j];
	if (is_same_device(root, i, j))
		stele_config_fault(
			config, &port->device,
			"device %s is that of port '%s' on line %u (expected another "
			"one%s)",
			port->device, other->name, stele_config_line(config, &other->device),
			port->kind == STELE_PORT_PCI ? "" : ", with a number behind each");
	if (strcmp(port->name, other->name) == 0)
		stele_config_fault(config, &port->name,
				   "the name '%s' is that of the port on line %u (expected another "
				   "one)",
				   port->name, stele_config_line(config, &other->name));
	check_interfaces(config, port, other);
	check_cores(config, port, other);
}

/* ---- the rest ---- */

static void check_main_core(struct stele_config *config, const struct stele_responder_config *root)
{
	for (size_t i = 0; i < root->ports.cnt; i++)
		for (size_t j = 0; j < root->ports.items[i].cores.cnt; j++)
			if (root->ports.items[i].cores.items[j] == root->main_core)
				stele_config_fault(config, &root->main_core,
						   "core %u serves port '%s' (expected one that "
						   "serves none)",
						   root->main_core, root->ports.items[i].name);
}

void config_check_whole(struct stele_config *config, void *config_root)
{
	struct stele_responder_config *root = config_root;
	/* The list is const to all who read the configuration, not to those who fill it. */
	struct stele_port_config *ports = (struct stele_port_config *)root->ports.items;
	root->owner = config;
	for (size_t i = 0; i < root->ports.cnt; i++) {
		set_derived(config, &ports[i]);
		if (ports[i].exception.interface == NULL)
			return;
	}
	choose_mbufs(root);
	for (unsigned i = 0; i < root->ports.cnt; i++) {
		check_port(config, root, &ports[i]);
		check_interfaces(config, &ports[i], &ports[i]);
		for (unsigned j = 0; j < i; j++)
			check_pair(config, root, i, j);
	}
	check_main_core(config, root);
	unsigned queue_cnt = stele_responder_worker_cnt(root);
	stele_rrl_config_check(config, &root->rrl, queue_cnt, queue_cnt == 1 ? "queue" : "queues");
}
