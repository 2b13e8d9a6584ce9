/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an answer costs, without any I/O: prepared queries in batches through lib/answer.
 *
 * Queries are copied into the batch's buffers outside of the measured time, as a NIC would put them
 * into the cache; replies are written in place. Beside each image stand two limits, measured in the
 * same run: the same loop where nothing is looked up (an image without zones: read, hash, REFUSED), and
 * as many reads from random places of the same memory as a lookup needs, batched the same way.
 * All cases take turns, several rounds. A round's figure is that of its median batch, so that what
 * else the machine does between two batches is not taken for the cost of an answer; of the rounds
 * again the median and the spread are reported.
 *
 * A virtual processor whose core others use has slow spells, in which everything takes up to twice as
 * long. So a round is cut into slices of a few milliseconds, with a probe of fixed work that touches no
 * memory to speak of between them. A slice is *clear* if the probes on both sides of it took at most
 * 15 % longer than the fastest probes of the whole run. Beside the figure of all rounds stands that of the
 * clear slices alone (their median), and which share of the slices was clear.
 */

#include "benchmarks/engine/sample.h"
#include "benchmarks/measure.h"

#include "lib/answer/answer.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HOT_CNT 512 /* queries that stay in the first-level caches with what they touch */
#define ROUNDS_MAX 31
#define BUFFER_SZ (1536 + 64) /* an odd number of cache lines apart: see batch.c */

/* Batches of a slice. Fewer, and the probes cool the caches for a larger part of it; more, and few
 * slices lie within one spell. */
#define SLICE_BATCHES 256
#define CLEAR_FACTOR 1.15

struct bench_case {
	char name[64];
	struct sample_query *queries;
	size_t query_cnt;
	bool lookups;      /* false: against the image without zones */
	bool packet_cache; /* whole replies may be kept */
	double ns[ROUNDS_MAX];
	uint64_t reply_bytes;
	struct slice *slices;
	size_t slice_cnt;
};

struct slice {
	double ns;    /* a query, of the median batch */
	double probe; /* ticks of the slower of the probes around it */
};

static double ns_per_tick;

/* The image in memory of its own, on huge pages if `huge`: what the responder will serve from. */
static uint8_t *load(const char *path, bool huge, size_t *ret_sz)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		exit(3);
	}
	fseek(f, 0, SEEK_END);
	size_t sz = (size_t)ftell(f);
	rewind(f);
	const size_t huge_sz = 2u << 20;
	uint8_t *memory = mmap(NULL, sz + 2 * huge_sz, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(3);
	}
	memory += huge_sz - (uintptr_t)memory % huge_sz;
	madvise(memory, sz + huge_sz, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (fread(memory, 1, sz, f) != sz) {
		perror(path);
		exit(3);
	}
	fclose(f);
	*ret_sz = sz;
	return memory;
}

static void run_case(struct bench_case *c, unsigned round, struct stele_answerer *answerer,
		     const struct stele_view *view, unsigned batch, size_t total, uint8_t *buffers,
		     double *batch_ticks)
{
	struct stele_answer_settings settings;
	stele_answer_settings_default(&settings);
	settings.packet_cache = c->packet_cache;
	struct stele_query queries[STELE_BATCH_MAX];
	struct stele_reply replies[STELE_BATCH_MAX];
	memset(queries, 0, sizeof(queries));
	memset(replies, 0, sizeof(replies));
	size_t next = 0, batch_cnt = 0, slice_at = 0;
	double before = measure_probe();
	for (size_t done = 0; done < total; done += batch) {
		for (unsigned i = 0; i < batch; i++) {
			const struct sample_query *q = &c->queries[next];
			uint8_t *buffer = buffers + (size_t)i * BUFFER_SZ;
			memcpy(buffer, q->msg, q->len);
			queries[i].msg = buffer;
			queries[i].len = q->len;
			replies[i].buf = buffer;
			replies[i].cap = 1472;
			next = next + 1 == c->query_cnt ? 0 : next + 1;
		}
		uint64_t t0 = measure_ticks();
		stele_answer_batch(answerer, view, &settings, 0, queries, replies, batch);
		batch_ticks[batch_cnt++] = (double)(measure_ticks() - t0);
		if (round == 0) {
			for (unsigned i = 0; i < batch; i++)
				c->reply_bytes += replies[i].len;
		}
		if (batch_cnt - slice_at < SLICE_BATCHES)
			continue;
		double after = measure_probe();
		c->slices[c->slice_cnt++] = (struct slice){
			.ns = measure_median(batch_ticks + slice_at, SLICE_BATCHES) / batch *
			      ns_per_tick,
			.probe = before > after ? before : after,
		};
		slice_at = batch_cnt;
		before = after;
	}
	c->ns[round] = measure_median(batch_ticks, batch_cnt) / batch * ns_per_tick;
}

/* As a lookup reads: one random place, then one more whose address depends on it, and its neighbour
 * line; 32 of them in flight. */
static double random_reads(const uint8_t *memory, size_t sz, size_t total, double *batch_ticks)
{
	uint64_t state = 1, sink = 0;
	size_t lines = sz / 64 - 1, batch_cnt = 0;
	for (size_t done = 0; done < total; done += STELE_BATCH_MAX) {
		size_t at[STELE_BATCH_MAX];
		for (unsigned i = 0; i < STELE_BATCH_MAX; i++)
			at[i] = (sample_random(&state) % lines) * 64;
		uint64_t t0 = measure_ticks();
		for (unsigned i = 0; i < STELE_BATCH_MAX; i++)
			__builtin_prefetch(memory + at[i]);
		for (unsigned i = 0; i < STELE_BATCH_MAX; i++) {
			uint64_t v = stele_get_le64(memory + at[i]) * UINT64_C(0x9e3779b97f4a7c15);
			at[i] = ((at[i] / 64 + (v >> 32)) % lines) * 64;
			__builtin_prefetch(memory + at[i]);
			__builtin_prefetch(memory + at[i] + 64);
		}
		for (unsigned i = 0; i < STELE_BATCH_MAX; i++)
			sink += memory[at[i]] + memory[at[i] + 64];
		batch_ticks[batch_cnt++] = (double)(measure_ticks() - t0);
	}
	__asm__ volatile("" ::"r"(sink));
	return measure_median(batch_ticks, batch_cnt) / STELE_BATCH_MAX * ns_per_tick;
}

/* What the probes of a core at full speed take: the fastest twentieth of all. */
static double fastest_probe(const struct bench_case *cases, unsigned case_cnt)
{
	size_t cnt = 0;
	for (unsigned i = 0; i < case_cnt; i++)
		cnt += cases[i].slice_cnt;
	double *probes = malloc((cnt + 1) * sizeof(*probes));
	if (probes == NULL)
		abort();
	size_t at = 0;
	for (unsigned i = 0; i < case_cnt; i++)
		for (size_t k = 0; k < cases[i].slice_cnt; k++)
			probes[at++] = cases[i].slices[k].probe;
	qsort(probes, cnt, sizeof(*probes), measure_compare);
	double fastest = cnt > 0 ? probes[cnt / 20] : 0;
	free(probes);
	return fastest;
}

/* The median of the clear slices, 0 if there is none, and their share of all. */
static double clear_slices(const struct bench_case *c, double fastest, double *ret_share)
{
	double *ns = malloc((c->slice_cnt + 1) * sizeof(*ns));
	size_t cnt = 0;
	if (ns == NULL)
		abort();
	for (size_t k = 0; k < c->slice_cnt; k++)
		if (c->slices[k].probe <= CLEAR_FACTOR * fastest)
			ns[cnt++] = c->slices[k].ns;
	*ret_share = c->slice_cnt > 0 ? (double)cnt / (double)c->slice_cnt : 0;
	double middle = cnt > 0 ? measure_median(ns, cnt) : 0;
	free(ns);
	return middle;
}

struct figures {
	double *ns; /* of the rounds */
	unsigned rounds;
	double clear_ns, clear_share;
	double bytes;
};

static void report(const char *name, const struct figures *f, bool csv)
{
	double middle = measure_median(f->ns, f->rounds);
	double spread = (f->ns[f->rounds - 1] - f->ns[0]) / middle * 100;
	double cycles = middle / ns_per_tick;
	if (csv)
		printf("%s,%.2f,%.1f,%.1f,%.1f,%.2f,%.0f\n", name, middle, cycles, spread, f->bytes,
		       f->clear_ns, f->clear_share * 100);
	else
		printf("| %-28s | %7.1f | %7.0f | %5.1f %% | %8.1f | %3.0f %% | %6.0f |\n", name,
		       middle, cycles, spread, f->clear_ns, f->clear_share * 100, f->bytes);
}

static bool is_wanted(const char *name, const char *only)
{
	return *only == '=' ? strcmp(name, only + 1) == 0 : strstr(name, only) != NULL;
}

struct options {
	const char *image, *only; /* only: NULL: all cases */
	size_t query_cnt;         /* of a random case, a multiple of `batch` */
	unsigned rounds, batch;
	bool huge, csv, limits, list, packet_cache;
};

static void usage(FILE *to)
{
	fputs("usage: bench_engine [options] IMAGE\n"
	      "  --queries N   random queries a case (default 1000000)\n"
	      "  --rounds N    rounds, all cases in turn (default 7)\n"
	      "  --batch N     queries a batch, up to 32 (default 32)\n"
	      "  --only TEXT   only cases whose name has TEXT in it; =TEXT: the case of that name\n"
	      "  --no-limits   without the loop that looks nothing up and the random reads\n"
	      "  --list        print the names of the cases that the image has names for\n"
	      "  --small-pages image on 4 KiB pages\n"
	      "  --no-packet-cache\n"
	      "                every reply is composed anew, of hot cases too\n"
	      "  --csv         comma-separated output\n",
	      to);
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"queries", required_argument, NULL, 'q'},
		{"rounds", required_argument, NULL, 'r'},
		{"batch", required_argument, NULL, 'b'},
		{"only", required_argument, NULL, 'o'},
		{"no-limits", no_argument, NULL, 'n'},
		{"list", no_argument, NULL, 'l'},
		{"small-pages", no_argument, NULL, 's'},
		{"csv", no_argument, NULL, 'c'},
		{"no-packet-cache", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	*o = (struct options){
		.query_cnt = 1000000,
		.rounds = 7,
		.batch = STELE_BATCH_MAX,
		.huge = true,
		.limits = true,
		.packet_cache = true,
	};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'q':
			o->query_cnt = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o->rounds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			o->batch = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 's':
			o->huge = false;
			break;
		case 'c':
			o->csv = true;
			break;
		case 'n':
			o->limits = false;
			break;
		case 'p':
			o->packet_cache = false;
			break;
		case 'l':
			o->list = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind + 1 != argc || o->query_cnt < STELE_BATCH_MAX || o->rounds < 1 ||
	    o->rounds > ROUNDS_MAX || o->batch < 1 || o->batch > STELE_BATCH_MAX) {
		usage(stderr);
		exit(2);
	}
	o->image = argv[optind];
	if (o->list) /* as few as tell whether there are any: a small image is drawn from for long */
		o->query_cnt = STELE_BATCH_MAX;
	o->query_cnt -= o->query_cnt % o->batch;
}

/* Those that are wanted and that the image has names for; how many. */
static unsigned draw_cases(struct bench_case *cases, const struct stele_view *view,
			   const struct options *o)
{
	unsigned cnt = 0;
	for (unsigned kind = 0; kind < SAMPLE_KIND_CNT; kind++) {
		for (unsigned variant = 0; variant < 4; variant++) {
			bool hot = (variant & 1) == 0, dnssec_ok = (variant & 2) != 0;
			struct bench_case c = {.lookups = true, .packet_cache = o->packet_cache};
			snprintf(c.name, sizeof(c.name), "%s %s%s", hot ? "hot" : "random",
				 sample_kind_names[kind], dnssec_ok ? " DO" : "");
			if (o->only != NULL && !is_wanted(c.name, o->only))
				continue;
			c.query_cnt = hot && !o->list ? HOT_CNT : o->query_cnt;
			c.queries = malloc(c.query_cnt * sizeof(*c.queries));
			if (c.queries == NULL)
				abort();
			if (sample_queries(view, kind, dnssec_ok, 1 + kind, c.queries, c.query_cnt))
				cases[cnt++] = c;
			else
				free(c.queries);
		}
	}
	return cnt;
}

/* All cases in turn; `ret_reads` gets the rounds of the random reads, if limits are wanted. */
static void run_rounds(struct bench_case *cases, unsigned case_cnt, const struct stele_view *view,
		       const uint8_t *memory, size_t sz, const struct options *o, double *ret_reads)
{
	struct stele_view no_zones = *view;
	no_zones.apex_depths[0] = no_zones.apex_depths[1] = 0;
	struct stele_answerer *answerer = stele_answerer_new();
	uint8_t *buffers = aligned_alloc(64, STELE_BATCH_MAX * BUFFER_SZ);
	double *batch_ticks = malloc((o->query_cnt + 1) * sizeof(*batch_ticks));
	if (answerer == NULL || buffers == NULL || batch_ticks == NULL)
		abort();
	for (unsigned i = 0; i < case_cnt; i++) {
		cases[i].slices = calloc((o->query_cnt / o->batch / SLICE_BATCHES + 1) * o->rounds,
					 sizeof(*cases[i].slices));
		if (cases[i].slices == NULL)
			abort();
	}
	for (unsigned round = 0; round < o->rounds; round++) {
		for (unsigned i = 0; i < case_cnt; i++)
			run_case(&cases[i], round, answerer, cases[i].lookups ? view : &no_zones,
				 o->batch, o->query_cnt, buffers, batch_ticks);
		if (o->limits)
			ret_reads[round] = random_reads(memory, sz, o->query_cnt, batch_ticks);
	}
	free(batch_ticks);
	free(buffers);
	stele_answerer_free(answerer);
}

static void report_head(const struct stele_view *view, size_t sz, const struct options *o)
{
	if (o->csv)
		printf("case,ns,cycles,spread_percent,reply_bytes,clear_ns,clear_percent\n");
	else
		printf("%" PRIu64 " names, %" PRIu32
		       " zones, %zu bytes of image, %s pages, %.2f GHz "
		       "TSC, batch %u, %u rounds of %zu queries\n\n"
		       "| case                         | ns      | cycles  | spread  | clear ns | clear | bytes  "
		       "|\n"
		       "|------------------------------|--------:|--------:|--------:|---------:|------:|-------:"
		       "|\n",
		       view->name_cnt, view->zone_cnt, sz, o->huge ? "huge" : "4 KiB",
		       1 / ns_per_tick, o->batch, o->rounds, o->query_cnt);
}

int main(int argc, char **argv)
{
	struct options o;
	parse_options(argc, argv, &o);
	ns_per_tick = measure_ns_per_tick();

	size_t sz;
	uint8_t *memory = load(o.image, o.huge, &sz);
	struct stele_view view;
	struct stele_error err;
	if (stele_view_open(memory, sz, &view, &err) < 0) {
		fprintf(stderr, "bench_engine: %s\n", err.text);
		return 1;
	}
	struct bench_case cases[4 * SAMPLE_KIND_CNT + 1];
	unsigned lookup_cnt = draw_cases(cases, &view, &o), case_cnt = lookup_cnt;
	if (lookup_cnt == 0) {
		fprintf(stderr, "bench_engine: the image has no names for any of these cases\n");
		return 1;
	}
	if (o.list) {
		for (unsigned i = 0; i < lookup_cnt; i++)
			puts(cases[i].name);
		return 0;
	}
	/* The loop alone, with the queries of the first case. */
	if (o.limits)
		cases[case_cnt++] = (struct bench_case){
			.name = "loop without lookups",
			.queries = cases[0].queries,
			.query_cnt = HOT_CNT < cases[0].query_cnt ? HOT_CNT : cases[0].query_cnt,
		};

	double reads[ROUNDS_MAX] = {0};
	run_rounds(cases, case_cnt, &view, memory, sz, &o, reads);

	report_head(&view, sz, &o);
	double fastest = fastest_probe(cases, case_cnt);
	for (unsigned i = 0; i < case_cnt; i++) {
		struct figures figures = {.ns = cases[i].ns, .rounds = o.rounds};
		figures.clear_ns = clear_slices(&cases[i], fastest, &figures.clear_share);
		figures.bytes = (double)cases[i].reply_bytes / (double)o.query_cnt;
		report(cases[i].name, &figures, o.csv);
	}
	if (o.limits)
		report("random reads, same memory",
		       &(struct figures){.ns = reads, .rounds = o.rounds}, o.csv);
	for (unsigned i = 0; i < lookup_cnt; i++)
		free(cases[i].queries);
	for (unsigned i = 0; i < case_cnt; i++)
		free(cases[i].slices);
	stele_view_close(&view);
	return 0;
}
