/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the store to what is served, with the real compiler, compilers that fail in every way, and responders
 * that come, go, hang and refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mgmt/publish_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *real_compiler;
static struct publish_world w;

/* A script that does `first` as long as the file `flag` is there, else what is asked for. */
static const char *script_until_flag(const char *first)
{
	char text[1024];
	snprintf(text, sizeof(text), "if [ -e %s/flag ]; then\n%s\nfi\nexec %s \"$@\"", w.dir,
		 first, real_compiler);
	return world_script(&w, text);
}

static void set_flag(bool set)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/flag", w.dir);
	if (set)
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	else
		remove(path);
}

static bool has_compile_trouble(struct publish_world *world)
{
	return *world->trouble[TROUBLE_COMPILE];
}

static bool has_no_compile_trouble(struct publish_world *world)
{
	return !*world->trouble[TROUBLE_COMPILE];
}

/* What is served may be waiting for the disk yet. */
static bool is_quiet(struct publish_world *world)
{
	return !world_status(world).compiling;
}

static bool has_responder_trouble(struct publish_world *world)
{
	return *world->trouble[TROUBLE_RESPONDER];
}

/* ---- all is well ---- */

static void test_rounds(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	assert_null(stele_images_take(w.images));
	assert_int_equal(stele_images_version(w.images), 0);

	/* Nothing is there yet, not even a zone. */
	world_serve(&w, world_commit_zone(&w, 1000));
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compile_rebuilt_cnt, 1);
	assert_int_equal(status.compile_cnt, 1);

	for (uint32_t i = 0; i < 5; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	world_run_until(&w, is_quiet);
	status = world_status(&w);
	assert_int_equal(status.compile_cnt, 6);
	assert_int_equal(status.compile_rebuilt_cnt, 1);
	assert_int_equal(status.compile_failed_cnt + status.load_failed_cnt, 0);
	assert_int_equal(status.wanted, status.compiled);
	assert_int_equal(status.compiled, status.served);
	assert_true(status.responder_up);
	assert_false(status.compiling);
	assert_true(status.compile_last_ns > status.compile_work_ns);
	assert_true(status.open_last_ns > 0 && status.load_last_ns > 0);
	assert_true(status.image_sz > status.garbage_sz && status.garbage_sz > 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w.trouble_cnt[i], 0);
	assert_int_equal(w.served_cnt, 6);
	world_end(&w);
}

/* What comes while the compiler runs goes together; nothing is left behind. */
static void test_many_changes(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 1000));
	uint64_t last = 0;
	for (uint32_t i = 0; i < 200; i++) {
		last = world_commit_change(&w, 1 + i);
		stele_publisher_want(w.publisher, last);
		stele_publisher_want(w.publisher, last - 1); /* late news changes nothing */
		world_run_for(&w, 1);
	}
	world_serve(&w, last);
	struct stele_publisher_status status = world_status(&w);
	assert_true(status.compile_cnt < 200);
	assert_int_equal(status.compile_failed_cnt, 0);
	assert_int_equal(atomic_load(&w.responder.generation), last);
	world_end(&w);
}

static void test_without_responder(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	assert_true(world_status(&w).responder_up);
	world_serve(&w, world_commit_zone(&w, 10));
	world_serve(&w, world_commit_change(&w, 1));

	/* Again, with the image that is there: it is served before the compiler has run. */
	uint64_t before = w.served;
	world_stop_publisher(&w);
	world_start_publisher(&w);
	struct stele_mapped_image *image = stele_images_take(w.images);
	assert_non_null(image);
	assert_int_equal(image->generation, before);
	stele_images_put(image);
	world_serve(&w, before);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 0);
	world_end(&w);
}

/* An image of another store has a generation that means nothing here. */
static void test_other_store(void **state)
{
	(void)state;
	char from[160], to[160];
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 10));
	for (uint32_t i = 0; i < 3; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	snprintf(from, sizeof(from), "%s/image", w.dir);
	snprintf(to, sizeof(to), "%s-image", w.dir);
	assert_int_equal(rename(from, to), 0);
	world_end(&w);

	world_begin(&w, real_compiler, true);
	assert_int_equal(rename(to, w.image), 0);
	uint64_t generation = world_commit_zone(&w, 20);
	assert_true(generation < 4);
	world_start_publisher(&w);
	world_serve(&w, generation);
	assert_int_equal(w.served, generation);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 1);
	assert_int_equal(atomic_load(&w.responder.generation), generation);
	world_end(&w);
}

/* ---- compilers that fail ---- */

#define MINUTE_NS UINT64_C(60000000000)

static void fail_and_recover(const char *script, uint64_t max_ns, const char *words)
{
	world_begin(&w, real_compiler, true);
	w.compile_max_ns = max_ns;
	snprintf(w.compiler, sizeof(w.compiler), "%s", script_until_flag(script));
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	set_flag(true);
	uint64_t generation = world_commit_change(&w, 1);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_compile_trouble);
	if (strstr(w.trouble[TROUBLE_COMPILE], words) == NULL)
		fail_msg("expected '%s', got '%s'", words, w.trouble[TROUBLE_COMPILE]);
	struct stele_publisher_status status = world_status(&w);
	assert_string_equal(status.compile_error, w.trouble[TROUBLE_COMPILE]);
	assert_int_equal(status.compile_failed_cnt, 1);
	/* More wishes do not make it run more often. */
	for (unsigned i = 0; i < 20; i++) {
		generation = world_commit_change(&w, 2 + i);
		stele_publisher_want(w.publisher, generation);
		world_run_for(&w, 5);
	}
	assert_int_equal(world_status(&w).compile_failed_cnt, 1);
	assert_true(world_status(&w).served < generation);
	set_flag(false);
	world_serve(&w, generation);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "");
	assert_string_equal(world_status(&w).compile_error, "");
	/* The next change does not wait. */
	world_serve(&w, world_commit_change(&w, 1));
	world_end(&w);
}

static void test_exit_status(void **state)
{
	(void)state;
	fail_and_recover("echo first >&2; echo 'stele-compile: it is wrong' >&2; echo >&2; exit 3",
			 MINUTE_NS, "update: stele-compile: it is wrong");
}

static void test_silent_failure(void **state)
{
	(void)state;
	fail_and_recover("exit 7", MINUTE_NS, "update: exit status 7");
}

static void test_killed(void **state)
{
	(void)state;
	fail_and_recover("kill -9 $$", MINUTE_NS, "update: killed by signal 9");
}

static void test_hangs(void **state)
{
	(void)state;
	fail_and_recover("exec sleep 1000", 2000000000, "did not end within 2.0 s");
}

static void test_says_nothing(void **state)
{
	(void)state;
	fail_and_recover("exit 0", MINUTE_NS, "ended without saying what it did");
}

static void test_says_too_much(void **state)
{
	(void)state;
	fail_and_recover("yes 2>&1 | head -c 1000000; yes 'many words' | head -c 300000 >&2; "
			 "echo >&2; echo the end >&2; exit 2",
			 MINUTE_NS, "update: the end");
}

static void test_no_compiler(void **state)
{
	(void)state;
	world_begin(&w, "/nonexistent/stele-compile", false);
	world_start_publisher(&w);
	stele_publisher_want(w.publisher, world_commit_zone(&w, 1));
	world_run_until(&w, has_compile_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], "cannot be run: No such file"));
	world_end(&w);
}

/* Freed while it runs: no process is left, the image is whole. */
static void test_end_within(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	snprintf(w.compiler, sizeof(w.compiler), "%s", world_script(&w, "exec sleep 1000"));
	world_start_publisher(&w);
	stele_publisher_want(w.publisher, world_commit_zone(&w, 1));
	world_run_for(&w, 30);
	assert_true(world_status(&w).compiling);
	world_stop_publisher(&w);
	world_end(&w);
}

/* ---- images that are no use ---- */

static void damage(off_t at, size_t size)
{
	int fd = open(w.image, O_RDWR | O_CLOEXEC);
	char bytes[64];
	memset(bytes, 0xa5, sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, size, at), size);
	close(fd);
}

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

/* Only the responder looks at each byte: what it refuses is built anew. */
static void test_damaged_shard(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 3000));
	damage(20000, 16);
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

/* ---- crashes of the machine ---- */

static void leave_mark(const char *id)
{
	char path[160];
	snprintf(path, sizeof(path), "%s.boot", w.image);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(id, file);
	fclose(file);
}

static bool has_mark(void)
{
	char path[160];
	snprintf(path, sizeof(path), "%s.boot", w.image);
	return access(path, F_OK) == 0;
}

static bool has_image(struct publish_world *world)
{
	struct stele_mapped_image *image = stele_images_take(world->images);
	stele_images_put(image);
	return image != NULL;
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

/* ---- responders ---- */

static void test_responder_comes_back(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_stop_responder(&w); /* not there yet */
	world_start_publisher(&w);
	uint64_t generation = world_commit_zone(&w, 100);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_image);
	world_run_for(&w, 300); /* several tries to reach the responder */
	assert_int_equal(world_status(&w).compiled, generation);
	assert_int_equal(world_status(&w).served, 0);
	assert_false(world_status(&w).responder_up);
	assert_non_null(strstr(w.trouble[TROUBLE_RESPONDER], "nobody listens"));
	assert_int_equal(w.trouble_cnt[TROUBLE_RESPONDER], 1); /* told once, not at each try */
	world_start_responder(&w);
	world_serve(&w, generation);
	assert_string_equal(w.trouble[TROUBLE_RESPONDER], "");

	/* It goes, and comes back without an image. */
	world_stop_responder(&w);
	world_run_until(&w, has_responder_trouble);
	world_start_responder(&w);
	while (atomic_load(&w.responder.generation) != generation)
		world_run_for(&w, 5);
	world_serve(&w, world_commit_change(&w, 1));
	assert_true(world_status(&w).responder_up);
	world_end(&w);
}

static void test_responder_refuses(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	atomic_store(&w.responder.refuses, true);
	world_start_publisher(&w);
	uint64_t generation = world_commit_zone(&w, 100);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_responder_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_RESPONDER], "no memory for it"));
	assert_true(world_status(&w).responder_up);
	atomic_store(&w.responder.refuses, false);
	world_serve(&w, generation);
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.load_failed_cnt, 1);
	assert_string_equal(status.responder_error, "");
	assert_int_equal(status.compile_cnt, 1);
	world_end(&w);
}

/* A responder that hangs holds up itself only. */
static void test_responder_hangs(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	uint64_t first = world_commit_zone(&w, 100), last = 0;
	world_serve(&w, first);
	atomic_store(&w.responder.hangs, true);
	for (uint32_t i = 0; i < 5; i++) {
		last = world_commit_change(&w, 1 + i);
		stele_publisher_want(w.publisher, last);
		while (world_status(&w).compiled < last)
			world_run_for(&w, 5);
	}
	assert_int_equal(w.served, first);
	unsigned loads = atomic_load(&w.responder.load_cnt);
	atomic_store(&w.responder.hangs, false);
	world_serve(&w, last);
	/* The one that hung, and one for all that came meanwhile. */
	assert_in_range(atomic_load(&w.responder.load_cnt) - loads, 1, 2);
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

/* ---- the mapping, read by others meanwhile ---- */

struct reader {
	pthread_t thread;
	struct stele_images *images;
	atomic_bool stop;
	unsigned look_cnt, version_cnt, wrong_cnt;
};

static void *read_along(void *user)
{
	struct reader *reader = user;
	struct stele_mapped_image *image = NULL;
	uint64_t version = 0;
	while (!atomic_load(&reader->stop)) {
		uint64_t now = stele_images_version(reader->images);
		if (now != version || image == NULL) {
			uint64_t before = image ? image->generation : 0;
			stele_images_put(image);
			image = stele_images_take(reader->images);
			reader->wrong_cnt += image != NULL && image->generation < before;
			reader->version_cnt++;
			version = now;
		}
		if (image == NULL)
			continue;
		uint64_t sum = 0;
		for (uint32_t i = 0; i < image->view.shard_cnt; i++)
			if (image->view.shards[i].base != NULL)
				sum += image->view.shards[i].base[0];
		reader->wrong_cnt += sum == UINT64_MAX;
		reader->look_cnt++;
	}
	stele_images_put(image);
	return NULL;
}

static void test_readers(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	struct reader readers[3] = {
		{.images = w.images}, {.images = w.images}, {.images = w.images}};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_along, &readers[i]),
				 0);
	world_serve(&w, world_commit_zone(&w, 3000));
	for (uint32_t i = 0; i < 15; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(&readers[i].stop, true);
		pthread_join(readers[i].thread, NULL);
		assert_true(readers[i].look_cnt > 0 && readers[i].version_cnt > 1);
		assert_int_equal(readers[i].wrong_cnt, 0);
	}
	world_end(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_many_changes),
		cmocka_unit_test(test_without_responder),
		cmocka_unit_test(test_other_store),
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_silent_failure),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_says_nothing),
		cmocka_unit_test(test_says_too_much),
		cmocka_unit_test(test_no_compiler),
		cmocka_unit_test(test_end_within),
		cmocka_unit_test(test_damaged_head),
		cmocka_unit_test(test_lost_image),
		cmocka_unit_test(test_damaged_shard),
		cmocka_unit_test(test_image_that_cannot_be_updated),
		cmocka_unit_test(test_boot_mark),
		cmocka_unit_test(test_crash_left_it_whole),
		cmocka_unit_test(test_crash_damaged_it),
		cmocka_unit_test(test_crash_tore_the_tail),
		cmocka_unit_test(test_crash_left_a_root_alone),
		cmocka_unit_test(test_synced_when_quiet),
		cmocka_unit_test(test_sync_fails),
		cmocka_unit_test(test_responder_comes_back),
		cmocka_unit_test(test_responder_refuses),
		cmocka_unit_test(test_responder_hangs),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_updates_beside_compact),
		cmocka_unit_test(test_readers),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmt_publish STELE-COMPILE\n");
		return 2;
	}
	real_compiler = argv[1];
	if (getenv("STELE_TEST_FILTER") != NULL) /* for whoever looks at one of them */
		cmocka_set_test_filter(getenv("STELE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
