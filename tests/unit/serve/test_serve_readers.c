/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers ask without a pause while images change under them hundreds of times. Every answer is that of
 * one version; within a burst it is one version; no reader sees an older load after a newer one.
 *
 * usage: test_serve_readers VERSION...
 */
#include "tests/unit/serve/serve_versions.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define READERS 3
#define VERSIONS_MAX 32
/* ThreadSanitizer takes thirty times as long. */
#define SWAPS (STELE_SERVE_NOTES ? 12u : 200u)
#define SERIALS_MAX 100000

static int fds[VERSIONS_MAX];
static unsigned version_cnt;

/* Which version the view with a serial is of; written before it is published. 0: not known yet. */
static unsigned version_of[SERIALS_MAX];

struct reader {
	const struct stele_serve_root *root;
	bool *stop;
	bool sleeps; /* goes offline now and then */
	unsigned long burst_cnt, change_cnt;
	const char *fault;
};

static const uint8_t zones[][12] = {"\5plain\4test", "\4nsec\4test", "\5nsec3\4test",
				    "\5small\4test"};
static const size_t zone_lens[] = {12, 11, 12, 12};

static void ask_burst(struct reader *r, struct stele_answerer *answerer, uint64_t *last_serial)
{
	const struct stele_view *view = stele_serve_view(r->root);
	uint64_t serial = view->serial;
	unsigned first = 0;
	if (serial < *last_serial)
		r->fault = "an older load after a newer one";
	r->change_cnt += serial != *last_serial;
	*last_serial = serial;
	for (unsigned i = 0; i < 4; i++) {
		unsigned version = versions_ask(answerer, view, zones[i], zone_lens[i]);
		if (version == 0 || version > version_cnt)
			r->fault = "a wrong answer";
		if (i > 0 && version != first)
			r->fault = "two versions in one burst";
		first = version;
	}
	unsigned known = __atomic_load_n(&version_of[serial % SERIALS_MAX], __ATOMIC_ACQUIRE);
	if (known != 0 && known != first)
		r->fault = "the answers of another version";
	r->burst_cnt++;
}

static void *read_on(void *arg)
{
	struct reader *r = arg;
	struct stele_answerer *answerer = stele_answerer_new();
	uint64_t last_serial = 0;
	stele_serve_reader_begin();
	while (!__atomic_load_n(r->stop, __ATOMIC_RELAXED) && r->fault == NULL) {
		ask_burst(r, answerer, &last_serial);
		stele_serve_reader_quiescent();
		sched_yield(); /* there may be fewer cores than readers */
		if (r->sleeps && r->burst_cnt % 64 == 0) {
			stele_serve_reader_offline();
			usleep(1000);
			stele_serve_reader_online();
		}
	}
	stele_serve_reader_end();
	stele_answerer_free(answerer);
	return NULL;
}

static void note(const struct stele_serve_load_info *info, unsigned version)
{
	__atomic_store_n(&version_of[info->serial % SERIALS_MAX], version, __ATOMIC_RELEASE);
}

static void test_swaps(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open((size_t)128 << 20);
	struct stele_serve_load_info info;
	struct stele_error err;
	struct reader readers[READERS] = {{0}};
	pthread_t threads[READERS];
	bool stop = false;
	unsigned current = 0, previous = 0;
	srand(11);
	assert_int_equal(stele_serve_load(serve, fds[0], "first", &info, &err), 0);
	note(&info, 1);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){
			.root = stele_serve_root(serve), .stop = &stop, .sleeps = i == 0};
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, readers + i), 0);
	}
	for (unsigned i = 0; i < SWAPS; i++) {
		unsigned next = (unsigned)rand() % version_cnt;
		if (i > 0 && rand() % 5 == 0) {
			if (stele_serve_rollback(serve, &info, &err) != 0)
				continue;
			next = previous;
			previous = current;
			current = next;
		} else {
			if (stele_serve_load(serve, fds[next], "next", &info, &err) != 0)
				fail_msg("%s", err.text);
			if (info.unchanged)
				continue;
			previous = current;
			current = next;
		}
		note(&info, current + 1);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i].fault != NULL)
			fail_msg("reader %u: %s", i, readers[i].fault);
		assert_true(readers[i].change_cnt > 1);
		print_message("reader %u: %lu bursts, %lu images\n", i, readers[i].burst_cnt,
			      readers[i].change_cnt);
	}
	stele_serve_close(serve);
}

int main(int argc, char **argv)
{
	version_cnt = (unsigned)argc - 1;
	if (version_cnt < 2 || version_cnt > VERSIONS_MAX) {
		fputs("usage: test_serve_readers VERSION...\n", stderr);
		return 2;
	}
	for (unsigned i = 0; i < version_cnt; i++)
		fds[i] = open(argv[1 + i], O_RDONLY | O_CLOEXEC);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_swaps)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < version_cnt; i++)
		close(fds[i]);
	return failed;
}
