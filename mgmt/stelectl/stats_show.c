/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/stelectl/stats.h"

#include "lib/command/command.h"
#include "mgmt/stelectl/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Lines of rates between two headings. */
#define HEAD_EVERY 20

/* One core, or all of them (index UINT32_MAX), between the two looks. */
static void pick(const struct stats_view *view, uint32_t index, struct stele_stats_worker *ret)
{
	struct stele_stats_worker before;
	if (index == UINT32_MAX)
		stele_stats_sum(view->now, ret);
	else
		*ret = view->now->workers[index];
	if (view->before == NULL)
		return;
	if (index == UINT32_MAX)
		stele_stats_sum(view->before, &before);
	else
		before = view->before->workers[index];
	stele_stats_diff(ret, &before, ret);
}

static double seconds(const struct stats_view *view)
{
	uint64_t from = view->before != NULL ? view->before->taken_ns : view->now->started_ns;
	return (double)(view->now->taken_ns - from) / 1e9;
}

/* ---- text ---- */

static void add_kind(struct table *table, const struct stele_stats_worker *worker,
		     enum stele_stat_kind kind)
{
	table_add(table, "%s", stele_stat_kind_name(kind));
	table_add(table, "%" PRIu64, stele_stats_kind_sum(worker, kind));
	table_add(table, "%s", "");
	for (unsigned i = 0; i < STELE_STAT_CNT; i++) {
		if (stele_stat_kind(i) != kind || worker->values[i] == 0)
			continue;
		table_add(table, "  %s", stele_stat_name(i));
		table_add(table, "%" PRIu64, worker->values[i]);
		table_add(table, "%s", stele_stat_help(i));
	}
}

static void print_packets(const struct stele_stats_worker *sum)
{
	struct table table;
	table_begin(&table, "lrl");
	table_add(&table, "%s", "received");
	table_add(&table, "%" PRIu64, stele_stats_kind_sum(sum, STELE_KIND_RECEIVED));
	table_add(&table, "%s", "");
	add_kind(&table, sum, STELE_KIND_ANSWERED);
	add_kind(&table, sum, STELE_KIND_LOCAL);
	add_kind(&table, sum, STELE_KIND_PUNTED);
	add_kind(&table, sum, STELE_KIND_DROPPED);
	if (stele_stats_balance(sum) != 0) {
		table_add(&table, "%s", "on the way");
		table_add(&table, "%" PRId64, stele_stats_balance(sum));
		table_add(&table, "%s", "received and not yet counted as anything else");
	}
	table_add(&table, "%s", "of these");
	table_add(&table, "%s", "");
	table_add(&table, "%s", "");
	for (unsigned i = 0; i < STELE_STAT_CNT; i++) {
		enum stele_stat_kind kind = stele_stat_kind(i);
		if (sum->values[i] == 0 ||
		    (kind != STELE_KIND_DETAIL && kind != STELE_KIND_RETURN_IN &&
		     kind != STELE_KIND_RETURN_OUT && kind != STELE_KIND_RETURN_LOST))
			continue;
		table_add(&table, "  %s", stele_stat_name(i));
		table_add(&table, "%" PRIu64, sum->values[i]);
		table_add(&table, "%s", stele_stat_help(i));
	}
	table_print(&table, "");
}

static void print_histograms(const struct stele_stats_worker *sum)
{
	struct table table;
	table_begin(&table, "lrrrrl");
	static const char *const heads[] = {"", "50 %", "90 %", "99 %", "99.9 %", ""};
	for (size_t i = 0; i < 6; i++)
		table_add(&table, "%s", heads[i]);
	static const double fractions[] = {0.5, 0.9, 0.99, 0.999};
	for (unsigned h = 0; h < STELE_HISTOGRAM_CNT; h++) {
		table_add(&table, "%s", stele_histogram_name(h));
		for (size_t i = 0; i < 4; i++)
			table_add(&table, "%" PRIu64, stele_stats_quantile(sum, h, fractions[i]));
		table_add(&table, "%s", stele_histogram_unit(h));
	}
	putchar('\n');
	table_print(&table, "");
}

/* What a packet costs, stage by stage, and how much of their time the cores had something to do. */
static void print_cycles(const struct stats_view *view, const struct stele_stats_worker *sum)
{
	static const enum stele_stat stages[] = {STELE_STAT_CYCLES_RX, STELE_STAT_CYCLES_PARSE,
						 STELE_STAT_CYCLES_ANSWER,
						 STELE_STAT_CYCLES_COMPOSE, STELE_STAT_CYCLES_TX};
	enum { STAGE_CNT = sizeof(stages) / sizeof(stages[0]) };
	uint64_t packets = sum->values[STELE_STAT_RX_PACKETS], cycles = 0;
	double there = 0;
	if (packets == 0)
		return;
	struct table table;
	table_begin(&table, "lrrrrrrr");
	static const char *const heads[] = {"",        "rx", "parse", "answer",
					    "compose", "tx", "all",   "busy"};
	for (size_t i = 0; i < STAGE_CNT + 3; i++)
		table_add(&table, "%s", heads[i]);
	table_add(&table, "cycles a packet");
	for (size_t i = 0; i < STAGE_CNT; i++) {
		cycles += sum->values[stages[i]];
		table_add(&table, "%.0f", (double)sum->values[stages[i]] / (double)packets);
	}
	table_add(&table, "%.0f", (double)cycles / (double)packets);
	for (uint32_t w = 0; w < view->now->worker_cnt; w++)
		there += (double)view->now->workers[w].values[STELE_STAT_CYCLES_HZ] * seconds(view);
	table_add(&table, "%.1f %%", there > 0 ? 100 * (double)cycles / there : 0);
	putchar('\n');
	table_print(&table, "");
}

static void print_cores(const struct stats_view *view)
{
	struct table table;
	table_begin(&table, "rrrrrrrrrr");
	static const char *const heads[] = {"CORE",     "PORT",       "QUEUE", "GENERATION",
					    "RECEIVED", "ANSWERED",   "LOCAL", "PUNTED",
					    "DROPPED",  "EMPTY POLLS"};
	for (size_t i = 0; i < 10; i++)
		table_add(&table, "%s", heads[i]);
	for (uint32_t w = 0; w < view->now->worker_cnt; w++) {
		const struct stele_stats_worker *worker = &view->now->workers[w];
		table_add(&table, "%u", worker->place.core);
		table_add(&table, "%u", worker->place.port);
		table_add(&table, "%u", worker->place.queue);
		table_add(&table, "%" PRIu64, worker->values[STELE_STAT_GENERATION]);
		for (unsigned kind = STELE_KIND_RECEIVED; kind <= STELE_KIND_DROPPED; kind++)
			table_add(&table, "%" PRIu64, stele_stats_kind_sum(worker, kind));
		table_add(&table, "%" PRIu64, worker->values[STELE_STAT_POLLS_EMPTY]);
	}
	putchar('\n');
	table_print(&table, "");
}

static void zone_name(const struct stele_stats_zone *zone, uint32_t slot,
		      char text[STELE_NAME_TEXT_MAX])
{
	if (slot == 0)
		snprintf(text, STELE_NAME_TEXT_MAX, "(all others)");
	else
		stele_name_to_text(zone->name, text);
}

/* Slot 0 counts for what has no slot: it is shown if it counted anything. */
static bool is_shown(const struct stele_stats_snapshot *s, uint32_t slot)
{
	if (slot > 0)
		return s->zones[slot].name_len != 0;
	uint64_t any = 0;
	for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
		any |= s->rows[slot].values[i];
	return any != 0;
}

static void print_zones(const struct stats_view *view)
{
	struct table table;
	table_begin(&table, "lrrrrrrrrr");
	table_add(&table, "ZONE");
	table_add(&table, "SERIAL");
	for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
		table_add(&table, "%s", stele_zone_stat_name(i));
	const struct stele_stats_snapshot *s = view->now;
	for (uint32_t slot = 0; slot < s->zone_cnt; slot++) {
		if (!is_shown(s, slot))
			continue;
		char name[STELE_NAME_TEXT_MAX];
		zone_name(&s->zones[slot], slot, name);
		table_add(&table, "%s", name);
		table_add(&table, "%u", s->zones[slot].serial);
		for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
			table_add(&table, "%" PRIu64, s->rows[slot].values[i]);
	}
	putchar('\n');
	table_print(&table, "");
}

void stats_print(const struct stats_view *view)
{
	struct stele_stats_worker sum;
	pick(view, UINT32_MAX, &sum);
	printf("process %d, %u cores, %.0f s\n\n", (int)view->now->pid, view->now->worker_cnt,
	       seconds(view));
	print_packets(&sum);
	print_histograms(&sum);
	print_cycles(view, &sum);
	struct table table;
	table_begin(&table, "lrl");
	for (unsigned i = 0; i < STELE_GLOBAL_CNT; i++) {
		table_add(&table, "%s", stele_global_name(i));
		table_add(&table, "%" PRIu64, view->now->globals[i]);
		table_add(&table, "%s", stele_global_help(i));
	}
	putchar('\n');
	table_print(&table, "");
	if (view->cores)
		print_cores(view);
	if (view->zones)
		print_zones(view);
	if (view->now->torn_cnt > 0)
		printf("\n%u cores were counting meanwhile: their numbers may be a burst apart\n",
		       view->now->torn_cnt);
}

void stats_print_rates(const struct stats_view *view, unsigned row)
{
	static const char *const heads[] = {"received/s", "answered/s", "local/s", "punted/s",
					    "dropped/s"};
	struct stele_stats_worker diff;
	pick(view, UINT32_MAX, &diff);
	if (row % HEAD_EVERY == 0) {
		printf("%-8s", "TIME");
		for (size_t i = 0; i < 5; i++)
			printf(" %10s", heads[i]);
		printf(" %10s %10s\n", "50% us", "99% us");
	}
	char text[16];
	time_t now = time(NULL);
	struct tm tm;
	if (localtime_r(&now, &tm) == NULL || strftime(text, sizeof(text), "%H:%M:%S", &tm) == 0)
		text[0] = '\0';
	printf("%-8s", text);
	double s = seconds(view);
	for (unsigned kind = STELE_KIND_RECEIVED; kind <= STELE_KIND_DROPPED; kind++)
		printf(" %10s",
		       stele_cmd_round(s > 0 ? (double)stele_stats_kind_sum(&diff, kind) / s : 0,
				       text));
	printf(" %10.1f %10.1f\n",
	       (double)stele_stats_quantile(&diff, STELE_HISTOGRAM_RESPONSE_TIME, 0.5) / 1e3,
	       (double)stele_stats_quantile(&diff, STELE_HISTOGRAM_RESPONSE_TIME, 0.99) / 1e3);
	fflush(stdout);
}

/* ---- JSON ---- */

/* A counter, or its rate. */
static json_t *number(const struct stats_view *view, uint64_t n)
{
	double s = seconds(view);
	if (view->before == NULL)
		return json_integer((json_int_t)n);
	return json_real(s > 0 ? (double)n / s : 0);
}

static json_t *worker_json(const struct stats_view *view, const struct stele_stats_worker *worker)
{
	json_t *object = json_object();
	for (unsigned i = 0; i < STELE_STAT_CNT; i++)
		if (stele_stat_kind(i) != STELE_KIND_GAUGE)
			json_object_set_new(object, stele_stat_name(i),
					    number(view, worker->values[i]));
	for (unsigned kind = STELE_KIND_RECEIVED; kind <= STELE_KIND_DROPPED; kind++)
		json_object_set_new(object, stele_stat_kind_name(kind),
				    number(view, stele_stats_kind_sum(worker, kind)));
	static const struct {
		const char *name;
		double fraction;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
	for (unsigned h = 0; h < STELE_HISTOGRAM_CNT; h++) {
		json_t *of = json_object();
		json_object_set_new(of, "sum", number(view, worker->sums[h]));
		for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
			json_object_set_new(of, quantiles[i].name,
					    json_integer((json_int_t)stele_stats_quantile(
						    worker, h, quantiles[i].fraction)));
		json_object_set_new(object, stele_histogram_name(h), of);
	}
	return object;
}

static json_t *cores_json(const struct stats_view *view)
{
	json_t *cores = json_array();
	for (uint32_t w = 0; w < view->now->worker_cnt; w++) {
		struct stele_stats_worker worker;
		pick(view, w, &worker);
		json_t *core = worker_json(view, &worker);
		json_object_set_new(core, "core", json_integer(worker.place.core));
		json_object_set_new(core, "port", json_integer(worker.place.port));
		json_object_set_new(core, "queue", json_integer(worker.place.queue));
		for (unsigned i = 0; i < STELE_STAT_CNT; i++)
			if (stele_stat_kind(i) == STELE_KIND_GAUGE)
				json_object_set_new(core, stele_stat_name(i),
						    json_integer((json_int_t)worker.values[i]));
		json_array_append_new(cores, core);
	}
	return cores;
}

static json_t *zones_json(const struct stats_view *view)
{
	const struct stele_stats_snapshot *s = view->now;
	json_t *zones = json_array();
	for (uint32_t slot = 0; slot < s->zone_cnt; slot++) {
		if (!is_shown(s, slot))
			continue;
		char name[STELE_NAME_TEXT_MAX];
		struct stele_stats_zone_row row = s->rows[slot];
		if (view->before != NULL)
			stele_stats_zone_diff(s, view->before, slot, &row);
		zone_name(&s->zones[slot], slot, name);
		json_t *zone = json_pack("{s:s, s:I, s:I}", "zone", slot == 0 ? "" : name, "serial",
					 (json_int_t)s->zones[slot].serial, "generation",
					 (json_int_t)s->zones[slot].generation);
		for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
			json_object_set_new(zone, stele_zone_stat_name(i),
					    number(view, row.values[i]));
		json_array_append_new(zones, zone);
	}
	return zones;
}

json_t *stats_json(const struct stats_view *view)
{
	struct stele_stats_worker sum;
	pick(view, UINT32_MAX, &sum);
	json_t *object = json_pack("{s:i, s:I, s:f, s:b, s:i, s:I}", "pid", (int)view->now->pid,
				   "started", (json_int_t)view->now->started, "seconds",
				   seconds(view), "rates", view->before != NULL, "torn",
				   (int)view->now->torn_cnt, "balance",
				   (json_int_t)stele_stats_balance(&sum));
	json_object_set_new(object, "total", worker_json(view, &sum));
	json_t *globals = json_object();
	for (unsigned i = 0; i < STELE_GLOBAL_CNT; i++)
		json_object_set_new(globals, stele_global_name(i),
				    json_integer((json_int_t)view->now->globals[i]));
	json_object_set_new(object, "globals", globals);
	json_object_set_new(object, "cores", cores_json(view));
	if (view->zones)
		json_object_set_new(object, "zones", zones_json(view));
	return object;
}
