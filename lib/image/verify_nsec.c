/* SPDX-License-Identifier: Apache-2.0 */
/* NSEC chains: blocks by themselves, the bounds between them, and the owners that they lead to. */
#include "lib/image/verify.h"

#include "lib/dns/rrtype.h"

#include <inttypes.h>
#include <string.h>

/* An entry, with the sort key that it has. */
struct entry {
	const uint8_t *p;
	const uint8_t *key;
	size_t key_len;
	size_t size;
};

static int compare(const struct entry *a, const struct entry *b)
{
	return stele_sort_key_compare(a->key, a->key_len, b->key, b->key_len);
}

static bool same(const struct entry *a, const struct entry *b)
{
	return a->size == b->size && memcmp(a->p, b->p, a->size) == 0;
}

struct block {
	const uint8_t *base;
	uint64_t size;
	uint32_t entry_cnt;
	size_t common_len;
	const uint8_t *level0; /* numbers of the own entries */
	const uint8_t *offsets;
	uint64_t entries_off;
	struct entry carry, first_own, last_own; /* own: only if entry_cnt > 1 */
};

#define LEVELS_MAX 9 /* 16^8 is 2^32 */

/*
 * Checks that each higher level of the tree has every 16th number of the one below it. Sets where
 * level 0 begins; false if the levels do not fit into `size` bytes or a number is wrong.
 */
static bool check_tree(const uint8_t *tree, uint64_t size, uint64_t own_cnt,
		       const uint8_t **ret_level0)
{
	uint64_t cnt[LEVELS_MAX], total = 0;
	unsigned levels = 0;
	for (uint64_t n = own_cnt;; n = (n + STELE_NSEC_FANOUT - 1) / STELE_NSEC_FANOUT) {
		cnt[levels++] = n;
		total += 8 * n;
		if (n <= STELE_NSEC_FANOUT)
			break;
	}
	if (total > size)
		return false;
	const uint8_t *level = tree;
	while (--levels > 0) {
		const uint8_t *below = level + 8 * cnt[levels];
		for (uint64_t i = 0; i < cnt[levels]; i++)
			if (stele_get_le64(level + 8 * i) !=
			    stele_get_le64(below + 8 * STELE_NSEC_FANOUT * i))
				return false;
		level = below;
	}
	*ret_level0 = level;
	return true;
}

static int take_apart(struct verify *v, const uint8_t *base, uint64_t size, struct block *b)
{
	const struct stele_nsec_block *head = (const void *)base;
	if (size < sizeof(*head) || stele_le32(head->size) != size)
		return stele_verify_fault(v, base, "NSEC block: head reaches too far");
	uint64_t tree_off = stele_le32(head->tree_off);
	uint64_t offsets_off = stele_le32(head->offsets_off);
	uint64_t entry_cnt = stele_le32(head->entry_cnt);
	if (entry_cnt == 0 || tree_off < sizeof(*head) || tree_off % 8 != 0 ||
	    tree_off > offsets_off || offsets_off + 4 * entry_cnt > size)
		return stele_verify_fault(v, base, "NSEC block: its parts do not fit");
	const uint8_t *level0 = NULL;
	if (!check_tree(base + tree_off, offsets_off - tree_off, entry_cnt - 1, &level0))
		return stele_verify_fault(v, base + tree_off, "NSEC block: wrong tree");
	*b = (struct block){
		.base = base,
		.size = size,
		.entry_cnt = (uint32_t)entry_cnt,
		.common_len = stele_le16(head->common_len),
		.level0 = level0,
		.offsets = base + offsets_off,
		.entries_off = offsets_off + 4 * entry_cnt,
	};
	return 0;
}

/* The number of a sort key in the tree. */
static uint64_t number(const struct block *b, const struct entry *entry)
{
	uint8_t bytes[8] = {0};
	size_t left = entry->key_len - b->common_len;
	memcpy(bytes, entry->key + b->common_len, left < 8 ? left : 8);
	return stele_get_be64(bytes);
}

/* The entry leads to a name of this zone that owns an NSEC RRset. */
static int check_owner(struct verify *v, const struct verify_zone *zone, const struct entry *entry)
{
	uint8_t rel[STELE_NAME_MAX + STELE_HASH_SLACK];
	unsigned label_cnt;
	int rel_len = stele_sort_key_to_name(entry->key, entry->key_len, rel);
	if (rel_len < 0 ||
	    !stele_verify_relative(rel, (size_t)rel_len, zone->head->apex_len, &label_cnt))
		return stele_verify_fault(v, entry->p, "NSEC entry: malformed sort key");
	uint64_t key = stele_verify_key(v->view, zone, rel, (size_t)rel_len);
	if (stele_get_le64(entry->p) != key)
		return stele_verify_fault(v, entry->p, "NSEC entry: wrong key");
	const struct stele_name *name =
		stele_verify_find(v->view, zone, key, rel, (size_t)rel_len, NULL, NULL);
	if (name == NULL || !stele_verify_is_in_nsec((const uint8_t *)name))
		return stele_verify_fault(v, entry->p, "NSEC entry: no name has this NSEC record");
	return 0;
}

static int take_entry(struct verify *v, const struct verify_zone *zone, const struct block *b,
		      uint64_t off, struct entry *entry)
{
	const struct stele_nsec_entry *head = (const void *)(b->base + off);
	if (b->size - off < sizeof(*head) ||
	    b->size - off - sizeof(*head) < stele_le16(head->key_len) ||
	    stele_le16(head->key_len) > STELE_SORT_KEY_MAX)
		return stele_verify_fault(v, head, "NSEC entry: reaches over its block");
	*entry = (struct entry){
		.p = (const uint8_t *)head,
		.key = (const uint8_t *)(head + 1),
		.key_len = stele_le16(head->key_len),
		.size = sizeof(*head) + stele_le16(head->key_len),
	};
	return check_owner(v, zone, entry);
}

/* Entries tile what is left of the block; the own ones ascend, share a start, are in the tree. */
static int check_entries(struct verify *v, const struct verify_zone *zone, struct block *b)
{
	uint64_t off = b->entries_off;
	for (uint32_t i = 0; i < b->entry_cnt; i++) {
		struct entry entry;
		if (stele_get_le32(b->offsets + 4 * (size_t)i) != off)
			return stele_verify_fault(v, b->offsets + 4 * (size_t)i,
						  "NSEC block: offset of entry %" PRIu32, i);
		int rc = take_entry(v, zone, b, off, &entry);
		if (rc != 0)
			return rc;
		off += entry.size;
		if (i == 0) {
			b->carry = entry;
			continue;
		}
		if (i == 1)
			b->first_own = entry;
		else if (compare(&b->last_own, &entry) >= 0)
			return stele_verify_fault(v, entry.p, "NSEC entry: keys do not ascend");
		b->last_own = entry;
		if (entry.key_len < b->common_len ||
		    memcmp(entry.key, b->first_own.key, b->common_len) != 0)
			return stele_verify_fault(v, entry.p,
						  "NSEC entry: does not share the block's start");
		if (stele_get_le64(b->level0 + 8 * (size_t)(i - 1)) != number(b, &entry))
			return stele_verify_fault(v, entry.p,
						  "NSEC entry: wrong number in the tree");
	}
	if (off != b->size)
		return stele_verify_fault(v, b->base + off,
					  "NSEC block: not filled by its entries");
	return 0;
}

/* Bounds: as many as shards, ascending from the empty one, and they fill the zone record. */
static int take_bound(struct verify *v, const struct verify_zone *zone, uint32_t i, uint64_t *at,
		      struct entry *bound)
{
	uint64_t base_off = stele_le32(zone->head->chain_off);
	const uint8_t *base = (const uint8_t *)zone->head + base_off;
	uint64_t size = zone->size - base_off;
	uint64_t cnt = stele_le32(zone->head->chain_cnt);
	if (i == 0) {
		*at = sizeof(struct stele_bounds) + 4 * cnt;
		if (size < *at || stele_get_le32(base) != cnt)
			return stele_verify_fault(v, base, "NSEC bounds: not one for each shard");
	}
	if (stele_get_le32(base + 4 + 4 * (uint64_t)i) != *at || size - *at < 2 ||
	    size - *at - 2 < stele_get_le16(base + *at))
		return stele_verify_fault(v, base, "NSEC bounds: bound %" PRIu32 " reaches too far",
					  i);
	struct entry next = {
		.p = base + *at,
		.key = base + *at + 2,
		.key_len = stele_get_le16(base + *at),
	};
	next.size = 2 + next.key_len;
	if (i == 0 ? next.key_len != 0 : compare(bound, &next) >= 0)
		return stele_verify_fault(v, next.p,
					  "NSEC bounds: bound %" PRIu32
					  " is not after the one before it",
					  i);
	*at += next.size;
	*bound = next;
	if (i + 1 == cnt && *at != size)
		return stele_verify_fault(v, base + *at, "NSEC bounds: do not fill the record");
	return 0;
}

static int check_carry(struct verify *v, const struct block *b, const struct entry *before)
{
	bool good = before->p == NULL ? b->carry.key_len == 0 : same(&b->carry, before);
	if (!good)
		return stele_verify_fault(v, b->carry.p,
					  "NSEC block: carry is not the entry before it");
	return 0;
}

int stele_verify_nsec_inline(struct verify *v, const struct verify_zone *zone)
{
	const struct entry none = {0};
	uint64_t off = stele_le32(zone->head->chain_off);
	struct block b;
	int rc = take_apart(v, (const uint8_t *)zone->head + off, zone->size - off, &b);
	if (rc == 0)
		rc = check_entries(v, zone, &b);
	if (rc == 0)
		rc = check_carry(v, &b, &none);
	if (rc == 0)
		stele_verify_count_inline(v, zone, 0, b.entry_cnt - 1);
	return rc;
}

int stele_verify_nsec_shard(struct verify *v, const struct verify_zone *zone, uint32_t index)
{
	uint64_t size = stele_le64(stele_view_ref(v->view, index)->size);
	struct block b;
	int rc = take_apart(v, v->view->shards[index].base, size, &b);
	if (rc == 0)
		rc = check_entries(v, zone, &b);
	if (rc == 0)
		rc = stele_verify_count_shard(v, zone, 0, b.entry_cnt - 1);
	return rc;
}

/* An entry of a block that has passed. */
static struct entry entry_at(const uint8_t *base, uint32_t i)
{
	const struct stele_nsec_block *head = (const void *)base;
	const uint8_t *offsets = base + stele_le32(head->offsets_off);
	const uint8_t *p = base + stele_get_le32(offsets + 4 * (size_t)i);
	const struct stele_nsec_entry *entry = (const void *)p;
	struct entry found = {
		.p = p,
		.key = (const uint8_t *)(entry + 1),
		.key_len = stele_le16(entry->key_len),
	};
	found.size = sizeof(*entry) + found.key_len;
	return found;
}

int stele_verify_nsec_run(struct verify *v, const struct verify_zone *zone)
{
	struct entry before = {0}, bound = {0};
	uint64_t bounds_at = 0;
	for (uint32_t i = 0; i < stele_le32(zone->head->chain_cnt); i++) {
		v->shard = zone->shard;
		int rc = take_bound(v, zone, i, &bounds_at, &bound);
		if (rc != 0)
			return rc;
		v->shard = stele_le32(zone->head->chain_first) + i;
		const uint8_t *base = v->view->shards[v->shard].base;
		const struct stele_nsec_block *head = (const void *)base;
		struct block b = {
			.base = base,
			.entry_cnt = stele_le32(head->entry_cnt),
			.carry = entry_at(base, 0),
		};
		rc = check_carry(v, &b, &before);
		if (rc != 0)
			return rc;
		bool has_own = b.entry_cnt > 1;
		struct entry first_own = has_own ? entry_at(base, 1) : b.carry;
		/* What was before is below this bound; what comes is not. */
		if ((before.p != NULL && compare(&before, &bound) >= 0) ||
		    (has_own && compare(&first_own, &bound) < 0))
			return stele_verify_fault(v, b.base, "NSEC block: keys outside its bounds");
		before = has_own ? entry_at(base, b.entry_cnt - 1) : b.carry;
	}
	return 0;
}

/* The last of the zone's shards whose bound is not above `key`. */
static uint32_t shard_of(const struct verify_zone *zone, const struct entry *key)
{
	const uint8_t *bounds = (const uint8_t *)zone->head + stele_le32(zone->head->chain_off);
	uint32_t low = 0, high = stele_le32(zone->head->chain_cnt);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *p = bounds + stele_get_le32(bounds + 4 + 4 * (size_t)middle);
		struct entry bound = {.key = p + 2, .key_len = stele_get_le16(p)};
		if (compare(&bound, key) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

bool stele_verify_nsec_has(const struct verify *v, const struct verify_zone *zone,
			   const uint8_t *rel, size_t rel_len)
{
	uint8_t bytes[STELE_SORT_KEY_MAX];
	struct entry key = {.key = bytes, .key_len = stele_sort_key(rel, rel_len, bytes)};
	const uint8_t *base = (const uint8_t *)zone->head + stele_le32(zone->head->chain_off);
	if (zone->chain_kind == STELE_CHAIN_NSEC_SHARDS)
		base = v->view->shards[stele_le32(zone->head->chain_first) + shard_of(zone, &key)]
			       .base;
	const struct stele_nsec_block *head = (const void *)base;
	uint32_t low = 1, high = stele_le32(head->entry_cnt);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct entry entry = entry_at(base, middle);
		int order = compare(&entry, &key);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
