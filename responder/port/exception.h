/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_EXCEPTION_H
#define STELE_RESPONDER_PORT_EXCEPTION_H

/*
 * The exception path: what is no query goes to the kernel, and what the kernel sends leaves by the
 * port.
 *
 *     worker --ring--> exception thread --> interface of the kernel
 *     worker of queue 0 <--ring-- exception thread <--
 *
 * The kernel sees an interface with the port's MAC and service addresses, so that TCP, BGP and SSH work on it
 * as if it were the port. A worker never waits: a full ring is a drop that it counts. The thread sleeps while
 * nothing comes; a worker that finds it asleep wakes it. What the port cannot take stays in the kernel's
 * queue, which counts what it drops. An interface that somebody removes takes the path with it until the next
 * start; the log says so.
 *
 * Frames of a port with a VLAN reach the kernel without the tag and get it back when they leave, but for those of
 * the link itself, which have none. Of other VLANs nothing comes here (frame/frame.h).
 */

#include "lib/base/error.h"
#include "responder/eal/args.h"
#include "responder/port/ports.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

struct stele_exception {
	struct rte_ring *to_kernel; /* workers -> thread */
	struct rte_ring *to_port;   /* thread -> worker of queue 0 */
	int wake_fd;                /* eventfd */
	int sleeping; /* atomic: the thread may not look at the ring again before it is woken */
	int stop;     /* atomic */
	int gone;     /* atomic: the interface is not there any more */
	struct stele_exception_driver *driver;
	const struct stele_port *port;
};

/*
 * Makes the interface and starts the thread. `*ret_exception` stays NULL if the port has no
 * exception path. After the port is open. STELE_E_INPUT: no such network namespace; STELE_E_SYSTEM.
 */
int stele_exception_open(const struct stele_port *port, const struct stele_machine *machine,
			 struct stele_exception **ret_exception, struct stele_error *reterr);

/* Ends thread and interface. After the workers, before the port is closed. NULL is fine. */
void stele_exception_close(struct stele_exception *exception);

/* Hands frames to the kernel; what does not fit stays the caller's. Returns how many were taken.
 * Any worker of the port. */
unsigned stele_exception_punt(struct stele_exception *exception, struct rte_mbuf **mbufs,
			      unsigned cnt);

/* Frames from the kernel for the port, at most `max`. The worker of queue 0. */
static inline unsigned stele_exception_take(struct stele_exception *exception,
					    struct rte_mbuf **mbufs, unsigned max)
{
	return rte_ring_sc_dequeue_burst(exception->to_port, (void **)mbufs, max, NULL);
}

#endif
