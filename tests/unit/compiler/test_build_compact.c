/* SPDX-License-Identifier: Apache-2.0 */
/* What updates leave behind in an image is dropped, by an update or by itself, and beside updates. */
#include "tests/unit/compiler/build_case.h"
#include "zonecompiler/image/compact.h"

#include <pthread.h>

static void test_garbage_is_left_behind(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	struct stele_build_stats built = build(p, p->image, 2);
	struct stele_update_stats stats = {.kind = STELE_UPDATE_APPENDED};
	uint64_t largest = 0;
	for (uint32_t i = 1; i < 100 && stats.kind == STELE_UPDATE_APPENDED; i++) {
		set_zone(p->store, "base.test.", 100000 + i, 1);
		stats = update(p);
		if (stats.image_sz > largest)
			largest = stats.image_sz;
	}
	assert_int_equal(stats.kind, STELE_UPDATE_COMPACTED);
	assert_true(largest > built.image_sz + (8 << 20));
	assert_true(stats.image_sz < built.image_sz + (1 << 20));
	check_like_new(p);
	set_zone(p->store, "base.test.", 99999, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
}

static struct stele_update_stats update_without_compacting(struct place *p)
{
	struct stele_update_options options = {.jobs = 2, .no_compact = true};
	struct stele_update_stats stats;
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	return stats;
}

static void test_compaction_by_itself(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	struct stele_build_stats built = build(p, p->image, 2);
	struct stele_update_stats stats = {0};
	uint32_t i = 1;
	for (; i < 200 && stats.image_sz < built.image_sz + (20 << 20); i++) {
		set_zone(p->store, "base.test.", 100000 + i, 1);
		stats = update_without_compacting(p);
		assert_int_equal(stats.kind, STELE_UPDATE_APPENDED);
	}
	assert_true(stats.image_sz >= built.image_sz + (20 << 20));
	struct stele_compact_stats compact;
	OK(stele_compact(p->image, &(struct stele_compact_options){0}, &compact, &err));
	assert_true(compact.done);
	assert_int_equal(compact.before_sz, stats.image_sz);
	assert_true(compact.image_sz < built.image_sz + (1 << 20));
	assert_int_equal(compact.generation, stats.generation);
	check_like_new(p);
	set_zone(p->store, "base.test.", 100000 + i, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
	assert_int_equal(stele_compact("/tmp/no/such/image", &(struct stele_compact_options){0},
				       &compact, &err),
			 STELE_E_INPUT);
	assert_int_equal(stele_compact("/dev/null", &(struct stele_compact_options){0}, &compact,
				       &err),
			 STELE_E_INPUT);
}

struct compacter {
	struct place *place;
	int status;
	struct stele_compact_stats stats;
	struct stele_error err;
};

static void *compact_ten_times(void *user)
{
	struct compacter *c = user;
	for (unsigned i = 0; i < 10 && c->status == 0; i++)
		c->status = stele_compact(c->place->image, &(struct stele_compact_options){0},
					  &c->stats, &c->err);
	return NULL;
}

/* Updates go on while the image is compacted, and none of them is lost; a new chain and a zone more come too. */
static void test_compaction_beside_updates(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 30000, 1);
	build(p, p->image, 2);
	struct compacter c = {.place = p};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, compact_ten_times, &c), 0);
	for (uint32_t i = 1; i < 30; i++) {
		set_zone(p->store, "base.test.", 30000 + i, 1);
		if (i % 8 == 0)
			set_zone(p->store, "more.test.", i, i);
		if (i % 2 == 0)
			update(p);
		else
			update_without_compacting(p);
	}
	pthread_join(thread, NULL);
	if (c.status != 0)
		fail_msg("%s", c.err.text);
	update(p);
	check_like_new(p);
}

int test_build_compact(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_garbage_is_left_behind),
		TEST(test_compaction_by_itself),
		TEST(test_compaction_beside_updates),
	};
	return cmocka_run_group_tests_name("build-compact", tests, NULL, NULL);
}
