/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_INTERNAL_H
#define STELE_RESPONDER_CONTROL_INTERNAL_H

/* Operations that have a file of their own, and what all of them share. */

#include "lib/ctl/ctl.h"
#include "responder/control/running.h"

int operations_status(void *user, struct stele_ctl_call *call, struct stele_error *reterr);
int operations_zones(void *user, struct stele_ctl_call *call, struct stele_error *reterr);
int operations_zone(void *user, struct stele_ctl_call *call, struct stele_error *reterr);
int operations_trace(void *user, struct stele_ctl_call *call, struct stele_error *reterr);

/*
 * The handler of an operation that the loader carries out. `make` reads the request and returns
 * what `job` works on, or NULL with the reason: it is called once. `drop` frees that if the job
 * cannot be submitted; otherwise the job does.
 */
int operations_run_job(struct stele_responder *responder, struct stele_ctl_call *call,
		       stele_job job,
		       void *(*make)(struct stele_responder *responder, struct stele_ctl_call *call,
				     struct stele_error *reterr),
		       void (*drop)(void *arg), struct stele_error *reterr);

/* Cores whose workers look at the current image. Any thread. */
unsigned operations_core_cnt(const struct stele_responder *responder);

#endif
