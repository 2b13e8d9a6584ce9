/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_CLIENT_INTERNAL_H
#define STELE_MGMT_TRANSFER_CLIENT_INTERNAL_H

/* What the parts of a client share: client.c asks and hands on, client_stream.c and client_datagram.c move
 * bytes. */

#include "mgmt/transfer/client.h"

#include "lib/dns/message.h"

enum client_phase {
	CLIENT_CONNECTING,
	CLIENT_HANDSHAKE,
	CLIENT_OPEN,
	CLIENT_BROKEN, /* nothing more can be asked */
};

/* Two messages of the largest size with their lengths: a read rarely ends with one. */
#define CLIENT_IN_SZ ((size_t)2 * (2 + STELE_MESSAGE_MAX))

struct stele_client {
	struct stele_client_settings settings;
	struct event_base *base;
	int fd;
	struct event *io, *timer;
	short waits_for; /* EV_READ, EV_WRITE */
	enum client_phase phase;
	SSL *ssl;

	/* The question under way. */
	bool asking;
	unsigned try_cnt;
	uint64_t answer_end_ns;  /* when it must be complete; 0: no limit */
	uint64_t silence_end_ns; /* when something must have come */
	struct stele_tsig tsig;
	struct stele_error passed_over; /* why the last datagram was; empty: none */

	/* A message behind its length. */
	uint8_t *out; /* of the question at hand; malloc'ed */
	size_t out_len, out_at;
	uint8_t *in; /* CLIENT_IN_SZ */
	size_t in_len;
	bool has_heard; /* something came over this connection */

	unsigned depth; /* of calls from the loop; while above 0 it is not freed */
	bool freed;
};

/* Waits for EV_READ or EV_WRITE. */
void client_wait_for(struct stele_client *client, short what);

/* Something came: silence begins anew. */
void client_heard(struct stele_client *client, uint64_t silence_ns);

/*
 * A message of the answer. 1: more must come; 0: there is nothing to read for (the answer ended, or the
 * client was freed); STELE_E_INPUT: a datagram that was passed over.
 */
int client_take(struct stele_client *client, uint8_t *msg, size_t len);

/* Ends the question. A connection is of no more use, unless the fault is STELE_CLIENT_FINE. */
void client_end(struct stele_client *client, enum stele_client_fault fault,
		const struct stele_error *err);

/* The socket is ready, or (datagrams) a wait is over. */
void client_stream_ready(struct stele_client *client);
void client_datagram_ready(struct stele_client *client);
int client_datagram_send(struct stele_client *client, struct stele_error *reterr);
void client_datagram_again(struct stele_client *client);

#endif
