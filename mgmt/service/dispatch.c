/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

#include <string.h>
#include <time.h>

/* Header, the longest question and an OPT always have room, whatever a client says. */
#define REPLY_MIN 300

/* ---- what a signature changes ---- */

static void set_reply_max(struct request *r)
{
	size_t max = STELE_MESSAGE_MAX, room = stele_tsig_room(&r->tsig);

	if (r->public.transport == STELE_UDP) {
		max = refuse_udp_size(r->public.msg, r->public.len);
		if (max > r->settings->answers[STELE_UDP].udp_max)
			max = r->settings->answers[STELE_UDP].udp_max;
		if (max < room + REPLY_MIN)
			max = room + REPLY_MIN;
	}
	r->public.reply_max = (uint16_t)(max - room);
}

/* Without its signature it may be a query like others. True if it was, and is answered. */
static bool answer_signed(struct request *r)
{
	struct worker *worker = r->worker;
	struct stele_query query = {
		.msg = r->msg,
		.len = (uint32_t)r->public.len,
		.tcp = r->public.transport != STELE_UDP,
		.client.family = r->public.peer.address.family,
		.reserve = (uint16_t)stele_tsig_room(&r->tsig),
	};
	struct stele_reply reply = {.buf = worker->scratch, .cap = STELE_MESSAGE_MAX};

	memcpy(query.client.addr, r->public.peer.address.addr, sizeof(query.client.addr));
	worker_answer(worker, r->public.transport, &query, &reply, 1);
	if (reply.verdict == STELE_VERDICT_PUNT)
		return false;
	if (reply.verdict == STELE_VERDICT_REPLY)
		request_send(r, reply.buf, reply.len);
	else
		stele_request_drop(&r->public);
	return true;
}

/* ---- to the handlers ---- */

/* FORMERR unless all records can be read and nothing is behind them; and what its EDNS deserves (RFC 6891 section
 * 6.1), as with queries that an image answers. */
static uint16_t judge(const struct request *r)
{
	struct stele_reader reader;
	struct stele_rr rr;
	unsigned version = 0;
	bool has_opt = false;
	int more;

	if (stele_reader_init(&reader, r->public.msg, r->public.len) != 0)
		return STELE_RCODE_FORMERR;
	while ((more = stele_reader_next(&reader, &rr)) == 1) {
		if (rr.section == STELE_RR_QUESTION || rr.type != STELE_TYPE_OPT)
			continue;
		if (rr.section != STELE_RR_ADDITIONAL || rr.owner_len != 1 || has_opt)
			return STELE_RCODE_FORMERR;
		has_opt = true;
		version = rr.ttl >> 16 & 0xff;
	}
	if (more != 0 || stele_reader_left(&reader) != 0)
		return STELE_RCODE_FORMERR;
	return version == 0 ? STELE_RCODE_NOERROR : STELE_RCODE_BADVERS;
}

static bool is_transfer(const struct request *r)
{
	struct stele_reader reader;
	struct stele_rr question;

	return stele_reader_init(&reader, r->public.msg, r->public.len) == 0 &&
	       stele_reader_next(&reader, &question) == 1 &&
	       question.section == STELE_RR_QUESTION &&
	       (question.type == STELE_TYPE_AXFR || question.type == STELE_TYPE_IXFR);
}

static void give_transfer(struct request *r)
{
	struct stele_service *service = r->worker->service;
	const struct connection *c = r->connection;

	/* RFC 9103 section 7.1. */
	if (c && c->ssl && SSL_version(c->ssl) < TLS1_3_VERSION) {
		request_send_refusal(r, STELE_RCODE_REFUSED);
		return;
	}
	if (c) {
		r->is_transfer = true;
		unsigned before =
			atomic_fetch_add_explicit(&service->transfer_cnt, 1, memory_order_relaxed);
		if (before >= r->settings->limits.transfers) {
			/* For now: it is to come again, or to ask another server. */
			request_send_refusal(r, STELE_RCODE_SERVFAIL);
			return;
		}
	}
	service->handlers.transfer(service->handlers.user, &r->public);
}

/* Of a message that has a header. */
static unsigned opcode_of(const uint8_t *msg)
{
	return (stele_get_be16(msg + 2) & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT;
}

static void give(struct request *r)
{
	const struct stele_handlers *handlers = &r->worker->service->handlers;
	unsigned opcode = opcode_of(r->public.msg);
	uint16_t rcode = judge(r);

	if (rcode != STELE_RCODE_NOERROR)
		request_send_refusal(r, rcode);
	else if (opcode == STELE_OPCODE_NOTIFY && handlers->notify)
		handlers->notify(handlers->user, &r->public);
	else if (opcode == STELE_OPCODE_UPDATE && handlers->update)
		handlers->update(handlers->user, &r->public);
	else if (opcode == STELE_OPCODE_QUERY && handlers->transfer && is_transfer(r))
		give_transfer(r);
	else
		/*
		 * What is left is signed with SIG(0) (RFC 2931), which nobody here can check. Who
		 * signs wants to be known, so an answer as if it had not signed would be wrong; and
		 * it is no decision about this client, as REFUSED would say.
		 */
		request_send_refusal(r, STELE_RCODE_NOTIMP);
}

/* Signed for somebody else, perhaps: an update that is passed on need not be ours to check. */
static bool is_for_another(const struct request *r)
{
	const struct stele_handlers *handlers = &r->worker->service->handlers;

	return r->tsig.rcode == STELE_RCODE_NOTAUTH && r->tsig.error == STELE_TSIG_BADKEY &&
	       handlers->update != NULL && opcode_of(r->public.msg) == STELE_OPCODE_UPDATE;
}

static void dispatch(struct request *r)
{
	int status = stele_tsig_verify_request(r->settings->keys, r->msg, &r->public.len,
					       (uint64_t)time(NULL), &r->tsig);

	set_reply_max(r);
	if (status == STELE_E_INPUT && is_for_another(r)) {
		r->public.key_unknown = true;
		give(r);
		return;
	}
	if (status < 0) {
		count(r->worker, COUNT_tsig_bad);
		request_send_refusal(r, status == STELE_E_SYSTEM ? STELE_RCODE_SERVFAIL :
								   r->tsig.rcode);
		return;
	}
	if (status == 1) {
		size_t name_len;
		r->public.peer.key = stele_tsig_key_name(r->tsig.key, &name_len);
		if (answer_signed(r))
			return;
	}
	give(r);
}

void dispatch_message(struct connection *c, const uint8_t *msg, size_t len)
{
	struct request *r = request_new(c->worker, c->transport, msg, len);

	if (!r) {
		count(c->worker, COUNT_dropped);
		return;
	}
	r->public.peer = c->peer;
	r->public.local = c->local;
	if (c->names) {
		r->names = c->names;
		r->names->holder_cnt++;
		r->public.peer.tls_names = r->names->names;
		r->public.peer.tls_name_cnt = r->names->cnt;
	}
	request_link(c, r);
	dispatch(r);
}

/* Updates wait for the disk, or for another server; all else is answered at once. */
static bool has_room(const struct worker *worker, const uint8_t *msg, size_t len)
{
	return opcode_of(msg) != STELE_OPCODE_UPDATE ||
	       worker->datagrams_sz + DATAGRAM_COST + len <= DATAGRAMS_SZ_MAX;
}

void dispatch_datagram(struct listener *listener, const struct udp_route *route, const uint8_t *msg,
		       size_t len)
{
	struct worker *worker = listener->worker;
	struct request *r = has_room(worker, msg, len) ? request_new(worker, STELE_UDP, msg, len) :
							 NULL;

	if (!r) {
		count(worker, COUNT_dropped);
		return;
	}
	worker->datagrams_sz += DATAGRAM_COST + len;
	r->listener = listener;
	r->route = *route;
	udp_route_read(listener, route, &r->public.peer, &r->public.local);
	dispatch(r);
}
