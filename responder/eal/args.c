/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/eal/args.h"

#include "lib/base/crc32c.h"

#include <rte_config.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Memory of the EAL besides packet buffers: rings of devices, tables of drivers. Too low, and a
 * driver with large rings does not start; too high costs only addresses, since pages come when they
 * are touched. */
#define EAL_BASE_SZ (64u << 20)

/* Besides its room, a buffer has a header of two cache lines, and the pool one of its own. */
#define MBUF_OVERHEAD 256

#define HEADROOM RTE_PKTMBUF_HEADROOM
/* Drivers of PCI devices divide rooms below this; all of them take it as it is. */
#define ROOM_MIN 2048u
/* Ethernet header, two VLAN tags, frame check sequence */
#define LINK_OVERHEAD (14 + 8 + 4)

static uint64_t read_number(const char *path)
{
	char text[32];
	unsigned long long number = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file) != NULL)
		number = strtoull(text, NULL, 10);
	fclose(file);
	return number;
}

/*
 * All cores that the calling thread may have: it asks for all, of which the kernel leaves those of the cpuset, and
 * goes back to `own`.
 */
static void look_at_reachable(const cpu_set_t *own, cpu_set_t *ret_reachable)
{
	cpu_set_t all;

	*ret_reachable = *own;
	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(0, sizeof(all), &all) != 0)
		return;
	if (sched_getaffinity(0, sizeof(all), &all) == 0)
		*ret_reachable = all;
	sched_setaffinity(0, sizeof(*own), own);
}

void stele_machine_look(struct stele_machine *ret_machine)
{
	memset(ret_machine, 0, sizeof(*ret_machine));
	CPU_ZERO(&ret_machine->cpus);
	CPU_ZERO(&ret_machine->reachable);
	if (sched_getaffinity(0, sizeof(ret_machine->cpus), &ret_machine->cpus) == 0)
		look_at_reachable(&ret_machine->cpus, &ret_machine->reachable);
	ret_machine->huge_free[0] =
		read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") << 21;
	ret_machine->huge_free[1] =
		read_number("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages") << 30;
	ret_machine->vhost_net = access("/dev/vhost-net", R_OK | W_OK) == 0;
}

uint32_t stele_eal_mbuf_room(const struct stele_port_config *port)
{
	uint32_t room = (uint32_t)port->mtu + LINK_OVERHEAD;

	if (room < ROOM_MIN)
		room = ROOM_MIN;
	return HEADROOM + (room + 127) / 128 * 128;
}

/* What a buffer takes. Where a card reads plain pages by itself, none crosses the border of a
 * page. */
static uint64_t buffer_size(const struct stele_port_config *port)
{
	uint64_t size = stele_eal_mbuf_room(port) + MBUF_OVERHEAD;

	return port->kind == STELE_PORT_PCI ? (size + 4095) / 4096 * 4096 : size;
}

static uint64_t packet_memory(const struct stele_responder_config *config)
{
	uint64_t sz = EAL_BASE_SZ;

	for (size_t i = 0; i < config->ports.cnt; i++) {
		const struct stele_port_config *port = &config->ports.items[i];
		sz += port->cores.cnt * config->memory.mbufs_per_queue * buffer_size(port);
	}
	return sz;
}

/* Appends text to the argument that is being written, or begins with `start` a new one. */
static void put(struct stele_eal_args *args, bool start, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct stele_eal_args *args, bool start, const char *format, ...)
{
	va_list list;
	uint32_t room;

	if (start) {
		if (args->argc == STELE_EAL_ARGS_MAX) {
			args->text_len = STELE_EAL_TEXT_MAX; /* told at the end */
			return;
		}
		if (args->argc > 0)
			args->text_len++; /* behind the NUL of the one before */
		if (args->text_len >= STELE_EAL_TEXT_MAX)
			return;
		args->argv[args->argc++] = args->text + args->text_len;
	}
	if (args->text_len >= STELE_EAL_TEXT_MAX)
		return;
	room = STELE_EAL_TEXT_MAX - args->text_len;
	va_start(list, format);
	/* clang-tidy 14 misses va_start() here. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	int len = vsnprintf(args->text + args->text_len, room, format, list);
	va_end(list);
	args->text_len += len < 0 || (uint32_t)len >= room ? room : (uint32_t)len;
}

static void put_cpus(struct stele_eal_args *args, const cpu_set_t *cpus)
{
	const char *separator = "";

	put(args, false, "(");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus))
			continue;
		put(args, false, "%s%d", separator, cpu);
		separator = ",";
	}
	put(args, false, ")");
}

/* The control thread takes the core it is given, or all that no worker polls on, or, on a machine
 * without such a core, shares: it sleeps nearly always. "All" are those that the process was given: isolated cores
 * are for whoever names them. */
static int put_cores(const struct stele_responder_config *config,
		     const struct stele_machine *machine, struct stele_eal_args *args,
		     struct stele_error *reterr)
{
	cpu_set_t rest = machine->cpus;
	unsigned lcore = 1;

	if (stele_responder_worker_cnt(config) >= RTE_MAX_LCORE)
		return stele_fail(
			reterr, STELE_E_INPUT,
			"%u cores poll (expected at most %u, which is what DPDK was built for)",
			stele_responder_worker_cnt(config), RTE_MAX_LCORE - 1);
	for (size_t i = 0; i < config->ports.cnt; i++) {
		const struct stele_port_config *port = &config->ports.items[i];
		for (size_t j = 0; j < port->cores.cnt; j++) {
			if (!CPU_ISSET(port->cores.items[j], &machine->reachable))
				return stele_fail(
					reterr, STELE_E_INPUT,
					"port '%s': core %u is not there, or not for this process",
					port->name, port->cores.items[j]);
			CPU_CLR(port->cores.items[j], &rest);
		}
	}
	if (config->main_core != STELE_CORE_AUTO) {
		if (!CPU_ISSET(config->main_core, &machine->reachable))
			return stele_fail(reterr, STELE_E_INPUT,
					  "main_core %u is not there, or not for this process",
					  config->main_core);
		CPU_ZERO(&rest);
		CPU_SET(config->main_core, &rest);
	} else if (CPU_COUNT(&rest) == 0) {
		rest = machine->cpus;
	}
	put(args, true, "--lcores=0@");
	put_cpus(args, &rest);
	for (size_t i = 0; i < config->ports.cnt; i++)
		for (size_t j = 0; j < config->ports.items[i].cores.cnt; j++)
			put(args, false, ",%u@%u", lcore++, config->ports.items[i].cores.items[j]);
	put(args, true, "--main-lcore=0");
	return 0;
}

static int put_memory(const struct stele_responder_config *config,
		      const struct stele_machine *machine, struct stele_eal_args *args,
		      struct stele_error *reterr)
{
	uint64_t need = packet_memory(config);
	uint64_t have = machine->huge_free[0] + machine->huge_free[1];

	switch (config->memory.huge_pages) {
	case STELE_HUGE_PAGES_1G:
		have = machine->huge_free[1];
		break;
	case STELE_HUGE_PAGES_2M:
		have = machine->huge_free[0];
		break;
	case STELE_HUGE_PAGES_NONE:
		have = 0;
		break;
	case STELE_HUGE_PAGES_AUTO:
		break;
	}
	args->huge = config->memory.huge_pages != STELE_HUGE_PAGES_NONE && have >= need;
	if (args->huge) {
		/* Pages without files: nothing is left behind by a process that is killed. */
		put(args, true, "--in-memory");
		return 0;
	}
	if (config->memory.huge_pages == STELE_HUGE_PAGES_1G ||
	    config->memory.huge_pages == STELE_HUGE_PAGES_2M)
		return stele_fail(
			reterr, STELE_E_SYSTEM,
			"packets need %llu MB of huge pages and %llu MB are free (see stele-host-setup, or "
			"set memory.huge_pages to none)",
			(unsigned long long)(need >> 20), (unsigned long long)(have >> 20));
	put(args, true, "--no-huge");
	put(args, true, "--no-shconf");
	put(args, true, "-m");
	put(args, true, "%llu", (unsigned long long)(need + (1 << 20) - 1) >> 20);
	return 0;
}

bool stele_eal_uses_virtio(const struct stele_port_config *port,
			   const struct stele_machine *machine)
{
	return port->exception.kind == STELE_EXCEPTION_VIRTIO_USER ||
	       (port->exception.kind == STELE_EXCEPTION_AUTO && machine->vhost_net);
}

/* Whether the other side of a memif works in the port's own buffers, which no packet is then copied out of or into. */
static bool lends_buffers(const struct stele_port_config *port)
{
	if (port->kind != STELE_PORT_MEMIF)
		return false;
	for (size_t i = 0; i < port->args.cnt; i++)
		if (strcmp(port->args.items[i].key, "zero-copy") == 0)
			return strcmp(port->args.items[i].value, "yes") == 0;
	return false;
}

static void put_device(const struct stele_responder_config *config, unsigned index,
		       struct stele_eal_args *args)
{
	const struct stele_port_config *port = &config->ports.items[index];
	char name[STELE_DEVICE_NAME_MAX];

	stele_responder_device_name(config, index, name);
	put(args, true, port->kind == STELE_PORT_PCI ? "--allow=%s" : "--vdev=%s", name);
	for (size_t i = 0; i < port->args.cnt; i++)
		put(args, false, ",%s=%s", port->args.items[i].key, port->args.items[i].value);
	/* These drivers have as many queues as they are told here. */
	if (port->kind == STELE_PORT_AF_PACKET)
		put(args, false, ",qpairs=%zu", port->cores.cnt);
	else if (port->kind == STELE_PORT_AF_XDP)
		put(args, false, ",queue_count=%zu", port->cores.cnt);
}

int stele_eal_args_make(const struct stele_responder_config *config,
			const struct stele_machine *machine, struct stele_eal_args *ret_args,
			struct stele_error *reterr)
{
	static struct stele_eal_args args; /* large; set-up is one thread */
	bool pci = false, one_file = false;
	int rc;

	memset(&args, 0, sizeof(args));
	put(&args, true, "stele-responder");
	/* The same at each start, so that tools find the telemetry socket and nothing piles up; not
	 * that of another responder, which has a control socket of its own. */
	put(&args, true, "--file-prefix=stele-%08x",
	    stele_crc32c(0, config->control, strlen(config->control)));
	rc = put_cores(config, machine, &args, reterr);
	if (!rc)
		rc = put_memory(config, machine, &args, reterr);
	if (rc)
		return rc;
	for (unsigned i = 0; i < config->ports.cnt; i++) {
		put_device(config, i, &args);
		pci |= config->ports.items[i].kind == STELE_PORT_PCI;
		/* vhost-net takes no more than 64 pieces of memory, a memif just one. */
		one_file |= args.huge && stele_eal_uses_virtio(&config->ports.items[i], machine);
		one_file |= lends_buffers(&config->ports.items[i]);
	}
	if (!pci)
		put(&args, true, "--no-pci");
	if (one_file)
		put(&args, true, "--single-file-segments");
	if (!config->telemetry)
		put(&args, true, "--no-telemetry");
	for (size_t i = 0; i < config->memory.eal_args.cnt; i++)
		put(&args, true, "%s", config->memory.eal_args.items[i]);
	if (args.text_len >= STELE_EAL_TEXT_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "the devices need more than %d arguments or %u bytes of them",
				  STELE_EAL_ARGS_MAX, STELE_EAL_TEXT_MAX);

	memcpy(ret_args, &args, sizeof(args));
	for (int i = 0; i < args.argc; i++)
		ret_args->argv[i] = ret_args->text + (args.argv[i] - args.text);
	return 0;
}
