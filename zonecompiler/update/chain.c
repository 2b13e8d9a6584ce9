/* SPDX-License-Identifier: Apache-2.0 */
/* The denial chain of a changed or a new zone, and the zone's record. */
#include "zonecompiler/update/chain.h"

#include <stdlib.h>

static int begin(struct chain *chain, struct update *update, struct update_zone *zone,
		 uint32_t first, uint32_t cnt)
{
	chain->update = update;
	chain->zone = zone;
	chain->first = first;
	chain->cnt = cnt;
	chain->is_nsec3 = zone->facts.chain == STELE_CHAIN_OF_NSEC3;
	chain->shards = calloc(cnt + 1u, sizeof(*chain->shards));
	if (chain->shards == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	return 0;
}

static void end(struct chain *chain)
{
	for (uint32_t i = 0; chain->shards != NULL && i < chain->cnt; i++)
		free(chain->shards[i].last);
	free(chain->shards);
	free(chain->begins);
	stele_buffer_free(&chain->own);
}

/* ---- the three ways ---- */

static int compare_members(const void *a, const void *b, void *user)
{
	const struct update_member *x = a, *y = b;
	return stele_sort_key_compare(update_chain_member_key(user, x), x->key_len,
				      update_chain_member_key(user, y), y->key_len);
}

/* Members ascend, and so each shard has a run of them. */
static void share_out_members(struct chain *chain)
{
	const struct update_zone *zone = chain->zone;
	const struct stele_bounds *bounds = update_chain_bounds(zone->old);
	for (size_t m = 0; m < zone->member_cnt; m++) {
		const struct update_member *member = zone->members + m;
		const uint8_t *key = update_chain_member_key(chain->update, member);
		struct chain_shard *shard =
			chain->shards + update_chain_find_range(bounds, key, member->key_len);
		if (shard->member_cnt == 0)
			shard->members = member;
		shard->member_cnt++;
		shard->is_touched = true;
	}
}

/* A chain in shards: those that changes fall into. */
static int change_shards(struct chain *chain)
{
	const struct update_zone *zone = chain->zone;
	for (size_t at = 0; chain->is_nsec3 && at < zone->changed3.len; at += STELE_NSEC3_HASH_SZ) {
		uint32_t lead = stele_get_be32(zone->changed3.data + at);
		chain->shards[chain->bits > 0 ? lead >> (32 - chain->bits) : 0].is_touched = true;
	}
	if (!chain->is_nsec3)
		share_out_members(chain);
	return update_chain_write_touched(chain);
}

/* A chain in the zone's record: all of it is made again, in chain->own. */
static int change_inline(struct chain *chain, struct stele_zone_record *record)
{
	struct update *update = chain->update;
	const struct stele_zone *zone = chain->zone->old;
	struct stele_chain_run old =
		update_chain_unpack(chain, (const uint8_t *)update_chain_bounds(zone));
	int rc;
	if (chain->is_nsec3) {
		struct stele_nsec3_run run = {0};
		rc = stele_nsec3_run_carve(&update->carver, update->read, &chain->zone->facts, 0, 0,
					   &run, update->reterr);
		chain->own = run.entries;
		record->flags = run.opt_out ? STELE_ZONE_OPT_OUT : 0; /* of the whole chain */
		chain->rr_cnt = run.rr_cnt;
		chain->old_rr_cnt = update_chain_count_nsec3_rrs(&old);
		record->chain.entry_cnt = run.entry_cnt;
	} else {
		rc = update_chain_merge(chain, &old, chain->zone->members, chain->zone->member_cnt,
					&record->chain.entry_cnt);
	}
	if (rc < 0)
		return rc;
	if (record->chain.entry_cnt > GROWN_MAX * STELE_CHAIN_INLINE_MAX)
		return update_rebuild(update, "the denial chain of a zone has grown to %u entries",
				      record->chain.entry_cnt);
	record->chain.entries = chain->own.data;
	record->chain.entries_sz = chain->own.len;
	return 0;
}

/* Puts the zone's record among the edits if it differs. */
static int put_record(struct update *update, struct update_zone *zone,
		      const struct stele_zone_record *record)
{
	const uint8_t *node;
	size_t node_sz;
	int rc = stele_store_node(update->read, zone->id, (const uint8_t *)"", 0, &node, &node_sz,
				  update->reterr);
	update->scratch.len = 0;
	if (rc == 0)
		rc = stele_pack_zone_record(&update->carver, record, node, node_sz,
					    &update->scratch, update->reterr);
	if (rc < 0)
		return rc;
	zone->name_delta = (int64_t)record->totals.name_cnt;
	zone->rr_delta = (int64_t)(record->totals.rr_cnt + record->chain_rr_cnt);
	if (zone->old != NULL) {
		zone->name_delta -= (int64_t)stele_le64(zone->old->node_cnt);
		zone->rr_delta -= (int64_t)stele_le64(zone->old->rr_cnt);
		if (stele_le32(zone->old->size) == update->scratch.len &&
		    memcmp(zone->old, update->scratch.data, update->scratch.len) == 0)
			return 0;
	}
	return update_edit_add(update, &update->zone_edits,
			       stele_key_zone(update->seed, zone->facts.apex_hash),
			       update->scratch.data, update->scratch.len);
}

int update_chain(struct update *update, struct update_zone *zone)
{
	const struct stele_zone *old = zone->old;
	struct stele_zone_record record = {
		.zone = &zone->facts,
		.totals.name_cnt = stele_le64(old->node_cnt) + (uint64_t)zone->name_delta,
		.totals.rr_cnt = stele_le64(old->rr_cnt) + (uint64_t)zone->rr_delta,
		.totals.label_max = old->label_max > zone->label_max ? old->label_max :
								       zone->label_max,
		.flags = old->flags,
		.chain_kind = old->chain_kind,
		.chain_bits = old->chain_bits,
		.chain_first = stele_le32(old->chain_first),
		.chain_cnt = stele_le32(old->chain_cnt),
	};
	struct chain chain = {.bits = old->chain_bits};
	int rc = begin(&chain, update, zone, record.chain_first, record.chain_cnt);
	if (rc == 0 && zone->member_cnt > 1)
		qsort_r(zone->members, zone->member_cnt, sizeof(*zone->members), compare_members,
			update);
	if (rc == 0 && record.chain_cnt > 0)
		rc = change_shards(&chain);
	else if (rc == 0 && old->chain_kind != STELE_CHAIN_NONE)
		rc = change_inline(&chain, &record);
	if (old->chain_kind == STELE_CHAIN_NSEC_SHARDS) {
		record.bounds = (const uint8_t *)update_chain_bounds(old);
		record.bounds_sz = stele_le32(old->size) - stele_le32(old->chain_off);
	}
	record.chain_rr_cnt = chain.rr_cnt - chain.old_rr_cnt;
	record.flags |= chain.opt_out ? STELE_ZONE_OPT_OUT : 0;
	if (rc == 0)
		rc = put_record(update, zone, &record);
	end(&chain);
	return rc;
}

/* ---- a zone that is new as a whole ---- */

/* Cuts the entries of a new NSEC chain into shards and makes the bounds. */
static int cut_entries(struct chain *chain, const struct stele_chain_run *all,
		       struct stele_buffer *bounds)
{
	chain->begins = calloc(chain->cnt + 1u, sizeof(*chain->begins));
	if (chain->begins == NULL)
		return stele_fail(chain->update->reterr, STELE_E_SYSTEM, "out of memory");
	const uint8_t *entry = all->entries;
	for (uint32_t i = 0; i < all->entry_cnt; i++, entry += stele_nsec_entry_sz(entry))
		if (i % STELE_CHAIN_SHARD_ENTRIES == 0)
			chain->begins[i / STELE_CHAIN_SHARD_ENTRIES] = entry;
	chain->begins[chain->cnt] = entry;
	return stele_pack_bounds(chain->begins, chain->cnt, bounds, chain->update->reterr);
}

/* Where the shards of a new chain go: behind all others. */
static int make_places(struct update *update, uint32_t cnt, uint32_t *ret_first)
{
	*ret_first = update->file.shard_cnt;
	if (cnt > UINT32_MAX / 2 - update->file.shard_cnt)
		return update_rebuild(update, "the directory is full");
	return stele_image_resize(&update->file, update->file.shard_cnt + cnt, update->reterr);
}

int update_new_chain(struct update *update, struct update_zone *zone,
		     struct stele_zone_record *record)
{
	struct chain chain = {.is_new = true};
	struct stele_buffer bounds = {0};
	struct stele_nsec3_run run = {0};
	uint32_t cnt = 0, first = 0;
	int rc = 0;
	if (zone->facts.chain == STELE_CHAIN_OF_NSEC3) {
		chain.bits = stele_nsec3_chain_bits(zone->info.nsec3_cnt);
		bool is_inline = zone->info.nsec3_cnt <= STELE_CHAIN_INLINE_MAX;
		record->chain_kind = is_inline ? STELE_CHAIN_NSEC3_INLINE :
						 STELE_CHAIN_NSEC3_SHARDS;
		cnt = is_inline ? 0 : UINT32_C(1) << chain.bits;
		record->chain_bits = is_inline ? 0 : (uint8_t)chain.bits;
	} else if (zone->facts.chain == STELE_CHAIN_OF_NSEC) {
		bool is_inline = record->chain.entry_cnt <= STELE_CHAIN_INLINE_MAX;
		record->chain_kind = is_inline ? STELE_CHAIN_NSEC_INLINE : STELE_CHAIN_NSEC_SHARDS;
		cnt = is_inline ? 0 :
				  (record->chain.entry_cnt + STELE_CHAIN_SHARD_ENTRIES - 1) /
					  STELE_CHAIN_SHARD_ENTRIES;
	}
	if (cnt > 0)
		rc = make_places(update, cnt, &first);
	if (rc == 0)
		rc = begin(&chain, update, zone, first, cnt);
	if (rc == 0 && record->chain_kind == STELE_CHAIN_NSEC_SHARDS)
		rc = cut_entries(&chain, &record->chain, &bounds);
	for (uint32_t i = 0; rc == 0 && i < cnt; i++)
		chain.shards[i].is_touched = true;
	if (rc == 0 && cnt > 0)
		rc = update_chain_write_touched(&chain);
	if (rc == 0 && record->chain_kind == STELE_CHAIN_NSEC3_INLINE) {
		rc = stele_nsec3_run_carve(&update->carver, update->read, &zone->facts, 0, 0, &run,
					   update->reterr);
		record->chain =
			(struct stele_chain_run){run.entries.data, run.entries.len, run.entry_cnt};
		chain.rr_cnt = run.rr_cnt;
		chain.opt_out = run.opt_out;
	}
	if (rc == 0) {
		record->chain_first = first;
		record->chain_cnt = cnt;
		record->chain_rr_cnt = chain.rr_cnt;
		record->flags = chain.opt_out ? STELE_ZONE_OPT_OUT : 0;
		record->bounds = bounds.data;
		record->bounds_sz = bounds.len;
		rc = put_record(update, zone, record);
	}
	stele_buffer_free(&bounds);
	stele_buffer_free(&run.entries);
	end(&chain);
	return rc;
}
