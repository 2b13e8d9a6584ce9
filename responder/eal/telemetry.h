/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_EAL_TELEMETRY_H
#define STELE_RESPONDER_EAL_TELEMETRY_H

/*
 * The counters over DPDK's telemetry socket, beside what DPDK itself tells there of ports and
 * pools:
 *
 *     /stele/counters        all workers added up, and "balance", which is 0 by the law of the counters
 *     /stele/counters,N      worker N
 *     /stele/zones           names of zones that are counted on their own, as many as DPDK has room for
 *     /stele/zones,NAME      counters of one
 *
 * Requests are handled in DPDK's thread, from the shared memory that other programs read too, so no
 * worker notices.
 */

#include "lib/base/error.h"
#include "lib/stats/stats.h"

/* Before the EAL serves requests that matter; once. STELE_E_SYSTEM. */
int stele_telemetry_open(struct stele_stats *stats, struct stele_error *reterr);

/* After which a request finds nothing; before `stats` goes. */
void stele_telemetry_close(void);

#endif
