/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_TAIL_H
#define STELE_LIB_ANSWER_TAIL_H

/*
 * What comes behind the answer section: the parts of the authority section, which are collected in the query first and
 * written when the last that they need has come, then the hosts.
 */

#include "lib/answer/compose.h"

/* The zone's SOA as negative answers carry it. */
void stele_tail_add_soa(struct work *w);

/* Answer section and parts are known: asks for hosts that are still to come (WORK_TAIL), or writes
 * everything (WORK_DONE). */
void stele_tail(struct work *w);

#endif
