/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stats/layout.h"

#include "lib/base/crc32c.h"

#include <string.h>

#define PAGE_SZ 4096u

static_assert(sizeof(struct stele_stats_worker) % 128 == 0, "workers share no pair of cache lines");
static_assert(sizeof(struct stele_stats_header) % 128 == 0,
	      "the zone table begins on a cache line");

static size_t round_up(size_t sz, size_t to)
{
	return (sz + to - 1) / to * to;
}

uint32_t stele_stats_layout_crc(void)
{
	static const char text[] =
#define STELE_STAT(id, name, kind, help) name ":" #kind ";"
#include "lib/stats/counters.def"
#define STELE_GLOBAL(id, name, help) name ":GLOBAL;"
#include "lib/stats/counters.def"
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help) name ":" #last_exponent unit ";"
#include "lib/stats/counters.def"
#define STELE_ZONE_STAT(id, name, help) name ":ZONE;"
#include "lib/stats/counters.def"
		;
	const uint32_t sizes[] = {sizeof(struct stele_stats_header),
				  sizeof(struct stele_stats_worker),
				  sizeof(struct stele_stats_zone),
				  sizeof(struct stele_stats_zone_row)};
	uint32_t crc = stele_crc32c(0, text, sizeof(text));
	return stele_crc32c(crc, sizes, sizeof(sizes));
}

struct stele_stats_layout stele_stats_layout(uint32_t worker_cnt, uint32_t zone_slot_cnt)
{
	struct stele_stats_layout l;
	l.zones_off = sizeof(struct stele_stats_header);
	l.workers_off = round_up(
		l.zones_off + sizeof(struct stele_stats_zone) * (size_t)zone_slot_cnt, PAGE_SZ);
	l.rows_off = round_up(
		l.workers_off + sizeof(struct stele_stats_worker) * (size_t)worker_cnt, PAGE_SZ);
	/* Whole pages, so that each can come from the memory of its worker's socket. */
	l.rows_stride =
		round_up(sizeof(struct stele_stats_zone_row) * (size_t)zone_slot_cnt, PAGE_SZ);
	l.file_sz = l.rows_off + l.rows_stride * worker_cnt;
	return l;
}
