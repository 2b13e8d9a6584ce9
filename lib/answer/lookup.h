/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_LOOKUP_H
#define STELE_LIB_ANSWER_LOOKUP_H

/* Where a search name is to be looked for. */

#include "lib/answer/work.h"

/* Hashes of all suffixes of sname, in one pass from the right. */
static inline __attribute__((always_inline)) void lookup_hash_suffixes(struct work *w)
{
	struct stele_hash_seed seed = w->shared->view->seed;
	uint64_t h = seed.start;
	uint64_t *suffix = w->suffix;
	*suffix = h;
	const uint8_t *starts = w->sname.starts + w->sname.depth;
	while (starts > w->sname.starts) {
		h = stele_hash_label(seed, h, w->sname.wire + *--starts);
		*++suffix = h;
	}
	w->suffix_valid = true;
}

/* The deepest depth at which there are apexes, at most `from`; -1: none. */
static inline int lookup_apex_depth(const struct stele_view *view, int from)
{
	if (from >= 64) {
		uint64_t high = view->apex_depths[1] << (127 - from);
		if (high != 0)
			return from - __builtin_clzll(high);
		from = 63;
	}
	if (from < 0)
		return -1;
	uint64_t low = view->apex_depths[0] << (63 - from);
	return low != 0 ? from - __builtin_clzll(low) : -1;
}

/* The memo of the zone whose apex has this hash; if there is none, another zone's. */
static inline __attribute__((always_inline)) struct zone_memo *
lookup_memo(struct stele_answerer *answerer, uint64_t apex_hash)
{
	struct zone_memo *pair = &answerer->zones[2 * (apex_hash % (ZONE_MEMO_CNT / 2))];
	return pair + (pair[1].apex_hash == apex_hash);
}

/*
 * Takes `depth` as the candidate depth of the zone's apex. True if the zone's record is at hand
 * (w->zone_record, its name not yet compared); else it has to be fetched by stele_key_zone(). The name
 * has w->name_key, which does not depend on it.
 *
 * A zone of delegations is asked for names far below its cuts, and a flood for names that are not
 * there at any depth: for both, the one label below the apex decides. So in a zone where it did so last,
 * that suffix is looked for first.
 */
static inline __attribute__((always_inline)) bool lookup_candidate(struct work *w, int depth)
{
	uint64_t apex_hash = w->suffix[depth];
	w->apex_depth = (uint8_t)depth;
	w->apex_hash = apex_hash;
	const struct zone_memo *memo = lookup_memo(w->shared, apex_hash);
	bool known = memo->apex_hash == apex_hash && memo->record != NULL;
	w->zone_record = known ? memo->record : NULL;
	w->zone_known = known;
	w->probe_depth = w->sname.depth;
	if (known && memo->is_shallow && w->sname.depth > depth + 1)
		w->probe_depth = (uint8_t)(depth + 1);
	w->name_key = stele_key_name(w->shared->view->seed, w->suffix[w->probe_depth], apex_hash);
	return known;
}

/* The zone record at the candidate depth has the right name: the next query may be for it too. */
static inline void lookup_remember_zone(const struct work *w)
{
	if (w->zone_known)
		return;
	struct zone_memo *memo = lookup_memo(w->shared, w->apex_hash);
	if (memo->record == w->zone_record)
		return;
	/* That `memo` is not the zone's means that it is the front one, unless its hash is the zone's. */
	if (memo->apex_hash != w->apex_hash)
		memo[1] = memo[0];
	*memo = (struct zone_memo){.apex_hash = w->apex_hash, .record = w->zone_record};
}

/* The record of the zone's apex, which is the closest encloser of most names that are not there; NULL
 * if it is not at hand. */
static inline const uint8_t *lookup_apex_record(const struct work *w)
{
	const struct zone_memo *memo = lookup_memo(w->shared, w->apex_hash);
	return memo->record == w->zone_record ? memo->apex : NULL;
}

/* What has decided about a name two or more labels below the apex. */
static inline void lookup_remember_shallow(const struct work *w, bool is_shallow)
{
	struct zone_memo *memo = lookup_memo(w->shared, w->apex_hash);
	if (memo->record == w->zone_record)
		memo->is_shallow = is_shallow;
}

static inline void lookup_remember_apex(const struct work *w, const uint8_t *apex)
{
	struct zone_memo *memo = lookup_memo(w->shared, w->apex_hash);
	if (memo->record == w->zone_record)
		memo->apex = apex;
}

/* True if `record` is the zone's name whose relative owner is `rel`. */
static inline bool lookup_is_name(const struct work *w, const uint8_t *record, const uint8_t *rel,
				  unsigned rel_len)
{
	if (record == NULL)
		return false;
	const struct stele_name *head = (const void *)record;
	return head->rel_len == rel_len && memcmp(record + sizeof(*head), rel, rel_len) == 0 &&
	       stele_le32(head->zone_id) == stele_le32(w->zone->zone_id);
}

#endif
