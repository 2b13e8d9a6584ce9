/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's end: what runs is waited for, and what waits is dropped with all that it owns. */
#include "responder/control/jobs.h"

#include <rte_eal.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static sem_t began, may_end;
static unsigned run_cnt, drop_cnt, tidy_cnt;

static void tidy(void *user)
{
	(void)user;
	tidy_cnt++;
}

/* Runs until the end of the loader has dropped what waits behind it. */
static int run(void *arg, json_t *response, struct stele_error *reterr)
{
	(void)arg;
	(void)response;
	(void)reterr;
	run_cnt++;
	sem_post(&began);
	sem_wait(&may_end);
	return 0;
}

static void drop(void *arg)
{
	(void)arg;
	if (drop_cnt++ == 0)
		sem_post(&may_end);
}

static void test_what_waits_is_dropped(void **state)
{
	(void)state;
	enum { WAITING = 5 };
	struct stele_jobs *jobs;
	struct stele_error error;

	sem_init(&began, 0, 0);
	sem_init(&may_end, 0, 0);
	if (stele_jobs_start(tidy, NULL, &jobs, &error) != 0)
		fail_msg("%s", error.text);
	assert_true(stele_jobs_submit(jobs, run, drop, NULL) != 0);
	sem_wait(&began);
	for (unsigned i = 0; i < WAITING; i++)
		assert_true(stele_jobs_submit(jobs, run, drop, NULL) != 0);
	assert_true(stele_jobs_submit(jobs, run, NULL, NULL) != 0);
	stele_jobs_stop(jobs);
	assert_int_equal(run_cnt, 1);
	assert_int_equal(drop_cnt, WAITING);
	assert_int_equal(tidy_cnt, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits_is_dropped),
	};
	char *args[] = {"test_jobs", "--no-huge", "--no-shconf",  "--no-pci",     "--no-telemetry",
			"-m",        "16",        "--lcores=0@0", "--log-level=4"};

	if (rte_eal_init(sizeof(args) / sizeof(args[0]), args) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
