/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_EXCEPTION_DRIVER_H
#define STELE_RESPONDER_PORT_EXCEPTION_DRIVER_H

/*
 * How frames get into the kernel and out of it: one of these for each kind of interface. All calls
 * but `open` and `close` come from the exception thread.
 */

#include "lib/base/error.h"
#include "responder/port/ports.h"

#include <rte_mbuf.h>
#include <stdbool.h>

struct stele_exception_driver {
	/* Hands a frame to the kernel, and frees it whether or not the kernel takes it. */
	void (*give)(struct stele_exception_driver *driver, struct rte_mbuf *mbuf);
	/* Frames that the kernel sends, at most `max`, in buffers of `pool`. Does not block. */
	unsigned (*take)(struct stele_exception_driver *driver, struct rte_mempool *pool,
			 struct rte_mbuf **mbufs, unsigned max);
	void (*close)(struct stele_exception_driver *driver);
	int fd;       /* readable when there is something to take; -1: has to be asked */
	bool starved; /* out, from `take`: there was no buffer */
};

int stele_exception_tap_open(const struct stele_port *port,
			     struct stele_exception_driver **ret_driver,
			     struct stele_error *reterr);
int stele_exception_virtio_open(const struct stele_port *port,
				struct stele_exception_driver **ret_driver,
				struct stele_error *reterr);

/* What the interface of a port is given. */
struct stele_interface_settings;
void stele_exception_interface(const struct stele_port *port,
			       struct stele_interface_settings *ret_settings);

#endif
