/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/fetch.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/dns/rrtype.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A transfer that takes more memory is committed in a transaction of its own: what waits behind it waits
 * for its checks, and what is committed with it would go with it if the disk were full. */
#define LARGE_SZ ((uint64_t)1 << 20)
/* Small ones that may wait for the committer beside those that have a turn: up to 1 MiB each. */
#define COMMITS_MAX 128

void refresh_fetch_free(struct refresh_fetch *fetch)
{
	if (fetch == NULL)
		return;
	if (fetch->committing) {
		fetch->refresh = NULL;
		return;
	}
	stele_staging_clear(&fetch->staging);
	free(fetch);
}

/* ---- what came of it ---- */

/* The same candidate once more, in another way. */
static void fetch_again(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	stele_client_free(round->client);
	round->client = NULL;
	refresh_fetch_free(round->fetch);
	round->fetch = NULL;
	if (round->turn.server != NULL)
		refresh_fetch(refresh);
	else
		refresh_wait_transfer(refresh);
}

static void ask_for_whole(struct stele_refresh *refresh, const char *reason)
{
	char peer[STELE_ADDRESS_TEXT_MAX];
	stele_log_event(STELE_LOG_NOTICE, "ixfr-failed", STELE_LOG_ZONE(refresh->zone->name),
			STELE_LOG_PEER(refresh_peer(refresh->round, peer)),
			STELE_LOG_SERIAL(refresh->zone->serial), STELE_LOG_REASON(reason));
	refresh->round->axfr = true;
	fetch_again(refresh);
}

static void log_transfer(const struct refresh_fetch *fetch, const struct stele_refresh *refresh)
{
	const struct refresh_round *round = refresh->round;
	const struct stele_managed_zone *zone = refresh->zone;
	char peer[STELE_ADDRESS_TEXT_MAX];
	refresh_peer(round, peer);
	stele_log_event(STELE_LOG_INFO, "transfer-in", STELE_LOG_ZONE(zone->name),
			STELE_LOG_PEER(peer), STELE_LOG_KEY(round->remote->key),
			STELE_LOG_TEXT("kind", fetch->staging.is_deltas ? "ixfr" : "axfr"),
			STELE_LOG_SERIAL(fetch->incoming.serial),
			STELE_LOG_NUMBER("records", fetch->incoming.rr_cnt),
			STELE_LOG_NUMBER("bytes", fetch->incoming.sz),
			STELE_LOG_NUMBER("milliseconds",
					 (stele_clock_ns() - fetch->began_ns) / 1000000));
	if (fetch->warning_cnt > 0)
		stele_log_event(STELE_LOG_NOTICE, "transfer-warnings", STELE_LOG_ZONE(zone->name),
				STELE_LOG_NUMBER("count", fetch->warning_cnt),
				STELE_LOG_TEXT("first", fetch->warning));
	stele_log_audit(&(struct stele_log_audit){
		.what = fetch->staging.is_deltas ? "ixfr" : "axfr",
		.zone = zone->name,
		.peer = peer,
		.key = round->remote->key,
		.has_from = fetch->has_serial,
		.from_serial = fetch->serial,
		.has_to = true,
		.to_serial = fetch->incoming.serial,
	});
}

static int apply(struct stele_commit *commit, struct stele_store_write *write,
		 struct stele_error *reterr)
{
	return refresh_apply((struct refresh_fetch *)commit, write, reterr);
}

static void committed(struct stele_commit *commit, int status, uint64_t generation,
		      const struct stele_error *err)
{
	struct refresh_fetch *fetch = (struct refresh_fetch *)commit;
	struct stele_refresh *refresh = fetch->refresh;
	struct stele_daemon *daemon = fetch->daemon;
	if (refresh == NULL || status == 0) {
		if (refresh != NULL) {
			refresh->zone->transfer_cnt++;
			stele_count(fetch->staging.is_deltas ? &daemon->counters.ixfr_in :
							       &daemon->counters.axfr_in);
			log_transfer(fetch, refresh);
		}
		if (status == 0)
			stele_daemon_store_changed(daemon, generation);
		/* Which may have ended this zone: a catalog that changed, say. */
		refresh = fetch->refresh;
		fetch->committing = false;
		if (refresh == NULL)
			refresh_fetch_free(fetch);
		else
			refresh_confirmed(refresh, true, fetch->incoming.has_expire,
					  fetch->incoming.expire);
		return;
	}
	fetch->committing = false;
	refresh->zone->transfer_failed_cnt++;
	stele_count(&daemon->counters.transfer_in_failed);
	const char *reason = fetch->fault[0] != '\0' ? fetch->fault : err->text;
	refresh->round->own_fault |= status == STELE_E_SYSTEM;
	if (fetch->staging.is_deltas && status != STELE_E_SYSTEM)
		ask_for_whole(refresh, reason);
	else
		refresh_candidate_failed(refresh, false, reason);
}

static void commit(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	struct refresh_fetch *fetch = round->fetch;
	/* The connection is not needed while the committer works. */
	stele_client_free(round->client);
	round->client = NULL;
	fetch->commit = (struct stele_commit){
		.apply = apply,
		.done = committed,
		.home = refresh->daemon->main,
		.large = fetch->incoming.told_sz > LARGE_SZ,
	};
	fetch->committing = true;
	/* Thousands of small zones share an fsync, if they need not wait for it by eights. */
	if (!fetch->commit.large && stele_committer_depth(refresh->daemon->committer) < COMMITS_MAX)
		stele_turn_leave(refresh->daemon->refreshes->turns, &round->turn);
	stele_committer_submit(refresh->daemon->committer, &fetch->commit);
}

static void transfer_failed(struct stele_refresh *refresh, enum stele_client_fault fault,
			    const char *reason)
{
	struct refresh_round *round = refresh->round;
	const struct refresh_fetch *fetch = round->fetch;
	const struct stele_incoming *incoming = &fetch->incoming;
	if (fault == STELE_CLIENT_CUT && fetch->on_old_connection && incoming->message_cnt == 0) {
		/* Who closes behind each answer has not refused this one. */
		fetch_again(refresh);
		return;
	}
	refresh->zone->transfer_failed_cnt++;
	stele_count(&refresh->daemon->counters.transfer_in_failed);
	bool refused = fault == STELE_CLIENT_CONTENT && incoming->fault == STELE_INCOMING_RCODE;
	if (refused && !round->plain &&
	    (incoming->rcode == STELE_RCODE_FORMERR || incoming->rcode == STELE_RCODE_NOTIMP)) {
		/* It may be that it does not know EDNS. */
		round->plain = true;
		fetch_again(refresh);
		return;
	}
	/* Whatever is wrong with an answer to IXFR, also that there is none, the zone as a whole may be
	 * had; but not from who cannot be reached or trusted, and not if it is too large already. */
	bool can_be_had =
		fault == STELE_CLIENT_CUT ||
		(fault == STELE_CLIENT_CONTENT && incoming->fault != STELE_INCOMING_TOO_LARGE);
	if (incoming->settings.ixfr && can_be_had)
		ask_for_whole(refresh, reason);
	else
		refresh_candidate_failed(refresh, fault == STELE_CLIENT_UNREACHABLE, reason);
}

/* ---- the transfer ---- */

int refresh_fetch_message(struct stele_refresh *refresh, const uint8_t *msg, size_t len,
			  struct stele_error *reterr)
{
	return stele_incoming_message(&refresh->round->fetch->incoming, msg, len, reterr);
}

void refresh_fetch_ended(struct stele_refresh *refresh, enum stele_client_fault fault,
			 const struct stele_error *err)
{
	struct refresh_round *round = refresh->round;
	const struct stele_incoming *incoming = &round->fetch->incoming;
	char text[96];
	if (fault != STELE_CLIENT_FINE) {
		transfer_failed(refresh, fault, err->text);
		return;
	}
	switch (incoming->kind) {
	case STELE_INCOMING_UP_TO_DATE:
		refresh_confirmed(refresh, false, incoming->has_expire, incoming->expire);
		break;
	case STELE_INCOMING_OLDER:
		snprintf(text, sizeof(text), "serial %" PRIu32 " is behind ours, %" PRIu32,
			 incoming->serial, incoming->settings.serial);
		refresh_candidate_failed(refresh, false, text);
		break;
	default:
		commit(refresh);
	}
}

static struct refresh_fetch *fetch_new(struct stele_refresh *refresh)
{
	const struct stele_managed_zone *zone = refresh->zone;
	/* Not calloc(): the room for a record's data is large. */
	struct refresh_fetch *fetch = malloc(sizeof(*fetch));
	if (fetch == NULL)
		return NULL;
	memset(fetch, 0, offsetof(struct refresh_fetch, incoming));
	fetch->daemon = refresh->daemon;
	fetch->refresh = refresh;
	fetch->began_ns = stele_clock_ns();
	memcpy(fetch->apex, zone->apex, zone->apex_len);
	fetch->apex_len = zone->apex_len;
	fetch->has_serial = zone->loaded;
	fetch->serial = zone->serial;
	fetch->zonemd = refresh->round->options->zonemd;
	return fetch;
}

void refresh_fetch(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	const struct stele_managed_zone *zone = refresh->zone;
	struct stele_error err;
	struct refresh_fetch *fetch = fetch_new(refresh);
	if (fetch == NULL) {
		refresh_candidate_not_asked(refresh, STELE_E_SYSTEM, "no memory for a transfer");
		return;
	}
	round->fetch = fetch;
	struct stele_incoming_settings incoming = {
		.apex = fetch->apex,
		.apex_len = fetch->apex_len,
		.ixfr = zone->loaded && !round->force && !round->axfr && round->options->ixfr_in,
		.only_newer = zone->loaded && !round->force,
		.serial = zone->serial,
		.id = refresh_message_id(refresh->daemon),
		.sz_max = round->options->transfer_max_sz,
		.sink = stele_staging_sink(&fetch->staging),
	};
	stele_incoming_begin(&fetch->incoming, &incoming);
	uint8_t msg[STELE_TRANSFER_QUERY_MAX];
	size_t len = stele_transfer_query(incoming.id, zone->apex, zone->apex_len,
					  incoming.ixfr ? STELE_TYPE_IXFR : STELE_TYPE_AXFR,
					  zone->serial, !round->plain, msg);
	fetch->on_old_connection = round->client != NULL;
	int status = 0;
	if (round->client == NULL) {
		struct stele_client_settings settings = refresh_client(
			refresh, round->remote->tls.enabled ? STELE_CLIENT_TLS : STELE_CLIENT_TCP);
		status = stele_client_new(stele_loop_base(refresh->daemon->main), &settings,
					  &round->client, &err);
	} else {
		stele_client_set_answer_max(round->client, round->options->transfer_max_ns);
	}
	if (status == 0)
		status = stele_client_ask(round->client, msg, len, &err);
	if (status < 0)
		refresh_candidate_not_asked(refresh, status, err.text);
}
