/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_REFRESH_INTERNAL_H
#define STELE_MGMT_TRANSFER_REFRESH_INTERNAL_H

/*
 * What the parts of a secondary share.
 *
 * A *round* is one try to bring a zone up to date: its candidates, the addresses of its primaries, one
 * after another until one of them confirms the zone or sends a newer one. For each
 *
 *   turn -> probe (SOA) -> up to date                                       -> the round is over
 *                        -> newer -> turn -> fetch (IXFR, AXFR) -> commit   -> the round is over
 *
 * and whatever fails leads to the next candidate; behind the last one the round has failed. A zone
 * that was never loaded, or is to come by force, is fetched at once. Over TLS the question for the SOA
 * goes over the connection on which the zone may follow.
 *
 *   refresh.c    begins and ends it; its timer
 *   round.c      candidates one after another, and what becomes of the round
 *   expiry.c     until when the zone is good; the store's flag that says so
 *   probe.c      the question for the SOA
 *   fetch.c      the transfer
 *   apply.c      into the store
 */

#include "mgmt/peer/address.h"
#include "mgmt/transfer/client.h"
#include "mgmt/transfer/query.h"
#include "mgmt/transfer/turns.h"
#include "mgmt/transfer/refresh.h"

/* Of all zones. Made with the first secondary and gone with the last. */
struct stele_refreshes {
	struct stele_turns *turns;
	struct stele_tls_contexts *tls;
	size_t zone_cnt;
	time_t clock_shift; /* for tests: added to the time of day */
	uint64_t random;
};

struct refresh_candidate {
	uint16_t remote, address; /* indices */
};

struct refresh_round {
	struct stele_refresh *refresh;
	const struct stele_mgmtd_config *config; /* held; `options` belongs to it */
	const struct stele_template_config *options;
	struct stele_tsig_keys *keys; /* held */
	bool force;
	bool told;      /* a candidate failed in a way that is worth a line in the log */
	bool own_fault; /* one failed for a reason of our own, which may be gone soon */

	/* The candidate at hand. */
	size_t candidate, candidate_cnt;
	const struct stele_remote_config *remote;
	const struct stele_config_address *address;
	const struct stele_tsig_key *key;
	struct stele_turn turn;
	struct stele_client *client;
	struct refresh_fetch *fetch;
	uint16_t id;       /* of the question for the SOA */
	bool probe_stream; /* it goes over TCP */
	bool plain;        /* without EDNS: the server does not know it */
	bool axfr;         /* an IXFR failed */
	struct stele_soa_reply reply;

	struct refresh_candidate candidates[];
};

struct stele_refresh {
	struct stele_daemon *daemon;
	struct stele_managed_zone *zone;
	struct event *timer;
	struct refresh_round *round; /* NULL: at rest */
	/* A reason to begin another round came while one is under way, or with this one. */
	bool again, again_force, has_from;
	bool again_all; /* those too that had better be left alone */
	struct stele_config_address from;
	struct refresh_flag *flag; /* the commit under way that makes it expired or not; NULL: none */
	bool flag_failed;          /* the one before, which is tried again: all has been told */
};

/* ---- refresh.c ---- */

/* Seconds since 1970, as far as tests have shifted it. */
time_t refresh_clock(const struct stele_daemon *daemon);
uint32_t refresh_random(struct stele_daemon *daemon);

/* Sleeps until the next thing is due: a round, or the end of the zone. */
void refresh_arm(struct stele_refresh *refresh);

/* ---- expiry.c ---- */

/* The zone is confirmed as of now, in the round under way: sets how long it is good. */
void refresh_prolong(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire);
/* Nobody knows since when its data is here, after an import, say: it has what its SOA gives it, from now on. */
void refresh_give_expire(struct stele_refresh *refresh);
/* Makes the store say whether the zone is good, and sleeps. */
void refresh_settle(struct stele_refresh *refresh);
/* The refresh goes away; a commit under way goes on without it. */
void refresh_flag_forget(struct stele_refresh *refresh);

/* ---- round.c ---- */

/* Begins a round, of which there is none. It may have failed, and ended, on return. */
void refresh_round_begin(struct stele_refresh *refresh);
/* Gives up the round under way, with what its candidate was asked. No round is fine. */
void refresh_round_free(struct stele_refresh *refresh);

/* "192.0.2.1#53" */
const char *refresh_peer(const struct refresh_round *round, char text[STELE_ADDRESS_TEXT_MAX]);

/* What a client of the candidate at hand has in common. */
struct stele_client_settings refresh_client(struct stele_refresh *refresh,
					    enum stele_client_transport transport);

/* What a candidate leads to; each of these may free the round. */

/* The primary says that we are up to date, or the store has what it sent (`sent`). */
void refresh_confirmed(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire);
/* It failed, and the next one has its turn. `unreachable`: so will other zones find it. */
void refresh_candidate_failed(struct stele_refresh *refresh, bool unreachable, const char *reason);
/* It could not be asked. STELE_E_NOTFOUND: there is no way to it, which is as above; any other status is a
 * reason of our own and says nothing of the server, which another remote with the same address may reach. */
void refresh_candidate_not_asked(struct stele_refresh *refresh, int status, const char *reason);
/* Waits for a turn to transfer, of the candidate at hand. */
void refresh_wait_transfer(struct stele_refresh *refresh);

/* ---- probe.c ---- */

uint16_t refresh_message_id(struct stele_daemon *daemon);

void refresh_probe(struct stele_refresh *refresh);
int refresh_probe_message(struct stele_refresh *refresh, const uint8_t *msg, size_t len,
			  struct stele_error *reterr);
void refresh_probe_ended(struct stele_refresh *refresh, enum stele_client_fault fault,
			 const struct stele_error *err);

/* ---- fetch.c ---- */

/* The zone comes, over a connection of its own or `client` of the round, which asked for the SOA. */
void refresh_fetch(struct stele_refresh *refresh);
int refresh_fetch_message(struct stele_refresh *refresh, const uint8_t *msg, size_t len,
			  struct stele_error *reterr);
void refresh_fetch_ended(struct stele_refresh *refresh, enum stele_client_fault fault,
			 const struct stele_error *err);
/* Frees a fetch; one that is being committed goes on without the zone. NULL is fine. */
void refresh_fetch_free(struct refresh_fetch *fetch);

#endif
