/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_CHAIN_H
#define STELE_ZONECOMPILER_CARVE_CHAIN_H

/*
 * What a zone record has besides numbers: the SOA of negative answers, and the records of an NSEC3
 * chain.
 */

#include "zonecompiler/carve/body.h"

/*
 * Appends the SOA RRset as negative answers carry it: its TTL lowered to the SOA's minimum (RFC 2308
 * section 3), signatures too. `node` is the apex's. Fills `*ret_rrset`.
 */
int stele_carve_negative_soa(struct stele_carver *carver, const struct stele_carve_zone *zone,
			     const uint8_t *node, size_t node_sz, struct stele_buffer *out,
			     struct stele_rrset *ret_rrset, uint32_t *ret_serial,
			     struct stele_error *reterr);

struct stele_carve_nsec3_result {
	uint32_t rr_cnt; /* signatures included; 0: the node is of another chain, nothing came out */
	bool opt_out;
};

/* Appends one struct stele_nsec3_entry with its body; `hash` is the node's key in the store. */
int stele_carve_nsec3(struct stele_carver *carver, const struct stele_carve_zone *zone,
		      const uint8_t hash[STELE_NSEC3_HASH_SZ], const uint8_t *node, size_t node_sz,
		      struct stele_buffer *out, struct stele_carve_nsec3_result *ret_result,
		      struct stele_error *reterr);

#endif
