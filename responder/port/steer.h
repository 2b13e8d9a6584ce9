/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_STEER_H
#define STELE_RESPONDER_PORT_STEER_H

/*
 * Bifurcated devices (mlx5): the kernel's driver stays on the card, and rules say which packets
 * come here. Then no exception path is needed: queries are steered to the workers, and all else,
 * ARP, neighbour discovery and TCP among it, is the kernel's as before, on the card's own
 * interface.
 */

#include "lib/base/error.h"

#include <rte_ethdev.h>
#include <stdbool.h>
#include <stdint.h>

struct stele_port;

/*
 * Before the device is configured: asks it to give up all but what rules steer here. True if it
 * does. False if it cannot or if the configuration names an exception path; then the port takes
 * everything.
 */
bool stele_steer_isolate(const struct stele_port *port, const struct rte_eth_dev_info *info);

/* After it started: rules for UDP to each service address and `udp_port`, spread over the port's
 * queues. STELE_E_SYSTEM: the device takes a rule not. */
int stele_steer_queries(const struct stele_port *port, uint16_t udp_port,
			struct stele_error *reterr);

#endif
