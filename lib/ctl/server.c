/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl/dispatch.h"
#include "lib/base/clock.h"
#include "lib/ctl/packet.h"
#include "lib/ctl/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS_NS 1000000ull

/* How often an operation that waits is asked. More often costs the control thread, less often makes
 * `wait` and `load` seem slower than they are. */
#define AGAIN_MS 10

/* Without descriptors or memory nothing can be accepted; asking again at once would only burn time. */
#define ACCEPT_PAUSE_NS (200 * MS_NS)

#define LISTENER UINT32_MAX

struct connection {
	int fd; /* -1: free */
	struct stele_ctl_job job;
	char *response; /* until the kernel has taken it */
	uint64_t active_ns;
	uid_t uid;
	pid_t pid;
};

struct stele_ctl_server {
	struct stele_ctl_listener listener;
	const struct stele_ctl_op *ops;
	void *user;
	gid_t group;
	uint64_t idle_ns;
	int epoll_fd;
	uint64_t accept_pause_until_ns; /* 0: accepting */
	uint64_t request_cnt;
	char *message; /* STELE_CTL_MESSAGE_MAX bytes for what is received */
	struct connection connections[STELE_CTL_CONNECTIONS_MAX];
};

static int watch(struct stele_ctl_server *server, int operation, int fd, uint32_t index,
		 uint32_t events)
{
	struct epoll_event event = {.events = events, .data = {.u32 = index}};
	return epoll_ctl(server->epoll_fd, operation, fd, &event);
}

static uint32_t index_of(const struct stele_ctl_server *server, const struct connection *c)
{
	return (uint32_t)(c - server->connections);
}

int stele_ctl_server_new(const struct stele_ctl_server_settings *settings,
			 struct stele_ctl_server **ret_server, struct stele_error *reterr)
{
	struct stele_ctl_server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", settings->path);
	server->listener = (struct stele_ctl_listener){.fd = -1, .lock_fd = -1};
	server->ops = settings->ops;
	server->user = settings->user;
	server->group = settings->group;
	server->idle_ns = (settings->idle_ms != 0 ? settings->idle_ms : STELE_CTL_IDLE_MS) * MS_NS;
	for (size_t i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++)
		server->connections[i].fd = -1;
	int status = 0;
	server->message = malloc(STELE_CTL_MESSAGE_MAX);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->message == NULL || server->epoll_fd < 0)
		status = stele_fail_errno(reterr, errno, "%s", settings->path);
	if (status == 0)
		status = stele_ctl_listen(settings->path, settings->group, &server->listener,
					  reterr);
	if (status == 0 &&
	    watch(server, EPOLL_CTL_ADD, server->listener.fd, LISTENER, EPOLLIN) != 0)
		status = stele_fail_errno(reterr, errno, "%s", settings->path);
	if (status != 0) {
		stele_ctl_server_free(server);
		return status;
	}
	*ret_server = server;
	return 0;
}

static void close_connection(struct connection *c)
{
	if (c->job.request != NULL)
		stele_ctl_job_clear(&c->job);
	free(c->response);
	close(c->fd); /* epoll forgets it by that */
	*c = (struct connection){.fd = -1};
}

void stele_ctl_server_free(struct stele_ctl_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++)
		if (server->connections[i].fd >= 0)
			close_connection(&server->connections[i]);
	stele_ctl_unlisten(&server->listener);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	free(server->message);
	free(server);
}

int stele_ctl_server_fd(const struct stele_ctl_server *server)
{
	return server->epoll_fd;
}

uint64_t stele_ctl_server_request_cnt(const struct stele_ctl_server *server)
{
	return server->request_cnt;
}

static bool is_waiting(const struct connection *c)
{
	return c->fd >= 0 && c->job.request != NULL;
}

int stele_ctl_server_timeout_ms(const struct stele_ctl_server *server)
{
	uint64_t now = stele_clock_ns(), next = UINT64_MAX;
	if (server->accept_pause_until_ns != 0)
		next = server->accept_pause_until_ns;
	for (size_t i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		const struct connection *c = &server->connections[i];
		if (c->fd < 0)
			continue;
		uint64_t at = is_waiting(c) ? now + AGAIN_MS * MS_NS :
					      c->active_ns + server->idle_ns;
		if (at < next)
			next = at;
	}
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now + MS_NS - 1) / MS_NS);
}

/* ---- accepting ---- */

/* A place for another connection: a free one, else that of whoever has been quiet for the longest. */
static struct connection *find_place(struct stele_ctl_server *server)
{
	struct connection *quiet = NULL;
	for (size_t i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		struct connection *c = &server->connections[i];
		if (c->fd < 0)
			return c;
		if (!is_waiting(c) && (quiet == NULL || c->active_ns < quiet->active_ns))
			quiet = c;
	}
	if (quiet != NULL)
		close_connection(quiet);
	return quiet;
}

/* A word to whoever is sent away. */
static void turn_away(int fd, const char *text)
{
	char *response = stele_ctl_refusal(STELE_E_SYSTEM, text);
	if (response != NULL)
		stele_ctl_packet_send(fd, response, strlen(response), -1);
	free(response);
	close(fd);
}

static void accept_connections(struct stele_ctl_server *server, uint64_t now)
{
	/* Bounded, so that a flood of connections leaves time for those that are there. */
	for (unsigned i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
				watch(server, EPOLL_CTL_MOD, server->listener.fd, LISTENER, 0);
				server->accept_pause_until_ns = now + ACCEPT_PAUSE_NS;
			}
			return;
		}
		uid_t uid;
		pid_t pid;
		if (!stele_ctl_peer(fd, server->group, &uid, &pid)) {
			turn_away(fd, "permission denied");
			continue;
		}
		struct connection *c = find_place(server);
		if (c == NULL) {
			turn_away(fd, "too many connections");
			continue;
		}
		stele_ctl_make_room(fd);
		if (watch(server, EPOLL_CTL_ADD, fd, index_of(server, c), EPOLLIN) != 0) {
			turn_away(fd, "cannot be watched");
			continue;
		}
		*c = (struct connection){.fd = fd,
					 .job = {.call = {.fd = -1}},
					 .active_ns = now,
					 .uid = uid,
					 .pid = pid};
	}
}

/* ---- one connection ---- */

/* Hands the response to the kernel, as soon as that takes it. */
static void send_response(struct stele_ctl_server *server, struct connection *c, uint64_t now)
{
	int status = stele_ctl_packet_send(c->fd, c->response, strlen(c->response), -1);
	if (status == -EAGAIN) {
		watch(server, EPOLL_CTL_MOD, c->fd, index_of(server, c), EPOLLOUT);
		return;
	}
	if (status != 0) {
		close_connection(c);
		return;
	}
	free(c->response);
	c->response = NULL;
	c->active_ns = now;
	watch(server, EPOLL_CTL_MOD, c->fd, index_of(server, c), EPOLLIN);
}

/* `response` is NULL if the operation has to be asked again. */
static void go_on(struct stele_ctl_server *server, struct connection *c, char *response,
		  uint64_t now)
{
	if (is_waiting(c)) {
		/* Only its end is of interest now. */
		watch(server, EPOLL_CTL_MOD, c->fd, index_of(server, c), 0);
		return;
	}
	if (response == NULL) { /* memory is out, even for saying so */
		close_connection(c);
		return;
	}
	c->response = response;
	send_response(server, c, now);
}

/* What is wrong with how a request came; NULL: nothing. */
static const char *fault_of(const struct stele_ctl_packet *packet)
{
	if (packet->too_long)
		return "the request is too long";
	if (packet->too_many)
		return "more than one descriptor";
	return packet->lost ? "no descriptor is free for the one that came with the request" : NULL;
}

static void receive_request(struct stele_ctl_server *server, struct connection *c, uint64_t now)
{
	struct stele_ctl_packet packet;
	int got = stele_ctl_packet_recv(c->fd, server->message, STELE_CTL_MESSAGE_MAX, &packet);
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		close_connection(c);
		return;
	}
	server->request_cnt++;
	c->active_ns = now;
	char *response;
	const char *fault = fault_of(&packet);
	if (fault != NULL) {
		if (packet.fd >= 0)
			close(packet.fd);
		response = stele_ctl_refusal(packet.lost ? STELE_E_SYSTEM : STELE_E_USAGE, fault);
		go_on(server, c, response, now);
		return;
	}
	c->job.call =
		(struct stele_ctl_call){.fd = packet.fd, .peer_uid = c->uid, .peer_pid = c->pid};
	response = stele_ctl_job_begin(&c->job, server->ops, server->message, packet.len);
	if (response == NULL && is_waiting(c))
		response = stele_ctl_job_run(&c->job, server->user);
	go_on(server, c, response, now);
}

void stele_ctl_server_step(struct stele_ctl_server *server)
{
	struct epoll_event events[STELE_CTL_CONNECTIONS_MAX + 1];
	uint64_t now = stele_clock_ns();
	if (server->accept_pause_until_ns != 0 && now >= server->accept_pause_until_ns) {
		server->accept_pause_until_ns = 0;
		watch(server, EPOLL_CTL_MOD, server->listener.fd, LISTENER, EPOLLIN);
	}
	for (size_t i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		struct connection *c = &server->connections[i];
		if (is_waiting(c))
			go_on(server, c, stele_ctl_job_run(&c->job, server->user), now);
		else if (c->fd >= 0 && now - c->active_ns >= server->idle_ns)
			close_connection(c);
	}
	int cnt = epoll_wait(server->epoll_fd, events, STELE_CTL_CONNECTIONS_MAX + 1, 0);
	bool knocked = false;
	for (int i = 0; i < cnt; i++) {
		if (events[i].data.u32 == LISTENER) {
			knocked = true;
			continue;
		}
		struct connection *c = &server->connections[events[i].data.u32];
		if (c->fd < 0)
			continue;
		if (is_waiting(c))
			close_connection(c); /* nothing but its end was asked for */
		else if (c->response != NULL)
			send_response(server, c, now);
		else
			receive_request(server, c, now);
	}
	/* Last, since it may give away the place of a connection that an event is about. */
	if (knocked)
		accept_connections(server, now);
}
