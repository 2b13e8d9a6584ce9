/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an image. The bytes may be anything: every offset is compared with what is there before
 * it is followed, and the work is bounded by the size of the file.
 */
#include "lib/image/view.h"

#include "lib/base/crc32c.h"
#include "lib/image/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* CRC-32C of `size` bytes at `p` in which the four bytes at `crc_off` count as zero. */
static uint32_t crc_without_itself(const uint8_t *p, size_t size, size_t crc_off)
{
	static const uint8_t zero[4];
	uint32_t crc = stele_crc32c(0, p, crc_off);
	crc = stele_crc32c(crc, zero, sizeof(zero));
	return stele_crc32c(crc, p + crc_off + 4, size - crc_off - 4);
}

static int check_superblock(const uint8_t *bytes, size_t bytes_sz, struct stele_error *reterr)
{
	const struct stele_superblock *sb = (const void *)bytes;
	if (bytes_sz < sizeof(*sb) || memcmp(sb->magic, STELE_IMAGE_MAGIC, 8) != 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "not a Stele image: no magic at its start");
	if (stele_le16(sb->major) != STELE_IMAGE_MAJOR)
		return stele_fail(reterr, STELE_E_INPUT,
				  "image format version %u.%u (expected version %d)",
				  stele_le16(sb->major), stele_le16(sb->minor), STELE_IMAGE_MAJOR);
	if (stele_le32(sb->crc) !=
	    crc_without_itself(bytes, sizeof(*sb), offsetof(struct stele_superblock, crc)))
		return stele_fail(reterr, STELE_E_INPUT, "superblock: wrong checksum");
	if (stele_le32(sb->incompatible) != 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "image uses features that are unknown here: %#" PRIx32,
				  stele_le32(sb->incompatible));
	return 0;
}

enum root_state {
	ROOT_NONE,
	ROOT_DAMAGED,
	ROOT_COMPLETE,
};

/*
 * Only this image writes its identity, so what has either half of it is or was a root. A root is 256
 * bytes in one disk sector: it is written whole or not at all. So if the rest does not fit, that is
 * not a torn append but damage, and the root before it would serve old data without a word.
 */
static enum root_state root_at(const uint8_t *bytes, uint64_t off, const uint8_t *identity)
{
	const struct stele_root *root = (const void *)(bytes + off);
	bool has_first = memcmp(root->identity, identity, 8) == 0;
	bool has_second = memcmp(root->identity + 8, identity + 8, 8) == 0;
	if (!has_first && !has_second)
		return ROOT_NONE;
	uint32_t crc =
		crc_without_itself(bytes + off, sizeof(*root), offsetof(struct stele_root, crc));
	bool is_complete = has_first && has_second &&
			   memcmp(root->magic, STELE_ROOT_MAGIC, 8) == 0 &&
			   stele_le64(root->self_off) == off && stele_le32(root->crc) == crc;
	return is_complete ? ROOT_COMPLETE : ROOT_DAMAGED;
}

static int find_root(const uint8_t *bytes, size_t bytes_sz, uint64_t *ret_off,
		     struct stele_error *reterr)
{
	uint8_t identity[STELE_IDENTITY_SZ];
	int rc = stele_image_identity((const void *)bytes, identity, reterr);
	if (rc != 0)
		return rc;
	uint64_t off = 0;
	if (bytes_sz >= STELE_IMAGE_ALIGN + sizeof(struct stele_root))
		off = bytes_sz - sizeof(struct stele_root);
	for (off -= off % STELE_IMAGE_ALIGN; off > 0; off -= STELE_IMAGE_ALIGN) {
		enum root_state state = root_at(bytes, off, identity);
		if (state == ROOT_DAMAGED)
			return stele_fail(reterr, STELE_E_INPUT, "root at %" PRIu64 ": damaged",
					  off);
		if (state == ROOT_COMPLETE) {
			*ret_off = off;
			return 0;
		}
	}
	return stele_fail(reterr, STELE_E_INPUT,
			  "no complete root: the image was never finished, or cut");
}

/* True if `size` bytes at `off` lie between superblock and root. */
static bool within(const struct stele_view *view, uint64_t off, uint64_t size)
{
	return off >= sizeof(struct stele_superblock) && off <= view->root_off &&
	       size <= view->root_off - off;
}

static int check_root(const struct stele_view *view, const struct stele_root *root,
		      struct stele_error *reterr)
{
	uint64_t name_end = view->name_first + (UINT64_C(1) << (view->name_bits & 63));
	uint64_t zone_end = view->zone_first + (UINT64_C(1) << (view->zone_bits & 63));
	if (view->name_bits > 32 || name_end > view->shard_cnt || view->zone_bits > 32 ||
	    zone_end > view->shard_cnt ||
	    (view->name_first < zone_end && view->zone_first < name_end))
		return stele_fail(reterr, STELE_E_INPUT,
				  "root at %" PRIu64
				  ": name and zone shards do not fit into %" PRIu32 " references",
				  view->root_off, view->shard_cnt);

	/* Each reference takes 64 bytes of the file, pages being disjoint: a bound on memory and work
	 * that hostile pages, one on top of the other, cannot exceed. */
	uint64_t top_cnt = stele_le32(root->top_cnt);
	uint64_t top_off = stele_le64(root->top_off);
	uint64_t top_sz = top_cnt * sizeof(struct stele_dir_entry);
	if (view->shard_cnt > view->bytes_sz / sizeof(struct stele_shard_ref) ||
	    top_cnt != (view->shard_cnt + UINT64_C(63)) / STELE_DIR_PAGE_REFS ||
	    top_off % STELE_SHARD_ALIGN != 0 || !within(view, top_off, top_sz))
		return stele_fail(reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": directory of %" PRIu32
				  " references outside the image",
				  view->root_off, view->shard_cnt);
	if (stele_crc32c(0, view->bytes + top_off, top_sz) != stele_le32(root->top_crc))
		return stele_fail(reterr, STELE_E_INPUT, "directory at %" PRIu64 ": wrong checksum",
				  top_off);
	return 0;
}

static const struct stele_dir_entry *dir_entry(const struct stele_view *view, uint32_t page)
{
	const struct stele_root *root = (const void *)(view->bytes + view->root_off);
	const uint8_t *top = view->bytes + stele_le64(root->top_off);
	return (const struct stele_dir_entry *)(const void *)top + page;
}

static int check_page(const struct stele_view *view, uint32_t page, struct stele_error *reterr)
{
	const struct stele_dir_entry *entry = dir_entry(view, page);
	uint64_t off = stele_le64(entry->page_off);
	uint32_t left = view->shard_cnt - page * STELE_DIR_PAGE_REFS;
	uint32_t ref_cnt = left < STELE_DIR_PAGE_REFS ? left : STELE_DIR_PAGE_REFS;
	size_t size = ref_cnt * sizeof(struct stele_shard_ref);
	if (stele_le32(entry->ref_cnt) != ref_cnt || off % STELE_SHARD_ALIGN != 0 ||
	    !within(view, off, size))
		return stele_fail(reterr, STELE_E_INPUT,
				  "directory page %" PRIu32
				  ": outside the image, or not of %" PRIu32 " references",
				  page, ref_cnt);
	if (stele_crc32c(0, view->bytes + off, size) != stele_le32(entry->page_crc))
		return stele_fail(reterr, STELE_E_INPUT,
				  "directory page %" PRIu32 " at %" PRIu64 ": wrong checksum", page,
				  off);
	return 0;
}

const struct stele_shard_ref *stele_view_ref(const struct stele_view *view, uint32_t index)
{
	const struct stele_dir_entry *entry = dir_entry(view, index / STELE_DIR_PAGE_REFS);
	const uint8_t *page = view->bytes + stele_le64(entry->page_off);
	return (const struct stele_shard_ref *)(const void *)page + index % STELE_DIR_PAGE_REFS;
}

/* After this, every bucket has a pilot and every slot number has a slot inside the shard. */
static bool decode_hash_shard(const uint8_t *base, uint64_t size, uint32_t item_cnt,
			      struct stele_view_shard *shard)
{
	const struct stele_hash_shard *head = (const void *)base;
	if (size < sizeof(*head) || stele_le64(head->size) != size)
		return false;
	uint64_t pilots_off = stele_le32(head->pilots_off);
	uint64_t slots_off = stele_le32(head->slots_off);
	uint64_t records_off = stele_le32(head->records_off);
	uint64_t bucket_cnt = stele_le32(head->bucket_cnt);
	uint64_t slot_cnt = stele_le32(head->slot_cnt);
	if (bucket_cnt == 0 || slot_cnt == 0 || stele_le32(head->key_cnt) != item_cnt ||
	    item_cnt == 0 || item_cnt > slot_cnt)
		return false;
	if (pilots_off < sizeof(*head) || pilots_off + bucket_cnt > slots_off ||
	    slots_off % 8 != 0 || slots_off + 8 * slot_cnt > records_off || records_off > size)
		return false;
	*shard = (struct stele_view_shard){
		.base = base,
		.pilots = base + pilots_off,
		.slots = base + slots_off,
		.seed = stele_le64(head->seed),
		.bucket_cnt = (uint32_t)bucket_cnt,
		.slot_cnt = (uint32_t)slot_cnt,
	};
	return true;
}

/* What may stand at this place of the directory. */
static bool kind_fits(const struct stele_view *view, uint32_t index, uint8_t kind)
{
	if (kind == STELE_SHARD_NONE)
		return true;
	if (index >= view->name_first && index - view->name_first < UINT64_C(1) << view->name_bits)
		return kind == STELE_SHARD_NAMES;
	if (index >= view->zone_first && index - view->zone_first < UINT64_C(1) << view->zone_bits)
		return kind == STELE_SHARD_ZONES;
	return kind == STELE_SHARD_NSEC3 || kind == STELE_SHARD_NSEC;
}

int stele_view_decode(struct stele_view *view, uint32_t index, struct stele_error *reterr)
{
	const struct stele_shard_ref *ref = stele_view_ref(view, index);
	uint64_t off = stele_le64(ref->off);
	uint64_t size = stele_le64(ref->size);
	if (!kind_fits(view, index, ref->kind))
		return stele_fail(reterr, STELE_E_INPUT,
				  "shard %" PRIu32 ": kind %u does not belong there", index,
				  ref->kind);
	if (ref->kind == STELE_SHARD_NONE) {
		if (size != 0 || stele_le32(ref->item_cnt) != 0)
			return stele_fail(reterr, STELE_E_INPUT,
					  "shard %" PRIu32 ": absent, but of %" PRIu64 " bytes",
					  index, size);
		return 0;
	}
	if (off % STELE_SHARD_ALIGN != 0 || !within(view, off, size))
		return stele_fail(reterr, STELE_E_INPUT,
				  "shard %" PRIu32 " at %" PRIu64 ": %" PRIu64
				  " bytes reach outside the image",
				  index, off, size);

	bool sane;
	const uint8_t *base = view->bytes + off;
	if (ref->kind == STELE_SHARD_NAMES || ref->kind == STELE_SHARD_ZONES) {
		sane = decode_hash_shard(base, size, stele_le32(ref->item_cnt),
					 view->shards + index);
	} else {
		sane = size >= (ref->kind == STELE_SHARD_NSEC3 ? sizeof(struct stele_nsec3_block) :
								 sizeof(struct stele_nsec_block));
		view->shards[index].base = base;
	}
	if (!sane)
		return stele_fail(reterr, STELE_E_INPUT,
				  "shard %" PRIu32 " at %" PRIu64
				  ": its head does not fit its %" PRIu64 " bytes",
				  index, off, size);
	return 0;
}

static int decode_directory(struct stele_view *view, bool with_shards, struct stele_error *reterr)
{
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < view->shard_cnt; i++) {
		if (i % STELE_DIR_PAGE_REFS == 0)
			rc = check_page(view, i / STELE_DIR_PAGE_REFS, reterr);
		if (rc == 0 && with_shards)
			rc = stele_view_decode(view, i, reterr);
	}
	return rc;
}

/* From 1: an answerer that has seen no view has 0. */
static uint64_t next_serial(void)
{
	static uint64_t last;
	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

static int open_bytes(const uint8_t *bytes, size_t bytes_sz, bool with_shards,
		      struct stele_view *ret_view, struct stele_error *reterr)
{
	int rc = check_superblock(bytes, bytes_sz, reterr);
	if (rc != 0)
		return rc;
	uint64_t root_off = 0;
	rc = find_root(bytes, bytes_sz, &root_off, reterr);
	if (rc != 0)
		return rc;

	const struct stele_superblock *sb = (const void *)bytes;
	const struct stele_root *root = (const void *)(bytes + root_off);
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
		.bytes = bytes,
		.bytes_sz = bytes_sz,
		.root_off = root_off,
		.torn_sz = bytes_sz - root_off - sizeof(*root),
	};
	rc = check_root(&view, root, reterr);
	if (rc != 0)
		return rc;
	view.shards = calloc(view.shard_cnt, sizeof(*view.shards));
	if (view.shards == NULL)
		return stele_fail_errno(reterr, ENOMEM, "directory of %" PRIu32 " shards",
					view.shard_cnt);
	rc = decode_directory(&view, with_shards, reterr);
	if (rc != 0) {
		free(view.shards);
		return rc;
	}
	*ret_view = view;
	return 0;
}

int stele_view_open(const uint8_t *bytes, size_t bytes_sz, struct stele_view *ret_view,
		    struct stele_error *reterr)
{
	return open_bytes(bytes, bytes_sz, true, ret_view, reterr);
}

static int open_file(const char *path, bool with_shards, struct stele_view *ret_view,
		     struct stele_error *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s", path);
	struct stat st;
	if (fstat(fd, &st) < 0) {
		int error_number = errno;
		close(fd);
		return stele_fail_errno(reterr, error_number, "%s", path);
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		close(fd);
		return stele_fail(reterr, STELE_E_INPUT, "%s: %s (expected an image)", path,
				  S_ISREG(st.st_mode) ? "empty" : "not a regular file");
	}
	size_t size = (size_t)st.st_size;
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	int error_number = errno;
	close(fd);
	if (bytes == MAP_FAILED)
		return stele_fail_errno(reterr, error_number, "%s: mapping %zu bytes", path, size);

	struct stele_view view;
	struct stele_error detail;
	int rc = open_bytes(bytes, size, with_shards, &view, &detail);
	if (rc != 0) {
		munmap(bytes, size);
		return stele_fail(reterr, rc, "%s: %s", path, detail.text);
	}
	view.mapped = true;
	*ret_view = view;
	return 0;
}

int stele_view_open_file(const char *path, struct stele_view *ret_view, struct stele_error *reterr)
{
	return open_file(path, true, ret_view, reterr);
}

int stele_view_open_directory(const char *path, struct stele_view *ret_view,
			      struct stele_error *reterr)
{
	return open_file(path, false, ret_view, reterr);
}

void stele_view_close(struct stele_view *view)
{
	free(view->shards);
	if (view->mapped)
		munmap((void *)(uintptr_t)view->bytes, view->bytes_sz);
	*view = (struct stele_view){0};
}

const uint8_t *stele_view_find(const struct stele_view_shard *shard, uint64_t key)
{
	if (shard->bucket_cnt == 0)
		return NULL;
	uint64_t mixed = stele_shard_mix(key, shard->seed);
	uint8_t pilot = shard->pilots[stele_shard_bucket(mixed, shard->bucket_cnt)];
	uint32_t at = stele_shard_slot(mixed, pilot, shard->slot_cnt);
	uint64_t slot = stele_get_le64(shard->slots + 8 * (uint64_t)at);
	if (slot == 0 || slot >> STELE_SLOT_OFF_BITS != stele_key_fingerprint(key))
		return NULL;
	return shard->base + (slot & STELE_SLOT_OFF_MASK);
}
