/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often time limits are looked at, and whether another image has come that nobody asked for
 * yet. */
#define TICK_US 200000

/* The image to answer from now; NULL: none yet. Good until the loop goes on. */
static const struct stele_view *current_view(struct worker *worker)
{
	struct stele_images *images = worker->service->images;
	uint64_t version = stele_images_version(images);

	if (version != worker->image_version) {
		stele_images_put(worker->image);
		worker->image = stele_images_take(images);
		worker->image_version = version;
	}
	return worker->image ? &worker->image->view : NULL;
}

void worker_answer(struct worker *worker, enum stele_transport transport,
		   const struct stele_query *queries, struct stele_reply *replies, unsigned cnt)
{
	static const struct stele_view no_zones;
	const struct stele_answer_settings *settings =
		transport == STELE_UDP ? &worker->udp_answers :
					 &worker->settings->answers[transport];
	const struct stele_view *view = current_view(worker);
	struct stele_answer_settings not_ready;

	if (!view) {
		/* What is for the daemon itself is, with or without an image. */
		not_ready = *settings;
		not_ready.not_ready = true;
		settings = &not_ready;
		view = &no_zones;
	}
	stele_answer_batch(worker->answerer, view, settings, (uint32_t)time(NULL), queries, replies,
			   cnt);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	struct worker *worker = user;

	(void)fd;
	(void)what;
	current_view(worker); /* lets go of one that is replaced */
	connection_expire(worker, stele_clock_ns());
	if (!worker->accept_paused)
		return;
	worker->accept_paused = false;
	for (size_t i = 0; i < worker->listener_cnt; i++)
		if (worker->listeners[i].transport != STELE_UDP)
			event_add(&worker->listeners[i].event, NULL);
}

static int add_listener(struct worker *worker, const struct stele_listen_config *config,
			enum stele_transport transport, bool may_come, struct stele_error *reterr)
{
	struct listener *listener = &worker->listeners[worker->listener_cnt];

	int status = listen_open(config, transport, may_come, &listener->fd, reterr);
	if (status != 0)
		return status;
	listener->worker = worker;
	listener->transport = transport;
	listener->wildcard = listen_is_wildcard(config);
	listener->address = config->address;
	worker->listener_cnt++;
	event_assign(&listener->event, stele_loop_base(worker->loop), listener->fd,
		     EV_READ | EV_PERSIST, transport == STELE_UDP ? udp_ready : accept_ready,
		     listener);
	if (event_add(&listener->event, NULL) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "a socket cannot be waited for");
	return 0;
}

static int open_listeners(struct worker *worker, const struct stele_mgmtd_config *config,
			  struct stele_error *reterr)
{
	bool may_come = config->responder != NULL;
	int status = 0;

	for (size_t i = 0; i < config->listen.cnt && status == 0; i++) {
		const struct stele_listen_config *listen = &config->listen.items[i];
		if (listen->tls) {
			status = add_listener(worker, listen, STELE_TLS, may_come, reterr);
			continue;
		}
		status = add_listener(worker, listen, STELE_UDP, may_come, reterr);
		if (status == 0)
			status = add_listener(worker, listen, STELE_TCP, may_come, reterr);
	}
	return status;
}

int worker_init(struct worker *worker, struct stele_service *service, unsigned index,
		const struct stele_mgmtd_config *config, struct service_settings *settings,
		struct stele_error *reterr)
{
	char name[16];
	struct stele_rates *limit;

	worker->service = service;
	int status = limit_new(NULL, settings, &limit, reterr);
	if (status != 0)
		return status;
	worker_set(worker, service_settings_hold(settings), limit);
	snprintf(name, sizeof(name), "service-%u", index % 1000);
	status = stele_loop_new(name, &worker->loop, reterr);
	if (status != 0)
		return status;
	worker->image_version = UINT64_MAX; /* whatever it is, it is another one */
	worker->answerer = stele_answerer_new();
	worker->replies = malloc((size_t)STELE_BATCH_MAX * MESSAGE_STRIDE);
	worker->scratch = malloc(MESSAGE_STRIDE);
	worker->udp = udp_buffers_new();
	worker->listeners = calloc(2 * config->listen.cnt + 1, sizeof(*worker->listeners));
	if (!worker->answerer || !worker->replies || !worker->scratch || !worker->udp ||
	    !worker->listeners)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	status = open_listeners(worker, config, reterr);
	if (status != 0)
		return status;
	event_assign(&worker->tick, stele_loop_base(worker->loop), -1, EV_PERSIST, on_tick, worker);
	if (event_add(&worker->tick, &(struct timeval){.tv_usec = TICK_US}) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "no timer");
	return 0;
}

static void free_all(struct connection_list *list)
{
	while (list->first) {
		exchange_finish(list->first);
		connection_free(list->first);
	}
}

void worker_end(struct worker *worker)
{
	if (worker->loop)
		stele_loop_drain(worker->loop);
	free_all(&worker->partial);
	free_all(&worker->quiet);
	for (size_t i = 0; i < worker->listener_cnt; i++) {
		event_del(&worker->listeners[i].event);
		close(worker->listeners[i].fd);
		worker->listeners[i].fd = -1;
	}
	if (event_initialized(&worker->tick))
		event_del(&worker->tick);
	/* Answers that are on their way find nobody to give them to. */
	stele_loop_free(worker->loop);
	free(worker->listeners);
	udp_buffers_free(worker->udp);
	free(worker->input);
	free(worker->output);
	free(worker->replies);
	free(worker->scratch);
	stele_answerer_free(worker->answerer);
	stele_images_put(worker->image);
	worker_unset(worker);
}
