/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PEER_ADDRESS_H
#define STELE_MGMT_PEER_ADDRESS_H

/* Addresses as configurations and peers have them: for the kernel, and for people. Any thread. */

#include "lib/config/config.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

union stele_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* For bind() and sendto(); returns the length. `address->family` is 4 or 6. */
socklen_t stele_address_to_sockaddr(const struct stele_config_address *address, uint16_t port,
				    union stele_sockaddr *ret_sockaddr);

/* The inverse. An IPv4 address inside an IPv6 one becomes what it is. False for other families. */
bool stele_address_from_sockaddr(const union stele_sockaddr *sockaddr,
				 struct stele_config_address *ret_address, uint16_t *ret_port);

bool stele_address_equal(const struct stele_config_address *a,
			 const struct stele_config_address *b);

/* "192.0.2.1#53", as logs have it; without a port if that is 0. Returns `text`. */
#define STELE_ADDRESS_TEXT_MAX 56
const char *stele_address_to_text(const struct stele_config_address *address, uint16_t port,
				  char text[STELE_ADDRESS_TEXT_MAX]);

#endif
