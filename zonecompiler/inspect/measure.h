/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_INSPECT_MEASURE_H
#define STELE_ZONECOMPILER_INSPECT_MEASURE_H

/* Where the bytes of an image go: each byte of the file is counted in exactly one section. */

#include "zonecompiler/inspect/walk.h"

enum stele_section {
	STELE_SECTION_BLOCKS, /* of hash shards */
	STELE_SECTION_SHARD_HEADS,
	STELE_SECTION_GAPS, /* in front of records */
	STELE_SECTION_RECORD_HEADS,
	STELE_SECTION_OWNERS, /* relative owners and keys of cuts */
	STELE_SECTION_HASHES, /* NSEC3 hashes in name records */
	STELE_SECTION_RRSETS, /* struct stele_rrset, and the sums behind bodies */
	STELE_SECTION_BODIES,
	STELE_SECTION_SIGNATURES,
	STELE_SECTION_PATCHES,
	STELE_SECTION_REFS,
	STELE_SECTION_ZONES,         /* zone records without their chains */
	STELE_SECTION_CHAIN_RECORDS, /* NSEC3 records in chains */
	STELE_SECTION_CHAIN_INDEX,   /* lines, marks, trees, keys, bounds, carries */
	STELE_SECTION_DIRECTORY,     /* superblock, root, directory */
	STELE_SECTION_GARBAGE,       /* not reached: replaced shards, alignment, a torn tail */
	STELE_SECTION_CNT,
};

/* "record heads" */
const char *stele_section_text(enum stele_section section);

struct stele_measured_zone {
	uint64_t name_cnt;
	uint64_t record_bytes; /* name records */
	uint64_t chain_bytes;
};

struct stele_measure {
	uint64_t section_bytes[STELE_SECTION_CNT];
	uint64_t kind_cnt[STELE_NAME_STEERED + 1]; /* names, by enum stele_name_kind */
	uint64_t wildcard_cnt;
	uint64_t rrset_cnt; /* in name records */
	uint64_t rr_cnt;    /* in name records, signatures not counted */
	uint64_t sig_cnt;
	uint64_t nsec3_cnt; /* entries of NSEC3 chains, carries not counted */
	uint64_t nsec_cnt;
	uint32_t shard_cnt[STELE_SHARD_NSEC + 1];        /* by enum stele_shard_kind */
	uint32_t chain_cnt[STELE_CHAIN_NSEC_SHARDS + 1]; /* zones, by enum stele_chain_kind */
	struct stele_measured_zone *zones; /* by rank; freed by stele_measure_free() */
};

/* Looks at every record once. STELE_E_SYSTEM: no memory. */
int stele_measure_image(const struct stele_view *view, const struct stele_inspect_zones *zones,
			struct stele_progress *progress, struct stele_measure *ret_measure,
			struct stele_error *reterr);
void stele_measure_free(struct stele_measure *measure);

#endif
