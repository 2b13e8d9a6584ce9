/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_NOTIFY_NOTIFY_H
#define STELE_MGMT_NOTIFY_NOTIFY_H

/* NOTIFY, both ways (RFC 1996). */

#include "mgmt/daemon.h"
#include "mgmt/service/request.h"

/* Handles a NOTIFY in the request's home: checks access, answers, and tells the main loop. `user` is
 * the daemon. Many for one zone while it is asked for already cost nothing more. */
void stele_notify_in(void *user, struct stele_request *request);

/* The zone has a serial that its secondaries may not know: tells each, over UDP, until it answers or
 * has been told five times. A serial that comes meanwhile takes the place of this one. Main loop. */
int stele_notify_out(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		     struct stele_error *reterr);
void stele_notify_out_end(struct stele_daemon *daemon, struct stele_managed_zone *zone);

#endif
