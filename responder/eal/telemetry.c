/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/eal/telemetry.h"

#include <pthread.h>
#include <rte_telemetry.h>
#include <stdlib.h>
#include <string.h>

/* DPDK gives its handlers no word of the program's own, so this has to stand here. */
static struct {
	pthread_mutex_t lock;
	struct stele_stats_reader *reader; /* NULL: closed */
} telemetry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int take_snapshot(bool zones, struct stele_stats_snapshot *ret_snapshot)
{
	int rc = -1;

	pthread_mutex_lock(&telemetry.lock);
	if (telemetry.reader)
		rc = stele_stats_snapshot(telemetry.reader, zones, ret_snapshot, NULL);
	pthread_mutex_unlock(&telemetry.lock);
	return rc;
}

/* All workers, or the one whose number `params` is. */
static int add_up(const struct stele_stats_snapshot *snapshot, const char *params,
		  struct stele_stats_worker *ret_sum)
{
	char *end;

	if (!params || !*params) {
		stele_stats_sum(snapshot, ret_sum);
		return 0;
	}
	unsigned long worker = strtoul(params, &end, 10);
	if (*end || worker >= snapshot->worker_cnt)
		return -1;
	*ret_sum = snapshot->workers[worker];
	return 0;
}

static int tell_counters(const char *cmd, const char *params, struct rte_tel_data *data)
{
	struct stele_stats_snapshot snapshot;
	struct stele_stats_worker *sum = malloc(sizeof(*sum));

	(void)cmd;
	if (!sum || take_snapshot(false, &snapshot) != 0) {
		free(sum);
		return -1;
	}
	if (add_up(&snapshot, params, sum) != 0) {
		stele_stats_snapshot_free(&snapshot);
		free(sum);
		return -1;
	}
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < STELE_STAT_CNT; i++)
		rte_tel_data_add_dict_u64(data, stele_stat_name(i), sum->values[i]);
	for (unsigned i = 0; i < STELE_GLOBAL_CNT; i++)
		rte_tel_data_add_dict_u64(data, stele_global_name(i), snapshot.globals[i]);
	rte_tel_data_add_dict_int(data, "balance", (int)stele_stats_balance(sum));
	stele_stats_snapshot_free(&snapshot);
	free(sum);
	return 0;
}

static void tell_zone(const struct stele_stats_snapshot *snapshot, uint32_t slot,
		      struct rte_tel_data *data)
{
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
		rte_tel_data_add_dict_u64(data, stele_zone_stat_name(i),
					  snapshot->rows[slot].values[i]);
	rte_tel_data_add_dict_u64(data, "serial", snapshot->zones[slot].serial);
}

static int tell_zones(const char *cmd, const char *params, struct rte_tel_data *data)
{
	struct stele_stats_snapshot snapshot;
	char name[STELE_NAME_TEXT_MAX];
	int rc = 0;

	(void)cmd;
	if (take_snapshot(true, &snapshot) != 0)
		return -1;
	bool one = params && *params, found = false;
	if (!one)
		rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint32_t slot = 1; slot < snapshot.zone_cnt && rc >= 0 && !found; slot++) {
		if (snapshot.zones[slot].name_len == 0)
			continue;
		stele_name_to_text(snapshot.zones[slot].name, name);
		if (!one) {
			/* DPDK's answer has room for 512 of 127 bytes, and 16 KB in all; the others
			 * can be asked for by name. Of a name that was cut it says so, by a number
			 * above 0. */
			rc = rte_tel_data_add_array_string(data, name);
		} else if (strcmp(name, params) == 0) {
			tell_zone(&snapshot, slot, data);
			found = true;
		}
	}
	stele_stats_snapshot_free(&snapshot);
	return one && !found ? -1 : 0;
}

int stele_telemetry_open(struct stele_stats *stats, struct stele_error *reterr)
{
	struct stele_stats_reader *reader;
	int rc = stele_stats_open(stele_stats_path(stats), &reader, reterr);

	if (rc)
		return rc;
	pthread_mutex_lock(&telemetry.lock);
	telemetry.reader = reader;
	pthread_mutex_unlock(&telemetry.lock);
	rc = rte_telemetry_register_cmd(
		"/stele/counters", tell_counters,
		"Counters of all workers. Parameters: int worker (one of them)");
	if (!rc)
		rc = rte_telemetry_register_cmd(
			"/stele/zones", tell_zones,
			"Zones that are served. Parameters: string name (counters of one)");
	return rc ? stele_fail_errno(reterr, -rc, "telemetry") : 0;
}

void stele_telemetry_close(void)
{
	pthread_mutex_lock(&telemetry.lock);
	stele_stats_close(telemetry.reader);
	telemetry.reader = NULL;
	pthread_mutex_unlock(&telemetry.lock);
}
