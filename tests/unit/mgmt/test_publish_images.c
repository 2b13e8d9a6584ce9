/* SPDX-License-Identifier: Apache-2.0 */
/* Images that are no use, and those that have become too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mgmt/publish_case.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_damaged_head(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_stop_publisher(&w);
	damage(0, 16);
	world_start_publisher(&w);
	assert_true(w.trouble_cnt[TROUBLE_IMAGE] > 0);
	world_serve(&w, world_commit_change(&w, 1));
	assert_string_equal(w.trouble[TROUBLE_IMAGE], "");
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 1);
	world_end(&w);
}

/* Taken away while the daemon runs. */
static void test_lost_image(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_run_until(&w, is_quiet);
	assert_int_equal(unlink(w.image), 0);
	world_serve(&w, world_commit_change(&w, 1));
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 2);
	assert_int_equal(world_status(&w).compile_failed_cnt, 0);
	world_end(&w);
}

/* What updates read they compare with its sums; damage is told, and the image is built anew. */
static void test_damaged_shard(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 3000));
	damage(20000, 16);
	uint64_t generation = world_commit_change(&w, 1);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_compile_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], ": shard 0 at "));
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], ": wrong checksum"));
	world_serve(&w, generation);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "");
	assert_int_equal(w.trouble_cnt[TROUBLE_RESPONDER], 0);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 2);
	world_end(&w);
}

/* Where a shard is that changes of the first owner leave alone. */
static uint64_t find_quiet_shard(void)
{
	struct stele_view before, after;
	struct stele_error err;
	uint64_t found = 0;
	assert_int_equal(stele_view_open_file(w.image, &before, &err), 0);
	world_serve(&w, world_commit_change(&w, 1));
	assert_int_equal(stele_view_open_file(w.image, &after, &err), 0);
	for (uint32_t i = 0; i < before.shard_cnt; i++) {
		const struct stele_shard_ref *ref = stele_view_ref(&before, i);
		if (ref->kind == STELE_SHARD_NAMES &&
		    stele_le64(ref->off) == stele_le64(stele_view_ref(&after, i)->off))
			found = stele_le64(ref->off);
	}
	stele_view_close(&before);
	stele_view_close(&after);
	assert_true(found > 0);
	return found;
}

/* Only the responder looks at each byte: what it refuses is built anew. */
static void test_damage_beside_an_update(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 20000));
	damage((off_t)find_quiet_shard() + 20000, 16);
	uint64_t generation = world_commit_change(&w, 1);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_responder_trouble);
	world_serve(&w, generation);
	assert_string_equal(w.trouble[TROUBLE_RESPONDER], "");
	assert_true(world_status(&w).compile_rebuilt_cnt >= 2);
	world_end(&w);
}

/* Updates that find something wrong twice: the third try builds. */
static void test_image_that_cannot_be_updated(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	snprintf(w.compiler, sizeof(w.compiler), "%s",
		 script_until_flag("if [ $1 = update ]; then echo no >&2; exit 1; fi"));
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 10));
	set_flag(true);
	world_serve(&w, world_commit_change(&w, 1));
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compile_failed_cnt, 2);
	assert_int_equal(status.compile_rebuilt_cnt, 2);
	world_end(&w);
}

/* ---- compacting ---- */

static bool is_compacted(struct publish_world *world)
{
	return world_status(world).compact_cnt > 0;
}

static void make_garbage(void)
{
	world_serve(&w, world_commit_zone(&w, 20000));
	for (uint32_t i = 0; world_status(&w).garbage_sz < (UINT64_C(17) << 20); i++)
		world_serve(&w, world_commit_change(&w, 1 + i % 20000));
	assert_int_equal(world_status(&w).compact_cnt, 0);
}

static void test_compact(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	make_garbage();
	struct stele_publisher_status before = world_status(&w);
	struct stele_mapped_image *held = stele_images_take(w.images);
	world_run_until(&w, is_compacted);
	struct stele_publisher_status after = world_status(&w);
	assert_true(after.image_sz < before.image_sz - (UINT64_C(16) << 20));
	assert_int_equal(after.compiled, before.compiled);
	/* Who holds the old file has it still. */
	volatile uint8_t last = held->view.bytes[held->view.root_off];
	(void)last;
	stele_images_put(held);
	world_serve(&w, world_commit_change(&w, 1));
	world_end(&w);
}

static bool is_rebuilt(struct publish_world *world)
{
	return world_status(world).compile_rebuilt_cnt == 2;
}

/* A copy reads all of the image: what it refuses is built anew, and there is no garbage then. */
static void test_compact_finds_damage(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	snprintf(w.compiler, sizeof(w.compiler), "%s",
		 script_until_flag("[ $1 != compact ] || { echo wrong checksum >&2; exit 1; }"));
	world_start_publisher(&w);
	make_garbage();
	set_flag(true);
	world_run_until(&w, has_compile_trouble);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "compact: wrong checksum");
	world_run_until(&w, is_rebuilt);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "");
	assert_true(world_status(&w).garbage_sz < UINT64_C(1) << 20);
	world_serve(&w, world_commit_change(&w, 1));
	world_end(&w);
}

static bool has_copy_begun(struct publish_world *world)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/begun", world->dir);
	return access(path, F_OK) == 0;
}

/* A change does not wait for a copy, and the copy has the change. */
static void test_updates_beside_compact(void **state)
{
	(void)state;
	char script[512];
	world_begin(&w, real_compiler, true);
	snprintf(
		script, sizeof(script),
		"if [ $1 = compact ]; then\n: > %s/begun\nwhile [ -e %s/flag ]; do sleep 0.02; done\nfi",
		w.dir, w.dir);
	snprintf(w.compiler, sizeof(w.compiler), "%s", script_until_flag(script));
	world_start_publisher(&w);
	make_garbage();
	world_run_until(&w, is_quiet);
	set_flag(true);
	world_run_until(&w, has_copy_begun);
	for (uint32_t i = 1; i <= 5; i++)
		world_serve(&w, world_commit_change(&w, i));
	assert_int_equal(world_status(&w).compact_cnt, 0);
	set_flag(false);
	world_run_until(&w, is_compacted);
	assert_int_equal(w.trouble_cnt[TROUBLE_COMPILE], 0);
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compiled, status.wanted);
	assert_int_equal(status.compile_rebuilt_cnt, 1);
	world_serve(&w, world_commit_change(&w, 6));
	world_end(&w);
}

int test_publish_images(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_head),
		cmocka_unit_test(test_lost_image),
		cmocka_unit_test(test_damaged_shard),
		cmocka_unit_test(test_damage_beside_an_update),
		cmocka_unit_test(test_image_that_cannot_be_updated),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_compact_finds_damage),
		cmocka_unit_test(test_updates_beside_compact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
