/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_HOSTS_H
#define STELE_LIB_ANSWER_HOSTS_H

/*
 * The hosts that anything in a reply has named, whose addresses go into the additional section (RFC 1034 section
 * 4.3.2 step 6, RFC 9471). They are collected in the query first, and written when their records have come.
 */

#include "lib/answer/work.h"

/*
 * The hosts that `rrset` of `record` refers to, each once. `body_at` is where its carved body begins in
 * the message, 0: not there yet, or offsets do not carry over.
 */
void stele_hosts_add(struct work *w, const uint8_t *record, const struct stele_rrset *rrset,
		     uint16_t body_at);

/* Writes the addresses of all hosts, whose records have come; sets TC if a referral lacks some (RFC
 * 9471 section 3). `is_referral`: the authority section begins with the NS RRset of a cut. */
void stele_hosts_write(struct work *w, bool is_referral);

#endif
