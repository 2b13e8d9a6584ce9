/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/build/internal.h"

#include "lib/base/clock.h"
#include "zonecompiler/carve/probe.h"

#include <inttypes.h>
#include <stdlib.h>

/* A zone of so many names, or of so many NSEC3 records, is done in one go with others. More: one
 * task takes long. The chain must stand in the zone record. */
#define WHOLE_ZONE_MAX STELE_CHAIN_INLINE_MAX
/* Names of the zones of one such task. */
#define ZONES_TASK_NODES 4096u
/* When a commit comes between the threads' beginnings, all begin again. */
#define AGAIN_MAX 10
/* Names without records are counted by carving alone. Where shards were so many times as full as they are
 * meant to be for them, all is carved again, once, for as many shards as it takes: an update judges a shard
 * by all that is in it. */
#define CROWDED_FACTOR 2

/* ---- planning ---- */

/* By id: zones stand in this order in the store, so the walk goes through it from end to end. */
static int compare_infos(const void *a, const void *b)
{
	const struct stele_zone_info *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

static int find_zones(struct build *build, struct stele_store_read *read,
		      struct stele_error *reterr)
{
	const struct stele_build_options *options = build->options;
	if (options->only == NULL) {
		int rc = stele_store_zones(read, &build->infos, &build->zone_cnt, reterr);
		if (rc == 0 && build->zone_cnt > 1)
			qsort(build->infos, build->zone_cnt, sizeof(*build->infos), compare_infos);
		return rc;
	}
	build->infos = calloc(options->only_cnt + 1, sizeof(*build->infos));
	if (build->infos == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (size_t i = 0; i < options->only_cnt; i++) {
		struct stele_zone_info *info = build->infos + build->zone_cnt;
		int rc = stele_store_zone_find(read, options->only[i], info, reterr);
		if (rc == STELE_E_NOTFOUND && options->only_existing)
			continue;
		if (rc == STELE_E_NOTFOUND) {
			char text[STELE_NAME_TEXT_MAX];
			stele_name_to_text(options->only[i], text);
			return stele_fail(reterr, STELE_E_INPUT, "zone %s: not in the store", text);
		}
		if (rc < 0)
			return rc;
		build->zone_cnt++;
	}
	qsort(build->infos, build->zone_cnt, sizeof(*build->infos), compare_infos);
	size_t kept = 0; /* a zone may have been named twice */
	for (size_t i = 0; i < build->zone_cnt; i++)
		if (kept == 0 || build->infos[i].id != build->infos[kept - 1].id)
			build->infos[kept++] = build->infos[i];
	build->zone_cnt = kept;
	return 0;
}

static unsigned bits_for(uint64_t cnt, uint64_t target)
{
	unsigned bits = 0;
	while (cnt >> bits > target)
		bits++;
	return bits;
}

/* All has been carved. Returns the number of names if the shards are too few for those without records, or 0. */
static uint64_t count_if_crowded(const struct build *build)
{
	uint64_t cnt = 0;
	for (unsigned i = 0; i < build->worker_cnt; i++)
		cnt += build->workers[i].zone_name_cnt;
	for (size_t i = 0; i < build->tracked_cnt; i++)
		cnt += build->zones[i]->totals.name_cnt;
	return cnt >> build->name_bits > CROWDED_FACTOR * STELE_SHARD_NAMES_TARGET ? cnt : 0;
}

/* A zone that needs a struct build_zone: its tasks. */
static int plan_zone(struct build *build, struct stele_store_read *read,
		     const struct stele_zone_info *info, struct stele_error *reterr)
{
	struct build_zone *zone = calloc(1, sizeof(*zone));
	if (zone == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	build->zones[build->tracked_cnt++] = zone;
	pthread_mutex_init(&zone->lock, NULL);
	zone->info = *info;
	int rc = stele_carve_zone_init(&zone->facts, build->seed, info, read, reterr);
	if (rc < 0)
		return rc;
	rc = stele_probe_children(read, info->id, NULL, 0, reterr);
	if (rc < 0)
		return rc;
	zone->has_children = rc == 1;
	rc = stele_probe_wildcard(read, info->id, NULL, 0, reterr);
	if (rc < 0)
		return rc;
	zone->has_wildcard = rc == 1;
	struct build_task task = {.kind = BUILD_TASK_NODES, .zone = zone};
	rc = build_task_add(build, &task, reterr);
	if (rc < 0 || zone->facts.chain != STELE_CHAIN_OF_NSEC3)
		return rc;
	zone->chain_bits = stele_nsec3_chain_bits(info->nsec3_cnt);
	uint32_t run_cnt = UINT32_C(1) << zone->chain_bits;
	zone->runs = calloc(run_cnt, sizeof(*zone->runs));
	if (zone->runs == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (uint32_t i = 0; rc == 0 && i < run_cnt; i++) {
		task = (struct build_task){.kind = BUILD_TASK_NSEC3, .first = i, .zone = zone};
		rc = build_task_add(build, &task, reterr);
	}
	return rc;
}

static bool in_one_go(const struct stele_zone_info *info)
{
	return info->node_cnt <= WHOLE_ZONE_MAX && info->nsec3_cnt <= WHOLE_ZONE_MAX;
}

static int plan_tasks(struct build *build, struct stele_store_read *read,
		      struct stele_error *reterr)
{
	size_t tracked = 0;
	for (size_t i = 0; i < build->zone_cnt; i++)
		tracked += !in_one_go(build->infos + i);
	build->zones = calloc(tracked + 1, sizeof(struct build_zone *));
	if (build->zones == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	struct build_task task = {.kind = BUILD_TASK_ZONES};
	uint64_t nodes = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < build->zone_cnt; i++) {
		const struct stele_zone_info *info = build->infos + i;
		bool whole = in_one_go(info);
		if (whole && task.cnt == 0)
			task.first = (uint32_t)i;
		task.cnt += whole;
		nodes += info->node_cnt;
		bool ends = i + 1 == build->zone_cnt || nodes >= ZONES_TASK_NODES || !whole;
		if (task.cnt > 0 && ends) {
			rc = build_task_add(build, &task, reterr);
			task.cnt = 0;
			nodes = 0;
		}
		if (rc == 0 && !whole)
			rc = plan_zone(build, read, info, reterr);
	}
	return rc;
}

static int plan(struct build *build, struct stele_store_read *read, uint64_t counted,
		struct stele_error *reterr)
{
	int rc = find_zones(build, read, reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < build->zone_cnt; i++)
		build->node_total += build->infos[i].node_cnt;
	/* Early, for what can be known without carving: names without records come on top. */
	if (build->node_total > STELE_IMAGE_NAMES_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%" PRIu64 " names (an image has at most %d)", build->node_total,
				  STELE_IMAGE_NAMES_MAX);
	build->generation = stele_store_generation(read);
	rc = stele_store_mark(read, build->generation, &build->store_mark, reterr);
	if (rc < 0)
		return rc;
	build->name_bits =
		bits_for(counted > 0 ? counted : build->node_total, STELE_SHARD_NAMES_TARGET);
	build->zone_bits = bits_for(build->zone_cnt, STELE_SHARD_ZONES_TARGET);
	build->zone_first = UINT32_C(1) << build->name_bits;
	build->chain_first = build->zone_first + (UINT32_C(1) << build->zone_bits);
	rc = plan_tasks(build, read, reterr);
	if (rc < 0)
		return rc;

	/* Names of some 150 bytes with heads; 24 chunks for each thread in each shard waste 2 %. */
	uint64_t expected = build->node_total * 150 / build->chain_first / build->worker_cnt / 24;
	uint32_t chunk_sz = expected < 2048 ? 2048 : expected > 65536 ? 65536 : (uint32_t)expected;
	build->workers = calloc(build->worker_cnt, sizeof(*build->workers));
	if (build->workers == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (unsigned i = 0; rc == 0 && i < build->worker_cnt; i++) {
		build->workers[i].build = build;
		build->workers[i].number = i;
		rc = stele_gather_init(&build->workers[i].gather, build->chain_first, chunk_sz,
				       reterr);
	}
	return rc;
}

/* ---- threads ---- */

static void *carve(void *user)
{
	struct build_worker *worker = user;
	struct build *build = worker->build;
	int rc = 0;
	if (worker->read == NULL)
		rc = stele_store_read_begin(build->store, &worker->read, &worker->error);
	if (rc == 0 && stele_store_generation(worker->read) != build->generation) {
		pthread_mutex_lock(&build->lock);
		build->again = true;
		pthread_mutex_unlock(&build->lock);
		rc = stele_fail(&worker->error, STELE_E_STALE, "the store changes too often");
	}
	struct build_task task;
	bool had_one = false;
	while (rc == 0 && build_task_next(build, &task, had_one)) {
		had_one = true;
		rc = build_carve_task(worker, &task);
		build_task_free(&task);
	}
	if (rc < 0)
		build_fail(build, rc, &worker->error);
	if (worker->number > 0) {
		stele_store_read_end(worker->read);
		worker->read = NULL;
	}
	return NULL;
}

static void *pack(void *user)
{
	struct build_worker *worker = user;
	int rc = build_pack_shards(worker);
	if (rc < 0)
		build_fail(worker->build, rc, &worker->error);
	return NULL;
}

/* Runs `step` in all threads, this one being worker 0. */
static int run_all(struct build *build, void *(*step)(void *), struct stele_error *reterr)
{
	unsigned started = 1;
	for (; started < build->worker_cnt; started++) {
		struct build_worker *worker = build->workers + started;
		int error_number = pthread_create(&worker->thread, NULL, step, worker);
		if (error_number != 0) {
			struct stele_error error;
			int status = stele_fail_errno(&error, error_number, "thread");
			build_fail(build, status, &error);
			break;
		}
	}
	step(build->workers);
	for (unsigned i = 1; i < started; i++)
		pthread_join(build->workers[i].thread, NULL);
	if (build->failed)
		return stele_fail(reterr, build->status, "%s", build->error.text);
	return 0;
}

/* ---- the whole ---- */

static void free_zone(struct build_zone *zone)
{
	for (size_t i = 0; i < zone->piece_cnt; i++)
		stele_buffer_free(&zone->pieces[i].entries);
	for (uint32_t i = 0; zone->runs != NULL && i < UINT32_C(1) << zone->chain_bits; i++)
		stele_buffer_free(&zone->runs[i].entries);
	free(zone->pieces);
	free(zone->runs);
	free(zone->own_cnts);
	free(zone->own_begins);
	stele_buffer_free(&zone->chain);
	pthread_mutex_destroy(&zone->lock);
	free(zone);
}

static void free_build(struct build *build)
{
	for (unsigned i = 0; build->workers != NULL && i < build->worker_cnt; i++) {
		struct build_worker *worker = build->workers + i;
		stele_gather_free(&worker->gather);
		stele_carver_free(&worker->carver);
		stele_walk_free(&worker->walk);
		stele_buffer_free(&worker->nsec);
		stele_buffer_free(&worker->scratch);
		stele_buffer_free(&worker->chain);
		stele_packer_free(&worker->packer);
		stele_buffer_free(&worker->shard);
		free(worker->items);
	}
	for (size_t i = 0; i < build->tracked_cnt; i++)
		free_zone(build->zones[i]);
	for (size_t i = build->task_next; i < build->task_cnt; i++)
		build_task_free(build->tasks + i);
	free(build->workers);
	free(build->zones);
	free(build->tasks);
	free(build->infos);
	free(build->sizes);
	pthread_mutex_destroy(&build->lock);
	pthread_cond_destroy(&build->more);
	free(build);
}

static struct stele_root make_root(const struct build *build, struct stele_build_stats *stats)
{
	struct stele_root root = {
		.generation = stele_to_le64(build->generation),
		.store_mark = stele_to_le64(build->store_mark),
		.name_first = stele_to_le32(0),
		.zone_first = stele_to_le32(build->zone_first),
		.name_bits = (uint8_t)build->name_bits,
		.zone_bits = (uint8_t)build->zone_bits,
		.zone_cnt = stele_to_le32((uint32_t)build->zone_cnt),
	};
	uint64_t depths[2] = {0, 0};
	for (size_t i = 0; i < build->zone_cnt; i++) {
		unsigned depth = stele_name_label_cnt(build->infos[i].apex);
		depths[depth / 64] |= UINT64_C(1) << depth % 64;
	}
	stats->generation = build->generation;
	stats->zone_cnt = build->zone_cnt;
	for (unsigned i = 0; i < build->worker_cnt; i++) {
		stats->name_cnt += build->workers[i].zone_name_cnt;
		stats->rr_cnt += build->workers[i].zone_rr_cnt;
	}
	root.name_cnt = stele_to_le64(stats->name_cnt);
	root.rr_cnt = stele_to_le64(stats->rr_cnt);
	root.apex_depths[0] = stele_to_le64(depths[0]);
	root.apex_depths[1] = stele_to_le64(depths[1]);
	return root;
}

static int carve_and_pack(struct build *build, struct stele_store_read *read, uint64_t *counted,
			  struct stele_build_stats *stats, struct stele_error *reterr)
{
	const struct stele_build_options *options = build->options;
	struct stele_superblock superblock = {
		.compatible = stele_to_le32(options->only != NULL ? STELE_COMPATIBLE_PARTIAL : 0),
		.seed = {stele_to_le64(options->seed[0]), stele_to_le64(options->seed[1])},
	};
	memcpy(superblock.store_id.b, stele_store_identity(build->store),
	       sizeof(superblock.store_id));
	/* Before the work, which would be lost where no image can be written. */
	int rc = stele_image_create(&build->file, options->image, &superblock, reterr);
	if (rc < 0)
		return rc;
	if (options->is_locked)
		build->file.lock_fd = options->lock_fd;
	double begin = stele_clock_s();
	rc = plan(build, read, *counted, reterr);
	if (rc == 0) {
		build->workers[0].read = read;
		rc = run_all(build, carve, reterr);
	}
	if (rc == 0 && *counted == 0 && (*counted = count_if_crowded(build)) > 0) {
		build->again = true;
		stele_image_abort(&build->file);
		return 0;
	}
	double carved = stele_clock_s();
	if (rc == 0)
		rc = build_lay_out(build, build->workers, reterr);
	if (rc == 0)
		rc = run_all(build, pack, reterr);
	if (rc < 0) {
		stele_image_abort(&build->file);
		return rc;
	}
	double packed = stele_clock_s();
	struct stele_root root = make_root(build, stats);
	stats->shard_cnt = build->shard_cnt;
	struct stele_image_size size = {0};
	rc = stele_image_finish(&build->file, &root, &size, reterr);
	stats->image_sz = size.file_sz;
	stats->carve_s = carved - begin;
	stats->pack_s = packed - carved;
	stats->finish_s = stele_clock_s() - packed;
	stats->sync_s = size.sync_s;
	return rc;
}

static int build_once(struct stele_store *store, const struct stele_build_options *options,
		      uint64_t *counted, struct stele_build_stats *stats, bool *ret_again,
		      struct stele_error *reterr)
{
	struct build *build = calloc(1, sizeof(*build));
	if (build == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	build->store = store;
	build->options = options;
	build->worker_cnt = options->jobs;
	build->seed = stele_hash_seed(options->seed[0], options->seed[1]);
	build->file.fd = -1;
	pthread_mutex_init(&build->lock, NULL);
	pthread_cond_init(&build->more, NULL);
	struct stele_store_read *read;
	int rc = stele_store_read_begin(store, &read, reterr);
	if (rc == 0) {
		rc = carve_and_pack(build, read, counted, stats, reterr);
		stele_store_read_end(read);
	}
	*ret_again = build->again;
	free_build(build);
	return rc;
}

int stele_build(struct stele_store *store, const struct stele_build_options *options,
		struct stele_build_stats *ret_stats, struct stele_error *reterr)
{
	uint64_t counted = 0;
	bool again = true;
	int rc = 0;
	if (stele_store_has_file(store, options->image))
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: a file of the store (expected an image)", options->image);
	if (!options->force)
		rc = stele_image_check_replaceable(options->image, reterr);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; again && i < AGAIN_MAX; i++) {
		struct stele_build_stats stats = {0};
		rc = build_once(store, options, &counted, &stats, &again, reterr);
		if (rc == 0)
			*ret_stats = stats;
	}
	if (rc == 0 && again)
		return stele_fail(reterr, STELE_E_STALE, "the store changes too often");
	return rc;
}
