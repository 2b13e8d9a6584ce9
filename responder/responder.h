/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_RESPONDER_H
#define STELE_RESPONDER_RESPONDER_H

/* The responder as a whole: what main.c starts and stops. */

#include "lib/base/error.h"
#include "responder/config/config.h"
#include "responder/control/running.h"

/*
 * Looks at what the configuration names: the user, whom it becomes, cores, cookie secrets. Logs each fault; the
 * status of the first, or 0. Huge pages are not looked at: one that runs has them.
 */
int stele_responder_check(const struct stele_responder_config *config);

/*
 * Brings everything up, so that queries are answered when it returns if there is an image.
 * Privileges are given up on the way. On failure what was done is undone.
 */
int stele_responder_start(struct stele_responder *responder,
			  const struct stele_responder_config *config, const char *config_path,
			  struct stele_error *reterr);

/*
 * Workers answer what is in their queues, at most for a second; then all is undone. Does not return if one of them has
 * not ended after ten seconds: nothing can be taken away from it, so the process ends, with exit status 3.
 */
void stele_responder_stop(struct stele_responder *responder);

#endif
