/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_NODES_H
#define STELE_LIB_ZONE_NODES_H

/*
 * From sorted records to nodes (lib/store/node.h), one owner at a time.
 *
 * First an owner is taken: all its records, sorted and without duplicates, signatures behind the
 * RRset that they cover. In this form it is checked, and then written as a node.
 */

#include "lib/zone/records.h"
#include "lib/zone/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A record of an owner. */
struct stele_owner_rr {
	uint16_t type; /* of a signature: the type that it covers */
	bool is_sig;
	uint16_t file;
	uint16_t rdata_len;
	uint16_t column; /* as in struct stele_record */
	uint32_t line;
	uint32_t ttl;
	const uint8_t *rdata;
};

struct stele_owner {
	const uint8_t *key; /* of the whole name */
	size_t key_len;
	struct stele_owner_rr *rrs; /* by type, then records before signatures, then rdata */
	size_t rr_cnt;
};

/* The order of an owner's records. 0 means the same record, not the same place. */
int stele_owner_rr_compare(const struct stele_owner_rr *a, const struct stele_owner_rr *b);

/*
 * Writes an owner as a node into `*node`, of which `*node_room` bytes are there and which is made larger
 * where needed (malloc). RRsets get the lowest of their TTLs, signatures that of their RRset. An owner
 * without records is 0 bytes. 0 or STELE_E_SYSTEM.
 */
int stele_owner_write(const struct stele_owner *owner, uint8_t **node, size_t *node_room,
		      size_t *ret_node_sz);

struct stele_nodes {
	const struct stele_records *records;
	uint64_t at;
	bool has_next;
	struct stele_records_group next;

	struct stele_owner owner; /* the one under way */
	struct stele_owner_rr *rrs;
	size_t rrs_room;
	uint8_t *node;
	size_t node_room;
};

/* Begins a walk over records that were sorted. */
void stele_nodes_begin(struct stele_nodes *nodes, const struct stele_records *records);
void stele_nodes_free(struct stele_nodes *nodes);

/* Takes the next owner: 1, 0 at the end, STELE_E_SYSTEM without memory. */
int stele_nodes_next(struct stele_nodes *nodes);

/* The owner as stele_owner_write() writes it; lives until the next owner is taken. */
int stele_nodes_write(struct stele_nodes *nodes, const uint8_t **ret_node, size_t *ret_node_sz);

#endif
