/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/client_internal.h"

#include "lib/base/bytes.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#define TLS_READS_MAX 8 /* of 16 KiB */

/* What moving bytes can come to. */
enum move {
	MOVED,   /* some were */
	BLOCKED, /* the event is waited for */
	FAILED,  /* the question has ended */
};

static enum move fail(struct stele_client *client, const struct stele_error *err, int status)
{
	enum stele_client_fault fault = STELE_CLIENT_CUT;
	if (client->phase == CLIENT_CONNECTING ||
	    (client->phase == CLIENT_HANDSHAKE && status == STELE_E_SYSTEM))
		fault = STELE_CLIENT_UNREACHABLE;
	else if (client->phase == CLIENT_HANDSHAKE)
		fault = STELE_CLIENT_UNTRUSTED;
	client_end(client, fault, err);
	return FAILED;
}

/* After a call of OpenSSL that did not do what it should. */
static enum move tls_result(struct stele_client *client, int result)
{
	switch (SSL_get_error(client->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		client_wait_for(client, EV_READ);
		return BLOCKED;
	case SSL_ERROR_WANT_WRITE:
		client_wait_for(client, EV_WRITE);
		return BLOCKED;
	default:;
		struct stele_error err;
		int status = stele_tls_fail(client->ssl, result, &err);
		return fail(client, &err, status);
	}
}

static enum move socket_result(struct stele_client *client, short waits_for)
{
	if (errno == EAGAIN || errno == EINTR) {
		client_wait_for(client, waits_for);
		return BLOCKED;
	}
	struct stele_error err;
	stele_fail_errno(&err, errno, "connection lost");
	return fail(client, &err, STELE_E_SYSTEM);
}

static enum move finish_connect(struct stele_client *client)
{
	int error_number = 0;
	socklen_t len = sizeof(error_number);
	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error_number, &len);
	if (error_number != 0) {
		struct stele_error err;
		stele_fail_errno(&err, error_number, "no connection");
		return fail(client, &err, STELE_E_SYSTEM);
	}
	client->phase = client->ssl != NULL ? CLIENT_HANDSHAKE : CLIENT_OPEN;
	return MOVED;
}

static enum move shake_hands(struct stele_client *client)
{
	struct stele_error err;
	errno = 0;
	ERR_clear_error();
	int result = SSL_do_handshake(client->ssl);
	if (result != 1)
		return tls_result(client, result);
	int status = stele_tls_check_peer(client->ssl, client->settings.tls, &err);
	if (status < 0)
		return fail(client, &err, status);
	client->phase = CLIENT_OPEN;
	return MOVED;
}

static enum move write_some(struct stele_client *client)
{
	const uint8_t *from = client->out + client->out_at;
	size_t len = client->out_len - client->out_at;
	errno = 0;
	if (client->ssl != NULL) {
		ERR_clear_error();
		int result = SSL_write(client->ssl, from, (int)len);
		if (result <= 0)
			return tls_result(client, result);
		client->out_at += (size_t)result;
		return MOVED;
	}
	ssize_t sent = send(client->fd, from, len, MSG_NOSIGNAL);
	if (sent < 0)
		return socket_result(client, EV_WRITE);
	client->out_at += (size_t)sent;
	return MOVED;
}

static enum move read_some(struct stele_client *client)
{
	uint8_t *to = client->in + client->in_len;
	size_t room = CLIENT_IN_SZ - client->in_len;
	errno = 0;
	if (client->ssl != NULL) {
		ERR_clear_error();
		int result = SSL_read(client->ssl, to, (int)room);
		if (result <= 0)
			return tls_result(client, result);
		client->in_len += (size_t)result;
		return MOVED;
	}
	ssize_t got = recv(client->fd, to, room, 0);
	if (got < 0)
		return socket_result(client, EV_READ);
	if (got == 0) {
		struct stele_error err;
		stele_fail(&err, 0, "connection closed%s", client->asking ? " too early" : "");
		return fail(client, &err, STELE_E_SYSTEM);
	}
	client->in_len += (size_t)got;
	return MOVED;
}

/* Hands on the whole messages that are there: false if that ended the question. */
static bool take_messages(struct stele_client *client)
{
	size_t at = 0;
	bool goes_on = true;
	while (goes_on && client->in_len - at >= 2) {
		size_t len = stele_get_be16(client->in + at);
		if (client->in_len - at - 2 < len)
			break;
		/* What comes unasked is a mistake of the server, and of no use. */
		if (client->asking)
			goes_on = client_take(client, client->in + at + 2, len) == 1;
		if (client->freed)
			return false;
		at += 2 + len;
	}
	memmove(client->in, client->in + at, client->in_len - at);
	client->in_len -= at;
	return goes_on;
}

/*
 * One read for each call from the loop, or some of the records of TLS: then other events have their turn,
 * since a transfer may come faster than it can be worked off.
 */
static void read_answer(struct stele_client *client)
{
	unsigned reads = client->ssl != NULL ? TLS_READS_MAX : 1;
	for (unsigned i = 0; i < reads; i++) {
		if (read_some(client) != MOVED)
			return;
		client->has_heard = true;
		client_heard(client, STELE_CLIENT_SILENCE_NS);
		if (!take_messages(client))
			return;
	}
	/* What OpenSSL holds back raises no event. */
	if (client->ssl != NULL)
		event_active(client->io, EV_READ, 0);
}

void client_stream_ready(struct stele_client *client)
{
	if (client->phase == CLIENT_CONNECTING && finish_connect(client) != MOVED)
		return;
	if (client->phase == CLIENT_HANDSHAKE && shake_hands(client) != MOVED)
		return;
	if (client->asking && client->out_at < client->out_len) {
		if (client->out_at == 0)
			client_heard(client, STELE_CLIENT_SILENCE_NS);
		while (client->out_at < client->out_len)
			if (write_some(client) != MOVED)
				return;
	}
	client_wait_for(client, EV_READ);
	if (client->waits_for == EV_READ)
		read_answer(client);
}
