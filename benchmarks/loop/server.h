/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_SERVER_H
#define STELE_BENCHMARKS_LOOP_SERVER_H

/* A worker of the responder on queue 0 of any port, with all that it needs around it. */

#include "lib/stats/stats.h"
#include "responder/serve/serve.h"
#include "responder/worker/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

struct loop_server_settings {
	unsigned lcore;
	uint16_t port_id;
	struct rte_mempool *pool;
	const struct stele_serve_root *root;
	bool rrl, cookies;
	uint32_t frame_flags; /* enum stele_frame_flag */
};

struct loop_server {
	struct stele_worker *worker;
	struct stele_stats *stats;
	struct stele_stats_worker *counters;
	struct stele_frame_port frame;
	struct stele_answer_settings answers;
	struct stele_rrl_settings rrl;
};

/* The settings that replies are made with: for whoever makes the same ones. */
void loop_server_answers(bool cookies, struct stele_answer_settings *ret_answers);

/* Fills `ret`, which stays where it is until loop_server_close(). Errors as of what it makes. */
int loop_server_open(const struct loop_server_settings *settings, struct loop_server *ret,
		     struct stele_error *reterr);
void loop_server_close(struct loop_server *server);

#endif
