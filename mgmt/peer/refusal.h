/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PEER_REFUSAL_H
#define STELE_MGMT_PEER_REFUSAL_H

/*
 * Requests that are refused, in the log: who, for which zone, why. Anybody can make us refuse something
 * as fast as a line allows, so only some lines a second are written; the next one then says how many were
 * left out. Any thread.
 */

#include "mgmt/service/request.h"

#include <stdint.h>

/* Lines a second, of all kinds together. Fewer hide who tries, more are what a stranger can write to our
 * disk: 2 KB a second, 170 MB a day. */
#define STELE_REFUSALS_A_SECOND 10

/* `event` is "transfer-out-refused" or the like; `apex` may be NULL. */
void stele_log_refusal(const char *event, const struct stele_request *request, const uint8_t *apex,
		       uint16_t rcode, const char *reason);

#endif
