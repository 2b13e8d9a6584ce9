/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stats/stats.h"

static const struct {
	const char *name, *help;
	enum stele_stat_kind kind;
} stats[STELE_STAT_CNT] = {
#define STELE_STAT(id, name, kind, help) {name, help, STELE_KIND_##kind},
#include "lib/stats/counters.def"
};

static const char *const kinds[STELE_KIND_CNT] = {
	[STELE_KIND_RECEIVED] = "received",     [STELE_KIND_ANSWERED] = "answered",
	[STELE_KIND_LOCAL] = "local",           [STELE_KIND_PUNTED] = "punted",
	[STELE_KIND_DROPPED] = "dropped",       [STELE_KIND_RETURN_IN] = "return_in",
	[STELE_KIND_RETURN_OUT] = "return_out", [STELE_KIND_RETURN_LOST] = "return_lost",
	[STELE_KIND_DETAIL] = "detail",         [STELE_KIND_GAUGE] = "gauge",
};

static const struct {
	const char *name, *help;
} globals[STELE_GLOBAL_CNT] = {
#define STELE_GLOBAL(id, name, help) {name, help},
#include "lib/stats/counters.def"
};

static const struct {
	const char *name, *help;
} zone_stats[STELE_ZONE_STAT_CNT] = {
#define STELE_ZONE_STAT(id, name, help) {name, help},
#include "lib/stats/counters.def"
};

static const struct {
	const char *name, *unit, *help;
} histograms[STELE_HISTOGRAM_CNT] = {
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help) {name, unit, help},
#include "lib/stats/counters.def"
};

const char *stele_stat_name(enum stele_stat stat)
{
	return stats[stat].name;
}

const char *stele_stat_help(enum stele_stat stat)
{
	return stats[stat].help;
}

enum stele_stat_kind stele_stat_kind(enum stele_stat stat)
{
	return stats[stat].kind;
}

const char *stele_stat_kind_name(enum stele_stat_kind kind)
{
	return kinds[kind];
}

const char *stele_global_name(enum stele_global global)
{
	return globals[global].name;
}

const char *stele_global_help(enum stele_global global)
{
	return globals[global].help;
}

const char *stele_zone_stat_name(enum stele_zone_stat stat)
{
	return zone_stats[stat].name;
}

const char *stele_zone_stat_help(enum stele_zone_stat stat)
{
	return zone_stats[stat].help;
}

const char *stele_histogram_name(enum stele_histogram histogram)
{
	return histograms[histogram].name;
}

const char *stele_histogram_unit(enum stele_histogram histogram)
{
	return histograms[histogram].unit;
}

const char *stele_histogram_help(enum stele_histogram histogram)
{
	return histograms[histogram].help;
}
