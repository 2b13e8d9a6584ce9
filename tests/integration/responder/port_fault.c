/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a responder (test_responder_faults.py). By $STELE_PORT_FAULT no device starts ("start"), one that
 * makes no interface takes the place of virtio-user ("interface"), or a port on PCI is one that shares its packets with
 * the kernel, though none ever come ("bifurcated"). The memory of packet buffers that are given back goes at once, as
 * huge pages do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mempool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VIRTIO "virtio_user"
#define INSTEAD "net_null0"

static int is_fault(const char *name)
{
	const char *fault = getenv("STELE_PORT_FAULT");

	return fault != NULL && strcmp(fault, name) == 0;
}

static int is_replaced(const char *device)
{
	return is_fault("interface") && strncmp(device, VIRTIO, strlen(VIRTIO)) == 0;
}

static int is_card(const char *device)
{
	return is_fault("bifurcated") && strchr(device, ':') != NULL;
}

int rte_eth_dev_start(uint16_t id)
{
	int (*next)(uint16_t);

	*(void **)&next = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	return is_fault("start") ? -EIO : next(id);
}

int rte_eal_hotplug_add(const char *bus, const char *device, const char *args)
{
	int (*next)(const char *, const char *, const char *);

	*(void **)&next = dlsym(RTLD_NEXT, "rte_eal_hotplug_add");
	return is_replaced(device) ? next(bus, INSTEAD, "") : next(bus, device, args);
}

int rte_eth_dev_get_port_by_name(const char *device, uint16_t *id)
{
	int (*next)(const char *, uint16_t *);

	*(void **)&next = dlsym(RTLD_NEXT, "rte_eth_dev_get_port_by_name");
	if (is_card(device) && rte_eal_hotplug_add("vdev", INSTEAD, "no-rx=1") != 0)
		return -ENODEV;
	return next(is_replaced(device) || is_card(device) ? INSTEAD : device, id);
}

int rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int (*next)(uint16_t, struct rte_eth_dev_info *);

	*(void **)&next = dlsym(RTLD_NEXT, "rte_eth_dev_info_get");
	int rc = next(id, info);
	if (rc == 0 && is_fault("bifurcated"))
		info->driver_name = "mlx5_pci";
	return rc;
}

int rte_flow_isolate(uint16_t id, int set, struct rte_flow_error *error)
{
	(void)id;
	(void)set;
	(void)error;
	return 0;
}

struct rte_flow *rte_flow_create(uint16_t id, const struct rte_flow_attr *attr,
				 const struct rte_flow_item pattern[],
				 const struct rte_flow_action actions[],
				 struct rte_flow_error *error)
{
	static char rule;

	(void)id;
	(void)attr;
	(void)pattern;
	(void)actions;
	(void)error;
	return (struct rte_flow *)(void *)&rule;
}

static void take_away(struct rte_mempool *pool, void *user, struct rte_mempool_memhdr *piece,
		      unsigned index)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)piece->addr;
	uintptr_t first = (begin + page - 1) / page * page,
		  end = (begin + piece->len) / page * page;

	(void)pool;
	(void)user;
	(void)index;
	if (first < end)
		mprotect((void *)first, end - first, PROT_NONE);
}

void rte_mempool_free(struct rte_mempool *pool)
{
	if (pool)
		rte_mempool_mem_iter(pool, take_away, NULL);
}
