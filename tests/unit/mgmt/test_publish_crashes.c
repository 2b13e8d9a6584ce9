/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes of the machine: what is left of an image, and when it is on the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mgmt/publish/internal.h"
#include "tests/unit/mgmt/publish_case.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void leave_mark(const char *id)
{
	char path[160];
	snprintf(path, sizeof(path), "%s.boot", w.image);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(id, file);
	fclose(file);
}

/* The mark is there as long as something may not be on the disk; a mark of this boot means nothing. */
static void test_boot_mark(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_serve(&w, world_commit_change(&w, 1));
	assert_true(has_mark());
	char kept[160], mark[160];
	snprintf(mark, sizeof(mark), "%s.boot", w.image);
	snprintf(kept, sizeof(kept), "%s/other", w.dir);
	assert_int_equal(link(mark, kept), 0);
	world_stop_publisher(&w);
	assert_false(has_mark());
	/* As after a kill. */
	assert_int_equal(rename(kept, mark), 0);
	world_start_publisher(&w);
	assert_true(has_image(&w));
	world_serve(&w, world_commit_change(&w, 1));
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 0);
	world_end(&w);
}

static void crash_and_start(bool damaged)
{
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 3000));
	world_stop_publisher(&w);
	leave_mark("00000000-0000-0000-0000-000000000000\n");
	if (damaged)
		damage(20000, 16);
	world_start_publisher(&w);
	assert_false(has_image(&w)); /* not before it is known to be whole */
	if (!damaged)
		world_run_until(&w, has_image); /* without a wish of anybody */
	world_serve(&w, world_commit_change(&w, 1));
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compile_rebuilt_cnt, damaged);
	assert_int_equal(status.compile_failed_cnt, 0);
	assert_int_equal(w.trouble_cnt[TROUBLE_IMAGE], damaged);
	assert_string_equal(w.trouble[TROUBLE_IMAGE], "");
	world_serve(&w, world_commit_change(&w, 2));
	assert_true(has_mark());
	world_stop_publisher(&w);
	assert_false(has_mark());
	world_end(&w);
}

static void test_crash_left_it_whole(void **state)
{
	(void)state;
	crash_and_start(false);
}

static void test_crash_damaged_it(void **state)
{
	(void)state;
	crash_and_start(true);
}

/* No verdict again and again is one: an image that cannot be looked at is built anew. */
static void test_verify_dies(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	snprintf(w.compiler, sizeof(w.compiler), "%s",
		 script_until_flag("[ $1 != verify ] || kill -BUS $$"));
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_stop_publisher(&w);
	leave_mark("00000000-0000-0000-0000-000000000000\n");
	set_flag(true);
	world_start_publisher(&w);
	run_failures(3);
	assert_false(has_image(&w));
	stele_pause_end(&w.publisher->pause);
	world_serve(&w, world_commit_change(&w, 1));
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 1);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "");
	world_end(&w);
}

static off_t image_size(void)
{
	struct stat st;
	assert_int_equal(stat(w.image, &st), 0);
	return st.st_size;
}

/* A zone, served by a build, and a change, served by an update; both are on the disk. */
static void serve_two(off_t *ret_first, off_t *ret_second)
{
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 3000));
	*ret_first = image_size();
	world_serve(&w, world_commit_change(&w, 1));
	*ret_second = image_size();
	assert_true(*ret_second > *ret_first);
	world_stop_publisher(&w);
	leave_mark("00000000-0000-0000-0000-000000000000\n");
}

static uint64_t generation_now(void)
{
	struct stele_mapped_image *image = stele_images_take(w.images);
	uint64_t generation = image ? image->generation : 0;
	stele_images_put(image);
	return generation;
}

/* What was appended did not come to the disk, but for some of its pages: the root before it counts, and the store
 * knows what has changed since. */
static void test_crash_tore_the_tail(void **state)
{
	(void)state;
	off_t first, second;
	serve_two(&first, &second);
	int fd = open(w.image, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, first), 0);
	for (off_t at = first; at < second - 64; at += 4096)
		assert_int_equal(pwrite(fd, "garbage", 7, at + 99), 7);
	close(fd);
	world_start_publisher(&w);
	assert_false(has_image(&w));
	world_run_until(&w, has_image);
	assert_int_equal(generation_now(), 1);
	world_serve(&w, world_commit_change(&w, 2));
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compile_rebuilt_cnt + status.compile_failed_cnt, 0);
	assert_int_equal(generation_now(), 3);
	world_end(&w);
}

/* The root came to the disk, what it reaches did not. */
static void test_crash_left_a_root_alone(void **state)
{
	(void)state;
	static const char zeros[1 << 20];
	off_t first, second;
	serve_two(&first, &second);
	int fd = open(w.image, O_RDWR | O_CLOEXEC);
	off_t root = (second - 256) / 4096 * 4096;
	assert_int_equal(root + 256, second);
	assert_true(root - first <= (off_t)sizeof(zeros));
	assert_int_equal(pwrite(fd, zeros, (size_t)(root - first), first), root - first);
	close(fd);
	world_start_publisher(&w);
	assert_false(has_image(&w));
	world_serve(&w, world_commit_change(&w, 2));
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 1);
	assert_int_equal(generation_now(), 3);
	assert_int_equal(w.trouble_cnt[TROUBLE_IMAGE], 1);
	assert_string_equal(w.trouble[TROUBLE_IMAGE], "");
	world_end(&w);
}

/* ---- the disk ---- */

static bool has_synced(struct publish_world *world)
{
	return world_status(world).sync_cnt > 0;
}

/* No round waits for the disk; the image gets there when it is quiet, and once. */
static void test_synced_when_quiet(void **state)
{
	(void)state;
	char script[512], note[160];
	world_begin(&w, real_compiler, false);
	snprintf(note, sizeof(note), "%s/begun", w.dir);
	snprintf(script, sizeof(script),
		 "if [ $1 = update ]; then echo \"$*\" >%s; fi; exec %s \"$@\"", note,
		 real_compiler);
	snprintf(w.compiler, sizeof(w.compiler), "%s", world_script(&w, script));
	w.sync_quiet_ns = 100000000;
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_run_for(&w, 200);
	assert_int_equal(world_status(&w).sync_cnt, 0); /* a build has done it itself */
	world_serve(&w, world_commit_change(&w, 1));
	FILE *file = fopen(note, "re");
	char text[512];
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	const char *option = strstr(text, "--no-sync");
	assert_non_null(option);
	assert_null(strstr(option + 1, "--no-sync"));
	world_run_until(&w, has_synced);
	world_run_for(&w, 300);
	assert_int_equal(world_status(&w).sync_cnt, 1);
	assert_true(world_status(&w).sync_last_ns > 0);
	assert_true(has_mark());
	world_end(&w);
}

static bool has_no_compile_trouble(struct publish_world *world)
{
	return !*world->trouble[TROUBLE_COMPILE];
}

/* What the system has is right, what the disk has may not be. /dev/null is what no disk takes. */
static void test_sync_fails(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	w.sync_quiet_ns = 200000000;
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_serve(&w, world_commit_change(&w, 1));
	world_run_until(&w, is_quiet);
	assert_int_equal(unlink(w.image), 0);
	assert_int_equal(symlink("/dev/null", w.image), 0);
	world_run_until(&w, has_compile_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], "syncing"));
	world_run_until(&w, has_no_compile_trouble);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 2);
	assert_int_equal(world_status(&w).sync_cnt, 0);
	world_end(&w);
}

/* ---- the disk fails beside an update ---- */

static char kept_image[160];

/* Before anything of the first update can be synced: the next one begins, and waits; no disk takes the image. */
static void lose_disk(struct publish_world *world)
{
	set_flag(true);
	stele_publisher_want(world->publisher, world_commit_change(world, 2));
	assert_int_equal(rename(world->image, kept_image), 0);
	assert_int_equal(symlink("/dev/null", world->image), 0);
}

static bool has_update_begun(struct publish_world *world)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/begun", world->dir);
	return access(path, F_OK) == 0;
}

static bool has_build_begun(struct publish_world *world)
{
	return !has_update_begun(world);
}

/* That the update ends well says nothing of what the disk has: the build is due all the same. */
static void test_sync_fails_beside_an_update(void **state)
{
	(void)state;
	char script[1024];
	world_begin(&w, real_compiler, false);
	snprintf(kept_image, sizeof(kept_image), "%s/other", w.dir);
	snprintf(script, sizeof(script),
		 "if [ $1 = update ] && [ -e %s/flag ]; then\n: > %s/begun\n"
		 "while [ -e %s/flag ]; do sleep 0.02; done\nfi\n"
		 "if [ $1 = build ] && [ -e %s/begun ]; then\nrm %s/begun\nexec sleep 1000\nfi\n"
		 "exec %s \"$@\"",
		 w.dir, w.dir, w.dir, w.dir, w.dir, real_compiler);
	snprintf(w.compiler, sizeof(w.compiler), "%s", world_script(&w, script));
	w.sync_quiet_ns = 100000000;
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_run_until(&w, is_quiet);
	w.then = lose_disk;
	world_serve(&w, world_commit_change(&w, 1));
	world_run_until(&w, has_update_begun);
	world_run_until(&w, has_compile_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], "syncing"));
	assert_true(world_status(&w).compiling);
	assert_int_equal(rename(kept_image, w.image), 0);
	set_flag(false);
	world_run_until(&w, has_build_begun);
	assert_int_equal(world_status(&w).compile_cnt, 3);
	/* Nor is it known at the end. */
	world_stop_publisher(&w);
	assert_true(has_mark());
	world_end(&w);
}

int test_publish_crashes(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_mark),
		cmocka_unit_test(test_crash_left_it_whole),
		cmocka_unit_test(test_verify_dies),
		cmocka_unit_test(test_crash_damaged_it),
		cmocka_unit_test(test_crash_tore_the_tail),
		cmocka_unit_test(test_crash_left_a_root_alone),
		cmocka_unit_test(test_synced_when_quiet),
		cmocka_unit_test(test_sync_fails),
		cmocka_unit_test(test_sync_fails_beside_an_update),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
