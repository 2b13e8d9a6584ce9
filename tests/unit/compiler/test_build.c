/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from a store: the same bytes for any number of threads, and after an update the same records
 * as in an image built anew; also when whole zones come, go, or come back under another id.
 */
#include "tests/unit/compiler/build_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *read_file(const char *path, size_t *ret_sz)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	struct stat st;
	assert_int_equal(fstat(fileno(file), &st), 0);
	char *bytes = malloc((size_t)st.st_size);
	*ret_sz = fread(bytes, 1, (size_t)st.st_size, file);
	assert_int_equal(*ret_sz, st.st_size);
	fclose(file);
	return bytes;
}

static void test_threads_do_not_show(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "big.test.", 60000, 1);
	set_zone(p->store, "x.y.small.test.", 10, 1);
	set_zone(p->store, "middle.test.", 3000, 1);
	build(p, p->image, 1);
	size_t size, other_sz;
	char *bytes = read_file(p->image, &size);
	for (unsigned jobs = 2; jobs <= 7; jobs++) {
		struct stele_build_stats stats = build(p, p->other, jobs);
		assert_int_equal(stats.zone_cnt, 3);
		char *other = read_file(p->other, &other_sz);
		assert_int_equal(size, other_sz);
		assert_memory_equal(bytes, other, size);
		free(other);
	}
	free(bytes);
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.zone_cnt, 3);
	stele_view_close(&view);
}

static void test_empty_store(void **state)
{
	struct place *p = *state;
	build(p, p->image, 2);
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.name_cnt, 0);
	stele_view_close(&view);
	set_zone(p->store, "first.test.", 3, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
}

static void test_zones_come_and_go(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 5000, 1);
	set_zone(p->store, "a.test.", 50, 1);
	build(p, p->image, 2);
	set_zone(p->store, "deep.b.test.", 300, 1);
	update_by_shards(p);
	check_like_new(p);
	set_zone(p->store, "deep.b.test.", 0, 0);
	update_by_shards(p);
	check_like_new(p);
	/* Away and back between two updates: the same names under another id. */
	set_zone(p->store, "a.test.", 0, 0);
	set_zone(p->store, "a.test.", 40, 2);
	update_by_shards(p);
	check_like_new(p);
	set_zone(p->store, "a.test.", 0, 0);
	set_zone(p->store, "c.test.", 1, 2);
	set_zone(p->store, "base.test.", 4990, 2);
	update_by_shards(p);
	check_like_new(p);
	assert_int_equal(update(p).kind, STELE_UPDATE_NOTHING);
}

static void test_one_change_touches_few_shards(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	build(p, p->image, 2);
	set_zone(p->store, "base.test.", 100001, 1);
	struct stele_update_stats stats = update(p);
	assert_int_equal(stats.kind, STELE_UPDATE_APPENDED);
	assert_true(stats.shard_cnt <= 3);
	check_like_new(p);
}

static void count_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
	uint64_t *cnt = user;
	assert_non_null(phase);
	assert_true(done <= total);
	(*cnt)++;
}

static void test_much_changed(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 20000, 1);
	build(p, p->image, 2);
	set_zone(p->store, "base.test.", 20000, 2);
	/* It takes as long as a build, so it tells as much. */
	uint64_t progress_cnt = 0;
	struct stele_update_options options = {
		.jobs = 1, .progress = count_progress, .user = &progress_cnt};
	struct stele_update_stats stats;
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	assert_int_equal(stats.kind, STELE_UPDATE_REBUILT);
	assert_true(progress_cnt > 10);
	assert_non_null(strstr(stats.reason, "much changed"));
	check_like_new(p);
}

static void test_failure_leaves_nothing(void **state)
{
	struct place *p = *state;
	char path[120];
	snprintf(path, sizeof(path), "%s/no-such/image", p->dir);
	struct stele_build_options options = {.image = path, .jobs = 2};
	struct stele_build_stats stats;
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	const uint8_t *only[] = {(const uint8_t *)"\4none\4test"};
	options = (struct stele_build_options){
		.image = p->image, .jobs = 2, .only = only, .only_cnt = 1};
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	assert_string_equal(err.text, "zone none.test.: not in the store");
	assert_int_equal(access(p->image, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_threads_do_not_show), TEST(test_empty_store),
		TEST(test_zones_come_and_go),   TEST(test_one_change_touches_few_shards),
		TEST(test_much_changed),        TEST(test_failure_leaves_nothing),
	};
	return cmocka_run_group_tests_name("build", tests, NULL, NULL) + test_build_flags() +
	       test_build_compact() + test_build_damage() + test_build_end() + test_build_limits() +
	       test_build_moved();
}
