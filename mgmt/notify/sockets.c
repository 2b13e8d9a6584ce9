/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/notify/internal.h"

#include "mgmt/peer/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Answers read in one go, so that a flood of them leaves time for the rest of the main loop. */
#define READ_CNT 64
#define ANSWER_MAX 4096

static void readable(evutil_socket_t fd, short what, void *user)
{
	(void)what;
	struct notify_socket *sock = user;
	for (unsigned i = 0; i < READ_CNT; i++) {
		uint8_t buf[ANSWER_MAX];
		union stele_sockaddr from;
		socklen_t from_len = sizeof(from);
		struct stele_config_address address;
		uint16_t port;
		ssize_t len = recvfrom(fd, buf, sizeof(buf), 0, &from.any, &from_len);
		/* An error may be an ICMP message about any remote: it will be told again. */
		if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (len > 0 && stele_address_from_sockaddr(&from, &address, &port))
			notify_answered(sock->notify, &address, port, buf, (size_t)len);
	}
}

static int open_socket(struct notify_socket *sock, struct stele_error *reterr)
{
	static const uint8_t any[16];
	sock->fd = socket(sock->source.family == 4 ? AF_INET : AF_INET6,
			  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->fd < 0)
		return stele_fail_errno(reterr, errno, "no socket for NOTIFY");
	union stele_sockaddr address;
	socklen_t len = stele_address_to_sockaddr(&sock->source, 0, &address);
	if (memcmp(sock->source.addr, any, sizeof(any)) != 0 &&
	    bind(sock->fd, &address.any, len) < 0) {
		char text[STELE_ADDRESS_TEXT_MAX];
		return stele_fail_errno(reterr, errno, "cannot send from %s",
					stele_address_to_text(&sock->source, 0, text));
	}
	event_assign(&sock->event, stele_loop_base(sock->notify->daemon->main), sock->fd,
		     EV_READ | EV_PERSIST, readable, sock);
	if (event_add(&sock->event, NULL) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "cannot wait for answers to NOTIFY");
	return 0;
}

struct notify_socket *notify_socket_for(struct stele_notify *notify,
					const struct stele_remote_config *remote,
					const struct stele_config_address *address,
					struct stele_error *reterr)
{
	struct stele_config_address source = {.family = address->family};
	if (remote->source.family == address->family)
		source = remote->source;
	struct notify_socket *sock = notify->sockets;
	while (sock != NULL && !stele_address_equal(&sock->source, &source))
		sock = sock->next;
	if (sock != NULL)
		return sock;
	sock = calloc(1, sizeof(*sock));
	if (sock == NULL) {
		stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		return NULL;
	}
	sock->notify = notify;
	sock->source = source;
	if (open_socket(sock, reterr) != 0) {
		if (sock->fd >= 0)
			close(sock->fd);
		free(sock);
		return NULL;
	}
	sock->next = notify->sockets;
	notify->sockets = sock;
	return sock;
}

void notify_sockets_close(struct stele_notify *notify)
{
	while (notify->sockets != NULL) {
		struct notify_socket *sock = notify->sockets;
		notify->sockets = sock->next;
		event_del(&sock->event);
		close(sock->fd);
		free(sock);
	}
}
