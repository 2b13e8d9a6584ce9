/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/rings_run.h"

#include "benchmarks/loop/check.h"
#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/mirror.h"
#include "benchmarks/loop/server.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void rings_check(int rc, const struct stele_error *error)
{
	if (rc)
		loop_fail(stele_exit_status(rc), error->text, "");
}

/* ---- cores ---- */

/*
 * What a core runs. DPDK's libraries order what it has done before what follows the wait for it, but
 * ThreadSanitizer, which does not look into them, knows of that by `ended` alone.
 */
static struct task {
	lcore_function_t *function;
	void *argument;
	bool ended;
} tasks[RTE_MAX_LCORE];

static int run_task(void *task_argument)
{
	struct task *task = task_argument;
	int status = task->function(task->argument);
	__atomic_store_n(&task->ended, true, __ATOMIC_RELEASE);
	return status;
}

static void launch(lcore_function_t *function, void *argument, unsigned lcore)
{
	tasks[lcore] = (struct task){function, argument, false};
	int rc = rte_eal_remote_launch(run_task, &tasks[lcore], lcore);

	if (rc)
		loop_fail(3, "a core does not start", strerror(-rc));
}

static void await(unsigned lcore)
{
	rte_eal_wait_lcore(lcore);
	(void)__atomic_load_n(&tasks[lcore].ended, __ATOMIC_ACQUIRE);
}

/* ---- control, while the generator runs ---- */

/* What control did meanwhile. */
struct swaps {
	uint32_t cnt;
	double longest_ms, sum_ms;
	uint64_t copied_sz;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void swap_image(struct rings_bench *bench, struct swaps *swaps)
{
	struct stele_serve_load_info info;
	struct stele_error error;
	double began = now_ms();

	bench->image_now = (bench->image_now + 1) % bench->options.image_cnt;
	rings_check(stele_serve_load(bench->serve, bench->fds[bench->image_now],
				     bench->options.images[bench->image_now], &info, &error),
		    &error);
	double took = now_ms() - began;
	swaps->cnt++;
	swaps->sum_ms += took;
	swaps->copied_sz += info.copied_sz;
	if (took > swaps->longest_ms)
		swaps->longest_ms = took;
}

static void sleep_until(double ms)
{
	double left = ms - now_ms();

	if (left <= 0)
		return;
	struct timespec pause = {.tv_sec = (time_t)(left / 1000),
				 .tv_nsec =
					 (long)((left - (double)(long)(left / 1000) * 1000) * 1e6)};
	nanosleep(&pause, NULL);
}

/* Until the generator is done. */
static void wait_for_generator(struct rings_bench *bench, bool swapping, struct swaps *swaps)
{
	const struct rings_options *o = &bench->options;
	double next = now_ms() + o->loop.warm_seconds * 1e3;

	while (rte_eal_get_lcore_state(RINGS_LCORE_GENERATOR) == RUNNING) {
		/* rte_eal_wait_lcore() would not sleep, and take the processor from the generator. */
		sleep_until(next);
		next += o->swap_ms;
		if (!swapping || rte_eal_get_lcore_state(RINGS_LCORE_GENERATOR) != RUNNING)
			continue;
		swap_image(bench, swaps);
		if (next < now_ms())
			next = now_ms(); /* loads take longer than that: the report shows how many */
	}
	await(RINGS_LCORE_GENERATOR);
}

/* ---- what is printed ---- */

void rings_print_head(void)
{
	puts("round,case,server,swapping,qps,ns,sent,lost,wrong,checked,idle_percent,busy_ns,p50_us,p99_us,"
	     "p999_us,steady_p50_us,steady_p99_us,steady_p999_us,pauses,server_p50_us,"
	     "server_p99_us,server_p999_us,swaps,swap_ms_mean,swap_ms_longest,swap_bytes");
}

/* What the server had to do for a packet, in nanoseconds: without the time in which it found nothing. */
static double busy_ns(const struct stele_stats_worker *counters, const struct loop_mirror *mirror)
{
	uint64_t cycles = mirror->busy_cycles, packets = mirror->packet_cnt;

	if (counters) {
		packets = counters->values[STELE_STAT_RX_PACKETS];
		for (unsigned i = STELE_STAT_CYCLES_RX; i <= STELE_STAT_CYCLES_TX; i++)
			cycles += counters->values[i];
	}
	return packets ? (double)cycles * 1e9 / (double)rte_get_tsc_hz() / (double)packets : 0;
}

static void print_run(const struct loop_result *result, const char *round_case_server, double idle,
		      double busy, const struct stele_stats_worker *counters,
		      const struct swaps *swaps)
{
	const double fractions[] = {0.5, 0.99, 0.999};
	double qps = (double)result->counted / result->seconds;

	printf("%s,%.0f,%.2f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.1f,%.1f",
	       round_case_server, qps, 1e9 / qps, result->sent, result->lost, result->wrong,
	       result->checked, idle * 100, busy);
	for (unsigned i = 0; i < 3; i++)
		printf(",%.1f", loop_quantile_us(&result->times, fractions[i]));
	for (unsigned i = 0; i < 3; i++)
		printf(",%.1f", loop_quantile_us(&result->steady, fractions[i]));
	printf(",%" PRIu64, result->pauses);
	for (unsigned i = 0; i < 3; i++) {
		if (counters)
			printf(",%.2f",
			       (double)stele_stats_quantile(counters, STELE_HISTOGRAM_RESPONSE_TIME,
							    fractions[i]) /
				       1e3);
		else
			printf(",");
	}
	printf(",%u,%.2f,%.2f,%" PRIu64 "\n", swaps->cnt,
	       swaps->cnt ? swaps->sum_ms / swaps->cnt : 0, swaps->longest_ms, swaps->copied_sz);
	fflush(stdout);
	if (result->wrong)
		fprintf(stderr, "bench_rings: %s: wrong: %s\n", round_case_server,
			result->first_wrong);
}

/* ---- the run ---- */

static void take_turn(void *worker)
{
	stele_worker_turn(worker);
}

/* The generator's thread, with the worker's turns in it. */
static int run_together(void *generator)
{
	stele_serve_reader_begin();
	loop_generator_run(generator);
	stele_serve_reader_end();
	return 0;
}

void rings_run(struct rings_bench *bench, unsigned round, unsigned case_index,
	       enum rings_server kind, bool swapping)
{
	const struct rings_options *o = &bench->options;
	struct loop_checker checker = {.answerer = stele_answerer_new(), .view_cnt = o->image_cnt};
	struct loop_mirror mirror = {.port_id = bench->server_port};
	static struct loop_server server; /* large */
	struct stele_error error;
	struct swaps swaps = {0};
	bool stele = kind >= RINGS_SERVER_STELE;
	bool cookies = kind == RINGS_SERVER_STELE_LIMITS || kind == RINGS_SERVER_STELE_COOKIES;

	if (checker.answerer == NULL)
		loop_fail(3, "no memory", "");
	for (unsigned i = 0; i < o->image_cnt; i++)
		checker.views[i] = &bench->views[i];
	loop_server_answers(cookies, &checker.settings);
	checker.settings.packet_cache = false; /* each is composed anew */
	bool together = stele && o->together;
	struct loop_settings settings = {
		.port_id = kind == RINGS_SERVER_NONE ? bench->alone_port : bench->generator_port,
		.pool = bench->pool,
		.peer = stele                       ? LOOP_SERVER :
			kind == RINGS_SERVER_MIRROR ? LOOP_MIRROR :
						      LOOP_NOBODY,
		.queries = &bench->queries[case_index],
		.window = o->loop.window,
		.family = o->family,
		.client_cnt = o->client_cnt,
		.checker = &checker,
		.check_every = o->loop.check_every,
		.warm_seconds = o->loop.warm_seconds,
		.seconds = o->loop.seconds,
	};
	if (stele) {
		const struct loop_server_settings server_settings = {
			.lcore = RINGS_LCORE_SERVER,
			.port_id = bench->server_port,
			.pool = bench->pool,
			.root = stele_serve_root(bench->serve),
			.rrl = kind == RINGS_SERVER_STELE_LIMITS || kind == RINGS_SERVER_STELE_RRL,
			.cookies = cookies,
		};
		rings_check(loop_server_open(&server_settings, &server, &error), &error);
		settings.turn = together ? take_turn : NULL;
		settings.turn_user = server.worker;
		if (!together)
			launch(stele_worker_run, server.worker, RINGS_LCORE_SERVER);
	} else if (kind == RINGS_SERVER_MIRROR) {
		launch(loop_mirror_run, &mirror, RINGS_LCORE_SERVER);
	}
	struct loop_generator *generator = loop_generator_new(&settings);
	launch(together ? run_together : loop_generator_run, generator, RINGS_LCORE_GENERATOR);
	wait_for_generator(bench, swapping, &swaps);
	if (stele && !together)
		stele_worker_stop(server.worker);
	__atomic_store_n(&mirror.stop, 1, __ATOMIC_RELAXED);
	await(RINGS_LCORE_SERVER);

	const struct loop_result *result = loop_generator_result(generator);
	double empty = (double)mirror.empty_cnt, bursts = (double)mirror.burst_cnt;
	if (stele) {
		empty = (double)server.counters->values[STELE_STAT_POLLS_EMPTY];
		bursts = (double)server.counters->values[STELE_STAT_BURSTS];
		if (stele_stats_balance(server.counters) != 0)
			loop_fail(1, "the worker lost count of packets", "");
	}
	char name[128];
	snprintf(name, sizeof(name), "%u,%s,%s,%s", round, bench->cases[case_index].name,
		 rings_server_names[kind], swapping ? "yes" : "no");
	const struct stele_stats_worker *counters = stele ? server.counters : NULL;
	print_run(result, name, empty + bursts > 0 ? empty / (empty + bursts) : 0,
		  busy_ns(counters, &mirror), counters, &swaps);
	if (stele)
		loop_server_close(&server);
	loop_generator_free(generator);
	stele_answerer_free(checker.answerer);
}
