/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/refresh_internal.h"

#include "lib/daemon/log.h"
#include "mgmt/transfer/timers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Nothing sleeps longer than this, so that a clock that was set right is seen. */
#define SLEEP_MAX_S 3600
/* Between a round and the one that a NOTIFY asked for meanwhile. */
#define AGAIN_US 5000

/* ---- small things ---- */

time_t refresh_clock(const struct stele_daemon *daemon)
{
	return time(NULL) + (daemon->refreshes != NULL ? daemon->refreshes->clock_shift : 0);
}

static time_t turns_clock(void *user)
{
	return refresh_clock(user);
}

/* xorshift64: only spreads timers. */
uint32_t refresh_random(struct stele_daemon *daemon)
{
	uint64_t x = daemon->refreshes->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	daemon->refreshes->random = x;
	return (uint32_t)(x >> 32);
}

const char *refresh_peer(const struct refresh_round *round, char text[STELE_ADDRESS_TEXT_MAX])
{
	return stele_address_to_text(round->address, round->remote->connect_port, text);
}

static int on_message(void *user, uint8_t *msg, size_t len, struct stele_error *reterr)
{
	struct stele_refresh *refresh = user;
	return refresh->round->fetch != NULL ? refresh_fetch_message(refresh, msg, len, reterr) :
					       refresh_probe_message(refresh, msg, len, reterr);
}

static void on_ended(void *user, enum stele_client_fault fault, const struct stele_error *err)
{
	struct stele_refresh *refresh = user;
	if (refresh->round->fetch != NULL)
		refresh_fetch_ended(refresh, fault, err);
	else
		refresh_probe_ended(refresh, fault, err);
}

struct stele_client_settings refresh_client(struct stele_refresh *refresh,
					    enum stele_client_transport transport)
{
	const struct refresh_round *round = refresh->round;
	return (struct stele_client_settings){
		.transport = transport,
		.address = round->address,
		.port = round->remote->connect_port,
		.source = &round->remote->source,
		.key = round->key,
		.tls = &round->remote->tls,
		.contexts = refresh->daemon->refreshes->tls,
		.answer_max_ns = round->options->transfer_max_ns,
		.message = on_message,
		.ended = on_ended,
		.user = refresh,
	};
}

/* ---- timers ---- */

/* Sleeps until the next thing is due: a round, or the end of the zone. */
static void arm(struct stele_refresh *refresh)
{
	const struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon), at = now + SLEEP_MAX_S;
	if (refresh->round == NULL && zone->next_refresh_at < at)
		at = zone->next_refresh_at;
	if (zone->loaded && !zone->expired && refresh->flag == NULL && zone->expires_at < at)
		at = zone->expires_at;
	struct timeval wait = {at > now ? at - now : 0, 0};
	if (refresh->round == NULL && refresh->again)
		wait = (struct timeval){0, AGAIN_US};
	event_add(refresh->timer, &wait);
}

static void set_expiry(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire)
{
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	zone->refreshed_at = now;
	zone->expires_at =
		stele_timers_expiry(now, stele_timers_expire(&zone->soa, refresh->round->options),
				    has_expire, expire, sent, zone->expires_at);
	zone->expire_s = (uint32_t)(zone->expires_at - now);
}

/* ---- expired, and no longer ---- */

/* The commit of the zone's flag; outlives the zone. */
struct refresh_flag {
	struct stele_commit commit;
	struct stele_daemon *daemon;
	struct stele_refresh *refresh; /* NULL: gone meanwhile */
	bool expired;
	uint8_t apex[STELE_NAME_MAX];
};

static int apply_flag(struct stele_commit *commit, struct stele_store_write *write,
		      struct stele_error *reterr)
{
	struct refresh_flag *flag = (struct refresh_flag *)commit;
	return stele_store_zone_set_expired(write, flag->apex, flag->expired, reterr);
}

static void settle_flag(struct stele_refresh *refresh);

static void flag_done(struct stele_commit *commit, int status, uint64_t generation,
		      const struct stele_error *err)
{
	struct refresh_flag *flag = (struct refresh_flag *)commit;
	struct stele_refresh *refresh = flag->refresh;
	struct stele_daemon *daemon = flag->daemon;
	if (refresh != NULL)
		refresh->flag = NULL;
	if (status < 0) {
		/* arm() comes back to it. */
		stele_log_event(STELE_LOG_ERROR, "zone-flag-failed",
				STELE_LOG_ZONE(refresh != NULL ? refresh->zone->name : NULL),
				STELE_LOG_REASON(err->text));
		if (refresh != NULL) {
			struct timeval wait = {1, 0};
			event_add(refresh->timer, &wait);
		}
	} else {
		if (refresh != NULL)
			refresh->zone->expired = flag->expired;
		stele_daemon_store_changed(daemon, generation);
		/* Things may have changed while it was written; or the zone is gone by now. */
		if (flag->refresh != NULL)
			settle_flag(flag->refresh);
	}
	free(flag);
}

/* Makes the store say whether the zone is good. */
static void settle_flag(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	bool expired = zone->expires_at <= refresh_clock(refresh->daemon);
	if (!zone->loaded || zone->expired == expired || refresh->flag != NULL) {
		arm(refresh);
		return;
	}
	struct refresh_flag *flag = calloc(1, sizeof(*flag));
	if (flag == NULL) {
		struct timeval wait = {1, 0};
		event_add(refresh->timer, &wait);
		return;
	}
	flag->commit = (struct stele_commit){
		.apply = apply_flag, .done = flag_done, .home = refresh->daemon->main};
	flag->daemon = refresh->daemon;
	flag->refresh = refresh;
	flag->expired = expired;
	memcpy(flag->apex, zone->apex, zone->apex_len);
	refresh->flag = flag;
	if (expired)
		stele_count(&refresh->daemon->counters.zones_expired);
	stele_log_event(expired ? STELE_LOG_WARNING : STELE_LOG_NOTICE,
			expired ? "zone-expired" : "zone-good-again", STELE_LOG_ZONE(zone->name),
			STELE_LOG_SERIAL(zone->serial), STELE_LOG_REASON(zone->last_error));
	stele_committer_submit(refresh->daemon->committer, &flag->commit);
	arm(refresh);
}

/* ---- rounds ---- */

static void round_free(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	if (round == NULL)
		return;
	refresh->round = NULL;
	stele_turn_leave(refresh->daemon->refreshes->turns, &round->turn);
	stele_client_free(round->client);
	refresh_fetch_free(round->fetch);
	stele_tsig_keys_unref(round->keys);
	stele_mgmtd_config_release(round->config);
	free(round);
}

static void end_round(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	round_free(refresh);
	stele_zone_states_note(refresh->daemon->states, zone);
	settle_flag(refresh);
}

void refresh_confirmed(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire)
{
	struct stele_managed_zone *zone = refresh->zone;
	struct refresh_round *round = refresh->round;
	stele_turns_answered(refresh->daemon->refreshes->turns, round->address,
			     round->remote->connect_port);
	set_expiry(refresh, sent, has_expire, expire);
	zone->primary_serial_known = true;
	zone->primary_serial = zone->serial;
	zone->retry_cnt = 0;
	stele_zone_set_error(zone, NULL);
	zone->next_refresh_at = zone->refreshed_at +
				stele_timers_refresh(&zone->soa, round->options, zone->expire_s,
						     refresh_random(refresh->daemon));
	end_round(refresh);
}

static void round_failed(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	struct refresh_round *round = refresh->round;
	zone->retry_cnt++;
	zone->next_refresh_at = refresh_clock(refresh->daemon) +
				stele_timers_retry(&zone->soa, round->options, zone->loaded,
						   zone->retry_cnt,
						   refresh_random(refresh->daemon));
	/* Of a zone that stays as it is there is nothing new to say each time. */
	stele_log_event(round->told && (zone->retry_cnt & (zone->retry_cnt - 1)) == 0 ?
				STELE_LOG_WARNING :
				STELE_LOG_DEBUG,
			"refresh-failed", STELE_LOG_ZONE(zone->name),
			STELE_LOG_NUMBER("failures", zone->retry_cnt),
			STELE_LOG_REASON(zone->last_error));
	end_round(refresh);
}

static void turn_ready(struct stele_turn *turn);

/* Waits for a turn at the next candidate that can be asked. */
static void next_candidate(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	struct refresh_round *round = refresh->round;
	struct stele_turns *turns = refresh->daemon->refreshes->turns;
	char peer[STELE_ADDRESS_TEXT_MAX];
	for (; round->candidate < round->candidate_cnt; round->candidate++) {
		struct stele_error err;
		const struct refresh_candidate *c = &round->candidates[round->candidate];
		round->remote = round->options->primary_remotes.items[c->remote];
		round->address = &round->remote->addresses.items[c->address];
		round->probe_stream = round->plain = round->axfr = false;
		round->key = NULL;
		if (round->remote->key != NULL) {
			round->key = stele_tsig_keys_find_text(round->keys, round->remote->key);
			if (round->key == NULL) {
				stele_zone_set_error(zone, "%s: there is no key %s",
						     refresh_peer(round, peer), round->remote->key);
				round->told = true;
				continue;
			}
		}
		const char *back =
			stele_turns_stands_back(turns, round->address, round->remote->connect_port);
		if (back != NULL) {
			stele_zone_set_error(zone, "%s: left alone for now: %s",
					     refresh_peer(round, peer), back);
			continue;
		}
		bool fetch = !zone->loaded || round->force || round->remote->tls.enabled;
		round->turn.ready = turn_ready;
		if (stele_turn_wait(turns, &round->turn,
				    fetch ? STELE_TURN_TRANSFER : STELE_TURN_PROBE, round->address,
				    round->remote->connect_port, &err) == 0)
			return;
		stele_zone_set_error(zone, "%s", err.text);
	}
	round_failed(refresh);
}

static void turn_ready(struct stele_turn *turn)
{
	struct refresh_round *round =
		(struct refresh_round *)((char *)turn - offsetof(struct refresh_round, turn));
	struct stele_refresh *refresh = round->refresh;
	/* Another zone may have found out while this one waited. */
	const char *back = stele_turns_stands_back(refresh->daemon->refreshes->turns,
						   round->address, round->remote->connect_port);
	if (back != NULL) {
		stele_turn_leave(refresh->daemon->refreshes->turns, turn);
		next_candidate(refresh);
	} else if (turn->kind == STELE_TURN_PROBE ||
		   (refresh->zone->loaded && !round->force && round->remote->tls.enabled)) {
		refresh_probe(refresh);
	} else {
		refresh_fetch(refresh);
	}
}

void refresh_wait_transfer(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	struct stele_error err;
	if (stele_turn_wait(refresh->daemon->refreshes->turns, &round->turn, STELE_TURN_TRANSFER,
			    round->address, round->remote->connect_port, &err) < 0)
		refresh_candidate_failed(refresh, false, err.text);
}

void refresh_candidate_failed(struct stele_refresh *refresh, bool unreachable, const char *reason)
{
	struct refresh_round *round = refresh->round;
	struct stele_turns *turns = refresh->daemon->refreshes->turns;
	char peer[STELE_ADDRESS_TEXT_MAX];
	stele_zone_set_error(refresh->zone, "%s: %s", refresh_peer(round, peer), reason);
	round->told = true;
	if (unreachable)
		stele_turns_failed(turns, round->address, round->remote->connect_port, reason);
	else
		stele_turns_answered(turns, round->address, round->remote->connect_port);
	stele_client_free(round->client);
	round->client = NULL;
	refresh_fetch_free(round->fetch);
	round->fetch = NULL;
	stele_turn_leave(turns, &round->turn);
	round->candidate++;
	next_candidate(refresh);
}

/* All addresses of the primaries in their order; who told us of news comes first. */
static void list_candidates(const struct stele_refresh *refresh, struct refresh_round *round)
{
	for (size_t i = 0; i < round->options->primary_remotes.cnt; i++) {
		const struct stele_remote_config *remote = round->options->primary_remotes.items[i];
		for (size_t j = 0; j < remote->addresses.cnt; j++) {
			struct refresh_candidate c = {(uint16_t)i, (uint16_t)j};
			struct refresh_candidate *at = &round->candidates[round->candidate_cnt++];
			if (refresh->has_from &&
			    stele_address_equal(&remote->addresses.items[j], &refresh->from)) {
				memmove(round->candidates + 1, round->candidates,
					(size_t)(at - round->candidates) * sizeof(c));
				at = round->candidates;
				/* It is there: no need to wait until it is asked again. */
				stele_turns_answered(refresh->daemon->refreshes->turns,
						     &refresh->from, remote->connect_port);
			}
			*at = c;
		}
	}
}

static void begin_round(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	size_t cnt = 0;
	for (size_t i = 0; i < zone->options->primary_remotes.cnt; i++)
		cnt += zone->options->primary_remotes.items[i]->addresses.cnt;
	struct refresh_round *round =
		calloc(1, sizeof(*round) + cnt * sizeof(struct refresh_candidate));
	if (round == NULL) {
		stele_zone_set_error(zone, "no memory to ask a primary");
		zone->next_refresh_at = refresh_clock(refresh->daemon) + 1;
		arm(refresh);
		return;
	}
	stele_mgmtd_config_hold(zone->config);
	round->refresh = refresh;
	round->config = zone->config;
	round->options = zone->options;
	round->keys = stele_tsig_keys_ref(refresh->daemon->keys);
	round->force = refresh->again_force;
	refresh->round = round;
	list_candidates(refresh, round);
	refresh->again = refresh->again_force = refresh->has_from = false;
	next_candidate(refresh);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct stele_refresh *refresh = user;
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	if (refresh->round == NULL && (refresh->again || zone->next_refresh_at <= now)) {
		begin_round(refresh); /* which ends with the flag and the timer, or is under way */
		if (refresh->round == NULL)
			return;
	}
	settle_flag(refresh);
}

/* ---- from outside ---- */

static int make_refreshes(struct stele_daemon *daemon, struct stele_error *reterr)
{
	struct stele_refreshes *refreshes = calloc(1, sizeof(*refreshes));
	if (refreshes == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for secondaries");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	refreshes->random = (uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec ^ 1;
	refreshes->tls = stele_tls_contexts_new();
	if (refreshes->tls == NULL || stele_turns_new(stele_loop_base(daemon->main), turns_clock,
						      daemon, &refreshes->turns, NULL) < 0) {
		stele_tls_contexts_free(refreshes->tls);
		free(refreshes);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for secondaries");
	}
	daemon->refreshes = refreshes;
	return 0;
}

static void free_refreshes(struct stele_daemon *daemon)
{
	stele_turns_free(daemon->refreshes->turns);
	stele_tls_contexts_free(daemon->refreshes->tls);
	free(daemon->refreshes);
	daemon->refreshes = NULL;
}

/* What is remembered, brought into bounds: clocks go wrong, and rows are lost. */
static void recall(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	if (!zone->loaded) {
		zone->next_refresh_at = now;
		return;
	}
	/* Nobody knows since when it is here: an import, say. It has what its SOA gives it. */
	uint32_t expire = stele_timers_expire(&zone->soa, zone->options);
	if (zone->expires_at == 0 || zone->expires_at > now + (time_t)expire) {
		zone->expires_at = now + (time_t)expire;
		zone->expire_s = expire;
		zone->next_refresh_at = now;
	}
	time_t latest = now + stele_timers_refresh(&zone->soa, zone->options, zone->expire_s, 0);
	if (zone->next_refresh_at > latest)
		zone->next_refresh_at = latest;
}

int stele_refresh_begin(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			struct stele_error *reterr)
{
	if (zone->refresh != NULL)
		return 0;
	if (daemon->refreshes == NULL) {
		int status = make_refreshes(daemon, reterr);
		if (status < 0)
			return status;
	}
	struct stele_refresh *refresh = calloc(1, sizeof(*refresh));
	if (refresh != NULL)
		refresh->timer = evtimer_new(stele_loop_base(daemon->main), on_timer, refresh);
	if (refresh == NULL || refresh->timer == NULL) {
		free(refresh);
		if (daemon->refreshes->zone_cnt == 0)
			free_refreshes(daemon);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the secondary of %s",
				  zone->name);
	}
	refresh->daemon = daemon;
	refresh->zone = zone;
	zone->refresh = refresh;
	daemon->refreshes->zone_cnt++;
	recall(refresh);
	arm(refresh);
	return 0;
}

void stele_refresh_end(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	struct stele_refresh *refresh = zone->refresh;
	if (refresh == NULL)
		return;
	round_free(refresh);
	if (refresh->flag != NULL)
		refresh->flag->refresh = NULL;
	event_free(refresh->timer);
	free(refresh);
	zone->refresh = NULL;
	if (--daemon->refreshes->zone_cnt == 0)
		free_refreshes(daemon);
}

void stele_refresh_now(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		       const struct stele_config_address *from, bool force)
{
	(void)daemon;
	struct stele_refresh *refresh = zone->refresh;
	if (refresh == NULL)
		return;
	bool known = refresh->again;
	refresh->again = true;
	refresh->again_force |= force;
	if (from != NULL) {
		refresh->has_from = true;
		refresh->from = *from;
	}
	/* Not again with each of a storm, or it would be put off for as long as that lasts. */
	if (refresh->round == NULL && !known)
		arm(refresh);
}

void stele_refresh_counts(const struct stele_daemon *daemon,
			  struct stele_refresh_counts *ret_counts)
{
	*ret_counts = (struct stele_refresh_counts){0};
	if (daemon->refreshes == NULL)
		return;
	struct stele_turns_counts counts;
	stele_turns_counts(daemon->refreshes->turns, &counts);
	ret_counts->probes = counts.had[STELE_TURN_PROBE];
	ret_counts->probes_waiting = counts.waiting[STELE_TURN_PROBE];
	ret_counts->transfers = counts.had[STELE_TURN_TRANSFER];
	ret_counts->transfers_waiting = counts.waiting[STELE_TURN_TRANSFER];
}

void stele_refresh_shift_clock(struct stele_daemon *daemon, time_t seconds)
{
	if (daemon->refreshes == NULL)
		return;
	daemon->refreshes->clock_shift += seconds;
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (zone->refresh != NULL)
			arm(zone->refresh);
	}
}
