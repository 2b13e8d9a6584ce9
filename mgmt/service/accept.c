/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Connections that are taken before those that are there have their turn. */
#define ACCEPT_MAX 64

union peer {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint16_t read_address(const union peer *from, struct stele_config_address *ret_address)
{
	*ret_address = (struct stele_config_address){0};
	if (from->any.sa_family == AF_INET) {
		ret_address->family = 4;
		memcpy(ret_address->addr, &from->v4.sin_addr, 4);
		return ntohs(from->v4.sin_port);
	}
	ret_address->family = 6;
	memcpy(ret_address->addr, &from->v6.sin6_addr, 16);
	return ntohs(from->v6.sin6_port);
}

/* With RST: nothing of it stays here, no TIME_WAIT either. */
static void turn_away(int fd)
{
	struct linger linger = {.l_onoff = 1};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* Closes the connection that has been quiet for the longest. False if there is none. */
static bool evict(struct worker *worker)
{
	struct connection *a = worker->partial.first, *b = worker->quiet.first;
	struct connection *oldest = !a || (b && b->since_ns < a->since_ns) ? b : a;

	if (!oldest)
		return false;
	count(worker, COUNT_evicted);
	oldest->reset = true;
	connection_free(oldest);
	return true;
}

static bool make_room(struct worker *worker)
{
	struct stele_service *service = worker->service;
	uint32_t max = worker->settings->limits.connections;

	if (atomic_fetch_add_explicit(&service->connection_cnt, 1, memory_order_relaxed) < max ||
	    evict(worker))
		return true;
	/* All that there are belong to other loops. */
	atomic_fetch_sub_explicit(&service->connection_cnt, 1, memory_order_relaxed);
	count(worker, COUNT_refused_full);
	return false;
}

static void take(struct listener *listener, int fd, const union peer *from)
{
	struct worker *worker = listener->worker;
	struct stele_config_address address;
	uint16_t port = read_address(from, &address);

	if (listener->transport == STELE_TLS && !worker->settings->tls) {
		turn_away(fd);
		return;
	}
	struct client *client = clients_enter(worker->service->clients, &address,
					      worker->settings->limits.connections_per_client);
	if (!client) {
		count(worker, COUNT_refused_client);
		turn_away(fd);
		return;
	}
	if (!make_room(worker)) {
		clients_leave(worker->service->clients, client);
		turn_away(fd);
		return;
	}
	count(worker, listener->transport == STELE_TLS ? COUNT_tls_accepted : COUNT_tcp_accepted);
	connection_new(listener, fd, &address, port, client);
}

/* No descriptors or no memory: the connections wait in the kernel until the next tick. */
static void pause_accepting(struct worker *worker)
{
	worker->accept_paused = true;
	for (size_t i = 0; i < worker->listener_cnt; i++)
		if (worker->listeners[i].transport != STELE_UDP)
			event_del(&worker->listeners[i].event);
}

void accept_ready(evutil_socket_t fd, short what, void *user)
{
	struct listener *listener = user;

	(void)what;
	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		union peer from = {.v6 = {0}};
		socklen_t from_len = sizeof(from);
		int accepted = accept4(fd, &from.any, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted >= 0) {
			take(listener, accepted, &from);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return;
		case EMFILE:
		case ENFILE:
			if (evict(listener->worker))
				continue;
			pause_accepting(listener->worker);
			return;
		case ENOBUFS:
		case ENOMEM:
			pause_accepting(listener->worker);
			return;
		default: /* the connection is gone before it was taken */
			continue;
		}
	}
}
