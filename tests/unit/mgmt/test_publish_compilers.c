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

int test_publish_compilers(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status),  cmocka_unit_test(test_silent_failure),
		cmocka_unit_test(test_killed),       cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_says_nothing), cmocka_unit_test(test_says_too_much),
		cmocka_unit_test(test_no_compiler),  cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_end_within),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
