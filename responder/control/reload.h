/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_RELOAD_H
#define STELE_RESPONDER_CONTROL_RELOAD_H

/*
 * What of the configuration may change while serving, since it is wanted most when there is no time to start anew:
 * `answers`, `cookies` with their secrets, `rrl`, and the rates of packets to the kernel. Control thread.
 */

#include "lib/base/error.h"
#include "responder/control/running.h"

/* What `config` says. STELE_E_INPUT: rates out of the range of so many workers, or what stele_settings_answers() finds. */
int stele_rules_read(const struct stele_responder *responder,
		     const struct stele_responder_config *config, struct stele_rules *ret_rules,
		     struct stele_error *reterr);

/* Reads the file again, for nothing but to see whether stele_reload() would fail by it. */
int stele_reload_check(struct stele_responder *responder, struct stele_error *reterr);

/* Reads the file again and does as it says. All else in it takes effect at the next start. On failure all stays as it
 * was. */
int stele_reload(struct stele_responder *responder, struct stele_error *reterr);

#endif
