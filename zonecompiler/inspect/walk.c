/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/inspect/walk.h"

#include "lib/dns/message.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"
#include "lib/image/verified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stele_inspect_open(const char *path, struct stele_progress *progress,
		       struct stele_view *ret_view, struct stele_error *reterr)
{
	const struct stele_verify_options with = {.progress = stele_progress_part,
						  .user = progress};
	struct stele_view view;
	int rc = stele_view_open_file(path, &view, reterr);
	if (rc != 0)
		return rc;
	struct stele_error detail;
	rc = stele_view_verify_with(&view, &with, NULL, NULL, &detail);
	if (rc != 0) {
		stele_view_close(&view);
		return stele_fail(reterr, rc, "%s: %s", path, detail.text);
	}
	*ret_view = view;
	return 0;
}

/* Calls `visit` for every record of `shard_cnt` hash shards. `part` is NULL if nobody watches. */
static void walk_records(const struct stele_view *view, uint32_t first, uint64_t shard_cnt,
			 struct stele_progress *progress, const char *part,
			 void (*visit)(void *user, const uint8_t *record), void *user)
{
	for (uint64_t s = 0; s < shard_cnt; s++) {
		const struct stele_view_shard *shard = view->shards + first + s;
		if (part != NULL)
			stele_progress_part(progress, part, s, shard_cnt);
		for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
			const uint8_t *record = stele_view_slot_record(shard, i);
			if (record != NULL)
				visit(user, record);
		}
	}
}

/* ---- zones ---- */

static void add_zone(void *user, const uint8_t *record)
{
	struct stele_inspect_zones *zones = user;
	const struct stele_zone *head = (const void *)record;
	zones->by_rank[zones->cnt++] = (struct stele_inspect_zone){
		.head = head,
		.apex = record + sizeof(*head),
		.id = stele_le32(head->zone_id),
	};
}

static int compare_apex(const void *a, const void *b)
{
	const struct stele_inspect_zone *x = a, *y = b;
	uint8_t x_key[STELE_SORT_KEY_MAX], y_key[STELE_SORT_KEY_MAX];
	size_t x_len = stele_sort_key(x->apex, x->head->apex_len - 1u, x_key);
	size_t y_len = stele_sort_key(y->apex, y->head->apex_len - 1u, y_key);
	return stele_sort_key_compare(x_key, x_len, y_key, y_len);
}

static int compare_id(const void *a, const void *b, void *user)
{
	const struct stele_inspect_zone *by_rank = user;
	uint32_t x = by_rank[*(const uint32_t *)a].id, y = by_rank[*(const uint32_t *)b].id;
	return (x > y) - (x < y);
}

int stele_inspect_zones_load(const struct stele_view *view, struct stele_inspect_zones *ret_zones,
			     struct stele_error *reterr)
{
	struct stele_inspect_zones zones = {
		.by_rank = calloc(view->zone_cnt + 1u, sizeof(*zones.by_rank)),
		.rank_by_id = calloc(view->zone_cnt + 1u, sizeof(*zones.rank_by_id)),
	};
	if (zones.by_rank == NULL || zones.rank_by_id == NULL) {
		stele_inspect_zones_free(&zones);
		return stele_fail_errno(reterr, ENOMEM, "list of %u zones", view->zone_cnt);
	}
	walk_records(view, view->zone_first, UINT64_C(1) << view->zone_bits, NULL, NULL, add_zone,
		     &zones);
	qsort(zones.by_rank, zones.cnt, sizeof(*zones.by_rank), compare_apex);
	for (uint32_t i = 0; i < zones.cnt; i++)
		zones.by_rank[i].rank = zones.rank_by_id[i] = i;
	qsort_r(zones.rank_by_id, zones.cnt, sizeof(*zones.rank_by_id), compare_id, zones.by_rank);
	*ret_zones = zones;
	return 0;
}

void stele_inspect_zones_free(struct stele_inspect_zones *zones)
{
	free(zones->by_rank);
	free(zones->rank_by_id);
	*zones = (struct stele_inspect_zones){0};
}

const struct stele_inspect_zone *stele_inspect_zone_by_id(const struct stele_inspect_zones *zones,
							  uint32_t zone_id)
{
	uint32_t lo = 0, hi = zones->cnt;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (zones->by_rank[zones->rank_by_id[mid]].id <= zone_id)
			lo = mid;
		else
			hi = mid;
	}
	return zones->by_rank + zones->rank_by_id[lo];
}

/* ---- names ---- */

struct name_visit {
	void (*visit)(void *user, const struct stele_name_parts *name);
	void *user;
};

static void visit_name(void *user, const uint8_t *record)
{
	const struct name_visit *names = user;
	struct stele_name_parts parts = stele_name_parts(record);
	names->visit(names->user, &parts);
}

void stele_inspect_names(const struct stele_view *view, struct stele_progress *progress,
			 const char *part,
			 void (*visit)(void *user, const struct stele_name_parts *name), void *user)
{
	struct name_visit names = {visit, user};
	walk_records(view, view->name_first, UINT64_C(1) << view->name_bits, progress, part,
		     visit_name, &names);
}

/* ---- chains ---- */

const uint8_t *stele_inspect_chain_block(const struct stele_view *view,
					 const struct stele_zone *zone, uint32_t index,
					 uint64_t *ret_size)
{
	switch (zone->chain_kind) {
	case STELE_CHAIN_NSEC3_INLINE:
	case STELE_CHAIN_NSEC_INLINE:
		if (index > 0)
			return NULL;
		*ret_size = stele_le32(zone->size) - stele_le32(zone->chain_off);
		return (const uint8_t *)zone + stele_le32(zone->chain_off);
	case STELE_CHAIN_NSEC3_SHARDS:
	case STELE_CHAIN_NSEC_SHARDS:
		if (index >= stele_le32(zone->chain_cnt))
			return NULL;
		index += stele_le32(zone->chain_first);
		*ret_size = stele_le64(stele_view_ref(view, index)->size);
		return view->shards[index].base;
	default:
		return NULL;
	}
}

/* ---- rdata ---- */

/* Writes out the name at `p`; returns its length. `*ret_behind` gets what stands behind it. */
static size_t write_out(const uint8_t *body, const uint8_t *p, const uint8_t *owner,
			size_t owner_len, uint8_t *to, const uint8_t **ret_behind)
{
	const uint8_t *behind = NULL;
	size_t len = 0;
	for (;;) {
		if (*p >= 0xc0) {
			if (behind == NULL)
				behind = p + 2;
			size_t value = stele_get_be16(p) & STELE_POINTER_MAX;
			size_t base = STELE_HEADER_SZ + owner_len + 4;
			p = value >= base ? body + (value - base) :
					    owner + (value - STELE_HEADER_SZ);
			continue;
		}
		memcpy(to + len, p, *p + 1u);
		len += *p + 1u;
		if (*p == 0)
			break;
		p += *p + 1u;
	}
	*ret_behind = behind != NULL ? behind : p + 1;
	return len;
}

size_t stele_inspect_rdata(const uint8_t *body, const uint8_t *at, const uint8_t *owner,
			   size_t owner_len, uint16_t type, uint8_t *rdata)
{
	size_t rdata_len = stele_get_be16(at - 2);
	const uint8_t *end = at + rdata_len;
	size_t len = 0;
	uint16_t pos[2];
	/* How many names there are does not depend on the rdata; each begins where the one before it
	 * ends, and before the first stand pos[0] bytes. */
	unsigned name_cnt = type == STELE_TYPE_RRSIG ?
				    0 :
				    stele_rdata_compressible_names(type, at, rdata_len, pos);
	if (name_cnt > 0) {
		memcpy(rdata, at, pos[0]);
		len = pos[0];
		at += pos[0];
	}
	while (name_cnt-- > 0)
		len += write_out(body, at, owner, owner_len, rdata + len, &at);
	memcpy(rdata + len, at, (size_t)(end - at));
	return len + (size_t)(end - at);
}
