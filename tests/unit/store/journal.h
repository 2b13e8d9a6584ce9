/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_JOURNAL_H
#define STELE_TESTS_UNIT_STORE_JOURNAL_H

/* The journal of a zone from end to end. */

#include "lib/store/store.h"

/* Gives each step from `from_serial` on to `each`. What stele_store_steps_open() and
 * stele_store_steps_next() return. */
int journal_walk(struct stele_store_read *read, uint32_t zone_id, uint32_t from_serial,
		 void (*each)(void *user, const struct stele_journal_step *step), void *user,
		 struct stele_error *reterr);

#endif
