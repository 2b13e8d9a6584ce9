/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/nsec3_run.h"

#include "lib/dns/nsec3.h"

/* Whether the entry of the apex, which each chain has, is of this shard. */
static bool has_apex(const struct stele_carve_zone *zone, unsigned bits, uint32_t shard)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	stele_nsec3_hash(zone->apex, zone->apex_len, zone->salt, zone->salt_len, zone->iterations,
			 hash);
	return bits == 0 || stele_get_be32(hash) >> (32 - bits) == shard;
}

int stele_nsec3_run_carve(struct stele_carver *carver, struct stele_store_read *read,
			  const struct stele_carve_zone *zone, unsigned bits, uint32_t shard,
			  struct stele_nsec3_run *run, struct stele_error *reterr)
{
	uint8_t from[4], to[4];
	bool is_last = shard + UINT64_C(1) == UINT64_C(1) << bits;
	stele_put_be32(from, bits > 0 ? shard << (32 - bits) : 0);
	stele_put_be32(to, is_last ? 0 : (shard + 1) << (32 - bits));
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(read, STELE_STORE_NSEC3, zone->id, from, sizeof(from),
					 is_last ? NULL : to, is_last ? 0 : sizeof(to), &cursor,
					 reterr);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	while ((rc = stele_store_cursor_next(cursor, &item, reterr)) == 1) {
		size_t off = run->entries.len;
		struct stele_carve_nsec3_result result;
		rc = stele_carve_nsec3(carver, zone, item.key, item.node, item.node_sz,
				       &run->entries, &result, reterr);
		if (rc < 0)
			break;
		if (result.rr_cnt == 0)
			continue;
		run->last_off = off;
		run->entry_cnt++;
		run->rr_cnt += result.rr_cnt;
		run->opt_out |= result.opt_out;
	}
	stele_store_cursor_close(cursor);
	/* What comes after this goes round the chain for the entry before the first, and must find one. */
	if (rc == 0 && run->entry_cnt == 0 && has_apex(zone, bits, shard)) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(zone->apex, text);
		return stele_fail(reterr, STELE_E_INPUT,
				  "zone %s: the NSEC3 chain has no entry for the apex", text);
	}
	return rc;
}
