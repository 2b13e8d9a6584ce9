/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_OPERATIONS_H
#define STELE_RESPONDER_CONTROL_OPERATIONS_H

/*
 * The operations of the control socket (docs/control-protocol.md). Their user is a struct
 * stele_responder.
 */

#include "lib/ctl/ctl.h"
#include "responder/control/running.h"

extern const struct stele_ctl_op stele_operations[];

#endif
