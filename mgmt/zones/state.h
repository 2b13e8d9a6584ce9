/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_ZONES_STATE_H
#define STELE_MGMT_ZONES_STATE_H

/*
 * What the daemon remembers of zones beyond a restart: when a primary was last reached, until when the
 * zone is good, which catalog made it a member. Small rows, written together every few seconds: to lose
 * the last ones means to ask a primary again, never to serve longer than the zone allows.
 *
 * One LMDB environment in the daemon's state directory. Belongs to the main loop.
 */

#include "mgmt/zones/zones.h"

struct stele_zone_states;

/* Makes the directory if it is not there. STELE_E_INPUT: what is in it is damaged; STELE_E_SYSTEM. */
int stele_zone_states_open(const char *dir, struct stele_zone_states **ret_states,
			   struct stele_error *reterr);
void stele_zone_states_close(struct stele_zone_states *states); /* writes; NULL is fine */

/* Fills in what is remembered of the zone; nothing if there is none. */
int stele_zone_states_recall(struct stele_zone_states *states, struct stele_managed_zone *zone,
			     struct stele_error *reterr);

/*
 * Each zone of which something is remembered, before zones are made of them: those with primaries, and the
 * members of catalogs (`catalog` is NULL for others; `group` if there is none). The walk ends when `each`
 * returns anything but 0, which is returned.
 */
int stele_zone_states_each(struct stele_zone_states *states,
			   int (*each)(void *user, const uint8_t *apex, const uint8_t *catalog,
				       const uint8_t *unique, const char *group),
			   void *user, struct stele_error *reterr);

/* To be written with the next stele_zone_states_write(), which the main loop calls every second. */
void stele_zone_states_note(struct stele_zone_states *states,
			    const struct stele_managed_zone *zone);
void stele_zone_states_forget(struct stele_zone_states *states, const uint8_t *apex);
int stele_zone_states_write(struct stele_zone_states *states, struct stele_error *reterr);

#endif
