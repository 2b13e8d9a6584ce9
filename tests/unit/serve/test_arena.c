/* SPDX-License-Identifier: Apache-2.0 */
/* The arena against a model of it; every kind of pages that this machine has. */
#include "responder/serve/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_SZ ((size_t)4 << 20)
#define EXTENT_CNT 300

static struct stele_arena *open_plain(size_t size)
{
	struct stele_arena_options options = {size, STELE_ARENA_PAGES_PLAIN, -1};
	struct stele_arena *arena = NULL;
	struct stele_error err;
	if (stele_arena_open(&options, &arena, &err) != 0)
		fail_msg("%s", err.text);
	return arena;
}

struct extent {
	uint8_t *p;
	size_t size;
	uint8_t fill;
};

static size_t rounded(size_t size)
{
	return (size + STELE_ARENA_ALIGN - 1) / STELE_ARENA_ALIGN * STELE_ARENA_ALIGN;
}

/* The largest run of blocks that no extent covers. */
static size_t model_largest(const struct extent *extents, const uint8_t *base)
{
	static uint8_t used[ARENA_SZ / STELE_ARENA_ALIGN];
	memset(used, 0, sizeof(used));
	for (unsigned i = 0; i < EXTENT_CNT; i++)
		if (extents[i].p != NULL)
			memset(used + (size_t)(extents[i].p - base) / STELE_ARENA_ALIGN, 1,
			       rounded(extents[i].size) / STELE_ARENA_ALIGN);
	size_t best = 0, run = 0;
	for (size_t i = 0; i < sizeof(used); i++) {
		run = used[i] ? 0 : run + 1;
		best = run > best ? run : best;
	}
	return best * STELE_ARENA_ALIGN;
}

static void expect_filled(const struct extent *extent)
{
	for (size_t i = 0; i < extent->size; i++)
		assert_int_equal(extent->p[i], extent->fill);
}

static void step(struct stele_arena *arena, const uint8_t *base, struct extent *extents,
		 size_t *used_sz)
{
	struct extent *extent = extents + rand() % EXTENT_CNT;
	if (extent->p != NULL) {
		expect_filled(extent);
		stele_arena_free(arena, extent->p, extent->size);
		*used_sz -= rounded(extent->size);
		extent->p = NULL;
		return;
	}
	struct stele_error err;
	size_t size = 1 + (size_t)rand() % (rand() % 20 == 0 ? ARENA_SZ / 3 : 30000);
	size_t largest = model_largest(extents, base);
	uint8_t *p = NULL;
	int rc = stele_arena_alloc(arena, size, &p, &err);
	if (rounded(size) > largest) {
		assert_int_equal(rc, STELE_E_SYSTEM);
		assert_non_null(strstr(err.text, "full"));
		assert_null(p);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal((uintptr_t)p % STELE_ARENA_ALIGN, 0);
	*extent = (struct extent){p, size, (uint8_t)rand()};
	memset(p, extent->fill, size);
	*used_sz += rounded(size);
}

static void test_model(void **state)
{
	(void)state;
	struct stele_arena *arena = open_plain(ARENA_SZ);
	struct extent extents[EXTENT_CNT] = {{0}};
	struct stele_error err;
	size_t used_sz = 0;
	uint8_t *base = NULL;
	assert_int_equal(stele_arena_alloc(arena, ARENA_SZ, &base, &err), 0);
	stele_arena_free(arena, base, ARENA_SZ);
	srand(7);
	for (unsigned i = 0; i < 6000; i++) {
		step(arena, base, extents, &used_sz);
		struct stele_arena_use use = stele_arena_use(arena);
		assert_int_equal(use.used_sz, used_sz);
		assert_int_equal(use.free_sz, ARENA_SZ - used_sz);
		if (i % 16 == 0)
			assert_int_equal(use.largest_free_sz, model_largest(extents, base));
	}
	for (unsigned i = 0; i < EXTENT_CNT; i++) {
		if (extents[i].p == NULL)
			continue;
		expect_filled(extents + i);
		stele_arena_free(arena, extents[i].p, extents[i].size);
	}
	struct stele_arena_use use = stele_arena_use(arena);
	assert_int_equal(use.used_sz, 0);
	assert_int_equal(use.extent_cnt, 0);
	assert_int_equal(use.largest_free_sz, ARENA_SZ);
	assert_true(use.used_max_sz > 0);
	stele_arena_close(arena);
}

/* A hole that fits exactly is taken before a larger one. */
static void test_best_fit(void **state)
{
	(void)state;
	struct stele_arena *arena = open_plain(65536);
	uint8_t *p[4], *q;
	static const size_t sizes[4] = {8192, 64, 4096, 64};
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(stele_arena_alloc(arena, sizes[i], &p[i], NULL), 0);
	stele_arena_free(arena, p[0], sizes[0]);
	stele_arena_free(arena, p[2], sizes[2]);
	assert_int_equal(stele_arena_alloc(arena, 4000, &q, NULL), 0);
	assert_ptr_equal(q, p[2]);
	stele_arena_close(arena);
}

static void test_refused(void **state)
{
	(void)state;
	struct stele_error err;
	struct stele_arena *arena = NULL;
	struct stele_arena_options options = {0, STELE_ARENA_PAGES_PLAIN, -1};
	assert_int_equal(stele_arena_open(&options, &arena, &err), STELE_E_USAGE);
	options.size = SIZE_MAX - 1;
	assert_int_equal(stele_arena_open(&options, &arena, &err), STELE_E_USAGE);
	options = (struct stele_arena_options){(size_t)1 << 46, STELE_ARENA_PAGES_1G, -1};
	assert_int_equal(stele_arena_open(&options, &arena, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "1 GB pages"));
	assert_null(arena);

	arena = open_plain(4096);
	uint8_t *p = NULL;
	assert_int_equal(stele_arena_alloc(arena, 0, &p, &err), STELE_E_SYSTEM);
	assert_int_equal(stele_arena_alloc(arena, SIZE_MAX, &p, &err), STELE_E_SYSTEM);
	assert_int_equal(stele_arena_alloc(arena, 4097, &p, &err), STELE_E_SYSTEM);
	assert_int_equal(stele_arena_alloc(arena, 4096, &p, &err), 0);
	assert_int_equal(stele_arena_alloc(arena, 1, &p, &err), STELE_E_SYSTEM);
	stele_arena_close(arena);
}

/* Huge pages are all there when the arena is open, or it says that they are not. */
static void test_huge(void **state)
{
	(void)state;
	static const enum stele_arena_pages kinds[] = {STELE_ARENA_PAGES_2M, STELE_ARENA_PAGES_1G};
	unsigned had = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct stele_arena_options options = {1, kinds[i], 0};
		struct stele_arena *arena = NULL;
		struct stele_error err;
		int rc = stele_arena_open(&options, &arena, &err);
		if (rc != 0) {
			assert_int_equal(rc, STELE_E_SYSTEM);
			print_message("skipped: %s\n", err.text);
			continue;
		}
		struct stele_arena_use use = stele_arena_use(arena);
		uint8_t *p;
		assert_int_equal(use.pages, kinds[i]);
		assert_int_equal(stele_arena_alloc(arena, use.size, &p, &err), 0);
		memset(p, 1, use.size);
		stele_arena_close(arena);
		had++;
	}
	if (had == 0)
		skip();
}

/* Whatever there is; a small arena does not take a page that is larger than itself. */
static void test_auto(void **state)
{
	(void)state;
	struct stele_arena_options options = {.size = 100000, .node = 0};
	struct stele_arena *arena = NULL;
	assert_int_equal(stele_arena_open(&options, &arena, NULL), 0);
	struct stele_arena_use use = stele_arena_use(arena);
	assert_int_equal(use.pages, STELE_ARENA_PAGES_PLAIN);
	assert_in_range(use.size, 100000, 100000 + (64 << 10));
	stele_arena_close(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),   cmocka_unit_test(test_best_fit),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_huge),
		cmocka_unit_test(test_auto),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
