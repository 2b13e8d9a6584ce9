/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_COUNTERS_H
#define STELE_MGMT_COUNTERS_H

/*
 * What the daemon counts besides its service: transfers, NOTIFY, UPDATE. Since the start; any thread
 * adds and reads, each number by itself. Metrics and stelectl print the list.
 */

#include <stdatomic.h>
#include <stdint.h>

#define STELE_DAEMON_COUNTERS(X)                                                                   \
	X(soa_in, "primaries that were asked for a SOA")                                           \
	X(axfr_in, "zones that came as a whole")                                                   \
	X(ixfr_in, "changes that came of a zone")                                                  \
	X(transfer_in_failed, "transfers in that failed")                                          \
	X(zones_expired, "zones that expired")                                                     \
	X(axfr_out, "transfers of a whole zone that were begun")                                   \
	X(ixfr_out, "transfers of the changes of a zone that were begun")                          \
	X(soa_out, "requests for changes that a SOA answered")                                     \
	X(transfer_out_refused, "transfers out that were refused: not allowed")                    \
	X(transfer_out_failed, "transfers out that did not reach their end")                       \
	X(notify_in, "NOTIFYs that were accepted")                                                 \
	X(notify_in_refused, "NOTIFYs that were refused: not allowed")                             \
	X(notify_in_bad, "NOTIFYs that were malformed or for no zone of ours")                     \
	X(notify_out, "NOTIFYs that were sent, repetitions included")                              \
	X(notify_out_acknowledged, "NOTIFYs that were answered")                                   \
	X(notify_out_failed, "secondaries that could not be notified")                             \
	X(update_in, "UPDATEs that were applied")                                                  \
	X(update_in_refused, "UPDATEs that were refused: not allowed")                             \
	X(update_in_failed, "UPDATEs that were answered with another error")                       \
	X(update_forwarded, "UPDATEs that were passed to a primary")                               \
	X(update_forward_failed, "UPDATEs that could not be passed to a primary")

struct stele_daemon_counters {
#define X(name, help) atomic_uint_fast64_t name;
	STELE_DAEMON_COUNTERS(X)
#undef X
	atomic_uint transfers_out; /* under way now */
};

static inline void stele_count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
