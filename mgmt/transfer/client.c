/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/client_internal.h"

#include "lib/base/clock.h"
#include "lib/base/bytes.h"
#include "mgmt/peer/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* ---- sockets ---- */

static int open_socket(struct stele_client *client, struct stele_error *reterr)
{
	const struct stele_client_settings *s = &client->settings;
	union stele_sockaddr address;
	socklen_t len = stele_address_to_sockaddr(s->address, s->port, &address);
	int type = s->transport == STELE_CLIENT_UDP ? SOCK_DGRAM : SOCK_STREAM;
	client->fd = socket(address.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return stele_fail_errno(reterr, errno, "no socket");
	if (s->source != NULL && s->source->family == s->address->family) {
		union stele_sockaddr source;
		int one = 1;
		/* Many connections from one address: ports are chosen when they connect. */
		setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(client->fd, &source.any,
			 stele_address_to_sockaddr(s->source, 0, &source)) < 0)
			return stele_fail_errno(reterr, errno, "cannot use the source address");
	}
	if (type == SOCK_STREAM) {
		int one = 1;
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (connect(client->fd, &address.any, len) < 0 && errno != EINPROGRESS) {
		stele_fail_errno(reterr, errno, "cannot connect");
		return STELE_E_NOTFOUND;
	}
	return 0;
}

/* ---- the loop ---- */

static void client_destroy(struct stele_client *client)
{
	if (client->io != NULL)
		event_free(client->io);
	if (client->timer != NULL)
		event_free(client->timer);
	SSL_free(client->ssl);
	if (client->fd >= 0)
		close(client->fd);
	stele_tsig_end(&client->tsig);
	free(client->in);
	free(client->out);
	free(client);
}

/* Every way in from the loop goes through these two, so that a callback may free the client. */
static void enter(struct stele_client *client)
{
	client->depth++;
}

static void leave(struct stele_client *client)
{
	if (--client->depth == 0 && client->freed)
		client_destroy(client);
}

void client_wait_for(struct stele_client *client, short what)
{
	if (client->waits_for == what)
		return;
	client->waits_for = what;
	event_del(client->io);
	event_assign(client->io, client->base, client->fd, (short)(what | EV_PERSIST),
		     event_get_callback(client->io), client);
	event_add(client->io, NULL);
}

static void set_timer(struct stele_client *client)
{
	uint64_t end = client->silence_end_ns, now = stele_clock_ns();
	if (client->answer_end_ns != 0 && client->answer_end_ns < end)
		end = client->answer_end_ns;
	uint64_t left = end > now ? end - now : 0;
	struct timeval wait = {(time_t)(left / NS_PER_S), (suseconds_t)(left % NS_PER_S / 1000)};
	event_add(client->timer, &wait);
}

/* The timer is not moved with every piece that comes: when it fires, it looks what the time is. */
void client_heard(struct stele_client *client, uint64_t silence_ns)
{
	client->silence_end_ns = stele_clock_ns() + silence_ns;
	if (!event_pending(client->timer, EV_TIMEOUT, NULL))
		set_timer(client);
}

static void on_ready(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct stele_client *client = user;
	enter(client);
	if (client->settings.transport == STELE_CLIENT_UDP)
		client_datagram_ready(client);
	else
		client_stream_ready(client);
	leave(client);
}

static void time_is_over(struct stele_client *client)
{
	struct stele_error err;
	/* Who takes a connection and says nothing is no better than who takes none. */
	enum stele_client_fault fault = client->has_heard ? STELE_CLIENT_CUT :
							    STELE_CLIENT_UNREACHABLE;
	if (client->phase == CLIENT_CONNECTING || client->phase == CLIENT_HANDSHAKE) {
		stele_fail(&err, 0, "no connection within %u s",
			   (unsigned)(STELE_CLIENT_CONNECT_NS / NS_PER_S));
	} else if (client->answer_end_ns != 0 && stele_clock_ns() >= client->answer_end_ns) {
		stele_fail(&err, 0, "answer took longer than %llu s",
			   (unsigned long long)(client->settings.answer_max_ns / NS_PER_S));
	} else {
		stele_fail(&err, 0, "nothing came for %u s",
			   (unsigned)(STELE_CLIENT_SILENCE_NS / NS_PER_S));
	}
	client_end(client, fault, &err);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct stele_client *client = user;
	uint64_t now = stele_clock_ns();
	if (!client->asking && client->phase == CLIENT_OPEN)
		return;
	enter(client);
	if (now < client->silence_end_ns &&
	    (client->answer_end_ns == 0 || now < client->answer_end_ns))
		set_timer(client);
	else if (client->settings.transport == STELE_CLIENT_UDP)
		client_datagram_again(client);
	else
		time_is_over(client);
	leave(client);
}

/* ---- questions and answers ---- */

void client_end(struct stele_client *client, enum stele_client_fault fault,
		const struct stele_error *err)
{
	if (fault != STELE_CLIENT_FINE) {
		client->phase = CLIENT_BROKEN;
		event_del(client->io);
	}
	event_del(client->timer);
	bool asked = client->asking;
	client->asking = false;
	stele_tsig_end(&client->tsig);
	memset(&client->tsig, 0, sizeof(client->tsig));
	if (asked && !client->freed)
		client->settings.ended(client->settings.user, fault, err);
}

static uint64_t wall_clock(void)
{
	return (uint64_t)time(NULL);
}

int client_take(struct stele_client *client, uint8_t *msg, size_t len)
{
	const struct stele_client_settings *s = &client->settings;
	struct stele_error err = {.text = ""};
	bool is_stream = s->transport != STELE_CLIENT_UDP;
	if (s->key != NULL) {
		int status = stele_tsig_verify_reply(&client->tsig, msg, &len, wall_clock(), &err);
		if (status < 0 && !is_stream) {
			client->passed_over = err;
			return STELE_E_INPUT;
		}
		if (status < 0) {
			client_end(client, STELE_CLIENT_UNTRUSTED, &err);
			return 0;
		}
	}
	int more = s->message(s->user, msg, len, &err);
	if (client->freed)
		return 0;
	if (more < 0 && !is_stream) {
		client->passed_over = err;
		return STELE_E_INPUT;
	}
	if (more > 0)
		return 1;
	if (more == 0 && s->key != NULL && !stele_tsig_is_closed(&client->tsig)) {
		stele_fail(&err, 0, "the last message is not signed");
		client_end(client, STELE_CLIENT_UNTRUSTED, &err);
		return 0;
	}
	client_end(client, more < 0 ? STELE_CLIENT_CONTENT : STELE_CLIENT_FINE, &err);
	return 0;
}

int stele_client_new(struct event_base *base, const struct stele_client_settings *settings,
		     struct stele_client **ret_client, struct stele_error *reterr)
{
	struct stele_client *client = calloc(1, sizeof(*client));
	if (client == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for a connection");
	client->settings = *settings;
	client->base = base;
	client->fd = -1;
	bool is_stream = settings->transport != STELE_CLIENT_UDP;
	int status = open_socket(client, reterr);
	if (status == 0 && settings->transport == STELE_CLIENT_TLS)
		status = stele_tls_client(settings->contexts, settings->tls, settings->address,
					  client->fd, &client->ssl, reterr);
	if (status < 0) {
		client_destroy(client);
		return status;
	}
	client->phase = is_stream ? CLIENT_CONNECTING : CLIENT_OPEN;
	client->waits_for = is_stream ? EV_WRITE : EV_READ;
	client->in = malloc(is_stream ? CLIENT_IN_SZ : STELE_MESSAGE_MAX);
	client->io = event_new(base, client->fd, (short)(client->waits_for | EV_PERSIST), on_ready,
			       client);
	client->timer = evtimer_new(base, on_timer, client);
	if (client->in == NULL || client->io == NULL || client->timer == NULL ||
	    event_add(client->io, NULL) < 0) {
		client_destroy(client);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for a connection");
	}
	client_heard(client, STELE_CLIENT_CONNECT_NS);
	*ret_client = client;
	return 0;
}

void stele_client_free(struct stele_client *client)
{
	if (client == NULL)
		return;
	client->freed = true;
	client->asking = false;
	if (client->depth == 0)
		client_destroy(client);
}

int stele_client_ask(struct stele_client *client, const uint8_t *msg, size_t len,
		     struct stele_error *reterr)
{
	const struct stele_client_settings *s = &client->settings;
	if (client->asking || client->phase == CLIENT_BROKEN || len > STELE_CLIENT_QUESTION_MAX)
		return stele_fail(reterr, STELE_E_USAGE, "this connection cannot be asked");
	size_t max = len + (s->key != NULL ? stele_tsig_key_room(s->key) : 0);
	free(client->out);
	client->out = malloc(2 + max);
	if (client->out == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for a question");
	memcpy(client->out + 2, msg, len);
	if (s->key != NULL && stele_tsig_sign_request(s->key, client->out + 2, &len, max,
						      wall_clock(), &client->tsig) < 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "the question cannot be signed");
	stele_put_be16(client->out, (uint16_t)len);
	client->out_len = 2 + len;
	client->out_at = 0;
	client->asking = true;
	client->try_cnt = 0;
	client->passed_over.text[0] = '\0';
	client->answer_end_ns = s->answer_max_ns == 0 ? 0 : stele_clock_ns() + s->answer_max_ns;
	int status = 0;
	if (s->transport == STELE_CLIENT_UDP)
		status = client_datagram_send(client, reterr);
	else if (client->phase == CLIENT_OPEN)
		client_wait_for(client, EV_WRITE);
	if (status < 0) {
		client->asking = false;
		stele_tsig_end(&client->tsig);
		memset(&client->tsig, 0, sizeof(client->tsig));
		return status;
	}
	if (s->transport != STELE_CLIENT_UDP) {
		/* A connection has its own time to come about. */
		if (client->phase == CLIENT_OPEN)
			client->silence_end_ns = stele_clock_ns() + STELE_CLIENT_SILENCE_NS;
		set_timer(client);
	}
	return 0;
}

void stele_client_set_answer_max(struct stele_client *client, uint64_t ns)
{
	client->settings.answer_max_ns = ns;
}

bool stele_client_has_sent(const struct stele_client *client)
{
	return client->out_at > 0 || client->try_cnt > 0;
}
