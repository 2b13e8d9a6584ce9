/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_RUNNING_H
#define STELE_RESPONDER_CONTROL_RUNNING_H

/*
 * The responder while it runs: what responder.c puts together and takes apart again, and what the control thread looks
 * at between the two.
 *
 *     main thread      control socket, signals, link state: control.c
 *     loader           images, one job after another: jobs.c, images/
 *     exception path   a thread for each port that has one: port/exception.c
 *     workers          one for each queue, on a core of its own: worker/
 */

#include "lib/answer/rrl.h"
#include "lib/base/error.h"
#include "lib/ctl/ctl.h"
#include "lib/stats/stats.h"
#include "responder/config/config.h"
#include "responder/eal/args.h"
#include "responder/port/exception.h"
#include "responder/images/images.h"
#include "responder/control/jobs.h"
#include "responder/port/ports.h"
#include "responder/serve/grace.h"
#include "lib/serving/settings.h"
#include "responder/worker/worker.h"

#include <sched.h>
#include <stdbool.h>

/* What a reload may change. */
struct stele_rules {
	struct stele_answer_settings answers;
	bool is_rate_limited;
	struct stele_rrl_settings rrl;
	uint32_t punt_rates[STELE_PORTS_MAX]; /* of each port: packets/s to the kernel; 0: no limit */
};

struct stele_responder {
	const struct stele_responder_config *config;
	const char *config_path;
	struct stele_machine machine;
	cpu_set_t cores;   /* that the process may run on, as it was started */
	unsigned port_cnt; /* open */
	struct stele_port *ports;
	struct stele_exception **exceptions; /* of each port, or NULL */
	struct stele_stats *stats;
	struct stele_images *images;
	unsigned worker_cnt;
	struct stele_worker **workers;
	unsigned running_cnt; /* workers that were launched: those on logical cores 1 … */
	struct stele_jobs *jobs;
	struct stele_ctl_server *server;
	struct stele_own_secret own_secret;
	uint64_t started_ns;      /* CLOCK_MONOTONIC */
	struct stele_rules rules; /* as of the last reload */
	uint64_t *quiescent;      /* of each worker, at the last look */
	bool *stuck;              /* whether it stands still */
	struct stele_grace *grace;
	uint64_t rules_grace; /* over when no worker looks at what the last reload replaced */
	bool draining;        /* health is false: others should send their queries elsewhere */
};

#endif
