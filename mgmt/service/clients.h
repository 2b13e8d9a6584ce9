/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_SERVICE_CLIENTS_H
#define STELE_MGMT_SERVICE_CLIENTS_H

/*
 * How many connections each client has open, over all loops.
 *
 * A client is an IPv4 address, or a /64 of IPv6: that much any host has for itself. Any thread.
 */

#include "lib/config/config.h"

struct clients;
struct client; /* one who has connections */

/* NULL: no memory, or no random numbers. */
struct clients *clients_new(void);
void clients_free(struct clients *clients); /* NULL is fine; nobody is in it any more */

/* One connection more of this address, if that makes no more than `max`; else NULL. */
struct client *clients_enter(struct clients *clients, const struct stele_config_address *address,
			     uint32_t max);
/* One less. */
void clients_leave(struct clients *clients, struct client *client);

#endif
