/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The denial chain of a changed zone, and the zone's record.
 *
 * Shards of a chain keep their number and their bounds. A shard whose entries changed is made again,
 * and so is the next one if the entry that it carries over is another one now.
 */
#include "zonecompiler/write/update_internal.h"

#include <stdlib.h>

/* A chain, or one of its shards, that has grown to so many times its target is built anew. */
#define GROWN_MAX 4

struct chain_shard {
	bool is_touched; /* entries come or go */
	bool is_known;   /* own_cnt and last are those after the change */
	bool is_written;
	uint32_t own_cnt;
	uint8_t *last; /* malloc'ed copy of the last entry */
	size_t last_sz;
};

struct chain {
	struct update *update;
	struct update_zone *zone;
	bool is_nsec3, is_new; /* new: there are no old blocks */
	unsigned bits;         /* NSEC3 */
	uint32_t first, cnt;
	struct chain_shard *shards;
	struct stele_buffer own; /* entries of the shard under way */
	/* New NSEC chain: all its entries, and where each shard's begin. */
	const uint8_t **begins;
	uint64_t rr_cnt; /* of the NSEC3 shards read from the store, and what those had before */
	uint64_t old_rr_cnt;
	bool opt_out;
};

static size_t entry_sz(const struct chain *chain, const uint8_t *entry)
{
	return chain->is_nsec3 ? stele_nsec3_entry_sz(entry) : stele_nsec_entry_sz(entry);
}

static const uint8_t *old_block(const struct chain *chain, uint32_t i)
{
	return chain->is_new ? NULL : update_shard(chain->update, chain->first + i)->base;
}

static struct stele_chain_run unpack(const struct chain *chain, const uint8_t *block)
{
	if (block == NULL)
		return (struct stele_chain_run){0};
	return chain->is_nsec3 ? stele_unpack_nsec3(block) : stele_unpack_nsec(block);
}

static uint64_t count_nsec3_rrs(const struct stele_chain_run *run)
{
	uint64_t cnt = 0;
	const uint8_t *entry = run->entries;
	for (uint32_t i = 0; i < run->entry_cnt; i++, entry += stele_nsec3_entry_sz(entry)) {
		const struct stele_nsec3_entry *head = (const void *)entry;
		cnt += (uint64_t)stele_le16(head->rrset.rr_cnt) + head->rrset.sig_cnt;
	}
	return cnt;
}

/* ---- NSEC: members that come and go ---- */

static const uint8_t *member_key(const struct update *update, const struct update_member *member)
{
	return update->keys.data + member->key_off;
}

static int compare_members(const void *a, const void *b, void *user)
{
	const struct update_member *x = a, *y = b;
	return stele_sort_key_compare(member_key(user, x), x->key_len, member_key(user, y),
				      y->key_len);
}

static int add_entry(struct chain *chain, const struct update_member *member)
{
	struct stele_nsec_entry entry = {
		.key = stele_to_le64(member->name_key),
		.key_len = stele_to_le16(member->key_len),
	};
	int rc = stele_buffer_add(&chain->own, &entry, sizeof(entry), chain->update->reterr);
	return rc < 0 ? rc :
			stele_buffer_add(&chain->own, member_key(chain->update, member),
					 member->key_len, chain->update->reterr);
}

/* Makes chain->own of old entries and members, both ascending. */
static int merge(struct chain *chain, const struct stele_chain_run *old,
		 const struct update_member *members, size_t member_cnt, uint32_t *ret_cnt)
{
	const uint8_t *entry = old->entries;
	uint32_t left = old->entry_cnt, cnt = 0;
	int rc = 0;
	chain->own.len = 0;
	for (size_t m = 0; rc == 0 && (left > 0 || m < member_cnt);) {
		const struct stele_nsec_entry *head = (const void *)entry;
		int c = 1; /* of the old entry with the member */
		if (m == member_cnt)
			c = -1;
		else if (left > 0)
			c = stele_sort_key_compare(entry + sizeof(*head), stele_le16(head->key_len),
						   member_key(chain->update, members + m),
						   members[m].key_len);
		if (c < 0) {
			rc = stele_buffer_add(&chain->own, entry, stele_nsec_entry_sz(entry),
					      chain->update->reterr);
			cnt++;
		}
		if (c >= 0 && members[m].comes) {
			rc = add_entry(chain, members + m);
			cnt++;
		}
		m += c >= 0;
		if (c <= 0) {
			entry += stele_nsec_entry_sz(entry);
			left--;
		}
	}
	*ret_cnt = cnt;
	return rc;
}

static const struct stele_bounds *bounds_of(const struct stele_zone *zone)
{
	return (const void *)((const uint8_t *)zone + stele_le32(zone->chain_off));
}

/* The shard whose range has this sort key: the last bound that is not greater. */
static uint32_t find_range(const struct stele_bounds *bounds, const uint8_t *key, size_t key_len)
{
	const uint8_t *base = (const uint8_t *)bounds;
	uint32_t low = 0, high = stele_le32(bounds->cnt);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *bound =
			base + stele_get_le32(base + sizeof(*bounds) + 4 * (size_t)middle);
		if (stele_sort_key_compare(bound + 2, stele_get_le16(bound), key, key_len) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The members (ascending) of shard `i`. */
static const struct update_member *members_of(const struct chain *chain, uint32_t i,
					      size_t *ret_cnt)
{
	const struct update_zone *zone = chain->zone;
	const struct stele_bounds *bounds = bounds_of(zone->old);
	size_t begin = 0;
	*ret_cnt = 0;
	for (size_t m = 0; m < zone->member_cnt; m++) {
		uint32_t range = find_range(bounds, member_key(chain->update, zone->members + m),
					    zone->members[m].key_len);
		if (range < i)
			begin = m + 1;
		else if (range == i)
			++*ret_cnt;
	}
	return zone->members + begin;
}

/* ---- the entries of a shard ---- */

/* The own entries of shard `i` after the change, valid until the next call. */
static int load(struct chain *chain, uint32_t i, struct stele_chain_run *ret_run)
{
	struct update *update = chain->update;
	struct chain_shard *shard = chain->shards + i;
	struct stele_chain_run old = unpack(chain, old_block(chain, i));
	if (!shard->is_touched) {
		*ret_run = old;
		return 0;
	}
	uint32_t cnt;
	size_t last_off = 0;
	if (chain->is_nsec3) {
		struct stele_nsec3_run run = {.entries = chain->own};
		run.entries.len = 0;
		int rc = stele_nsec3_run_carve(&update->carver, update->read, &chain->zone->facts,
					       chain->bits, i, &run, update->reterr);
		chain->own = run.entries;
		if (rc < 0)
			return rc;
		cnt = run.entry_cnt;
		last_off = run.last_off;
		chain->opt_out |= run.opt_out;
		if (!shard->is_known) {
			chain->rr_cnt += run.rr_cnt;
			chain->old_rr_cnt += count_nsec3_rrs(&old);
		}
	} else if (chain->is_new) {
		chain->own.len = 0;
		cnt = 0;
		const uint8_t *end = chain->begins[i + 1];
		for (const uint8_t *e = chain->begins[i]; e < end; e += stele_nsec_entry_sz(e))
			cnt++;
		int rc = stele_buffer_add(&chain->own, chain->begins[i],
					  (size_t)(end - chain->begins[i]), update->reterr);
		if (rc < 0)
			return rc;
	} else {
		size_t member_cnt;
		const struct update_member *members = members_of(chain, i, &member_cnt);
		int rc = merge(chain, &old, members, member_cnt, &cnt);
		if (rc < 0)
			return rc;
	}
	*ret_run = (struct stele_chain_run){chain->own.data, chain->own.len, cnt};
	if (cnt > GROWN_MAX * STELE_CHAIN_SHARD_ENTRIES)
		return update_rebuild(update, "a shard of a denial chain has grown to %u entries",
				      cnt);
	if (shard->is_known)
		return 0;
	shard->is_known = true;
	shard->own_cnt = cnt;
	if (cnt == 0)
		return 0;
	if (!chain->is_nsec3)
		for (uint32_t k = 1; k < cnt; k++)
			last_off += stele_nsec_entry_sz(chain->own.data + last_off);
	shard->last_sz = chain->own.len - last_off;
	shard->last = malloc(shard->last_sz);
	if (shard->last == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	memcpy(shard->last, chain->own.data + last_off, shard->last_sz);
	return 0;
}

/* The entry before shard `i`. Uses chain->own. */
static int find_before(struct chain *chain, uint32_t i, const uint8_t **ret_entry, size_t *ret_sz)
{
	for (uint32_t steps = 0; steps < chain->cnt; steps++) {
		i = (i + chain->cnt - 1) % chain->cnt;
		const struct chain_shard *shard = chain->shards + i;
		struct stele_chain_run run;
		if (shard->is_touched && !shard->is_known) {
			int rc = load(chain, i, &run);
			if (rc != 0)
				return rc;
		}
		if (shard->is_known && shard->own_cnt > 0) {
			*ret_entry = shard->last;
			*ret_sz = shard->last_sz;
			return 0;
		}
		const uint8_t *block = old_block(chain, i);
		if (!shard->is_known && unpack(chain, block).entry_cnt > 0) {
			*ret_entry = chain->is_nsec3 ? stele_nsec3_last(block) :
						       stele_nsec_last(block);
			*ret_sz = entry_sz(chain, *ret_entry);
			return 0;
		}
	}
	return update_rebuild(chain->update, "a denial chain has become empty");
}

static int write_shard(struct chain *chain, uint32_t i)
{
	struct update *update = chain->update;
	const uint8_t *carry = NULL;
	size_t carry_sz = 0;
	struct stele_chain_run run = {0};
	bool carries_apex = !chain->is_nsec3 && i == 0;
	int rc = carries_apex ? 0 : find_before(chain, i, &carry, &carry_sz);
	if (rc == 0)
		rc = load(chain, i, &run);
	if (rc != 0)
		return rc;
	if (carries_apex) {
		carry = run.entries;
		carry_sz = stele_nsec_entry_sz(carry);
	}
	uint64_t size = chain->is_nsec3 ? stele_pack_nsec3_sz(&run, carry_sz) :
					  stele_pack_nsec_sz(&run, carry_sz);
	update->shard.len = 0;
	rc = stele_buffer_reserve(&update->shard, size, update->reterr);
	if (rc < 0)
		return rc;
	if (chain->is_nsec3)
		stele_pack_nsec3(&run, carry, carry_sz, chain->bits, update->shard.data);
	else
		stele_pack_nsec(&run, carry, carry_sz, update->shard.data);
	chain->shards[i].is_written = true;
	return update_put_shard(update, chain->first + i,
				chain->is_nsec3 ? STELE_SHARD_NSEC3 : STELE_SHARD_NSEC,
				run.entry_cnt, update->shard.data, size);
}

/* Makes the shards behind `i` again whose carry is another one now. */
static int carry_on(struct chain *chain, uint32_t i)
{
	for (uint32_t k = (i + 1) % chain->cnt; k != i; k = (k + 1) % chain->cnt) {
		if (chain->shards[k].is_touched || chain->shards[k].is_written ||
		    (!chain->is_nsec3 && k == 0))
			return 0;
		const uint8_t *block = old_block(chain, k);
		if (block == NULL)
			return update_rebuild(chain->update,
					      "a shard of a denial chain is missing");
		const uint8_t *old = chain->is_nsec3 ? stele_nsec3_first(block) :
						       stele_nsec_first(block);
		const uint8_t *carry = NULL;
		size_t carry_sz = 0;
		int rc = find_before(chain, k, &carry, &carry_sz);
		if (rc != 0 || carry == NULL)
			return rc;
		if (entry_sz(chain, old) == carry_sz && memcmp(old, carry, carry_sz) == 0)
			return 0;
		rc = write_shard(chain, k);
		if (rc != 0 || unpack(chain, block).entry_cnt > 0)
			return rc;
	}
	return 0;
}

static int write_touched(struct chain *chain)
{
	for (uint32_t i = 0; i < chain->cnt; i++) {
		if (!chain->shards[i].is_touched)
			continue;
		int rc = write_shard(chain, i);
		if (rc == 0)
			rc = carry_on(chain, i);
		if (rc != 0)
			return rc;
	}
	return 0;
}

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

/* A chain in shards: those that changes fall into. */
static int change_shards(struct chain *chain)
{
	const struct update_zone *zone = chain->zone;
	for (size_t at = 0; chain->is_nsec3 && at < zone->changed3.len; at += STELE_NSEC3_HASH_SZ) {
		uint32_t lead = stele_get_be32(zone->changed3.data + at);
		chain->shards[chain->bits > 0 ? lead >> (32 - chain->bits) : 0].is_touched = true;
	}
	for (size_t m = 0; !chain->is_nsec3 && m < zone->member_cnt; m++) {
		const struct update_member *member = zone->members + m;
		chain->shards[find_range(bounds_of(zone->old), member_key(chain->update, member),
					 member->key_len)]
			.is_touched = true;
	}
	return write_touched(chain);
}

/* A chain in the zone's record: all of it is made again, in chain->own. */
static int change_inline(struct chain *chain, struct stele_zone_record *record)
{
	struct update *update = chain->update;
	const struct stele_zone *zone = chain->zone->old;
	struct stele_chain_run old = unpack(chain, (const uint8_t *)bounds_of(zone));
	int rc;
	if (chain->is_nsec3) {
		struct stele_nsec3_run run = {0};
		rc = stele_nsec3_run_carve(&update->carver, update->read, &chain->zone->facts, 0, 0,
					   &run, update->reterr);
		chain->own = run.entries;
		chain->opt_out = run.opt_out;
		chain->rr_cnt = run.rr_cnt;
		chain->old_rr_cnt = count_nsec3_rrs(&old);
		record->chain.entry_cnt = run.entry_cnt;
	} else {
		rc = merge(chain, &old, chain->zone->members, chain->zone->member_cnt,
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
		record.bounds = (const uint8_t *)bounds_of(old);
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
		rc = write_touched(&chain);
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
