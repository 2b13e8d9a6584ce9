/* SPDX-License-Identifier: Apache-2.0 */
/* The responder's numbers: states that it tells, and counters, read from its shared memory. */
#include "lib/ctl/ctl.h"
#include "lib/stats/stats.h"
#include "mgmt/metrics/exposition.h"
#include "mgmt/metrics/internal.h"

#include <stdlib.h>
#include <string.h>

/* A responder that takes longer to say how it does has other troubles. */
#define ASK_TIMEOUT_MS 1000

static const char *const kind_help[STELE_KIND_CNT] = {
	[STELE_KIND_RECEIVED] = "packets taken from ports",
	[STELE_KIND_ANSWERED] = "queries with a reply sent",
	[STELE_KIND_LOCAL] = "ARP, neighbour discovery and echo answered in place",
	[STELE_KIND_PUNTED] = "packets given to the kernel, by reason",
	[STELE_KIND_DROPPED] = "packets dropped, by reason",
	[STELE_KIND_RETURN_IN] = "packets from the kernel",
	[STELE_KIND_RETURN_OUT] = "packets from the kernel that left by a port",
	[STELE_KIND_RETURN_LOST] = "packets from the kernel that no port took",
	[STELE_KIND_DETAIL] = "what is counted of packets besides",
};

static void write_by_core(const struct stele_stats_snapshot *snapshot, unsigned stat,
			  const char *name, const char *type, FILE *out)
{
	exposition_family(out, name, type, stele_stat_help(stat));
	for (uint32_t w = 0; w < snapshot->worker_cnt; w++) {
		char core[16];
		snprintf(core, sizeof(core), "%u", snapshot->workers[w].place.core);
		const char *labels[] = {"core", core, NULL};
		exposition_count(out, name, labels, snapshot->workers[w].values[stat]);
	}
}

/* One family a kind, the counter's name as a label: so that the law over kinds can be written as a
 * query over families. */
static void write_counters(const struct stele_stats_snapshot *snapshot, FILE *out)
{
	for (unsigned kind = 0; kind < STELE_KIND_GAUGE; kind++) {
		char name[96];
		snprintf(name, sizeof(name), "stele_responder_%s_total",
			 stele_stat_kind_name(kind));
		exposition_family(out, name, "counter", kind_help[kind]);
		for (unsigned stat = 0; stat < STELE_STAT_CNT; stat++) {
			if (stele_stat_kind(stat) != kind)
				continue;
			for (uint32_t w = 0; w < snapshot->worker_cnt; w++) {
				char core[16];
				snprintf(core, sizeof(core), "%u", snapshot->workers[w].place.core);
				const char *labels[] = {"counter", stele_stat_name(stat), "core",
							core, NULL};
				exposition_count(out, name, labels,
						 snapshot->workers[w].values[stat]);
			}
		}
	}
	write_by_core(snapshot, STELE_STAT_GENERATION, "stele_responder_generation", "gauge", out);
	write_by_core(snapshot, STELE_STAT_QUIESCENT, "stele_responder_quiescent_total", "counter",
		      out);
	for (unsigned i = 0; i < STELE_GLOBAL_CNT; i++) {
		char name[96];
		snprintf(name, sizeof(name), "stele_responder_%s_total", stele_global_name(i));
		exposition_family(out, name, "counter", stele_global_help(i));
		exposition_count(out, name, NULL, snapshot->globals[i]);
	}
}

/* A bucket for each power of two: the eight between them are for stelectl. */
static void write_histogram(const struct stele_stats_worker *sum, unsigned histogram, FILE *out)
{
	char name[96], part[128];
	snprintf(name, sizeof(name), "stele_responder_%s_%s", stele_histogram_name(histogram),
		 stele_histogram_unit(histogram));
	exposition_family(out, name, "histogram", stele_histogram_help(histogram));
	uint32_t cnt;
	const uint64_t *buckets = stele_stats_histogram(sum, histogram, &cnt);
	uint64_t total = 0;
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (uint32_t i = 0; i < cnt; i++) {
		total += buckets[i];
		if (i % 8 != 7 || i + 1 == cnt)
			continue;
		char bound[32];
		snprintf(bound, sizeof(bound), "%llu",
			 (unsigned long long)stele_stats_bucket_floor(i + 1) - 1);
		const char *labels[] = {"le", bound, NULL};
		exposition_count(out, part, labels, total);
	}
	const char *rest[] = {"le", "+Inf", NULL};
	exposition_count(out, part, rest, total);
	snprintf(part, sizeof(part), "%s_sum", name);
	exposition_count(out, part, NULL, sum->sums[histogram]);
	snprintf(part, sizeof(part), "%s_count", name);
	exposition_count(out, part, NULL, total);
}

static void write_zones(const struct stele_stats_snapshot *snapshot, FILE *out)
{
	for (unsigned stat = 0; stat < STELE_ZONE_STAT_CNT; stat++) {
		char name[96];
		snprintf(name, sizeof(name), "stele_responder_zone_%s_total",
			 stele_zone_stat_name(stat));
		exposition_family(out, name, "counter", stele_zone_stat_help(stat));
		for (uint32_t slot = 0; slot < snapshot->zone_cnt; slot++) {
			/* Slot 0 is for all zones without one of their own, and has no name. */
			const struct stele_stats_zone *zone = &snapshot->zones[slot];
			if (slot > 0 && zone->name_len == 0)
				continue;
			char text[STELE_NAME_TEXT_MAX] = "";
			if (slot > 0)
				stele_name_to_text(zone->name, text);
			const char *labels[] = {"zone", text, NULL};
			exposition_count(out, name, labels, snapshot->rows[slot].values[stat]);
		}
	}
}

static int write_from(const char *path, FILE *out)
{
	struct stele_stats_reader *reader;
	struct stele_stats_snapshot snapshot;
	struct stele_stats_worker *sum = aligned_alloc(128, sizeof(*sum));
	int status = sum != NULL ? stele_stats_open(path, &reader, NULL) : STELE_E_SYSTEM;
	if (status == 0) {
		status = stele_stats_snapshot(reader, true, &snapshot, NULL);
		stele_stats_close(reader);
	}
	if (status == 0) {
		write_counters(&snapshot, out);
		stele_stats_sum(&snapshot, sum);
		for (unsigned i = 0; i < STELE_HISTOGRAM_CNT; i++)
			write_histogram(sum, i, out);
		write_zones(&snapshot, out);
		stele_stats_snapshot_free(&snapshot);
	}
	free(sum);
	return status;
}

static void write_states(const json_t *status, FILE *out)
{
	const json_t *arena = json_object_get(status, "arena"), *port;
	size_t i;
	exposition_single(
		out, "stele_responder_healthy", "gauge",
		"1 if it serves an image, a port has a link, no core stands still, and it is not "
		"drained",
		json_is_true(json_object_get(status, "healthy")));
	exposition_single(out, "stele_responder_drained", "gauge", "1 if it is drained",
			  json_is_true(json_object_get(status, "drained")));
	exposition_family(out, "stele_responder_link_up", "gauge", "1 if the port has a link");
	json_array_foreach(json_object_get(status, "ports"), i, port)
	{
		const char *name = json_string_value(json_object_get(port, "name"));
		const char *link = json_string_value(json_object_get(port, "link"));
		const char *labels[] = {"port", name != NULL ? name : "", NULL};
		exposition_count(out, "stele_responder_link_up", labels,
				 link != NULL && strcmp(link, "up") == 0);
	}
	exposition_single(out, "stele_responder_arena_bytes", "gauge",
			  "memory for images, of each NUMA node",
			  (double)json_integer_value(json_object_get(arena, "size")));
	exposition_single(out, "stele_responder_arena_used_bytes", "gauge",
			  "of it, what the image takes and the one before it",
			  (double)json_integer_value(json_object_get(arena, "used")));
}

void metrics_write_responder(const char *socket, FILE *out)
{
	struct stele_ctl_client *client = NULL;
	json_t *request = json_pack("{s:s}", "op", "status"), *response = NULL;
	int status = request != NULL ? stele_ctl_connect(socket, &client, NULL) : STELE_E_SYSTEM;
	if (status == 0)
		status = stele_ctl_call(client, request, -1, ASK_TIMEOUT_MS, &response, NULL);
	if (status == 0)
		write_states(response, out);
	const char *path = json_string_value(json_object_get(response, "stats"));
	if (path == NULL)
		status = STELE_E_SYSTEM;
	if (status == 0)
		status = write_from(path, out);
	exposition_single(out, "stele_responder_up", "gauge",
			  "1 if the responder said where its counters are, and they could be read",
			  status == 0);
	json_decref(response);
	json_decref(request);
	stele_ctl_disconnect(client);
}
