/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/tally.h"

void stele_tally_change_zone(struct stele_worker *worker, const struct stele_worker_zones *zones,
			     uint32_t zone_id, struct stele_tally *tally)
{
	stele_tally_write_zone(tally);
	tally->zone_id = zone_id;
	tally->row = &worker->rows[zones ? stele_stats_zone_slot(zones->map, zone_id) : 0];
}
