/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl stats: reads the server's shared memory; a worker does not notice. */
#include "mgmt/stelectl/stelectl.h"
#include "mgmt/stelectl/stats.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	OPTION_WATCH = 'w',
	OPTION_INTERVAL = 'i',
	OPTION_COUNT = 'n',
	OPTION_CORES = 'c',
	OPTION_ZONES = 'z',
	OPTION_FILE = 'f'
};

static const struct stele_cmd_option options[] = {
	STELECTL_COMMON_OPTIONS("the responder's"),
	{"watch", OPTION_WATCH, NULL, "rates, a line every second, until interrupted"},
	{"interval", OPTION_INTERVAL, "S", "with --watch: seconds between two lines (1)"},
	{"count", OPTION_COUNT, "N", "with --watch: end after N lines"},
	{"cores", OPTION_CORES, NULL, "each core too"},
	{"zones", OPTION_ZONES, NULL, "each zone too"},
	{"file", OPTION_FILE, "PATH", "read this file, and ask no server where its file is"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "stats",
	.synopsis = "[--watch [--interval S] [--count N]] [--cores] [--zones] [--file PATH]",
	.about =
		"Prints what the server counted since its start, or what it counts by second. Every packet\n"
		"counts once: received = answered + local + punted + dropped. The numbers come from memory\n"
		"that the server shares; it is asked only where that is.",
	.options = options,
};

struct stats_options {
	struct stelectl_common common;
	const char *file;
	bool watch, cores, zones;
	uint64_t interval_s, count; /* count 0: without end */
};

static int open_reader(const struct stats_options *o, struct stele_stats_reader **ret_reader,
		       struct stele_error *reterr)
{
	if (o->file != NULL)
		return stele_stats_open(o->file, ret_reader, reterr);
	json_t *response;
	int status = stelectl_ask(&o->common, json_pack("{s:s}", "op", "stats"), -1,
				  STELECTL_TIMEOUT_MS, &response, reterr);
	if (status != 0)
		return status;
	status = stele_stats_open(stelectl_text(response, "path"), ret_reader, reterr);
	json_decref(response);
	return status;
}

static int print_view(const struct stats_options *o, const struct stats_view *view, unsigned row,
		      struct stele_error *reterr)
{
	if (!o->common.json) {
		if (o->watch)
			stats_print_rates(view, row);
		else
			stats_print(view);
		return 0;
	}
	json_t *object = stats_json(view);
	if (object == NULL)
		return stele_fail_errno(reterr, ENOMEM, "cannot print");
	/* A line for each look, so that whoever reads the stream can take it apart. */
	json_dumpf(object, stdout,
		   JSON_PRESERVE_ORDER | (o->watch ? JSON_COMPACT : JSON_INDENT(2)));
	putchar('\n');
	fflush(stdout);
	json_decref(object);
	return 0;
}

static int watch(const struct stats_options *o, struct stele_stats_reader **reader,
		 struct stele_error *reterr)
{
	struct stele_stats_snapshot snapshots[2] = {0};
	int status = stele_stats_snapshot(*reader, o->zones, &snapshots[0], reterr);
	for (unsigned row = 0; status == 0 && (o->count == 0 || row < o->count); row++) {
		struct timespec wait = {.tv_sec = (time_t)o->interval_s};
		while (nanosleep(&wait, &wait) != 0)
			;
		/* Started again meanwhile: its counters are elsewhere, and begin at 0. */
		struct stele_stats_reader *fresh;
		if (!stele_stats_is_current(*reader) && open_reader(o, &fresh, reterr) == 0) {
			stele_stats_close(*reader);
			*reader = fresh;
		}
		struct stele_stats_snapshot *now = &snapshots[(row + 1) % 2],
					    *before = &snapshots[row % 2];
		status = stele_stats_snapshot(*reader, o->zones, now, reterr);
		if (status != 0)
			break;
		struct stats_view view = {.now = now, .before = before, .zones = o->zones};
		if (!stele_stats_same_server(now, before))
			view.before = NULL;
		status = print_view(o, &view, row, reterr);
		stele_stats_snapshot_free(before);
		if (ferror(stdout)) /* whoever read it is gone */
			break;
	}
	stele_stats_snapshot_free(&snapshots[0]);
	stele_stats_snapshot_free(&snapshots[1]);
	return status;
}

static int run(const struct stats_options *o, struct stele_error *reterr)
{
	struct stele_stats_reader *reader;
	int status = open_reader(o, &reader, reterr);
	if (status != 0)
		return status;
	if (o->watch) {
		status = watch(o, &reader, reterr);
	} else {
		struct stele_stats_snapshot now;
		status = stele_stats_snapshot(reader, o->zones, &now, reterr);
		if (status == 0) {
			struct stats_view view = {
				.now = &now, .cores = o->cores, .zones = o->zones};
			status = print_view(o, &view, 0, reterr);
			stele_stats_snapshot_free(&now);
		}
	}
	stele_stats_close(reader);
	return status;
}

static int parse_option(struct stats_options *o, int id, const char *value)
{
	switch (id) {
	case OPTION_WATCH:
		o->watch = true;
		return 0;
	case OPTION_INTERVAL:
		return stele_cmd_number(value, 1, 86400, &o->interval_s) ?
			       0 :
			       stele_cmd_usage(spec.name, "--interval takes 1 to 86400 seconds");
	case OPTION_COUNT:
		return stele_cmd_number(value, 1, UINT32_MAX, &o->count) ?
			       0 :
			       stele_cmd_usage(spec.name, "--count takes a number from 1 on");
	case OPTION_CORES:
		o->cores = true;
		return 0;
	case OPTION_ZONES:
		o->zones = true;
		return 0;
	default:
		o->file = value;
		return 0;
	}
}

int stelectl_stats(int argc, char **argv)
{
	struct stats_options o = {0};
	const char *value;
	int exit_status, id;
	while ((id = stelectl_next_option(&spec, argc, argv, &o.common, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		exit_status = parse_option(&o, id, value);
		if (exit_status != 0)
			return exit_status;
	}
	if (optind != argc)
		return stele_cmd_usage(spec.name, "'%s' is too much", argv[optind]);
	if (!o.watch && (o.interval_s != 0 || o.count != 0))
		return stele_cmd_usage(spec.name, "--%s is for --watch",
				       o.interval_s != 0 ? "interval" : "count");
	if (o.interval_s == 0)
		o.interval_s = 1;
	stelectl_choose(&o.common, STELECTL_RESPONDER);
	if (o.watch && !o.common.json && (o.cores || o.zones))
		return stele_cmd_usage(spec.name, "--watch shows cores and zones with --json only");
	struct stele_error err;
	int status = run(&o, &err);
	return stelectl_end(status, &err);
}
