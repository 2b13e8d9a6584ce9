/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_CONTROL_H
#define STELE_RESPONDER_CONTROL_CONTROL_H

#include "responder/control/running.h"

/*
 * Listens on the control socket; requests wait until stele_control_run(). The first thing to do,
 * since it tells whether another responder is at work with the same configuration. Errors as
 * stele_ctl_server_new().
 */
int stele_control_listen(struct stele_responder *responder, struct stele_error *reterr);

/*
 * The control thread's work, from when the responder serves until it is told to end: requests over
 * the control socket, signals, links and the counters of ports once a second, and word to the
 * service manager. SIGTERM and SIGINT end it, SIGHUP reloads. The signals have to be blocked
 * already, before any thread was made. Returns 0 when it was told to end.
 */
int stele_control_run(struct stele_responder *responder, struct stele_error *reterr);

/* Blocks the signals that stele_control_run() takes. */
void stele_control_block_signals(void);

/* Whether one of them waits that will end stele_control_run() at once. */
bool stele_control_is_told_to_end(void);

#endif
