/* SPDX-License-Identifier: Apache-2.0 */
/* Zones come and go: as the configuration says, and what is remembered of catalogs. */
#include "lib/daemon/log.h"
#include "mgmt/catalog/catalog.h"
#include "mgmt/daemon.h"
#include "mgmt/internal.h"
#include "mgmt/notify/notify.h"
#include "mgmt/transfer/refresh.h"

#include <stdlib.h>
#include <string.h>

/* ---- one zone ---- */

static void begin_refresh(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	struct stele_error err;
	if (!zone->options->has_primaries || !daemon->awake)
		return;
	if (stele_refresh_begin(daemon, zone, &err) < 0) {
		stele_zone_set_error(zone, "%s", err.text);
		stele_log_event(STELE_LOG_ERROR, "refresh-failed", STELE_LOG_ZONE(zone->name),
				STELE_LOG_REASON(err.text));
	}
}

void stele_daemon_begin_refreshes(struct stele_daemon *daemon)
{
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (zone->id == 0)
			stele_daemon_work(daemon, STELE_WORK_STUB, zone->apex);
		begin_refresh(daemon, zone);
	}
}

int stele_daemon_zone_add(struct stele_daemon *daemon, const uint8_t *apex,
			  const struct stele_mgmtd_config *config,
			  const struct stele_template_config *options,
			  struct stele_managed_zone **ret_zone, struct stele_error *reterr)
{
	struct stele_managed_zone *zone;
	int status = stele_zones_add(daemon->zones, apex, config, options, &zone, reterr);
	if (status < 0)
		return status;
	if (options->has_primaries) {
		status = stele_zone_states_recall(daemon->states, zone, reterr);
		if (status < 0) {
			stele_zones_remove(daemon->zones, zone);
			return status;
		}
		/* That there is something remembered of it says that its data can come again. */
		stele_zone_states_note(daemon->states, zone);
	} else if (daemon->awake) {
		/* It may have gone a moment ago, with its data still to be removed. restore() sees to the rest. */
		stele_zone_states_forget(daemon->states, apex);
	}
	/* At start the store has not been looked into, and not all parts are there. */
	if (daemon->awake) {
		stele_daemon_work(daemon, STELE_WORK_STUB, apex);
		stele_log_audit(&(struct stele_log_audit){.what = "add-zone", .zone = zone->name});
	}
	begin_refresh(daemon, zone);
	*ret_zone = zone;
	return 0;
}

void stele_daemon_zone_remove(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			      bool with_data)
{
	stele_refresh_end(daemon, zone);
	stele_notify_out_end(daemon, zone);
	if (zone->options->catalog == STELE_CATALOG_CONSUMER)
		stele_catalog_end(daemon, zone);
	/* Of one that was made here, perhaps with other options. */
	stele_catalog_free(zone);
	stele_daemon_forget_unserved(daemon, zone);
	/* With data it is forgotten once that is gone: if we die before, the next start finds what is
	 * remembered of it and knows that it is not ours. */
	if (with_data)
		stele_daemon_work(daemon, STELE_WORK_REMOVE, zone->apex);
	else
		stele_zone_states_forget(daemon->states, zone->apex);
	stele_zones_remove(daemon->zones, zone);
}

void stele_daemon_make_ours(struct stele_daemon *daemon, const struct stele_managed_zone *zone)
{
	bool ours = !zone->options->has_primaries && (zone->configured || zone->from_catalog);
	if (ours && zone->loaded && (zone->expired || zone->transferred))
		stele_daemon_work(daemon, STELE_WORK_OURS, zone->apex);
}

/* From primaries to ours, or the other way, or to other primaries. `old` is still held. */
static void change_source(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			  const struct stele_template_config *old)
{
	const struct stele_template_config *now = zone->options;
	if (old->has_primaries && !now->has_primaries) {
		if (!zone->from_catalog)
			stele_zone_states_forget(daemon->states, zone->apex);
		zone->refreshed_at = zone->next_refresh_at = 0;
		zone->expires_at = 0;
		zone->primary_serial_known = false;
		stele_daemon_make_ours(daemon, zone);
	} else if (!old->has_primaries && now->has_primaries) {
		stele_zone_states_note(daemon->states, zone);
		begin_refresh(daemon, zone);
	} else if (now->has_primaries && !stele_mgmtd_same_primaries(old, now) && daemon->awake) {
		stele_refresh_now(daemon, zone, NULL, false);
	}
}

void stele_daemon_zone_set_options(struct stele_daemon *daemon, struct stele_managed_zone *zone,
				   const struct stele_mgmtd_config *config,
				   const struct stele_template_config *options)
{
	const struct stele_template_config *old = zone->options;
	const struct stele_mgmtd_config *old_config = zone->config;
	if (old == options)
		return;
	stele_mgmtd_config_hold(old_config);
	if (old->has_primaries && !options->has_primaries)
		stele_refresh_end(daemon, zone);
	if (old->catalog == STELE_CATALOG_CONSUMER && options->catalog != STELE_CATALOG_CONSUMER)
		stele_catalog_end(daemon, zone);
	stele_zones_set_options(daemon->zones, zone, config, options);
	change_source(daemon, zone, old);
	/* Templates of groups may be others now. */
	if (options->catalog == STELE_CATALOG_CONSUMER && zone->loaded)
		zone->catalog_due = daemon->catalogs_due = true;
	stele_mgmtd_config_release(old_config);
}

/* ---- all that are configured ---- */

/* The configuration goes before a catalog: one that is none any more does not take along what is configured now. */
static void claim(struct stele_daemon *daemon, const struct stele_zone_config *configured)
{
	struct stele_managed_zone *zone = stele_zones_find(daemon->zones, configured->apex);
	if (zone == NULL || !zone->from_catalog)
		return;
	zone->from_catalog = false;
	if (configured->options->has_primaries)
		stele_zone_states_note(daemon->states, zone);
	else
		stele_zone_states_forget(daemon->states, zone->apex);
}

static int want(struct stele_daemon *daemon, const struct stele_zone_config *configured,
		struct stele_error *reterr)
{
	struct stele_managed_zone *zone = stele_zones_find(daemon->zones, configured->apex);
	int status = 0;
	if (zone == NULL)
		status = stele_daemon_zone_add(daemon, configured->apex, daemon->config,
					       configured->options, &zone, reterr);
	else
		stele_daemon_zone_set_options(daemon, zone, daemon->config, configured->options);
	if (status < 0)
		return status;
	if (!zone->configured) {
		/* What was in the store alone may have expired when it was a secondary's. */
		zone->configured = true;
		stele_daemon_make_ours(daemon, zone);
	}
	zone->wanted = true;
	return 0;
}

/* ---- members of catalogs ---- */

/* The catalog's options, if it still is one. */
static const struct stele_template_config *catalog_options(const struct stele_daemon *daemon,
							   const uint8_t *apex)
{
	const struct stele_managed_zone *catalog = stele_zones_find(daemon->zones, apex);
	return catalog != NULL && catalog->configured &&
			       catalog->options->catalog == STELE_CATALOG_CONSUMER ?
		       catalog->options :
		       NULL;
}

struct restoring {
	struct stele_daemon *daemon;
	struct stele_error *reterr;
};

/* What is remembered from before the start, beyond what is configured. */
static int restore(void *user, const uint8_t *apex, const uint8_t *catalog, const uint8_t *unique,
		   const char *group)
{
	struct restoring *restoring = user;
	struct stele_daemon *daemon = restoring->daemon;
	struct stele_managed_zone *zone = stele_zones_find(daemon->zones, apex);
	const struct stele_template_config *options =
		catalog != NULL ? catalog_options(daemon, catalog) : NULL;
	if (zone != NULL) {
		/* What came from primaries is ours now, and stays when it leaves the configuration. */
		if (!zone->options->has_primaries)
			stele_zone_states_forget(daemon->states, apex);
		return 0;
	}
	if (options == NULL) {
		/* It came from primaries, or a catalog, and was taken out while we were not there. Forgotten when it is
		 * removed. */
		stele_daemon_work(daemon, STELE_WORK_REMOVE, apex);
		return 0;
	}
	int status = stele_daemon_zone_add(daemon, apex, daemon->config,
					   stele_mgmtd_member_options(options, group), &zone,
					   restoring->reterr);
	if (status < 0)
		return status;
	zone->wanted = true;
	zone->from_catalog = true;
	memcpy(zone->catalog, catalog, stele_name_length(catalog, STELE_NAME_MAX));
	memcpy(zone->catalog_unique, unique, stele_name_length(unique, STELE_NAME_MAX));
	zone->catalog_group = group != NULL ? strdup(group) : NULL;
	stele_zone_states_note(daemon->states, zone);
	return 0;
}

/* After a reload. */
static void keep_members(struct stele_daemon *daemon)
{
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		const struct stele_template_config *options =
			zone->from_catalog ? catalog_options(daemon, zone->catalog) : NULL;
		if (options == NULL)
			continue;
		zone->wanted = true;
		stele_daemon_zone_set_options(daemon, zone, daemon->config,
					      stele_mgmtd_member_options(options,
									 zone->catalog_group));
	}
}

/* ---- what is left ---- */

static void let_go(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	bool came = zone->options->has_primaries || zone->from_catalog;
	bool was_configured = zone->configured;
	if (came || (was_configured && !zone->loaded)) {
		stele_log_event(STELE_LOG_NOTICE, "zone-left", STELE_LOG_ZONE(zone->name),
				STELE_LOG_TEXT("data", zone->loaded ? "removed" : NULL));
		stele_daemon_zone_remove(daemon, zone, true);
		return;
	}
	zone->configured = false;
	stele_daemon_zone_set_options(daemon, zone, daemon->config, daemon->config->stray_template);
	if (was_configured)
		stele_log_event(STELE_LOG_WARNING, "zone-left", STELE_LOG_ZONE(zone->name),
				STELE_LOG_TEXT("data", "kept and served: it is ours"));
}

int stele_daemon_sync_zones(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config = daemon->config;
	struct restoring restoring = {daemon, reterr};
	int status = 0;
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++)
		stele_zones_at(daemon->zones, i)->wanted = false;
	for (size_t i = 0; i < config->zones.cnt; i++)
		claim(daemon, &config->zones.items[i]);
	for (size_t i = 0; i < config->zones.cnt && status == 0; i++)
		status = want(daemon, &config->zones.items[i], reterr);
	if (status == 0 && !daemon->awake)
		status = stele_zone_states_each(daemon->states, restore, &restoring, reterr);
	if (status < 0)
		return status;
	if (daemon->awake)
		keep_members(daemon);
	for (size_t i = stele_zones_cnt(daemon->zones); i-- > 0;) {
		/* A catalog that goes takes its members with it. */
		if (i >= stele_zones_cnt(daemon->zones))
			continue;
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (!zone->wanted)
			let_go(daemon, zone);
	}
	if (!daemon->awake)
		return 0;
	stele_catalog_look_again(daemon);
	stele_daemon_read_catalogs(daemon);
	stele_daemon_write_catalogs(daemon);
	return 0;
}
