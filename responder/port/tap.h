/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PORT_TAP_H
#define STELE_RESPONDER_PORT_TAP_H

/*
 * Interfaces of the kernel that carry the service addresses, for the exception path.
 */

#include "lib/base/error.h"
#include "responder/config/config.h"

#include <stdint.h>

struct stele_interface_settings {
	const char *name; /* of the interface */
	const char
		*namespace; /* network namespace: a name as `ip netns` has it, or a path; NULL: ours */
	uint8_t mac[6];
	uint16_t mtu;
	const struct stele_config_prefix *addresses;
	size_t address_cnt;
};

/*
 * Makes a TAP interface, gives it MAC, MTU and addresses, and sets it up. `*ret_fd` is its end for
 * frames: non-blocking, one frame to a read() or write(), without a header of its own. The
 * interface goes when the descriptor is closed. STELE_E_INPUT: no such namespace; STELE_E_SYSTEM.
 */
int stele_tap_open(const struct stele_interface_settings *settings, int *ret_fd,
		   struct stele_error *reterr);

/* Gives an interface that is there MAC, MTU and addresses, and sets it up. In the calling thread's
 * network namespace. */
int stele_interface_configure(const struct stele_interface_settings *settings,
			      struct stele_error *reterr);

/* Calls `run` in a thread that is in the namespace, and returns what it returns. */
int stele_interface_in_namespace(const char *namespace,
				 int (*run)(void *user, struct stele_error *reterr), void *user,
				 struct stele_error *reterr);

#endif
