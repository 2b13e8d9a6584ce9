/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searches in blocks of NSEC3 chains find what a search through all entries finds: for hashes that are spread
 * evenly, as those of names are, and for those that whoever owns a zone can think of, so that lines have
 * more entries than slots, tags tie, and entries are too long for a distance.
 */
#include "lib/answer/chain.h"
#include "zonecompiler/pack/chain_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 3000, SHARD_BITS = 3 };

/* SplitMix64: the same hashes in each run. */
static uint64_t next_number(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A hash. */
struct hash {
	uint8_t b[STELE_NSEC3_HASH_SZ];
};

static struct hash make_hash(uint64_t prefix, uint64_t rest)
{
	struct hash hash = {{0}};
	stele_put_be64(hash.b, prefix);
	stele_put_be64(hash.b + 12, rest);
	return hash;
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, STELE_NSEC3_HASH_SZ);
}

/* A zone with one block, in its record, or as one of the shards of its chain; and a worker that asks it. */
struct world {
	struct hash *hashes; /* 0: the carry */
	uint32_t cnt;
	uint32_t *offs; /* of the entries behind the first */
	uint8_t *zone, *block;
	struct stele_view view;
	struct stele_answerer shared;
	struct work *work;
};

/* The entries' bodies have `body_sz` bytes, or one more. */
static void build(struct world *w, struct hash *hashes, uint32_t cnt, unsigned body_sz,
		  bool is_shard)
{
	*w = (struct world){.hashes = hashes, .cnt = cnt};
	qsort(hashes + 1, cnt - 1, sizeof(*hashes), compare_hashes);
	size_t size = 0;
	uint8_t *entries = calloc(cnt, sizeof(struct stele_nsec3_entry) + body_sz + 1);
	w->offs = calloc(cnt, sizeof(*w->offs));
	for (uint32_t i = 0; i < cnt; i++) {
		struct stele_nsec3_entry entry = {
			.rrset.plain_len = stele_to_le16((uint16_t)(body_sz + (i & 1))),
		};
		memcpy(entry.hash, hashes[i].b, sizeof(entry.hash));
		w->offs[i] = (uint32_t)size;
		memcpy(entries + size, &entry, sizeof(entry));
		size += sizeof(entry) + body_sz + (i & 1);
	}
	size_t carry_sz = cnt > 1 ? w->offs[1] : size;
	struct stele_chain_run run = {entries + carry_sz, size - carry_sz, cnt - 1};
	uint64_t block_sz = stele_pack_nsec3_sz(&run, carry_sz);
	w->zone = calloc(1, sizeof(struct stele_zone) + block_sz + STELE_VIEW_SLACK);
	w->block = w->zone + sizeof(struct stele_zone);
	unsigned bits = is_shard ? SHARD_BITS : 0;
	stele_pack_nsec3(&run, entries, carry_sz, bits, w->block);
	assert_int_equal(stele_get_le32(w->block), block_sz);
	assert_memory_equal(w->block + block_sz - size, entries, size);
	for (uint32_t i = 0; i < cnt; i++)
		w->offs[i] += (uint32_t)(block_sz - size);
	free(entries);

	struct stele_zone *zone = (void *)w->zone;
	zone->chain_kind = is_shard ? STELE_CHAIN_NSEC3_SHARDS : STELE_CHAIN_NSEC3_INLINE;
	zone->chain_bits = (uint8_t)bits;
	zone->chain_off = stele_to_le32(sizeof(*zone));
	w->view.shards = calloc(1u << SHARD_BITS, sizeof(*w->view.shards));
	for (unsigned i = 0; i < 1u << SHARD_BITS; i++)
		w->view.shards[i] = (struct stele_view_shard){
			.base = w->block, .nsec3 = stele_nsec3_block_parts(w->block)};
	w->work = calloc(1, sizeof(*w->work));
	w->shared.view = &w->view;
	w->work->shared = &w->shared;
	w->work->zone = zone;
}

static void drop(struct world *w)
{
	free(w->offs);
	free(w->zone);
	free(w->view.shards);
	free(w->work);
}

static void ask(const struct world *w, const struct hash *hash)
{
	struct fetch f = {.hash = hash->b};
	uint32_t covers = 0;
	while (covers + 1 < w->cnt && compare_hashes(w->hashes + covers + 1, hash) <= 0)
		covers++;
	stele_nsec3_begin(w->work, &f);
	stele_nsec3_pick(&f);
	stele_nsec3_settle(&f);
	assert_int_equal(f.result - w->block, w->offs[covers]);
	assert_int_equal(f.matched, covers > 0 && compare_hashes(w->hashes + covers, hash) == 0);
}

/* All entries, what is just before and behind each, and random ones of the same leading bits. */
static void ask_all(const struct world *w, uint64_t lead, unsigned skip_bits)
{
	uint64_t state = 7;
	for (uint32_t i = 1; i < w->cnt; i++) {
		struct hash hash = w->hashes[i];
		uint8_t *last = &hash.b[STELE_NSEC3_HASH_SZ - 1];
		ask(w, &hash);
		++*last;
		ask(w, &hash);
		*last = (uint8_t)(*last - 2);
		ask(w, &hash);
		hash = make_hash(lead | next_number(&state) >> skip_bits, next_number(&state));
		ask(w, &hash);
	}
	struct hash first = make_hash(lead, 0);
	struct hash end = make_hash(lead | UINT64_MAX >> skip_bits, UINT64_MAX);
	ask(w, &first);
	ask(w, &end);
}

/* `bits`: so many bits of the prefix differ, in front of those that do not; 0: hashes differ behind it. */
static void check(uint32_t cnt, unsigned bits, unsigned body_sz, bool is_shard)
{
	static struct hash hashes[ENTRIES_MAX];
	uint64_t state = cnt + bits + body_sz;
	unsigned skip_bits = is_shard ? SHARD_BITS : 0;
	uint64_t lead = is_shard ? UINT64_C(5) << 61 : 0;
	hashes[0] =
		make_hash(UINT64_MAX, UINT64_MAX); /* the last before this block, in the circle */
	for (uint32_t i = 1; i < cnt; i++) {
		uint64_t n = next_number(&state);
		uint64_t prefix = bits == 0 ? UINT64_C(1) << 40 : n >> (64 - bits) << (61 - bits);
		hashes[i] = make_hash(lead | prefix, next_number(&state));
	}
	struct world w;
	build(&w, hashes, cnt, body_sz, is_shard);
	ask_all(&w, lead, skip_bits);
	drop(&w);
}

static void test_even(void **state)
{
	(void)state;
	for (uint32_t cnt = 1; cnt <= 200; cnt++)
		check(cnt, 61, 150, cnt % 2 == 0);
	check(2500, 61, 150, false);
	check(2500, 61, 150, true);
}

/* All in few lines: many have no slot. */
static void test_crowded(void **state)
{
	(void)state;
	static const unsigned bits[] = {0, 1, 2, 5, 8, 11};
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		for (uint32_t cnt = 2; cnt < 1500; cnt += cnt < 40 ? 1 : 331)
			check(cnt, bits[i], 40, i % 2 == 0);
}

/* Entries so long that the distance to one leaves no slot for it. */
static void test_long(void **state)
{
	(void)state;
	for (uint32_t cnt = 2; cnt < 60; cnt += 3) {
		check(cnt, 61, 21000, false);
		check(cnt, 61, 65000, true);
		check(cnt, 3, 33000, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
