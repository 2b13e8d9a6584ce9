/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/chain.h"

#include <string.h>

/* ---- NSEC3 ---- */

/*
 * The last entry that is not greater than the hash, from entry `rest` on: one of a line that has more than its
 * slots. The entry before `rest` is not greater.
 */
static const struct stele_nsec3_entry *search_rest(const uint8_t *block, uint32_t rest,
						   const uint8_t *hash)
{
	const struct stele_nsec3_block *head = (const void *)block;
	const uint8_t *marks = block + stele_le32(head->marks_off);
	uint32_t entry_cnt = stele_le32(head->entry_cnt);
	uint32_t lo = (rest - 1) / STELE_NSEC3_MARK_EACH;
	uint32_t hi = (entry_cnt - 1) / STELE_NSEC3_MARK_EACH + 1;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		const uint8_t *entry = block + stele_get_le32(marks + 4 * (size_t)mid);
		if (memcmp(entry, hash, STELE_NSEC3_HASH_SZ) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	const struct stele_nsec3_entry *entry =
		(const void *)(block + stele_get_le32(marks + 4 * (size_t)lo));
	for (uint32_t i = lo * STELE_NSEC3_MARK_EACH + 1; i < entry_cnt; i++) {
		const struct stele_nsec3_entry *next = stele_nsec3_next(entry);
		if (i >= rest && memcmp(next->hash, hash, STELE_NSEC3_HASH_SZ) > 0)
			break;
		entry = next;
	}
	return entry;
}

void stele_nsec3_settle_tie(struct fetch *f)
{
	const struct stele_nsec3_line *line = f->line;
	const uint8_t *block = f->at, *before = block + stele_le32(line->before_off);
	uint16_t tag = (uint16_t)f->key;
	unsigned slot = stele_nsec3_slots_below(line, tag).cnt;
	f->result = slot == 0 ? before : before + stele_le16(line->distances[slot - 1]);
	for (; slot < STELE_NSEC3_SLOTS && stele_le16(line->distances[slot]) != 0; slot++) {
		const uint8_t *entry = before + stele_le16(line->distances[slot]);
		if (stele_le16(line->tags[slot]) != tag ||
		    memcmp(entry, f->hash, STELE_NSEC3_HASH_SZ) > 0)
			return;
		f->result = entry;
		f->matched = memcmp(entry, f->hash, STELE_NSEC3_HASH_SZ) == 0;
	}
	if (stele_le32(line->rest) == 0)
		return;
	f->result = (const uint8_t *)search_rest(block, stele_le32(line->rest), f->hash);
	f->matched = memcmp(f->result, f->hash, STELE_NSEC3_HASH_SZ) == 0;
}

/* ---- NSEC ---- */

/* The number of the `n` numbers at `p` that are less than x. They ascend. */
static unsigned less_cnt(const uint8_t *p, size_t n, uint64_t x)
{
	const uint8_t *first = p;
	if (n == 0)
		return 0;
	/* Halves, chosen by arithmetic and not by a branch: which one it is is what nothing can predict. */
	while (n > 1) {
		size_t half = n / 2;
		p += 8 * half & -(size_t)(stele_get_le64(p + 8 * (half - 1)) < x);
		n -= half;
	}
	p += 8 & -(size_t)(stele_get_le64(p) < x);
	return (unsigned)((p - first) / 8);
}

#define LEVELS_MAX 9 /* 16^8 is 2^32 */

/* How many of the own entries' numbers are less than x; and whether one is x. */
static size_t tree_rank(const uint8_t *tree, size_t own_cnt, uint64_t x, bool *ret_tie)
{
	size_t sizes[LEVELS_MAX];
	unsigned levels = 0;
	for (size_t n = own_cnt;; n = (n + STELE_NSEC_FANOUT - 1) / STELE_NSEC_FANOUT) {
		sizes[levels++] = n;
		if (n <= STELE_NSEC_FANOUT || levels == LEVELS_MAX)
			break;
	}
	const uint8_t *p = tree;
	size_t rank = less_cnt(p, sizes[levels - 1], x);
	/* All levels begin with the same number, so that a rank of 0 is that of all below. */
	while (--levels > 0 && rank > 0) {
		p += 8 * sizes[levels];
		size_t first = (rank - 1) * STELE_NSEC_FANOUT;
		size_t n = sizes[levels - 1] - first;
		if (n > STELE_NSEC_FANOUT)
			n = STELE_NSEC_FANOUT;
		rank = first + less_cnt(p + 8 * first, n, x);
	}
	*ret_tie = rank < own_cnt && stele_get_le64(p + 8 * rank) == x;
	return rank;
}

static const struct stele_nsec_entry *entry_at(const uint8_t *block, size_t index)
{
	const struct stele_nsec_block *head = (const void *)block;
	uint32_t off = stele_get_le32(block + stele_le32(head->offsets_off) + 4 * index);
	return (const void *)(block + off);
}

static int compare_entry(const struct stele_nsec_entry *entry, const uint8_t *key, size_t key_len)
{
	return stele_sort_key_compare((const uint8_t *)(entry + 1), stele_le16(entry->key_len), key,
				      key_len);
}

/* The index of the last entry that is not after the key; 0, the carry, if no own entry is. */
static size_t block_search(const uint8_t *block, const uint8_t *key, size_t key_len)
{
	const struct stele_nsec_block *head = (const void *)block;
	size_t own_cnt = stele_le32(head->entry_cnt) - 1;
	if (own_cnt == 0)
		return 0;
	size_t common = stele_le16(head->common_len);
	const uint8_t *first = (const uint8_t *)(entry_at(block, 1) + 1);
	int c = memcmp(key, first, key_len < common ? key_len : common);
	if (c < 0 || (c == 0 && key_len < common))
		return 0;
	if (c > 0)
		return own_cnt;

	uint8_t number[8] = {0};
	size_t left = key_len - common;
	memcpy(number, key + common, left < 8 ? left : 8);
	uint64_t x = stele_get_be64(number);
	const uint8_t *tree = block + stele_le32(head->tree_off);
	bool tie;
	size_t lo = tree_rank(tree, own_cnt, x, &tie), hi = lo;
	if (tie)
		hi = x == UINT64_MAX ? own_cnt : tree_rank(tree, own_cnt, x + 1, &tie);
	/* Own entries below lo are less, those from hi on are greater, between them numbers tie. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare_entry(entry_at(block, mid + 1), key, key_len) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The shard whose range the key falls into. */
static uint32_t bounds_search(const uint8_t *bounds, const uint8_t *key, size_t key_len)
{
	uint32_t lo = 0, hi = stele_get_le32(bounds); /* bound lo is not after the key */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		const uint8_t *bound = bounds + stele_get_le32(bounds + 4 + 4 * (size_t)mid);
		if (stele_sort_key_compare(bound + 2, stele_get_le16(bound), key, key_len) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

uint64_t stele_nsec_search(const struct work *w, const uint8_t *sort_key, size_t sort_key_len)
{
	const struct stele_zone *zone = w->zone;
	const uint8_t *block = (const uint8_t *)zone + stele_le32(zone->chain_off);
	if (zone->chain_kind == STELE_CHAIN_NSEC_SHARDS)
		block = w->shared->view
				->shards[stele_le32(zone->chain_first) +
					 bounds_search(block, sort_key, sort_key_len)]
				.base;
	return stele_le64(entry_at(block, block_search(block, sort_key, sort_key_len))->key);
}
