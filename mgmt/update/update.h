/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_UPDATE_UPDATE_H
#define STELE_MGMT_UPDATE_UPDATE_H

/* Dynamic updates (RFC 2136): policy, prerequisites, changes, one commit. */

#include "mgmt/daemon.h"
#include "mgmt/service/request.h"

/* Handles an UPDATE in the request's home. `user` is the daemon. The reply goes out when the change
 * is durable; on a secondary it is forwarded to the primary where that is allowed. */
void stele_update_in(void *user, struct stele_request *request);

/* Answers those that are being passed on to a primary, with SERVFAIL: the daemon ends. In the main loop, which
 * has nothing posted any more; the service has stopped, and is not freed yet. */
void stele_update_end(struct stele_daemon *daemon);

#endif
