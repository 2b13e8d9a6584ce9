/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl/dispatch.h"
#include "lib/base/clock.h"
#include "lib/ctl/packet.h"
#include "lib/ctl/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A server that is alive accepts many times a second; one that does not for this long hangs. */
#define CONNECT_S 5

struct stele_ctl_client {
	int fd;
	bool broken; /* a response may come that belongs to nothing */
	char path[STELE_CTL_PATH_MAX + 1];
	char message[STELE_CTL_MESSAGE_MAX];
};

/* `type` is that of the socket, with flags. */
static int connect_to(const char *path, int type, struct stele_ctl_client **ret_client,
		      struct stele_error *reterr)
{
	if (strlen(path) > STELE_CTL_PATH_MAX || *path == '\0')
		return stele_fail(reterr, STELE_E_USAGE,
				  "%s: not the path of a socket (1 to %d bytes)", path,
				  STELE_CTL_PATH_MAX);
	struct stele_ctl_client *client = malloc(sizeof(*client));
	if (client == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", path);
	client->broken = false;
	snprintf(client->path, sizeof(client->path), "%s", path);
	int status = 0;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	struct timeval limit = {.tv_sec = CONNECT_S};
	client->fd = socket(AF_UNIX, type, 0);
	if (client->fd < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		status = stele_fail_errno(reterr, errno, "%s", path);
	else if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		status = errno == ENOENT || errno == ECONNREFUSED ?
				 stele_fail(reterr, STELE_E_SYSTEM, "%s: nobody listens there",
					    path) :
				 stele_fail_errno(reterr, errno, "%s: cannot connect", path);
	if (status != 0) {
		stele_ctl_disconnect(client);
		return status;
	}
	stele_ctl_make_room(client->fd);
	*ret_client = client;
	return 0;
}

int stele_ctl_connect(const char *path, struct stele_ctl_client **ret_client,
		      struct stele_error *reterr)
{
	return connect_to(path, SOCK_SEQPACKET | SOCK_CLOEXEC, ret_client, reterr);
}

int stele_ctl_connect_now(const char *path, struct stele_ctl_client **ret_client,
			  struct stele_error *reterr)
{
	return connect_to(path, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, ret_client, reterr);
}

int stele_ctl_client_fd(const struct stele_ctl_client *client)
{
	return client->fd;
}

void stele_ctl_disconnect(struct stele_ctl_client *client)
{
	if (client == NULL)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client);
}

/* Until `events` are there. */
static int wait_for(const struct stele_ctl_client *client, short events, uint64_t deadline_ns,
		    struct stele_error *reterr)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = client->fd, .events = events};
		int left_ms = -1;
		if (deadline_ns != UINT64_MAX) {
			uint64_t now = stele_clock_ns();
			left_ms = now >= deadline_ns ?
					  0 :
					  (int)((deadline_ns - now + 999999) / 1000000);
		}
		int cnt = poll(&poll_fd, 1, left_ms);
		if (cnt > 0)
			return 0;
		if (cnt == 0)
			return stele_fail(reterr, STELE_E_SYSTEM, "%s: no answer in time",
					  client->path);
		if (errno != EINTR)
			return stele_fail_errno(reterr, errno, "%s", client->path);
	}
}

static int send_request(const struct stele_ctl_client *client, const json_t *request, int fd,
			uint64_t deadline_ns, struct stele_error *reterr)
{
	char *bytes = json_dumps(request, JSON_COMPACT);
	if (bytes == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: cannot write the request",
				  client->path);
	int status = 0;
	size_t len = strlen(bytes);
	if (len > STELE_CTL_MESSAGE_MAX) {
		status = stele_fail(reterr, STELE_E_USAGE,
				    "%s: a request of %zu bytes (at most %d)", client->path, len,
				    STELE_CTL_MESSAGE_MAX);
		goto done;
	}
	for (;;) {
		int sent = stele_ctl_packet_send(client->fd, bytes, len, fd);
		/* Who was turned away finds the reason among what it can still receive. */
		if (sent == 0 || sent == -EPIPE || sent == -ECONNRESET)
			break;
		if (sent != -EAGAIN) {
			status = stele_fail_errno(reterr, -sent, "%s: cannot send", client->path);
			break;
		}
		status = wait_for(client, POLLOUT, deadline_ns, reterr);
		if (status != 0)
			break;
	}
done:
	free(bytes);
	return status;
}

/* What a response says: 0 if it is a yes. */
static int judge(const struct stele_ctl_client *client, const json_t *response,
		 struct stele_error *reterr)
{
	const json_t *ok = json_object_get(response, "ok");
	if (json_is_true(ok))
		return 0;
	const char *text = json_string_value(json_object_get(response, "error"));
	const char *kind = json_string_value(json_object_get(response, "kind"));
	if (!json_is_false(ok) || text == NULL || kind == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: a response without sense",
				  client->path);
	return stele_fail(reterr, stele_ctl_status(kind), "%s", text);
}

/* With a deadline of 0: STELE_CTL_AGAIN if nothing is there. */
static int receive_response(struct stele_ctl_client *client, uint64_t deadline_ns,
			    json_t **ret_response, struct stele_error *reterr)
{
	struct stele_ctl_packet packet;
	int got;
	bool was_reset = false;
	for (;;) {
		got = stele_ctl_packet_recv(client->fd, client->message, sizeof(client->message),
					    &packet);
		if (got == -ECONNRESET && !was_reset) {
			/* Said once, when the server closed without reading the request; what it
			 * sent before that comes after. */
			was_reset = true;
			continue;
		}
		if (got != -EAGAIN)
			break;
		if (deadline_ns == 0)
			return STELE_CTL_AGAIN;
		int status = wait_for(client, POLLIN, deadline_ns, reterr);
		if (status != 0)
			return status;
	}
	if (got == 0)
		return stele_fail(reterr, STELE_E_SYSTEM,
				  "%s: the connection was closed without an answer", client->path);
	if (got < 0)
		return stele_fail_errno(reterr, -got, "%s", client->path);
	if (packet.fd >= 0)
		close(packet.fd);
	json_t *response = NULL;
	if (!packet.too_long && !packet.too_many && !packet.lost)
		response = json_loadb(client->message, packet.len, JSON_REJECT_DUPLICATES, NULL);
	if (response == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: a response without sense",
				  client->path);
	*ret_response = response;
	return 0;
}

int stele_ctl_call(struct stele_ctl_client *client, const json_t *request, int fd, int timeout_ms,
		   json_t **ret_response, struct stele_error *reterr)
{
	if (client->broken)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: the connection is broken",
				  client->path);
	uint64_t deadline_ns = UINT64_MAX;
	if (timeout_ms >= 0)
		deadline_ns = stele_clock_ns() + (uint64_t)timeout_ms * 1000000u;
	json_t *response = NULL;
	int status = send_request(client, request, fd, deadline_ns, reterr);
	if (status == 0)
		status = receive_response(client, deadline_ns, &response, reterr);
	if (status != 0) {
		client->broken = true;
		return status;
	}
	status = judge(client, response, reterr);
	if (status != 0) {
		json_decref(response);
		return status;
	}
	*ret_response = response;
	return 0;
}

int stele_ctl_send(struct stele_ctl_client *client, const json_t *request, int fd,
		   struct stele_error *reterr)
{
	/* One request at a time fits into the socket, so there is nothing to wait for. */
	int status = send_request(client, request, fd, 0, reterr);
	client->broken |= status != 0;
	return status;
}

int stele_ctl_receive(struct stele_ctl_client *client, json_t **ret_response, bool *ret_broken,
		      struct stele_error *reterr)
{
	json_t *response = NULL;
	int status = receive_response(client, 0, &response, reterr);
	if (status == STELE_CTL_AGAIN)
		return status;
	client->broken |= status != 0;
	*ret_broken = client->broken;
	if (status == 0)
		status = judge(client, response, reterr);
	if (status != 0) {
		json_decref(response);
		return status;
	}
	*ret_response = response;
	return 0;
}
