/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/update/internal.h"

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/dns/rrtype.h"
#include "lib/image/digests.h"
#include "zonecompiler/build/build.h"
#include "zonecompiler/image/compact.h"
#include "zonecompiler/image/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An image is copied into a new file when more than this part of it is garbage. Lower: it is copied
 * often. Higher: it takes more disk than its contents are worth. */
#define GARBAGE_PERCENT 30
/* But not for less than this: a small image is a few shards, and each change makes some of them again. */
#define GARBAGE_MIN (UINT64_C(16) << 20)

int update_rebuild(struct update *update, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(update->stats->reason, sizeof(update->stats->reason), format, args);
	va_end(args);
	return UPDATE_REBUILD;
}

static int fail_shard(struct update *update, uint32_t index, const char *what)
{
	return stele_fail(update->reterr, STELE_E_INPUT, "%s: shard %" PRIu32 " at %" PRIu64 ": %s",
			  update->path, index,
			  stele_le64(stele_view_ref(&update->view, index)->off), what);
}

int update_shard(struct update *update, uint32_t index, const struct stele_view_shard **ret_shard)
{
	struct stele_view *view = &update->view;
	const struct stele_shard_ref *ref = stele_view_ref(view, index);
	*ret_shard = view->shards + index;
	if ((*ret_shard)->base != NULL || ref->kind == STELE_SHARD_NONE)
		return 0;
	const uint8_t *bytes = view->bytes + stele_le64(ref->off);
	if (stele_crc32c(0, bytes, stele_le64(ref->size)) != stele_le32(ref->crc))
		return fail_shard(update, index, "wrong checksum");
	struct stele_error detail;
	int rc = stele_view_decode(view, index, &detail);
	return rc == 0 ? 0 : stele_fail(update->reterr, rc, "%s: %s", update->path, detail.text);
}

int update_check_digest(struct update *update, uint32_t index)
{
	const struct stele_view *view = &update->view;
	if (index >= view->shard_cnt || view->shards[index].base == NULL)
		return 0;
	const struct stele_shard_ref *ref = stele_view_ref(view, index);
	struct stele_digests_job job = {.bytes = view->shards[index].base,
					.sz = stele_le64(ref->size)};
	int rc = stele_digests(&job, 1, update->reterr);
	if (rc == 0 && memcmp(job.sha256, ref->digest, sizeof(ref->digest)) != 0)
		rc = fail_shard(update, index, "wrong digest");
	return rc;
}

int update_find(struct update *update, uint32_t zone_id, uint64_t key, const uint8_t *rel,
		size_t rel_len, const struct stele_name **ret_name)
{
	const struct stele_view *view = &update->view;
	const struct stele_view_shard *shard;
	*ret_name = NULL;
	int rc = update_shard(update, view->name_first + stele_key_shard(key, view->name_bits),
			      &shard);
	const uint8_t *record = rc == 0 ? stele_view_find(shard, key) : NULL;
	if (record == NULL)
		return rc;
	struct stele_name_parts parts = stele_name_parts(record);
	if (stele_le32(parts.head->zone_id) == zone_id && parts.head->rel_len == rel_len &&
	    memcmp(parts.rel, rel, rel_len) == 0)
		*ret_name = parts.head;
	return 0;
}

uint64_t update_count_rrs(const uint8_t *record, bool *ret_has_nsec)
{
	struct stele_name_parts parts = stele_name_parts(record);
	uint64_t cnt = 0;
	*ret_has_nsec = false;
	for (unsigned i = 0; i < parts.rrset_cnt; i++) {
		cnt += (uint64_t)stele_le16(parts.rrsets[i].rr_cnt) + parts.rrsets[i].sig_cnt;
		*ret_has_nsec |= stele_le16(parts.rrsets[i].type) == STELE_TYPE_NSEC;
	}
	return cnt;
}

size_t update_record_sz(const uint8_t *record)
{
	struct stele_name_parts parts = stele_name_parts(record);
	return (size_t)(stele_name_end(&parts) - record);
}

/* ---- the update by shards ---- */

static uint64_t identity_of(struct stele_store *store)
{
	return stele_get_le64(stele_store_identity(store));
}

static int do_zone(struct update *update, struct update_zone *zone)
{
	if (!zone->in_store && zone->old == NULL)
		return 0;
	if (zone->is_whole)
		return update_whole_zone(update, zone);
	int rc = update_names(update, zone);
	return rc == 0 ? update_chain(update, zone) : rc;
}

static int do_zones(struct update *update)
{
	/* Zones that go come first: another zone may have the same name now. */
	for (int comes = 0; comes <= 1; comes++) {
		for (size_t i = 0; i < update->zone_cnt; i++) {
			struct update_zone *zone = update->zones + i;
			int rc = zone->in_store == (comes == 1) ? do_zone(update, zone) : 0;
			if (rc != 0)
				return rc;
		}
	}
	return update_remove_names(update);
}

/*
 * A store that was put back from a copy counts its generations on from there: the image may be of one that was
 * lost, of the same number.
 */
static int check_mark(struct update *update)
{
	const struct stele_root *root = (const void *)(update->view.bytes + update->view.root_off);
	uint64_t mark;
	int rc = stele_store_mark(update->read, update->view.generation, &mark, update->reterr);
	if (rc < 0 || mark == stele_le64(root->store_mark))
		return rc;
	return update_rebuild(update,
			      "generation %" PRIu64
			      " of the store is not the one that the image is of, or is "
			      "forgotten",
			      update->view.generation);
}

static struct stele_root new_root(const struct update *update, uint64_t store_mark)
{
	const struct stele_view *view = &update->view;
	struct stele_root root;
	memcpy(&root, view->bytes + view->root_off, sizeof(root));
	int64_t names = 0, rrs = 0;
	for (size_t i = 0; i < update->zone_cnt; i++) {
		names += update->zones[i].name_delta;
		rrs += update->zones[i].rr_delta;
	}
	uint64_t depths[2] = {0, 0};
	for (unsigned d = 0; d <= STELE_LABELS_MAX; d++)
		if (update->depth_cnts[d] > 0)
			depths[d / 64] |= UINT64_C(1) << d % 64;
	root.generation = stele_to_le64(stele_store_generation(update->read));
	root.store_mark = stele_to_le64(store_mark);
	root.zone_cnt = stele_to_le32((uint32_t)(view->zone_cnt + update->zone_delta));
	root.name_cnt = stele_to_le64(view->name_cnt + (uint64_t)names);
	root.rr_cnt = stele_to_le64(view->rr_cnt + (uint64_t)rrs);
	root.apex_depths[0] = stele_to_le64(depths[0]);
	root.apex_depths[1] = stele_to_le64(depths[1]);
	return root;
}

static int by_shards(struct update *update)
{
	int rc = stele_view_open_directory(update->fd, update->path, &update->view, update->reterr);
	if (rc < 0)
		return rc;
	const struct stele_superblock *sb = (const void *)update->view.bytes;
	update->seed = update->view.seed;
	update->is_partial = (stele_le32(sb->compatible) & STELE_COMPATIBLE_PARTIAL) != 0;
	update->stats->from_generation = update->view.generation;
	update->stats->generation = stele_store_generation(update->read);
	update->stats->image_sz = update->view.bytes_sz;
	update->stats->was_of_other_store = stele_le64(sb->store_id) != identity_of(update->store);
	if (update->stats->was_of_other_store)
		return update_rebuild(update, "the image is of another store");
	rc = check_mark(update);
	if (rc != 0 || update->view.generation == update->stats->generation)
		return rc;
	int own = fcntl(update->fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return stele_fail_errno(update->reterr, errno, "%s", update->path);
	rc = stele_image_append(&update->file, update->path, own, &update->view, update->reterr);
	update->file.no_sync = update->no_sync;
	if (rc == 0)
		rc = update_find_zones(update);
	if (rc == 0)
		rc = do_zones(update);
	if (rc == 0)
		rc = update_hash_shards(update);
	update->stats->name_cnt = update->names.cnt;
	if (rc != 0)
		return rc;
	uint64_t store_mark;
	rc = stele_store_mark(update->read, update->stats->generation, &store_mark, update->reterr);
	if (rc < 0)
		return rc;
	struct stele_root root = new_root(update, store_mark);
	rc = stele_image_finish(&update->file, &root, &update->size, update->reterr);
	update->stats->image_sz = update->size.file_sz;
	update->stats->sync_s = update->size.sync_s;
	update->stats->appended_sz =
		update->stats->image_sz - (update->view.bytes_sz - update->view.torn_sz);
	update->stats->kind = STELE_UPDATE_APPENDED;
	return rc;
}

/* All but the view. */
static void free_work(struct update *update)
{
	stele_image_abort(&update->file);
	for (size_t i = 0; i < update->zone_cnt; i++) {
		stele_buffer_free(&update->zones[i].changed);
		stele_buffer_free(&update->zones[i].changed3);
		free(update->zones[i].members);
	}
	free(update->zones);
	stele_id_map_free(&update->zone_index);
	stele_id_map_free(&update->apexes);
	stele_id_map_free(&update->visited);
	free(update->names.items);
	free(update->zone_edits.items);
	stele_buffer_free(&update->records);
	stele_buffer_free(&update->keys);
	stele_buffer_free(&update->scratch);
	stele_buffer_free(&update->shard);
	stele_carver_free(&update->carver);
	stele_walk_free(&update->walk);
	stele_packer_free(&update->packer);
	free(update->items);
}

/* ---- building anew ---- */

struct zone_names {
	const uint8_t **names;
	size_t cnt;
};

/* The apexes of all zones of the image; pointers into it. */
static int list_apexes(struct update *update, struct zone_names *ret_names)
{
	const struct stele_view *view = &update->view;
	ret_names->cnt = 0;
	ret_names->names = calloc(view->zone_cnt + 1u, sizeof(*ret_names->names));
	if (ret_names->names == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	for (uint64_t i = 0; i < UINT64_C(1) << view->zone_bits; i++) {
		const struct stele_view_shard *shard;
		int rc = update_shard(update, view->zone_first + (uint32_t)i, &shard);
		if (rc < 0)
			return rc;
		for (uint32_t k = 0; k < stele_view_slot_cnt(shard); k++) {
			const uint8_t *record = stele_view_slot_record(shard, k);
			if (record != NULL && ret_names->cnt < view->zone_cnt)
				ret_names->names[ret_names->cnt++] =
					record + sizeof(struct stele_zone);
		}
	}
	return 0;
}

static int build_anew(struct update *update, const struct stele_update_options *with)
{
	const struct stele_superblock *sb = (const void *)update->view.bytes;
	struct stele_update_stats *stats = update->stats;
	struct stele_build_options options = {
		.image = update->path,
		.is_locked = true,
		.lock_fd = update->fd,
		.jobs = with->jobs,
		.progress = with->progress,
		.user = with->user,
		.seed = {stele_le64(sb->seed[0]), stele_le64(sb->seed[1])},
	};
	struct zone_names only = {0};
	int rc = 0;
	if (update->is_partial) {
		rc = list_apexes(update, &only);
		options.only = only.names;
		options.only_cnt = only.cnt;
		options.only_existing = true;
	}
	struct stele_build_stats built = {0};
	if (rc == 0)
		rc = stele_build(update->store, &options, &built, update->reterr);
	free(only.names);
	if (rc < 0)
		return rc;
	stats->kind = STELE_UPDATE_REBUILT;
	stats->generation = built.generation;
	stats->image_sz = built.image_sz;
	stats->shard_cnt = built.shard_cnt;
	stats->name_cnt = built.name_cnt;
	stats->sync_s = built.sync_s;
	return 0;
}

/* ---- the whole ---- */

static bool is_compaction_due(const struct stele_image_size *size)
{
	uint64_t garbage = size->file_sz > size->live_sz ? size->file_sz - size->live_sz : 0;
	return garbage > GARBAGE_MIN && garbage * 100 > GARBAGE_PERCENT * size->file_sz;
}

static void compact(struct update *update)
{
	struct stele_update_stats *stats = update->stats;
	struct stele_image_size size;
	struct stele_error error;
	/* The image is up to date. That there is no room for a copy is no reason to say otherwise. */
	if (stele_compact_locked(update->path, update->fd, &size, &error) == 0) {
		stats->kind = STELE_UPDATE_COMPACTED;
		stats->image_sz = size.file_sz;
		stats->sync_s += size.sync_s;
	} else {
		snprintf(stats->reason, sizeof(stats->reason), "%s", error.text);
	}
}

static int run(struct update *update, const struct stele_update_options *options)
{
	int rc = stele_store_read_begin(update->store, &update->read, update->reterr);
	if (rc == 0) {
		rc = by_shards(update);
		stele_store_read_end(update->read);
	}
	free_work(update);
	if (rc == UPDATE_REBUILD)
		rc = build_anew(update, options);
	else if (rc == 0)
		rc = stele_image_check_name(update->fd, update->path, update->reterr);
	if (update->view.bytes != NULL)
		stele_view_close(&update->view);
	if (rc == 0 && update->stats->kind == STELE_UPDATE_APPENDED && !options->no_compact &&
	    is_compaction_due(&update->size))
		compact(update);
	return rc;
}

int stele_update(struct stele_store *store, const char *path,
		 const struct stele_update_options *options, struct stele_update_stats *ret_stats,
		 struct stele_error *reterr)
{
	struct stele_update_stats stats = {0};
	struct stele_error error;
	struct update *update = calloc(1, sizeof(*update));
	if (update == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	update->store = store;
	update->stats = &stats;
	update->reterr = &error;
	update->file.fd = -1;
	update->no_sync = options->no_sync;
	update->fd = -1;
	int rc = stele_image_real_path(path, &update->path, &error);
	if (rc == 0)
		rc = stele_image_lock(update->path, &update->fd, &error);
	if (rc == 0) {
		double begin = stele_clock_s();
		rc = run(update, options);
		stats.work_s = stele_clock_s() - begin - stats.sync_s;
		close(update->fd);
	}
	free(update->path);
	free(update);
	if (rc < 0)
		return stele_fail(reterr, rc, "%s", error.text);
	*ret_stats = stats;
	return 0;
}
