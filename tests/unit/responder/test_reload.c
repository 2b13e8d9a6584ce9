/* SPDX-License-Identifier: Apache-2.0 */
/* A reload: all workers get the new settings and rates, or none, wherever memory runs out. */
#include "responder/control/reload.h"
#include "responder/worker/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CONFIG                                                                                     \
	"image: /i\ncontrol: /run/c.sock\n"                                                        \
	"ports: [{device: net_ring0, name: p0, cores: [1], addresses: [192.0.2.1/24]}]\n"          \
	"answers: {nsid: %s}\n"                                                                    \
	"rrl: {%s, table_size: 64K}\n"

/* ---- memory that runs out ---- */

static size_t left = SIZE_MAX; /* allocations until one fails; SIZE_MAX: none does */

static bool fails(void)
{
	return left != SIZE_MAX && left-- == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t cnt, size_t size);
void *__wrap_calloc(size_t cnt, size_t size);
void *__wrap_calloc(size_t cnt, size_t size)
{
	return fails() ? NULL : __real_calloc(cnt, size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

/* ---- a responder, as far as a reload looks at it ---- */

enum { WORKER_CNT = 3 };

static struct stele_worker workers[WORKER_CNT];

static struct stele_worker *list[WORKER_CNT];
static struct stele_port_config port_config = {.name = "p0", .cores = {.cnt = WORKER_CNT}};
static const struct stele_responder_config config = {.ports = {.items = &port_config, .cnt = 1}};
static struct stele_port port = {.config = &port_config, .queue_cnt = WORKER_CNT};
static char path[] = "/tmp/stele-reload-XXXXXX";
static struct stele_responder responder;

static int open_responder(void **state)
{
	(void)state;
	responder = (struct stele_responder){.config = &config,
					     .config_path = path,
					     .port_cnt = 1,
					     .ports = &port,
					     .worker_cnt = WORKER_CNT,
					     .workers = list};
	int fd = mkstemp(path);
	close(fd);
	for (unsigned i = 0; i < WORKER_CNT; i++)
		list[i] = &workers[i];
	responder.grace = stele_grace_new();
	return fd < 0 || !responder.grace ? -1 : 0;
}

static int close_responder(void **state)
{
	(void)state;
	stele_grace_free(responder.grace);
	return unlink(path);
}

static int reload(const char *nsid, const char *rrl, size_t fail_at)
{
	struct stele_error error;
	FILE *file = fopen(responder.config_path, "w");

	assert_non_null(file);
	fprintf(file, CONFIG, nsid, rrl);
	fclose(file);
	left = fail_at;
	int rc = stele_reload(&responder, &error);
	if (rc && fail_at == SIZE_MAX)
		fail_msg("%s", error.text);
	return rc;
}

static bool has(const struct stele_answer_settings *answers, const char *nsid)
{
	return answers->nsid_len == strlen(nsid) && memcmp(answers->nsid, nsid, strlen(nsid)) == 0;
}

static void test_all_or_none(void **state)
{
	size_t failed_cnt = 0;
	bool failed = true;

	(void)state;
	for (size_t at = 0; failed; at++) {
		struct stele_rates *rates[WORKER_CNT];
		reload("before", "enabled: true", SIZE_MAX);
		for (unsigned i = 0; i < WORKER_CNT; i++)
			rates[i] = workers[i].rules->rates;
		int rc = reload("after", "enabled: true, slip: 1", at);
		failed = left == SIZE_MAX;
		left = SIZE_MAX;
		failed_cnt += rc != 0;
		for (unsigned i = 0; i < WORKER_CNT; i++) {
			const struct stele_worker_rules *rules = workers[i].rules;
			assert_true(has(&rules->answers, rc == 0 ? "after" : "before"));
			assert_int_equal(rules->rates == rates[i], rc != 0);
			assert_ptr_equal(rules->answers.policy_user, rules->rates->rrl);
		}
		assert_true(has(&responder.rules.answers, rc == 0 ? "after" : "before"));
		assert_int_equal(responder.rules.rrl.slip, rc == 0 ? 1 : 2);
	}
	assert_true(failed_cnt > WORKER_CNT);
	reload("after", "enabled: false", SIZE_MAX);
	for (unsigned i = 0; i < WORKER_CNT; i++) {
		assert_null(workers[i].rules->rates);
		assert_null(workers[i].rules->answers.policy);
	}
}

/* Who is over a rate stays so, whatever else is new. */
static void test_the_same_rates_go_on(void **state)
{
	struct stele_rates *rates[WORKER_CNT];

	(void)state;
	reload("before", "enabled: true", SIZE_MAX);
	for (unsigned i = 0; i < WORKER_CNT; i++)
		rates[i] = workers[i].rules->rates;
	for (unsigned round = 0; round < 3; round++)
		reload("after", "enabled: true, window: 2s", SIZE_MAX);
	for (unsigned i = 0; i < WORKER_CNT; i++) {
		assert_true(has(&workers[i].rules->answers, "after"));
		assert_ptr_equal(workers[i].rules->rates, rates[i]);
		for (unsigned j = 0; j < i; j++)
			assert_ptr_not_equal(rates[i], rates[j]);
	}
	reload("after", "enabled: false", SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_or_none),
		cmocka_unit_test(test_the_same_rates_go_on),
	};
	return cmocka_run_group_tests(tests, open_responder, close_responder);
}
