/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/dns/message.h"

#include <time.h>

static struct request *take_first(struct request **list)
{
	struct request *r = *list;

	*list = r->after;
	if (*list)
		(*list)->before = NULL;
	r->after = NULL;
	return r;
}

static void append(struct request **list, struct request *r)
{
	struct request **at = list, *before = NULL;

	while (*at) {
		before = *at;
		at = &before->after;
	}
	*at = r;
	r->before = before;
	r->after = NULL;
}

static void end(struct request *r, bool complete)
{
	if (complete)
		count_reply(r->worker, r->public.transport, 1);
	else
		count(r->worker, COUNT_dropped);
	if (!complete)
		count(r->worker, COUNT_transfers_out_failed);
	r->stream->ended(r->stream, complete);
	request_free(r);
}

void stele_request_stream(struct stele_request *request, struct stele_stream *stream)
{
	struct request *r = (struct request *)(void *)request;
	struct connection *c = r->connection;

	count(r->worker, COUNT_transfers_out);
	r->stream = stream;
	if (!c) { /* it is gone; or this is UDP, over which there is one message only */
		end(r, false);
		return;
	}
	request_unlink(&c->requests, r);
	append(&c->streams, r);
	connection_wake(c);
}

/* One message of the stream that comes first, which then is the last in turn. */
static void write_one(struct connection *c)
{
	bool last = false;
	uint8_t *buf = exchange_reserve(c, STELE_MESSAGE_MAX);

	if (!buf)
		return;
	struct request *r = take_first(&c->streams);
	int got = r->stream->next(r->stream, buf, r->public.reply_max, &last);
	size_t len = got > 0 ? (size_t)got : 0;
	if (got > 0 && stele_tsig_sign_reply(&r->tsig, buf, &len, STELE_MESSAGE_MAX,
					     (uint64_t)time(NULL)) != 0)
		got = -1;
	if (got > 0)
		exchange_commit(c, len);
	if (got < 0)
		connection_kill(c, true);
	if (got > 0 && !last) {
		append(&c->streams, r);
	} else {
		r->stream_end = got < 0 ? UINT64_MAX : c->out_total;
		append(&c->streams_ending, r);
	}
}

void stream_run(struct connection *c)
{
	while (c->streams && !c->dead && !exchange_blocked(c))
		write_one(c);
}

void stream_taken(struct connection *c)
{
	while (c->streams_ending && c->streams_ending->stream_end <= c->out_total - c->out_len)
		end(take_first(&c->streams_ending), true);
}

void stream_orphan_all(struct connection *c)
{
	while (c->streams)
		end(take_first(&c->streams), false);
	while (c->streams_ending)
		end(take_first(&c->streams_ending), false);
}
