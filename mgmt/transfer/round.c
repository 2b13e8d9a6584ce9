/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/refresh_internal.h"

#include "lib/daemon/log.h"
#include "mgmt/transfer/timers.h"

#include <stdlib.h>
#include <string.h>

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

void refresh_round_free(struct stele_refresh *refresh)
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
	refresh_round_free(refresh);
	stele_zone_states_note(refresh->daemon->states, zone);
	refresh_settle(refresh);
}

void refresh_confirmed(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire)
{
	struct stele_managed_zone *zone = refresh->zone;
	struct refresh_round *round = refresh->round;
	stele_turns_answered(refresh->daemon->refreshes->turns, round->address,
			     round->remote->connect_port);
	refresh_prolong(refresh, sent, has_expire, expire);
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
	uint32_t random = refresh_random(refresh->daemon);
	zone->retry_cnt++;
	uint32_t wait = stele_timers_retry(&zone->soa, round->options, zone->loaded,
					   zone->retry_cnt, random);
	/* The zone's time is for primaries. */
	if (round->own_fault) {
		uint32_t soon = stele_timers_retry(&zone->soa, round->options, false,
						   zone->retry_cnt, random);
		wait = soon < wait ? soon : wait;
	}
	zone->next_refresh_at = refresh_clock(refresh->daemon) + wait;
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

static void leave_candidate(struct stele_refresh *refresh, const char *reason)
{
	struct refresh_round *round = refresh->round;
	char peer[STELE_ADDRESS_TEXT_MAX];
	stele_zone_set_error(refresh->zone, "%s: %s", refresh_peer(round, peer), reason);
	round->told = true;
	stele_client_free(round->client);
	round->client = NULL;
	refresh_fetch_free(round->fetch);
	round->fetch = NULL;
	stele_turn_leave(refresh->daemon->refreshes->turns, &round->turn);
	round->candidate++;
	next_candidate(refresh);
}

void refresh_candidate_failed(struct stele_refresh *refresh, bool unreachable, const char *reason)
{
	const struct refresh_round *round = refresh->round;
	struct stele_turns *turns = refresh->daemon->refreshes->turns;
	if (unreachable)
		stele_turns_failed(turns, round->address, round->remote->connect_port, reason);
	else
		stele_turns_answered(turns, round->address, round->remote->connect_port);
	leave_candidate(refresh, reason);
}

void refresh_candidate_not_asked(struct stele_refresh *refresh, int status, const char *reason)
{
	if (status == STELE_E_NOTFOUND) {
		refresh_candidate_failed(refresh, true, reason);
		return;
	}
	refresh->round->own_fault = true;
	leave_candidate(refresh, reason);
}

/* All addresses of the primaries in their order; who told us of news comes first. */
static void list_candidates(const struct stele_refresh *refresh, struct refresh_round *round)
{
	struct stele_turns *turns = refresh->daemon->refreshes->turns;
	for (size_t i = 0; i < round->options->primary_remotes.cnt; i++) {
		const struct stele_remote_config *remote = round->options->primary_remotes.items[i];
		for (size_t j = 0; j < remote->addresses.cnt; j++) {
			struct refresh_candidate c = {(uint16_t)i, (uint16_t)j};
			struct refresh_candidate *at = &round->candidates[round->candidate_cnt++];
			bool told =
				refresh->has_from &&
				stele_address_equal(&remote->addresses.items[j], &refresh->from);
			if (told) {
				memmove(round->candidates + 1, round->candidates,
					(size_t)(at - round->candidates) * sizeof(c));
				at = round->candidates;
			}
			*at = c;
			/* It is there: no need to wait until it is asked again. */
			if (told || refresh->again_all)
				stele_turns_answered(turns, &remote->addresses.items[j],
						     remote->connect_port);
		}
	}
}

void refresh_round_begin(struct stele_refresh *refresh)
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
		refresh_arm(refresh);
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
	refresh->again = refresh->again_force = refresh->has_from = refresh->again_all = false;
	next_candidate(refresh);
}
