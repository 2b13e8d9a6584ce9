/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The generator as a process of its own, over shared memory (memif) to a server that another process is: the
 * responder, or testpmd with --forward-mode=5tswap. See benchmarks/memif.
 */

#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/generator.h"
#include "benchmarks/loop/options.h"
#include "benchmarks/loop/server.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For the other side to come up and both to agree on the memory. */
#define LINK_SECONDS 20

struct options {
	const char *socket, *case_name, *image;
	enum loop_peer peer;
	struct loop_options loop;
	int cpu;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: bench_memif [options] --socket PATH IMAGE\n"
		"  --socket PATH      of the memif; the other side listens on it\n"
		"  --mirror           the other side sends back what it gets, with addresses swapped\n"
		"  --case TEXT        %s\n"
		"                     (default: hot positive)\n"
		"  --cpu N            processor of the generator (default 0)\n"
		"%s"
		"\n"
		"Prints queries a second, sent, lost, wrong, checked, and the response times p50, p99 and\n"
		"p99.9 in microseconds, with commas between them.\n",
		loop_case_names, loop_options_help);
}

static void parse_options(int argc, char **argv, struct options *o)
{
	enum { SOCKET = LOOP_OPTION_OWN, MIRROR, CASE, CPU, HELP };
	static const struct option longs[] = {
		{"socket", required_argument, NULL, SOCKET},
		{"mirror", no_argument, NULL, MIRROR},
		{"case", required_argument, NULL, CASE},
		{"cpu", required_argument, NULL, CPU},
		{"help", no_argument, NULL, HELP},
		LOOP_OPTION_ROWS,
		{NULL, 0, NULL, 0},
	};
	bool ok = true;

	*o = (struct options){
		.case_name = "hot positive",
		.peer = LOOP_SERVER,
		.loop = loop_options_default,
	};
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case SOCKET:
			o->socket = optarg;
			break;
		case MIRROR:
			o->peer = LOOP_MIRROR;
			break;
		case CASE:
			o->case_name = optarg;
			break;
		case CPU:
			o->cpu = (int)strtol(optarg, NULL, 10);
			break;
		case HELP:
			usage(stdout);
			exit(0);
		default:
			ok &= loop_options_take(&o->loop, c, optarg);
		}
	}
	if (!ok || optind + 1 != argc || !o->socket || !loop_options_are_sound(&o->loop)) {
		usage(stderr);
		exit(2);
	}
	o->image = argv[optind];
}

static uint16_t open_link(const struct options *o, struct rte_mempool *pool)
{
	uint64_t deadline = rte_rdtsc() + LINK_SECONDS * rte_get_tsc_hz();
	struct rte_eth_link link = {0};
	uint16_t port_id;

	if (rte_eth_dev_get_port_by_name("net_memif0", &port_id) != 0)
		loop_fail(3, "no memif", o->socket);
	loop_port_start(port_id, LOOP_WINDOW_MAX, pool);
	while (rte_eth_link_get_nowait(port_id, &link) == 0 &&
	       link.link_status != RTE_ETH_LINK_UP) {
		if (rte_rdtsc() > deadline)
			loop_fail(3, "nobody connects to", o->socket);
		rte_delay_us_sleep(1000);
	}
	return port_id;
}

static void report(const struct loop_result *result)
{
	printf("%.0f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.1f,%.1f,%.1f\n",
	       (double)result->counted / result->seconds, result->sent, result->lost, result->wrong,
	       result->checked, loop_quantile_us(&result->times, 0.5),
	       loop_quantile_us(&result->times, 0.99), loop_quantile_us(&result->times, 0.999));
	if (result->wrong)
		fprintf(stderr, "bench_memif: wrong: %s\n", result->first_wrong);
}

int main(int argc, char **argv)
{
	struct options o;
	struct loop_case what;
	struct loop_queries queries;
	struct stele_view view;
	struct stele_error error;
	char lcores[32], device[200];

	parse_options(argc, argv, &o);
	if (!loop_case_parse(o.case_name, &what))
		loop_fail(2, "no such case", o.case_name);
	int rc = stele_view_open_file(o.image, &view, &error);
	if (rc)
		loop_fail(stele_exit_status(rc), error.text, "");
	if (!loop_queries_make(&view, &what, 1, o.loop.query_cnt, &queries))
		loop_fail(1, "the image has no names for", o.case_name);

	snprintf(lcores, sizeof(lcores), "0@%d", o.cpu);
	snprintf(device, sizeof(device),
		 "net_memif0,role=client,bsize=2048,rsize=11,socket-abstract=no,socket=%s",
		 o.socket);
	loop_eal_start("bench_memif", lcores, device, o.loop.huge);
	struct rte_mempool *pool = loop_pool_new();
	struct loop_checker checker = {
		.answerer = stele_answerer_new(),
		.views = {&view},
		.view_cnt = 1,
	};
	if (checker.answerer == NULL)
		loop_fail(3, "no memory", "");
	loop_server_answers(false, &checker.settings);
	checker.settings.packet_cache = false; /* each is composed anew */
	const struct loop_settings settings = {
		.port_id = open_link(&o, pool),
		.pool = pool,
		.peer = o.peer,
		.queries = &queries,
		.window = o.loop.window,
		.family = 4,
		.client_cnt = LOOP_CLIENTS_MAX,
		.checker = &checker,
		.check_every = o.loop.check_every,
		.warm_seconds = o.loop.warm_seconds,
		.seconds = o.loop.seconds,
	};
	struct loop_generator *generator = loop_generator_new(&settings);
	loop_generator_run(generator);
	report(loop_generator_result(generator));

	loop_generator_free(generator);
	rte_eth_dev_stop(settings.port_id);
	rte_eth_dev_close(settings.port_id);
	rte_eal_cleanup();
	stele_answerer_free(checker.answerer);
	free(queries.items);
	stele_view_close(&view);
	return 0;
}
