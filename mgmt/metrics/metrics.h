/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_METRICS_METRICS_H
#define STELE_MGMT_METRICS_METRICS_H

/*
 * Prometheus' text format on a local HTTP port (`/metrics`), and `/healthz`: 200 if the data plane
 * answers a real question, 503 with the reason if not.
 *
 * libmicrohttpd has a thread of its own, which may wait for the responder's control socket. What
 * belongs to the main loop is written there, by a task; a main loop that does not come round within
 * seconds makes the scrape fail, which is as it should be. Counters of the responder come from its
 * shared memory, so no scrape disturbs a worker.
 */

#include "mgmt/daemon.h"

/* Listens where the configuration says; STELE_E_SYSTEM if the port cannot be had. */
int stele_metrics_new(struct stele_daemon *daemon, struct stele_metrics **ret_metrics,
		      struct stele_error *reterr);
/* Ends the thread. The main loop must run, or have ended. NULL is fine. */
void stele_metrics_free(struct stele_metrics *metrics);

#endif
