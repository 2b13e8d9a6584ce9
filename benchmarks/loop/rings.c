/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A whole responder's worker in one process, between two rings: what a core answers when no network card is in
 * the way.
 *
 *     generator (lcore 1) --ring--> server (lcore 2) --ring--> generator
 *
 * Servers take turns on the same rings: the responder's worker, with and without rate limits and cookies,
 * and a mirror that does what testpmd's 5tswap does. The generator alone, on rings that lead back to it, is
 * the limit of the measurement. The thread that loads images (lcore 0) shares the generator's
 * processor unless it is given one of its own.
 *
 * With --together, generator and server take turns in one thread on the server's processor: on a machine with
 * two, loads have the other one then, and no time is that of a thread which the system did not run.
 */

#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/mirror.h"
#include "benchmarks/loop/options.h"
#include "benchmarks/loop/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LCORE_CONTROL, LCORE_GENERATOR, LCORE_SERVER };

#define RING_SZ 2048 /* holds a whole window, so that no ring ever runs over */
#define CASES_MAX 16
#define IMAGES_MAX LOOP_CHECK_VIEWS_MAX

enum server_kind {
	SERVER_NONE,
	SERVER_MIRROR,
	SERVER_STELE,
	SERVER_STELE_LIMITS, /* rate limits and cookies */
	SERVER_STELE_RRL,
	SERVER_STELE_COOKIES,
	SERVER_CNT
};
static const char *const server_names[SERVER_CNT] = {
	"generator alone",   "5tswap",           "stele",
	"stele with limits", "stele with rates", "stele with cookies",
};

struct options {
	const char *cases[CASES_MAX];
	unsigned case_cnt;
	const char *images[IMAGES_MAX];
	unsigned image_cnt;
	unsigned only; /* a bit for each enum server_kind that is asked for; 0: as the case has it */
	unsigned swap_ms;
	struct loop_options loop;
	unsigned rounds, family;
	uint32_t client_cnt;
	int cpus[3];
	bool together;
	size_t arena_sz;
};

struct bench {
	struct options options;
	struct rte_mempool *pool;
	uint16_t generator_port, server_port, alone_port;
	struct stele_serve *serve;
	int fds[IMAGES_MAX];
	struct stele_view views[IMAGES_MAX];
	struct loop_case cases[CASES_MAX];
	struct loop_queries queries[CASES_MAX];
	unsigned image_now;
};

/* What control did meanwhile. */
struct swaps {
	uint32_t cnt;
	double longest_ms, sum_ms;
	uint64_t copied_sz;
};

static void check(int rc, const struct stele_error *error)
{
	if (rc)
		loop_fail(stele_exit_status(rc), error->text, "");
}

/* ---- options ---- */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: bench_rings [options] IMAGE\n"
		"  --case TEXT        %s;\n"
		"                     may be given several times (default: hot positive)\n"
		"  --server TEXT      only this one: generator alone|5tswap|stele|stele with limits|\n"
		"                     stele with rates|stele with cookies; may be given several times\n"
		"  --rounds N         of all runs in turn (default 5)\n"
		"  --clients N        networks that queries come from (default 65536)\n"
		"  --family 4|6|both  (default 4)\n"
		"  --swap IMAGE       measure with images that take turns, this one among them; may be\n"
		"                     given several times\n"
		"  --swap-every MS    (default 100)\n"
		"  --cpus C,G,S       processors of control, generator, server (default 0,0,1)\n"
		"  --together         generator and server take turns in one thread, on S\n"
		"  --arena MB         memory for images (default: by their size)\n"
		"%s"
		"\n"
		"Prints comma-separated values, one line for each run. Wrong and lost replies are counted\n"
		"there; the first wrong one of a run is shown on standard error.\n",
		loop_case_names, loop_options_help);
}

static bool parse_cpus(const char *text, int cpus[3])
{
	for (unsigned i = 0; i < 3; i++) {
		char *end;
		long cpu = strtol(text, &end, 10);
		if (end == text || *end != (i < 2 ? ',' : '\0') || cpu < INT_MIN || cpu > INT_MAX)
			return false;
		cpus[i] = (int)cpu;
		text = end + 1;
	}
	return true;
}

static bool take_server(const char *name, unsigned *only)
{
	for (unsigned kind = 0; kind < SERVER_CNT; kind++) {
		if (strcmp(name, server_names[kind]) == 0) {
			*only |= 1u << kind;
			return true;
		}
	}
	return false;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	enum {
		CASE = LOOP_OPTION_OWN,
		SERVER,
		ROUNDS,
		CLIENTS,
		FAMILY,
		SWAP,
		EVERY,
		CPUS,
		TOGETHER,
		ARENA,
		HELP
	};
	static const struct option longs[] = {
		{"case", required_argument, NULL, CASE},
		{"server", required_argument, NULL, SERVER},
		{"rounds", required_argument, NULL, ROUNDS},
		{"clients", required_argument, NULL, CLIENTS},
		{"family", required_argument, NULL, FAMILY},
		{"swap", required_argument, NULL, SWAP},
		{"swap-every", required_argument, NULL, EVERY},
		{"cpus", required_argument, NULL, CPUS},
		{"together", no_argument, NULL, TOGETHER},
		{"arena", required_argument, NULL, ARENA},
		{"help", no_argument, NULL, HELP},
		LOOP_OPTION_ROWS,
		{NULL, 0, NULL, 0},
	};
	bool ok = true;

	*o = (struct options){
		.loop = loop_options_default,
		.image_cnt = 1,
		.swap_ms = 100,
		.rounds = 5,
		.family = 4,
		.client_cnt = LOOP_CLIENTS_MAX,
		.cpus = {0, 0, 1},
	};
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case CASE:
			ok &= o->case_cnt < CASES_MAX;
			if (ok)
				o->cases[o->case_cnt++] = optarg;
			break;
		case SERVER:
			ok &= take_server(optarg, &o->only);
			break;
		case ROUNDS:
			o->rounds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case CLIENTS:
			o->client_cnt = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case FAMILY:
			o->family = strcmp(optarg, "both") == 0 ?
					    0 :
					    (unsigned)strtoul(optarg, NULL, 10);
			break;
		case SWAP:
			ok &= o->image_cnt < IMAGES_MAX;
			if (ok)
				o->images[o->image_cnt++] = optarg;
			break;
		case EVERY:
			o->swap_ms = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case CPUS:
			ok &= parse_cpus(optarg, o->cpus);
			break;
		case TOGETHER:
			o->together = true;
			break;
		case ARENA:
			o->arena_sz = strtoul(optarg, NULL, 10) << 20;
			break;
		case HELP:
			usage(stdout);
			exit(0);
		default:
			ok &= loop_options_take(&o->loop, c, optarg);
		}
	}
	if (o->case_cnt == 0)
		o->cases[o->case_cnt++] = "hot positive";
	ok = ok && optind + 1 == argc && loop_options_are_sound(&o->loop) && o->rounds > 0 &&
	     o->client_cnt >= 1 && o->client_cnt <= LOOP_CLIENTS_MAX && o->swap_ms > 0 &&
	     (o->family == 0 || o->family == 4 || o->family == 6);
	if (!ok) {
		usage(stderr);
		exit(2);
	}
	o->images[0] = argv[optind];
}

/* ---- rings, ports, images ---- */

static uint16_t make_port(const char *name, struct rte_ring *in, struct rte_ring *out,
			  struct rte_mempool *pool)
{
	int id = rte_eth_from_rings(name, &in, 1, &out, 1, rte_socket_id());

	if (id < 0)
		loop_fail(3, "no port of rings", rte_strerror(rte_errno));
	loop_port_start((uint16_t)id, RING_SZ, pool);
	return (uint16_t)id;
}

static struct rte_ring *make_ring(const char *name)
{
	struct rte_ring *ring =
		rte_ring_create(name, RING_SZ, (int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);

	if (ring == NULL)
		loop_fail(3, "no ring", rte_strerror(rte_errno));
	return ring;
}

static void make_ports(struct bench *bench)
{
	struct rte_ring *queries = make_ring("queries"), *replies = make_ring("replies");
	struct rte_ring *back = make_ring("back");

	bench->pool = loop_pool_new();
	bench->generator_port = make_port("generator", replies, queries, bench->pool);
	bench->server_port = make_port("server", queries, replies, bench->pool);
	bench->alone_port = make_port("alone", back, back, bench->pool);
}

static void open_images(struct bench *bench)
{
	const struct options *o = &bench->options;
	struct stele_error error;
	size_t largest = 0;

	for (unsigned i = 0; i < o->image_cnt; i++) {
		struct stat status;
		bench->fds[i] = open(o->images[i], O_RDONLY | O_CLOEXEC);
		if (bench->fds[i] < 0 || fstat(bench->fds[i], &status) != 0)
			loop_fail(3, o->images[i], strerror(errno));
		if ((size_t)status.st_size > largest)
			largest = (size_t)status.st_size;
		check(stele_view_open_file(o->images[i], &bench->views[i], &error), &error);
	}
	/* Images that take turns share most of their shards. */
	size_t room = o->arena_sz ? o->arena_sz :
				    largest + largest / (o->image_cnt > 1 ? 2 : 8) + (64u << 20);
	const struct stele_serve_options serve = {
		.arena = {.size = room,
			  .pages = o->loop.huge ? STELE_ARENA_PAGES_AUTO : STELE_ARENA_PAGES_PLAIN,
			  .node = -1},
	};
	struct stele_serve_load_info info;
	check(stele_serve_open(&serve, &bench->serve, &error), &error);
	check(stele_serve_load(bench->serve, bench->fds[0], o->images[0], &info, &error), &error);
}

static void make_queries(struct bench *bench)
{
	const struct options *o = &bench->options;

	for (unsigned i = 0; i < o->case_cnt; i++) {
		if (!loop_case_parse(o->cases[i], &bench->cases[i]))
			loop_fail(2, "no such case", o->cases[i]);
		if (!loop_queries_make(&bench->views[0], &bench->cases[i], 1 + i, o->loop.query_cnt,
				       &bench->queries[i]))
			loop_fail(1, "the image has no names for", o->cases[i]);
	}
}

/* ---- runs ---- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void swap_image(struct bench *bench, struct swaps *swaps)
{
	struct stele_serve_load_info info;
	struct stele_error error;
	double began = now_ms();

	bench->image_now = (bench->image_now + 1) % bench->options.image_cnt;
	check(stele_serve_load(bench->serve, bench->fds[bench->image_now],
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
static void wait_for_generator(struct bench *bench, bool swapping, struct swaps *swaps)
{
	const struct options *o = &bench->options;
	double next = now_ms() + o->loop.warm_seconds * 1e3;

	while (rte_eal_get_lcore_state(LCORE_GENERATOR) == RUNNING) {
		/* rte_eal_wait_lcore() would not sleep, and take the processor from the generator. */
		sleep_until(next);
		next += o->swap_ms;
		if (!swapping || rte_eal_get_lcore_state(LCORE_GENERATOR) != RUNNING)
			continue;
		swap_image(bench, swaps);
		if (next < now_ms())
			next = now_ms(); /* loads take longer than that: the report shows how many */
	}
	rte_eal_wait_lcore(LCORE_GENERATOR);
}

static void print_head(void)
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

static void launch(lcore_function_t *function, void *argument, unsigned lcore)
{
	int rc = rte_eal_remote_launch(function, argument, lcore);

	if (rc)
		loop_fail(3, "a core does not start", strerror(-rc));
}

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

static void run_one(struct bench *bench, unsigned round, unsigned case_index, enum server_kind kind,
		    bool swapping)
{
	const struct options *o = &bench->options;
	struct loop_checker checker = {.answerer = stele_answerer_new(), .view_cnt = o->image_cnt};
	struct loop_mirror mirror = {.port_id = bench->server_port};
	static struct loop_server server; /* large */
	struct stele_error error;
	struct swaps swaps = {0};
	bool stele = kind >= SERVER_STELE;
	bool cookies = kind == SERVER_STELE_LIMITS || kind == SERVER_STELE_COOKIES;

	if (checker.answerer == NULL)
		loop_fail(3, "no memory", "");
	for (unsigned i = 0; i < o->image_cnt; i++)
		checker.views[i] = &bench->views[i];
	loop_server_answers(cookies, &checker.settings);
	bool together = stele && o->together;
	struct loop_settings settings = {
		.port_id = kind == SERVER_NONE ? bench->alone_port : bench->generator_port,
		.pool = bench->pool,
		.peer = stele                 ? LOOP_SERVER :
			kind == SERVER_MIRROR ? LOOP_MIRROR :
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
			.lcore = LCORE_SERVER,
			.port_id = bench->server_port,
			.pool = bench->pool,
			.root = stele_serve_root(bench->serve),
			.rrl = kind == SERVER_STELE_LIMITS || kind == SERVER_STELE_RRL,
			.cookies = cookies,
		};
		check(loop_server_open(&server_settings, &server, &error), &error);
		settings.turn = together ? take_turn : NULL;
		settings.turn_user = server.worker;
		if (!together)
			launch(stele_worker_run, server.worker, LCORE_SERVER);
	} else if (kind == SERVER_MIRROR) {
		launch(loop_mirror_run, &mirror, LCORE_SERVER);
	}
	struct loop_generator *generator = loop_generator_new(&settings);
	launch(together ? run_together : loop_generator_run, generator, LCORE_GENERATOR);
	wait_for_generator(bench, swapping, &swaps);
	if (stele && !together)
		stele_worker_stop(server.worker);
	__atomic_store_n(&mirror.stop, 1, __ATOMIC_RELAXED);
	rte_eal_wait_lcore(LCORE_SERVER);

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
		 server_names[kind], swapping ? "yes" : "no");
	const struct stele_stats_worker *counters = stele ? server.counters : NULL;
	print_run(result, name, empty + bursts > 0 ? empty / (empty + bursts) : 0,
		  busy_ns(counters, &mirror), counters, &swaps);
	if (stele)
		loop_server_close(&server);
	loop_generator_free(generator);
	stele_answerer_free(checker.answerer);
}

/* Which servers take their turns, a bit for each. */
static unsigned servers_of(const struct bench *bench, unsigned case_index)
{
	if (bench->options.only)
		return bench->options.only;
	if (bench->options.image_cnt > 1)
		return 1u << SERVER_STELE;
	if (bench->cases[case_index].cookie)
		return 1u << SERVER_STELE | 1u << SERVER_STELE_LIMITS;
	return 1u << SERVER_NONE | 1u << SERVER_MIRROR | 1u << SERVER_STELE;
}

static void run_round(struct bench *bench, unsigned round)
{
	for (unsigned i = 0; i < bench->options.case_cnt; i++) {
		for (unsigned kind = 0; kind < SERVER_CNT; kind++) {
			if ((servers_of(bench, i) & 1u << kind) == 0)
				continue;
			run_one(bench, round, i, (enum server_kind)kind, false);
			if (bench->options.image_cnt > 1)
				run_one(bench, round, i, (enum server_kind)kind, true);
		}
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	char lcores[96];

	parse_options(argc, argv, &bench.options);
	const int *cpus = bench.options.cpus;
	snprintf(lcores, sizeof(lcores), "%d@%d,%d@%d,%d@%d", LCORE_CONTROL, cpus[0],
		 LCORE_GENERATOR, bench.options.together ? cpus[2] : cpus[1], LCORE_SERVER,
		 cpus[2]);
	loop_eal_start("bench_rings", lcores, NULL, bench.options.loop.huge);
	make_ports(&bench);
	open_images(&bench);
	make_queries(&bench);
	print_head();
	for (unsigned round = 1; round <= bench.options.rounds; round++)
		run_round(&bench, round);
	stele_serve_close(bench.serve);
	for (unsigned i = 0; i < bench.options.case_cnt; i++)
		free(bench.queries[i].items);
	for (unsigned i = 0; i < bench.options.image_cnt; i++) {
		stele_view_close(&bench.views[i]);
		close(bench.fds[i]);
	}
	rte_eal_cleanup();
	return 0;
}
