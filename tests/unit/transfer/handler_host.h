/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_TRANSFER_HANDLER_HOST_H
#define STELE_TESTS_UNIT_TRANSFER_HANDLER_HOST_H

/*
 * What handlers of requests need around them, without sockets and threads: a store, zones as a
 * configuration says, a main loop that the test runs, and in the place of the service functions that
 * keep what is answered. Ends the test where something fails.
 */

#include "mgmt/daemon.h"
#include "mgmt/service/request.h"

#include <stdbool.h>

struct handler_host {
	struct stele_daemon daemon;
	char dir[64];
	struct stele_error err;
};

/* `config` is YAML; every zone that it names is added. */
void handler_host_begin(struct handler_host *host, const char *config);
void handler_host_end(struct handler_host *host);

/* Runs the loop until `*until` is true, or for `ms` milliseconds at most. True in the first case. */
bool handler_host_run(struct handler_host *host, const bool *until, unsigned ms);

/* A request, and what became of it. */
struct hosted_request {
	struct stele_request request; /* first */
	bool answered;                /* in one of the ways below */
	bool dropped;
	int refused; /* the rcode that it was refused with; -1: it was not */
	uint8_t reply[65535];
	size_t reply_len;
	unsigned stream_cnt; /* messages of a stream; the last is in `reply` */
};

/* `from` is "192.0.2.1"; `key` a name as text, or NULL. The message must live as long. */
void hosted_request_init(struct hosted_request *hosted, struct handler_host *host,
			 enum stele_transport transport, const char *from, const char *key,
			 const uint8_t *msg, size_t len);

#endif
