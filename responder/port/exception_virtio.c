/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/exception_driver.h"
#include "lib/daemon/log.h"
#include "responder/port/pool.h"
#include "responder/port/tap.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <stdlib.h>

struct virtio {
	struct stele_exception_driver driver;
	uint16_t id;
	char device[32];
	const struct stele_port *port;
	struct stele_interface_settings settings;
};

static void give(struct stele_exception_driver *driver, struct rte_mbuf *mbuf)
{
	struct virtio *self = (struct virtio *)(void *)driver;

	/* The port's NIC may have had plans for it. */
	stele_pool_forget_offloads(mbuf);
	if (rte_eth_tx_burst(self->id, 0, &mbuf, 1) == 0)
		rte_pktmbuf_free(mbuf);
}

static unsigned take(struct stele_exception_driver *driver, struct rte_mempool *pool,
		     struct rte_mbuf **mbufs, unsigned max)
{
	struct virtio *self = (struct virtio *)(void *)driver;

	(void)pool; /* the queue was set up with it */
	return max ? rte_eth_rx_burst(self->id, 0, mbufs, (uint16_t)max) : 0;
}

/* DPDK closes no device that runs. */
static void stop(const struct virtio *self)
{
	rte_eth_dev_stop(self->id);
	rte_eth_dev_close(self->id);
}

static void close_virtio(struct stele_exception_driver *driver)
{
	struct virtio *self = (struct virtio *)(void *)driver;

	stop(self);
	free(self);
}

static int start(struct virtio *self, struct stele_error *reterr)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx_cnt = STELE_VIRTIO_DESCRIPTORS, tx_cnt = STELE_VIRTIO_DESCRIPTORS;
	unsigned socket = rte_socket_id();
	/* One queue: the exception thread is one. */
	int rc = rte_eth_dev_configure(self->id, 1, 1, &conf);

	if (!rc)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(self->id, &rx_cnt, &tx_cnt);
	if (!rc)
		rc = rte_eth_rx_queue_setup(self->id, 0, rx_cnt, socket, NULL,
					    self->port->pools[0]);
	if (!rc)
		rc = rte_eth_tx_queue_setup(self->id, 0, tx_cnt, socket, NULL);
	if (!rc)
		rc = rte_eth_dev_start(self->id);
	return rc ? stele_fail_errno(reterr, -rc, "%s cannot be set up", self->device) : 0;
}

/* In the interface's namespace: that is where vhost-net makes it. */
static int make(void *user, struct stele_error *reterr)
{
	struct virtio *self = user;
	char args[256];

	snprintf(self->device, sizeof(self->device), "virtio_user%u", self->port->id);
	snprintf(args, sizeof(args),
		 "path=/dev/vhost-net,queues=1,queue_size=%d,iface=%s,"
		 "mac=%02x:%02x:%02x:%02x:%02x:%02x",
		 STELE_VIRTIO_DESCRIPTORS, self->settings.name, self->settings.mac[0],
		 self->settings.mac[1], self->settings.mac[2], self->settings.mac[3],
		 self->settings.mac[4], self->settings.mac[5]);
	int rc = rte_eal_hotplug_add("vdev", self->device, args);
	if (rc)
		return stele_fail_errno(reterr, -rc, "virtio-user over /dev/vhost-net");
	rc = rte_eth_dev_get_port_by_name(self->device, &self->id);
	if (rc)
		return stele_fail_errno(reterr, -rc, "%s", self->device);
	rc = start(self, reterr);
	if (!rc)
		rc = stele_interface_configure(&self->settings, reterr);
	if (rc)
		stop(self);
	return rc;
}

int stele_exception_virtio_open(const struct stele_port *port,
				struct stele_exception_driver **ret_driver,
				struct stele_error *reterr)
{
	struct virtio *self = calloc(1, sizeof(*self));

	if (!self)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	self->driver = (struct stele_exception_driver){
		.give = give, .take = take, .close = close_virtio, .fd = -1};
	self->port = port;
	stele_exception_interface(port, &self->settings);
	int rc = stele_interface_in_namespace(self->settings.namespace, make, self, reterr);
	if (rc)
		free(self);
	else
		*ret_driver = &self->driver;
	return rc;
}
