/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Denial chains as a whole: each chain shard belongs to one zone, blocks that are new are checked, and so
 * is what binds the blocks of a zone in which something is new. Every entry of an NSEC chain leads to a
 * name with an NSEC RRset. Of blocks that are as they were this can only have become wrong for names
 * that lost theirs: those must not be in the chain.
 */
#include "lib/image/verify.h"

#include <inttypes.h>

static bool in_shards(const struct verify_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS ||
	       zone->chain_kind == STELE_CHAIN_NSEC_SHARDS;
}

static bool is_nsec(const struct verify_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC_SHARDS ||
	       zone->chain_kind == STELE_CHAIN_NSEC_INLINE;
}

/* ---- whose shards ---- */

/* What the base counted for a chain shard; NULL if it is not one of its own. */
static const struct verify_chain *old_chain(const struct verify_run *run, uint64_t i)
{
	if (run->base == NULL || i >= run->old->shard_cnt || !run->old->chains[i].used)
		return NULL;
	return run->old->chains + i;
}

/* Whether the base has held the very block to the very same zone. */
static bool is_as_it_was(const struct verify_run *run, uint64_t i)
{
	const struct verify_chain *a = old_chain(run, i);
	const struct verify_chain *b = run->out->chains + i;
	return a != NULL && b->used && a->kind == b->kind && a->bits == b->bits &&
	       a->zone_id == b->zone_id && a->first == b->first &&
	       !stele_verify_is_new(run, (uint32_t)i);
}

/* Takes the run of chain shards that a zone names: they exist, are of its kind, and of no other zone. */
static int take_run(struct verify *v, const struct verify_zone *zone)
{
	uint8_t kind = zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS ? STELE_SHARD_NSEC3 :
								      STELE_SHARD_NSEC;
	uint32_t first = stele_le32(zone->head->chain_first);
	uint32_t cnt = stele_le32(zone->head->chain_cnt);
	v->shard = zone->shard;
	if (cnt == 0 || first > v->view->shard_cnt || cnt > v->view->shard_cnt - first)
		return stele_verify_fault(v, zone->head, "zone: chain shards outside the image");
	for (uint32_t i = first; i < first + cnt; i++) {
		struct verify_chain *chain = v->run->out->chains + i;
		if (stele_view_ref(v->view, i)->kind != kind || chain->used)
			return stele_verify_fault(v, zone->head,
						  "zone: shard %" PRIu32
						  " is of another kind or chain",
						  i);
		*chain = (struct verify_chain){
			.used = true,
			.kind = zone->chain_kind,
			.bits = zone->head->chain_bits,
			.zone_id = zone->id,
			.first = first,
		};
		if (!is_as_it_was(v->run, i))
			v->zones[zone - v->zones].touched = true;
	}
	return 0;
}

static int take_runs(struct verify *v)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->zone_cnt; i++)
		if (!v->zones[i].gone && in_shards(v->zones + i))
			rc = take_run(v, v->zones + i);
	for (uint32_t i = 0; rc == 0 && i < v->view->shard_cnt; i++) {
		uint8_t kind = stele_view_ref(v->view, i)->kind;
		v->shard = i;
		if ((kind == STELE_SHARD_NSEC3 || kind == STELE_SHARD_NSEC) &&
		    !v->run->out->chains[i].used)
			rc = stele_verify_fault(v, v->view->shards[i].base,
						"a chain that no zone has");
	}
	return rc;
}

/* ---- blocks ---- */

void stele_verify_count_inline(struct verify *v, const struct verify_zone *zone, uint64_t rr_cnt,
			       uint32_t nsec_own_cnt)
{
	struct verify_tally *tally = stele_verify_tally(v, zone);
	tally->rr_cnt += rr_cnt;
	tally->nsec_own_cnt += nsec_own_cnt;
	/* No other worker has this zone. */
	v->zones[zone - v->zones].in_record = (struct verify_tally){
		.rr_cnt = rr_cnt,
		.nsec_own_cnt = nsec_own_cnt,
	};
}

int stele_verify_count_shard(struct verify *v, const struct verify_zone *zone, uint64_t rr_cnt,
			     uint32_t own_cnt)
{
	struct verify_tally *tally = stele_verify_tally(v, zone);
	struct verify_chain *chain = v->run->out->chains + v->shard;
	uint32_t item_cnt = stele_le32(stele_view_ref(v->view, v->shard)->item_cnt);
	if (item_cnt != own_cnt)
		return stele_verify_fault(v, v->view->shards[v->shard].base,
					  "%" PRIu32 " entries, its reference says %" PRIu32,
					  own_cnt, item_cnt);
	chain->rr_cnt = rr_cnt;
	chain->own_cnt = own_cnt;
	tally->rr_cnt += rr_cnt;
	tally->nsec_own_cnt += is_nsec(zone) ? own_cnt : 0;
	return 0;
}

static int check_block(struct verify *v, uint64_t i)
{
	struct verify_chain *chain = v->run->out->chains + i;
	const struct verify_chain *old = old_chain(v->run, i);
	if (is_as_it_was(v->run, i)) {
		chain->rr_cnt = old->rr_cnt;
		chain->own_cnt = old->own_cnt;
		return 0;
	}
	const struct verify_zone *zone = chain->used ? stele_verify_zone_by_id(v, chain->zone_id) :
						       NULL;
	if (zone == NULL)
		return 0;
	v->shard = (uint32_t)i;
	return zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS ?
		       stele_verify_nsec3_shard(v, zone, v->shard) :
		       stele_verify_nsec_shard(v, zone, v->shard);
}

/* Takes blocks of the base that are not as they were out of the tallies. */
static void take_back(struct verify *v)
{
	uint32_t cnt = v->run->base != NULL ? v->run->old->shard_cnt : 0;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct verify_chain *old = old_chain(v->run, i);
		if (old == NULL || (i < v->view->shard_cnt && is_as_it_was(v->run, i)))
			continue;
		const struct verify_zone *zone = stele_verify_zone_by_id(v, old->zone_id);
		struct verify_tally *tally = stele_verify_tally(v, zone);
		bool was_nsec = old->kind == STELE_CHAIN_NSEC_SHARDS;
		tally->rr_cnt -= old->rr_cnt;
		tally->nsec_own_cnt -= was_nsec ? old->own_cnt : 0;
		v->zones[zone - v->zones].touched = true;
	}
}

/* ---- zones ---- */

/* Blocks in zone records that are new, and the bonds between blocks where any is. */
static int check_zone(struct verify *v, uint64_t i)
{
	const struct verify_zone *zone = v->zones + i;
	if (zone->gone || !zone->touched)
		return 0;
	bool is_new = stele_verify_is_new(v->run, zone->shard);
	v->shard = zone->shard;
	switch (zone->chain_kind) {
	case STELE_CHAIN_NSEC3_SHARDS:
		return stele_verify_nsec3_run(v, zone);
	case STELE_CHAIN_NSEC_SHARDS:
		return stele_verify_nsec_run(v, zone);
	case STELE_CHAIN_NSEC3_INLINE:
		return is_new ? stele_verify_nsec3_inline(v, zone) : 0;
	case STELE_CHAIN_NSEC_INLINE:
		return is_new ? stele_verify_nsec_inline(v, zone) : 0;
	default:
		return 0;
	}
}

static int check_removed(struct verify *v, uint64_t i)
{
	const struct verify_removed *removed = v->removed + i;
	const struct verify_zone *zone = v->zones + removed->zone;
	if (zone->gone || !is_nsec(zone))
		return 0;
	struct stele_name_parts parts = stele_name_parts(removed->record);
	if (!stele_verify_nsec_has(v, zone, parts.rel, parts.head->rel_len))
		return 0;
	v->shard = zone->shard;
	return stele_verify_fault(v, zone->head, "zone: a name in its chain has no NSEC record");
}

int stele_verify_chains(struct verify_run *run)
{
	struct verify *first = run->workers[0];
	int rc = take_runs(first);
	if (rc == 0)
		rc = stele_verify_spread(run, run->view->shard_cnt, false, check_block);
	if (rc == 0)
		take_back(first);
	if (rc == 0)
		rc = stele_verify_spread(run, first->zone_cnt, false, check_zone);
	for (unsigned w = 0; rc == 0 && w < run->worker_cnt; w++) {
		struct verify *v = run->workers[w];
		for (uint64_t i = 0; rc == 0 && i < v->removed_cnt; i++)
			rc = check_removed(v, i);
		if (rc != 0 && w > 0)
			first->error = v->error;
	}
	if (rc == 0)
		stele_verify_add_tallies(run);
	return rc;
}
