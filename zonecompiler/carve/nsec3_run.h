/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_NSEC3_RUN_H
#define STELE_ZONECOMPILER_CARVE_NSEC3_RUN_H

/* The entries of one shard of an NSEC3 chain, read from the store. */

#include "zonecompiler/carve/chain.h"

struct stele_nsec3_run {
	struct stele_buffer entries; /* struct stele_nsec3_entry with bodies, ascending */
	uint32_t entry_cnt;
	size_t last_off; /* of the last entry */
	uint32_t rr_cnt;
	bool opt_out; /* of some entry */
};

/* Appends the entries of shard `shard`, of 2^bits, to an empty run. STELE_E_INPUT also if the shard has the
 * hash of the apex and no entry. */
int stele_nsec3_run_carve(struct stele_carver *carver, struct stele_store_read *read,
			  const struct stele_carve_zone *zone, unsigned bits, uint32_t shard,
			  struct stele_nsec3_run *run, struct stele_error *reterr);

#endif
