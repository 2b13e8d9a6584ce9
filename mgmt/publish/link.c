/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/publish/link.h"

#include "lib/base/clock.h"
#include "lib/ctl/ctl.h"
#include "mgmt/publish/pause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Between two tries to connect. Longer, and a responder that starts waits for its image; a try costs a few
 * system calls. */
#define CONNECT_EVERY_NS 250000000u

/* A connection that is quiet is asked whether somebody is there: well below STELE_CTL_IDLE_MS. */
#define PING_EVERY_NS 5000000000u

/* A responder that does not answer a ping for this long hangs. */
#define PING_MAX_NS 10000000000u

/* Of a load. The first of a large image takes seconds; one that waits for a worker that stands still takes
 * for ever, and a new connection tells no more. */
#define LOAD_MAX_NS 600000000000u

enum request { REQUEST_NONE, REQUEST_PING, REQUEST_LOAD };

struct stele_link {
	struct stele_link_settings settings;
	struct event_base *base;
	struct event *timer;  /* to connect, to ask, to give up */
	struct event *events; /* of the connection; NULL: there is none */
	struct stele_ctl_client *client;
	enum request request;
	uint64_t began_ns;
	uint64_t epoch, request_epoch; /* of what is to be loaded, and of what is being loaded */
	bool has_image;                /* there is something to load */
	bool is_due;                   /* it has not been loaded, or another root has come */
	bool told_down;                /* `changed` was called with a text */
	bool told_up;                  /* ... without one */
	struct stele_pause pause;      /* after a refusal */
};

static void set_timer(struct stele_link *link, uint64_t ns)
{
	struct timeval time = stele_pause_time(ns);

	evtimer_add(link->timer, &time);
}

static void disconnect(struct stele_link *link)
{
	if (link->events)
		event_free(link->events);
	link->events = NULL;
	stele_ctl_disconnect(link->client);
	link->client = NULL;
	link->request = REQUEST_NONE;
}

/* The connection is of no use any more. */
static void lose(struct stele_link *link, const char *why)
{
	disconnect(link);
	set_timer(link, CONNECT_EVERY_NS);
	link->told_up = false;
	if (!link->told_down) {
		link->told_down = true;
		link->settings.changed(link->settings.user, why);
	}
}

/* Takes over `object`, which is NULL if memory is out. */
static void send_request(struct stele_link *link, enum request request, json_t *object, int fd,
			 uint64_t max_ns)
{
	struct stele_error err = {"out of memory"};
	int failed = object ? stele_ctl_send(link->client, object, fd, &err) : STELE_E_SYSTEM;

	json_decref(object);
	if (failed) {
		lose(link, err.text);
		return;
	}
	link->request = request;
	link->began_ns = stele_clock_ns();
	set_timer(link, max_ns);
}

/* It is tried again after a pause. */
static void on_refused(struct stele_link *link, int status, const char *text)
{
	link->is_due = true;
	stele_pause_begin(&link->pause);
	link->settings.refused(link->settings.user, status, text);
}

static void rest(struct stele_link *link)
{
	uint64_t rest_ns = stele_pause_rest(&link->pause);

	set_timer(link, link->is_due && rest_ns < PING_EVERY_NS ? rest_ns : PING_EVERY_NS);
}

static void load(struct stele_link *link)
{
	int fd = open(link->settings.image, O_RDONLY | O_CLOEXEC);
	struct stele_error err;

	if (fd < 0) {
		stele_fail_errno(&err, errno, "%s", link->settings.image);
		on_refused(link, STELE_E_SYSTEM, err.text);
		rest(link);
		return;
	}
	link->is_due = false;
	link->request_epoch = link->epoch;
	link->settings.begun(link->settings.user);
	send_request(link, REQUEST_LOAD,
		     json_pack("{s:s, s:o}", "op", "load", "path",
			       stele_ctl_text(link->settings.image)),
		     fd, LOAD_MAX_NS);
	close(fd);
}

/* What comes next on a connection on which nothing is under way. */
static void go_on(struct stele_link *link)
{
	if (!link->client || link->request != REQUEST_NONE)
		return;
	if (link->is_due && stele_pause_rest(&link->pause) == 0)
		load(link);
	else
		rest(link);
}

/* ---- what comes ---- */

static void on_loaded(struct stele_link *link, const json_t *response)
{
	json_int_t generation = json_integer_value(json_object_get(response, "generation"));

	stele_pause_end(&link->pause);
	link->settings.loaded(link->settings.user, link->request_epoch, (uint64_t)generation,
			      stele_clock_ns() - link->began_ns);
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
	struct stele_link *link = user;
	struct stele_error err;
	json_t *response = NULL;
	bool is_broken = false;
	int status = stele_ctl_receive(link->client, &response, &is_broken, &err);

	(void)fd;
	(void)events;
	if (status == STELE_CTL_AGAIN)
		return;
	enum request request = link->request;
	link->request = REQUEST_NONE;
	if (status != 0 && is_broken) {
		/* Whether a load had an effect is not known: it is done again. */
		link->is_due |= request == REQUEST_LOAD;
		lose(link, err.text);
		return;
	}
	if (request == REQUEST_NONE) {
		json_decref(response);
		lose(link, "the responder answered what nobody asked");
		return;
	}
	if (!link->told_up) {
		link->told_up = true;
		link->told_down = false;
		link->settings.changed(link->settings.user, NULL);
	}
	if (request == REQUEST_LOAD && status == 0)
		on_loaded(link, response);
	else if (request == REQUEST_LOAD)
		on_refused(link, status, err.text);
	json_decref(response);
	go_on(link);
}

static void ping(struct stele_link *link)
{
	send_request(link, REQUEST_PING, json_pack("{s:s}", "op", "ping"), -1, PING_MAX_NS);
}

static void connect_to(struct stele_link *link)
{
	struct stele_error err;

	if (stele_ctl_connect_now(link->settings.responder, &link->client, &err) != 0) {
		lose(link, err.text);
		return;
	}
	link->events = event_new(link->base, stele_ctl_client_fd(link->client),
				 EV_READ | EV_PERSIST, on_readable, link);
	if (!link->events || event_add(link->events, NULL) != 0) {
		lose(link, "out of memory");
		return;
	}
	/* It counts as there when it has answered once. */
	link->is_due = link->has_image;
	if (link->is_due && stele_pause_rest(&link->pause) == 0)
		load(link);
	else
		ping(link);
}

static void on_timer(evutil_socket_t fd, short events, void *user)
{
	struct stele_link *link = user;

	(void)fd;
	(void)events;
	if (!link->client) {
		connect_to(link);
	} else if (link->request != REQUEST_NONE) {
		link->is_due |= link->request == REQUEST_LOAD;
		lose(link, "the responder does not answer");
	} else if (link->is_due && stele_pause_rest(&link->pause) == 0) {
		load(link);
	} else {
		ping(link);
	}
}

/* ---- what is called ---- */

void stele_link_load(struct stele_link *link, uint64_t epoch)
{
	link->epoch = epoch;
	link->has_image = true;
	link->is_due = true;
	go_on(link);
}

bool stele_link_is_up(const struct stele_link *link)
{
	return link->told_up;
}

int stele_link_new(struct stele_loop *loop, const struct stele_link_settings *settings,
		   struct stele_link **ret_link, struct stele_error *reterr)
{
	struct stele_link *link = calloc(1, sizeof(*link));

	if (link) {
		link->settings = *settings;
		link->base = stele_loop_base(loop);
		link->timer = evtimer_new(link->base, on_timer, link);
	}
	if (!link || !link->timer) {
		free(link);
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	}
	set_timer(link, 0);
	*ret_link = link;
	return 0;
}

void stele_link_free(struct stele_link *link)
{
	if (!link)
		return;
	disconnect(link);
	event_free(link->timer);
	free(link);
}
