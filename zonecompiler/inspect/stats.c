/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile stats: how many names and records an image has, and where its bytes go. */
#include "zonecompiler/command.h"

#include "zonecompiler/inspect/measure.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const struct stele_cmd_option options[] = {
	{"json", 'j', NULL, "print JSON: one object"},
	{"zones", 'z', NULL, "each zone too"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "stats",
	.synopsis = "IMAGE [--zones] [--json]",
	.about =
		"Verifies an image and prints what it holds: zones, names by kind, records, and its bytes by\n"
		"section, for each name and for each record (signatures and NSEC3 records are records).",
	.options = options,
};

struct stats {
	struct stele_view view;
	struct stele_inspect_zones zones;
	struct stele_measure measure;
	bool each_zone;
};

static const struct {
	uint8_t kind;
	const char *text, *json;
} kinds[] = {
	{STELE_NAME_AUTHORITATIVE, "authoritative", "authoritative"},
	{STELE_NAME_CUT, "delegations", "delegation"},
	{STELE_NAME_OCCLUDED, "occluded", "occluded"},
	{STELE_NAME_EMPTY, "empty non-terminals", "empty_non_terminal"},
};
#define KIND_CNT (sizeof(kinds) / sizeof(kinds[0]))

static double per(uint64_t bytes, uint64_t cnt)
{
	return cnt > 0 ? (double)bytes / (double)cnt : 0;
}

static uint32_t chains(const struct stele_measure *measure, unsigned a, unsigned b)
{
	return measure->chain_cnt[a] + measure->chain_cnt[b];
}

/* ---- text ---- */

static void print_counts(const struct stats *stats)
{
	const struct stele_view *view = &stats->view;
	const struct stele_measure *measure = &stats->measure;
	printf("generation  %" PRIu64 "\n", view->generation);
	printf("zones       %" PRIu32 ": %" PRIu32 " unsigned, %" PRIu32 " NSEC, %" PRIu32
	       " NSEC3\n",
	       view->zone_cnt, measure->chain_cnt[STELE_CHAIN_NONE],
	       chains(measure, STELE_CHAIN_NSEC_INLINE, STELE_CHAIN_NSEC_SHARDS),
	       chains(measure, STELE_CHAIN_NSEC3_INLINE, STELE_CHAIN_NSEC3_SHARDS));
	printf("names       %" PRIu64 ":", view->name_cnt);
	for (unsigned i = 0; i < KIND_CNT; i++)
		printf(" %" PRIu64 " %s,", measure->kind_cnt[kinds[i].kind], kinds[i].text);
	printf(" %" PRIu64 " wildcards\n", measure->wildcard_cnt);
	printf("RRs         %" PRIu64 ": %" PRIu64 " signatures and %" PRIu64
	       " others at names, in %" PRIu64 " RRsets; %" PRIu64 " NSEC3 RRsets\n",
	       view->rr_cnt, measure->sig_cnt, measure->rr_cnt, measure->rrset_cnt,
	       measure->nsec3_cnt);
	printf("shards      %" PRIu32 " of names, %" PRIu32 " of zones, %" PRIu32
	       " of NSEC3, %" PRIu32 " of NSEC, %" PRIu32 " absent\n\n",
	       measure->shard_cnt[STELE_SHARD_NAMES], measure->shard_cnt[STELE_SHARD_ZONES],
	       measure->shard_cnt[STELE_SHARD_NSEC3], measure->shard_cnt[STELE_SHARD_NSEC],
	       measure->shard_cnt[STELE_SHARD_NONE]);
}

static void print_section(const char *text, uint64_t bytes, const struct stele_view *view)
{
	printf("%-14s %14" PRIu64 " %10.1f %10.1f %6.1f%%\n", text, bytes,
	       per(bytes, view->name_cnt), per(bytes, view->rr_cnt),
	       100 * per(bytes, view->bytes_sz));
}

static void print_zones(const struct stats *stats)
{
	puts("\n         names            RRs   record bytes    chain bytes  zone");
	for (uint32_t i = 0; i < stats->zones.cnt; i++) {
		char text[STELE_NAME_TEXT_MAX];
		const struct stele_measured_zone *measured = stats->measure.zones + i;
		stele_name_to_text(stats->zones.by_rank[i].apex, text);
		printf("%14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "  %s\n",
		       measured->name_cnt, stele_le64(stats->zones.by_rank[i].head->rr_cnt),
		       measured->record_bytes, measured->chain_bytes, text);
	}
}

static void print_text(const struct stats *stats)
{
	print_counts(stats);
	puts("section                 bytes   per name     per RR   share");
	for (unsigned i = 0; i < STELE_SECTION_CNT; i++)
		print_section(stele_section_text(i), stats->measure.section_bytes[i], &stats->view);
	print_section("total", stats->view.bytes_sz, &stats->view);
	if (stats->each_zone)
		print_zones(stats);
}

/* ---- JSON ---- */

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* "RRset entries" -> "rrset_entries" */
static void set_by_text(json_t *object, const char *text, json_t *value)
{
	char key[32];
	size_t i = 0;
	for (; text[i] != '\0' && i + 1 < sizeof(key); i++) {
		char c = text[i];
		key[i] = c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	key[i] = '\0';
	json_object_set_new(object, key, value);
}

static json_t *zones_to_json(const struct stats *stats)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < stats->zones.cnt; i++) {
		char text[STELE_NAME_TEXT_MAX];
		const struct stele_inspect_zone *zone = stats->zones.by_rank + i;
		const struct stele_measured_zone *measured = stats->measure.zones + i;
		stele_name_to_text(zone->apex, text);
		json_t *object = json_object();
		json_object_set_new(object, "zone", json_string(text));
		json_object_set_new(object, "serial", number(stele_le32(zone->head->serial)));
		json_object_set_new(object, "names", number(measured->name_cnt));
		json_object_set_new(object, "rrs", number(stele_le64(zone->head->rr_cnt)));
		json_object_set_new(object, "record_bytes", number(measured->record_bytes));
		json_object_set_new(object, "chain_bytes", number(measured->chain_bytes));
		json_array_append_new(list, object);
	}
	return list;
}

static void print_json(const struct stats *stats)
{
	const struct stele_view *view = &stats->view;
	const struct stele_measure *measure = &stats->measure;
	json_t *report = json_object(), *names = json_object(), *sections = json_object();
	json_object_set_new(report, "generation", number(view->generation));
	json_object_set_new(report, "zones", number(view->zone_cnt));
	json_object_set_new(report, "names", number(view->name_cnt));
	for (unsigned i = 0; i < KIND_CNT; i++)
		json_object_set_new(names, kinds[i].json, number(measure->kind_cnt[kinds[i].kind]));
	json_object_set_new(names, "wildcard", number(measure->wildcard_cnt));
	json_object_set_new(report, "names_by_kind", names);
	json_object_set_new(report, "rrs", number(view->rr_cnt));
	json_object_set_new(report, "rrsets", number(measure->rrset_cnt));
	json_object_set_new(report, "signatures", number(measure->sig_cnt));
	json_object_set_new(report, "nsec3_rrsets", number(measure->nsec3_cnt));
	json_object_set_new(report, "bytes", number(view->bytes_sz));
	json_object_set_new(report, "torn_bytes", number(view->torn_sz));
	json_object_set_new(report, "bytes_per_name",
			    json_real(per(view->bytes_sz, view->name_cnt)));
	json_object_set_new(report, "bytes_per_rr", json_real(per(view->bytes_sz, view->rr_cnt)));
	for (unsigned i = 0; i < STELE_SECTION_CNT; i++)
		set_by_text(sections, stele_section_text(i), number(measure->section_bytes[i]));
	json_object_set_new(report, "sections", sections);
	if (stats->each_zone)
		json_object_set_new(report, "zone_list", zones_to_json(stats));
	json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(report);
}

int stele_cmd_stats(int argc, char **argv)
{
	struct stats stats = {0};
	bool json = false;
	const char *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		json |= id == 'j';
		stats.each_zone |= id == 'z';
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "one image is needed");
	struct stele_error err;
	struct stele_progress progress;
	stele_progress_begin(&progress, "verifying", "shards", 0);
	int status = stele_inspect_open(argv[optind], &progress, &stats.view, &err);
	if (status != 0) {
		stele_progress_end(&progress);
		return stele_cmd_fail(status, &err);
	}
	status = stele_inspect_zones_load(&stats.view, &stats.zones, &err);
	if (status == 0)
		status = stele_measure_image(&stats.view, &stats.zones, &progress, &stats.measure,
					     &err);
	stele_progress_end(&progress);
	if (status == 0 && json)
		print_json(&stats);
	else if (status == 0)
		print_text(&stats);
	stele_measure_free(&stats.measure);
	stele_inspect_zones_free(&stats.zones);
	stele_view_close(&stats.view);
	return status != 0 ? stele_cmd_fail(status, &err) : stele_cmd_close_output(0);
}
