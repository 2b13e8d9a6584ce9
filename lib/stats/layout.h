/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STATS_LAYOUT_H
#define STELE_LIB_STATS_LAYOUT_H

/* Where things stand in the file. For the code of this folder. */

#include "lib/stats/stats.h"

#define STELE_STATS_MAGIC "STLSTATS"
#define STELE_STATS_VERSION 1

/* What anybody but a worker writes stands here, away from the workers' cache lines. */
struct stele_stats_header {
	char magic[8];
	uint32_t version;
	uint32_t layout; /* CRC of all names, kinds and sizes: another list of counters is another layout */
	uint32_t worker_cnt;
	uint32_t zone_slot_cnt;
	uint64_t file_sz;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	int64_t started;     /* seconds since 1970 */
	int64_t pid;
	uint64_t zones_version; /* odd while the zone table is being written */
	uint64_t globals[STELE_GLOBAL_CNT];
} __attribute__((aligned(128)));

struct stele_stats_layout {
	size_t zones_off, workers_off, rows_off, rows_stride, file_sz;
};

/* Of the names and kinds of all counters and the sizes of all structs: a reader of another version finds out. */
uint32_t stele_stats_layout_crc(void);

/* Counts within their bounds give a size far below what overflows. */
struct stele_stats_layout stele_stats_layout(uint32_t worker_cnt, uint32_t zone_slot_cnt);

static inline struct stele_stats_zone *
stele_stats_zone_table(uint8_t *base, const struct stele_stats_layout *layout)
{
	return (struct stele_stats_zone *)(void *)(base + layout->zones_off);
}

static inline struct stele_stats_worker *
stele_stats_worker_at(uint8_t *base, const struct stele_stats_layout *layout, uint32_t index)
{
	return (struct stele_stats_worker *)(void *)(base + layout->workers_off) + index;
}

static inline struct stele_stats_zone_row *
stele_stats_rows_at(uint8_t *base, const struct stele_stats_layout *layout, uint32_t index)
{
	return (struct stele_stats_zone_row *)(void *)(base + layout->rows_off +
						       layout->rows_stride * index);
}

/*
 * Between processes and threads everything is copied by words, each of them whole. Sizes are multiples
 * of 8.
 */
static inline void stele_stats_load_words(void *to, const void *from, size_t sz)
{
	uint64_t *t = to;
	const uint64_t *f = from;
	for (size_t i = 0; i < sz / 8; i++)
		t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}

static inline void stele_stats_store_words(void *to, const void *from, size_t sz)
{
	uint64_t *t = to;
	const uint64_t *f = from;
	for (size_t i = 0; i < sz / 8; i++)
		__atomic_store_n(&t[i], f[i], __ATOMIC_RELAXED);
}

struct stele_stats {
	uint8_t *base;
	struct stele_stats_header *header;
	struct stele_stats_layout layout;
	uint64_t device, inode; /* of the file */
	char *path;
	uint64_t hash_seed; /* of zone names, so that nobody can choose names that collide */
	bool *served;       /* by slot; for settle, which must not fail */
};

#endif
