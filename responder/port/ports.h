/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_PORTS_H
#define STELE_RESPONDER_PORT_PORTS_H

/*
 * Ports: from a device that the EAL has found to queues that workers poll.
 *
 * Queue i of a port belongs to the i-th of its cores, with a pool of buffers of its own on that
 * core's NUMA node. Received packets are spread over queues by the UDP 4-tuple where the device
 * can. Checksums are left to devices on PCI that offer it; virtual ones would only do in software,
 * and for the whole packet, what the stored sums of bodies make cheap.
 *
 * VLAN tags stay in the frames: handling one in place costs nothing. What goes to the kernel loses the tag of the
 * port's VLAN on its way (exception.h).
 */

#include "lib/base/error.h"
#include "responder/config/config.h"
#include "responder/frame/frame.h"

#include <rte_ether.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>

struct stele_port {
	const struct stele_port_config *config;
	uint16_t id; /* DPDK's */
	uint16_t queue_cnt;
	uint32_t mbuf_room; /* bytes of a packet buffer, DPDK's headroom included */
	bool rx_cksum;      /* the NIC checks checksums of IPv4 and UDP */
	bool bifurcated;    /* the kernel has what no rule steers here */
	bool link_up;
	uint64_t missed, errors; /* as last read */
	struct rte_mempool *pools[STELE_PORT_CORES_MAX];
	struct stele_frame_port frame;
};

/*
 * Configures and starts the device of port `index` of `config`. `lcores` are the logical cores of
 * its workers. `port` is zeroed memory, for stele_port_close() after success only. STELE_E_INPUT:
 * the device cannot do what is asked (queues, MTU, address); STELE_E_SYSTEM: there is no such
 * device, no memory, or the driver refuses.
 */
int stele_port_open(struct stele_port *port, const struct stele_responder_config *config,
		    unsigned index, const unsigned *lcores, struct stele_error *reterr);

/* Stops the device and lets go of it. No worker polls it any more. */
void stele_port_close(struct stele_port *port);

/* Takes note of the link: true if it changed. Control thread, about once a second; a change of the
 * link needs nothing to be done here, it is for the log and for announcing addresses. */
bool stele_port_poll_link(struct stele_port *port);

/* Adds what the device counted since the last time. Control thread. */
void stele_port_poll_counters(struct stele_port *port, uint64_t *missed, uint64_t *errors);

#endif
