/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_OUT_H
#define STELE_MGMT_TRANSFER_OUT_H

/*
 * Transfers out (RFC 5936, RFC 1995): from one read of the store, which pins the version that is
 * sent however the zone changes meanwhile. It keeps old pages of the store from being used again, so a
 * client that takes no message for a minute, or needs longer than the zone's transfer_max_time in all,
 * is cut off. How many there are at once is limited by the service.
 */

#include "mgmt/daemon.h"
#include "mgmt/service/request.h"

/* Handles AXFR and IXFR in the request's home. `user` is the daemon. */
void stele_transfer_out(void *user, struct stele_request *request);

#endif
