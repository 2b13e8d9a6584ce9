/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ALIAS_H
#define STELE_LIB_ANSWER_ALIAS_H

#include "lib/answer/work.h"

/*
 * Names that stand for others: CNAME (RFC 1034 section 3.6.2) and DNAME (RFC 6672). The record goes into
 * the answer section, and its target becomes the search name (WORK_TARGET), unless it leaves the zone,
 * comes round again, or does not fit.
 */

/* `cname` is an RRset of w->record, taken apart as `name`. */
void stele_alias_follow_cname(struct work *w, const struct stele_name_parts *name,
			      const struct stele_rrset *cname);

/* `record` is `depth` labels deep, an ancestor of the search name, and has a DNAME. */
void stele_alias_follow_dname(struct work *w, const uint8_t *record, unsigned depth);

/* True if a chain has put this RRset, a DNAME, into the answer section already. */
bool stele_alias_is_written(const struct work *w, const struct stele_rrset *rrset);

#endif
