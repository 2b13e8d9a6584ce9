/* SPDX-License-Identifier: Apache-2.0 */
/* Shards are made, digested and written; what they are made of is freed as they go. */
#include "zonecompiler/build/internal.h"

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

/*
 * The place of a shard in the file, which follows from the sizes of all before it: waits for those that are still
 * being packed, by other threads. So the bytes of an image do not depend on who is done first. False: the build has
 * failed.
 */
static bool place(struct build *build, uint32_t shard, uint64_t size, uint64_t *ret_off)
{
	pthread_mutex_lock(&build->lock);
	while (!build->failed && build->place_next != shard) {
		if (build->sizes[build->place_next] == 0)
			build->place_next++;
		else
			pthread_cond_wait(&build->more, &build->lock);
	}
	bool is_placed = !build->failed;
	if (is_placed) {
		*ret_off = stele_image_place(&build->file, size);
		build->place_next++;
		pthread_cond_broadcast(&build->more);
	}
	pthread_mutex_unlock(&build->lock);
	return is_placed;
}

static int put(struct build_worker *worker, uint32_t shard, enum stele_shard_kind kind,
	       uint32_t item_cnt, uint64_t size)
{
	uint64_t off;
	if (!place(worker->build, shard, size, &off))
		return 0;
	return stele_image_put(&worker->build->file, shard, kind, item_cnt, off, worker->shard.data,
			       size, &worker->error);
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
	enum stele_shard_kind kind = shard < build->zone_first ? STELE_SHARD_NAMES :
								 STELE_SHARD_ZONES;
	uint64_t size;
	rc = stele_pack_hash_shard(&worker->packer, kind, worker->items, item_cnt,
				   stele_shard_seed(build->seed, shard), worker->shard.data, &size,
				   &worker->error);
	for (unsigned w = 0; w < build->worker_cnt; w++)
		stele_gather_list_free(build->workers[w].gather.lists + shard);
	if (rc < 0)
		return rc;
	return put(worker, shard, kind, item_cnt, size);
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
	return put(worker, shard, is_nsec3 ? STELE_SHARD_NSEC3 : STELE_SHARD_NSEC, run.entry_cnt,
		   build->sizes[shard]);
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
