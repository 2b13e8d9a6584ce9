/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the passes, digests, totals, what is kept; and what all passes use. */
#include "lib/image/verify.h"

#include "lib/image/digests.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stele_verify_write_fault(struct verify *v, const void *at, const char *format, ...)
{
	char what[STELE_ERROR_MAX / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	uint64_t in_shard = (uint64_t)((const uint8_t *)at - v->view->shards[v->shard].base);
	uint64_t off = stele_le64(stele_view_ref(v->view, v->shard)->off) + in_shard;
	stele_fail(v->reterr, STELE_E_INPUT, "shard %" PRIu32 " at offset %" PRIu64 ": %s",
		   v->shard, off, what);
}

/* ---- names and keys ---- */

/* Whether there is an upper-case letter among eight bytes: of each the seven low bits are compared with 'A' and 'Z' by
 * whether a sum carries into the eighth. */
static bool has_upper_8(uint64_t bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = 0x80 * ones;
	uint64_t low = bytes & ~high;
	uint64_t from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x7f - 'Z') * ones;
	return ((from_a ^ behind_z) & ~bytes & high) != 0;
}

static bool has_upper(const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		if (has_upper_8(stele_get_le64(p)))
			return true;
	uint64_t rest = 0;
	memcpy(&rest, p, len);
	return has_upper_8(rest);
}

bool stele_verify_relative(const uint8_t *rel, size_t rel_len, size_t apex_len,
			   unsigned *ret_label_cnt)
{
	if (rel_len + apex_len > STELE_NAME_MAX)
		return false;
	unsigned cnt = 0;
	for (size_t at = 0; at < rel_len; cnt++) {
		size_t label_len = rel[at];
		if (label_len == 0 || label_len > STELE_LABEL_MAX || label_len >= rel_len - at)
			return false;
		at += label_len + 1;
	}
	*ret_label_cnt = cnt;
	/* Lengths are no letters. */
	return !has_upper(rel, rel_len);
}

/* The hash of a checked relative name below the name with hash `suffix`. Reads up to STELE_HASH_SLACK bytes behind
 * it. */
static uint64_t hash_labels(struct stele_hash_seed seed, uint64_t suffix, const uint8_t *rel,
			    size_t rel_len)
{
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	for (size_t at = 0; at < rel_len; at += rel[at] + 1u)
		starts[cnt++] = (uint8_t)at;
	uint64_t hash = suffix;
	while (cnt > 0)
		hash = stele_hash_label(seed, hash, rel + starts[--cnt]);
	return hash;
}

uint64_t stele_verify_apex_hash(const struct stele_view *view, const uint8_t *apex, size_t apex_len)
{
	uint8_t copy[STELE_NAME_MAX + STELE_HASH_SLACK];
	memcpy(copy, apex, apex_len);
	return hash_labels(view->seed, view->seed.start, copy, apex_len - 1);
}

uint64_t stele_verify_key(const struct stele_view *view, const struct verify_zone *zone,
			  const uint8_t *rel, size_t rel_len)
{
	struct stele_hash_seed seed = view->seed;
	uint64_t name = hash_labels(seed, zone->apex_hash, rel, rel_len);
	return stele_key_name(seed, name, zone->apex_hash);
}

uint64_t stele_verify_key_copied(const struct stele_view *view, const struct verify_zone *zone,
				 const uint8_t *rel, size_t rel_len)
{
	uint8_t copy[STELE_NAME_MAX + STELE_HASH_SLACK];
	memcpy(copy, rel, rel_len);
	return stele_verify_key(view, zone, copy, rel_len);
}

const struct stele_name *stele_verify_find(const struct stele_view *view,
					   const struct verify_zone *zone, uint64_t key,
					   const uint8_t *rel, size_t rel_len, uint32_t *ret_shard,
					   uint32_t *ret_slot)
{
	uint32_t at = stele_key_shard(key, view->name_bits);
	const struct stele_view_shard *shard = view->shards + view->name_first + at;
	uint32_t slot;
	const uint8_t *record = stele_view_find_slot(shard, key, &slot);
	if (record == NULL)
		return NULL;
	struct stele_name_parts parts = stele_name_parts(record);
	if (stele_le32(parts.head->zone_id) != zone->id || parts.head->rel_len != rel_len ||
	    memcmp(parts.rel, rel, rel_len) != 0)
		return NULL;
	if (ret_shard != NULL)
		*ret_shard = at;
	if (ret_slot != NULL)
		*ret_slot = slot;
	return parts.head;
}

/* ---- digests ---- */

/* Whether the shard has bytes that nobody has compared yet. */
static bool has_digest(struct verify *v, uint64_t i)
{
	return i < v->view->shard_cnt &&
	       stele_view_ref(v->view, (uint32_t)i)->kind != STELE_SHARD_NONE &&
	       stele_verify_is_new(v->run, (uint32_t)i);
}

/* Shards from STELE_DIGESTS_LANES * `group` on, as many. */
static int check_digests(struct verify *v, uint64_t group)
{
	struct stele_digests_job jobs[STELE_DIGESTS_LANES];
	uint32_t indices[STELE_DIGESTS_LANES];
	unsigned cnt = 0;
	for (uint64_t i = group * STELE_DIGESTS_LANES; i < (group + 1) * STELE_DIGESTS_LANES; i++) {
		if (!has_digest(v, i))
			continue;
		indices[cnt] = (uint32_t)i;
		jobs[cnt++] = (struct stele_digests_job){
			.bytes = v->view->shards[i].base,
			.sz = stele_le64(stele_view_ref(v->view, (uint32_t)i)->size),
		};
	}
	int rc = stele_digests(jobs, cnt, v->reterr);
	for (unsigned k = 0; rc == 0 && k < cnt; k++) {
		const struct stele_shard_ref *ref = stele_view_ref(v->view, indices[k]);
		v->shard = indices[k];
		if (jobs[k].crc != stele_le32(ref->crc))
			rc = stele_verify_fault(v, jobs[k].bytes, "wrong checksum");
		else if (memcmp(jobs[k].sha256, ref->digest, sizeof(jobs[k].sha256)) != 0)
			rc = stele_verify_fault(v, jobs[k].bytes, "wrong digest");
	}
	return rc;
}

/* ---- totals ---- */

static int check_zone_totals(struct verify *v, const struct verify_zone *zone)
{
	const struct stele_zone *head = zone->head;
	const struct verify_tally *seen = &zone->seen;
	v->shard = zone->shard;
	if (stele_le64(head->node_cnt) != seen->name_cnt)
		return stele_verify_fault(v, head,
					  "zone of %" PRIu64 " names, but %" PRIu64 " exist",
					  stele_le64(head->node_cnt), seen->name_cnt);
	if (stele_le64(head->rr_cnt) != seen->rr_cnt)
		return stele_verify_fault(v, head, "zone of %" PRIu64 " RRs, but %" PRIu64 " exist",
					  stele_le64(head->rr_cnt), seen->rr_cnt);
	if (head->label_max < seen->label_max)
		return stele_verify_fault(v, head, "zone of at most %u labels, but %u exist",
					  head->label_max, seen->label_max);
	if (seen->opt_out && (head->flags & STELE_ZONE_OPT_OUT) == 0)
		return stele_verify_fault(v, head, "zone: opt-out flag against its chain");
	bool is_nsec = zone->chain_kind == STELE_CHAIN_NSEC_INLINE ||
		       zone->chain_kind == STELE_CHAIN_NSEC_SHARDS;
	if (is_nsec && seen->nsec_own_cnt != seen->nsec_cnt)
		return stele_verify_fault(v, head,
					  "zone: %" PRIu64 " names own an NSEC record, %" PRIu64
					  " are in its chain",
					  seen->nsec_cnt, seen->nsec_own_cnt);
	return 0;
}

static int check_live_size(struct verify *v)
{
	const struct stele_view *view = v->view;
	uint64_t top_cnt = (view->shard_cnt + UINT64_C(63)) / STELE_DIR_PAGE_REFS;
	uint64_t size = sizeof(struct stele_superblock) + sizeof(struct stele_root) +
			top_cnt * sizeof(struct stele_dir_entry) +
			view->shard_cnt * sizeof(struct stele_shard_ref);
	for (uint32_t i = 0; i < view->shard_cnt; i++)
		size += stele_le64(stele_view_ref(view, i)->size);
	if (view->live_sz != size)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": reaches %" PRIu64 " bytes, says %" PRIu64,
				  view->root_off, size, view->live_sz);
	return 0;
}

static int check_totals(struct verify *v)
{
	const struct stele_view *view = v->view;
	uint64_t zone_cnt = 0, name_cnt = 0, rr_cnt = 0, depths[2] = {0, 0};
	for (size_t i = 0; i < v->zone_cnt; i++) {
		const struct verify_zone *zone = v->zones + i;
		if (zone->gone && zone->seen.name_cnt != 0)
			return stele_fail(v->reterr, STELE_E_INPUT,
					  "names of a zone that is not there");
		if (zone->gone)
			continue;
		int rc = zone->touched ? check_zone_totals(v, zone) : 0;
		if (rc != 0)
			return rc;
		zone_cnt++;
		name_cnt += zone->seen.name_cnt;
		rr_cnt += zone->seen.rr_cnt;
		depths[zone->labels / 64] |= UINT64_C(1) << zone->labels % 64;
	}
	if (zone_cnt != view->zone_cnt || name_cnt != view->name_cnt || rr_cnt != view->rr_cnt)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": %" PRIu32 " zones, %" PRIu64
				  " names, %" PRIu64 " RRs (expected %" PRIu64 ", %" PRIu64
				  ", %" PRIu64 ")",
				  view->root_off, view->zone_cnt, view->name_cnt, view->rr_cnt,
				  zone_cnt, name_cnt, rr_cnt);
	if (memcmp(depths, view->apex_depths, sizeof(depths)) != 0)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": depths of apexes do not fit the zones",
				  view->root_off);
	return check_live_size(v);
}

/* ---- the whole ---- */

/* Zones that are gone end here, and so do the marks of this run. */
static void keep_zones(struct verify_run *run)
{
	struct verify *v = run->workers[0];
	size_t kept = 0;
	for (size_t i = 0; i < v->zone_cnt; i++) {
		if (v->zones[i].gone)
			continue;
		v->zones[kept] = v->zones[i];
		v->zones[kept++].touched = false;
	}
	run->out->zones = v->zones;
	run->out->zone_cnt = kept;
	v->zones = NULL;
}

static int run_passes(struct verify_run *run, bool digests)
{
	int rc = 0;
	run->part = "comparing digests";
	if (digests)
		rc = stele_verify_spread(
			run,
			(run->view->shard_cnt + STELE_DIGESTS_LANES - UINT64_C(1)) /
				STELE_DIGESTS_LANES,
			false, check_digests);
	if (rc == 0)
		rc = stele_verify_zones(run);
	if (rc == 0)
		rc = stele_verify_share(run);
	run->part = "verifying names";
	if (rc == 0)
		rc = stele_verify_names(run);
	run->part = "verifying parents";
	if (rc == 0)
		rc = stele_verify_tree(run);
	run->part = "verifying chains";
	if (rc == 0)
		rc = stele_verify_chains(run);
	if (rc == 0)
		rc = check_totals(run->workers[0]);
	if (rc == 0)
		keep_zones(run);
	return rc;
}

static int verify_once(const struct stele_view *view, const struct stele_verify_options *options,
		       bool use_base, struct stele_verified **ret_verified,
		       struct stele_error *reterr)
{
	struct verify_run run = {.view = view, .given_up = options->given_up, .options = options};
	if (use_base) {
		run.base = options->base;
		run.old = options->base_verified;
	}
	int rc = stele_verify_begin(&run, options->threads, reterr);
	if (rc != 0)
		return rc;
	rc = run_passes(&run, !options->digests_checked);
	if (rc != 0)
		stele_fail(reterr, rc, "%s", run.workers[0]->error.text);
	struct stele_verified *out = run.out;
	stele_verify_end(&run);
	if (rc != 0 || ret_verified == NULL)
		stele_verified_free(out);
	else
		*ret_verified = out;
	return rc;
}

/* Names must lead to the same shards in both, so that a shard can be compared with the one before it. */
static bool has_base(const struct stele_view *view, const struct stele_verify_options *options)
{
	const struct stele_view *base = options->base;
	return base != NULL && options->base_verified != NULL &&
	       base->seed.start == view->seed.start &&
	       base->seed.multiplier == view->seed.multiplier &&
	       base->name_first == view->name_first && base->name_bits == view->name_bits &&
	       base->zone_first == view->zone_first && base->zone_bits == view->zone_bits;
}

int stele_view_verify_with(const struct stele_view *view,
			   const struct stele_verify_options *options,
			   struct stele_verified **ret_verified, bool *ret_incremental,
			   struct stele_error *reterr)
{
	/* Whatever does not fit the base is for the whole to judge: one verdict, and one text for a fault. */
	bool incremental = has_base(view, options) &&
			   verify_once(view, options, true, ret_verified, NULL) == 0;
	int rc = incremental ? 0 : verify_once(view, options, false, ret_verified, reterr);
	if (rc == 0 && ret_incremental != NULL)
		*ret_incremental = incremental;
	return rc;
}

int stele_view_verify(const struct stele_view *view, struct stele_error *reterr)
{
	const struct stele_verify_options options = {.threads = 1};
	return stele_view_verify_with(view, &options, NULL, NULL, reterr);
}

void stele_verified_free(struct stele_verified *verified)
{
	if (verified == NULL)
		return;
	for (uint64_t i = 0; verified->counts != NULL && i < verified->name_shard_cnt; i++)
		stele_verify_drop_counts(verified->counts[i]);
	free(verified->counts);
	free(verified->chains);
	free(verified->zones);
	free(verified);
}
