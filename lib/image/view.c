/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a view of a directory and the shards that it names, whose bytes may be anything: the head of
 * each is compared with its size before it is followed.
 */
#include "lib/image/view.h"

#include "lib/dns/name.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* After this, every key has a block inside the shard. */
static bool decode_hash_shard(const uint8_t *base, uint64_t size, uint32_t item_cnt,
			      struct stele_view_shard *shard)
{
	const struct stele_hash_shard *head = (const void *)base;
	if (size < sizeof(*head) || stele_le64(head->size) != size)
		return false;
	uint64_t block_cnt = stele_le32(head->block_cnt);
	if (block_cnt == 0 ||
	    block_cnt > (size - sizeof(*head)) / sizeof(struct stele_hash_block) ||
	    block_cnt > UINT32_MAX / STELE_BLOCK_SLOTS || item_cnt == 0 ||
	    item_cnt > block_cnt * STELE_BLOCK_SLOTS || stele_le32(head->key_cnt) != item_cnt)
		return false;
	*shard = (struct stele_view_shard){
		.base = base,
		.seed = stele_le64(head->seed),
		.records = base + sizeof(*head) + block_cnt * sizeof(struct stele_hash_block),
		.block_cnt = (uint32_t)block_cnt,
	};
	return true;
}

/* The same of a shard of an NSEC3 chain. */
static bool decode_nsec3_shard(const uint8_t *base, uint64_t size, struct stele_view_shard *ret)
{
	const struct stele_nsec3_block *head = (const void *)base;
	if (size < sizeof(*head) || stele_le32(head->lines_off) > size)
		return false;
	ret->nsec3 = stele_nsec3_block_parts(base);
	return true;
}

static int decode_shard(struct stele_view *view, uint32_t index, const uint8_t *base,
			struct stele_error *reterr)
{
	const struct stele_shard_ref *ref = stele_view_ref(view, index);
	uint64_t size = stele_le64(ref->size);
	if (ref->kind == STELE_SHARD_NONE)
		return 0;
	bool sane;
	if (ref->kind == STELE_SHARD_NAMES || ref->kind == STELE_SHARD_ZONES) {
		sane = decode_hash_shard(base, size, stele_le32(ref->item_cnt),
					 view->shards + index);
	} else {
		sane = ref->kind == STELE_SHARD_NSEC3 ?
			       decode_nsec3_shard(base, size, view->shards + index) :
			       size >= sizeof(struct stele_nsec_block);
		view->shards[index].base = base;
	}
	if (!sane)
		return stele_fail(reterr, STELE_E_INPUT,
				  "shard %" PRIu32 " at %" PRIu64
				  ": its head does not fit its %" PRIu64 " bytes",
				  index, stele_le64(ref->off), size);
	return 0;
}

/* From 1: an answerer that has seen no view has 0. */
static uint64_t next_serial(void)
{
	static uint64_t last;
	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* Shards that are absent. */
static struct stele_view_shard *new_shards(uint32_t cnt)
{
	static const struct stele_hash_block empty_block;
	size_t lines = (cnt * sizeof(struct stele_view_shard) + 63) / 64;
	struct stele_view_shard *shards = aligned_alloc(64, 64 * (lines + 1));
	for (uint32_t i = 0; shards != NULL && i < cnt; i++)
		shards[i] = (struct stele_view_shard){
			.records = (const uint8_t *)(&empty_block + 1), .block_cnt = 1};
	return shards;
}

/* Takes the references out of `directory`; decodes no shard. */
static int make_view(struct stele_directory *directory, struct stele_view *ret_view,
		     struct stele_error *reterr)
{
	const struct stele_superblock *sb = &directory->superblock;
	const struct stele_root *root = &directory->root;
	struct stele_view view = {
		.seed = stele_hash_seed(stele_le64(sb->seed[0]), stele_le64(sb->seed[1])),
		.shard_cnt = stele_le32(root->shard_cnt),
		.name_first = stele_le32(root->name_first),
		.zone_first = stele_le32(root->zone_first),
		.name_bits = root->name_bits,
		.zone_bits = root->zone_bits,
		.zone_cnt = stele_le32(root->zone_cnt),
		.name_cnt = stele_le64(root->name_cnt),
		.rr_cnt = stele_le64(root->rr_cnt),
		.generation = stele_le64(root->generation),
		.serial = next_serial(),
		.apex_depths = {stele_le64(root->apex_depths[0]), stele_le64(root->apex_depths[1])},
		.root_off = directory->root_off,
		.torn_sz = directory->torn_sz,
		.refs = directory->refs,
		.live_sz = stele_le64(root->live_sz),
	};
	view.shards = new_shards(view.shard_cnt);
	if (view.shards == NULL)
		return stele_fail_errno(reterr, ENOMEM, "directory of %" PRIu32 " shards",
					view.shard_cnt);
	directory->refs = NULL;
	*ret_view = view;
	return 0;
}

int stele_view_assemble(struct stele_directory *directory, const uint8_t *const *bases,
			struct stele_view *ret_view, struct stele_error *reterr)
{
	struct stele_view view;
	int rc = make_view(directory, &view, reterr);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; rc == 0 && i < view.shard_cnt; i++)
		rc = decode_shard(&view, i, bases[i], reterr);
	if (rc != 0) {
		stele_view_close(&view);
		return rc;
	}
	*ret_view = view;
	return 0;
}

int stele_view_decode(struct stele_view *view, uint32_t index, struct stele_error *reterr)
{
	return decode_shard(view, index, view->bytes + stele_le64(stele_view_ref(view, index)->off),
			    reterr);
}

/* A view of the image that `directory` was read from. */
static int view_bytes(struct stele_directory *directory, const uint8_t *bytes, size_t bytes_sz,
		      bool with_shards, struct stele_view *ret_view, struct stele_error *reterr)
{
	struct stele_view view;
	int rc = make_view(directory, &view, reterr);
	if (rc != 0)
		return rc;
	view.bytes = bytes;
	view.bytes_sz = bytes_sz;
	for (uint32_t i = 0; with_shards && rc == 0 && i < view.shard_cnt; i++)
		rc = stele_view_decode(&view, i, reterr);
	if (rc != 0) {
		stele_view_close(&view);
		return rc;
	}
	*ret_view = view;
	return 0;
}

int stele_view_open(const uint8_t *bytes, size_t bytes_sz, struct stele_view *ret_view,
		    struct stele_error *reterr)
{
	struct stele_directory directory;
	int rc = stele_directory_read_bytes(bytes, bytes_sz, &directory, reterr);
	if (rc != 0)
		return rc;
	rc = view_bytes(&directory, bytes, bytes_sz, true, ret_view, reterr);
	stele_directory_free(&directory);
	return rc;
}

static int open_fd(int fd, bool with_shards, struct stele_view *ret_view,
		   struct stele_error *reterr)
{
	struct stele_directory directory;
	uint64_t size = 0;
	int rc = stele_directory_read_file(fd, 0, &directory, &size, reterr);
	if (rc != 0)
		return rc;
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		rc = stele_fail_errno(reterr, errno, "mapping %" PRIu64 " bytes", size);
	else
		rc = view_bytes(&directory, bytes, size, with_shards, ret_view, reterr);
	stele_directory_free(&directory);
	if (rc == 0)
		ret_view->mapped = true;
	else if (bytes != MAP_FAILED)
		munmap(bytes, size);
	return rc;
}

int stele_view_open_file(const char *path, struct stele_view *ret_view, struct stele_error *reterr)
{
	/* Without waiting for somebody at the other end, should it be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return stele_fail_file(reterr, errno, "%s", path);
	struct stele_error detail;
	int rc = open_fd(fd, true, ret_view, &detail);
	close(fd);
	return rc == 0 ? 0 : stele_fail(reterr, rc, "%s: %s", path, detail.text);
}

int stele_view_open_directory(int fd, const char *path, struct stele_view *ret_view,
			      struct stele_error *reterr)
{
	struct stele_error detail;
	int rc = open_fd(fd, false, ret_view, &detail);
	return rc == 0 ? 0 : stele_fail(reterr, rc, "%s: %s", path, detail.text);
}

void stele_view_renew(struct stele_view *view)
{
	view->serial = next_serial();
}

void stele_view_close(struct stele_view *view)
{
	free(view->shards);
	free(view->refs);
	if (view->mapped)
		munmap((void *)(uintptr_t)view->bytes, view->bytes_sz);
	*view = (struct stele_view){0};
}

const uint8_t *stele_view_find(const struct stele_view_shard *shard, uint64_t key)
{
	uint64_t mixed = stele_shard_mix(key, shard->seed);
	uint32_t block = stele_shard_block(mixed, shard->block_cnt);
	return stele_view_search(shard, stele_view_block(shard, block), mixed,
				 stele_block_bucket(mixed, shard->block_cnt),
				 stele_key_fingerprint(key));
}

const uint8_t *stele_view_find_slot(const struct stele_view_shard *shard, uint64_t key,
				    uint32_t *ret_slot)
{
	uint64_t mixed = stele_shard_mix(key, shard->seed);
	uint32_t bucket = stele_block_bucket(mixed, shard->block_cnt);
	uint32_t i = stele_shard_block(mixed, shard->block_cnt);
	const struct stele_hash_block *block = stele_view_block(shard, i);
	uint8_t fingerprint = stele_key_fingerprint(key);
	const uint8_t *record = stele_view_in_block(shard, block, mixed, bucket, fingerprint);
	if (record == NULL && (block->flags >> bucket & 1) != 0) {
		block++;
		i++;
		record = stele_view_in_block(shard, block, mixed, bucket, fingerprint);
	}
	if (record != NULL)
		*ret_slot = i * STELE_BLOCK_SLOTS + stele_block_slot(mixed, block->pilots[bucket]);
	return record;
}

static uint64_t hash_name(struct stele_hash_seed seed, const uint8_t *name)
{
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	for (size_t at = 0; name[at] != 0; at += name[at] + 1u)
		starts[cnt++] = (uint8_t)at;
	uint64_t hash = seed.start;
	while (cnt > 0)
		hash = stele_hash_label(seed, hash, name + starts[--cnt]);
	return hash;
}

const struct stele_zone *stele_view_zone(const struct stele_view *view, const uint8_t *apex,
					 size_t apex_len)
{
	uint8_t lower[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
	if (stele_name_length(apex, apex_len) != apex_len)
		return NULL;
	stele_name_lower(lower, apex, apex_len);
	uint64_t key = stele_key_zone(view->seed, hash_name(view->seed, lower));
	const uint8_t *record = stele_view_find(stele_view_zone_shard(view, key), key);
	if (record == NULL)
		return NULL;
	const struct stele_zone *zone = (const void *)record;
	const uint8_t *name = record + sizeof(*zone);
	return zone->apex_len == apex_len && memcmp(name, lower, apex_len) == 0 ? zone : NULL;
}
