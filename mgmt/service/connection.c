/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the lists ---- */

static void leave_list(struct connection *c)
{
	if (!c->list)
		return;
	*(c->before ? &c->before->after : &c->list->first) = c->after;
	*(c->after ? &c->after->before : &c->list->last) = c->before;
	c->list = NULL;
}

static void enter_list(struct connection *c, struct connection_list *list)
{
	c->list = list;
	c->before = list->last;
	c->after = NULL;
	*(list->last ? &list->last->after : &list->first) = c;
	list->last = c;
}

/* At the end of the list that it belongs to, if something happened or it belongs to another one. */
static void put_in_order(struct connection *c)
{
	struct worker *worker = c->worker;
	bool is_partial = c->handshaking || !c->asked || (c->in_len > 0 && !c->in_whole);
	struct connection_list *list = is_partial ? &worker->partial : &worker->quiet;

	if (c->list == list && !c->progress)
		return;
	c->progress = false;
	c->since_ns = stele_clock_ns();
	leave_list(c);
	enter_list(c, list);
}

/* ---- what it waits for ---- */

static void set_event(struct event *event, bool *added, bool wanted)
{
	if (*added == wanted)
		return;
	*added = wanted;
	if (wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

/* A client that does not take what it asked for, or asks handlers for too much, is not read from.
 * exchange_run() reads nothing while output waits, so that an event for what came would not rest. */
static bool wants_input(const struct connection *c)
{
	return !c->ended && c->out_len == 0 && !c->in_whole &&
	       c->request_cnt < c->worker->settings->limits.pipeline;
}

static bool is_done(const struct connection *c)
{
	return c->ended && c->out_len == 0 && !c->in_whole && !c->requests && !c->streams &&
	       !c->streams_ending;
}

/* After whatever happened: closes the connection, or sees to it that it goes on. */
static void settle(struct connection *c)
{
	if (c->dead || is_done(c)) {
		connection_free(c);
		return;
	}
	bool input = c->handshaking || wants_input(c);
	uint32_t pipeline = c->worker->settings->limits.pipeline;
	bool more = c->streams || (c->in_whole && c->request_cnt < pipeline);
	set_event(&c->read_event, &c->reading, input && !c->ssl_blocked);
	set_event(&c->write_event, &c->writing, c->out_len > 0 || c->ssl_blocked);
	/* What goes on without an event, once the others have had their turn. Behind
	 * event_del(), which would undo it. */
	if (more && c->out_len == 0)
		event_active(&c->write_event, EV_WRITE, 0);
	if (input && c->ssl_more)
		event_active(&c->read_event, EV_READ, 0);
	put_in_order(c);
}

static void on_event(evutil_socket_t fd, short what, void *user)
{
	struct connection *c = user;

	(void)fd;
	c->busy = true;
	if (c->handshaking)
		tls_handshake(c);
	if (!c->handshaking && !c->dead)
		exchange_run(c, (what & EV_READ) != 0 || c->ssl_more);
	exchange_return_buffers(c);
	c->busy = false;
	settle(c);
}

void connection_wake(struct connection *c)
{
	if (!c->busy)
		event_active(&c->write_event, EV_WRITE, 0);
}

/* ---- begin and end ---- */

static void read_local(struct connection *c)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof(local);

	if (getsockname(c->fd, (struct sockaddr *)&local, &len) != 0)
		return;
	if (local.ss_family == AF_INET) {
		c->local.family = 4;
		memcpy(c->local.addr, &((struct sockaddr_in *)(void *)&local)->sin_addr, 4);
	} else if (local.ss_family == AF_INET6) {
		c->local.family = 6;
		memcpy(c->local.addr, &((struct sockaddr_in6 *)(void *)&local)->sin6_addr, 16);
	}
}

static void release(struct worker *worker, struct client *client)
{
	clients_leave(worker->service->clients, client);
	atomic_fetch_sub_explicit(&worker->service->connection_cnt, 1, memory_order_relaxed);
}

void connection_new(struct listener *listener, int fd, const struct stele_config_address *address,
		    uint16_t port, struct client *client)
{
	struct worker *worker = listener->worker;
	struct event_base *base = stele_loop_base(worker->loop);
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		release(worker, client);
		close(fd);
		return;
	}
	c->worker = worker;
	c->fd = fd;
	c->client = client;
	c->transport = listener->transport;
	c->peer.address = *address;
	c->peer.port = port;
	event_assign(&c->read_event, base, fd, EV_READ | EV_PERSIST, on_event, c);
	event_assign(&c->write_event, base, fd, EV_WRITE | EV_PERSIST, on_event, c);
	if (listener->wildcard)
		read_local(c);
	else
		c->local = listener->address;
	if (c->transport == STELE_TLS && !tls_begin(c))
		c->dead = true;
	c->progress = true;
	settle(c);
}

void connection_free(struct connection *c)
{
	struct worker *worker = c->worker;
	struct linger linger = {.l_onoff = 1};

	c->busy = true; /* nobody is to wake it any more */
	event_del(&c->read_event);
	event_del(&c->write_event);
	leave_list(c);
	request_orphan_all(c);
	tls_end(c);
	if (c->reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(c->fd);
	exchange_drop_buffers(c);
	release(worker, c->client);
	free(c);
}

/* Handlers may take their time; the client's is not running meanwhile. */
static bool is_our_turn(const struct connection *c)
{
	return c->requests && c->out_len == 0;
}

static void expire_list(struct connection_list *list, uint64_t limit_ns, uint64_t now_ns)
{
	struct connection *c = list->first;

	/* Those that are put in order again here come later than now. */
	while (c && c->since_ns + limit_ns < now_ns) {
		struct connection *after = c->after;
		if (is_our_turn(c)) {
			c->progress = true;
			put_in_order(c);
		} else {
			count(c->worker, COUNT_timed_out);
			if (c->handshaking)
				count(c->worker, COUNT_tls_failed);
			/* One that only was idle ends in order; what others hold is taken from
			 * them. */
			c->reset = c->out_len > 0 || c->in_len > 0 || !c->asked;
			connection_free(c);
		}
		c = after;
	}
}

void connection_expire(struct worker *worker, uint64_t now_ns)
{
	expire_list(&worker->partial, worker->settings->limits.handshake_ns, now_ns);
	expire_list(&worker->quiet, worker->settings->limits.idle_ns, now_ns);
}
