/* SPDX-License-Identifier: Apache-2.0 */
/* The tasks of carving: names of a part of a zone, a shard of an NSEC3 chain, a run of zones. */
#include "zonecompiler/build/internal.h"

#include "zonecompiler/carve/probe.h"

#include <stdlib.h>

/* How many nodes pass between two looks at whether another thread has nothing to do. More: threads
 * wait at the end of a build. Fewer: a zone is cut into many parts. */
#define LOOK_EVERY 256u

/* After so many bytes of nodes the pages of the store's map are given back. More: they count as
 * memory of the process. Fewer: the call, which walks the page tables, gets noticeable. */
#define RELEASE_EVERY (UINT64_C(32) << 20)

/* ---- what a walk gives out ---- */

static int take_name(void *user, uint64_t key, const uint8_t *record, size_t record_sz,
		     struct stele_error *reterr)
{
	struct build_worker *worker = user;
	return stele_gather_add(&worker->gather, stele_key_shard(key, worker->build->name_bits),
				key, record, record_sz, reterr);
}

static int take_nsec(void *user, uint64_t key, const uint8_t *sort_key, size_t sort_key_len,
		     struct stele_error *reterr)
{
	struct build_worker *worker = user;
	worker->nsec_cnt++;
	return stele_pack_nsec_entry(&worker->nsec, key, sort_key, sort_key_len, reterr);
}

/* `zone` is NULL if the walk takes all of it. */
static void begin_walk(struct build_worker *worker, const struct stele_carve_zone *facts,
		       const struct build_zone *zone)
{
	worker->nsec.len = 0;
	worker->nsec_cnt = 0;
	worker->walk.zone = facts;
	worker->walk.carver = &worker->carver;
	worker->walk.take_name = take_name;
	worker->walk.take_nsec = take_nsec;
	worker->walk.user = worker;
	worker->walk.is_part = zone != NULL;
	worker->walk.apex_has_children = zone != NULL && zone->has_children;
	worker->walk.apex_has_wildcard = zone != NULL && zone->has_wildcard;
	stele_walk_begin(&worker->walk);
}

static void count_node(struct build_worker *worker, const struct stele_store_item *item)
{
	struct build *build = worker->build;
	worker->read_sz += item->node_sz + item->key_len;
	if (worker->read_sz >= RELEASE_EVERY) {
		worker->read_sz = 0;
		stele_store_release_pages(build->store);
	}
	if (++worker->nodes_pending < 1024)
		return;
	uint64_t done = atomic_fetch_add_explicit(&build->nodes_done, worker->nodes_pending,
						  memory_order_relaxed);
	if (worker->number == 0 && build->options->progress != NULL)
		build->options->progress(build->options->user, "carving",
					 done + worker->nodes_pending, build->node_total);
	worker->nodes_pending = 0;
}

/* ---- splitting a task ---- */

static size_t child_len(const uint8_t *key)
{
	size_t len = 0;
	while (key[len] != 0)
		len++;
	return len + 1;
}

/* The 8 bytes of a bound behind the first `skip`, as a number. */
static uint64_t number_at(const uint8_t *key, size_t key_len, size_t skip)
{
	uint8_t bytes[8] = {0};
	size_t left = key_len > skip ? key_len - skip : 0;
	if (left > 0)
		memcpy(bytes, key + skip, left < 8 ? left : 8);
	return stele_get_be64(bytes);
}

/* Hands what is left of the task behind `split` to another thread. */
static int hand_over(struct build_worker *worker, struct build_task *task, const uint8_t *split,
		     size_t split_len)
{
	struct build_task other = {
		.kind = BUILD_TASK_NODES,
		.zone = task->zone,
		.from = malloc(split_len),
		.from_len = (uint16_t)split_len,
		.to = task->to,
		.to_len = task->to_len,
	};
	uint8_t *to = malloc(split_len);
	if (other.from == NULL || to == NULL) {
		free(other.from);
		free(to);
		return stele_fail(&worker->error, STELE_E_SYSTEM, "out of memory");
	}
	memcpy(other.from, split, split_len);
	memcpy(to, split, split_len);
	int rc = build_task_add(worker->build, &other, &worker->error);
	if (rc < 0) {
		free(other.from);
		free(to);
		return rc;
	}
	task->to = to;
	task->to_len = (uint16_t)split_len;
	return 0;
}

/*
 * Looks for a child of the apex near the middle between `key`, where the task is, and its end, taking
 * keys as numbers; if nothing stands in the upper half, in the middle of the lower one, and so on.
 */
static int split_task(struct build_worker *worker, struct build_task *task, const uint8_t *key,
		      size_t key_len)
{
	static const uint8_t last[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	if (key_len == 0)
		return 0;
	uint8_t high[STELE_SORT_KEY_MAX] = {0};
	size_t high_len = task->to != NULL ? task->to_len : sizeof(last);
	memcpy(high, task->to != NULL ? task->to : last, high_len);
	size_t here_len = child_len(key);
	size_t skip = 0;
	while (skip < here_len && skip < high_len && key[skip] == high[skip])
		skip++;
	if (skip + 8 > STELE_LABEL_MAX)
		return 0;
	uint64_t a = number_at(key, here_len, skip), b = number_at(high, high_len, skip);
	for (unsigned tries = 0; tries < 48 && b - a > 1; tries++) {
		uint64_t middle = a + (b - a) / 2;
		uint8_t from[STELE_LABEL_MAX + 8];
		memcpy(from, key, skip);
		stele_put_be64(from + skip, middle);
		uint8_t found[STELE_SORT_KEY_MAX];
		size_t found_len = 0;
		int rc = stele_probe_first(worker->read, task->zone->info.id, from, skip + 8,
					   task->to, task->to_len, found, &found_len,
					   &worker->error);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			b = middle;
			continue;
		}
		size_t len = child_len(found);
		if (stele_sort_key_compare(found, len, key, here_len) > 0)
			return hand_over(worker, task, found, len);
		a = middle;
	}
	return 0;
}

/* ---- names of a part of a zone ---- */

static int keep_piece(struct build_worker *worker, const struct build_task *task)
{
	struct build_zone *zone = task->zone;
	if (zone->piece_cnt == zone->piece_cap) {
		size_t cap = zone->piece_cap > 0 ? 2 * zone->piece_cap : 4;
		struct build_piece *pieces = realloc(zone->pieces, cap * sizeof(*pieces));
		if (pieces == NULL)
			return stele_fail(&worker->error, STELE_E_SYSTEM, "out of memory");
		zone->pieces = pieces;
		zone->piece_cap = cap;
	}
	struct build_piece *piece = zone->pieces + zone->piece_cnt++;
	piece->from_len = task->from_len;
	if (task->from_len > 0)
		memcpy(piece->from, task->from, task->from_len);
	piece->entry_cnt = worker->nsec_cnt;
	piece->entries = worker->nsec;
	stele_buffer_trim(&piece->entries);
	worker->nsec = (struct stele_buffer){0};
	return 0;
}

static int add_up(struct build_worker *worker, const struct build_task *task)
{
	struct build_zone *zone = task->zone;
	const struct stele_walk_totals *totals = &worker->walk.totals;
	int rc = 0;
	pthread_mutex_lock(&zone->lock);
	zone->totals.name_cnt += totals->name_cnt;
	zone->totals.rr_cnt += totals->rr_cnt;
	if (totals->label_max > zone->totals.label_max)
		zone->totals.label_max = totals->label_max;
	if (worker->nsec_cnt > 0)
		rc = keep_piece(worker, task);
	pthread_mutex_unlock(&zone->lock);
	return rc;
}

static int carve_nodes(struct build_worker *worker, struct build_task *task)
{
	struct build *build = worker->build;
	struct build_zone *zone = task->zone;
	begin_walk(worker, &zone->facts, zone);
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(worker->read, STELE_STORE_NODES, zone->info.id, task->from,
					 task->from_len, task->to, task->to_len, &cursor,
					 &worker->error);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	unsigned passed = 0;
	while ((rc = stele_store_cursor_next(cursor, &item, &worker->error)) == 1) {
		/* The end may have moved since the cursor was opened. */
		if (task->to != NULL &&
		    stele_sort_key_compare(item.key, item.key_len, task->to, task->to_len) >= 0) {
			rc = 0;
			break;
		}
		rc = stele_walk_add(&worker->walk, item.key, item.key_len, item.node, item.node_sz,
				    &worker->error);
		if (rc < 0)
			break;
		count_node(worker, &item);
		if (++passed % LOOK_EVERY != 0)
			continue;
		if (atomic_load_explicit(&build->failed, memory_order_relaxed)) {
			rc = 0;
			break;
		}
		if (atomic_load_explicit(&build->hungry, memory_order_relaxed) > 0) {
			rc = split_task(worker, task, item.key, item.key_len);
			if (rc < 0)
				break;
		}
	}
	stele_store_cursor_close(cursor);
	if (rc == 0)
		rc = stele_walk_end(&worker->walk, &worker->error);
	return rc == 0 ? add_up(worker, task) : rc;
}

/* ---- NSEC3 chains ---- */

static int carve_nsec3(struct build_worker *worker, const struct build_task *task)
{
	struct build_zone *zone = task->zone;
	struct stele_nsec3_run *run = zone->runs + task->first;
	int rc = stele_nsec3_run_carve(&worker->carver, worker->read, &zone->facts,
				       zone->chain_bits, task->first, run, &worker->error);
	if (rc == 0)
		stele_buffer_trim(&run->entries);
	stele_store_release_pages(worker->build->store);
	return rc;
}

/* ---- zones in one go ---- */

/* Such a zone has so few names that its chain, if it has one, stands in its record. */
static int carve_zone(struct build_worker *worker, const struct stele_zone_info *info)
{
	struct build *build = worker->build;
	struct stele_carve_zone facts;
	int rc = stele_carve_zone_init(&facts, build->seed, info, worker->read, &worker->error);
	if (rc < 0)
		return rc;
	begin_walk(worker, &facts, NULL);
	struct stele_store_cursor *cursor;
	rc = stele_store_cursor_open(worker->read, STELE_STORE_NODES, info->id, NULL, 0, NULL, 0,
				     &cursor, &worker->error);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	const uint8_t *apex_node = NULL;
	size_t apex_node_sz = 0;
	while ((rc = stele_store_cursor_next(cursor, &item, &worker->error)) == 1) {
		if (item.key_len == 0) {
			apex_node = item.node;
			apex_node_sz = item.node_sz;
		}
		rc = stele_walk_add(&worker->walk, item.key, item.key_len, item.node, item.node_sz,
				    &worker->error);
		if (rc < 0)
			break;
		count_node(worker, &item);
	}
	stele_store_cursor_close(cursor);
	if (rc == 0)
		rc = stele_walk_end(&worker->walk, &worker->error);
	if (rc < 0)
		return rc;

	struct stele_zone_record record = {.zone = &facts, .totals = worker->walk.totals};
	struct stele_nsec3_run run = {.entries = worker->chain};
	if (facts.chain == STELE_CHAIN_OF_NSEC3) {
		run.entries.len = 0;
		rc = stele_nsec3_run_carve(&worker->carver, worker->read, &facts, 0, 0, &run,
					   &worker->error);
		worker->chain = run.entries;
		if (rc < 0)
			return rc;
		record.chain_kind = STELE_CHAIN_NSEC3_INLINE;
		record.chain =
			(struct stele_chain_run){run.entries.data, run.entries.len, run.entry_cnt};
		record.chain_rr_cnt = run.rr_cnt;
		record.flags = run.opt_out ? STELE_ZONE_OPT_OUT : 0;
	} else if (facts.chain == STELE_CHAIN_OF_NSEC) {
		record.chain_kind = STELE_CHAIN_NSEC_INLINE;
		record.chain = (struct stele_chain_run){worker->nsec.data, worker->nsec.len,
							worker->nsec_cnt};
	}
	return build_add_zone(worker, &record, apex_node, apex_node_sz);
}

static int carve_zones(struct build_worker *worker, const struct build_task *task)
{
	for (uint32_t i = task->first; i < task->first + task->cnt; i++) {
		if (atomic_load_explicit(&worker->build->failed, memory_order_relaxed))
			return 0;
		int rc = carve_zone(worker, worker->build->infos + i);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int build_add_zone(struct build_worker *worker, const struct stele_zone_record *record,
		   const uint8_t *apex_node, size_t apex_node_sz)
{
	struct build *build = worker->build;
	const struct stele_carve_zone *facts = record->zone;
	worker->scratch.len = 0;
	int rc = stele_pack_zone_record(&worker->carver, record, apex_node, apex_node_sz,
					&worker->scratch, &worker->error);
	if (rc < 0)
		return rc;
	worker->zone_name_cnt += record->totals.name_cnt;
	worker->zone_rr_cnt += record->totals.rr_cnt + record->chain_rr_cnt;
	uint64_t key = stele_key_zone(build->seed, facts->apex_hash);
	return stele_gather_add(&worker->gather,
				build->zone_first + stele_key_shard(key, build->zone_bits), key,
				worker->scratch.data, worker->scratch.len, &worker->error);
}

int build_carve_task(struct build_worker *worker, struct build_task *task)
{
	switch (task->kind) {
	case BUILD_TASK_NODES:
		return carve_nodes(worker, task);
	case BUILD_TASK_NSEC3:
		return carve_nsec3(worker, task);
	default:
		return carve_zones(worker, task);
	}
}
