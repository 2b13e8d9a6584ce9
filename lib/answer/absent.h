/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ABSENT_H
#define STELE_LIB_ANSWER_ABSENT_H

#include "lib/answer/chain.h"
#include "lib/answer/lookup.h"
#include "lib/answer/work.h"

/*
 * The short way for names that are not there: nothing exists one label below the apex of a zone with
 * NSEC3, DO is set, and the apex was met lately. That is what a flood of random names is made of. All that is left to do is
 * one hash and one search for the record that covers it; both are done for all such queries of a batch
 * together. Whatever does not fit is left to the general way.
 */

/* True if `w`, whose name was looked up and not found, can go this way. */
static inline __attribute__((always_inline)) bool stele_absent_fits(const struct work *w)
{
	const struct stele_zone *zone = (const struct stele_zone *)(const void *)w->zone_record;
	if (zone == NULL || !w->edns.dnssec_ok || w->probe_depth != w->apex_depth + 1u ||
	    w->qclass != STELE_CLASS_IN || !stele_zone_has_nsec3(zone) ||
	    (zone->flags & STELE_ZONE_EXPIRED) != 0)
		return false;
	unsigned apex_at = w->sname.starts[w->sname.depth - w->apex_depth];
	if (zone->apex_len != w->sname.len - apex_at ||
	    !stele_equal_apex((const uint8_t *)(zone + 1), w->sname.wire + apex_at, zone->apex_len))
		return false;
	const uint8_t *apex = lookup_apex_record(w);
	if (apex == NULL)
		return false;
	unsigned flags = ((const struct stele_name *)(const void *)apex)->flags;
	return (flags & (STELE_NAME_HAS_WILDCARD | STELE_NAME_HAS_DNAME)) == 0 &&
	       stele_memo_is_whole(stele_memo_at(&w->shared->memos, zone));
}

/* Answers them. Those for which it turns out not to work are left in `works`: returns how many. */
unsigned stele_absent_answer(struct work **works, unsigned cnt);

#endif
