/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_RCODE UINT16_MAX

struct request *request_new(struct worker *worker, enum stele_transport transport,
			    const uint8_t *msg, size_t len)
{
	struct request *r = calloc(1, sizeof(*r) + len);

	if (!r)
		return NULL;
	memcpy(r->msg, msg, len);
	r->worker = worker;
	r->settings = service_settings_hold(worker->settings);
	r->refuse_rcode = NO_RCODE;
	r->public.home = worker->loop;
	r->public.transport = transport;
	r->public.msg = r->msg;
	r->public.len = len;
	r->public.wire_len = len;
	return r;
}

void request_unlink(struct request **list, struct request *r)
{
	*(r->before ? &r->before->after : list) = r->after;
	if (r->after)
		r->after->before = r->before;
	r->before = NULL;
	r->after = NULL;
}

void request_link(struct connection *c, struct request *r)
{
	r->connection = c;
	r->after = c->requests;
	if (r->after)
		r->after->before = r;
	c->requests = r;
	c->request_cnt++;
}

void request_free(struct request *r)
{
	struct connection *c = r->connection;

	if (c) {
		if (!r->stream) /* whoever ends a stream has taken it out */
			request_unlink(&c->requests, r);
		c->request_cnt--;
		c->progress = true;
		connection_wake(c);
	}
	if (r->listener)
		r->worker->datagrams_sz -= DATAGRAM_COST + r->public.wire_len;
	if (r->is_transfer)
		atomic_fetch_sub_explicit(&r->worker->service->transfer_cnt, 1,
					  memory_order_relaxed);
	stele_tsig_end(&r->tsig);
	peer_names_release(r->names);
	service_settings_release(r->settings);
	free(r->answer);
	free(r);
}

void request_orphan_all(struct connection *c)
{
	stream_orphan_all(c);
	while (c->requests) {
		struct request *r = c->requests;
		request_unlink(&c->requests, r);
		c->request_cnt--;
		r->connection = NULL;
	}
}

static bool sign(struct request *r, uint8_t *msg, size_t *len)
{
	return stele_tsig_sign_reply(&r->tsig, msg, len, *len + stele_tsig_room(&r->tsig),
				     (uint64_t)time(NULL)) == 0;
}

static bool send_to_connection(struct request *r, const uint8_t *msg, size_t len)
{
	uint8_t *to = exchange_reserve(r->connection, len + stele_tsig_room(&r->tsig));

	if (!to)
		return false;
	memcpy(to, msg, len);
	if (!sign(r, to, &len) || len > STELE_MESSAGE_MAX)
		return false;
	exchange_commit(r->connection, len);
	count_reply(r->worker, r->public.transport, 1);
	return true;
}

static bool send_datagram(struct request *r, const uint8_t *msg, size_t len)
{
	uint8_t *scratch = r->worker->scratch;

	memmove(scratch, msg, len);
	if (!sign(r, scratch, &len))
		return false;
	udp_send(r->listener, &r->route, scratch, len);
	return true;
}

void request_send(struct request *r, const uint8_t *msg, size_t len)
{
	bool sent = false;

	if (r->connection)
		sent = send_to_connection(r, msg, len);
	else if (r->listener)
		sent = send_datagram(r, msg, len);
	if (!sent)
		count(r->worker, COUNT_dropped);
	request_free(r);
}

void request_send_refusal(struct request *r, uint16_t rcode)
{
	uint8_t buf[512];
	uint16_t udp_size = r->settings->answers[r->public.transport].udp_max;
	size_t len = refuse(r->public.msg, r->public.len, rcode, 0, udp_size, buf);

	request_send(r, buf, len);
}

static void drop(struct request *r)
{
	count(r->worker, COUNT_dropped);
	request_free(r);
}

/* ---- from any thread ---- */

static void on_answer(struct stele_task *task)
{
	struct request *r =
		(struct request *)(void *)((char *)task - offsetof(struct request, task));

	if (r->passed)
		stele_tsig_end(&r->tsig);
	if (r->answer)
		request_send(r, r->answer, r->answer_len);
	else if (r->refuse_rcode != NO_RCODE)
		request_send_refusal(r, r->refuse_rcode);
	else
		drop(r);
}

static void post(struct request *r)
{
	r->task.run = on_answer;
	stele_loop_post(r->public.home, &r->task);
}

void stele_request_reply(struct stele_request *request, const uint8_t *msg, size_t len)
{
	struct request *r = (struct request *)(void *)request;

	if (stele_loop_is_here(request->home)) {
		request_send(r, msg, len);
		return;
	}
	r->answer = malloc(len);
	if (r->answer) {
		memcpy(r->answer, msg, len);
		r->answer_len = len;
	}
	post(r);
}

void stele_request_wire(const struct stele_request *request, uint8_t *buf)
{
	memcpy(buf, request->msg, request->wire_len);
	/* Of the signature nothing was taken away but its place in the count. */
	if (request->wire_len > request->len)
		stele_put_be16(buf + 10, (uint16_t)(stele_get_be16(buf + 10) + 1));
}

void stele_request_pass(struct stele_request *request, const uint8_t *msg, size_t len)
{
	struct request *r = (struct request *)(void *)request;

	if (stele_loop_is_here(request->home))
		stele_tsig_end(&r->tsig);
	else
		r->passed = true;
	stele_request_reply(request, msg, len);
}

void stele_request_refuse(struct stele_request *request, uint16_t rcode)
{
	struct request *r = (struct request *)(void *)request;

	if (stele_loop_is_here(request->home)) {
		request_send_refusal(r, rcode);
		return;
	}
	r->refuse_rcode = rcode;
	post(r);
}

void stele_request_drop(struct stele_request *request)
{
	struct request *r = (struct request *)(void *)request;

	if (stele_loop_is_here(request->home))
		drop(r);
	else
		post(r);
}
