/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_TAIL_H
#define STELE_LIB_ANSWER_TAIL_H

/*
 * What comes behind the answer section: the parts of the authority section, and the addresses of hosts
 * that anything before has named (RFC 1034 section 4.3.2 step 6, RFC 9471). Both are collected in the
 * query first, and written when the last that they need has come.
 */

#include "lib/answer/compose.h"

/* The zone's SOA as negative answers carry it. */
void stele_tail_add_soa(struct work *w);

/*
 * The hosts that `rrset` of `record` refers to, each once. `body_at` is where its carved body begins in
 * the message, 0: not there yet, or offsets do not carry over.
 */
void stele_tail_add_hosts(struct work *w, const uint8_t *record, const struct stele_rrset *rrset,
			  uint16_t body_at);

/* Writes the addresses of all hosts, whose records have come; sets TC if a referral lacks some (RFC
 * 9471 section 3). `is_referral`: the authority section begins with the NS RRset of a cut. */
void stele_tail_write_hosts(struct work *w, bool is_referral);

/* Answer section and parts are known: asks for hosts that are still to come (WORK_TAIL), or writes
 * everything (WORK_DONE). */
void stele_tail(struct work *w);

#endif
