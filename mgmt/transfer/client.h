/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_CLIENT_H
#define STELE_MGMT_TRANSFER_CLIENT_H

/*
 * A client: questions to another server, in a loop that also does other things.
 *
 * Over UDP, TCP, or TLS as zones are transferred (RFC 9103: TLS 1.3, ALPN "dot"). A question is signed
 * where there is a key (RFC 8945), and what comes back is verified and handed on message by message,
 * without its signature; an answer counts as complete only if its last message is covered by one. One
 * question at a time; over TCP and TLS another can follow on the same connection.
 *
 *   stele_client_new() ... stele_client_ask() -> message ... message -> ended -> ask() or free()
 *
 * A datagram that does not fit the question may be forged: it is passed over, and the question is sent
 * again with growing pauses. What comes over a connection is broken if it does not fit.
 *
 * A client belongs to the thread of its loop.
 */

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/tsig/tsig.h"
#include "mgmt/config/config.h"
#include "mgmt/transfer/tls.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stele_client_transport { STELE_CLIENT_UDP, STELE_CLIENT_TCP, STELE_CLIENT_TLS };

/* Why an answer did not come. */
enum stele_client_fault {
	STELE_CLIENT_FINE,
	STELE_CLIENT_UNREACHABLE, /* no connection, or nothing ever came: it may be down */
	STELE_CLIENT_CUT,         /* it broke off, or was silent or busy for too long */
	STELE_CLIENT_UNTRUSTED,   /* a certificate or a signature is wrong */
	STELE_CLIENT_CONTENT,     /* `message` did not want it */
};

/* Waiting for a connection and its handshake: less fails on bad days of a far network, more lets a
 * server that is gone hold a place for longer. */
#define STELE_CLIENT_CONNECT_NS UINT64_C(10000000000)
/* Between two pieces of an answer. */
#define STELE_CLIENT_SILENCE_NS UINT64_C(30000000000)
/* Over UDP: the first wait, doubled with each of the tries. */
#define STELE_CLIENT_UDP_NS UINT64_C(1000000000)
#define STELE_CLIENT_UDP_TRIES 3

struct stele_client_settings {
	enum stele_client_transport transport;
	const struct stele_config_address *address;
	uint16_t port;
	const struct stele_config_address *source; /* not used if of another family */
	const struct stele_tsig_key *key; /* NULL: unsigned. Its set is held by the caller */
	const struct stele_remote_tls_config *tls; /* for TLS only */
	struct stele_tls_contexts *contexts;       /* for TLS only */
	uint64_t answer_max_ns;                    /* for an answer as a whole; 0: no limit */

	/*
	 * A message of the answer, which the function may write to. 1: more must come; 0: that was
	 * the last one; negative: not wanted, `reterr` says why; over UDP it is then passed over.
	 */
	int (*message)(void *user, uint8_t *msg, size_t len, struct stele_error *reterr);
	/*
	 * After each question, unless the client is freed before: the answer was complete
	 * (STELE_CLIENT_FINE), or why not. May ask again if it was, and may free the client.
	 */
	void (*ended)(void *user, enum stele_client_fault fault, const struct stele_error *err);
	void *user;
};

struct stele_client;

/* Begins to connect. What is pointed to, but for `address` and `source`, must outlive the client.
 * STELE_E_NOTFOUND: the kernel knows no way to the server. STELE_E_SYSTEM (memory, descriptors, `source`),
 * STELE_E_INPUT (a certificate file): that says nothing of the server. */
int stele_client_new(struct event_base *base, const struct stele_client_settings *settings,
		     struct stele_client **ret_client, struct stele_error *reterr);
void stele_client_free(struct stele_client *client); /* NULL is fine. From callbacks too */

/* Asks; there must be no other question. `msg` of at most STELE_CLIENT_QUESTION_MAX bytes, is copied.
 * STELE_E_SYSTEM, STELE_E_USAGE; then `ended` is not called. */
#define STELE_CLIENT_QUESTION_MAX STELE_MESSAGE_MAX
int stele_client_ask(struct stele_client *client, const uint8_t *msg, size_t len,
		     struct stele_error *reterr);

/* For the answers to what is asked from now on, in place of `answer_max_ns`. */
void stele_client_set_answer_max(struct stele_client *client, uint64_t ns);

/* Whether any of the last question has left: then the server may have acted on it, whatever came back.
 * From `ended` too. */
bool stele_client_has_sent(const struct stele_client *client);

#endif
