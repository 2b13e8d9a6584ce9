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
#include "benchmarks/loop/rings_options.h"
#include "benchmarks/loop/rings_run.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_SZ 2048 /* holds a whole window, so that no ring ever runs over */

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

static void make_ports(struct rings_bench *bench)
{
	struct rte_ring *queries = make_ring("queries"), *replies = make_ring("replies");
	struct rte_ring *back = make_ring("back");

	bench->pool = loop_pool_new();
	bench->generator_port = make_port("generator", replies, queries, bench->pool);
	bench->server_port = make_port("server", queries, replies, bench->pool);
	bench->alone_port = make_port("alone", back, back, bench->pool);
}

static void open_images(struct rings_bench *bench)
{
	const struct rings_options *o = &bench->options;
	struct stele_error error;
	size_t largest = 0;

	for (unsigned i = 0; i < o->image_cnt; i++) {
		struct stat status;
		bench->fds[i] = open(o->images[i], O_RDONLY | O_CLOEXEC);
		if (bench->fds[i] < 0 || fstat(bench->fds[i], &status) != 0)
			loop_fail(3, o->images[i], strerror(errno));
		if ((size_t)status.st_size > largest)
			largest = (size_t)status.st_size;
		rings_check(stele_view_open_file(o->images[i], &bench->views[i], &error), &error);
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
	rings_check(stele_serve_open(&serve, &bench->serve, &error), &error);
	rings_check(stele_serve_load(bench->serve, bench->fds[0], o->images[0], &info, &error),
		    &error);
}

static void make_queries(struct rings_bench *bench)
{
	const struct rings_options *o = &bench->options;

	for (unsigned i = 0; i < o->case_cnt; i++) {
		if (!loop_case_parse(o->cases[i], &bench->cases[i]))
			loop_fail(2, "no such case", o->cases[i]);
		if (!loop_queries_make(&bench->views[0], &bench->cases[i], 1 + i, o->loop.query_cnt,
				       &bench->queries[i]))
			loop_fail(1, "the image has no names for", o->cases[i]);
	}
}

/* ---- turns ---- */

/* Which servers take their turns, a bit for each. */
static unsigned servers_of(const struct rings_bench *bench, unsigned case_index)
{
	if (bench->options.only)
		return bench->options.only;
	if (bench->options.image_cnt > 1)
		return 1u << RINGS_SERVER_STELE;
	unsigned stele = 1u << RINGS_SERVER_STELE | 1u << RINGS_SERVER_STELE_LIMITS;
	if (bench->cases[case_index].cookie)
		return stele;
	if (bench->options.together)
		return 1u << RINGS_SERVER_NONE | stele;
	return 1u << RINGS_SERVER_NONE | 1u << RINGS_SERVER_MIRROR | stele;
}

static void run_round(struct rings_bench *bench, unsigned round)
{
	for (unsigned i = 0; i < bench->options.case_cnt; i++) {
		for (unsigned kind = 0; kind < RINGS_SERVER_CNT; kind++) {
			if ((servers_of(bench, i) & 1u << kind) == 0)
				continue;
			rings_run(bench, round, i, (enum rings_server)kind, false);
			if (bench->options.image_cnt > 1)
				rings_run(bench, round, i, (enum rings_server)kind, true);
		}
	}
}

int main(int argc, char **argv)
{
	static struct rings_bench bench;
	char lcores[96];

	rings_options_parse(argc, argv, &bench.options);
	const int *cpus = bench.options.cpus;
	snprintf(lcores, sizeof(lcores), "%d@%d,%d@%d,%d@%d", RINGS_LCORE_CONTROL, cpus[0],
		 RINGS_LCORE_GENERATOR, bench.options.together ? cpus[2] : cpus[1],
		 RINGS_LCORE_SERVER, cpus[2]);
	loop_eal_start("bench_rings", lcores, NULL, bench.options.loop.huge);
	make_ports(&bench);
	open_images(&bench);
	make_queries(&bench);
	rings_print_head();
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
