/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_METRICS_INTERNAL_H
#define STELE_MGMT_METRICS_INTERNAL_H

#include "mgmt/metrics/metrics.h"

#include <stdio.h>

/* What the main loop knows: zones, publisher, service. In the main loop. */
void metrics_write_daemon(const struct stele_daemon *daemon, FILE *out);

/* How the responder does and what it counts: asks `socket` for its status and where its counters are, reads them.
 * Nothing but stele_responder_up 0 if it does not answer. Waits; any thread. */
void metrics_write_responder(const char *socket, FILE *out);

/*
 * Whether the data plane answers: the responder says that it is healthy and answers a question by the
 * image that its cores serve; without a responder, our own socket is asked over UDP. 0, or a
 * status with the reason. Waits a second or two; any thread.
 */
struct metrics_health {
	const char *responder;               /* its control socket; NULL: none */
	struct stele_config_address address; /* asked where there is no responder */
	uint16_t port;
	uint8_t name[STELE_NAME_MAX]; /* SOA of this name */
};
int metrics_health_check(const struct metrics_health *health, struct stele_error *reterr);

#endif
