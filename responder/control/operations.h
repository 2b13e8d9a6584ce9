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
 * Reads again what may change while serving: the secrets of cookies. Options of the file that need
 * another start are compared, and a difference is said in the log. On failure all stays as it was.
 */
int stele_operations_reload(struct stele_responder *responder, struct stele_error *reterr);

#endif
