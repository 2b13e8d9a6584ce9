/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_REFRESH_H
#define STELE_MGMT_TRANSFER_REFRESH_H

/*
 * A secondary keeps up with its primaries (RFC 1034 section 4.3.5, RFC 1996, RFC 7314).
 *
 * Each zone with primaries has a timer. When it fires, or a NOTIFY says so, the primary is asked for
 * its SOA; a newer serial is fetched by IXFR, or AXFR where that fails or is not allowed. Primaries
 * are tried in their order; one that fails stands back for a while, longer each time. Times have
 * jitter, and only so many zones are asked for at once, so ten thousand zones after a restart are no
 * storm. A zone that could not be confirmed for as long as its SOA allows expires: it is answered with
 * SERVFAIL until a primary is reached.
 */

#include "mgmt/daemon.h"

/* Begins to look after a zone with primaries, from what state is remembered: next_refresh_at,
 * refreshed_at, expires_at and expire_s of the zone, 0 where nothing is known. */
int stele_refresh_begin(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			struct stele_error *reterr);
/* Ends it, a transfer under way too. No refresh is fine. */
void stele_refresh_end(struct stele_daemon *daemon, struct stele_managed_zone *zone);

/* Asks soon: a NOTIFY came (from this address first, if it is a primary's), say. `force`: transfer whatever
 * the serial. */
void stele_refresh_now(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		       const struct stele_config_address *from, bool force);
/* The same for an operator, who may know that a primary is back: none is left alone. */
void stele_refresh_ask(struct stele_daemon *daemon, struct stele_managed_zone *zone, bool force);

/* The store has the zone's data now (`loaded`), or others in the place of what had expired, or has them no more, by
 * whichever way they came or went: a primary is asked soon, and data that is not from a transfer is good for as
 * long as its SOA says. */
void stele_refresh_data_changed(struct stele_daemon *daemon, struct stele_managed_zone *zone);

/* How many zones are asked for or transferred now, and how many wait for their turn: for metrics. */
struct stele_refresh_counts {
	unsigned probes, probes_waiting, transfers, transfers_waiting;
};
void stele_refresh_counts(const struct stele_daemon *daemon,
			  struct stele_refresh_counts *ret_counts);

/* For tests: all timers of secondaries see a clock that is so many seconds ahead of the one before. */
void stele_refresh_shift_clock(struct stele_daemon *daemon, time_t seconds);

#endif
