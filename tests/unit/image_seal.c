/* SPDX-License-Identifier: Apache-2.0 */
#include "image_seal.h"

#include "lib/base/crc32c.h"
#include "lib/image/format.h"

#include <openssl/sha.h>

static uint64_t last_root(const uint8_t *bytes, size_t bytes_sz)
{
	if (bytes_sz < STELE_IMAGE_ALIGN + sizeof(struct stele_root))
		return 0;
	uint64_t off = bytes_sz - sizeof(struct stele_root);
	for (off -= off % STELE_IMAGE_ALIGN; off > 0; off -= STELE_IMAGE_ALIGN)
		if (memcmp(bytes + off, STELE_ROOT_MAGIC, 8) == 0)
			return off;
	return 0;
}

static bool within(uint64_t off, uint64_t size, uint64_t end)
{
	return off <= end && size <= end - off;
}

static void seal_shard(uint8_t *bytes, uint64_t end, struct stele_shard_ref *ref)
{
	uint64_t off = stele_le64(ref->off), size = stele_le64(ref->size);
	if (ref->kind == STELE_SHARD_NONE || !within(off, size, end))
		return;
	ref->crc = stele_to_le32(stele_crc32c(0, bytes + off, size));
	SHA256(bytes + off, size, ref->digest);
}

static void seal_page(uint8_t *bytes, uint64_t end, struct stele_dir_entry *entry)
{
	uint64_t off = stele_le64(entry->page_off);
	uint64_t size = (uint64_t)stele_le32(entry->ref_cnt) * sizeof(struct stele_shard_ref);
	if (stele_le32(entry->ref_cnt) > STELE_DIR_PAGE_REFS || !within(off, size, end))
		return;
	struct stele_shard_ref *refs = (void *)(bytes + off);
	for (uint32_t i = 0; i < stele_le32(entry->ref_cnt); i++)
		seal_shard(bytes, end, refs + i);
	entry->page_crc = stele_to_le32(stele_crc32c(0, bytes + off, size));
}

bool image_seal(uint8_t *bytes, size_t bytes_sz)
{
	uint64_t root_off = last_root(bytes, bytes_sz);
	if (root_off == 0)
		return false;
	struct stele_root *root = (void *)(bytes + root_off);
	uint64_t top_off = stele_le64(root->top_off);
	uint64_t top_sz = (uint64_t)stele_le32(root->top_cnt) * sizeof(struct stele_dir_entry);
	if (within(top_off, top_sz, root_off)) {
		struct stele_dir_entry *top = (void *)(bytes + top_off);
		/* Hostile tops can name one page very often; a few pages are enough for any test. */
		for (uint32_t i = 0; i < stele_le32(root->top_cnt) && i < 16; i++)
			seal_page(bytes, root_off, top + i);
		root->top_crc = stele_to_le32(stele_crc32c(0, bytes + top_off, top_sz));
	}
	root->self_off = stele_to_le64(root_off);
	root->crc = stele_to_le32(0);
	root->crc = stele_to_le32(stele_crc32c(0, root, sizeof(*root)));
	struct stele_superblock *sb = (void *)bytes;
	sb->crc = stele_to_le32(0);
	sb->crc = stele_to_le32(stele_crc32c(0, sb, sizeof(*sb)));
	return true;
}

bool image_reaches(const uint8_t *bytes, size_t bytes_sz, size_t at)
{
	uint64_t root_off = last_root(bytes, bytes_sz);
	if (at < sizeof(struct stele_superblock) ||
	    (at >= root_off && at - root_off < sizeof(struct stele_root)))
		return true;
	const struct stele_root *root = (const void *)(bytes + root_off);
	uint64_t top_off = stele_le64(root->top_off);
	const struct stele_dir_entry *top = (const void *)(bytes + top_off);
	if (at >= top_off && at - top_off < stele_le32(root->top_cnt) * sizeof(*top))
		return true;
	for (uint32_t i = 0; i < stele_le32(root->top_cnt); i++) {
		uint64_t page_off = stele_le64(top[i].page_off);
		uint32_t ref_cnt = stele_le32(top[i].ref_cnt);
		const struct stele_shard_ref *refs = (const void *)(bytes + page_off);
		if (at >= page_off && at - page_off < ref_cnt * sizeof(*refs))
			return true;
		for (uint32_t k = 0; k < ref_cnt; k++)
			if (at >= stele_le64(refs[k].off) &&
			    at - stele_le64(refs[k].off) < stele_le64(refs[k].size))
				return true;
	}
	return false;
}
