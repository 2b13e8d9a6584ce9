/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_UPDATE_CHAIN_H
#define STELE_ZONECOMPILER_UPDATE_CHAIN_H

/*
 * A denial chain while it is changed: what chain.c, which knows of the zone and its record, and
 * chain_shards.c, which makes shards of entries, have between them. One thread. Functions that may
 * fail return 0, a negative status with its text in `update->reterr`, or what update_rebuild() does.
 */

#include "zonecompiler/update/internal.h"

struct chain_shard {
	bool is_touched; /* entries come or go */
	bool is_known;   /* own_cnt and last are those after the change */
	bool is_written;
	const struct update_member *members; /* NSEC: of the zone's, those in its range */
	size_t member_cnt;
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

const uint8_t *update_chain_member_key(const struct update *update,
				       const struct update_member *member);

/* The own entries of a block, which may be NULL: none. */
struct stele_chain_run update_chain_unpack(const struct chain *chain, const uint8_t *block);

/* The NSEC3 records of these entries and their signatures. */
uint64_t update_chain_count_nsec3_rrs(const struct stele_chain_run *run);

/* NSEC: makes chain->own of old entries and members, both ascending; `*ret_cnt` gets how many those are. */
int update_chain_merge(struct chain *chain, const struct stele_chain_run *old,
		       const struct update_member *members, size_t member_cnt, uint32_t *ret_cnt);

/* NSEC: where the shards of a zone begin, as its record has it. */
const struct stele_bounds *update_chain_bounds(const struct stele_zone *zone);

/* The shard whose range has this sort key: the last bound that is not greater. */
uint32_t update_chain_find_range(const struct stele_bounds *bounds, const uint8_t *key,
				 size_t key_len);

/* Makes all touched shards again, and those behind them that carry another entry over now. */
int update_chain_write_touched(struct chain *chain);

#endif
