/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/rings_options.h"

#include "benchmarks/loop/generator.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const rings_server_names[RINGS_SERVER_CNT] = {
	"generator alone",   "5tswap",           "stele",
	"stele with limits", "stele with rates", "stele with cookies",
};

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
	for (unsigned kind = 0; kind < RINGS_SERVER_CNT; kind++) {
		if (strcmp(name, rings_server_names[kind]) == 0) {
			*only |= 1u << kind;
			return true;
		}
	}
	return false;
}

void rings_options_parse(int argc, char **argv, struct rings_options *o)
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

	*o = (struct rings_options){
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
			ok &= o->case_cnt < RINGS_CASES_MAX;
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
			ok &= o->image_cnt < RINGS_IMAGES_MAX;
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
