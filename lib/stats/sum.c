/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic over snapshots. */
#include "lib/stats/stats.h"

#include <string.h>

/* All histograms' buckets as one run. */
#define BUCKET_CNT (sizeof(struct stele_stats_buckets) / sizeof(uint64_t))

static const uint64_t *all_buckets(const struct stele_stats_worker *worker)
{
	return (const uint64_t *)&worker->buckets;
}

void stele_stats_sum(const struct stele_stats_snapshot *snapshot,
		     struct stele_stats_worker *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	uint64_t *buckets = (uint64_t *)&ret_sum->buckets;
	for (uint32_t w = 0; w < snapshot->worker_cnt; w++) {
		const struct stele_stats_worker *worker = &snapshot->workers[w];
		for (unsigned i = 0; i < STELE_STAT_CNT; i++)
			if (stele_stat_kind(i) != STELE_KIND_GAUGE)
				ret_sum->values[i] += worker->values[i];
		for (unsigned i = 0; i < STELE_HISTOGRAM_CNT; i++)
			ret_sum->sums[i] += worker->sums[i];
		for (size_t i = 0; i < BUCKET_CNT; i++)
			buckets[i] += all_buckets(worker)[i];
	}
}

bool stele_stats_same_server(const struct stele_stats_snapshot *a,
			     const struct stele_stats_snapshot *b)
{
	return a->pid == b->pid && a->started_ns == b->started_ns && a->worker_cnt == b->worker_cnt;
}

void stele_stats_diff(const struct stele_stats_worker *later,
		      const struct stele_stats_worker *earlier, struct stele_stats_worker *ret_diff)
{
	struct stele_stats_worker diff = *later;
	uint64_t *buckets = (uint64_t *)&diff.buckets;
	for (unsigned i = 0; i < STELE_STAT_CNT; i++)
		if (stele_stat_kind(i) != STELE_KIND_GAUGE)
			diff.values[i] -= earlier->values[i];
	for (unsigned i = 0; i < STELE_HISTOGRAM_CNT; i++)
		diff.sums[i] -= earlier->sums[i];
	for (size_t i = 0; i < BUCKET_CNT; i++)
		buckets[i] -= all_buckets(earlier)[i];
	*ret_diff = diff;
}

void stele_stats_zone_diff(const struct stele_stats_snapshot *later,
			   const struct stele_stats_snapshot *earlier, uint32_t slot,
			   struct stele_stats_zone_row *ret_diff)
{
	struct stele_stats_zone_row diff = later->rows[slot];
	if (slot < earlier->zone_cnt) {
		const struct stele_stats_zone *a = &earlier->zones[slot], *b = &later->zones[slot];
		if (a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0)
			for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
				diff.values[i] -= earlier->rows[slot].values[i];
	}
	*ret_diff = diff;
}

uint64_t stele_stats_kind_sum(const struct stele_stats_worker *worker, enum stele_stat_kind kind)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < STELE_STAT_CNT; i++)
		if (stele_stat_kind(i) == kind)
			sum += worker->values[i];
	return sum;
}

int64_t stele_stats_balance(const struct stele_stats_worker *worker)
{
	return (int64_t)(stele_stats_kind_sum(worker, STELE_KIND_RECEIVED) -
			 stele_stats_kind_sum(worker, STELE_KIND_ANSWERED) -
			 stele_stats_kind_sum(worker, STELE_KIND_LOCAL) -
			 stele_stats_kind_sum(worker, STELE_KIND_PUNTED) -
			 stele_stats_kind_sum(worker, STELE_KIND_DROPPED));
}

const uint64_t *stele_stats_histogram(const struct stele_stats_worker *worker,
				      enum stele_histogram histogram, uint32_t *ret_cnt)
{
	switch (histogram) {
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help)                                       \
	case STELE_HISTOGRAM_##id:                                                                 \
		*ret_cnt = STELE_BUCKETS_##id;                                                     \
		return worker->buckets.id;
#include "lib/stats/counters.def"
	default:
		*ret_cnt = 0;
		return NULL;
	}
}

uint64_t stele_stats_quantile(const struct stele_stats_worker *worker,
			      enum stele_histogram histogram, double fraction)
{
	uint32_t cnt;
	const uint64_t *buckets = stele_stats_histogram(worker, histogram, &cnt);
	uint64_t total = 0, seen = 0;
	for (uint32_t i = 0; i < cnt; i++)
		total += buckets[i];
	for (uint32_t i = 0; i < cnt; i++) {
		seen += buckets[i];
		if (buckets[i] > 0 && (double)seen >= fraction * (double)total)
			return stele_stats_bucket_floor(i + 1) - 1;
	}
	return 0;
}
