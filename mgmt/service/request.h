/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_SERVICE_REQUEST_H
#define STELE_MGMT_SERVICE_REQUEST_H

/*
 * A request that lib/answer leaves to the daemon: a transfer, NOTIFY, UPDATE, or anything signed.
 *
 * The service has checked the signature and taken it off the message before a handler sees the
 * request, and signs what the handler answers, so no handler knows of TSIG beyond the key's name. A
 * handler runs in the request's home, a service loop; it may answer at once, or keep the request,
 * work elsewhere, and answer later. Every request is answered or dropped exactly once, also when
 * its client is gone, which nobody is told.
 *
 * What a handler need not look at: all records of a message can be read, and nothing is behind
 * them. AXFR and IXFR come with one question of class IN or ANY, never over a TLS version below
 * 1.3, and no more at once than the configuration says. Of NOTIFY and UPDATE no more is known than
 * that QR is not set.
 */

#include "mgmt/loop/loop.h"
#include "mgmt/zones/zones.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stele_transport { STELE_UDP, STELE_TCP, STELE_TLS };

struct stele_request {
	struct stele_loop *home; /* every request ends before the service is freed */
	enum stele_transport transport;
	struct stele_peer peer;
	struct stele_config_address local;
	const uint8_t *msg; /* without its signature; lives as long as the request */
	size_t len;
	uint16_t reply_max; /* bytes of one message of the reply, what a signature takes left off */

	/*
	 * For who passes an update on to another server (RFC 2136 section 6): the message as it
	 * came, see stele_request_wire(). One that is signed with a key that is not ours gets to
	 * the handler of updates too, with `key_unknown`; it may be passed on, or refused with
	 * NOTAUTH, and nothing else.
	 */
	size_t wire_len; /* with its signature */
	bool key_unknown;
};

/*
 * Answers with one message and ends the request, which is gone afterwards. Any thread. A message
 * longer than `reply_max` is the caller's mistake.
 */
void stele_request_reply(struct stele_request *request, const uint8_t *msg, size_t len);

/* Answers with header, question and this code (RFC 6895), as stele_request_reply(). */
void stele_request_refuse(struct stele_request *request, uint16_t rcode);

/* Copies the message as it came, signature and all: `wire_len` bytes. Any thread. */
void stele_request_wire(const struct stele_request *request, uint8_t *buf);

/* Answers with a message as another server made it, and perhaps signed it: nothing is added. Any
 * thread. */
void stele_request_pass(struct stele_request *request, const uint8_t *msg, size_t len);

/* Ends it without an answer. Any thread. */
void stele_request_drop(struct stele_request *request);

/*
 * Answers with many messages (TCP, TLS). In its home: `next` is called whenever the client can take
 * more; it writes one message of at most `reply_max` bytes to `buf` (of `cap`) and returns its
 * length, 0 at the end, or negative to cut the connection. With the last message it may set `last`,
 * and is not called again. Each message is signed.
 *
 * `ended` is called once, however it ends, perhaps before stele_request_stream() returns (the
 * client is gone); `complete` if the kernel took all of it. The request lives until `ended` has
 * returned, so `next` may look at it.
 */
struct stele_stream {
	int (*next)(struct stele_stream *stream, uint8_t *buf, size_t cap, bool *last);
	void (*ended)(struct stele_stream *stream, bool complete);
};
void stele_request_stream(struct stele_request *request, struct stele_stream *stream);

/* What the service gives such requests to, by opcode and type. In the request's home. */
struct stele_handlers {
	void (*transfer)(void *user, struct stele_request *request); /* AXFR, IXFR */
	void (*notify)(void *user, struct stele_request *request);
	void (*update)(void *user, struct stele_request *request);
	void *user;
};

#endif
