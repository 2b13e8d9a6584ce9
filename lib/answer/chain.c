/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/chain.h"

#include <string.h>

#define CACHE_LINE 64

/* ---- NSEC3 ---- */

/* Leading `bits` bits of v; 0 bits give 0. */
static inline uint64_t leading(uint64_t v, unsigned bits)
{
	return (v >> 1) >> (63 - bits);
}

void stele_nsec3_stage_table(const struct work *w, struct fetch *f)
{
	const struct stele_zone *zone = w->zone;
	struct stele_view_nsec3 inlined;
	const struct stele_view_nsec3 *block;
	uint64_t prefix = stele_get_be64(f->hash);
	if (zone->chain_kind == STELE_CHAIN_NSEC3_INLINE) {
		f->at = (const uint8_t *)zone + stele_le32(zone->chain_off);
		inlined = stele_nsec3_block_parts(f->at);
		block = &inlined;
	} else {
		uint64_t index = stele_le32(zone->chain_first) + leading(prefix, zone->chain_bits);
		const struct stele_view_shard *shard = &w->shared->view->shards[index];
		f->at = shard->base;
		block = &shard->nsec3;
	}
	f->table = block->table + 4 * leading(prefix << block->skip_bits, block->table_bits);
	f->key = stele_nsec3_tag(prefix, block->skip_bits, block->table_bits);
	f->places = block->places;
	__builtin_prefetch(f->table);
}

void stele_nsec3_stage_places(struct fetch *f)
{
	f->lo = stele_get_le32(f->table);
	f->hi = stele_get_le32(f->table + 4);
	/* The place before the bucket may be what covers. */
	__builtin_prefetch(f->places + 8 * (size_t)(f->lo - 1));
	__builtin_prefetch(f->places + 8 * (size_t)(f->hi - 1));
}

/*
 * How many of the `cnt` places at `p`, which ascend, have a tag less than `key`'s. Eight are compared, whatever
 * `cnt` is and whatever comes after them: how many a bucket has is what nothing can predict, and
 * seldom it has more.
 */
static inline uint32_t less_in_bucket(const uint8_t *p, uint32_t cnt, uint64_t key)
{
	_Static_assert(8 * sizeof(uint64_t) <= STELE_VIEW_SLACK, "stays in the image");
	uint32_t less = 0; /* bit i: place i is */
#pragma GCC unroll 8
	for (unsigned i = 8; i > 0; i--)
		less = less + less + (stele_get_le64(p + 8 * (i - 1)) < key);
	uint32_t first = (uint32_t)__builtin_ctz(~less);
	if (first < cnt && first < 8)
		return first;
	uint32_t i = cnt < 8 ? cnt : 8;
	while (i < cnt && stele_get_le64(p + 8 * (size_t)i) < key)
		i++;
	return i;
}

void stele_nsec3_stage_pick(struct fetch *f)
{
	const uint8_t *places = f->places;
	uint32_t i = f->lo + less_in_bucket(places + 8 * (size_t)f->lo, f->hi - f->lo, f->key);
	f->matched = false;
	while (i < f->hi && (stele_get_le64(places + 8 * (size_t)i) ^ f->key) >> 32 == 0) {
		/* Either the hash itself or one that shares the bucket and 32 bits with it. */
		const uint8_t *entry = (const uint8_t *)f->at + stele_nsec3_entry_off(places, i);
		int c = memcmp(entry, f->hash, STELE_NSEC3_HASH_SZ);
		if (c > 0)
			break;
		f->matched = c == 0;
		i++;
	}
	f->lo = i - 1; /* the carry, entry 0, if no own entry is less */
	f->result = (const uint8_t *)f->at + stele_nsec3_entry_off(places, f->lo);
	for (unsigned line = 0; line < 4; line++)
		__builtin_prefetch(f->result + line * CACHE_LINE);
}

/* ---- NSEC ---- */

/* The number of the `n` numbers at `p` that are less than x. They ascend. */
static unsigned less_cnt(const uint8_t *p, size_t n, uint64_t x)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < n; i++)
		cnt += stele_get_le64(p + 8 * i) < x;
	return cnt;
}

#define LEVELS_MAX 9 /* 16^8 is 2^32 */

/* How many of the own entries' numbers are less than x. */
static size_t tree_rank(const uint8_t *tree, size_t own_cnt, uint64_t x)
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
	while (--levels > 0 && rank > 0) {
		p += 8 * sizes[levels];
		size_t first = (rank - 1) * STELE_NSEC_FANOUT;
		size_t n = sizes[levels - 1] - first;
		if (n > STELE_NSEC_FANOUT)
			n = STELE_NSEC_FANOUT;
		rank = first + less_cnt(p + 8 * first, n, x);
	}
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
	size_t lo = tree_rank(tree, own_cnt, x);
	size_t hi = x == UINT64_MAX ? own_cnt : tree_rank(tree, own_cnt, x + 1);
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
