/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/zone.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

#include <string.h>

uint64_t stele_carve_hash_below(struct stele_hash_seed seed, uint64_t suffix, const uint8_t *rel,
				size_t rel_len)
{
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	for (size_t at = 0; at < rel_len; at += (size_t)rel[at] + 1)
		starts[cnt++] = (uint8_t)at;
	while (cnt > 0)
		suffix = stele_hash_label(seed, suffix, rel + starts[--cnt]);
	return suffix;
}

uint64_t stele_carve_hash(struct stele_hash_seed seed, const uint8_t *name)
{
	return stele_carve_hash_below(seed, seed.start, name,
				      stele_name_length(name, STELE_NAME_MAX) - 1);
}

/*
 * NSEC3 rdata and NSEC3PARAM rdata begin alike (RFC 5155 sections 3.2 and 4.2):
 * algorithm | flags | be16 iterations | salt_len | salt
 */
static bool same_params(const struct stele_carve_zone *zone, const uint8_t *rdata, size_t rdata_len)
{
	return rdata_len >= 5u + zone->salt_len && rdata[0] == 1 &&
	       stele_get_be16(rdata + 2) == zone->iterations && rdata[4] == zone->salt_len &&
	       memcmp(rdata + 5, zone->salt, zone->salt_len) == 0;
}

bool stele_carve_find_nsec3(const struct stele_carve_zone *zone, const uint8_t *node,
			    size_t node_sz, struct stele_node_rrset *ret_set)
{
	struct stele_node_rrset set;
	if (!stele_node_find(node, node_sz, STELE_TYPE_NSEC3, &set) || set.rr_cnt == 0)
		return false;
	const uint8_t *p = set.data;
	for (unsigned i = 0; i < set.rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (!same_params(zone, rr.rdata, rr.rdata_len))
			return false;
	}
	*ret_set = set;
	return true;
}

/* 1 if the chain with the zone's parameters has an entry for the apex, 0 if not. */
static int has_nsec3_at_apex(const struct stele_carve_zone *zone, struct stele_store_read *read,
			     struct stele_error *reterr)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	stele_nsec3_hash(zone->apex, zone->apex_len, zone->salt, zone->salt_len, zone->iterations,
			 hash);
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(read, STELE_STORE_NSEC3, zone->id, hash, sizeof(hash),
					 NULL, 0, &cursor, reterr);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	rc = stele_store_cursor_next(cursor, &item, reterr);
	if (rc == 1) {
		struct stele_node_rrset set;
		rc = item.key_len == sizeof(hash) && memcmp(item.key, hash, sizeof(hash)) == 0 &&
		     stele_carve_find_nsec3(zone, item.node, item.node_sz, &set);
	}
	stele_store_cursor_close(cursor);
	return rc;
}

/* Finds the parameters of the NSEC3 chain: 1 if there is one, 0 if not. */
static int find_nsec3(struct stele_carve_zone *zone, const struct stele_node_rrset *params,
		      struct stele_store_read *read, struct stele_error *reterr)
{
	const uint8_t *p = params->data;
	for (unsigned i = 0; i < params->rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (rr.rdata_len < 5 || rr.rdata_len < 5u + rr.rdata[4] || rr.rdata[0] != 1 ||
		    rr.rdata[1] != 0)
			continue;
		zone->iterations = stele_get_be16(rr.rdata + 2);
		if (zone->iterations > STELE_NSEC3_ITERATIONS_MAX)
			continue; /* no zone with records of such a chain gets into the store */
		zone->salt_len = rr.rdata[4];
		memcpy(zone->salt, rr.rdata + 5, zone->salt_len);
		int rc = has_nsec3_at_apex(zone, read, reterr);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int stele_carve_zone_init(struct stele_carve_zone *zone, struct stele_hash_seed seed,
			  const struct stele_zone_info *info, struct stele_store_read *read,
			  struct stele_error *reterr)
{
	*zone = (struct stele_carve_zone){
		.id = info->id,
		.apex_len = info->apex_len,
		.is_expired = (info->flags & STELE_STORE_ZONE_EXPIRED) != 0,
		.seed = seed,
	};
	memcpy(zone->apex, info->apex, info->apex_len);
	zone->apex_labels = (uint8_t)stele_name_label_cnt(zone->apex);
	zone->apex_hash = stele_carve_hash(seed, zone->apex);

	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset set;
	int rc = stele_store_node(read, info->id, (const uint8_t *)"", 0, &node, &node_sz, reterr);
	if (rc < 0 && rc != STELE_E_NOTFOUND)
		return rc;
	if (rc < 0 || !stele_node_find(node, node_sz, STELE_TYPE_SOA, &set) || set.rr_cnt != 1) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(info->apex, text);
		return stele_fail(reterr, STELE_E_INPUT, "zone %s: no SOA at the apex", text);
	}
	if (info->nsec3_cnt > 0 && stele_node_find(node, node_sz, STELE_TYPE_NSEC3PARAM, &set)) {
		rc = find_nsec3(zone, &set, read, reterr);
		if (rc < 0)
			return rc;
		if (rc == 1) {
			zone->chain = STELE_CHAIN_OF_NSEC3;
			return 0;
		}
	}
	zone->iterations = 0;
	zone->salt_len = 0;
	if (stele_node_find(node, node_sz, STELE_TYPE_NSEC, &set) && set.rr_cnt > 0)
		zone->chain = STELE_CHAIN_OF_NSEC;
	return 0;
}
