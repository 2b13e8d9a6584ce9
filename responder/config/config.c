/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options. What a value must satisfy besides type and range stands in check.c. */
#include "responder/config/config.h"

#include "lib/ctl/ctl.h"
#include "responder/config/check.h"
#include "responder/frame/frame.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define AT(type, field) STELE_CONFIG_AT(stele_##type##_config, field)
#define LIST_AT(type, field, flags) STELE_CONFIG_LIST_AT(stele_##type##_config, field, flags)

/* ---- memory ---- */

static const char *const huge_pages_words[] = {
	[STELE_HUGE_PAGES_AUTO] = "auto",
	[STELE_HUGE_PAGES_1G] = "1G",
	[STELE_HUGE_PAGES_2M] = "2M",
	[STELE_HUGE_PAGES_NONE] = "none",
	NULL,
};

static const struct stele_config_option memory_options[] = {
	{
		.name = "huge_pages",
		.type = STELE_CONFIG_ENUM,
		.words = huge_pages_words,
		AT(memory, huge_pages),
		.def = "auto",
		.help = "Size of the pages for images and packets. `auto` takes the largest that "
			"the system has set aside, and plain pages if there are none; lookups in "
			"large images are slower with these.",
	},
	{
		.name = "image_arena",
		.type = STELE_CONFIG_SIZE,
		AT(memory, image_arena),
		.min = 16 * MIB,
		.max = 16 * TIB,
		.def = "4G",
		.help = "Address space for images on each NUMA node with workers, mapped once at "
			"start; it does not grow. An image that does not fit beside what is served "
			"is refused. Allow for the image and a quarter more, which updates of up to a "
			"tenth of it take in turns; twice the image is ample, and what an image that "
			"was built anew wants.",
	},
	{
		.name = "mbufs_per_queue",
		.type = STELE_CONFIG_INTEGER,
		AT(memory, mbufs_per_queue),
		.word = "auto",
		.min = 512,
		.max = 1u << 20,
		.unit = "packet buffers",
		.def = "auto",
		.help = "Packet buffers of each queue. Must cover its descriptors, 512 more, and "
			"2048 more where the way to the kernel is virtio-user or may be; with "
			"fewer, packets are lost before they are read, many more push one another "
			"out of the cache. `auto`: what the port with the most needs, at least "
			"4096.",
	},
	{
		.name = "eal_args",
		.type = STELE_CONFIG_STRING,
		LIST_AT(memory, eal_args, 0),
		.list_max = 64,
		.min = 1,
		.max = 1024,
		.check = config_check_eal_arg,
		.help = "Further arguments for DPDK's environment layer, as on its command line. "
			"None is needed; those that other options set are refused.",
	},
	{0},
};

/* ---- ports ---- */

static const char *const exception_words[] = {
	[STELE_EXCEPTION_AUTO] = "auto",
	[STELE_EXCEPTION_TAP] = "tap",
	[STELE_EXCEPTION_VIRTIO_USER] = "virtio-user",
	[STELE_EXCEPTION_NONE] = "none",
	NULL,
};

static const struct stele_config_option exception_options[] = {
	{
		.name = "kind",
		.type = STELE_CONFIG_ENUM,
		.words = exception_words,
		AT(exception, kind),
		.def = "auto",
		.help = "How packets that are not plain queries reach the kernel. `auto`: "
			"virtio-user where `/dev/vhost-net` is, else TAP. `none`: they are "
			"dropped; there is no TCP then, and no BGP over this port. Cards that the "
			"kernel shares (`mlx5_core`) need none, so `auto` makes none: all but UDP "
			"queries stays with the kernel. Of UDP, NOTIFY, UPDATE and what is signed "
			"are dropped there; with `tap` they are not, and all comes this way.",
	},
	{
		.name = "interface",
		.type = STELE_CONFIG_STRING,
		AT(exception, interface),
		.word = "auto",
		.min = 1,
		.max = 15,
		.def = "auto",
		.check = config_check_interface,
		.help = "Name of the interface that the kernel gets. `auto`: `x-` and the name of "
			"the port.",
	},
	{
		.name = "rate",
		.type = STELE_CONFIG_INTEGER,
		AT(exception, rate),
		.word = "unlimited",
		.min = 1,
		.max = 100000000,
		.unit = "packets/s",
		.def = "20000",
		.help = "Most packets that are given to the kernel, so that a flood of them leaves "
			"it time for BGP and SSH. Too low cuts TCP during an attack, too high "
			"starves the kernel. Read again on reload.",
	},
	{
		.name = "namespace",
		.type = STELE_CONFIG_STRING,
		AT(exception, namespace),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.check = config_check_namespace,
		.help = "Network namespace (`ip netns`) that the interface is moved to. `none`: it "
			"stays in that of the responder.",
	},
	{0},
};

static const struct stele_config_option port_options[] = {
	{
		.name = "device",
		.type = STELE_CONFIG_STRING,
		AT(port, device),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 63,
		.check = config_check_device,
		.help = "A network card by its PCI address (`0000:01:00.0`), or a virtual device: "
			"`net_tap`, `net_af_packet`, `net_af_xdp`, `net_memif`, `net_ring`, "
			"`net_pcap`, with a number behind it if there are several.",
	},
	{
		.name = "name",
		.type = STELE_CONFIG_STRING,
		AT(port, name),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 13,
		.check = config_check_port_name,
		.help = "What counters, messages and `stelectl` call this port.",
	},
	{
		.name = "args",
		.type = STELE_CONFIG_PAIRS,
		AT(port, args),
		.max = 64,
		.check = config_check_args,
		.help = "Arguments of the device, for example `{ iface: eth1 }` for `net_af_xdp`. "
			"A name without a value gets an empty one. How many queues there are, as many "
			"as `cores`, is added by the responder.",
	},
	{
		.name = "addresses",
		.type = STELE_CONFIG_INTERFACE,
		LIST_AT(port, addresses, STELE_CONFIG_REQUIRED | STELE_CONFIG_UNIQUE),
		.list_min = 1,
		.list_max = STELE_PORT_ADDRESSES_MAX,
		.check = config_check_service_address,
		.help = "Addresses at which queries are answered. Several ports may have the same "
			"one. Queries to other addresses go to the kernel.",
	},
	{
		.name = "mac",
		.type = STELE_CONFIG_MAC,
		AT(port, mac),
		.word = "auto",
		.def = "auto",
		.check = config_check_mac,
		.help = "MAC address of the port. `auto`: the one that the device has.",
	},
	{
		.name = "vlan",
		.type = STELE_CONFIG_INTEGER,
		AT(port, vlan),
		.word = "none",
		.min = 1,
		.max = 4094,
		.def = "none",
		.help = "VLAN that queries come in and replies go out with; frames of other VLANs are "
			"dropped. `none`: untagged.",
	},
	{
		.name = "mtu",
		.type = STELE_CONFIG_INTEGER,
		AT(port, mtu),
		.min = STELE_FRAME_MTU_IPV6_MIN,
		.max = STELE_FRAME_MTU_MAX,
		.unit = "bytes",
		.def = "1500",
		.help = "Largest IP packet. Replies are never fragmented: `answers.udp_size` must "
			"fit into it with the headers of IP and UDP.",
	},
	{
		.name = "cores",
		.type = STELE_CONFIG_INTEGER,
		LIST_AT(port, cores, STELE_CONFIG_REQUIRED | STELE_CONFIG_UNIQUE),
		.list_min = 1,
		.list_max = STELE_PORT_CORES_MAX,
		.max = STELE_CORE_MAX,
		.help = "Processor cores that serve the port: each gets a queue of its own and "
			"does nothing else. Choose those of the socket that the card is at.",
	},
	{
		.name = "rx_descriptors",
		.type = STELE_CONFIG_INTEGER,
		AT(port, rx_descriptors),
		.min = 64,
		.max = 32768,
		.unit = "packets",
		.def = "1024",
		.check = config_check_power_of_two_16,
		.help = "Packets that a queue holds until they are read, a power of two. Too few "
			"lose packets in bursts, too many let them wait and spill the cache.",
	},
	{
		.name = "tx_descriptors",
		.type = STELE_CONFIG_INTEGER,
		AT(port, tx_descriptors),
		.min = 64,
		.max = 32768,
		.unit = "packets",
		.def = "1024",
		.check = config_check_power_of_two_16,
		.help = "Replies that a queue holds until they are sent, a power of two.",
	},
	{
		.name = "exception",
		.type = STELE_CONFIG_MAP,
		AT(port, exception),
		.options = exception_options,
		.help = "The way to the kernel for all that is not a plain UDP query: TCP, BGP, "
			"SSH, updates, notifications, transfers.",
	},
	{0},
};

/* ---- the rest, from the top down ---- */

static const char *const idle_words[] = {
	[STELE_IDLE_BUSY] = "busy",
	[STELE_IDLE_PAUSE] = "pause",
	[STELE_IDLE_SLEEP] = "sleep",
	NULL,
};

static const struct stele_config_option idle_options[] = {
	{
		.name = "mode",
		.type = STELE_CONFIG_ENUM,
		.words = idle_words,
		AT(idle, mode),
		.def = "pause",
		.help = "What a core does when no packet is there. `busy`: polls on, for "
			"measurements. `pause`: pauses between polls, which leaves a sibling "
			"thread more of the core. `sleep`: sleeps, which leaves the core to others "
			"and saves power.",
	},
	{
		.name = "max_delay",
		.type = STELE_CONFIG_DURATION,
		AT(idle, max_delay),
		.min = US,
		.max = 10 * MS,
		.def = "50us",
		.help = "Longest time that a packet may wait because a core pauses or sleeps. Too "
			"short saves nothing, too long fills the queue before it is read.",
	},
	{0},
};

static const struct stele_config_option answers_options[] = {
	{
		.name = "port",
		.type = STELE_CONFIG_INTEGER,
		AT(responder_answers, port),
		.min = 1,
		.def = "53",
		.help = "UDP port of queries.",
	},
	STELE_ANSWERS_OPTIONS,
	{0},
};

static const struct stele_config_option drop_options[] = {
	{
		.name = "source_ports",
		.type = STELE_CONFIG_INTEGER,
		LIST_AT(drop, source_ports, STELE_CONFIG_UNIQUE),
		.list_max = 64,
		.def = "[0, 7, 13, 17, 19]",
		.help = "UDP source ports that no honest query comes from: a reply would go to a "
			"service that answers it again (echo, daytime, qotd, chargen).",
	},
	{0},
};

static const struct stele_config_option options[] = {
	{
		.name = "image",
		.type = STELE_CONFIG_PATH,
		AT(responder, image),
		.flags = STELE_CONFIG_REQUIRED,
		.help = "Image that is served first. Once another one has been loaded, `state_dir` "
			"remembers it for the next start.",
	},
	{
		.name = "state_dir",
		.type = STELE_CONFIG_PATH,
		AT(responder, state_dir),
		.def = "/var/lib/stele/responder",
		.help = "Directory in which the last good image is remembered, what its "
			"verification found, and in which file. `user` must be able to write there, "
			"and nobody else.",
	},
	{
		.name = "control",
		.type = STELE_CONFIG_PATH,
		AT(responder, control),
		.max = STELE_CTL_PATH_MAX,
		.def = "/run/stele/responder.sock",
		.help = "Unix socket for `stelectl` and the daemon.",
	},
	{
		.name = "user",
		.type = STELE_CONFIG_STRING,
		AT(responder, user),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "stele",
		.help = "User that the responder becomes once its ports are set up. `none`: it "
			"stays who it is.",
	},
	{
		.name = "main_core",
		.type = STELE_CONFIG_INTEGER,
		AT(responder, main_core),
		.word = "auto",
		.word_value = STELE_CORE_AUTO,
		.max = STELE_CORE_MAX,
		.def = "auto",
		.help = "Core for all but answering: control, images, counters. `auto`: one that "
			"serves no port, if there is one.",
	},
	{
		.name = "memory",
		.type = STELE_CONFIG_MAP,
		AT(responder, memory),
		.options = memory_options,
		.help = "Memory for images and packets.",
	},
	{
		.name = "ports",
		.type = STELE_CONFIG_MAP,
		LIST_AT(responder, ports, STELE_CONFIG_REQUIRED),
		.list_min = 1,
		.list_max = STELE_PORTS_MAX,
		.options = port_options,
		.help = "The network ports that queries come from.",
	},
	{
		.name = "idle",
		.type = STELE_CONFIG_MAP,
		AT(responder, idle),
		.options = idle_options,
		.help = "What cores do when there is nothing to do.",
	},
	{
		.name = "answers",
		.type = STELE_CONFIG_MAP,
		AT(responder, answers),
		.options = answers_options,
		.help = "How queries are answered.",
	},
	{
		.name = "cookies",
		.type = STELE_CONFIG_MAP,
		AT(responder, cookies),
		.options = stele_cookies_options,
		.help = "DNS cookies, by which honest clients are told from forged addresses.",
	},
	{
		.name = "rrl",
		.type = STELE_CONFIG_MAP,
		AT(responder, rrl),
		.options = stele_rrl_options,
		.help = "Response rate limiting. Replies to one prefix are counted by each core on "
			"its own and by class; the rates are those of all cores together, at most "
			"100000 for each. Read again on reload.",
	},
	{
		.name = "drop",
		.type = STELE_CONFIG_MAP,
		AT(responder, drop),
		.options = drop_options,
		.help = "Packets that get no reply.",
	},
	{
		.name = "telemetry",
		.type = STELE_CONFIG_BOOL,
		AT(responder, telemetry),
		.def = "true",
		.help = "Counters over DPDK's telemetry socket.",
	},
	{0},
};

const struct stele_config_schema stele_responder_schema = {
	.program = "stele-responder",
	.about =
		"The data plane. [config/responder.example.yaml](../config/responder.example.yaml) is "
		"a configuration to begin with.",
	.options = options,
	.root_sz = sizeof(struct stele_responder_config),
	.finish = config_check_whole,
};

int stele_responder_config_load(const char *path, const struct stele_responder_config **ret_config,
				struct stele_config_faults *faults, struct stele_error *reterr)
{
	struct stele_config *owner;
	int status = stele_config_load(path, &stele_responder_schema, &owner, faults, reterr);
	if (status == 0)
		*ret_config = stele_config_root(owner);
	return status;
}

void stele_responder_config_free(const struct stele_responder_config *config)
{
	if (config != NULL)
		stele_config_free(config->owner);
}

void stele_responder_device_name(const struct stele_responder_config *config, unsigned index,
				 char *ret)
{
	const struct stele_port_config *port = &config->ports.items[index];
	size_t len = strlen(port->device);

	/* Devices of one driver are told apart by a number; the user need not give it. */
	if (port->kind == STELE_PORT_PCI || isdigit((unsigned char)port->device[len - 1]))
		snprintf(ret, STELE_DEVICE_NAME_MAX, "%s", port->device);
	else
		snprintf(ret, STELE_DEVICE_NAME_MAX, "%s%u", port->device, index);
}

unsigned stele_responder_worker_cnt(const struct stele_responder_config *config)
{
	size_t cnt = 0;
	for (size_t i = 0; i < config->ports.cnt; i++)
		cnt += config->ports.items[i].cores.cnt;
	return (unsigned)cnt;
}
