/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards of a denial chain, made again of their entries.
 *
 * They keep their number and their bounds. A shard whose entries changed is made again, and so is the
 * next one if the entry that it carries over is another one now.
 */
#include "zonecompiler/update/chain.h"

#include <stdlib.h>

static size_t entry_sz(const struct chain *chain, const uint8_t *entry)
{
	return chain->is_nsec3 ? stele_nsec3_entry_sz(entry) : stele_nsec_entry_sz(entry);
}

/* `*ret_block` gets NULL if there is none. */
static int old_block(const struct chain *chain, uint32_t i, const uint8_t **ret_block)
{
	const struct stele_view_shard *shard;
	*ret_block = NULL;
	if (chain->is_new)
		return 0;
	int rc = update_shard(chain->update, chain->first + i, &shard);
	if (rc == 0)
		*ret_block = shard->base;
	return rc;
}

struct stele_chain_run update_chain_unpack(const struct chain *chain, const uint8_t *block)
{
	if (block == NULL)
		return (struct stele_chain_run){0};
	return chain->is_nsec3 ? stele_unpack_nsec3(block) : stele_unpack_nsec(block);
}

uint64_t update_chain_count_nsec3_rrs(const struct stele_chain_run *run)
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

const uint8_t *update_chain_member_key(const struct update *update,
				       const struct update_member *member)
{
	return update->keys.data + member->key_off;
}

int update_chain_merge(struct chain *chain, const struct stele_chain_run *old,
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
						   update_chain_member_key(chain->update,
									   members + m),
						   members[m].key_len);
		if (c < 0) {
			rc = stele_buffer_add(&chain->own, entry, stele_nsec_entry_sz(entry),
					      chain->update->reterr);
			cnt++;
		}
		if (c >= 0 && members[m].comes) {
			rc = stele_pack_nsec_entry(&chain->own, members[m].name_key,
						   update_chain_member_key(chain->update,
									   members + m),
						   members[m].key_len, chain->update->reterr);
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

const struct stele_bounds *update_chain_bounds(const struct stele_zone *zone)
{
	return (const void *)((const uint8_t *)zone + stele_le32(zone->chain_off));
}

uint32_t update_chain_find_range(const struct stele_bounds *bounds, const uint8_t *key,
				 size_t key_len)
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

/* ---- the entries of a shard ---- */

/* The own entries of shard `i` after the change, valid until the next call. */
static int load(struct chain *chain, uint32_t i, struct stele_chain_run *ret_run)
{
	struct update *update = chain->update;
	struct chain_shard *shard = chain->shards + i;
	const uint8_t *block;
	int rc = old_block(chain, i, &block);
	if (rc < 0)
		return rc;
	struct stele_chain_run old = update_chain_unpack(chain, block);
	if (!shard->is_touched) {
		*ret_run = old;
		return 0;
	}
	uint32_t cnt;
	size_t last_off = 0;
	if (chain->is_nsec3) {
		struct stele_nsec3_run run = {.entries = chain->own};
		run.entries.len = 0;
		rc = stele_nsec3_run_carve(&update->carver, update->read, &chain->zone->facts,
					   chain->bits, i, &run, update->reterr);
		chain->own = run.entries;
		if (rc < 0)
			return rc;
		cnt = run.entry_cnt;
		last_off = run.last_off;
		chain->opt_out |= run.opt_out;
		if (!shard->is_known) {
			chain->rr_cnt += run.rr_cnt;
			chain->old_rr_cnt += update_chain_count_nsec3_rrs(&old);
		}
	} else if (chain->is_new) {
		chain->own.len = 0;
		cnt = 0;
		const uint8_t *end = chain->begins[i + 1];
		for (const uint8_t *e = chain->begins[i]; e < end; e += stele_nsec_entry_sz(e))
			cnt++;
		rc = stele_buffer_add(&chain->own, chain->begins[i],
				      (size_t)(end - chain->begins[i]), update->reterr);
		if (rc < 0)
			return rc;
	} else {
		rc = update_chain_merge(chain, &old, shard->members, shard->member_cnt, &cnt);
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
		const uint8_t *block;
		int rc = old_block(chain, i, &block);
		if (rc < 0)
			return rc;
		if (!shard->is_known && update_chain_unpack(chain, block).entry_cnt > 0) {
			*ret_entry = chain->is_nsec3 ? stele_nsec3_last(block) :
						       stele_nsec_last(block);
			*ret_sz = entry_sz(chain, *ret_entry);
			return update_check_digest(chain->update, chain->first + i);
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
		const uint8_t *block;
		int rc = old_block(chain, k, &block);
		if (rc < 0)
			return rc;
		if (block == NULL)
			return update_rebuild(chain->update,
					      "a shard of a denial chain is missing");
		const uint8_t *old = chain->is_nsec3 ? stele_nsec3_first(block) :
						       stele_nsec_first(block);
		const uint8_t *carry = NULL;
		size_t carry_sz = 0;
		rc = find_before(chain, k, &carry, &carry_sz);
		if (rc != 0 || carry == NULL)
			return rc;
		if (entry_sz(chain, old) == carry_sz && memcmp(old, carry, carry_sz) == 0)
			return 0;
		rc = write_shard(chain, k);
		if (rc != 0 || update_chain_unpack(chain, block).entry_cnt > 0)
			return rc;
	}
	return 0;
}

int update_chain_write_touched(struct chain *chain)
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
