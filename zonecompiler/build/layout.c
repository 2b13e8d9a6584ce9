/* SPDX-License-Identifier: Apache-2.0 */
/* When all names are carved: chains get their shards, zones their records, shards their sizes. */
#include "zonecompiler/build/internal.h"

#include <stdlib.h>

static int compare_pieces(const void *a, const void *b)
{
	const struct build_piece *x = a, *y = b;
	return stele_sort_key_compare(x->from, x->from_len, y->from, y->from_len);
}

/* Puts the pieces of an NSEC chain behind one another and cuts the chain into shards. */
static int lay_out_nsec(struct build_zone *zone, struct stele_error *reterr)
{
	uint64_t cnt = 0;
	size_t size = 0;
	for (size_t i = 0; i < zone->piece_cnt; i++) {
		cnt += zone->pieces[i].entry_cnt;
		size += zone->pieces[i].entries.len;
	}
	if (zone->piece_cnt > 1)
		qsort(zone->pieces, zone->piece_cnt, sizeof(*zone->pieces), compare_pieces);
	int rc = stele_buffer_reserve(&zone->chain, size, reterr);
	for (size_t i = 0; rc == 0 && i < zone->piece_cnt; i++) {
		struct build_piece *piece = zone->pieces + i;
		rc = stele_buffer_add(&zone->chain, piece->entries.data, piece->entries.len,
				      reterr);
		stele_buffer_free(&piece->entries);
	}
	if (rc < 0)
		return rc;
	bool is_inline = cnt <= STELE_CHAIN_INLINE_MAX;
	zone->chain_kind = is_inline ? STELE_CHAIN_NSEC_INLINE : STELE_CHAIN_NSEC_SHARDS;
	uint32_t shard_cnt =
		(uint32_t)((cnt + STELE_CHAIN_SHARD_ENTRIES - 1) / STELE_CHAIN_SHARD_ENTRIES);
	zone->chain_cnt = is_inline ? 0 : shard_cnt;
	zone->own_cnts = calloc(shard_cnt + 1u, sizeof(*zone->own_cnts));
	zone->own_begins = calloc(shard_cnt + 1u, sizeof(*zone->own_begins));
	if (zone->own_cnts == NULL || zone->own_begins == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	const uint8_t *entry = zone->chain.data;
	for (uint64_t i = 0; i < cnt; i++, entry += stele_nsec_entry_sz(entry)) {
		if (i % STELE_CHAIN_SHARD_ENTRIES == 0)
			zone->own_begins[i / STELE_CHAIN_SHARD_ENTRIES] = entry;
		zone->own_cnts[i / STELE_CHAIN_SHARD_ENTRIES]++;
	}
	zone->own_begins[shard_cnt] = entry;
	return 0;
}

static void lay_out_nsec3(struct build_zone *zone)
{
	uint64_t cnt = 0;
	for (uint32_t i = 0; i < UINT32_C(1) << zone->chain_bits; i++)
		cnt += zone->runs[i].entry_cnt;
	bool is_inline = zone->chain_bits == 0 && cnt <= STELE_CHAIN_INLINE_MAX;
	zone->chain_kind = is_inline ? STELE_CHAIN_NSEC3_INLINE : STELE_CHAIN_NSEC3_SHARDS;
	zone->chain_cnt = is_inline ? 0 : UINT32_C(1) << zone->chain_bits;
}

static int add_zone(struct build_worker *worker, struct build_zone *zone)
{
	struct stele_zone_record record = {
		.zone = &zone->facts,
		.totals = zone->totals,
		.chain_kind = zone->chain_kind,
		.chain_first = zone->chain_cnt > 0 ? zone->chain_first : 0,
		.chain_cnt = zone->chain_cnt,
	};
	int rc = 0;
	worker->chain.len = 0;
	if (zone->facts.chain == STELE_CHAIN_OF_NSEC3) {
		for (uint32_t i = 0; i < UINT32_C(1) << zone->chain_bits; i++) {
			record.chain_rr_cnt += zone->runs[i].rr_cnt;
			record.flags |= zone->runs[i].opt_out ? STELE_ZONE_OPT_OUT : 0;
		}
		record.chain_bits = (uint8_t)zone->chain_bits;
		record.chain = (struct stele_chain_run){zone->runs[0].entries.data,
							zone->runs[0].entries.len,
							zone->runs[0].entry_cnt};
	} else if (zone->chain_kind == STELE_CHAIN_NSEC_INLINE) {
		record.chain = (struct stele_chain_run){zone->chain.data, zone->chain.len,
							zone->own_cnts[0]};
	} else if (zone->chain_kind == STELE_CHAIN_NSEC_SHARDS) {
		rc = stele_pack_bounds(zone->own_begins, zone->chain_cnt, &worker->chain,
				       &worker->error);
		record.bounds = worker->chain.data;
		record.bounds_sz = worker->chain.len;
	}
	const uint8_t *node;
	size_t node_sz;
	if (rc == 0)
		rc = stele_store_node(worker->read, zone->info.id, (const uint8_t *)"", 0, &node,
				      &node_sz, &worker->error);
	return rc == 0 ? build_add_zone(worker, &record, node, node_sz) : rc;
}

static int lay_out_zones(struct build *build, struct build_worker *worker,
			 struct stele_error *reterr)
{
	uint64_t next = build->chain_first;
	for (size_t i = 0; i < build->tracked_cnt; i++) {
		struct build_zone *zone = build->zones[i];
		int rc = 0;
		if (zone->facts.chain == STELE_CHAIN_OF_NSEC)
			rc = lay_out_nsec(zone, reterr);
		else if (zone->facts.chain == STELE_CHAIN_OF_NSEC3)
			lay_out_nsec3(zone);
		if (rc < 0)
			return rc;
		zone->chain_first = (uint32_t)next;
		next += zone->chain_cnt;
		if (next > UINT32_MAX / 2)
			return stele_fail(reterr, STELE_E_INPUT, "too many denial chains");
		rc = add_zone(worker, zone);
		if (rc < 0) {
			*reterr = worker->error;
			return rc;
		}
	}
	build->shard_cnt = (uint32_t)next;
	return 0;
}

/* The entry before shard `i` of an NSEC3 chain: the last one before it, in the circle. */
static const struct stele_nsec3_run *run_before(const struct build_zone *zone, uint32_t i)
{
	uint32_t cnt = UINT32_C(1) << zone->chain_bits;
	do
		i = (i + cnt - 1) % cnt;
	while (zone->runs[i].entry_cnt == 0);
	return zone->runs + i;
}

/* The last entry of shard `i` of an NSEC chain. */
static const uint8_t *nsec_last(const struct build_zone *zone, uint32_t i)
{
	const uint8_t *entry = zone->own_begins[i];
	for (uint32_t k = 1; k < zone->own_cnts[i]; k++)
		entry += stele_nsec_entry_sz(entry);
	return entry;
}

struct stele_chain_run build_chain_run(const struct build_zone *zone, uint32_t i,
				       const uint8_t **ret_carry, size_t *ret_carry_sz)
{
	if (zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS) {
		const struct stele_nsec3_run *run = zone->runs + i, *before = run_before(zone, i);
		*ret_carry = before->entries.data + before->last_off;
		*ret_carry_sz = before->entries.len - before->last_off;
		return (struct stele_chain_run){run->entries.data, run->entries.len,
						run->entry_cnt};
	}
	*ret_carry = i > 0 ? nsec_last(zone, i - 1) : zone->own_begins[0];
	*ret_carry_sz = stele_nsec_entry_sz(*ret_carry);
	return (struct stele_chain_run){zone->own_begins[i],
					(size_t)(zone->own_begins[i + 1] - zone->own_begins[i]),
					zone->own_cnts[i]};
}

static int size_shards(struct build *build, struct stele_error *reterr)
{
	build->sizes = calloc(build->shard_cnt, sizeof(*build->sizes));
	if (build->sizes == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (uint32_t i = 0; i < build->chain_first; i++) {
		uint64_t records_sz = 0, item_cnt = 0;
		for (unsigned w = 0; w < build->worker_cnt; w++) {
			records_sz += build->workers[w].gather.lists[i].records_sz;
			item_cnt += build->workers[w].gather.lists[i].item_cnt;
		}
		if (item_cnt > 0)
			build->sizes[i] = stele_pack_hash_shard_max((uint32_t)item_cnt, records_sz);
	}
	for (size_t z = 0; z < build->tracked_cnt; z++) {
		const struct build_zone *zone = build->zones[z];
		for (uint32_t i = 0; i < zone->chain_cnt; i++) {
			const uint8_t *carry;
			size_t carry_sz;
			struct stele_chain_run run = build_chain_run(zone, i, &carry, &carry_sz);
			build->sizes[zone->chain_first + i] =
				zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS ?
					stele_pack_nsec3_sz(&run, carry_sz) :
					stele_pack_nsec_sz(&run, carry_sz);
		}
	}
	return stele_image_resize(&build->file, build->shard_cnt, reterr);
}

int build_lay_out(struct build *build, struct build_worker *worker, struct stele_error *reterr)
{
	int rc = lay_out_zones(build, worker, reterr);
	return rc == 0 ? size_shards(build, reterr) : rc;
}
