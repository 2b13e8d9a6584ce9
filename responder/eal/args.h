/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_EAL_ARGS_H
#define STELE_RESPONDER_EAL_ARGS_H

/*
 * What DPDK's environment layer (EAL) is told on its command line, made from the configuration, so
 * that nobody has to know its arguments. Pure: what the machine has is a parameter.
 *
 * Logical core 0 of the EAL is the control thread; logical core 1 + i is worker i. Workers are
 * numbered through ports in their order, and through the cores of each.
 */

#include "lib/base/error.h"
#include "responder/config/config.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define STELE_EAL_ARGS_MAX 256
#define STELE_EAL_TEXT_MAX (64u << 10)

/* What of the machine matters. */
struct stele_machine {
	cpu_set_t cpus;        /* that the process was given; with isolcpus, not these */
	cpu_set_t reachable;   /* that its threads may have if they ask */
	uint64_t huge_free[2]; /* bytes of free huge pages: of 2 MB, of 1 GB */
	bool vhost_net;        /* there is /dev/vhost-net */
};

struct stele_eal_args {
	int argc;
	char *argv[STELE_EAL_ARGS_MAX + 1]; /* into `text`; ends with NULL */
	bool huge;                          /* memory of packets is in huge pages */
	uint32_t text_len;
	char text[STELE_EAL_TEXT_MAX];
};

/* Looks at this machine. Never fails: what cannot be found out is not there. The calling thread's affinity is another
 * one for a moment. */
void stele_machine_look(struct stele_machine *ret_machine);

/*
 * STELE_E_INPUT: a core that the process cannot have, or more workers than the EAL has
 * logical cores for; STELE_E_SYSTEM: huge pages are asked for and there are too few.
 */
int stele_eal_args_make(const struct stele_responder_config *config,
			const struct stele_machine *machine, struct stele_eal_args *ret_args,
			struct stele_error *reterr);

/* Bytes of one packet buffer of a port: room for a frame of its MTU and for a reply of any size
 * that may be sent, with the headroom of DPDK. */
uint32_t stele_eal_mbuf_room(const struct stele_port_config *port);

/* Whether the port's exception path is a virtio-user device, given what the machine has. */
bool stele_eal_uses_virtio(const struct stele_port_config *port,
			   const struct stele_machine *machine);

#endif
