/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_ZONE_H
#define STELE_ZONECOMPILER_CARVE_ZONE_H

/*
 * What carving needs to know of a zone as a whole: its apex and the hash of it, and with which chain
 * it proves that names and types do not exist.
 *
 * The chain: NSEC3 if the apex has an NSEC3PARAM of algorithm 1 with flags 0 and at most
 * STELE_NSEC3_ITERATIONS_MAX iterations, and the owner of the apex's hash has NSEC3 records with its salt
 * and iterations, and no others; else NSEC if the apex has an NSEC RRset; else none: the zone counts as
 * unsigned. So no chain is empty: it has an entry for the apex.
 */

#include "lib/dns/name.h"
#include "lib/image/hash.h"
#include "lib/store/node.h"
#include "lib/store/store.h"

#include <stdbool.h>

enum stele_chain {
	STELE_CHAIN_OF_NONE,
	STELE_CHAIN_OF_NSEC3,
	STELE_CHAIN_OF_NSEC,
};

struct stele_carve_zone {
	uint32_t id;
	uint8_t apex[STELE_NAME_MAX + STELE_HASH_SLACK];
	uint8_t apex_len;
	uint8_t apex_labels;
	bool is_expired; /* a stub too: nothing of it is served */
	struct stele_hash_seed seed;
	uint64_t apex_hash;

	enum stele_chain chain;
	uint16_t iterations;
	uint8_t salt_len;
	uint8_t salt[255];
};

/* The hash of a whole lower-case name behind which STELE_HASH_SLACK more bytes can be read. */
uint64_t stele_carve_hash(struct stele_hash_seed seed, const uint8_t *name);

/* The same for a relative name below the name with hash `suffix`. */
uint64_t stele_carve_hash_below(struct stele_hash_seed seed, uint64_t suffix, const uint8_t *rel,
				size_t rel_len);

/* STELE_E_INPUT: no SOA at the apex. */
int stele_carve_zone_init(struct stele_carve_zone *zone, struct stele_hash_seed seed,
			  const struct stele_zone_info *info, struct stele_store_read *read,
			  struct stele_error *reterr);

/*
 * The NSEC3 RRset of a node, if it is an entry of the zone's chain: all its records have the parameters of
 * the chain. One of another chain among them makes it none, since signatures cover the RRset as a whole.
 */
bool stele_carve_find_nsec3(const struct stele_carve_zone *zone, const uint8_t *node,
			    size_t node_sz, struct stele_node_rrset *ret_set);

#endif
