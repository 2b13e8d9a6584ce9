/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CTL_CTL_H
#define STELE_LIB_CTL_CTL_H

/*
 * The control socket: how the operator and the daemon talk to a program that serves.
 *
 * A Unix socket of type SOCK_SEQPACKET: one message is one packet, so that nobody can send half of one.
 * A message is one JSON object. A request has "op" and what the operation needs, and may carry one file
 * descriptor; the response has "ok": true and what it gives, or "ok": false, "error" (a sentence) and
 * "kind" (which stele_status it is). docs/control-protocol.md has the operations.
 *
 * On one connection there is one request at a time: the next is read when the response to
 * the last one has been taken by the kernel. So a client has at most one response waiting, and what a
 * client costs is bounded.
 *
 * Who may connect: root, the user that the server runs as, and members of one group.
 *
 * A server and a client each belong to one thread. A server never blocks; a client's calls do, up to
 * their timeout.
 */

#include "lib/base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Bytes of one message. A reply of 65,535 bytes in hexadecimal has to fit (trace); above about 200 KiB
 * the kernel's default limit for a packet (net.core.wmem_max) refuses it.
 */
#define STELE_CTL_MESSAGE_MAX 196608

/* The longest path of a socket: 107 bytes is what the kernel takes, and it is made under a name that is
 * 4 bytes longer. */
#define STELE_CTL_PATH_MAX 103

/* Connections at once. With fewer, operators lock each other out; each may hold a message of memory. */
#define STELE_CTL_CONNECTIONS_MAX 32

/* A connection that asks nothing, or does not take its response, for this long is closed. */
#define STELE_CTL_IDLE_MS 60000

/* Where the programs listen unless their configuration says otherwise. */
#define STELE_CTL_RESPONDER_SOCKET "/run/stele/responder.sock"
#define STELE_CTL_MGMTD_SOCKET "/run/stele/mgmtd.sock"

/* ---- server ---- */

/* What a handler returns besides 0 and a negative stele_status. */
#define STELE_CTL_AGAIN 1

/* A request that is being handled. */
struct stele_ctl_call {
	const json_t *request;
	json_t *response; /* an object to be filled in; "ok" is set by the server */
	int fd;           /* what came with the request, or -1. A handler that keeps it sets this
			   * to -1, else the server closes it */
	uid_t peer_uid;   /* of whoever connected */
	pid_t peer_pid;

	/* For operations that take time. */
	uint32_t round;    /* how often the handler was called before, for this request */
	uint64_t began_ns; /* when it was first called */
	uint64_t deadline_ns; /* UINT64_MAX; the handler's own, as `state`: it looks at the clock itself */
	uint64_t state; /* 0; the handler's own */
};

/*
 * Handles one request: 0 when `response` is complete, a negative stele_status with the text in `reterr`,
 * or STELE_CTL_AGAIN: then it is called again with each stele_ctl_server_step(), a few dozen times a
 * second at least, until it returns something else or the client goes away (which it is not told).
 * Must not block. Times are those of CLOCK_MONOTONIC.
 */
typedef int (*stele_ctl_handler)(void *user, struct stele_ctl_call *call,
				 struct stele_error *reterr);

struct stele_ctl_op {
	const char *name; /* NULL ends the table */
	bool takes_fd;    /* the request must carry a descriptor; that of any other is refused */
	stele_ctl_handler handle;
};

struct stele_ctl_server_settings {
	const char *path;
	gid_t group; /* owns the socket (mode 0660), and its members may connect. (gid_t)-1: only root
		      * and this program's own user */
	const struct stele_ctl_op *ops; /* lives as long as the server. "ping" is answered by the
					 * server itself */
	void *user;                     /* for the handlers */
	uint32_t idle_ms;               /* 0: STELE_CTL_IDLE_MS */
};

struct stele_ctl_server;

/*
 * Listens. A file PATH.lock, held as long as the process lives, tells a socket that a dead process left
 * (it is replaced) from that of a living one (STELE_E_SYSTEM). STELE_E_INPUT if PATH is something
 * else than a socket, STELE_E_USAGE if it is longer than STELE_CTL_PATH_MAX; STELE_E_SYSTEM.
 */
int stele_ctl_server_new(const struct stele_ctl_server_settings *settings,
			 struct stele_ctl_server **ret_server, struct stele_error *reterr);

/* Closes all connections and removes the socket if it is still ours. NULL is fine. */
void stele_ctl_server_free(struct stele_ctl_server *server);

/* One descriptor for the caller's poll loop: readable when a step has something to do. */
int stele_ctl_server_fd(const struct stele_ctl_server *server);

/* How many milliseconds to wait on it at most before the next step; -1: until it is readable. */
int stele_ctl_server_timeout_ms(const struct stele_ctl_server *server);

/* Accepts, receives, calls handlers, sends, and closes what is overdue. Does not block. */
void stele_ctl_server_step(struct stele_ctl_server *server);

/* Requests handled since the start, refused and failed ones included. */
uint64_t stele_ctl_server_request_cnt(const struct stele_ctl_server *server);

/*
 * Members of a request as json_unpack() takes them, checked strictly: a member that is missing, of
 * another type, or not in the format (besides "op") is STELE_E_USAGE. `format` is without braces:
 * stele_ctl_unpack(call, reterr, "s:s, s?I", "zone", &zone, "serial", &serial). Strings live as long
 * as the request.
 */
int stele_ctl_unpack(const struct stele_ctl_call *call, struct stele_error *reterr,
		     const char *format, ...);

/* The time at which `timeout_ms` (not negative) have passed since the handler was first called; UINT64_MAX if that is
 * later than a clock can tell. */
uint64_t stele_ctl_deadline_ns(const struct stele_ctl_call *call, json_int_t timeout_ms);

/* A JSON string of any text, for people: what is not UTF-8 (a path may be anything) as lib/base/shown.h shows it. */
json_t *stele_ctl_text(const char *text);

/* ---- client ---- */

struct stele_ctl_client;

/* STELE_E_SYSTEM if nobody listens, or we may not. */
int stele_ctl_connect(const char *path, struct stele_ctl_client **ret_client,
		      struct stele_error *reterr);
void stele_ctl_disconnect(struct stele_ctl_client *client); /* NULL is fine */

/*
 * Sends `request`, with `fd` unless that is -1 (the caller keeps it), and waits for the response. 0 with
 * the response, to be freed by json_decref. The status and text of a response that says no are handed on
 * as they are. STELE_E_SYSTEM if there is none within `timeout_ms` (-1: no limit) or it makes no sense; the
 * connection is of no use then. No response has descriptors; what comes is closed.
 */
int stele_ctl_call(struct stele_ctl_client *client, const json_t *request, int fd, int timeout_ms,
		   json_t **ret_response, struct stele_error *reterr);

/*
 * The same for who waits in a loop of its own: none of these blocks.
 *
 * stele_ctl_connect_now() fails, too, if the server has not accepted those who came before. The
 * descriptor becomes readable when a response is there or the server has gone.
 */
int stele_ctl_connect_now(const char *path, struct stele_ctl_client **ret_client,
			  struct stele_error *reterr);
int stele_ctl_client_fd(const struct stele_ctl_client *client);

/* Sends a request; the response of the one before must have come. STELE_E_USAGE, STELE_E_SYSTEM: the
 * connection is of no use any more. */
int stele_ctl_send(struct stele_ctl_client *client, const json_t *request, int fd,
		   struct stele_error *reterr);

/* STELE_CTL_AGAIN if the response is not there yet; else as stele_ctl_call(). `ret_broken`: the
 * failure is that of the connection, not the server's answer. */
int stele_ctl_receive(struct stele_ctl_client *client, json_t **ret_response, bool *ret_broken,
		      struct stele_error *reterr);

#endif
