/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_SERVICE_SERVICE_H
#define STELE_MGMT_SERVICE_SERVICE_H

/*
 * The service: DNS over UDP, TCP (RFC 7766, RFC 9210) and TLS (RFC 7858, RFC 9103) on the kernel's
 * sockets.
 *
 * Each service loop has sockets of its own on every address (SO_REUSEPORT), so loops share nothing
 * but the image. Plain queries are answered by lib/answer, in batches over UDP and in the order in
 * which they come over a connection; signed ones too, once the signature is checked. What is left
 * goes to the handlers (request.h) and may be answered out of order.
 *
 * What a client can cost is bounded: connections in all and of one address, queries of a
 * connection and datagrams that are worked on, bytes that wait to be taken, and the time for a
 * handshake, half a message, and a reply that is not taken. Where the number of connections is
 * reached, the one that has been quiet for the longest makes room.
 */

#include "mgmt/config/config.h"
#include "mgmt/publish/images.h"
#include "mgmt/service/request.h"

#include "lib/tsig/keys.h"

struct stele_service;

struct stele_service_settings {
	const struct stele_mgmtd_config *config;
	struct stele_images *images;
	struct stele_tsig_keys *keys; /* held by the service; NULL: none */
	struct stele_handlers handlers;
};

/* Reads the files that a service would, for a check: certificates, cookie secrets. STELE_E_INPUT, STELE_E_SYSTEM. */
int stele_service_check(const struct stele_mgmtd_config *config, struct stele_error *reterr);

/* Opens all sockets (privileged ports, so before privileges are given up) and starts the loops.
 * STELE_E_SYSTEM names the address that cannot be had. */
int stele_service_new(const struct stele_service_settings *settings,
		      struct stele_service **ret_service, struct stele_error *reterr);
/*
 * Ends the loops: no handler is called any more. Requests that are under way may still be answered,
 * and have to be, before stele_service_free(). NULL is fine.
 */
void stele_service_stop(struct stele_service *service);
/* Stops it, if that was not done; sends what was answered meanwhile, as far as clients take it
 * at once, and ends all connections. NULL is fine. */
void stele_service_free(struct stele_service *service);

/* Other keys, certificates read again, other limits: connections that are open go on as they are.
 * Addresses and the number of threads need a restart. What fails changes nothing: STELE_E_INPUT (a certificate, a
 * rate), STELE_E_SYSTEM (no memory). One thread at a time. */
int stele_service_reload(struct stele_service *service, const struct stele_mgmtd_config *config,
			 struct stele_tsig_keys *keys, struct stele_error *reterr);

/* When the certificate ends that clients are shown, in seconds since 1970; 0: there is none. In the thread of
 * stele_service_reload(). */
int64_t stele_service_certificate_end(const struct stele_service *service);

/* Counters since the start: any thread. */
#define STELE_SERVICE_COUNTERS(X)                                                                  \
	X(udp_queries, "queries over UDP")                                                         \
	X(tcp_queries, "queries over TCP")                                                         \
	X(tls_queries, "queries over TLS")                                                         \
	X(udp_replies, "replies over UDP")                                                         \
	X(tcp_replies, "replies over TCP")                                                         \
	X(tls_replies, "replies over TLS")                                                         \
	X(dropped, "messages that got no reply")                                                   \
	X(rrl_dropped, "replies over UDP that a rate limit kept back")                             \
	X(rrl_slipped, "replies over UDP that a rate limit made empty, with TC")                   \
	X(tcp_accepted, "TCP connections accepted")                                                \
	X(tls_accepted, "TLS connections accepted")                                                \
	X(tls_failed, "TLS handshakes that failed")                                                \
	X(refused_client, "connections refused: too many of one client")                           \
	X(refused_full, "connections refused: too many, and none to close")                        \
	X(evicted, "connections closed to make room")                                              \
	X(timed_out, "connections closed by a time limit")                                         \
	X(tsig_bad, "signatures that were refused")                                                \
	X(transfers_out, "transfers out that were begun")                                          \
	X(transfers_out_failed, "transfers out that were cut")
struct stele_service_counters {
#define X(name, help) uint64_t name;
	STELE_SERVICE_COUNTERS(X)
#undef X
	uint64_t connections; /* open now */
};
void stele_service_counters(const struct stele_service *service,
			    struct stele_service_counters *ret_counters);

#endif
