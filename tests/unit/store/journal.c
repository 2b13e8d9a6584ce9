/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/journal.h"

int journal_walk(struct stele_store_read *read, uint32_t zone_id, uint32_t from_serial,
		 void (*each)(void *user, const struct stele_journal_step *step), void *user,
		 struct stele_error *reterr)
{
	struct stele_store_steps *steps;
	struct stele_journal_step step;
	int status = stele_store_steps_open(read, zone_id, from_serial, &steps, NULL, reterr);
	if (status != 0)
		return status;
	while ((status = stele_store_steps_next(steps, &step, reterr)) == 1)
		each(user, &step);
	stele_store_steps_close(steps);
	return status;
}
