/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_ZONES_INTERNAL_H
#define STELE_MGMT_ZONES_INTERNAL_H

/* How the table of zones is kept: what zones.c and access.c share. */

#include "mgmt/zones/zones.h"

#include <pthread.h>

struct zone_entry {
	struct stele_managed_zone zone; /* first: a zone's address is its entry's */
	struct zone_entry *next_name, *next_id;
	uint64_t hash; /* of the name */
	size_t place;  /* in `all` */
	size_t key_len;
	uint8_t key[]; /* sort key of the apex */
};

struct stele_zones {
	/* Over by_name, and over a zone's options and configuration. Service loops read under it; the
	 * main loop, which alone changes anything, reads without. */
	pthread_rwlock_t lock;
	uint64_t seed;
	struct zone_entry **by_name, **by_id;
	size_t slot_cnt; /* of either, and half the room in `all`; a power of two */
	size_t cnt;
	uint64_t version; /* of who is in it, with which options; the main loop's */

	/* Who comes stands at the end, who goes leaves a gap (NULL): it is put in order when somebody looks. */
	struct zone_entry **all;
	size_t place_cnt; /* gaps included */
	size_t first_gap; /* `place_cnt` or above: there is none */
	bool in_order;    /* gaps apart, `all` is in canonical order */
};

/* By an apex in lower case. Under the lock, or in the main loop. */
struct zone_entry *zones_find(const struct stele_zones *zones, const uint8_t *apex);

#endif
