/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/responder.h"

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "responder/control/control.h"
#include "responder/control/reload.h"
#include "responder/eal/eal.h"
#include "lib/daemon/log.h"
#include "lib/daemon/options.h"
#include "lib/daemon/privileges.h"
#include "responder/eal/log.h"
#include "responder/sigbus.h"
#include "lib/serving/settings.h"
#include "responder/eal/telemetry.h"

#include <poll.h>
#include <pthread.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Beside the control socket, or here if that is on no tmpfs; `status` says where. */
#define STATS_SUFFIX ".stats"
#define STATS_ELSEWHERE "/dev/shm/stele-%08x" STATS_SUFFIX

/* How long the end waits for workers, as a load does: one that drains its queue is done after a second. */
#define END_SECONDS 10
#define END_PAUSE_MS 2

/* How often a start that restores an image looks whether it is to end. */
#define RESTORE_LOOK_MS 50

/* Worker i runs on logical core 1 + i (eal/args.h). */
static unsigned lcore_of(unsigned worker)
{
	return 1 + worker;
}

static int open_ports(struct stele_responder *responder, struct stele_error *reterr)
{
	const struct stele_responder_config *config = responder->config;
	unsigned lcores[STELE_PORT_CORES_MAX], worker = 0;
	int rc = 0;

	responder->ports = calloc(config->ports.cnt, sizeof(*responder->ports));
	responder->exceptions = calloc(config->ports.cnt, sizeof(*responder->exceptions));
	if (!responder->ports || !responder->exceptions)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for ports");
	for (unsigned i = 0; i < config->ports.cnt && !rc; i++) {
		for (unsigned j = 0; j < config->ports.items[i].cores.cnt; j++)
			lcores[j] = lcore_of(worker++);
		rc = stele_port_open(&responder->ports[i], config, i, lcores, reterr);
		if (rc)
			break;
		responder->port_cnt++;
		rc = stele_exception_open(&responder->ports[i], &responder->machine,
					  &responder->exceptions[i], reterr);
	}
	return rc;
}

static int create_stats(struct stele_responder *responder, struct stele_error *reterr)
{
	const char *control = responder->config->control;
	char path[4096];
	const struct stele_stats_settings settings = {
		.path = path,
		.mode = 0644,
		.worker_cnt = stele_responder_worker_cnt(responder->config),
		.zone_slot_cnt = STELE_STATS_ZONE_SLOTS_DEFAULT,
	};

	snprintf(path, sizeof(path), "%s" STATS_SUFFIX, control);
	if (stele_stats_create(&settings, &responder->stats, NULL) == 0)
		return 0;
	snprintf(path, sizeof(path), STATS_ELSEWHERE, stele_crc32c(0, control, strlen(control)));
	return stele_stats_create(&settings, &responder->stats, reterr);
}

static int open_images(struct stele_responder *responder, struct stele_error *reterr)
{
	int nodes[STELE_NODES_MAX];
	unsigned node_cnt = 0, worker_cnt = stele_responder_worker_cnt(responder->config);

	for (unsigned i = 0; i < worker_cnt; i++) {
		int node = (int)rte_lcore_to_socket_id(lcore_of(i));
		unsigned j = 0;
		while (j < node_cnt && nodes[j] != node)
			j++;
		if (j == node_cnt && node_cnt < STELE_NODES_MAX)
			nodes[node_cnt++] = node;
	}
	return stele_images_open(responder->config, nodes, node_cnt,
				 responder->machine.huge_free[0] + responder->machine.huge_free[1],
				 responder->stats, &responder->images, reterr);
}

static int make_worker(struct stele_responder *responder, unsigned port_index, unsigned queue,
		       struct stele_error *reterr)
{
	const struct stele_port *port = &responder->ports[port_index];
	const struct stele_rules *rules = &responder->rules;
	unsigned index = responder->worker_cnt, lcore = lcore_of(index);
	const struct stele_stats_place place = {
		.core = port->config->cores.items[queue],
		.port = port_index,
		.queue = queue,
		.numa = rte_lcore_to_socket_id(lcore),
	};
	const struct stele_worker_settings settings = {
		.lcore = lcore,
		.port_id = port->id,
		.queue_id = (uint16_t)queue,
		.rx_cksum = port->rx_cksum,
		.takes_returns = queue == 0,
		.port_workers = port->queue_cnt,
		.punt_rate = rules->punt_rates[port_index],
		.idle = responder->config->idle,
		.pool = port->pools[queue],
		.frame = &port->frame,
		.root = stele_images_root(responder->images, (int)place.numa),
		.exception = responder->exceptions[port_index],
		.stats = stele_stats_worker(responder->stats, index, &place),
		.rows = stele_stats_zone_rows(responder->stats, index),
		.answers = &rules->answers,
		.rrl = rules->is_rate_limited ? &rules->rrl : NULL,
	};
	int rc = stele_worker_new(&settings, &responder->workers[index], reterr);

	if (!rc)
		responder->worker_cnt++;
	return rc;
}

static int make_workers(struct stele_responder *responder, struct stele_error *reterr)
{
	unsigned cnt = stele_responder_worker_cnt(responder->config);
	int rc;

	responder->workers = calloc(cnt, sizeof(struct stele_worker *));
	responder->quiescent = calloc(cnt, sizeof(*responder->quiescent));
	responder->stuck = calloc(cnt, sizeof(*responder->stuck));
	responder->grace = stele_grace_new();
	if (!responder->workers || !responder->quiescent || !responder->stuck || !responder->grace)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for workers");
	rc = stele_own_secret_make(&responder->own_secret, reterr);
	if (!rc)
		rc = stele_rules_read(responder, responder->config, &responder->rules, reterr);
	for (unsigned i = 0; i < responder->port_cnt && !rc; i++)
		for (unsigned j = 0; j < responder->ports[i].queue_cnt && !rc; j++)
			rc = make_worker(responder, i, j, reterr);
	if (!rc)
		rc = stele_images_attach(responder->images, responder->workers,
					 responder->worker_cnt, reterr);
	return rc;
}

static int launch_workers(struct stele_responder *responder, struct stele_error *reterr)
{
	for (unsigned i = 0; i < responder->worker_cnt; i++) {
		int rc =
			rte_eal_remote_launch(stele_worker_run, responder->workers[i], lcore_of(i));
		if (rc)
			return stele_fail_errno(reterr, -rc, "worker %u does not start", i);
		responder->running_cnt++;
	}
	return 0;
}

/* The first job, so that nothing is loaded before it. */
static int settle(void *images, json_t *response, struct stele_error *reterr)
{
	int rc = stele_images_move(images, reterr);

	(void)response;
	stele_images_save_findings(images);
	return rc;
}

static void tidy(void *images)
{
	stele_images_tidy(images);
}

struct restore {
	struct stele_images *images;
	struct stele_error *reterr;
	int ended_fd; /* an eventfd */
	int rc;
};

static void *restore(void *arg)
{
	struct restore *work = arg;

	work->rc = stele_images_restore(work->images, work->reterr);
	eventfd_write(work->ended_fd, 1);
	return NULL;
}

static void end_restore_when_told(struct stele_responder *responder, int ended_fd)
{
	struct pollfd ended = {.fd = ended_fd, .events = POLLIN};
	bool is_told = false;

	while (poll(&ended, 1, RESTORE_LOOK_MS) <= 0) {
		if (is_told || !stele_control_is_told_to_end())
			continue;
		is_told = true;
		stele_images_end(responder->images);
		stele_log(STELE_LOG_NOTICE, "told to end: no image is restored");
	}
}

/*
 * By a thread of its own, while this one looks whether it is to end: to verify a large image takes minutes, and who
 * ends a program does not wait so long.
 */
static int restore_unless_told_to_end(struct stele_responder *responder, struct stele_error *reterr)
{
	struct restore work = {.images = responder->images, .reterr = reterr};
	pthread_t thread;

	work.ended_fd = eventfd(0, EFD_CLOEXEC);
	if (work.ended_fd < 0 || pthread_create(&thread, NULL, restore, &work) != 0) {
		restore(&work);
	} else {
		end_restore_when_told(responder, work.ended_fd);
		pthread_join(thread, NULL);
	}
	if (work.ended_fd >= 0)
		close(work.ended_fd);
	return work.rc;
}

/*
 * DPDK has bound this thread to one core, and threads get the cores of the one that makes them. As long as
 * there is no worker, all cores are for the image.
 */
static int restore_on_all_cores(struct stele_responder *responder, struct stele_error *reterr)
{
	cpu_set_t own;
	bool widened = pthread_getaffinity_np(pthread_self(), sizeof(own), &own) == 0 &&
		       pthread_setaffinity_np(pthread_self(), sizeof(responder->cores),
					      &responder->cores) == 0;
	int rc = restore_unless_told_to_end(responder, reterr);

	if (widened)
		pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
	return rc;
}

/* Without an image the responder is still of use: one can be loaded into it. */
static void restore_image(struct stele_responder *responder)
{
	struct stele_serve_status status;
	struct stele_error error;
	int rc = restore_on_all_cores(responder, &error);

	if (rc) {
		stele_log(rc == STELE_E_NOTFOUND ? STELE_LOG_WARNING : STELE_LOG_ERROR,
			  "serves nothing yet: %s", error.text);
		return;
	}
	stele_images_status(responder->images, &status);
	stele_log(STELE_LOG_INFO, "serves %s: %u zones, %llu names, generation %llu",
		  status.current.name, status.current.zone_cnt,
		  (unsigned long long)status.current.name_cnt,
		  (unsigned long long)status.current.generation);
}

static int check_cores(const struct stele_responder_config *config, struct stele_error *reterr)
{
	struct stele_machine machine;
	struct stele_eal_args *args = malloc(sizeof(*args));

	if (!args)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	stele_machine_look(&machine);
	int rc = stele_eal_args_make(config, &machine, args, reterr);
	free(args);
	/* The other one is too few huge pages. */
	return rc == STELE_E_INPUT ? rc : 0;
}

int stele_responder_check(const struct stele_responder_config *config)
{
	const struct stele_own_secret own = {0};
	struct stele_answer_settings answers;
	struct stele_error error;
	int worst = 0;

	if (config->user)
		stele_daemon_note_fault(stele_privileges_try(config->user, &error), &error, &worst);
	/* As root it would read what its user, at a reload, may not. */
	if (worst)
		return worst;
	stele_daemon_note_fault(check_cores(config, &error), &error, &worst);
	stele_daemon_note_fault(stele_settings_answers(&config->answers.common, &config->cookies,
						       &own, &answers, &error),
				&error, &worst);
	return worst;
}

static bool keeps_net(const struct stele_responder *responder)
{
	for (unsigned i = 0; i < responder->port_cnt; i++)
		if (responder->ports[i].bifurcated)
			return true;
	return false;
}

int stele_responder_start(struct stele_responder *responder,
			  const struct stele_responder_config *config, const char *config_path,
			  struct stele_error *reterr)
{
	int rc;

	memset(responder, 0, sizeof(*responder));
	responder->started_ns = stele_clock_ns();
	responder->config = config;
	responder->config_path = config_path;
	if (sched_getaffinity(0, sizeof(responder->cores), &responder->cores) != 0)
		CPU_ZERO(&responder->cores);
	stele_machine_look(&responder->machine);
	rc = stele_control_listen(responder, reterr);
	if (rc)
		return rc;
	/* DPDK makes the threads of the workers, long before root is given up. */
	if (config->user)
		stele_privileges_bar_return();
	rc = stele_eal_start(config, &responder->machine, reterr);
	if (rc) {
		stele_ctl_server_free(responder->server);
		return rc;
	}
	rc = open_ports(responder, reterr);
	stele_log_release_dpdk(rc);
	if (!rc)
		rc = create_stats(responder, reterr);
	if (!rc && config->telemetry)
		rc = stele_telemetry_open(responder->stats, reterr);
	if (!rc)
		rc = open_images(responder, reterr);
	if (!rc)
		rc = make_workers(responder, reterr);
	/* Before root is given up, so that it keeps nothing of it. */
	if (!rc)
		rc = stele_jobs_start(tidy, responder->images, &responder->jobs, reterr);
	if (!rc && config->user)
		rc = stele_privileges_drop(config->user, keeps_net(responder) ? STELE_KEEP_NET : 0,
					   reterr);
	/* Behind DPDK's start, which has a handler of its own while it looks for huge pages. */
	if (!rc)
		rc = stele_sigbus_explain(reterr);
	if (!rc) {
		/* Before the workers: nobody has to wait for anybody. */
		restore_image(responder);
		rc = launch_workers(responder, reterr);
	}
	if (!rc)
		stele_jobs_submit(responder->jobs, settle, NULL, responder->images);
	if (rc)
		stele_responder_stop(responder);
	return rc;
}

/*
 * Ends the process although workers run: nothing that they may touch is taken away from them before the kernel
 * takes all. What lies in files goes, as far as nobody but this thread uses it.
 */
static _Noreturn void end_without(struct stele_responder *responder)
{
	for (unsigned i = 0; i < responder->running_cnt; i++)
		if (!stele_worker_has_ended(responder->workers[i]))
			stele_log(STELE_LOG_ERROR,
				  "worker %u on core %u has not ended for %d s; ends without it", i,
				  stele_worker_core(responder->workers[i]), END_SECONDS);
	stele_ctl_server_free(responder->server);
	unlink(stele_stats_path(responder->stats));
	_exit(stele_exit_status(STELE_E_SYSTEM));
}

static void stop_workers(struct stele_responder *responder)
{
	const struct timespec pause = {.tv_nsec = END_PAUSE_MS * 1000000};

	for (unsigned i = 0; i < responder->running_cnt; i++)
		stele_worker_stop(responder->workers[i]);
	for (unsigned tries = 0, i = 0; i < responder->running_cnt; tries++) {
		if (stele_worker_has_ended(responder->workers[i]))
			i++;
		else if (tries < END_SECONDS * 1000 / END_PAUSE_MS)
			nanosleep(&pause, NULL);
		else
			end_without(responder);
	}
	for (unsigned i = 0; i < responder->running_cnt; i++)
		rte_eal_wait_lcore(lcore_of(i));
}

void stele_responder_stop(struct stele_responder *responder)
{
	/* A load ends while workers do, and not after all that it had before it. */
	stele_images_end(responder->images);
	/* Before the loader, so that it waits for none that hangs. */
	stop_workers(responder);
	stele_jobs_stop(responder->jobs);
	for (unsigned i = 0; i < responder->worker_cnt; i++)
		stele_worker_free(responder->workers[i]);
	stele_grace_free(responder->grace);
	free(responder->workers);
	free(responder->quiescent);
	free(responder->stuck);
	stele_images_close(responder->images);
	stele_telemetry_close();
	stele_stats_destroy(responder->stats);
	for (unsigned i = 0; i < responder->port_cnt; i++) {
		stele_exception_close(responder->exceptions[i]);
		stele_port_close(&responder->ports[i]);
	}
	free(responder->exceptions);
	free(responder->ports);
	stele_eal_stop();
	stele_ctl_server_free(responder->server);
	memset(responder, 0, sizeof(*responder));
}
