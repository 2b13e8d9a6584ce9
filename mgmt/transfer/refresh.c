/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/refresh_internal.h"

#include "mgmt/transfer/timers.h"

#include <stdlib.h>
#include <time.h>

/* Nothing sleeps longer than this, so that a clock that was set right is seen. */
#define SLEEP_MAX_S 3600
/* Between a round and the one that a NOTIFY asked for meanwhile. */
#define AGAIN_US 5000

/* ---- the clock ---- */

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

/* ---- timers ---- */

/* Clocks go wrong and are set right, and rows are lost: what is due lies no further ahead than it can. */
static void keep_in_bounds(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	time_t wait =
		stele_timers_retry(&zone->soa, zone->options, zone->loaded, zone->retry_cnt, 0);
	if (zone->loaded) {
		time_t expire = (time_t)stele_timers_expire(&zone->soa, zone->options);
		if (zone->expires_at == 0 || zone->expires_at > now + expire) {
			refresh_give_expire(refresh);
			zone->next_refresh_at = now;
		}
		time_t longer = stele_timers_refresh(&zone->soa, zone->options, zone->expire_s, 0);
		wait = longer > wait ? longer : wait;
	}
	if (zone->next_refresh_at > now + wait)
		zone->next_refresh_at = now + wait;
}

void refresh_arm(struct stele_refresh *refresh)
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

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct stele_refresh *refresh = user;
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	if (refresh->round == NULL)
		keep_in_bounds(refresh);
	if (refresh->round == NULL && (refresh->again || zone->next_refresh_at <= now)) {
		/* Which ends with the flag and the timer, or is under way. */
		refresh_round_begin(refresh);
		if (refresh->round == NULL)
			return;
	}
	refresh_settle(refresh);
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

/* What is remembered, as far as it can be true. */
static void recall(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	/* That nothing is remembered of what has expired does not make it good. */
	if (zone->loaded && zone->expired && zone->expires_at == 0)
		zone->expires_at = zone->next_refresh_at = now;
	if (!zone->loaded)
		zone->next_refresh_at = now;
	keep_in_bounds(refresh);
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
	refresh_arm(refresh);
	return 0;
}

void stele_refresh_end(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	struct stele_refresh *refresh = zone->refresh;
	if (refresh == NULL)
		return;
	refresh_round_free(refresh);
	refresh_flag_forget(refresh);
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
		refresh_arm(refresh);
}

void stele_refresh_ask(struct stele_daemon *daemon, struct stele_managed_zone *zone, bool force)
{
	if (zone->refresh == NULL)
		return;
	zone->refresh->again_all = true;
	stele_refresh_now(daemon, zone, NULL, force);
}

void stele_refresh_data_changed(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	struct stele_refresh *refresh = zone->refresh;
	if (refresh == NULL)
		return;
	if (zone->loaded) {
		/* It is good because a primary has said so. */
		if (zone->expires_at > refresh_clock(daemon))
			return;
		/* Until when what had expired was good says nothing of what took its place. */
		if (!zone->expired)
			zone->expires_at = 0;
		/* What a round has fetched it sees to itself, and to all else as it ends. */
		if (refresh->round != NULL)
			return;
	}
	recall(refresh);
	stele_refresh_now(daemon, zone, NULL, false);
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
			refresh_arm(zone->refresh);
	}
}
