/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_BUILD_INTERNAL_H
#define STELE_ZONECOMPILER_BUILD_INTERNAL_H

/* What the phases of a build share. */

#include "zonecompiler/build/build.h"
#include "zonecompiler/build/gather.h"
#include "zonecompiler/carve/nsec3_run.h"
#include "zonecompiler/image/file.h"
#include "zonecompiler/pack/zone_record.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Owners of NSEC RRsets of one part of a zone: struct stele_nsec_entry with sort keys. */
struct build_piece {
	uint8_t from[STELE_SORT_KEY_MAX]; /* where the part begins */
	size_t from_len;
	struct stele_buffer entries;
	uint32_t entry_cnt;
};

/*
 * A zone that several tasks work on, or whose chain may need shards. All others are done in one go by
 * one task, which needs no memory of them afterwards.
 */
struct build_zone {
	struct stele_carve_zone facts;
	struct stele_zone_info info;
	bool has_children, has_wildcard; /* of the apex */
	pthread_mutex_t lock;            /* guards the four below while tasks run */
	struct stele_walk_totals totals;
	struct build_piece *pieces;
	size_t piece_cnt, piece_cap;
	struct stele_nsec3_run *runs; /* 2^chain_bits, if the chain is NSEC3 */
	unsigned chain_bits;

	/* Laid out. */
	uint8_t chain_kind;
	uint32_t chain_first, chain_cnt;
	uint32_t *own_cnts;         /* NSEC: entries of each shard */
	const uint8_t **own_begins; /* NSEC: where each shard's entries begin, in `chain` */
	struct stele_buffer chain;  /* NSEC: all pieces, one behind the other */
};

enum build_task_kind {
	BUILD_TASK_ZONES, /* zones `first` … `first + cnt - 1`, each in one go */
	BUILD_TASK_NODES, /* the names of a zone from `from` on and before `to` */
	BUILD_TASK_NSEC3, /* shard `first` of a zone's chain */
};

struct build_task {
	enum build_task_kind kind;
	uint32_t first, cnt;
	struct build_zone *zone;
	uint8_t *from, *to; /* malloc'ed, NULL: no bound */
	uint16_t from_len, to_len;
};

struct build {
	struct stele_store *store;
	const struct stele_build_options *options;
	struct stele_hash_seed seed;
	struct stele_zone_info *infos;
	size_t zone_cnt;
	uint64_t node_total, generation, store_mark;
	unsigned name_bits, zone_bits;
	uint32_t zone_first, chain_first; /* shards: names, then zones, then chains */

	struct build_zone **zones; /* those that need one, in the order of `infos` */
	size_t tracked_cnt;

	/* The tasks. A thread that finds none makes the others split theirs. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct build_task *tasks;
	size_t task_next, task_cnt, task_cap;
	unsigned running;
	atomic_uint hungry;

	atomic_bool failed; /* by whom and why is in `error`, guarded by `lock` */
	bool again;         /* a thread saw another generation, or shards are too full */
	int status;
	struct stele_error error;

	struct build_worker *workers;
	unsigned worker_cnt;
	atomic_uint_fast64_t nodes_done;

	struct stele_image_file file;
	uint64_t *sizes; /* of each shard; of hash shards the most that they may take */
	uint32_t shard_cnt;
	atomic_uint pack_next, packed;
	uint32_t place_next; /* the next shard to be given its place; guarded by `lock` */
};

struct build_worker {
	struct build *build;
	unsigned number; /* 0 is the calling thread */
	pthread_t thread;
	struct stele_store_read *read;
	struct stele_gather gather;
	struct stele_carver carver;
	struct stele_walk walk;
	struct stele_buffer nsec; /* entries of the part under way */
	uint32_t nsec_cnt;
	struct stele_buffer scratch, chain;
	uint64_t zone_name_cnt, zone_rr_cnt; /* of zones done in one go */
	size_t read_sz;                      /* node bytes since pages were last released */
	uint64_t nodes_pending;

	struct stele_packer packer;
	struct stele_buffer shard;
	struct stele_pack_item *items;
	uint32_t item_cap;
	struct stele_error error;
};

/* tasks.c: the queue. A worker asks for the next task until there is none. */
int build_task_add(struct build *build, const struct build_task *task, struct stele_error *reterr);
bool build_task_next(struct build *build, struct build_task *ret_task, bool had_one);
void build_task_free(struct build_task *task);
void build_fail(struct build *build, int status, const struct stele_error *error);

/* carve.c: does a task. */
int build_carve_task(struct build_worker *worker, struct build_task *task);

/* Makes and gathers a zone's record. On failure the error is the worker's. */
int build_add_zone(struct build_worker *worker, const struct stele_zone_record *record,
		   const uint8_t *apex_node, size_t apex_node_sz);

/* layout.c: chains, zone records, sizes of shards. `worker` is one that has not ended. */
int build_lay_out(struct build *build, struct build_worker *worker, struct stele_error *reterr);

/* The entries of shard `i` of a zone's chain, and the entry before it. */
struct stele_chain_run build_chain_run(const struct build_zone *zone, uint32_t i,
				       const uint8_t **ret_carry, size_t *ret_carry_sz);

/* pack.c: makes and writes shards until there are none. */
int build_pack_shards(struct build_worker *worker);

#endif
