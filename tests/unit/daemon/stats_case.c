/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/stats_case.h"

char path[64];
const struct stele_stats_place place = {.core = 3, .port = 1, .queue = 2};

struct stele_stats *create(uint32_t worker_cnt, uint32_t slot_cnt)
{
	struct stele_stats_settings settings = {
		.path = path, .mode = 0640, .worker_cnt = worker_cnt, .zone_slot_cnt = slot_cnt};
	struct stele_stats *stats;
	struct stele_error err;
	int status = stele_stats_create(&settings, &stats, &err);
	if (status != 0)
		fail_msg("%s", err.text);
	return stats;
}

struct stele_stats_reader *open_reader(void)
{
	struct stele_stats_reader *reader;
	struct stele_error err;
	if (stele_stats_open(path, &reader, &err) != 0)
		fail_msg("%s", err.text);
	return reader;
}

struct stele_stats_snapshot take(const struct stele_stats_reader *reader, bool zones)
{
	struct stele_stats_snapshot snapshot;
	struct stele_error err;
	if (stele_stats_snapshot(reader, zones, &snapshot, &err) != 0)
		fail_msg("%s", err.text);
	return snapshot;
}
