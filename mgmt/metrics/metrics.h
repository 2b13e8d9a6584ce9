/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_METRICS_METRICS_H
#define STELE_MGMT_METRICS_METRICS_H

/*
 * Prometheus' text format on a local HTTP port (`/metrics`), and `/healthz`: 200 if the data plane
 * answers a real question, 503 with the reason if not.
 *
 * libmicrohttpd runs within the main loop. Counters of the responder come from its shared memory, so no
 * scrape disturbs a worker.
 */

#include "mgmt/daemon.h"

int stele_metrics_new(struct stele_daemon *daemon, struct stele_metrics **ret_metrics,
		      struct stele_error *reterr);
void stele_metrics_free(struct stele_metrics *metrics); /* NULL is fine */

#endif
