/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	LENGTH_SZ = 2, /* in front of each message (RFC 1035 section 4.2.2) */
	FRAMED_MAX = LENGTH_SZ + STELE_MESSAGE_MAX,
	INPUT_CAP = FRAMED_MAX + READ_MAX,
	OUTPUT_CAP = OUTPUT_HIGH + FRAMED_MAX,
	/* Reads of one connection before the others have their turn. */
	ROUNDS_MAX = 8,
};

/* ---- buffers ---- */

/*
 * While a connection is worked on it has the worker's two large buffers. Most give them back empty,
 * so one that rests costs no more than its own state.
 */
static bool borrow_input(struct connection *c)
{
	struct worker *worker = c->worker;

	if (c->in_lent)
		return true;
	uint8_t *buf = worker->input ? worker->input : malloc(INPUT_CAP);
	worker->input = NULL;
	if (!buf) {
		connection_kill(c, true);
		return false;
	}
	if (c->in_len > 0)
		memcpy(buf, c->in + c->in_start, c->in_len);
	free(c->in);
	c->in = buf;
	c->in_start = 0;
	c->in_lent = true;
	return true;
}

static void give_back(uint8_t **place, uint8_t *buf)
{
	if (*place)
		free(buf);
	else
		*place = buf;
}

static void return_input(struct connection *c)
{
	uint8_t *rest = NULL;

	if (!c->in_lent)
		return;
	if (c->in_len > 0) {
		rest = malloc(c->in_len);
		if (rest) {
			memcpy(rest, c->in + c->in_start, c->in_len);
		} else {
			c->in_len = 0;
			connection_kill(c, true);
		}
	}
	give_back(&c->worker->input, c->in);
	c->in = rest;
	c->in_start = 0;
	c->in_lent = false;
}

static void return_output(struct connection *c)
{
	uint8_t *rest = NULL;

	if (!c->out_lent)
		return;
	if (c->out_len > OUTPUT_CAP / 4) {
		c->out_lent = false; /* it keeps the whole */
		return;
	}
	if (c->out_len > 0) {
		rest = malloc(c->out_len);
		if (rest) {
			memcpy(rest, c->out + c->out_start, c->out_len);
		} else {
			c->out_len = 0;
			connection_kill(c, true);
		}
	}
	give_back(&c->worker->output, c->out);
	c->out = rest;
	c->out_cap = c->out_len;
	c->out_start = 0;
	c->out_lent = false;
}

void exchange_return_buffers(struct connection *c)
{
	return_input(c);
	return_output(c);
	if (c->out && c->out_len == 0) {
		free(c->out);
		c->out = NULL;
		c->out_cap = 0;
	}
}

void exchange_drop_buffers(struct connection *c)
{
	c->in_len = 0;
	c->out_len = 0;
	exchange_return_buffers(c);
	free(c->in);
	c->in = NULL;
}

/* ---- out ---- */

static bool borrow_output(struct connection *c)
{
	struct worker *worker = c->worker;

	c->out = worker->output ? worker->output : malloc(OUTPUT_CAP);
	worker->output = NULL;
	c->out_lent = c->out != NULL;
	c->out_cap = c->out ? OUTPUT_CAP : 0;
	c->out_start = 0;
	return c->out != NULL;
}

/*
 * Handlers answer when they are ready, with the worker's buffer elsewhere. Their replies are not
 * stopped by a client that takes nothing: there are as many as it may ask for.
 */
static bool grow_output(struct connection *c, size_t needed)
{
	size_t cap = needed + needed / 2 + 256;
	uint8_t *buf = malloc(cap);

	if (!buf)
		return false;
	if (c->out_len > 0)
		memcpy(buf, c->out + c->out_start, c->out_len);
	if (c->out_lent)
		give_back(&c->worker->output, c->out);
	else
		free(c->out);
	c->out = buf;
	c->out_cap = cap;
	c->out_start = 0;
	c->out_lent = false;
	return true;
}

uint8_t *exchange_reserve(struct connection *c, size_t len)
{
	size_t needed = c->out_len + LENGTH_SZ + len;
	bool is_there = c->out || (c->busy && borrow_output(c));

	if (is_there && c->out_start > 0 && c->out_start + needed > c->out_cap) {
		memmove(c->out, c->out + c->out_start, c->out_len);
		c->out_start = 0;
	}
	if ((!is_there || needed > c->out_cap) && !grow_output(c, needed)) {
		connection_kill(c, true);
		return NULL;
	}
	return c->out + c->out_start + c->out_len + LENGTH_SZ;
}

void exchange_commit(struct connection *c, size_t len)
{
	stele_put_be16(c->out + c->out_start + c->out_len, (uint16_t)len);
	c->out_len += LENGTH_SZ + len;
	c->out_total += LENGTH_SZ + len;
}

static ssize_t write_some(struct connection *c)
{
	const uint8_t *from = c->out + c->out_start;

	return c->ssl ? tls_write(c, from, c->out_len) :
			send(c->fd, from, c->out_len, MSG_NOSIGNAL);
}

/* Gives the kernel what it takes. True if nothing is left. */
static bool flush(struct connection *c)
{
	while (c->out_len > 0 && !c->dead) {
		ssize_t sent = write_some(c);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			if (errno != EAGAIN)
				connection_kill(c, false);
			break;
		}
		c->out_start += (size_t)sent;
		c->out_len -= (size_t)sent;
		c->progress = true;
	}
	if (c->out_len == 0)
		c->out_start = 0;
	if (!c->dead)
		stream_taken(c);
	return c->out_len == 0;
}

void exchange_finish(struct connection *c)
{
	c->busy = true;
	if (!c->handshaking)
		flush(c);
}

/* ---- in ---- */

static ssize_t read_once(struct connection *c, uint8_t *to, size_t room)
{
	ssize_t got;

	if (c->ssl)
		return tls_read(c, to, room);
	do
		got = recv(c->fd, to, room, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Reads behind what is there. True if there may be more. */
static bool read_input(struct connection *c)
{
	if (!borrow_input(c))
		return false;
	if (c->in_start > 0)
		memmove(c->in, c->in + c->in_start, c->in_len);
	c->in_start = 0;
	size_t room = READ_MAX;
	while (room > 0) {
		ssize_t got = read_once(c, c->in + c->in_len, room);
		if (got < 0 && errno != EAGAIN)
			connection_kill(c, false);
		if (got == 0)
			c->ended = true;
		if (got <= 0) {
			c->ssl_more = false;
			return false;
		}
		c->in_len += (size_t)got;
		room -= (size_t)got;
		/* A short read of TCP was the last one. A record of TLS says nothing of what is
		 * behind it, but the library knows what it has read ahead. */
		if (!c->ssl)
			return room == 0;
		if (!SSL_has_pending(c->ssl)) {
			c->ssl_more = false;
			return false;
		}
	}
	c->ssl_more = true;
	return true;
}

/* The length of the message at `at`, of which `left` bytes are there; -1 if it is not whole. */
static int whole_message(const uint8_t *at, size_t left)
{
	if (left < LENGTH_SZ)
		return -1;
	unsigned len = stele_get_be16(at);
	return left >= LENGTH_SZ + len ? (int)len : -1;
}

static unsigned collect(const struct connection *c, const struct stele_client *client,
			struct stele_query *queries, struct stele_reply *replies)
{
	const uint8_t *at = c->in + c->in_start, *end = at + c->in_len;
	unsigned cnt = 0;

	while (cnt < STELE_BATCH_MAX) {
		int len = whole_message(at, (size_t)(end - at));
		if (len < 0)
			break;
		queries[cnt] = (struct stele_query){.msg = at + LENGTH_SZ,
						    .len = (uint32_t)len,
						    .tcp = true,
						    .client = *client};
		replies[cnt].buf = c->worker->replies + (size_t)cnt * MESSAGE_STRIDE;
		replies[cnt].cap = STELE_MESSAGE_MAX;
		cnt++;
		at += LENGTH_SZ + len;
	}
	return cnt;
}

static void put_reply(struct connection *c, const struct stele_reply *reply)
{
	uint8_t *to = exchange_reserve(c, reply->len);

	if (!to)
		return;
	memcpy(to, reply->buf, reply->len);
	exchange_commit(c, reply->len);
	count_reply(c->worker, c->transport, 1);
}

static bool may_go_on(const struct connection *c)
{
	return !c->dead && !exchange_blocked(c) &&
	       c->request_cnt < c->worker->settings->limits.pipeline;
}

/*
 * Takes one message off the input, with the verdict that it got. False if the ones behind it have
 * to wait: their verdicts are forgotten, and they are asked again when the client has taken some.
 * That costs less than to keep their replies.
 */
static bool settle_one(struct connection *c, const struct stele_query *query,
		       const struct stele_reply *reply)
{
	c->in_start += LENGTH_SZ + query->len;
	c->in_len -= LENGTH_SZ + query->len;
	c->asked = true;
	c->progress = true;
	count_query(c->worker, c->transport, 1);
	switch (reply->verdict) {
	case STELE_VERDICT_REPLY:
		put_reply(c, reply);
		break;
	case STELE_VERDICT_DROP:
		count(c->worker, COUNT_dropped);
		/* Not even a header: whoever sends that has lost its place in the stream, or is
		 * up to something. */
		if (reply->drop_reason == STELE_DROP_SHORT)
			connection_kill(c, true);
		break;
	case STELE_VERDICT_PUNT:
		dispatch_message(c, query->msg, query->len);
		break;
	}
	if (exchange_blocked(c))
		flush(c);
	return may_go_on(c);
}

static bool begins_with_whole(const struct connection *c)
{
	return whole_message(c->in + c->in_start, c->in_len) >= 0;
}

/* Answers whole messages, as long as there are any and their replies have a place. */
static void answer_input(struct connection *c)
{
	struct stele_query queries[STELE_BATCH_MAX];
	struct stele_reply replies[STELE_BATCH_MAX];
	struct stele_client client = {.family = c->peer.address.family};

	memcpy(client.addr, c->peer.address.addr, sizeof(client.addr));
	while (may_go_on(c)) {
		unsigned cnt = collect(c, &client, queries, replies);
		if (cnt == 0)
			break;
		worker_answer(c->worker, c->transport, queries, replies, cnt);
		for (unsigned i = 0; i < cnt; i++)
			if (!settle_one(c, &queries[i], &replies[i]))
				break;
	}
	c->in_whole = begins_with_whole(c);
}

void exchange_run(struct connection *c, bool readable)
{
	flush(c);
	for (unsigned round = 0; round < ROUNDS_MAX && !c->dead; round++) {
		if (c->in_len > 0)
			answer_input(c);
		if (c->streams)
			stream_run(c);
		if (c->dead || !flush(c))
			return;
		if (c->streams || c->in_whole) {
			if (!may_go_on(c) && !c->streams)
				return;
			continue;
		}
		if (!readable || c->ended)
			return;
		readable = read_input(c);
		/* After the last round nothing else tells that there is more to do. */
		c->in_whole = begins_with_whole(c);
	}
}
