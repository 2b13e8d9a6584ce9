/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a commit to what zones know of themselves, and on to what is served. A zone with a change
 * that is not served yet stands in a list, so that neither end walks over all zones.
 */
#include "lib/base/bytes.h"
#include "lib/daemon/log.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "mgmt/catalog/catalog.h"
#include "mgmt/control.h"
#include "mgmt/daemon.h"
#include "mgmt/internal.h"
#include "mgmt/notify/notify.h"
#include "mgmt/transfer/refresh.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the store says of a zone ---- */

/* The SOA's timers, if it has one that can be read. */
static void read_timers(struct stele_store_read *read, uint32_t id, struct stele_soa_timers *timers)
{
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset soa;
	if (stele_store_node(read, id, NULL, 0, &node, &node_sz, NULL) < 0 ||
	    !stele_node_find(node, node_sz, STELE_TYPE_SOA, &soa) || soa.rr_cnt == 0)
		return;
	const uint8_t *at = soa.data;
	struct stele_node_rr rr = stele_node_rr_next(&at);
	if (rr.rdata_len < 20)
		return;
	/* Behind two names and the serial. */
	const uint8_t *values = rr.rdata + rr.rdata_len - 16;
	*timers = (struct stele_soa_timers){
		.refresh = stele_get_be32(values),
		.retry = stele_get_be32(values + 4),
		.expire = stele_get_be32(values + 8),
		.minimum = stele_get_be32(values + 12),
	};
}

static void put_unserved(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	if (zone->unserved)
		return;
	zone->unserved = true;
	zone->next_unserved = daemon->unserved;
	zone->unserved_link = &daemon->unserved;
	if (zone->next_unserved != NULL)
		zone->next_unserved->unserved_link = &zone->next_unserved;
	daemon->unserved = zone;
}

void stele_daemon_forget_unserved(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	(void)daemon;
	if (!zone->unserved)
		return;
	*zone->unserved_link = zone->next_unserved;
	if (zone->next_unserved != NULL)
		zone->next_unserved->unserved_link = zone->unserved_link;
	zone->unserved = false;
}

static void learn(struct stele_daemon *daemon, struct stele_store_read *read,
		  struct stele_managed_zone *zone, const struct stele_zone_info *info)
{
	bool was_loaded = zone->loaded, was_expired = zone->expired;
	uint32_t old_serial = zone->serial;
	uint64_t old_generation = zone->generation;
	stele_zones_set_id(daemon->zones, zone, info->id);
	zone->loaded = (info->flags & STELE_STORE_ZONE_STUB) == 0;
	zone->expired = (info->flags & STELE_STORE_ZONE_EXPIRED) != 0;
	zone->transferred = (info->flags & STELE_STORE_ZONE_TRANSFERRED) != 0;
	zone->serial = info->serial;
	zone->generation = info->generation;
	zone->rr_cnt = zone->loaded ? info->rr_cnt : 0; /* a stub's are made up */
	if (zone->loaded)
		read_timers(read, info->id, &zone->soa);
	else
		zone->expires_at = 0; /* what comes has its own time */
	put_unserved(daemon, zone);
	bool newer = zone->loaded && (!was_loaded || old_serial != zone->serial);
	if (zone->loaded && !zone->expired && (newer || was_expired))
		zone->notify_due = true;
	/* Under the same serial too: an operator may have had it fetched or imported so. */
	if (zone->loaded && (newer || old_generation != zone->generation) &&
	    zone->options->catalog == STELE_CATALOG_CONSUMER)
		zone->catalog_due = daemon->catalogs_due = true;
	/* It may be somebody else's change. */
	if (zone->options->catalog == STELE_CATALOG_PRODUCER)
		daemon->catalogs_version = 0;
	if (zone->loaded != was_loaded || (was_expired && !zone->expired))
		stele_refresh_data_changed(daemon, zone);
	if (zone->loaded && zone->expired != was_expired && zone->options->has_primaries)
		stele_zone_states_note(daemon->states, zone);
	/* It lost its primaries while we were not there, or while a flag was being written. */
	stele_daemon_make_ours(daemon, zone);
}

/* It is not in the store any more. */
static void unlearn(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	stele_zones_set_id(daemon->zones, zone, 0);
	zone->loaded = false;
	zone->expires_at = 0;
	zone->rr_cnt = 0;
	zone->notify_due = zone->notify_failed = false;
	put_unserved(daemon, zone);
	/* A zone that nobody has named was there for its data alone. */
	if (!zone->configured && !zone->from_catalog) {
		stele_daemon_zone_remove(daemon, zone, false);
		daemon->stray_left = true;
		return;
	}
	stele_daemon_work(daemon, STELE_WORK_STUB, zone->apex);
	stele_refresh_data_changed(daemon, zone);
}

/* ---- what changed ---- */

struct ids {
	uint32_t *items;
	size_t cnt, cap;
};

static int collect(void *user, const struct stele_change *change)
{
	struct ids *ids = user;
	/* Owners of one zone come one after another. */
	if (ids->cnt > 0 && ids->items[ids->cnt - 1] == change->zone_id)
		return 0;
	if (ids->cnt == ids->cap) {
		size_t cap = ids->cap > 0 ? ids->cap * 2 : 64;
		uint32_t *items = reallocarray(ids->items, cap, sizeof(*items));
		if (items == NULL)
			return STELE_E_SYSTEM;
		ids->items = items;
		ids->cap = cap;
	}
	ids->items[ids->cnt++] = change->zone_id;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Sorted, each once. */
static void tidy(struct ids *ids)
{
	size_t cnt = 0;
	if (ids->cnt > 1)
		qsort(ids->items, ids->cnt, sizeof(*ids->items), compare_ids);
	for (size_t i = 0; i < ids->cnt; i++)
		if (cnt == 0 || ids->items[cnt - 1] != ids->items[i])
			ids->items[cnt++] = ids->items[i];
	ids->cnt = cnt;
}

static bool has_id(const struct ids *ids, uint32_t id)
{
	return bsearch(&id, ids->items, ids->cnt, sizeof(id), compare_ids) != NULL;
}

/* A zone of the store that the table has by name only, or not at all. */
static int meet(struct stele_daemon *daemon, struct stele_store_read *read,
		const struct stele_zone_info *info, struct stele_error *reterr)
{
	struct stele_managed_zone *zone = stele_zones_find(daemon->zones, info->apex);
	if (zone == NULL && (info->flags & STELE_STORE_ZONE_STUB) != 0) {
		/* It has left the configuration before it ever had data. */
		stele_daemon_work(daemon, STELE_WORK_REMOVE, info->apex);
		return 0;
	}
	if (zone == NULL) {
		int status = stele_zones_add(daemon->zones, info->apex, daemon->config,
					     daemon->config->stray_template, &zone, reterr);
		if (status < 0)
			return status;
	}
	learn(daemon, read, zone, info);
	return 0;
}

/* Zones with ids that nobody knows, or (no ids) all of the store. */
static int meet_all(struct stele_daemon *daemon, struct stele_store_read *read,
		    const struct ids *ids, struct stele_error *reterr)
{
	struct stele_zone_info *infos;
	size_t cnt;
	int status = stele_store_zones(read, &infos, &cnt, reterr);
	if (status < 0)
		return status;
	for (size_t i = 0; i < cnt && status == 0; i++) {
		const struct stele_managed_zone *known =
			stele_zones_by_id(daemon->zones, infos[i].id);
		bool wanted = ids != NULL ?
				      known == NULL && has_id(ids, infos[i].id) :
				      known == NULL || known->generation != infos[i].generation;
		if (wanted)
			status = meet(daemon, read, &infos[i], reterr);
	}
	free(infos);
	return status;
}

/* After everything changed, or so much that nobody knows what: those that went. */
static void part(struct stele_daemon *daemon, struct stele_store_read *read)
{
	for (size_t i = stele_zones_cnt(daemon->zones); i-- > 0;) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		struct stele_zone_info info;
		if (zone->id != 0 &&
		    (stele_store_zone_find(read, zone->apex, &info, NULL) == STELE_E_NOTFOUND))
			unlearn(daemon, zone);
	}
}

static int learn_changed(struct stele_daemon *daemon, struct stele_store_read *read,
			 const struct ids *ids, struct stele_error *reterr)
{
	bool strangers = false;
	for (size_t i = 0; i < ids->cnt; i++) {
		struct stele_managed_zone *zone = stele_zones_by_id(daemon->zones, ids->items[i]);
		struct stele_zone_info info;
		if (zone == NULL) {
			strangers = true;
			continue;
		}
		int status = stele_store_zone_find(read, zone->apex, &info, reterr);
		if (status == STELE_E_NOTFOUND)
			unlearn(daemon, zone);
		else if (status < 0)
			return status;
		else
			/* Under another id if it went and came. */
			learn(daemon, read, zone, &info);
	}
	return strangers ? meet_all(daemon, read, ids, reterr) : 0;
}

static int catch_up(struct stele_daemon *daemon, struct stele_store_read *read,
		    struct stele_error *reterr)
{
	struct ids ids = {0};
	int status = daemon->generation == 0 ?
			     STELE_E_STALE :
			     stele_store_changes(read, daemon->generation, collect, &ids, reterr);
	tidy(&ids);
	if (status == 0) {
		status = learn_changed(daemon, read, &ids, reterr);
	} else if (status == STELE_E_STALE) {
		status = meet_all(daemon, read, NULL, reterr);
		if (status == 0)
			part(daemon, read);
	}
	free(ids.items);
	return status;
}

/* Reading one adds and removes others, so there is no place in the table to go on from. */
static struct stele_managed_zone *next_catalog(struct stele_daemon *daemon)
{
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (zone->catalog_due)
			return zone;
	}
	return NULL;
}

/* More than that beyond those that are due can only be catalogs that hand a member to and fro; they wait for the next
 * change. */
#define CATALOGS_MORE 64

void stele_daemon_read_catalogs(struct stele_daemon *daemon)
{
	size_t max = CATALOGS_MORE;
	for (size_t i = 0; daemon->catalogs_due && i < stele_zones_cnt(daemon->zones); i++)
		max += stele_zones_at(daemon->zones, i)->catalog_due;
	for (size_t i = 0; daemon->catalogs_due && i < max; i++) {
		struct stele_error err;
		struct stele_managed_zone *zone = next_catalog(daemon);
		daemon->catalogs_due = zone != NULL;
		if (zone == NULL)
			break;
		zone->catalog_due = zone->catalog_failed = false;
		int status = stele_catalog_changed(daemon, zone, &err);
		if (status == 0)
			continue;
		stele_zone_set_error(zone, "%s", err.text);
		stele_log_some(STELE_LOG_ERROR, "catalog-failed", STELE_LOG_ZONE(zone->name),
			       STELE_LOG_REASON(err.text));
		/* It may be long until it changes again: the tick comes back to it. */
		if (status == STELE_E_SYSTEM)
			zone->catalog_failed = daemon->catalogs_failed = true;
	}
}

void stele_daemon_catalogs_again(struct stele_daemon *daemon)
{
	if (!daemon->catalogs_failed)
		return;
	daemon->catalogs_failed = false;
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		/* It may be none any more. */
		if (zone->catalog_failed && zone->options->catalog == STELE_CATALOG_CONSUMER)
			zone->catalog_due = daemon->catalogs_due = true;
		zone->catalog_failed = false;
	}
	stele_daemon_read_catalogs(daemon);
}

void stele_daemon_write_catalogs(struct stele_daemon *daemon)
{
	struct stele_error err;
	/* The tick comes back to it. */
	if (stele_catalog_produce(daemon, &err) < 0)
		stele_log_some(STELE_LOG_ERROR, "catalog-failed", STELE_LOG_REASON(err.text));
}

void stele_daemon_store_changed(struct stele_daemon *daemon, uint64_t generation)
{
	struct stele_store_read *read;
	struct stele_error err;
	/* At the end, when zones have ended already, it is for the next start: a catalog would add zones, and one that
	 * is made would be committed to nobody. */
	if (!daemon->awake || (generation <= daemon->generation && daemon->generation != 0))
		return;
	int status = stele_store_read_begin(daemon->store, &read, &err);
	if (status == 0) {
		uint64_t now = stele_store_generation(read);
		status = catch_up(daemon, read, &err);
		stele_store_read_end(read);
		if (status == 0)
			daemon->generation = now;
	}
	if (status < 0) {
		/* The tick comes back to it. */
		stele_log_some(STELE_LOG_ERROR, "store-failed", STELE_LOG_REASON(err.text));
		return;
	}
	if (daemon->publisher != NULL && !daemon->holds)
		stele_publisher_want(daemon->publisher, daemon->generation);
	if (daemon->stray_left)
		stele_catalog_look_again(daemon);
	daemon->stray_left = false;
	stele_daemon_read_catalogs(daemon);
	stele_daemon_write_catalogs(daemon);
}

void stele_daemon_release(struct stele_daemon *daemon)
{
	if (!daemon->holds || !daemon->awake)
		return;
	daemon->holds = false;
	stele_publisher_want(daemon->publisher, daemon->generation);
}

/* ---- served ---- */

static void tell_secondaries(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	struct stele_error err;
	zone->notify_failed = false;
	if (zone->options->notify_remotes.cnt == 0)
		return;
	int status = stele_notify_out(daemon, zone, &err);
	if (status == 0)
		return;
	stele_log_some(STELE_LOG_ERROR, "notify-failed", STELE_LOG_ZONE(zone->name),
		       STELE_LOG_REASON(err.text));
	if (status != STELE_E_SYSTEM)
		return;
	/* It may be long until something else of the zone is served: the tick comes back to it. */
	zone->notify_failed = daemon->notifies_failed = true;
	put_unserved(daemon, zone);
}

void stele_daemon_notify_again(struct stele_daemon *daemon)
{
	if (!daemon->notifies_failed)
		return;
	daemon->notifies_failed = false;
	for (struct stele_managed_zone *zone = daemon->unserved; zone != NULL;
	     zone = zone->next_unserved)
		if (zone->notify_failed)
			tell_secondaries(daemon, zone);
}

static void learn_served(const struct stele_mapped_image *image, struct stele_managed_zone *zone)
{
	const struct stele_zone *served = stele_view_zone(&image->view, zone->apex, zone->apex_len);
	zone->served = served != NULL && (served->flags & STELE_ZONE_EXPIRED) == 0;
	if (zone->served)
		zone->served_serial = stele_le32(served->serial);
}

void stele_daemon_served(void *user, const struct stele_mapped_image *image)
{
	struct stele_daemon *daemon = user;
	uint64_t generation = image->generation;
	/* The compiler looks into the store later than we did, and may have seen what others have stored meanwhile:
	 * once that is compiled, nothing else would come back to it. */
	if (generation > daemon->generation)
		stele_daemon_store_changed(daemon, generation);
	struct stele_managed_zone *zone = daemon->unserved;
	daemon->unserved = NULL;
	while (zone != NULL) {
		struct stele_managed_zone *next = zone->next_unserved;
		zone->unserved = false;
		learn_served(image, zone);
		bool due = zone->notify_due;
		zone->notify_due = false;
		/* One that changes all the time is told of whenever something new of it is served. */
		if (due || zone->notify_failed)
			tell_secondaries(daemon, zone);
		if (zone->generation > generation) {
			/* Who was told now finds a serial before the last one, and has to be told again. */
			zone->notify_due = due;
			put_unserved(daemon, zone);
		}
		zone = next;
	}
	stele_daemon_control_look(daemon);
}
