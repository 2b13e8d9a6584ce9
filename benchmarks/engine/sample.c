/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/engine/sample.h"

#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

const char *const sample_kind_names[SAMPLE_KIND_CNT] = {"positive", "referral", "NODATA",
							"NXDOMAIN", "wildcard"};

#define RANDOM_LABEL_SZ 12
#define TRIES_PER_QUERY 4096 /* then the kind is taken to be absent */

/* Any slot in use of a random shard in [first, first + 2^bits). NULL if that shard is empty. */
static const uint8_t *random_record(const struct stele_view *view, uint32_t first, unsigned bits,
				    uint64_t *state)
{
	const struct stele_view_shard *shard =
		&view->shards[first + (sample_random(state) & ((UINT64_C(1) << bits) - 1))];
	return stele_view_slot_record(
		shard, (uint32_t)(sample_random(state) % stele_view_slot_cnt(shard)));
}

/* Zones by their id, to give relative owners their apex back. */
struct zones {
	const struct stele_zone **by_id; /* sorted by id */
	size_t cnt;
};

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = stele_le32((*(const struct stele_zone *const *)a)->zone_id);
	uint32_t y = stele_le32((*(const struct stele_zone *const *)b)->zone_id);
	return (x > y) - (x < y);
}

static struct zones list_zones(const struct stele_view *view)
{
	struct zones zones = {calloc(view->zone_cnt + 1u, sizeof(*zones.by_id)), 0};
	if (zones.by_id == NULL)
		abort();
	for (uint32_t i = 0; i < UINT32_C(1) << view->zone_bits; i++) {
		const struct stele_view_shard *shard = &view->shards[view->zone_first + i];
		for (uint32_t k = 0; k < stele_view_slot_cnt(shard); k++) {
			const uint8_t *record = stele_view_slot_record(shard, k);
			if (record != NULL && zones.cnt < view->zone_cnt)
				zones.by_id[zones.cnt++] = (const void *)record;
		}
	}
	qsort(zones.by_id, zones.cnt, sizeof(*zones.by_id), compare_ids);
	return zones;
}

static const struct stele_zone *zone_of(const struct zones *zones, const struct stele_name *name)
{
	uint32_t id = stele_le32(name->zone_id);
	size_t lo = 0, hi = zones->cnt;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (stele_le32(zones->by_id[mid]->zone_id) < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < zones->cnt ? zones->by_id[lo] : NULL;
}

/* Does a query of this kind follow from this name? Gives the type, and whether a label is put before. */
static bool fits(enum sample_kind kind, const struct stele_name_parts *name, uint16_t *type,
		 bool *child)
{
	bool authoritative = name->head->kind == STELE_NAME_AUTHORITATIVE;
	*child = false;
	*type = STELE_TYPE_A;
	switch (kind) {
	case SAMPLE_POSITIVE:
		if (!authoritative || name->rrset_cnt == 0 ||
		    name->head->flags & (STELE_NAME_HAS_CNAME | STELE_NAME_IS_APEX))
			return false;
		*type = stele_le16(name->rrsets[0].type);
		return true;
	case SAMPLE_REFERRAL:
		*child = true;
		return name->head->kind == STELE_NAME_CUT;
	case SAMPLE_NODATA:
		*type = STELE_TYPE_HINFO;
		return authoritative && (name->head->flags & STELE_NAME_HAS_CNAME) == 0;
	case SAMPLE_NXDOMAIN:
		*child = true;
		return (name->head->flags & (STELE_NAME_IS_APEX | STELE_NAME_HAS_WILDCARD |
					     STELE_NAME_HAS_DNAME)) == STELE_NAME_IS_APEX;
	case SAMPLE_WILDCARD:
		*child = true;
		return (name->head->flags & STELE_NAME_HAS_WILDCARD) != 0;
	default:
		return false;
	}
}

static bool write_query(struct sample_query *query, const struct stele_zone *zone,
			const struct stele_name_parts *name, uint16_t type, bool child,
			bool dnssec_ok, uint64_t *state)
{
	size_t len = (child ? 1 + RANDOM_LABEL_SZ : 0u) + name->head->rel_len + zone->apex_len;
	if (len > STELE_NAME_MAX || STELE_HEADER_SZ + len + 4 + 11 > SAMPLE_QUERY_MAX)
		return false;
	uint8_t *p = query->msg;
	memset(p, 0, STELE_HEADER_SZ);
	stele_put_be16(p, (uint16_t)sample_random(state));
	p[5] = 1;  /* QDCOUNT */
	p[11] = 1; /* ARCOUNT */
	p += STELE_HEADER_SZ;
	if (child) {
		*p++ = RANDOM_LABEL_SZ;
		uint64_t r = sample_random(state);
		for (unsigned i = 0; i < RANDOM_LABEL_SZ; i++, r /= 26)
			*p++ = (uint8_t)('a' + r % 26);
	}
	memcpy(p, name->rel, name->head->rel_len);
	p += name->head->rel_len;
	memcpy(p, zone + 1, zone->apex_len);
	p += zone->apex_len;
	stele_put_be16(p, type);
	stele_put_be16(p + 2, STELE_CLASS_IN);
	p += 4;
	*p++ = 0;
	stele_put_be16(p, STELE_TYPE_OPT);
	stele_put_be16(p + 2, 1232);
	stele_put_be32(p + 4, dnssec_ok ? STELE_EDNS_FLAG_DO : 0);
	stele_put_be16(p + 8, 0);
	p += 10;
	query->len = (uint16_t)(p - query->msg);
	return true;
}

/* The apex of a zone: where NXDOMAIN is drawn, since apexes are rare among the names. */
static const uint8_t *apex_record(const struct stele_view *view, const struct stele_zone *zone)
{
	uint8_t apex[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
	memcpy(apex, zone + 1, zone->apex_len);
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned depth = 0;
	for (unsigned at = 0; apex[at] != 0; at += apex[at] + 1u)
		starts[depth++] = (uint8_t)at;
	uint64_t hash = view->seed.start;
	while (depth > 0)
		hash = stele_hash_label(view->seed, hash, apex + starts[--depth]);
	uint64_t key = stele_key_name(view->seed, hash, hash);
	return stele_view_find(stele_view_name_shard(view, key), key);
}

bool sample_queries(const struct stele_view *view, enum sample_kind kind, bool dnssec_ok,
		    uint64_t seed, struct sample_query *queries, size_t cnt)
{
	struct zones zones = list_zones(view);
	uint64_t state = seed;
	bool done = zones.cnt > 0;
	for (size_t i = 0; i < cnt && done; i++) {
		done = false;
		for (unsigned tries = 0; tries < TRIES_PER_QUERY && !done; tries++) {
			const uint8_t *record;
			if (kind == SAMPLE_NXDOMAIN)
				record = apex_record(
					view, zones.by_id[sample_random(&state) % zones.cnt]);
			else
				record = random_record(view, view->name_first, view->name_bits,
						       &state);
			if (record == NULL)
				continue;
			struct stele_name_parts name = stele_name_parts(record);
			const struct stele_zone *zone = zone_of(&zones, name.head);
			uint16_t type;
			bool child;
			done = zone != NULL && fits(kind, &name, &type, &child) &&
			       write_query(&queries[i], zone, &name, type, child, dnssec_ok,
					   &state);
		}
	}
	free(zones.by_id);
	return done;
}
