/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_RECORDS_H
#define STELE_LIB_ZONE_RECORDS_H

/*
 * The records of one zone in memory, as they come and then in canonical order of their owners.
 *
 * Records that follow one another with the same owner make a *group*: the owner is held once, as the
 * sort key of the whole name (lib/dns/name.h), and each record costs 14 bytes beside its data. All
 * groups stand in one run of bytes in the order of the file. A zone file that is already sorted
 * needs nothing more; for others an index of 16 bytes a group is merge sorted, which costs one
 * comparison a group for each doubling of the number of ascending stretches in the file.
 */

#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_records {
	uint8_t *bytes;
	size_t sz, room;
	size_t group; /* where the group under way stands */
	uint64_t group_cnt;
	uint64_t rr_cnt;
	bool sorted; /* no group's owner is before that of the group ahead of it */
	struct stele_records_entry *index; /* after stele_records_sort(), NULL if sorted as it is */
};

struct stele_records_entry {
	uint64_t prefix; /* bytes of the key behind the apex's, so that most comparisons end here */
	uint64_t group;
};

/* A group, taken apart. Points into the records and dies when one is added. */
struct stele_records_group {
	const uint8_t *key;
	size_t key_len;
	uint16_t file;
	const uint8_t *p, *end; /* its records */
};

struct stele_record {
	uint16_t type;
	uint16_t rdata_len;
	uint32_t ttl;
	uint32_t line;
	uint16_t column; /* of the type; 1 if that is in another line */
	const uint8_t *rdata;
};

/* All zeros is an empty set. Frees what it holds and makes it one again. */
void stele_records_free(struct stele_records *records);

/* Forgets the records and keeps the memory, for the next zone. */
void stele_records_clear(struct stele_records *records);

/*
 * Adds a record. `same_owner` promises that the owner is that of the record added before. 0, or
 * STELE_E_SYSTEM when there is no memory.
 */
int stele_records_add(struct stele_records *records, const uint8_t *key, size_t key_len,
		      bool same_owner, uint16_t file, const struct stele_record *record);

/*
 * Puts the groups in order of key, those with the same key in the order in which they came.
 * `apex_len` bytes are common to most keys. 0 or STELE_E_SYSTEM.
 */
int stele_records_sort(struct stele_records *records, size_t apex_len);

/*
 * Walks the groups, in order after stele_records_sort(), else as they came; `*at` starts with 0.
 * False at the end.
 */
bool stele_records_next_group(const struct stele_records *records, uint64_t *at,
			      struct stele_records_group *ret_group);

/* The next record of a group, false behind the last. */
bool stele_records_next(struct stele_records_group *group, struct stele_record *ret_record);

#endif
