/* SPDX-License-Identifier: Apache-2.0 */
/* A reload: all workers get the new settings, or none, wherever memory runs out. */
#include "responder/control/operations.h"
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
	"answers: {nsid: %s}\n"

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

/* ---- a responder, as far as a reload looks at it ---- */

enum { WORKER_CNT = 3 };

static struct stele_worker workers[WORKER_CNT];

static int reload(struct stele_responder *responder, const char *nsid, size_t fail_at)
{
	struct stele_error error;
	FILE *file = fopen(responder->config_path, "w");

	assert_non_null(file);
	fprintf(file, CONFIG, nsid);
	fclose(file);
	left = fail_at;
	int rc = stele_operations_reload(responder, &error);
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
	struct stele_worker *list[WORKER_CNT];
	char path[] = "/tmp/stele-reload-XXXXXX";
	struct stele_responder responder = {
		.config_path = path, .worker_cnt = WORKER_CNT, .workers = list};
	size_t failed_cnt = 0;
	bool failed = true;

	(void)state;
	close(mkstemp(path));
	for (unsigned i = 0; i < WORKER_CNT; i++)
		list[i] = &workers[i];
	responder.grace = stele_grace_new();
	assert_non_null(responder.grace);
	for (size_t at = 0; failed; at++) {
		reload(&responder, "before", SIZE_MAX);
		int rc = reload(&responder, "after", at);
		failed = left == SIZE_MAX;
		left = SIZE_MAX;
		failed_cnt += rc != 0;
		for (unsigned i = 0; i < WORKER_CNT; i++)
			assert_true(has(workers[i].answers, rc == 0 ? "after" : "before"));
		assert_true(has(&responder.answers, rc == 0 ? "after" : "before"));
	}
	assert_true(failed_cnt > 0);
	stele_grace_free(responder.grace);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
