/* SPDX-License-Identifier: Apache-2.0 */
/* Shards are made, digested and written; what they are made of is freed as they go. */
#include "zonecompiler/write/build_internal.h"

#include <stdlib.h>

static int make_room(struct build_worker *worker, uint32_t item_cnt)
{
	if (worker->item_cap >= item_cnt)
		return 0;
	free(worker->items);
	worker->items = calloc(item_cnt, sizeof(*worker->items));
	worker->item_cap = worker->items != NULL ? item_cnt : 0;
	if (worker->items == NULL)
		return stele_fail(&worker->error, STELE_E_SYSTEM, "out of memory");
	return 0;
}

static int pack_hash_shard(struct build_worker *worker, uint32_t shard)
{
	struct build *build = worker->build;
	uint32_t item_cnt = 0;
	for (unsigned w = 0; w < build->worker_cnt; w++)
		item_cnt += build->workers[w].gather.lists[shard].item_cnt;
	int rc = make_room(worker, item_cnt);
	if (rc < 0)
		return rc;
	struct stele_pack_item *end = worker->items;
	for (unsigned w = 0; w < build->worker_cnt; w++)
		end = stele_gather_items(build->workers[w].gather.lists + shard, end);
	uint64_t size;
	rc = stele_pack_hash_shard(&worker->packer, worker->items, item_cnt,
				   stele_shard_seed(build->seed, shard), worker->shard.data, &size,
				   &worker->error);
	for (unsigned w = 0; w < build->worker_cnt; w++)
		stele_gather_list_free(build->workers[w].gather.lists + shard);
	if (rc < 0)
		return rc;
	return stele_image_put(&build->file, shard,
			       shard < build->zone_first ? STELE_SHARD_NAMES : STELE_SHARD_ZONES,
			       item_cnt, build->places[shard], worker->shard.data, size,
			       &worker->error);
}

static int pack_chain_shard(struct build_worker *worker, uint32_t shard)
{
	struct build *build = worker->build;
	size_t low = 0,
	       high = build->tracked_cnt; /* the last zone whose chain begins at or before */
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (build->zones[middle]->chain_first <= shard)
			low = middle;
		else
			high = middle;
	}
	struct build_zone *zone = build->zones[low];
	uint32_t i = shard - zone->chain_first;
	const uint8_t *carry;
	size_t carry_sz;
	struct stele_chain_run run = build_chain_run(zone, i, &carry, &carry_sz);
	bool is_nsec3 = zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
	if (is_nsec3)
		stele_pack_nsec3(&run, carry, carry_sz, zone->chain_bits, worker->shard.data);
	else
		stele_pack_nsec(&run, carry, carry_sz, worker->shard.data);
	return stele_image_put(&build->file, shard, is_nsec3 ? STELE_SHARD_NSEC3 : STELE_SHARD_NSEC,
			       run.entry_cnt, build->places[shard], worker->shard.data,
			       build->sizes[shard], &worker->error);
}

int build_pack_shards(struct build_worker *worker)
{
	struct build *build = worker->build;
	uint32_t shard;
	while ((shard = atomic_fetch_add(&build->pack_next, 1)) < build->shard_cnt) {
		if (atomic_load_explicit(&build->failed, memory_order_relaxed))
			return 0;
		if (build->sizes[shard] == 0)
			continue;
		worker->shard.len = 0;
		int rc = stele_buffer_reserve(&worker->shard, build->sizes[shard], &worker->error);
		if (rc == 0)
			rc = shard < build->chain_first ? pack_hash_shard(worker, shard) :
							  pack_chain_shard(worker, shard);
		if (rc < 0)
			return rc;
		unsigned done = atomic_fetch_add(&build->packed, 1) + 1;
		if (worker->number == 0 && build->options->progress != NULL)
			build->options->progress(build->options->user, "packing", done,
						 build->shard_cnt);
	}
	return 0;
}
