/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/server.h"

#include "benchmarks/loop/generator.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void loop_server_answers(bool cookies, struct stele_answer_settings *ret_answers)
{
	stele_answer_settings_default(ret_answers);
	if (!cookies)
		return;
	ret_answers->cookies = true;
	ret_answers->cookie_secret_cnt = 1;
	memset(ret_answers->cookie_secrets[0], 0x5a, sizeof(ret_answers->cookie_secrets[0]));
}

static int make_frame_port(struct stele_frame_port *port, uint32_t flags,
			   struct stele_error *reterr)
{
	struct stele_frame_address addresses[] = {
		{.address = {.family = 4}, .prefix_len = 24},
		{.address = {.family = 6}, .prefix_len = 64},
	};
	struct stele_frame_settings settings = {
		.mtu = 1500,
		.flags = flags,
		.addresses = addresses,
		.address_cnt = 2,
		.udp_ports = {53},
		.udp_port_cnt = 1,
		.reflector_ports = stele_frame_reflector_ports,
		.reflector_port_cnt = 5,
	};

	memcpy(settings.mac, loop_server_mac, 6);
	memcpy(addresses[0].address.addr, loop_server4, 4);
	memcpy(addresses[1].address.addr, loop_server6, 16);
	return stele_frame_port_init(port, &settings, reterr);
}

int loop_server_open(const struct loop_server_settings *settings, struct loop_server *ret,
		     struct stele_error *reterr)
{
	const struct stele_stats_place place = {.core = settings->lcore};
	char path[64];

	snprintf(path, sizeof(path), "/dev/shm/bench-loop-%d.stats", (int)getpid());
	const struct stele_stats_settings stats = {
		.path = path,
		.mode = 0640,
		.worker_cnt = 1,
		.zone_slot_cnt = 1,
	};
	memset(ret, 0, sizeof(*ret));
	int rc = make_frame_port(&ret->frame, settings->frame_flags, reterr);
	if (rc)
		return rc;
	rc = stele_stats_create(&stats, &ret->stats, reterr);
	if (rc)
		return rc;
	unlink(path); /* nobody else reads it, and who is killed cannot take it away */
	ret->counters = stele_stats_worker(ret->stats, 0, &place);
	loop_server_answers(settings->cookies, &ret->answers);
	stele_rrl_settings_default(&ret->rrl);
	ret->rrl.seed[0] = 1;
	const struct stele_worker_settings worker = {
		.lcore = settings->lcore,
		.port_id = settings->port_id,
		.port_workers = 1,
		.idle = {.mode = STELE_IDLE_BUSY, .max_delay = 50000},
		.pool = settings->pool,
		.frame = &ret->frame,
		.root = settings->root,
		.stats = ret->counters,
		.rows = stele_stats_zone_rows(ret->stats, 0),
		.answers = &ret->answers,
		.rrl = settings->rrl ? &ret->rrl : NULL,
	};
	rc = stele_worker_new(&worker, &ret->worker, reterr);
	if (rc)
		stele_stats_destroy(ret->stats);
	return rc;
}

void loop_server_close(struct loop_server *server)
{
	stele_worker_free(server->worker);
	stele_stats_destroy(server->stats);
}
