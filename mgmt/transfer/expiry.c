/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/refresh_internal.h"

#include "lib/daemon/log.h"
#include "mgmt/transfer/timers.h"

#include <stdlib.h>
#include <string.h>

void refresh_prolong(struct stele_refresh *refresh, bool sent, bool has_expire, uint32_t expire)
{
	struct stele_managed_zone *zone = refresh->zone;
	time_t now = refresh_clock(refresh->daemon);
	zone->refreshed_at = now;
	zone->expires_at =
		stele_timers_expiry(now, stele_timers_expire(&zone->soa, refresh->round->options),
				    has_expire, expire, sent, zone->expires_at);
	zone->expire_s = (uint32_t)(zone->expires_at - now);
}

void refresh_give_expire(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	zone->expire_s = stele_timers_expire(&zone->soa, zone->options);
	zone->expires_at = refresh_clock(refresh->daemon) + (time_t)zone->expire_s;
	stele_zone_states_note(refresh->daemon->states, zone);
}

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

static void flag_done(struct stele_commit *commit, int status, uint64_t generation,
		      const struct stele_error *err)
{
	struct refresh_flag *flag = (struct refresh_flag *)commit;
	struct stele_refresh *refresh = flag->refresh;
	struct stele_daemon *daemon = flag->daemon;
	if (refresh != NULL)
		refresh->flag = NULL;
	if (status < 0) {
		if (refresh == NULL || !refresh->flag_failed)
			stele_log_some(STELE_LOG_ERROR, "zone-flag-failed",
				       STELE_LOG_ZONE(refresh != NULL ? refresh->zone->name : NULL),
				       STELE_LOG_REASON(err->text));
		if (refresh != NULL) {
			struct timeval wait = {1, 0};
			refresh->flag_failed = true;
			event_add(refresh->timer, &wait);
		}
	} else {
		if (refresh != NULL) {
			refresh->zone->expired = flag->expired;
			refresh->flag_failed = false;
		}
		stele_daemon_store_changed(daemon, generation);
		/* Things may have changed while it was written; or the zone is gone by now. */
		if (flag->refresh != NULL)
			refresh_settle(flag->refresh);
	}
	free(flag);
}

static void tell(const struct stele_refresh *refresh, bool expired)
{
	const struct stele_managed_zone *zone = refresh->zone;
	if (expired)
		stele_count(&refresh->daemon->counters.zones_expired);
	stele_log_event(expired ? STELE_LOG_WARNING : STELE_LOG_NOTICE,
			expired ? "zone-expired" : "zone-good-again", STELE_LOG_ZONE(zone->name),
			STELE_LOG_SERIAL(zone->serial), STELE_LOG_REASON(zone->last_error));
}

void refresh_settle(struct stele_refresh *refresh)
{
	struct stele_managed_zone *zone = refresh->zone;
	/* It was imported during the round that ends. */
	if (zone->loaded && zone->expires_at == 0)
		refresh_give_expire(refresh);
	bool expired = zone->expires_at <= refresh_clock(refresh->daemon);
	if (!zone->loaded || zone->expired == expired)
		refresh->flag_failed = false;
	if (!zone->loaded || zone->expired == expired || refresh->flag != NULL) {
		refresh_arm(refresh);
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
	if (!refresh->flag_failed)
		tell(refresh, expired);
	stele_committer_submit(refresh->daemon->committer, &flag->commit);
	refresh_arm(refresh);
}

void refresh_flag_forget(struct stele_refresh *refresh)
{
	if (refresh->flag != NULL)
		refresh->flag->refresh = NULL;
	refresh->flag = NULL;
}
