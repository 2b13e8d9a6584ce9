/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_STELECTL_STATS_H
#define STELE_MGMT_STELECTL_STATS_H

/* What `stelectl stats` shows, as text and as JSON. */

#include "lib/stats/stats.h"

#include <jansson.h>

/* Two looks at a server, or one. */
struct stats_view {
	const struct stele_stats_snapshot *now;
	const struct stele_stats_snapshot *before; /* NULL: counters since the start */
	bool cores, zones;                         /* also each core, each zone */
};

/* Everything there is to say, once. */
void stats_print(const struct stats_view *view);

/* One line: what happened between the two looks, by second; `row` counts from 0. */
void stats_print_rates(const struct stats_view *view, unsigned row);

/* NULL when memory is out. Counters, or rates by second where there are two looks. */
json_t *stats_json(const struct stats_view *view);

#endif
