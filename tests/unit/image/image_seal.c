/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image/image_seal.h"

#include "lib/base/crc32c.h"
#include "lib/image/view.h"

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

static void seal_page(uint8_t *bytes, uint64_t end, struct stele_dir_entry *entry, bool shards)
{
	uint64_t off = stele_le64(entry->page_off);
	uint64_t size = (uint64_t)stele_le32(entry->ref_cnt) * sizeof(struct stele_shard_ref);
	if (stele_le32(entry->ref_cnt) > STELE_DIR_PAGE_REFS || !within(off, size, end))
		return;
	struct stele_shard_ref *refs = (void *)(bytes + off);
	for (uint32_t i = 0; shards && i < stele_le32(entry->ref_cnt); i++)
		seal_shard(bytes, end, refs + i);
	entry->page_crc = stele_to_le32(stele_crc32c(0, bytes + off, size));
}

static bool seal(uint8_t *bytes, size_t bytes_sz, bool shards)
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
			seal_page(bytes, root_off, top + i, shards);
		root->top_crc = stele_to_le32(stele_crc32c(0, bytes + top_off, top_sz));
	}
	struct stele_superblock *sb = (void *)bytes;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	sb->crc = stele_to_le32(0);
	sb->crc = stele_to_le32(stele_crc32c(0, sb, sizeof(*sb)));
	SHA256((const void *)sb, sizeof(*sb), digest);
	memcpy(root->identity, digest, sizeof(root->identity));
	root->self_off = stele_to_le64(root_off);
	root->crc = stele_to_le32(0);
	root->crc = stele_to_le32(stele_crc32c(0, root, sizeof(*root)));
	return true;
}

bool image_seal(uint8_t *bytes, size_t bytes_sz)
{
	return seal(bytes, bytes_sz, true);
}

void image_seal_page(uint8_t *bytes, size_t bytes_sz)
{
	seal(bytes, bytes_sz, false);
}

/* ---- sums of bodies ---- */

static struct stele_le16 sum16(const uint8_t *p, uint64_t len)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (unsigned)p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return stele_to_le16((uint16_t)sum);
}

/* Where the bytes of the RRset with its body at `off` end; behind `left` if that cannot be told. */
static uint64_t behind(const uint8_t *record, uint64_t off, const struct stele_rrset *rrset,
		       uint64_t left)
{
	off += (uint64_t)stele_le16(rrset->plain_len) + stele_le16(rrset->sig_len);
	off += rrset->sig_cnt > 0 ? 2 : 0;
	static const struct {
		unsigned flag;
		size_t item_sz;
	} lists[] = {{STELE_RRSET_HAS_PATCHES, 2},
		     {STELE_RRSET_HAS_REFS, sizeof(struct stele_ref)}};
	for (unsigned i = 0; i < 2; i++) {
		if ((rrset->flags & lists[i].flag) == 0)
			continue;
		if (!within(off, 2, left))
			return left + 1;
		off += 2 + stele_get_le16(record + off) * (uint64_t)lists[i].item_sz;
	}
	return off;
}

/* The RRset with its body at `off`; the offset behind it, or more than `left`. */
static uint64_t seal_rrset(uint8_t *record, struct stele_rrset *rrset, uint64_t off, uint64_t left)
{
	uint64_t plain_len = stele_le16(rrset->plain_len);
	uint64_t full_len = plain_len + stele_le16(rrset->sig_len);
	if (!within(off, full_len + (rrset->sig_cnt > 0 ? 2 : 0), left))
		return left + 1;
	rrset->sum_plain = sum16(record + off, plain_len);
	struct stele_le16 sum_full = sum16(record + off, full_len);
	if (rrset->sig_cnt > 0)
		memcpy(record + off + full_len, &sum_full, sizeof(sum_full));
	return behind(record, off, rrset, left);
}

/* A record of which at most `left` bytes may be touched. */
static void seal_name(uint8_t *record, uint64_t left)
{
	const struct stele_name *head = (const void *)record;
	if (left < sizeof(*head))
		return;
	uint64_t at = sizeof(*head) + head->rel_len;
	at += head->kind == STELE_NAME_OCCLUDED ? 8 : 0;
	unsigned rrset_cnt = stele_le16(head->rrset_cnt);
	uint64_t off = at + rrset_cnt * sizeof(struct stele_rrset);
	for (unsigned i = 0; i < rrset_cnt && off <= left; i++, at += sizeof(struct stele_rrset))
		off = seal_rrset(record, (void *)(record + at), off, left);
}

static void seal_zone(uint8_t *record, uint64_t left)
{
	struct stele_zone *head = (void *)record;
	if (left < sizeof(*head))
		return;
	seal_rrset(record, &head->soa, sizeof(*head) + head->apex_len + head->salt_len, left);
}

static void seal_records(uint8_t *shard, uint64_t size, void (*seal_record)(uint8_t *, uint64_t))
{
	const struct stele_hash_shard *head = (const void *)shard;
	if (size < sizeof(*head))
		return;
	uint64_t block_cnt = stele_le32(head->block_cnt);
	struct stele_view_shard view = {
		.base = shard,
		.records = shard + sizeof(*head) + block_cnt * sizeof(struct stele_hash_block),
		.block_cnt = (uint32_t)block_cnt,
	};
	if (!within(sizeof(*head), block_cnt * sizeof(struct stele_hash_block), size))
		return;
	for (uint32_t i = 0; i < block_cnt * STELE_BLOCK_SLOTS; i++) {
		const uint8_t *record = stele_view_slot_record(&view, i);
		uint64_t off = record != NULL ? (uint64_t)(record - shard) : size;
		if (off < size)
			seal_record(shard + off, size - off);
	}
}

void image_seal_bodies(uint8_t *bytes, size_t bytes_sz)
{
	uint64_t end = last_root(bytes, bytes_sz);
	if (end == 0)
		return;
	const struct stele_root *root = (const void *)(bytes + end);
	uint64_t top_off = stele_le64(root->top_off);
	if (stele_le32(root->top_cnt) == 0 || !within(top_off, sizeof(struct stele_dir_entry), end))
		return;
	const struct stele_dir_entry *top = (const void *)(bytes + top_off);
	uint64_t page_off = stele_le64(top->page_off);
	/* In small images the first shard has all names, the next one all zones. */
	for (uint64_t i = 0;
	     i < 2 && within(page_off, (i + 1) * sizeof(struct stele_shard_ref), end); i++) {
		const struct stele_shard_ref *ref =
			(const struct stele_shard_ref *)(const void *)(bytes + page_off) + i;
		uint64_t off = stele_le64(ref->off), size = stele_le64(ref->size);
		if (ref->kind == (i == 0 ? STELE_SHARD_NAMES : STELE_SHARD_ZONES) &&
		    within(off, size, end))
			seal_records(bytes + off, size, i == 0 ? seal_name : seal_zone);
	}
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
