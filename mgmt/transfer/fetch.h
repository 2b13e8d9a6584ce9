/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_FETCH_H
#define STELE_MGMT_TRANSFER_FETCH_H

/* A transfer under way, from its question to its commit. It outlives the zone while it is committed. */

#include "mgmt/commit/commit.h"
#include "mgmt/transfer/refresh_internal.h"
#include "mgmt/transfer/staging.h"

struct refresh_fetch {
	struct stele_commit commit;
	struct stele_daemon *daemon;
	struct stele_refresh *refresh; /* NULL: the zone is gone, and it is being committed */
	bool committing;
	bool on_old_connection; /* on which the SOA was asked for */
	uint64_t began_ns;

	/* What the committer reads. */
	uint8_t apex[STELE_NAME_MAX];
	uint8_t apex_len;
	bool has_serial; /* ours, from which deltas lead on */
	uint32_t serial;
	enum stele_zonemd_mode zonemd;
	struct stele_staging staging;

	/* What it writes. */
	struct stele_zone_stats stats;
	uint64_t warning_cnt;
	char warning[512]; /* the first one */
	char fault[512];   /* the first error of the report */

	struct stele_incoming incoming;
};

/* Applies what was staged, in the committer's thread. STELE_E_INPUT: it is no sound zone, or the deltas do
 * not fit; STELE_E_STALE: the store holds another serial than the deltas begin with. */
int refresh_apply(struct refresh_fetch *fetch, struct stele_store_write *write,
		  struct stele_error *reterr);

#endif
