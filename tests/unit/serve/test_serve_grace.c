/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers between two images: what a load waits for, readers that hang, and what is prepared and
 * not wanted.
 */
#include "tests/unit/serve/serve_case.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loading {
	struct stele_serve *serve;
	int fd;
	bool done;
};

static void *load_next(void *arg)
{
	struct loading *l = arg;
	struct stele_error err;
	if (stele_serve_load(l->serve, l->fd, "next", NULL, &err) != 0)
		abort();
	__atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void expect_unpublished(const struct stele_serve *serve, const struct stele_view *view,
			       const struct loading *loading)
{
	for (unsigned i = 0; i < 30; i++) {
		assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), view);
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 1);
		assert_false(__atomic_load_n(&loading->done, __ATOMIC_ACQUIRE));
		usleep(2000);
	}
}

/*
 * A load publishes nothing before readers have shown that they live, and does not return while one uses
 * the view before; nor does a reader that is offline hold it up.
 */
static void test_grace(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct loading loading = {.serve = serve, .fd = fds[1]};
	pthread_t thread;
	load(serve, fds[0], NULL);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	assert_int_equal(pthread_create(&thread, NULL, load_next, &loading), 0);
	expect_unpublished(serve, view, &loading);
	/* It is published, and then waits. */
	stele_serve_reader_quiescent();
	while (stele_serve_view(stele_serve_root(serve)) == view)
		usleep(1000);
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 1);
		assert_false(__atomic_load_n(&loading.done, __ATOMIC_ACQUIRE));
		usleep(2000);
	}
	stele_serve_reader_quiescent();
	stele_serve_reader_offline();
	pthread_join(thread, NULL);
	assert_true(loading.done);
	load(serve, fds[2], NULL);
	stele_serve_reader_online();
	expect_version(serve, 3);
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/*
 * Where a reader hangs on purpose, nobody has to wait for long. Everywhere else a load has to succeed, and the
 * machine may be busy: so the two are told apart, and neither depends on how fast anything is.
 */
static void set_patient(struct stele_serve *serve, bool patient)
{
	serve->reader_timeout_ms = patient ? VERSIONS_PATIENCE_MS : 50;
}

/* While a reader hangs, nothing is loaded, freed or rolled back to; when it goes on, all is as ever. */
static void test_hung_reader(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_status status, before;
	struct stele_serve_load_info info;
	struct stele_error err;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	stele_serve_status(serve, &before);
	set_patient(serve, false);
	for (unsigned i = 0; i < 4; i++) {
		int rc = i == 2 ? stele_serve_rollback(serve, &info, &err) :
				  stele_serve_load(serve, fds[i], "next", &info, &err);
		assert_int_equal(rc, STELE_E_STALE);
		assert_non_null(strstr(err.text, "stands still"));
		assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), view);
		expect_version(serve, 2);
		stele_serve_status(serve, &status);
		assert_int_equal(status.arena.used_sz, before.arena.used_sz);
		assert_true(status.has_previous);
		assert_int_equal(status.load_cnt, before.load_cnt);
	}
	stele_serve_reader_offline();
	set_patient(serve, true);
	load(serve, fds[2], NULL);
	expect_version(serve, 3);
	assert_int_equal(stele_serve_rollback(serve, &info, &err), 0);
	expect_version(serve, 2);
	stele_serve_reader_online();
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/* It hangs between the wait before publishing and the one behind it: what it looks at stays. */
static void test_hung_in_between(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_next *next = NULL;
	struct stele_serve_load_info info;
	struct stele_error err;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	assert_int_equal(stele_serve_prepare(serve, fds[2], 0, "next", &next, &err), 0);
	assert_false(stele_serve_next_info(next)->unchanged);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	stele_serve_publish(serve, next);
	set_patient(serve, false);
	assert_int_equal(stele_serve_await(serve, &err), STELE_E_STALE);
	expect_version(serve, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(stele_serve_load(serve, fds[3], "next", &info, &err),
				 STELE_E_STALE);
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 2);
		assert_int_equal(image_exercise(view, 100), image_exercise(view, 100));
	}
	expect_version(serve, 3);
	set_patient(serve, true);
	stele_serve_reader_quiescent();
	assert_int_equal(stele_serve_await(serve, &err), 0);
	stele_serve_reader_offline();
	load(serve, fds[3], NULL);
	stele_serve_reader_online();
	expect_version(serve, 4);
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/* What was prepared and is not wanted leaves no trace. */
static void test_discard(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_next *next = NULL;
	struct stele_serve_status status, before;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	stele_serve_status(serve, &before);
	assert_int_equal(stele_serve_prepare(serve, fds[2], 0, "next", &next, NULL), 0);
	stele_serve_discard(serve, next);
	assert_int_equal(stele_serve_prepare_rollback(serve, &next, NULL), 0);
	stele_serve_discard(serve, next);
	stele_serve_status(serve, &status);
	assert_int_equal(status.arena.used_sz, before.arena.used_sz);
	expect_version(serve, 2);
	assert_int_equal(stele_serve_rollback(serve, NULL, NULL), 0);
	expect_version(serve, 1);
	stele_serve_close(serve);
}

int test_serve_grace(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_hung_reader),
		cmocka_unit_test(test_hung_in_between),
		cmocka_unit_test(test_discard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
