/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilers that fail in every way: what is said of it, when it is tried again, and that all is
 * well afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mgmt/publish/internal.h"
#include "tests/unit/mgmt/publish_case.h"

#include <stdio.h>
#include <string.h>

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

/* How long the publisher sleeps from now on, unless something happens. */
static double sleep_s(void)
{
	struct timeval at, now;
	assert_true(evtimer_pending(w.publisher->timer, &at));
	evutil_gettimeofday(&now, NULL);
	return (double)(at.tv_sec - now.tv_sec) + (double)(at.tv_usec - now.tv_usec) / 1e6;
}

/* The pause after it counts, whatever else is due later. */
static void test_no_process(void **state)
{
	(void)state;
	char gone[160];
	world_begin(&w, real_compiler, false);
	snprintf(w.compiler, sizeof(w.compiler), "%s", script_until_flag(":"));
	snprintf(gone, sizeof(gone), "%s/other", w.dir);
	/* The longest time until it is synced. */
	w.sync_quiet_ns = MINUTE_NS;
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 10));
	world_serve(&w, world_commit_change(&w, 1));
	assert_int_equal(rename(w.compiler, gone), 0);
	uint64_t generation = world_commit_change(&w, 2);
	stele_publisher_want(w.publisher, generation);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], "cannot be run"));
	assert_true(sleep_s() < 2);
	assert_int_equal(rename(gone, w.compiler), 0);
	world_serve(&w, generation);
	assert_int_equal(world_status(&w).compile_failed_cnt, 1);
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

/* What the compiler was asked for, a line each, by a script that says so. */
static const char *rounds_so_far(void)
{
	static char text[1024];
	char path[160];
	snprintf(path, sizeof(path), "%s/rounds", w.dir);
	FILE *file = fopen(path, "re");
	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* A publisher of which the compiler notes its rounds, and does `script` first as long as the flag is set. */
static void begin_noting(const char *script)
{
	char noting[512];
	world_begin(&w, real_compiler, false);
	snprintf(noting, sizeof(noting), "echo $1 >> %s/rounds\n%s", w.dir, script);
	snprintf(w.compiler, sizeof(w.compiler), "%s", script_until_flag(noting));
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	set_flag(true);
}

/* An update that dies again and again may die of the image. */
static void build_instead(const char *script, const char *words)
{
	begin_noting(script);
	uint64_t generation = world_commit_change(&w, 1);
	w.publisher->status.wanted = generation;
	run_failures(3);
	assert_non_null(strstr(w.trouble[TROUBLE_COMPILE], words));
	stele_pause_end(&w.publisher->pause);
	world_serve(&w, generation);
	assert_string_equal(rounds_so_far(), "update\nupdate\nupdate\nbuild\n");
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 2);
	assert_string_equal(w.trouble[TROUBLE_COMPILE], "");
	/* That was once. */
	set_flag(false);
	world_serve(&w, world_commit_change(&w, 2));
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 2);
	world_end(&w);
}

static void test_dies_of_the_image(void **state)
{
	(void)state;
	build_instead("[ $1 != update ] || kill -SEGV $$", "killed by signal 11");
}

static void test_cannot_read_the_image(void **state)
{
	(void)state;
	build_instead("[ $1 != update ] || { echo its disk failed >&2; exit 3; }",
		      "its disk failed");
}

/* Where to build is of no help either, updates are tried again: they take less. */
static void test_build_fails_too(void **state)
{
	(void)state;
	begin_noting("echo no space >&2; exit 3");
	uint64_t generation = world_commit_change(&w, 1);
	w.publisher->status.wanted = generation;
	run_failures(7);
	assert_string_equal(rounds_so_far(),
			    "update\nupdate\nupdate\nbuild\nupdate\nupdate\nupdate\n");
	set_flag(false);
	stele_pause_end(&w.publisher->pause);
	world_serve(&w, generation);
	world_end(&w);
}

int test_publish_compilers(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_silent_failure),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_says_nothing),
		cmocka_unit_test(test_says_too_much),
		cmocka_unit_test(test_no_compiler),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_end_within),
		cmocka_unit_test(test_dies_of_the_image),
		cmocka_unit_test(test_cannot_read_the_image),
		cmocka_unit_test(test_build_fails_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
