/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CONTROL_H
#define STELE_MGMT_CONTROL_H

/* The daemon's control socket: operations of docs/control-protocol.md, in the main loop. */

#include "mgmt/daemon.h"

/* Listens, as part of the main loop. STELE_E_USAGE if another daemon does at this path. */
int stele_daemon_control_new(struct stele_daemon *daemon, struct stele_error *reterr);
void stele_daemon_control_free(struct stele_daemon *daemon); /* none is fine */

/* Something may have come that a client waits for: looks now, not at the next turn. */
void stele_daemon_control_look(struct stele_daemon *daemon);

#endif
