/* SPDX-License-Identifier: Apache-2.0 */
/* Another file gets the name of an image that is locked: nothing is written to it, and nothing takes its place. */
#include "tests/unit/compiler/build_case.h"
#include "zonecompiler/image/compact.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* ---- something happens when a lock is held ---- */

static struct place *moving;         /* NULL: nothing is to happen */
static _Thread_local bool is_locked; /* others of these tests lock in two threads */

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_flock(int fd, int operation)
{
	int rc = __real_flock(fd, operation);
	is_locked = rc == 0;
	return rc;
}

static void locked_path(const struct place *p, char path[128])
{
	snprintf(path, 128, "%s.locked", p->image);
}

/* Whoever has got a lock looks at the clock next. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	if (moving != NULL && is_locked) {
		char path[128];
		locked_path(moving, path);
		assert_int_equal(rename(moving->image, path), 0);
		assert_int_equal(rename(moving->other, moving->image), 0);
		moving = NULL;
	}
	return __real_clock_gettime(clock, ret_time);
}

/* ---- the tests ---- */

static struct stat stat_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st;
}

/* An image of one zone, and another that is going to take its name, with another seed. */
static struct stat make_two(struct place *p)
{
	struct stele_build_options options = {.image = p->other, .jobs = 1, .seed = {1, 2}};
	struct stele_build_stats stats;
	set_zone(p->store, "b.test.", 400, 1);
	OK(stele_build(p->store, &options, &stats, &err));
	set_zone(p->store, "a.test.", 10, 1);
	build(p, p->image, 1);
	is_locked = false;
	moving = p;
	return stat_of(p->other);
}

/* What has the name now is as it was; the image that was locked holds so many names, wherever it is. */
static void check_moved(struct place *p, const struct stat *moved, uint64_t name_cnt)
{
	char path[128];
	locked_path(p, path);
	assert_null(moving);
	struct stat now = stat_of(p->image);
	assert_int_equal(now.st_ino, moved->st_ino);
	assert_int_equal(now.st_size, moved->st_size);
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.zone_cnt, 1);
	stele_view_close(&view);
	view = open_verified(path);
	assert_int_equal(view.name_cnt, name_cnt);
	stele_view_close(&view);
}

static void test_moved_under_an_update(void **state)
{
	struct place *p = *state;
	struct stele_update_options options = {.jobs = 1};
	struct stele_update_stats stats;
	struct stat moved = make_two(p);
	struct stele_view view = open_verified(p->image);
	uint64_t name_cnt = view.name_cnt;
	stele_view_close(&view);
	set_zone(p->store, "a.test.", 11, 1);
	assert_int_equal(stele_update(p->store, p->image, &options, &stats, &err), STELE_E_SYSTEM);
	check_moved(p, &moved, name_cnt + 1);
	/* It is an image of this store, of before. */
	update_by_shards(p);
	view = open_verified(p->image);
	assert_int_equal(view.zone_cnt, 2);
	stele_view_close(&view);
}

static void test_moved_under_a_build(void **state)
{
	struct place *p = *state;
	struct stele_update_options options = {.jobs = 1};
	struct stele_update_stats stats;
	set_zone(p->store, "many.test.", 10000, 1);
	build(p, p->image, 1);
	struct stele_view view = open_verified(p->image);
	uint64_t name_cnt = view.name_cnt;
	stele_view_close(&view);
	struct stele_build_options other = {.image = p->other, .jobs = 1, .seed = {1, 2}};
	struct stele_build_stats built;
	OK(stele_build(p->store, &other, &built, &err));
	struct stat moved = stat_of(p->other);
	set_zone(p->store, "many.test.", 10000, 2);
	is_locked = false;
	moving = p;
	assert_int_equal(stele_update(p->store, p->image, &options, &stats, &err), STELE_E_SYSTEM);
	check_moved(p, &moved, name_cnt);
}

static void test_moved_under_a_compaction(void **state)
{
	struct place *p = *state;
	struct stele_compact_stats stats;
	struct stat moved = make_two(p);
	struct stele_view view = open_verified(p->image);
	uint64_t name_cnt = view.name_cnt;
	stele_view_close(&view);
	assert_int_equal(stele_compact(p->image, &(struct stele_compact_options){0}, &stats, &err),
			 STELE_E_SYSTEM);
	check_moved(p, &moved, name_cnt);
}

int test_build_moved(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_moved_under_an_update),
		TEST(test_moved_under_a_build),
		TEST(test_moved_under_a_compaction),
	};
	return cmocka_run_group_tests_name("build-moved", tests, NULL, NULL);
}
