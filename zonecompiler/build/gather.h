/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_BUILD_GATHER_H
#define STELE_ZONECOMPILER_BUILD_GATHER_H

/*
 * Records on their way from carving to packing. Carving comes across names in the order of the zone, and
 * each goes to a shard that its hash chooses; so there is a list of chunks for each shard. Each
 * thread gathers for itself; packing reads the lists of all threads and frees them.
 */

#include "zonecompiler/pack/hash_shard.h"

#include <stddef.h>
#include <stdint.h>

struct stele_gather_chunk {
	struct stele_gather_chunk *next;
	uint32_t len, cap;
	uint8_t bytes[]; /* le64 key | le32 record_sz | record, repeated */
};

struct stele_gather_list {
	struct stele_gather_chunk *last; /* and through `next` those before it */
	uint64_t records_sz;
	uint32_t item_cnt;
};

struct stele_gather {
	struct stele_gather_list *lists; /* one for each shard */
	uint32_t shard_cnt;
	uint32_t chunk_sz;
};

/* `chunk_sz`: larger ones leave more memory unused at their ends, smaller ones cost more calls. */
int stele_gather_init(struct stele_gather *gather, uint32_t shard_cnt, uint32_t chunk_sz,
		      struct stele_error *reterr);
void stele_gather_free(struct stele_gather *gather);

/* Copies a record to the list of its shard. STELE_E_SYSTEM. */
int stele_gather_add(struct stele_gather *gather, uint32_t shard, uint64_t key,
		     const uint8_t *record, size_t record_sz, struct stele_error *reterr);

/* Writes the items of a list to `items`, which has room for them; returns behind the last. */
struct stele_pack_item *stele_gather_items(const struct stele_gather_list *list,
					   struct stele_pack_item *items);

void stele_gather_list_free(struct stele_gather_list *list);

#endif
