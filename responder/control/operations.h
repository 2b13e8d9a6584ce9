/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_OPERATIONS_H
#define STELE_RESPONDER_CONTROL_OPERATIONS_H

/*
 * The operations of the control socket (docs/control-protocol.md). Their user is a struct
 * stele_responder.
 */

#include "lib/base/error.h"
#include "lib/ctl/ctl.h"
#include "responder/control/running.h"

extern const struct stele_ctl_op stele_operations[];

/*
 * Reads the file again for what may change while serving: `answers` and `cookies`, with the secrets. All else in it
 * takes effect at the next start. On failure all stays as it was.
 */
int stele_operations_reload(struct stele_responder *responder, struct stele_error *reterr);

#endif
