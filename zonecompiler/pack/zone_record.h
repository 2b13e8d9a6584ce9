/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_PACK_ZONE_RECORD_H
#define STELE_ZONECOMPILER_PACK_ZONE_RECORD_H

/*
 * The record of a zone (struct stele_zone): its numbers, the SOA of negative answers, and the denial
 * chain or the way to it.
 */

#include "zonecompiler/carve/chain.h"
#include "zonecompiler/carve/walk.h"
#include "zonecompiler/pack/chain_block.h"

/*
 * Chains of at most so many entries stand in the zone record. More: a zone record that an update of any
 * name rewrites gets long (an NSEC3 entry with its signature is 150 bytes). Fewer: a hosting image of
 * many small signed zones gets a shard, with its reference of 64 bytes, for each.
 */
enum { STELE_CHAIN_INLINE_MAX = 64 };

/*
 * Entries of one chain shard. More: an update that touches one entry rewrites them all (4 K NSEC3
 * entries are 0.6 MB). Fewer: the directory grows, and each shard repeats its neighbour's last
 * entry.
 */
enum { STELE_CHAIN_SHARD_ENTRIES = 4096 };

struct stele_zone_record {
	const struct stele_carve_zone *zone;
	struct stele_walk_totals totals; /* NSEC3 records not yet counted */
	uint64_t chain_rr_cnt;           /* NSEC3 records and their signatures */
	uint8_t flags;                   /* STELE_ZONE_…; EXPIRED follows from `zone` */

	uint8_t chain_kind; /* enum stele_chain_kind */
	uint8_t chain_bits;
	uint32_t chain_first, chain_cnt;
	/* Inline: all entries of the chain. */
	struct stele_chain_run chain;
	/* NSEC shards: struct stele_bounds as it goes into the record. */
	const uint8_t *bounds;
	size_t bounds_sz;
};

/* Appends the record to `out`. `apex_node` is the node at the apex. */
int stele_pack_zone_record(struct stele_carver *carver, const struct stele_zone_record *zone,
			   const uint8_t *apex_node, size_t apex_node_sz, struct stele_buffer *out,
			   struct stele_error *reterr);

/* Appends an owner of an NSEC chain to a run of entries: key of the name, sort key. STELE_E_SYSTEM. */
int stele_pack_nsec_entry(struct stele_buffer *entries, uint64_t key, const uint8_t *sort_key,
			  size_t sort_key_len, struct stele_error *reterr);

/* Appends a struct stele_bounds: `cnt` entries of the NSEC chain with which its shards begin. The
 * first counts as empty. */
int stele_pack_bounds(const uint8_t *const *entries, uint32_t cnt, struct stele_buffer *out,
		      struct stele_error *reterr);

/* How many leading hash bits choose the shard of an NSEC3 chain of so many records. */
unsigned stele_nsec3_chain_bits(uint64_t entry_cnt);

#endif
