/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_RECORDS_H
#define STELE_MGMT_TRANSFER_RECORDS_H

/*
 * Records one by one, as a message wants them, from where the store keeps them: nodes under a key, and
 * the runs of a journal. Signatures come behind the RRset that they cover.
 *
 * Everything points into what was given; nothing is allocated. One thread.
 */

#include "lib/dns/name.h"
#include "lib/store/node.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_out_record {
	const uint8_t *owner; /* lives as long as the walk is at this node */
	size_t owner_len;
	uint16_t type;
	uint32_t ttl;
	const uint8_t *rdata;
	size_t rdlen;
};

/* A walk through the records of one node. */
struct stele_node_walk {
	uint8_t owner[STELE_NAME_MAX];
	size_t owner_len;
	const uint8_t *node;
	size_t node_sz, at;
	struct stele_node_rrset rrset;
	const uint8_t *p;
	uint32_t left_cnt; /* of this RRset, signatures included */
};

/* Begins with a node of the store; `apex` and its length are the zone's. False if the key is none. */
bool stele_node_walk_item(struct stele_node_walk *walk, enum stele_store_table table,
			  const struct stele_store_item *item, const uint8_t *apex,
			  size_t apex_len);

/* The next record; false at the end. A walk that is all zero has none. */
bool stele_node_walk_next(struct stele_node_walk *walk, struct stele_out_record *ret_record);

/* A walk through a run of a journal: its nodes, one after another. */
struct stele_run_walk {
	const uint8_t *run;
	size_t run_sz, at;
};

/* Begins with the next node of the run. 1, 0 at the end, STELE_E_SYSTEM if the run is damaged. */
int stele_run_walk_next(struct stele_run_walk *run, struct stele_node_walk *ret_walk);

#endif
