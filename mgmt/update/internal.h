/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_UPDATE_INTERNAL_H
#define STELE_MGMT_UPDATE_INTERNAL_H

/* What in.c (requests, the zone's own) and forward.c (to a primary) share. */

#include "mgmt/update/update.h"

#include "mgmt/update/message.h"

/*
 * Passes a request to the zone's primary and its reply back; answers SERVFAIL where that fails. Takes the
 * request over, and `config`, which the caller holds and of which `options` are.
 */
void update_forward(struct stele_daemon *daemon, struct stele_request *request, const uint8_t *apex,
		    const struct stele_template_config *options,
		    const struct stele_mgmtd_config *config);

#endif
