/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/chain_block.h"

#include "lib/image/nsec3_line.h"
#include "lib/image/view.h"
#include "zonecompiler/pack/zone_record.h"

#include <string.h>

size_t stele_nsec3_entry_sz(const uint8_t *entry)
{
	const struct stele_nsec3_entry *head = (const void *)entry;
	return (size_t)((const uint8_t *)stele_nsec3_next(head) - entry);
}

size_t stele_nsec_entry_sz(const uint8_t *entry)
{
	const struct stele_nsec_entry *head = (const void *)entry;
	return sizeof(*head) + stele_le16(head->key_len);
}

/* ---- NSEC3 ---- */

/* Own entries a line, on average. More: more lines have entries that slots do not suffice for. Fewer: the lines
 * take more room than what they save a search. */
enum { LINE_ENTRIES = 8 };

struct nsec3_layout {
	uint32_t line_cnt;
	uint64_t lines_off, marks_off, entries_off;
};

static struct nsec3_layout lay_out_nsec3(uint32_t own_cnt)
{
	/* The record of a zone stands at any place in a cache line, so that its lines need not be aligned. */
	struct nsec3_layout l = {
		.line_cnt = own_cnt / LINE_ENTRIES + 1,
		.lines_off = own_cnt > STELE_CHAIN_INLINE_MAX ? sizeof(struct stele_nsec3_line) :
								sizeof(struct stele_nsec3_block),
	};
	l.marks_off = l.lines_off + l.line_cnt * (uint64_t)sizeof(struct stele_nsec3_line);
	l.entries_off = l.marks_off + 4 * (own_cnt / STELE_NSEC3_MARK_EACH + UINT64_C(1));
	return l;
}

uint64_t stele_pack_nsec3_sz(const struct stele_chain_run *own, size_t carry_sz)
{
	return lay_out_nsec3(own->entry_cnt).entries_off + carry_sz + own->entries_sz;
}

/* Lines and marks, by the entries that stand in the block already. */
static void put_nsec3_lines(const struct nsec3_layout *l, uint32_t entry_cnt, unsigned skip_bits,
			    uint8_t *block)
{
	struct stele_nsec3_line *lines = (void *)(block + l->lines_off);
	struct stele_nsec3_filler filler;
	uint32_t line = 0;
	uint64_t off = l->entries_off, before_off = off;
	stele_nsec3_line_begin(&filler, (uint32_t)before_off);
	for (uint32_t i = 0; i < entry_cnt; i++) {
		if (i % STELE_NSEC3_MARK_EACH == 0)
			stele_put_le32(block + l->marks_off +
					       i / STELE_NSEC3_MARK_EACH * UINT64_C(4),
				       (uint32_t)off);
		if (i > 0) {
			struct stele_nsec3_place place = stele_nsec3_place(
				stele_get_be64(block + off), skip_bits, l->line_cnt);
			while (line < place.line) {
				lines[line++] = filler.line;
				stele_nsec3_line_begin(&filler, (uint32_t)before_off);
			}
			stele_nsec3_line_add(&filler, place.tag, i, (uint32_t)off);
		}
		before_off = off;
		off += stele_nsec3_entry_sz(block + off);
	}
	while (line < l->line_cnt) {
		lines[line++] = filler.line;
		stele_nsec3_line_begin(&filler, (uint32_t)before_off);
	}
}

void stele_pack_nsec3(const struct stele_chain_run *own, const uint8_t *carry, size_t carry_sz,
		      unsigned skip_bits, uint8_t *block)
{
	struct nsec3_layout l = lay_out_nsec3(own->entry_cnt);
	struct stele_nsec3_block head = {
		.size = stele_to_le32((uint32_t)stele_pack_nsec3_sz(own, carry_sz)),
		.entry_cnt = stele_to_le32(own->entry_cnt + 1),
		.line_cnt = stele_to_le32(l.line_cnt),
		.lines_off = stele_to_le32((uint32_t)l.lines_off),
		.marks_off = stele_to_le32((uint32_t)l.marks_off),
		.entries_off = stele_to_le32((uint32_t)l.entries_off),
		.skip_bits = (uint8_t)skip_bits,
	};
	memset(block, 0, l.lines_off);
	memcpy(block, &head, sizeof(head));
	memcpy(block + l.entries_off, carry, carry_sz);
	if (own->entries_sz > 0)
		memcpy(block + l.entries_off + carry_sz, own->entries, own->entries_sz);
	put_nsec3_lines(&l, own->entry_cnt + 1, skip_bits, block);
}

struct stele_chain_run stele_unpack_nsec3(const uint8_t *block)
{
	const struct stele_nsec3_block *head = (const void *)block;
	uint32_t cnt = stele_le32(head->entry_cnt);
	if (cnt <= 1)
		return (struct stele_chain_run){0};
	const uint8_t *begin = (const uint8_t *)stele_nsec3_entry_at(block, 1);
	return (struct stele_chain_run){begin, (size_t)(block + stele_le32(head->size) - begin),
					cnt - 1};
}

const uint8_t *stele_nsec3_first(const uint8_t *block)
{
	return (const uint8_t *)stele_nsec3_entry_at(block, 0);
}

const uint8_t *stele_nsec3_last(const uint8_t *block)
{
	const struct stele_nsec3_block *head = (const void *)block;
	return (const uint8_t *)stele_nsec3_entry_at(block, stele_le32(head->entry_cnt) - 1);
}

/* ---- NSEC ---- */

#define LEVELS_MAX 9 /* 16^8 is 2^32 */

struct nsec_layout {
	unsigned level_cnt;
	uint32_t level_cnts[LEVELS_MAX]; /* numbers in each; 0 is the lowest level */
	uint64_t level_offs[LEVELS_MAX];
	uint64_t tree_off, offsets_off, entries_off;
};

static struct nsec_layout lay_out_nsec(uint32_t own_cnt)
{
	struct nsec_layout l = {.tree_off = (sizeof(struct stele_nsec_block) + 7) / 8 * 8};
	uint32_t cnt = own_cnt;
	for (;;) {
		l.level_cnts[l.level_cnt++] = cnt;
		if (cnt <= STELE_NSEC_FANOUT)
			break;
		cnt = (cnt + STELE_NSEC_FANOUT - 1) / STELE_NSEC_FANOUT;
	}
	uint64_t off = l.tree_off;
	for (unsigned i = l.level_cnt; i > 0; i--) {
		l.level_offs[i - 1] = off;
		off += 8 * (uint64_t)l.level_cnts[i - 1];
	}
	l.offsets_off = off;
	l.entries_off = off + 4 * (own_cnt + UINT64_C(1));
	return l;
}

uint64_t stele_pack_nsec_sz(const struct stele_chain_run *own, size_t carry_sz)
{
	return lay_out_nsec(own->entry_cnt).entries_off + carry_sz + own->entries_sz;
}

/* How many bytes all sort keys of the run begin with in common. They ascend, so the first and the
 * last say it, found through the offsets of the block. */
static unsigned common_start(const uint8_t *first, const uint8_t *last)
{
	const uint8_t *a = first + sizeof(struct stele_nsec_entry);
	const uint8_t *b = last + sizeof(struct stele_nsec_entry);
	size_t a_len = stele_nsec_entry_sz(first) - sizeof(struct stele_nsec_entry);
	size_t b_len = stele_nsec_entry_sz(last) - sizeof(struct stele_nsec_entry);
	unsigned len = 0;
	while (len < a_len && len < b_len && a[len] == b[len])
		len++;
	return len;
}

static uint64_t number(const uint8_t *entry, unsigned common_len)
{
	uint8_t bytes[8] = {0};
	size_t left = stele_nsec_entry_sz(entry) - sizeof(struct stele_nsec_entry) - common_len;
	memcpy(bytes, entry + sizeof(struct stele_nsec_entry) + common_len, left < 8 ? left : 8);
	return stele_get_be64(bytes);
}

void stele_pack_nsec(const struct stele_chain_run *own, const uint8_t *carry, size_t carry_sz,
		     uint8_t *block)
{
	struct nsec_layout l = lay_out_nsec(own->entry_cnt);
	memset(block, 0, l.entries_off);
	memcpy(block + l.entries_off, carry, carry_sz);
	if (own->entries_sz > 0)
		memcpy(block + l.entries_off + carry_sz, own->entries, own->entries_sz);
	uint64_t off = l.entries_off, last = off;
	for (uint32_t i = 0; i <= own->entry_cnt; i++) {
		stele_put_le32(block + l.offsets_off + 4 * (uint64_t)i, (uint32_t)off);
		last = off;
		off += stele_nsec_entry_sz(block + off);
	}
	unsigned common_len = own->entry_cnt == 0 ?
				      0 :
				      common_start(block + l.entries_off + carry_sz, block + last);
	for (uint32_t i = 0; i < own->entry_cnt; i++) {
		uint32_t at = stele_get_le32(block + l.offsets_off + 4 * (uint64_t)(i + 1));
		stele_put_le64(block + l.level_offs[0] + 8 * (uint64_t)i,
			       number(block + at, common_len));
	}
	for (unsigned level = 1; level < l.level_cnt; level++)
		for (uint32_t i = 0; i < l.level_cnts[level]; i++)
			memcpy(block + l.level_offs[level] + 8 * (uint64_t)i,
			       block + l.level_offs[level - 1] +
				       8 * (uint64_t)STELE_NSEC_FANOUT * i,
			       8);
	struct stele_nsec_block head = {
		.size = stele_to_le32((uint32_t)off),
		.entry_cnt = stele_to_le32(own->entry_cnt + 1),
		.common_len = stele_to_le16((uint16_t)common_len),
		.tree_off = stele_to_le32((uint32_t)l.tree_off),
		.offsets_off = stele_to_le32((uint32_t)l.offsets_off),
	};
	memcpy(block, &head, sizeof(head));
}

struct stele_chain_run stele_unpack_nsec(const uint8_t *block)
{
	const struct stele_nsec_block *head = (const void *)block;
	uint32_t cnt = stele_le32(head->entry_cnt);
	if (cnt <= 1)
		return (struct stele_chain_run){0};
	uint32_t begin = stele_get_le32(block + stele_le32(head->offsets_off) + 4);
	return (struct stele_chain_run){block + begin, stele_le32(head->size) - begin, cnt - 1};
}

const uint8_t *stele_nsec_first(const uint8_t *block)
{
	const struct stele_nsec_block *head = (const void *)block;
	return block + stele_get_le32(block + stele_le32(head->offsets_off));
}

const uint8_t *stele_nsec_last(const uint8_t *block)
{
	const struct stele_nsec_block *head = (const void *)block;
	const uint8_t *offsets = block + stele_le32(head->offsets_off);
	return block + stele_get_le32(offsets + 4 * (uint64_t)(stele_le32(head->entry_cnt) - 1));
}
