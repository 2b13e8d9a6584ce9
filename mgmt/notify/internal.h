/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_NOTIFY_INTERNAL_H
#define STELE_MGMT_NOTIFY_INTERNAL_H

/* What in.c (the set of zones that wait), sockets.c, encrypted.c and out.c (remotes to be told) share. */

#include "mgmt/notify/notify.h"

#include "lib/tsig/tsig.h"
#include "mgmt/transfer/client.h"

#include <event2/event_struct.h>
#include <pthread.h>

/* Of both tables. Fewer make chains long where ten thousand zones change together. */
#define BUCKET_CNT 4096

/* A zone of which a NOTIFY came. */
struct waiting {
	struct waiting *next;
	struct stele_config_address from; /* of the last one */
	uint8_t apex[STELE_NAME_MAX];
};

/* One remote of a zone that is told. */
struct target {
	struct stele_notify *notify;
	struct stele_managed_zone *zone;
	const struct stele_remote_config *remote; /* of the configuration that `out` holds */
	enum stele_notify_state state;
	uint32_t serial;
	unsigned try_cnt;
	time_t at;
	char error[128]; /* empty: none */

	/* While it waits for an answer. */
	struct event timer;
	uint64_t slot_ns;    /* of the first try */
	struct target *next; /* with the same bucket of ids; meaningful if `has_id` */
	bool has_id, is_signed;
	uint16_t id;
	struct stele_tsig tsig;
	time_t signed_at;
	uint8_t *msg; /* malloc'ed at the first try */
	size_t len;
	/* Over TLS: the client signs, and the answer stays here until it has ended. */
	const struct stele_tsig_key *key; /* of the keys that `out` holds; NULL: none */
	struct stele_client *client;      /* NULL: none */
	uint8_t answer[512];
	size_t answer_len;
};

struct stele_notify_out {
	const struct stele_mgmtd_config *config; /* held */
	struct stele_tsig_keys *keys;            /* held; NULL: none */
	uint32_t soa_ttl;
	uint8_t *soa; /* its data; behind the targets */
	size_t soa_len;
	size_t target_cnt;
	struct target targets[];
};

/* All remotes with the same source address are told from one socket. */
struct notify_socket {
	struct notify_socket *next;
	struct stele_notify *notify;
	struct stele_config_address source; /* zero but for the family: the kernel chooses */
	int fd;
	struct event event;
};

struct stele_notify {
	struct stele_daemon *daemon;

	pthread_mutex_t lock; /* of the next three */
	struct waiting *waiting[BUCKET_CNT];
	bool posted; /* the main loop has been told that some wait */
	struct stele_task task;

	struct notify_socket *sockets;
	struct target *by_id[BUCKET_CNT];    /* those that were sent a datagram */
	struct stele_tls_contexts *contexts; /* NULL until something is told over TLS */
	unsigned client_cnt;
	uint64_t next_slot_ns;  /* when the next first try may go out */
	unsigned first_wait_ms; /* before the second; tests have less patience */
};

/* ---- in.c ---- */

/* In the main loop: asks for all zones that wait. */
void notify_drain(struct stele_task *task);
/* Frees them without. */
void notify_forget_waiting(struct stele_notify *notify);

/* ---- sockets.c ---- */

/* The socket to tell `remote` at `address` from; made if it is not there. NULL with `reterr`. */
struct notify_socket *notify_socket_for(struct stele_notify *notify,
					const struct stele_remote_config *remote,
					const struct stele_config_address *address,
					struct stele_error *reterr);
void notify_sockets_close(struct stele_notify *notify);

/* ---- out.c ---- */

/* An answer came. `msg` may be written to. */
void notify_answered(struct stele_notify *notify, const struct stele_config_address *from,
		     uint16_t port, uint8_t *msg, size_t len);

/* The answer to the message of a target, whose signature has been seen to. False: it is none. */
bool notify_take_answer(struct target *target, const uint8_t *msg, size_t len);

/* ---- encrypted.c ---- */

/* Tells the remote at `address` over TLS. False: too many are being told; nothing was done. */
bool notify_send_encrypted(struct target *target, const struct stele_config_address *address);
/* Closes the connection, if there is one. */
void notify_end_encrypted(struct target *target);

#endif
