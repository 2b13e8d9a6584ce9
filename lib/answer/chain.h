/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_CHAIN_H
#define STELE_LIB_ANSWER_CHAIN_H

#include "lib/answer/work.h"
#include "lib/image/nsec3_line.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/*
 * Covering searches: the last record of a denial chain that is not after a given place.
 *
 * NSEC3 searches wait for memory twice (for a line of the block and for the entry), so they come in three
 * stages that whoever has several goes through with all of them. The first two prefetch what the next reads.
 */

#define NSEC3_INLINE static inline __attribute__((always_inline))

/* Where to look for f->hash. */
NSEC3_INLINE void stele_nsec3_begin(const struct work *w, struct fetch *f)
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
		/* Leading bits of the hash; no bits give 0. */
		uint64_t index =
			stele_le32(zone->chain_first) + ((prefix >> 1) >> (63 - zone->chain_bits));
		const struct stele_view_shard *shard = &w->shared->view->shards[index];
		f->at = shard->base;
		block = &shard->nsec3;
	}
	struct stele_nsec3_place place =
		stele_nsec3_place(prefix, block->skip_bits, block->line_cnt);
	f->line = block->lines + place.line;
	f->key = place.tag;
	__builtin_prefetch(f->line);
}

/* How many slots of the line have a tag that is less; and whether the tag of the one behind them is the same. */
struct stele_nsec3_slots {
	unsigned cnt;
	bool tie;
};

NSEC3_INLINE struct stele_nsec3_slots stele_nsec3_slots_below(const struct stele_nsec3_line *line,
							      uint16_t tag)
{
#if defined(__x86_64__)
	/* Two vectors, the ends of both in the distances, which do not count. */
	const uint8_t *tags = (const uint8_t *)line->tags;
	const __m128i zero = _mm_setzero_si128(), key = _mm_set1_epi16((int16_t)tag);
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)tags);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(tags + 16));
	__m128i not_less = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_subs_epu16(key, a), zero),
					   _mm_cmpeq_epi16(_mm_subs_epu16(key, b), zero));
	__m128i same = _mm_packs_epi16(_mm_cmpeq_epi16(key, a), _mm_cmpeq_epi16(key, b));
	unsigned end = 1u << STELE_NSEC3_SLOTS;
	return (struct stele_nsec3_slots){
		.cnt = (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(not_less) | end),
		.tie = ((unsigned)_mm_movemask_epi8(same) & (end - 1)) != 0,
	};
#else
	unsigned cnt = 0;
	while (cnt < STELE_NSEC3_SLOTS && stele_le16(line->tags[cnt]) < tag)
		cnt++;
	return (struct stele_nsec3_slots){
		.cnt = cnt,
		.tie = cnt < STELE_NSEC3_SLOTS && stele_le16(line->tags[cnt]) == tag,
	};
#endif
}

/* Which entry it is, unless hashes have to be compared: f->tie. Then one of those that come into question. */
NSEC3_INLINE void stele_nsec3_pick(struct fetch *f)
{
	enum { CACHE_LINE_SZ = 64, SIZE_MAX_GUESSED = 224 };
	const struct stele_nsec3_line *line = f->line;
	struct stele_nsec3_slots below = stele_nsec3_slots_below(line, (uint16_t)f->key);
	f->tie = below.tie || stele_le32(line->rest) != 0;
	f->matched = false;
	/* The slot behind the last says where the entry ends. An entry that ties is the likely one. */
	unsigned behind = below.cnt + below.tie;
	unsigned begin = behind > 0 ? stele_le16(line->distances[behind - 1]) : 0;
	unsigned end = behind < STELE_NSEC3_SLOTS ? stele_le16(line->distances[behind]) : 0;
	const uint8_t *entry = (const uint8_t *)f->at + stele_le32(line->before_off) + begin;
	unsigned size = end > begin ? end - begin : SIZE_MAX_GUESSED;
	f->result = entry;
	__builtin_prefetch(entry);
	__builtin_prefetch(entry + CACHE_LINE_SZ);
	__builtin_prefetch(entry + 2 * CACHE_LINE_SZ);
	for (unsigned at = 3 * CACHE_LINE_SZ; at < size; at += CACHE_LINE_SZ)
		__builtin_prefetch(entry + at);
	__builtin_prefetch(entry + size - 1);
}

/* Whether two hashes, or what begins with them, are the same. */
NSEC3_INLINE bool stele_nsec3_is_same(const void *a, const void *b)
{
	const uint8_t *x = a, *y = b;
	_Static_assert(STELE_NSEC3_HASH_SZ == 8 + 8 + 4, "compared in three pieces");
	/* Eight bytes nearly always tell. */
	return stele_get_le64(x) == stele_get_le64(y) &&
	       ((stele_get_le64(x + 8) ^ stele_get_le64(y + 8)) |
		(stele_get_le32(x + 16) ^ stele_get_le32(y + 16))) == 0;
}

/* f->result and f->matched are final behind this. */
void stele_nsec3_settle_tie(struct fetch *f);
NSEC3_INLINE void stele_nsec3_settle(struct fetch *f)
{
	if (!f->tie)
		return;
	/* Of a name that is there, it is nearly always the one that was picked. The one before the line may be a
	 * carry, which matches nothing. */
	const uint8_t *before = (const uint8_t *)f->at + stele_le32(f->line->before_off);
	f->matched = f->result != before && stele_nsec3_is_same(f->result, f->hash);
	if (!f->matched)
		stele_nsec3_settle_tie(f);
}

/*
 * The key of the owner of the NSEC record that matches or covers the name with this sort key
 * (relative to the apex). `w->zone` must have an NSEC chain.
 */
uint64_t stele_nsec_search(const struct work *w, const uint8_t *sort_key, size_t sort_key_len);

static inline bool stele_zone_has_nsec3(const struct stele_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
	       zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
}

static inline bool stele_zone_has_nsec(const struct stele_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC_INLINE ||
	       zone->chain_kind == STELE_CHAIN_NSEC_SHARDS;
}

#endif
