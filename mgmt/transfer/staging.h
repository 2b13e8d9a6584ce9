/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_STAGING_H
#define STELE_MGMT_TRANSFER_STAGING_H

/*
 * What a transfer brought, until it is complete: the zone as a whole, or deltas. Nothing of it touches the
 * store before. Filled in the loop, applied in the committer's thread; one of them at a time.
 */

#include "lib/store/store.h"
#include "lib/zone/zone.h"
#include "mgmt/transfer/incoming.h"

struct stele_staging {
	struct stele_zone_data data; /* the zone as a whole */

	/* Deltas: one record after another as they came. */
	bool is_deltas;
	uint8_t *ops;
	size_t ops_sz, ops_room;
	uint32_t delta_cnt;

	uint64_t rr_cnt;
	uint8_t key[STELE_SORT_KEY_MAX]; /* of the last owner */
	size_t key_len;
};

/* One record of a delta, as stele_staging_next() gives it; points into the staging. */
struct stele_staged {
	bool begins; /* a delta begins with it */
	bool removed;
	uint16_t type, rdata_len;
	uint32_t ttl;
	const uint8_t *owner; /* whole name, lower case */
	uint8_t owner_len;
	const uint8_t *rdata;
};

/* What a struct stele_incoming tells goes to `staging`, all zeros at first. Records that are not what
 * their type demands end the transfer. */
struct stele_incoming_sink stele_staging_sink(struct stele_staging *staging);

/* Walks the deltas; `*at` starts with 0. False at the end. */
bool stele_staging_next(const struct stele_staging *staging, size_t *at,
			struct stele_staged *ret_staged);

/* Gives back the memory; what kind it was and the counts stay. */
void stele_staging_clear(struct stele_staging *staging);

#endif
