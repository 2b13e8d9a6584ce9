/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_ZONE_H
#define STELE_LIB_ZONE_ZONE_H

/*
 * A zone as a whole, from records in any order to the store: collected, sorted, checked, and written in one
 * run. Where the records come from does not matter here: a zone file, or a transfer.
 *
 *   stele_zone_data_add()   for each record
 *   stele_zone_data_sort()
 *   stele_zone_write()      checks, and replaces the zone in a write of the store
 *   stele_zone_data_clear() for the next zone, or stele_zone_data_free()
 *
 * What is wrong with the records goes to the report as it is found, and then the call returns STELE_E_INPUT
 * with an empty `reterr`. One thread.
 */

#include "lib/store/store.h"
#include "lib/zone/hash_set.h"
#include "lib/zone/records.h"
#include "lib/zone/report.h"

struct stele_zone_data {
	struct stele_records nodes, nsec3; /* NSEC3 records and signatures over them stand apart */
	struct stele_hash_set cnames;      /* owners of CNAME records */
	uint64_t *hashes;                  /* of NSEC3 owners, see struct stele_check */
	bool last_was_nsec3;

	/* The first SOA that came. */
	bool has_soa;
	uint16_t soa_file, soa_column;
	uint32_t soa_line, serial;
	uint8_t soa_key[STELE_SORT_KEY_MAX];
	size_t soa_key_len;
};

/* All zeros is an empty set. Clearing keeps memory for the next zone. */
void stele_zone_data_free(struct stele_zone_data *data);
void stele_zone_data_clear(struct stele_zone_data *data);

/*
 * Adds a record. `key` is the sort key of the owner's whole lower-case name, the data must be what
 * stele_rdata_valid() accepts for its type. `same_owner` promises that the owner is that of the record added
 * before. 0 or STELE_E_SYSTEM when there is no memory.
 */
int stele_zone_data_add(struct stele_zone_data *data, const uint8_t *key, size_t key_len,
			bool same_owner, uint16_t file, const struct stele_record *record);

/* Puts all in order. `apex` in wire format, lower case. 0 or STELE_E_SYSTEM when there is no memory. */
int stele_zone_data_sort(struct stele_zone_data *data, const uint8_t *apex, size_t apex_len);

/* A zone that is to be written. */
struct stele_zone_input {
	struct stele_zone_data *data; /* sorted */
	const uint8_t *apex;          /* wire format, lower case */
	size_t apex_len;
	uint32_t now; /* seconds since 1970, for signatures */
	struct stele_report *report;
	/* The name of the file, or of the transfer, that a record came with; see struct stele_place. */
	const char *(*file_name)(const void *user, uint16_t file);
	const void *user;
};

struct stele_zone_stats {
	uint64_t owner_cnt; /* NSEC3 owners included */
	uint64_t rr_cnt;    /* without duplicates */
	uint32_t serial;
	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
	bool changed; /* the store held something else before */
};

/*
 * Checks the data and replaces the zone by it. Serials are compared with what `before` knows of the zone: a
 * read from before the write, or the view of it; NULL: nothing. After a failure the write, or the nest of
 * it, must be aborted.
 */
int stele_zone_write(const struct stele_zone_input *input, struct stele_store_read *before,
		     struct stele_store_write *write, struct stele_zone_stats *ret_stats,
		     struct stele_error *reterr);

/*
 * Checks the data and gives it to `each`, without a store: all nodes of the zone in order of key, then those
 * of its NSEC3 owners. `each` returns 0 to go on, or a negative stele_status.
 */
int stele_zone_walk(const struct stele_zone_input *input,
		    int (*each)(void *user, enum stele_store_table table,
				const struct stele_store_item *item),
		    void *user, struct stele_zone_stats *ret_stats, struct stele_error *reterr);

#endif
