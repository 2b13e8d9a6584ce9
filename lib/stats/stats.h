/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STATS_STATS_H
#define STELE_LIB_STATS_STATS_H

/*
 * What the workers count, in memory that others read without disturbing them.
 *
 * The program that serves creates one file on a tmpfs and maps it. Each worker has a block of its own
 * that only it writes, with plain stores: no locks, no atomic read-modify-write, no cache line that
 * two workers write. The daemon and tools map the same file read-only, take a snapshot, and add
 * workers up themselves.
 *
 *     header | zone table | worker 0 | worker 1 | … | zone rows of worker 0 | of worker 1 | …
 *
 * A worker counts a burst between stele_stats_begin() and stele_stats_end(). Readers try to take each
 * worker's block from between two bursts, so that the law of counters.def holds in a snapshot while
 * packets are being counted.
 *
 * Zones are counted by *slot*, a small number that a zone keeps as long as it is served, whatever
 * image it is in. The control thread gives out slots; a worker gets from a reply's zone id to the slot with
 * a stele_stats_zone_map, which belongs to one image. Slot 0 is for all zones without one of their own.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum stele_stat {
#define STELE_STAT(id, name, kind, help) STELE_STAT_##id,
#include "lib/stats/counters.def"
	STELE_STAT_CNT
};

enum stele_stat_kind {
	STELE_KIND_RECEIVED,
	STELE_KIND_ANSWERED,
	STELE_KIND_LOCAL,
	STELE_KIND_PUNTED,
	STELE_KIND_DROPPED,
	STELE_KIND_RETURN_IN,
	STELE_KIND_RETURN_OUT,
	STELE_KIND_RETURN_LOST,
	STELE_KIND_DETAIL,
	STELE_KIND_GAUGE,
	STELE_KIND_CNT
};

enum stele_global {
#define STELE_GLOBAL(id, name, help) STELE_GLOBAL_##id,
#include "lib/stats/counters.def"
	STELE_GLOBAL_CNT
};

enum stele_histogram {
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help) STELE_HISTOGRAM_##id,
#include "lib/stats/counters.def"
	STELE_HISTOGRAM_CNT
};

enum stele_zone_stat {
#define STELE_ZONE_STAT(id, name, help) STELE_ZONE_STAT_##id,
#include "lib/stats/counters.def"
	STELE_ZONE_STAT_CNT
};

/* ---- names, for whoever prints ---- */

const char *stele_stat_name(enum stele_stat stat);
const char *stele_stat_help(enum stele_stat stat);
enum stele_stat_kind stele_stat_kind(enum stele_stat stat);
const char *stele_stat_kind_name(enum stele_stat_kind kind);
const char *stele_global_name(enum stele_global global);
const char *stele_global_help(enum stele_global global);
const char *stele_zone_stat_name(enum stele_zone_stat stat);
const char *stele_zone_stat_help(enum stele_zone_stat stat);
const char *stele_histogram_name(enum stele_histogram histogram);
const char *stele_histogram_unit(enum stele_histogram histogram);
const char *stele_histogram_help(enum stele_histogram histogram);

/* ---- layout ---- */

/*
 * Histograms have eight buckets for each power of two, so that a value is known to an eighth: values
 * 0 … 15 have a bucket each, then come 16-17, 18-19, … 30-31, 32-35, ….
 */
#define STELE_STATS_BUCKETS(last_exponent) (8 * ((last_exponent)-2) + 8)

enum {
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help)                                       \
	STELE_BUCKETS_##id = STELE_STATS_BUCKETS(last_exponent),
#include "lib/stats/counters.def"
};

/* Where the buckets of each histogram stand among those of all. */
struct stele_stats_buckets {
#define STELE_HISTOGRAM(id, name, last_exponent, unit, help) uint64_t id[STELE_BUCKETS_##id];
#include "lib/stats/counters.def"
};

/* What a worker is; written once, before it runs. */
struct stele_stats_place {
	uint32_t core;  /* the processor it is pinned to */
	uint32_t port;  /* as the responder numbers its ports */
	uint32_t queue; /* of that port */
	uint32_t numa;
};

/*
 * One worker. The numbers are in the byte order of the machine: the file does not outlive it.
 * Aligned to two cache lines, since processors fetch lines in pairs.
 */
struct stele_stats_worker {
	uint64_t version; /* odd between begin and end; goes up by 2 with each burst */
	uint64_t values[STELE_STAT_CNT];
	uint64_t sums[STELE_HISTOGRAM_CNT]; /* of all values recorded */
	struct stele_stats_buckets buckets;
	struct stele_stats_place place;
} __attribute__((aligned(128)));

/* One zone's counters of one worker: one cache line, so a query costs at most one miss here. */
struct stele_stats_zone_row {
	uint64_t values[STELE_ZONE_STAT_CNT];
} __attribute__((aligned(64)));

static_assert(sizeof(struct stele_stats_zone_row) == 64, "a zone row is one cache line");

/* Orders the stores of version numbers with those of what they guard. GCC's ThreadSanitizer knows no
 * fences; it needs none, since all that is guarded is accessed by atomic operations. */
static inline void stele_stats_fence(int order)
{
#if defined(__SANITIZE_THREAD__)
	(void)order;
#else
	__atomic_thread_fence(order);
#endif
}

/* ---- counting: the worker's own thread only ---- */

/*
 * All of these cost a load and a store of the worker's own memory. The stores are relaxed: a reader sees
 * each number whole, and sees begin and end in order.
 */
static inline void stele_stats_begin(struct stele_stats_worker *worker)
{
	__atomic_store_n(&worker->version, worker->version + 1, __ATOMIC_RELAXED);
	stele_stats_fence(__ATOMIC_RELEASE);
}

static inline void stele_stats_end(struct stele_stats_worker *worker)
{
	__atomic_store_n(&worker->version, worker->version + 1, __ATOMIC_RELEASE);
}

static inline void stele_stats_add(struct stele_stats_worker *worker, enum stele_stat stat,
				   uint64_t n)
{
	__atomic_store_n(&worker->values[stat], worker->values[stat] + n, __ATOMIC_RELAXED);
}

/* For gauges. */
static inline void stele_stats_set(struct stele_stats_worker *worker, enum stele_stat stat,
				   uint64_t value)
{
	__atomic_store_n(&worker->values[stat], value, __ATOMIC_RELAXED);
}

static inline void stele_stats_zone_add(struct stele_stats_zone_row *row, enum stele_zone_stat stat,
					uint64_t n)
{
	__atomic_store_n(&row->values[stat], row->values[stat] + n, __ATOMIC_RELAXED);
}

/* The bucket of `value` in a histogram of `bucket_cnt` buckets. */
static inline uint32_t stele_stats_bucket(uint64_t value, uint32_t bucket_cnt)
{
	/* 0 … 15 have a bucket each. Without a branch: sizes and times are what no predictor knows. */
	unsigned shift = 60u - (unsigned)__builtin_clzll(value | 8);
	uint32_t bucket = 8 * shift + (uint32_t)(value >> shift);
	return __builtin_expect(bucket < bucket_cnt, 1) ? bucket : bucket_cnt - 1;
}

/* The smallest value that counts in `bucket`. */
static inline uint64_t stele_stats_bucket_floor(uint32_t bucket)
{
	if (bucket < 8)
		return bucket;
	return (8u + (uint64_t)(bucket & 7)) << (bucket / 8 - 1);
}

/* The two halves of STELE_STATS_RECORD, for who adds up sums over many values first. */
static inline void stele_stats_count_bucket(uint64_t *buckets, uint32_t bucket_cnt, uint64_t value,
					    uint64_t n)
{
	uint32_t bucket = stele_stats_bucket(value, bucket_cnt);
	__atomic_store_n(&buckets[bucket], buckets[bucket] + n, __ATOMIC_RELAXED);
}

static inline void stele_stats_add_sum(struct stele_stats_worker *worker,
				       enum stele_histogram histogram, uint64_t sum)
{
	__atomic_store_n(&worker->sums[histogram], worker->sums[histogram] + sum, __ATOMIC_RELAXED);
}

/* `n` values alike. */
#define STELE_STATS_RECORD(worker, id, value, n)                                                   \
	stele_stats_record((worker), (worker)->buckets.id, STELE_BUCKETS_##id,                     \
			   STELE_HISTOGRAM_##id, (value), (n))

static inline void stele_stats_record(struct stele_stats_worker *worker, uint64_t *buckets,
				      uint32_t bucket_cnt, enum stele_histogram histogram,
				      uint64_t value, uint64_t n)
{
	stele_stats_count_bucket(buckets, bucket_cnt, value, n);
	stele_stats_add_sum(worker, histogram, value * n);
}

/* ---- the program that serves ---- */

/* More workers than any machine has cores. */
#define STELE_STATS_WORKERS_MAX 1024
/* With too few slots many zones share slot 0; each slot costs 272 bytes and 64 for each worker, all of it
 * reserved from the start. */
#define STELE_STATS_ZONE_SLOTS_MAX (1u << 20)
#define STELE_STATS_ZONE_SLOTS_DEFAULT 4096

struct stele_stats;

struct stele_stats_settings {
	const char *path; /* must lie on a tmpfs (/run, /dev/shm): elsewhere the system's writing
			   * back of pages would stop workers at random */
	mode_t mode;      /* of the file; 0640 or 0644 */
	uint32_t worker_cnt;
	uint32_t zone_slot_cnt; /* slot 0 included; at least 1 */
};

/*
 * Makes the file under another name, reserves all its memory, and puts it in the place of what is there.
 * Readers of a former file keep that one. STELE_E_USAGE: settings out of range; STELE_E_SYSTEM.
 */
int stele_stats_create(const struct stele_stats_settings *settings, struct stele_stats **ret_stats,
		       struct stele_error *reterr);

/* Unmaps, and removes the file if it is still ours and we may. NULL is fine. After all workers. */
void stele_stats_destroy(struct stele_stats *stats);

/* Of the file; lives as long as `stats`. */
const char *stele_stats_path(const struct stele_stats *stats);

/* The block of a worker; `place` is written into it. Before the worker runs. */
struct stele_stats_worker *stele_stats_worker(struct stele_stats *stats, uint32_t index,
					      const struct stele_stats_place *place);
/* The rows of a worker by slot. */
struct stele_stats_zone_row *stele_stats_zone_rows(struct stele_stats *stats, uint32_t index);

/* By one thread for each of them (counters.def). */
void stele_stats_global_add(struct stele_stats *stats, enum stele_global global, uint64_t n);

/* ---- zones and their slots: control thread ---- */

/* A zone as readers see it. */
struct stele_stats_zone {
	uint8_t name[STELE_NAME_MAX]; /* lower case, wire format */
	uint8_t name_len;             /* 0: the slot is free */
	uint32_t serial;
	uint32_t zone_id; /* in its image */
	uint64_t generation;
};
static_assert(sizeof(struct stele_stats_zone) == 272, "zone table entry");

/* From the zone ids of one image to slots. Does not change; any number of threads read it. */
struct stele_stats_zone_map;

/*
 * The life of a zone's slot, at each change of images:
 *
 * 1. Before workers see the new images: stele_stats_zones_assign() with all zones that will be served. A
 *    zone that is known by its name keeps its slot, a new one gets a free one that counts from 0, or
 *    slot 0 if there is none left.
 * 2. A map for each image, from its zones and their slots.
 * 3. After all workers have left the old images: stele_stats_zones_settle() with the zones that are
 *    served now. Readers see the new serials from here on; slots of all other zones are cleared and
 *    free. If the new images were refused, settle with the old zones.
 *
 * Cost: linear in the number of zones plus slots.
 */
int stele_stats_zones_assign(struct stele_stats *stats, const struct stele_stats_zone *zones,
			     size_t zone_cnt, uint32_t *ret_slots, struct stele_error *reterr);
void stele_stats_zones_settle(struct stele_stats *stats, const struct stele_stats_zone *zones,
			      const uint32_t *slots, size_t zone_cnt);

/* The ids of `zones` must differ. */
int stele_stats_zone_map_new(const struct stele_stats_zone *zones, const uint32_t *slots,
			     size_t zone_cnt, struct stele_stats_zone_map **ret_map,
			     struct stele_error *reterr);
void stele_stats_zone_map_free(struct stele_stats_zone_map *map); /* NULL is fine */

struct stele_stats_zone_map {
	uint32_t mask;
	uint32_t shift;
	struct stele_stats_zone_map_entry {
		uint32_t zone_id;
		uint32_t slot_plus_1; /* 0: empty */
	} entries[];
};

/* The slot of a zone; 0 for ids that the map does not know, UINT32_MAX among them. */
static inline uint32_t stele_stats_zone_slot(const struct stele_stats_zone_map *map,
					     uint32_t zone_id)
{
	for (uint32_t i = zone_id * 0x9e3779b1u >> map->shift;; i++) {
		const struct stele_stats_zone_map_entry *entry = &map->entries[i & map->mask];
		if (entry->slot_plus_1 == 0)
			return 0;
		if (entry->zone_id == zone_id)
			return entry->slot_plus_1 - 1;
	}
}

/* ---- readers, in any process ---- */

struct stele_stats_reader;

/*
 * Maps the file read-only. STELE_E_NOTFOUND if there is none, STELE_E_INPUT if it is no such file, is
 * damaged, or was made by a version with other counters, STELE_E_SYSTEM. Never writes.
 */
int stele_stats_open(const char *path, struct stele_stats_reader **ret_reader,
		     struct stele_error *reterr);
void stele_stats_close(struct stele_stats_reader *reader); /* NULL is fine */

/* False once another file is in the place of the one that is mapped: the server started again. */
bool stele_stats_is_current(const struct stele_stats_reader *reader);

struct stele_stats_snapshot {
	uint64_t taken_ns;   /* CLOCK_MONOTONIC */
	uint64_t started_ns; /* of the server, CLOCK_MONOTONIC; tells two servers apart */
	int64_t started;     /* seconds since 1970 */
	pid_t pid;           /* of the server */
	uint64_t globals[STELE_GLOBAL_CNT];
	uint32_t worker_cnt;
	uint32_t torn_cnt; /* workers whose block could not be had from between two bursts, so that
			    * their numbers may be off by the packets of a few bursts */
	struct stele_stats_worker *workers;
	uint32_t zone_cnt; /* slots, 0 if they were not asked for */
	struct stele_stats_zone *zones;
	struct stele_stats_zone_row *rows; /* of each zone, over all workers */
};

/*
 * Copies what is there now. With `zones` also the zone table and rows, all of one moment of the table.
 * `ret_snapshot` is to be freed. STELE_E_SYSTEM: memory, or a table that does not come to rest
 * (a server that died while it wrote it).
 */
int stele_stats_snapshot(const struct stele_stats_reader *reader, bool zones,
			 struct stele_stats_snapshot *ret_snapshot, struct stele_error *reterr);
void stele_stats_snapshot_free(struct stele_stats_snapshot *snapshot);

/* All workers added up. Of gauges the sum means nothing: it is left 0. */
void stele_stats_sum(const struct stele_stats_snapshot *snapshot,
		     struct stele_stats_worker *ret_sum);

/* Whether both are of one run of the server; else there is nothing to subtract. */
bool stele_stats_same_server(const struct stele_stats_snapshot *a,
			     const struct stele_stats_snapshot *b);

/* later - earlier, for counters, sums and buckets; gauges and place as in `later`. Of one server. */
void stele_stats_diff(const struct stele_stats_worker *later,
		      const struct stele_stats_worker *earlier,
		      struct stele_stats_worker *ret_diff);

/* The same for the row of a slot; all of `later` if another zone had the slot in `earlier`. */
void stele_stats_zone_diff(const struct stele_stats_snapshot *later,
			   const struct stele_stats_snapshot *earlier, uint32_t slot,
			   struct stele_stats_zone_row *ret_diff);

/* The sum of all counters of a kind. */
uint64_t stele_stats_kind_sum(const struct stele_stats_worker *worker, enum stele_stat_kind kind);

/* received - (answered + local + punted + dropped): 0 if every packet was counted exactly once. */
int64_t stele_stats_balance(const struct stele_stats_worker *worker);

/* The buckets of a histogram and how many there are. */
const uint64_t *stele_stats_histogram(const struct stele_stats_worker *worker,
				      enum stele_histogram histogram, uint32_t *ret_cnt);

/*
 * The value below which `fraction` (0 … 1) of the values lie, as the upper end of its bucket, so never
 * too low (except for values beyond the last bucket). 0 if there are no values.
 */
uint64_t stele_stats_quantile(const struct stele_stats_worker *worker,
			      enum stele_histogram histogram, double fraction);

#endif
