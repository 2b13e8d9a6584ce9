/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the head of an image. Every offset is compared with what is there before it is followed,
 * and the work is bounded by the size of the source.
 */
#include "lib/image/directory.h"

#include "lib/base/crc32c.h"
#include "lib/image/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of a torn tail so much is looked through at once. Less costs a call for every page of it, more is
 * read in vain in front of a root that stands at the end, as it does nearly always. */
#define TAIL_CHUNK (UINT64_C(64) * STELE_IMAGE_ALIGN)

/* CRC-32C of `size` bytes at `p` in which the four bytes at `crc_off` count as zero. */
static uint32_t crc_without_itself(const void *p, size_t size, size_t crc_off)
{
	static const uint8_t zero[4];
	const uint8_t *bytes = p;
	uint32_t crc = stele_crc32c(0, bytes, crc_off);
	crc = stele_crc32c(crc, zero, sizeof(zero));
	return stele_crc32c(crc, bytes + crc_off + 4, size - crc_off - 4);
}

static int read_superblock(const struct stele_source *source, struct stele_superblock *sb,
			   struct stele_error *reterr)
{
	if (source->size >= sizeof(*sb)) {
		int rc = source->read(source->user, 0, sb, sizeof(*sb), reterr);
		if (rc != 0)
			return rc;
	}
	if (source->size < sizeof(*sb) || memcmp(sb->magic, STELE_IMAGE_MAGIC, 8) != 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "not a Stele image: no magic at its start");
	if (stele_le16(sb->major) != STELE_IMAGE_MAJOR)
		return stele_fail(reterr, STELE_E_INPUT,
				  "image format version %u.%u (expected version %d)",
				  stele_le16(sb->major), stele_le16(sb->minor), STELE_IMAGE_MAJOR);
	if (stele_le32(sb->crc) !=
	    crc_without_itself(sb, sizeof(*sb), offsetof(struct stele_superblock, crc)))
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
static enum root_state root_state(const struct stele_root *root, uint64_t off,
				  const uint8_t identity[STELE_IDENTITY_SZ])
{
	bool has_first = memcmp(root->identity, identity, 8) == 0;
	bool has_second = memcmp(root->identity + 8, identity + 8, 8) == 0;
	if (!has_first && !has_second)
		return ROOT_NONE;
	uint32_t crc = crc_without_itself(root, sizeof(*root), offsetof(struct stele_root, crc));
	bool is_complete = has_first && has_second &&
			   memcmp(root->magic, STELE_ROOT_MAGIC, 8) == 0 &&
			   stele_le64(root->self_off) == off && stele_le32(root->crc) == crc;
	return is_complete ? ROOT_COMPLETE : ROOT_DAMAGED;
}

/* Looks at `off` for a root: 1 found, 0 none. */
static int take_root(const uint8_t *bytes, uint64_t off, const uint8_t *identity,
		     struct stele_directory *d, struct stele_error *reterr)
{
	memcpy(&d->root, bytes, sizeof(d->root));
	switch (root_state(&d->root, off, identity)) {
	case ROOT_DAMAGED:
		return stele_fail(reterr, STELE_E_INPUT, "root at %" PRIu64 ": damaged", off);
	case ROOT_COMPLETE:
		d->root_off = off;
		return 1;
	default:
		return 0;
	}
}

static int search_tail(const struct stele_source *source, uint64_t last, uint8_t *chunk,
		       struct stele_directory *d, struct stele_error *reterr)
{
	const size_t root_sz = sizeof(struct stele_root);
	uint8_t identity[STELE_IDENTITY_SZ];
	int rc = stele_image_identity(&d->superblock, identity, reterr);
	if (rc == 0)
		rc = source->read(source->user, last, chunk, root_sz, reterr);
	if (rc == 0)
		rc = take_root(chunk, last, identity, d, reterr);
	for (uint64_t end = last; rc == 0 && end > STELE_IMAGE_ALIGN;) {
		uint64_t begin = end > TAIL_CHUNK ? end - TAIL_CHUNK : 0;
		rc = source->read(source->user, begin, chunk, end - begin, reterr);
		for (uint64_t off = end - STELE_IMAGE_ALIGN; rc == 0 && off >= begin && off > 0;
		     off -= STELE_IMAGE_ALIGN)
			rc = take_root(chunk + (off - begin), off, identity, d, reterr);
		end = begin;
	}
	return rc;
}

static int find_root(const struct stele_source *source, struct stele_directory *d,
		     struct stele_error *reterr)
{
	uint64_t off = 0;
	if (source->size >= STELE_IMAGE_ALIGN + sizeof(struct stele_root))
		off = source->size - sizeof(struct stele_root);
	off -= off % STELE_IMAGE_ALIGN;
	int rc = 0;
	if (off > 0) {
		uint8_t *chunk = malloc(TAIL_CHUNK);
		if (chunk == NULL)
			return stele_fail_errno(reterr, ENOMEM, "search for a root");
		rc = search_tail(source, off, chunk, d, reterr);
		free(chunk);
	}
	if (rc < 0)
		return rc;
	if (rc == 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "no complete root: the image was never finished, or cut");
	d->torn_sz = source->size - d->root_off - sizeof(struct stele_root);
	return 0;
}

/* True if `size` bytes at `off` lie between superblock and root. */
static bool within(const struct stele_directory *d, uint64_t off, uint64_t size)
{
	return off >= sizeof(struct stele_superblock) && off <= d->root_off &&
	       size <= d->root_off - off;
}

static int check_root(const struct stele_source *source, const struct stele_directory *d,
		      struct stele_error *reterr)
{
	const struct stele_root *root = &d->root;
	uint64_t shard_cnt = stele_le32(root->shard_cnt);
	uint64_t name_first = stele_le32(root->name_first);
	uint64_t zone_first = stele_le32(root->zone_first);
	uint64_t name_end = name_first + (UINT64_C(1) << (root->name_bits & 63));
	uint64_t zone_end = zone_first + (UINT64_C(1) << (root->zone_bits & 63));
	if (root->name_bits > 32 || name_end > shard_cnt || root->zone_bits > 32 ||
	    zone_end > shard_cnt || (name_first < zone_end && zone_first < name_end))
		return stele_fail(reterr, STELE_E_INPUT,
				  "root at %" PRIu64
				  ": name and zone shards do not fit into %" PRIu64 " references",
				  d->root_off, shard_cnt);

	/* Each reference takes 64 bytes of the file, pages being disjoint: a bound on memory and work
	 * that hostile pages, one on top of the other, cannot exceed. */
	uint64_t top_cnt = stele_le32(root->top_cnt);
	uint64_t top_off = stele_le64(root->top_off);
	uint64_t top_sz = top_cnt * sizeof(struct stele_dir_entry);
	if (shard_cnt > source->size / sizeof(struct stele_shard_ref) ||
	    top_cnt != (shard_cnt + 63) / STELE_DIR_PAGE_REFS || top_off % STELE_SHARD_ALIGN != 0 ||
	    !within(d, top_off, top_sz))
		return stele_fail(reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": directory of %" PRIu64
				  " references outside the image",
				  d->root_off, shard_cnt);
	return 0;
}

static int read_page(const struct stele_source *source, const struct stele_dir_entry *entry,
		     uint32_t page, struct stele_directory *d, struct stele_error *reterr)
{
	uint64_t off = stele_le64(entry->page_off);
	uint32_t left = stele_le32(d->root.shard_cnt) - page * STELE_DIR_PAGE_REFS;
	uint32_t ref_cnt = left < STELE_DIR_PAGE_REFS ? left : STELE_DIR_PAGE_REFS;
	size_t size = ref_cnt * sizeof(struct stele_shard_ref);
	if (stele_le32(entry->ref_cnt) != ref_cnt || off % STELE_SHARD_ALIGN != 0 ||
	    !within(d, off, size))
		return stele_fail(reterr, STELE_E_INPUT,
				  "directory page %" PRIu32
				  ": outside the image, or not of %" PRIu32 " references",
				  page, ref_cnt);
	struct stele_shard_ref *refs = d->refs + page * STELE_DIR_PAGE_REFS;
	int rc = source->read(source->user, off, refs, size, reterr);
	if (rc == 0 && stele_crc32c(0, refs, size) != stele_le32(entry->page_crc))
		rc = stele_fail(reterr, STELE_E_INPUT,
				"directory page %" PRIu32 " at %" PRIu64 ": wrong checksum", page,
				off);
	return rc;
}

/* What may stand at this place of the directory. */
static bool kind_fits(const struct stele_root *root, uint32_t index, uint8_t kind)
{
	uint32_t name_first = stele_le32(root->name_first);
	uint32_t zone_first = stele_le32(root->zone_first);
	if (kind == STELE_SHARD_NONE)
		return true;
	if (index >= name_first && index - name_first < UINT64_C(1) << root->name_bits)
		return kind == STELE_SHARD_NAMES;
	if (index >= zone_first && index - zone_first < UINT64_C(1) << root->zone_bits)
		return kind == STELE_SHARD_ZONES;
	return kind == STELE_SHARD_NSEC3 || kind == STELE_SHARD_NSEC;
}

static int check_ref(const struct stele_directory *d, uint32_t index, struct stele_error *reterr)
{
	const struct stele_shard_ref *ref = d->refs + index;
	uint64_t off = stele_le64(ref->off);
	uint64_t size = stele_le64(ref->size);
	if (!kind_fits(&d->root, index, ref->kind))
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
	if (off % STELE_SHARD_ALIGN != 0 || !within(d, off, size))
		return stele_fail(reterr, STELE_E_INPUT,
				  "shard %" PRIu32 " at %" PRIu64 ": %" PRIu64
				  " bytes reach outside the image",
				  index, off, size);
	return 0;
}

static int read_refs(const struct stele_source *source, struct stele_directory *d,
		     struct stele_error *reterr)
{
	uint32_t shard_cnt = stele_le32(d->root.shard_cnt);
	uint32_t top_cnt = stele_le32(d->root.top_cnt);
	uint64_t top_off = stele_le64(d->root.top_off);
	size_t top_sz = top_cnt * sizeof(struct stele_dir_entry);
	struct stele_dir_entry *top = malloc(top_sz);
	d->refs = calloc(shard_cnt, sizeof(*d->refs));
	int rc = 0;
	if (top == NULL || d->refs == NULL)
		rc = stele_fail_errno(reterr, ENOMEM, "directory of %" PRIu32 " shards", shard_cnt);
	if (rc == 0)
		rc = source->read(source->user, top_off, top, top_sz, reterr);
	if (rc == 0 && stele_crc32c(0, top, top_sz) != stele_le32(d->root.top_crc))
		rc = stele_fail(reterr, STELE_E_INPUT, "directory at %" PRIu64 ": wrong checksum",
				top_off);
	for (uint32_t page = 0; rc == 0 && page < top_cnt; page++)
		rc = read_page(source, top + page, page, d, reterr);
	uint64_t size = 0;
	for (uint32_t i = 0; rc == 0 && i < shard_cnt; i++) {
		rc = check_ref(d, i, reterr);
		size += stele_le64(d->refs[i].size);
		if (rc == 0 && size > d->root_off) /* no two share bytes */
			rc = stele_fail(reterr, STELE_E_INPUT,
					"shard %" PRIu32 ": more bytes in shards than in the image",
					i);
	}
	free(top);
	return rc;
}

int stele_directory_read(const struct stele_source *source, struct stele_directory *ret_directory,
			 struct stele_error *reterr)
{
	struct stele_directory d = {0};
	int rc = read_superblock(source, &d.superblock, reterr);
	if (rc == 0)
		rc = find_root(source, &d, reterr);
	if (rc == 0)
		rc = check_root(source, &d, reterr);
	if (rc == 0)
		rc = read_refs(source, &d, reterr);
	if (rc != 0) {
		stele_directory_free(&d);
		return rc;
	}
	*ret_directory = d;
	return 0;
}

/* From `*user`, the bytes of the image. */
static int read_bytes(void *user, uint64_t off, void *to, size_t size, struct stele_error *reterr)
{
	const uint8_t *const *bytes = user;
	(void)reterr;
	memcpy(to, *bytes + off, size);
	return 0;
}

int stele_directory_read_bytes(const uint8_t *bytes, size_t bytes_sz,
			       struct stele_directory *ret_directory, struct stele_error *reterr)
{
	struct stele_source source = {read_bytes, (void *)&bytes, bytes_sz};
	return stele_directory_read(&source, ret_directory, reterr);
}

void stele_directory_free(struct stele_directory *directory)
{
	free(directory->refs);
	directory->refs = NULL;
}
