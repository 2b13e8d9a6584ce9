/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_SERVICE_INTERNAL_H
#define STELE_MGMT_SERVICE_INTERNAL_H

/*
 * What the files of this folder share, in the order in which a query meets it:
 *
 *   service.c      makes workers, hands them new settings, adds up their counters
 *   settings.c     what a configuration says, made ready: answers, limits, keys, the TLS context
 *   worker.c       one loop: its image, its tick
 *   listen.c       sockets
 *   udp.c          datagrams, in batches
 *   limit.c        whether their replies may be sent: the rates of each client
 *   accept.c       connections that come, and whether there is room for them (clients.c)
 *   connection.c   a connection's life: what it waits for, when it ends
 *   exchange.c     its bytes: messages in, answers in batches, one write for many replies
 *   tls.c          the same bytes, encrypted; names of certificates
 *   dispatch.c     what lib/answer leaves over: signatures, then the handlers
 *   request.c      such a request's life, and its reply
 *   stream.c       a reply of many messages
 *   refuse.c       replies that need no image
 *
 * Everything that belongs to a worker is touched by its thread only. What workers share: the
 * settings (never changed, counted), the table of clients (a lock), and two numbers (atomic).
 */

#include "mgmt/service/clients.h"
#include "mgmt/service/service.h"

#include "lib/answer/answer.h"
#include "lib/answer/rrl.h"
#include "lib/serving/rates.h"
#include "lib/serving/settings.h"
#include "lib/tsig/tsig.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define TRANSPORT_CNT 3

/* Queries and replies of a batch are so far apart: not a power of two, at which the first lines
 * of all of them would fall into the same sets of the caches. */
#define MESSAGE_STRIDE (65536 + 5 * 64)

/* Bytes that wait for a client before it is answered no more until it takes some. Less costs
 * more writes, more is what each client can make us hold. */
#define OUTPUT_HIGH 65536

/* What one read takes at most: the input of a connection holds this behind a message that is not
 * whole. */
#define READ_MAX 65536

/*
 * Bytes of the requests over UDP that handlers of one loop have at once; updates beyond are dropped, and come again.
 * Less, and a burst of updates is lost while the store waits for the disk, or for another process that writes; more is
 * what who may update can make us hold. Over connections `pipeline` has the bound.
 */
#define DATAGRAMS_SZ_MAX ((size_t)16 << 20)
/* Of these, a request's own besides its message: its state, here and with its handler, until it is answered. */
#define DATAGRAM_COST 8192

/* ---- settings.c ---- */

struct service_settings {
	atomic_uint holder_cnt;
	struct stele_answer_settings answers[TRANSPORT_CNT];
	bool is_rate_limited; /* replies over UDP, by `rrl` */
	struct stele_rrl_settings rrl;
	struct stele_tcp_config limits;
	struct stele_tsig_keys *keys; /* held; NULL: none */
	SSL_CTX *tls;                 /* NULL: no TLS */
};

/* `own` makes cookies where no file is named; `worker_cnt` workers share the rates. STELE_E_INPUT,
 * STELE_E_SYSTEM. */
int service_settings_new(const struct stele_mgmtd_config *config, struct stele_tsig_keys *keys,
			 unsigned worker_cnt, const struct stele_own_secret *own,
			 struct service_settings **ret_settings, struct stele_error *reterr);
static inline struct service_settings *service_settings_hold(struct service_settings *settings)
{
	atomic_fetch_add_explicit(&settings->holder_cnt, 1, memory_order_relaxed);
	return settings;
}
void service_settings_release(struct service_settings *settings); /* NULL is fine */

/* ---- service.c, worker.c ---- */

enum service_counter {
#define X(name, help) COUNT_##name,
	STELE_SERVICE_COUNTERS(X)
#undef X
		COUNTER_CNT,
};

/* In the order in which something last happened: the first one has been quiet for the longest. */
struct connection_list {
	struct connection *first, *last;
};

struct listener {
	struct worker *worker;
	struct event event;
	int fd;
	enum stele_transport transport;
	bool wildcard; /* the address that was asked comes with each datagram */
	struct stele_config_address address;
};

struct worker {
	struct stele_service *service;
	struct stele_loop *loop;
	struct service_settings *settings;        /* held */
	struct stele_answer_settings udp_answers; /* of the settings, with the policy */
	struct stele_rates *limit;                /* NULL: none */
	struct stele_mapped_image *image;         /* held; NULL: none yet */
	uint64_t image_version;
	struct stele_answerer *answerer;
	struct listener *listeners;
	size_t listener_cnt;
	bool accept_paused; /* no descriptors are left; until the next tick */
	struct event tick;

	/* Connections: those of which the handshake, the first message, or the rest of one is
	 * still to come; and all others. */
	struct connection_list partial, quiet;
	uint8_t *input, *output; /* lent to the connection at hand; NULL: it kept it */
	uint8_t *replies;        /* of a batch */
	uint8_t *scratch;        /* for one message and its signature */
	struct udp_buffers *udp;
	size_t datagrams_sz; /* of requests over UDP that have not ended; see DATAGRAMS_SZ_MAX */

	_Atomic uint64_t counters[COUNTER_CNT]; /* others read them */
};

struct stele_service {
	struct stele_images *images;
	struct stele_handlers handlers;
	struct clients *clients;
	struct worker *workers;
	unsigned worker_cnt;
	struct service_settings *settings; /* held: the last that were handed to the workers */
	struct stele_own_secret own_secret;
	atomic_uint connection_cnt;
	atomic_uint transfer_cnt; /* transfers out that are under way */
};

/* Only the worker itself writes: no need for a locked instruction. */
static inline void count_many(struct worker *worker, enum service_counter counter, uint64_t cnt)
{
	uint64_t before = atomic_load_explicit(&worker->counters[counter], memory_order_relaxed);
	atomic_store_explicit(&worker->counters[counter], before + cnt, memory_order_relaxed);
}
static inline void count(struct worker *worker, enum service_counter counter)
{
	count_many(worker, counter, 1);
}
static inline void count_query(struct worker *worker, enum stele_transport transport, uint64_t cnt)
{
	count_many(worker, COUNT_udp_queries + transport, cnt);
}
static inline void count_reply(struct worker *worker, enum stele_transport transport, uint64_t cnt)
{
	count_many(worker, COUNT_udp_replies + transport, cnt);
}

/* Makes its loop and listeners; it does not run yet. A negative stele_status; worker_end() then too. */
int worker_init(struct worker *worker, struct stele_service *service, unsigned index,
		const struct stele_mgmtd_config *config, struct service_settings *settings,
		struct stele_error *reterr);
/* After its loop's thread has ended. A worker that is zeroed, or was not initialised fully, is
 * fine. */
void worker_end(struct worker *worker);

/*
 * Answers a batch by the image, or queries with SERVFAIL where there is none. As
 * stele_answer_batch(); the settings are those of the transport.
 */
void worker_answer(struct worker *worker, enum stele_transport transport,
		   const struct stele_query *queries, struct stele_reply *replies, unsigned cnt);

/* ---- limit.c ---- */

/*
 * The table of one worker for settings that follow upon others (NULL: none). `*ret_limit` is NULL if they
 * need no other one than it has. STELE_E_INPUT: a rate is out of its range. STELE_E_SYSTEM: no memory.
 */
int limit_new(const struct service_settings *before, const struct service_settings *settings,
	      struct stele_rates **ret_limit, struct stele_error *reterr);
/* Takes over new settings, held, and what limit_new() has made for them. */
void worker_set(struct worker *worker, struct service_settings *settings,
		struct stele_rates *limit);
void worker_unset(struct worker *worker); /* settings and limit */
/* Before a batch over UDP; and behind it: counts what did not pass. */
void limit_begin(struct worker *worker);
void limit_end(struct worker *worker);
/* Whether an error over UDP that no image has answered may be sent. Counts it if not. */
bool limit_passes_error(struct worker *worker, const struct stele_client *client);

/* ---- listen.c ---- */

/*
 * `may_come`: an address that is not here is no mistake. The responder brings those of its exception
 * interface, so they are missing while it is down; sockets that wait for them answer when they are there.
 */

/* Whether nobody else has the address; sockets of our own with SO_REUSEPORT would share it with
 * another process silently. `*ret_absent` says that it is not here. */
int listen_probe(const struct stele_listen_config *config, bool may_come, bool *ret_absent,
		 struct stele_error *reterr);
bool listen_is_wildcard(const struct stele_listen_config *config);
int listen_open(const struct stele_listen_config *config, enum stele_transport transport,
		bool may_come, int *ret_fd, struct stele_error *reterr);

/* ---- udp.c ---- */

/* Where a datagram came from, and where to. */
struct udp_route {
	struct sockaddr_storage client;
	socklen_t client_len;
	bool has_local;
	union {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} local;
};

struct udp_buffers *udp_buffers_new(void);
void udp_buffers_free(struct udp_buffers *buffers); /* NULL is fine */
void udp_ready(evutil_socket_t fd, short what, void *listener);
void udp_route_read(const struct listener *listener, const struct udp_route *route,
		    struct stele_peer *ret_peer, struct stele_config_address *ret_local);
/* Sends one reply, which may be cut to what fits into a packet. Counts it. */
void udp_send(struct listener *listener, const struct udp_route *route, uint8_t *msg, size_t len);

/* ---- accept.c ---- */

void accept_ready(evutil_socket_t fd, short what, void *listener);

/* ---- connection.c ---- */

/* Names of a client's certificate. Of one worker. */
struct peer_names {
	unsigned holder_cnt;
	size_t cnt;
	const char *names[];
};

struct connection {
	struct worker *worker;
	struct connection *before, *after; /* in its list */
	struct connection_list *list;
	struct client *client; /* its entry in the table of clients */
	uint64_t since_ns;     /* when something last happened; of half a message, when it began */
	int fd;
	enum stele_transport transport;
	struct stele_peer peer; /* without key */
	struct stele_config_address local;
	SSL *ssl;                 /* NULL: not encrypted */
	struct peer_names *names; /* held; NULL: none */

	bool handshaking;
	bool asked;            /* there was a first message */
	bool busy;             /* the stack has somebody who will look at `dead` */
	bool dead;             /* to be closed, whatever waits */
	bool reset;            /* with RST */
	bool ended;            /* the client sends no more */
	bool progress;         /* something happened since the list was put in order */
	bool ssl_more;         /* the TLS library may have more bytes, without an event */
	bool ssl_blocked;      /* its handshake wants to write */
	bool reading, writing; /* events that are added */
	struct event read_event, write_event;

	/* Bytes that came and are not worked on: a message that is not whole; or many, while
	 * output waits. */
	uint8_t *in;
	size_t in_start, in_len;
	bool in_lent;  /* the buffer is the worker's */
	bool in_whole; /* it begins with a whole message */

	/* Messages with their lengths that the kernel has not taken. */
	uint8_t *out;
	size_t out_start, out_len, out_cap;
	bool out_lent;
	uint64_t out_total; /* bytes that were ever put there */

	struct request *requests; /* that handlers have */
	unsigned request_cnt;
	struct request *streams;        /* the next one to be asked comes first */
	struct request *streams_ending; /* all asked for, not all taken */
};

/* Takes over the socket and the entry. */
void connection_new(struct listener *listener, int fd, const struct stele_config_address *address,
		    uint16_t port, struct client *client);
/* Closes at once; not from within the connection's own work, where connection_kill() is right. */
void connection_free(struct connection *c);
static inline void connection_kill(struct connection *c, bool reset)
{
	c->dead = true;
	c->reset |= reset;
}
/* Something else than the socket has changed: looks at the connection when the loop comes round. */
void connection_wake(struct connection *c);
/* Closes connections that have waited for too long. */
void connection_expire(struct worker *worker, uint64_t now_ns);

/* ---- exchange.c ---- */

/* Reads, answers, writes, as far as it goes without waiting. */
void exchange_run(struct connection *c, bool readable);
/* Room for a message of `len` bytes at the end of the output: where it goes, behind its length;
 * NULL: no memory. exchange_commit() makes it part of the output. */
uint8_t *exchange_reserve(struct connection *c, size_t len);
void exchange_commit(struct connection *c, size_t len);
static inline bool exchange_blocked(const struct connection *c)
{
	return c->out_len >= OUTPUT_HIGH;
}
/* The last that is written, if it is taken at once. */
void exchange_finish(struct connection *c);
/* Gives buffers back to the worker, or keeps what is in them. */
void exchange_return_buffers(struct connection *c);
void exchange_drop_buffers(struct connection *c);

/* ---- tls.c ---- */

int tls_context_new(const struct stele_tls_config *config, SSL_CTX **ret_context,
		    struct stele_error *reterr);
/* When the certificate ends that a context shows to clients, in seconds since 1970. */
int64_t tls_certificate_end(const SSL_CTX *context);
/* Makes the connection one of TLS. False: no memory. */
bool tls_begin(struct connection *c);
/* Goes on with the handshake. */
void tls_handshake(struct connection *c);
/* Says goodbye, if that is possible at once, and frees it. */
void tls_end(struct connection *c);
/* As read() and send(): -1 with EAGAIN, 0 at the end; other failures kill the connection. */
ssize_t tls_read(struct connection *c, void *buf, size_t cap);
ssize_t tls_write(struct connection *c, const void *buf, size_t len);
void peer_names_release(struct peer_names *names); /* NULL is fine */

/* ---- dispatch.c, request.c, stream.c ---- */

struct request {
	struct stele_request public;
	struct worker *worker;
	struct connection *connection;  /* NULL: it came over UDP, or its connection is gone */
	struct request *before, *after; /* of the connection */
	struct listener *listener;      /* UDP */
	struct udp_route route;
	struct service_settings *settings; /* held */
	struct peer_names *names;          /* held */
	struct stele_tsig tsig;
	bool is_transfer; /* counted in service->transfer_cnt */

	/* The answer of another thread, on its way. */
	struct stele_task task;
	uint8_t *answer; /* NULL: none */
	size_t answer_len;
	uint16_t refuse_rcode; /* UINT16_MAX: none */
	bool passed;           /* the answer is not ours to sign */

	/* Of a stream. */
	struct stele_stream *stream;
	uint64_t stream_end; /* in terms of connection->out_total, once the last message is there */

	uint8_t msg[];
};

/* A message that is for no image. Counts it as answered or dropped, sooner or later. */
void dispatch_datagram(struct listener *listener, const struct udp_route *route, const uint8_t *msg,
		       size_t len);
void dispatch_message(struct connection *c, const uint8_t *msg, size_t len);

/* NULL: no memory. */
struct request *request_new(struct worker *worker, enum stele_transport transport,
			    const uint8_t *msg, size_t len);
void request_link(struct connection *c, struct request *r);
void request_unlink(struct request **list, struct request *r);
/* In its home: signs what it answers and sends it, ends the request. */
void request_send(struct request *r, const uint8_t *msg, size_t len);
void request_send_refusal(struct request *r, uint16_t rcode);
void request_free(struct request *r);
/* The connection is gone: its requests go on without it. */
void request_orphan_all(struct connection *c);

/* Lets streams write while the client takes it. */
void stream_run(struct connection *c);
/* Tells those that have been taken by the kernel. */
void stream_taken(struct connection *c);
void stream_orphan_all(struct connection *c);

/* ---- refuse.c ---- */

/*
 * A reply that says no more than `rcode` (with the upper bits of EDNS): header, the first question
 * if it can be read, an OPT if there was one. `flags` are added. `buf` may be the message's own and
 * has room for 512 bytes. Returns the length; 0 if the message is to be met with silence.
 */
size_t refuse(const uint8_t *msg, size_t len, uint16_t rcode, uint16_t flags, uint16_t udp_size,
	      uint8_t *buf);
/* Bytes that the client takes over UDP: 512, or what its OPT says. */
uint16_t refuse_udp_size(const uint8_t *msg, size_t len);

#endif
