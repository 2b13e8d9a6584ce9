/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_CHAIN_H
#define STELE_LIB_ANSWER_CHAIN_H

#include "lib/answer/work.h"

/*
 * Covering searches: the last record of a denial chain that is not after a given place.
 *
 * NSEC3 searches wait for memory several times (table, places, entry), so they come in stages
 * that batch.c interleaves over the queries of a batch. Each stage prefetches what the next reads.
 */
void stele_nsec3_stage_table(const struct work *w, struct fetch *f);
void stele_nsec3_stage_places(struct fetch *f);
void stele_nsec3_stage_pick(struct fetch *f);

/*
 * The key of the owner of the NSEC record that matches or covers the name with this sort key
 * (relative to the apex). `w->zone` must have an NSEC chain.
 */
uint64_t stele_nsec_search(const struct work *w, const uint8_t *sort_key, size_t sort_key_len);

static inline bool stele_zone_has_nsec3(const struct stele_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
	       zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
}

static inline bool stele_zone_has_nsec(const struct stele_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC_INLINE ||
	       zone->chain_kind == STELE_CHAIN_NSEC_SHARDS;
}

#endif
