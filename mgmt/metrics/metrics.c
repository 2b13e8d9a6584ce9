/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/metrics/metrics.h"

#include "mgmt/metrics/internal.h"
#include "mgmt/peer/address.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Scrapers at once; one is what there is. More would each hold a copy of all numbers. */
#define CONNECTIONS_MAX 64
/* Of those, from one address: who sends a byte now and then is not to keep all of it. For one more the oldest of that
 * address gives way, so that a scraper that hangs does not keep out the health check beside it. */
#define CONNECTIONS_OF_ONE_MAX 8
/* Until those that give way are gone: as many as come at once. */
#define CONNECTIONS_OF_ONE_ROOM 32
#define CONNECTION_TIMEOUT_S 10
/* For the main loop to come round. It never works that long at a stretch. */
#define MAIN_LOOP_TIMEOUT_S 5

/* A connection that has not been told to give way. */
struct client {
	struct client *next;
	struct client **link; /* what leads here; NULL: it gives way */
	struct stele_config_address address;
	int fd;
};

struct stele_metrics {
	struct stele_daemon *daemon;
	struct MHD_Daemon *http;
	struct client *clients; /* the newest first; of the HTTP thread */
	pthread_mutex_t lock;   /* over `ending`, and over a post that saw it false */
	bool ending;            /* nobody will run the main loop any more */
};

/*
 * What the HTTP thread wants of the main loop. Both hold it: who waits may give up, and the task runs
 * all the same.
 */
struct visit {
	struct stele_task task;
	struct stele_daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
	unsigned holder_cnt;

	FILE *out; /* the daemon's numbers; NULL: not wanted */
	char *text;
	size_t text_sz;
	char responder[108]; /* path of its socket; empty: none */
	struct metrics_health health;
	bool has_name;
};

static void release(struct visit *visit)
{
	pthread_mutex_lock(&visit->lock);
	bool last = --visit->holder_cnt == 0;
	pthread_mutex_unlock(&visit->lock);
	if (!last)
		return;
	if (visit->out != NULL)
		fclose(visit->out);
	free(visit->text);
	pthread_cond_destroy(&visit->done_cond);
	pthread_mutex_destroy(&visit->lock);
	free(visit);
}

/* A name that must be answered: the configured one, else the apex of a zone that is served. */
static bool health_name(const struct stele_daemon *daemon, uint8_t name[STELE_NAME_MAX])
{
	const char *text = daemon->config->metrics.health_name;
	if (text != NULL)
		return stele_name_from_text(text, strlen(text), name) > 0;
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (!zone->served || zone->expired)
			continue;
		memcpy(name, zone->apex, zone->apex_len);
		return true;
	}
	return false;
}

static void visit_main(struct stele_task *task)
{
	struct visit *visit = (struct visit *)((char *)task - offsetof(struct visit, task));
	/* What is asked is what is there: other addresses come with the next start. */
	const struct stele_mgmtd_config *config = visit->daemon->started;
	if (config->responder != NULL)
		snprintf(visit->responder, sizeof(visit->responder), "%s", config->responder);
	if (visit->out != NULL) {
		metrics_write_daemon(visit->daemon, visit->out);
	} else {
		visit->has_name = health_name(visit->daemon, visit->health.name);
		for (size_t i = 0; i < config->listen.cnt && visit->health.port == 0; i++) {
			const struct stele_listen_config *listen = &config->listen.items[i];
			if (listen->tls)
				continue;
			visit->health.address = listen->address;
			visit->health.port = listen->port;
		}
	}
	pthread_mutex_lock(&visit->lock);
	visit->done = true;
	pthread_cond_signal(&visit->done_cond);
	pthread_mutex_unlock(&visit->lock);
	release(visit);
}

static bool post(struct stele_metrics *metrics, struct visit *visit)
{
	pthread_mutex_lock(&metrics->lock);
	bool posted = !metrics->ending;
	if (posted)
		stele_loop_post(metrics->daemon->main, &visit->task);
	pthread_mutex_unlock(&metrics->lock);
	return posted;
}

/* Has the main loop fill in a visit. NULL if it does not come round, or ends, or memory is out. */
static struct visit *visit_main_loop(struct stele_metrics *metrics, bool numbers)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	if (visit == NULL)
		return NULL;
	visit->task.run = visit_main;
	visit->daemon = metrics->daemon;
	visit->holder_cnt = 2;
	pthread_mutex_init(&visit->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&visit->done_cond, &attr);
	pthread_condattr_destroy(&attr);
	if (numbers) {
		visit->out = open_memstream(&visit->text, &visit->text_sz);
		if (visit->out == NULL) {
			visit->holder_cnt = 1;
			release(visit);
			return NULL;
		}
	}
	if (!post(metrics, visit)) {
		visit->holder_cnt = 1;
		release(visit);
		return NULL;
	}

	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += MAIN_LOOP_TIMEOUT_S;
	pthread_mutex_lock(&visit->lock);
	while (!visit->done &&
	       pthread_cond_timedwait(&visit->done_cond, &visit->lock, &until) != ETIMEDOUT)
		;
	bool done = visit->done;
	pthread_mutex_unlock(&visit->lock);
	if (done)
		return visit;
	release(visit);
	return NULL;
}

/* ---- HTTP ---- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
			       void *text, size_t sz, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(sz, text, mode);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status,
				    const char *text)
{
	char line[STELE_ERROR_MAX + 2];
	int sz = snprintf(line, sizeof(line), "%s\n", text);
	return respond(connection, status, "text/plain; charset=utf-8", line, (size_t)sz,
		       MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result serve_metrics(struct stele_metrics *metrics,
				     struct MHD_Connection *connection)
{
	struct visit *visit = visit_main_loop(metrics, true);
	if (visit == NULL)
		return respond_text(connection, 503, "the daemon does not come round");
	if (visit->responder[0] != '\0')
		metrics_write_responder(visit->responder, visit->out);
	bool whole = fclose(visit->out) == 0;
	visit->out = NULL;
	enum MHD_Result result;
	if (whole)
		result = respond(connection, 200, "text/plain; version=0.0.4; charset=utf-8",
				 visit->text, visit->text_sz, MHD_RESPMEM_MUST_COPY);
	else
		result = respond_text(connection, 503, "no memory");
	release(visit);
	return result;
}

static enum MHD_Result serve_health(struct stele_metrics *metrics,
				    struct MHD_Connection *connection)
{
	struct visit *visit = visit_main_loop(metrics, false);
	if (visit == NULL)
		return respond_text(connection, 503, "the daemon does not come round");
	struct stele_error err = {{0}};
	int status = STELE_E_SYSTEM;
	if (!visit->has_name) {
		stele_fail(&err, status, "no zone is served");
	} else {
		if (visit->responder[0] != '\0')
			visit->health.responder = visit->responder;
		status = metrics_health_check(&visit->health, &err);
	}
	release(visit);
	return status == 0 ? respond_text(connection, 200, "ok") :
			     respond_text(connection, 503, err.text);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_sz, void **state)
{
	(void)version;
	(void)upload;
	(void)state;
	if (*upload_sz != 0 || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		return respond_text(connection, 405, "only GET and HEAD");
	if (strcmp(url, "/metrics") == 0)
		return serve_metrics(user, connection);
	if (strcmp(url, "/healthz") == 0)
		return serve_health(user, connection);
	return respond_text(connection, 404, "there is /metrics and /healthz");
}

/* ---- connections ---- */

static void unlink_client(struct client *client)
{
	if (client->link == NULL)
		return;
	*client->link = client->next;
	if (client->next != NULL)
		client->next->link = client->link;
	client->link = NULL;
}

static void make_room(struct stele_metrics *metrics, const struct client *from)
{
	struct client *oldest = NULL;
	unsigned cnt = 0;
	for (struct client *client = metrics->clients; client != NULL; client = client->next) {
		if (!stele_address_equal(&client->address, &from->address))
			continue;
		oldest = client;
		cnt++;
	}
	if (cnt <= CONNECTIONS_OF_ONE_MAX)
		return;
	/* The descriptor is not ours to close: the HTTP thread does that when it sees the end. */
	shutdown(oldest->fd, SHUT_RDWR);
	unlink_client(oldest);
}

static void begin_client(struct stele_metrics *metrics, struct MHD_Connection *connection,
			 void **context)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *peer =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct client *client = calloc(1, sizeof(*client));
	uint16_t port;
	if (client == NULL || fd == NULL || peer == NULL ||
	    !stele_address_from_sockaddr((const union stele_sockaddr *)peer->client_addr,
					 &client->address, &port)) {
		free(client);
		return;
	}
	client->fd = fd->connect_fd;
	client->next = metrics->clients;
	client->link = &metrics->clients;
	if (client->next != NULL)
		client->next->link = &client->next;
	metrics->clients = client;
	*context = client;
	make_room(metrics, client);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		begin_client(user, connection, context);
	} else if (*context != NULL) {
		unlink_client(*context);
		free(*context);
		*context = NULL;
	}
}

/* Its own words go nowhere: what is wrong with a client's HTTP is nobody's concern. */
static void forget_log(void *user, const char *format, va_list args)
{
	(void)user;
	(void)format;
	(void)args;
}

int stele_metrics_new(struct stele_daemon *daemon, struct stele_metrics **ret_metrics,
		      struct stele_error *reterr)
{
	struct stele_metrics *metrics = calloc(1, sizeof(*metrics));
	if (metrics == NULL)
		return stele_fail_errno(reterr, ENOMEM, "metrics");
	metrics->daemon = daemon;
	pthread_mutex_init(&metrics->lock, NULL);
	union stele_sockaddr address;
	stele_address_to_sockaddr(&daemon->config->metrics.address, daemon->config->metrics.port,
				  &address);
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
	if (address.any.sa_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	metrics->http = MHD_start_daemon(
		flags, daemon->config->metrics.port, NULL, NULL, handle, metrics,
		MHD_OPTION_EXTERNAL_LOGGER, forget_log, NULL, MHD_OPTION_SOCK_ADDR, &address.any,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_OF_ONE_ROOM,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, metrics, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_END);
	if (metrics->http == NULL) {
		int error_number = errno != 0 ? errno : EADDRNOTAVAIL;
		pthread_mutex_destroy(&metrics->lock);
		free(metrics);
		return stele_fail_errno(reterr, error_number, "metrics: port %u",
					daemon->config->metrics.port);
	}
	*ret_metrics = metrics;
	return 0;
}

void stele_metrics_free(struct stele_metrics *metrics)
{
	if (metrics == NULL)
		return;
	/* Else its thread, which may wait for the main loop, would be waited for until it gives up. */
	pthread_mutex_lock(&metrics->lock);
	metrics->ending = true;
	pthread_mutex_unlock(&metrics->lock);
	stele_loop_drain(metrics->daemon->main);
	MHD_stop_daemon(metrics->http);
	pthread_mutex_destroy(&metrics->lock);
	free(metrics);
}
