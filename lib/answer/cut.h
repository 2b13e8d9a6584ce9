/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_CUT_H
#define STELE_LIB_ANSWER_CUT_H

#include "lib/answer/lookup.h"
#include "lib/answer/work.h"

/*
 * The short way for referrals: a cut one label below the apex stands on the way to the name. A registry
 * answers hardly anything else. All hosts of all such queries of a batch are looked up together, then
 * the replies are written in one go. Whatever does not fit is left to the general way.
 */

/*
 * True if `w` can go this way: `record`, whose name is not compared yet, is such a cut of the
 * zone. It is remembered as w->record.
 */
static inline __attribute__((always_inline)) bool stele_cut_fits(struct work *w,
								 const uint8_t *record)
{
	const struct stele_zone *zone = (const struct stele_zone *)(const void *)w->zone_record;
	const struct stele_name *name = (const struct stele_name *)(const void *)record;
	if (name->kind != STELE_NAME_CUT || zone == NULL || w->probe_depth != w->apex_depth + 1u ||
	    w->qclass != STELE_CLASS_IN || (zone->flags & STELE_ZONE_EXPIRED) != 0)
		return false;
	/* DS of the cut itself is answered here. */
	if (w->qtype == STELE_TYPE_DS && w->probe_depth == w->sname.depth)
		return false;
	unsigned cut_at = w->sname.starts[w->sname.depth - w->probe_depth];
	unsigned apex_at = w->sname.starts[w->sname.depth - w->apex_depth];
	const uint8_t *wire = w->sname.wire;
	w->record = record;
	return zone->apex_len == w->sname.len - apex_at && name->rel_len == apex_at - cut_at &&
	       stele_equal_apex((const uint8_t *)(zone + 1), wire + apex_at, zone->apex_len) &&
	       stele_equal((const uint8_t *)(name + 1), wire + cut_at, name->rel_len) &&
	       stele_le32(name->zone_id) == stele_le32(zone->zone_id);
}

/* Answers them. Those for which it turns out not to work are left in `works`: returns how many. */
unsigned stele_cut_answer(struct work **works, unsigned cnt);

#endif
