/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_DENIAL_H
#define STELE_LIB_ANSWER_DENIAL_H

#include "lib/answer/work.h"

/*
 * Proofs that something is not there (RFC 4035 section 3.1.3, RFC 5155 section 7.2). Each of
 * these adds parts to the authority section or fetches for them; without DO, or in an unsigned zone,
 * they add nothing. All are about w->sname; w->lo is the depth of the closest encloser and
 * w->encloser its record where there is one.
 */
void stele_deny_type(struct work *w);          /* w->record exists, the type does not */
void stele_deny_name(struct work *w);          /* NXDOMAIN */
void stele_deny_wildcard_type(struct work *w); /* w->record is the wildcard, without the type */
void stele_deny_closer(struct work *w);        /* answered by a wildcard: nothing nearer exists */
void stele_deny_ds(struct work *w, const uint8_t *cut, unsigned depth); /* insecure referral */

/* Takes the results of NSEC3 and NSEC fetches of this round; may ask for more. */
void stele_denial_results(struct work *w, const struct fetch *results, unsigned cnt);

#endif
