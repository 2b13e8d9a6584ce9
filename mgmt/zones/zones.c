/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. Zones are found by a hash of their name or of their id; the canonical order, which
 * only people and lists want, is made when it is asked for.
 */
#include "mgmt/zones/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_MIN 64

/* ---- hashes ---- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	return x;
}

/* Names come from primaries' catalogs too: the seed is nobody's to know. */
static uint64_t hash_name(const struct stele_zones *zones, const uint8_t *name, size_t len)
{
	uint64_t hash = zones->seed;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ name[i]) * UINT64_C(0x100000001b3);
	return mix(hash);
}

static struct zone_entry **name_slot(const struct stele_zones *zones, uint64_t hash)
{
	return &zones->by_name[hash & (zones->slot_cnt - 1)];
}

static struct zone_entry **id_slot(const struct stele_zones *zones, uint32_t id)
{
	return &zones->by_id[mix(id) & (zones->slot_cnt - 1)];
}

static void link_id(struct stele_zones *zones, struct zone_entry *entry)
{
	struct zone_entry **slot = id_slot(zones, entry->zone.id);
	entry->next_id = *slot;
	*slot = entry;
}

static void unlink_id(struct stele_zones *zones, struct zone_entry *entry)
{
	struct zone_entry **at = id_slot(zones, entry->zone.id);
	while (*at != entry)
		at = &(*at)->next_id;
	*at = entry->next_id;
}

/* Twice the slots once there are as many zones. Under the lock. */
static int grow(struct stele_zones *zones, struct stele_error *reterr)
{
	size_t slot_cnt = zones->slot_cnt > 0 ? zones->slot_cnt * 2 : SLOTS_MIN;
	struct zone_entry **by_name = calloc(slot_cnt, sizeof(struct zone_entry *));
	struct zone_entry **by_id = calloc(slot_cnt, sizeof(struct zone_entry *));
	struct zone_entry **all =
		reallocarray(zones->all, 2 * slot_cnt, sizeof(struct zone_entry *));
	if (all != NULL)
		zones->all = all;
	if (by_name == NULL || by_id == NULL || all == NULL) {
		free(by_name);
		free(by_id);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for one more zone");
	}
	free(zones->by_name);
	free(zones->by_id);
	zones->by_name = by_name;
	zones->by_id = by_id;
	zones->slot_cnt = slot_cnt;
	for (size_t i = 0; i < zones->place_cnt; i++) {
		struct zone_entry *entry = all[i];
		if (entry == NULL)
			continue;
		struct zone_entry **slot = name_slot(zones, entry->hash);
		entry->next_name = *slot;
		*slot = entry;
		if (entry->zone.id != 0)
			link_id(zones, entry);
	}
	return 0;
}

struct zone_entry *zones_find(const struct stele_zones *zones, const uint8_t *apex)
{
	size_t len = stele_name_length(apex, STELE_NAME_MAX);
	struct zone_entry *entry = *name_slot(zones, hash_name(zones, apex, len));
	while (entry != NULL &&
	       (entry->zone.apex_len != len || memcmp(entry->zone.apex, apex, len) != 0))
		entry = entry->next_name;
	return entry;
}

/* ---- beginning and end ---- */

int stele_zones_new(struct stele_zones **ret_zones, struct stele_error *reterr)
{
	struct stele_zones *zones = calloc(1, sizeof(*zones));
	if (zones == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for zones");
	if (getrandom(&zones->seed, sizeof(zones->seed), 0) != sizeof(zones->seed))
		zones->seed = (uintptr_t)zones;
	zones->first_gap = SIZE_MAX;
	pthread_rwlock_init(&zones->lock, NULL);
	int status = grow(zones, reterr);
	if (status < 0)
		stele_zones_free(zones);
	else
		*ret_zones = zones;
	return status;
}

static void free_entry(struct zone_entry *entry)
{
	assert(entry->zone.refresh == NULL && entry->zone.notify_out == NULL &&
	       entry->zone.catalog_state == NULL);
	stele_mgmtd_config_release(entry->zone.config);
	free(entry->zone.name);
	free(entry->zone.last_error);
	free(entry->zone.catalog_group);
	free(entry);
}

void stele_zones_free(struct stele_zones *zones)
{
	if (zones == NULL)
		return;
	for (size_t i = 0; i < zones->place_cnt; i++)
		if (zones->all[i] != NULL)
			free_entry(zones->all[i]);
	pthread_rwlock_destroy(&zones->lock);
	free(zones->by_name);
	free(zones->by_id);
	free(zones->all);
	free(zones);
}

/* ---- the order ---- */

static int compare(const void *a, const void *b)
{
	const struct zone_entry *x = *(const struct zone_entry *const *)a;
	const struct zone_entry *y = *(const struct zone_entry *const *)b;
	return stele_sort_key_compare(x->key, x->key_len, y->key, y->key_len);
}

static void close_gaps(struct stele_zones *zones)
{
	size_t to = zones->first_gap;
	for (size_t i = to; i < zones->place_cnt; i++) {
		struct zone_entry *entry = zones->all[i];
		if (entry == NULL)
			continue;
		entry->place = to;
		zones->all[to++] = entry;
	}
	if (zones->first_gap < zones->place_cnt)
		zones->place_cnt = to;
	zones->first_gap = SIZE_MAX;
}

static void put_in_order(struct stele_zones *zones)
{
	close_gaps(zones);
	if (zones->in_order)
		return;
	qsort(zones->all, zones->cnt, sizeof(*zones->all), compare);
	for (size_t i = 0; i < zones->cnt; i++)
		zones->all[i]->place = i;
	zones->in_order = true;
}

static void put_last(struct stele_zones *zones, struct zone_entry *entry)
{
	/* There are as many gaps as zones at least. */
	if (zones->place_cnt == 2 * zones->slot_cnt)
		close_gaps(zones);
	entry->place = zones->place_cnt;
	zones->all[zones->place_cnt++] = entry;
	zones->cnt++;
	zones->in_order = false;
}

/* Costs the same wherever it stands: a catalog may have all its members go and come back. */
static void take_out(struct stele_zones *zones, struct zone_entry *entry)
{
	zones->all[entry->place] = NULL;
	if (entry->place < zones->first_gap)
		zones->first_gap = entry->place;
	zones->cnt--;
}

/* ---- the table ---- */

static struct zone_entry *make_entry(const struct stele_zones *zones, const uint8_t *apex)
{
	char text[STELE_NAME_TEXT_MAX];
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t len = stele_name_length(apex, STELE_NAME_MAX);
	size_t key_len = stele_sort_key(apex, len - 1, key);
	struct zone_entry *entry = calloc(1, sizeof(*entry) + key_len);
	if (entry == NULL)
		return NULL;
	memcpy(entry->zone.apex, apex, len);
	entry->zone.apex_len = (uint8_t)len;
	entry->hash = hash_name(zones, apex, len);
	memcpy(entry->key, key, key_len);
	entry->key_len = key_len;
	stele_name_to_text(apex, text);
	entry->zone.name = strdup(text);
	if (entry->zone.name == NULL) {
		free(entry);
		return NULL;
	}
	return entry;
}

int stele_zones_add(struct stele_zones *zones, const uint8_t *apex,
		    const struct stele_mgmtd_config *config,
		    const struct stele_template_config *options,
		    struct stele_managed_zone **ret_zone, struct stele_error *reterr)
{
	if (zones_find(zones, apex) != NULL) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(apex, text);
		return stele_fail(reterr, STELE_E_USAGE, "zone %s is there already", text);
	}
	struct zone_entry *entry = make_entry(zones, apex);
	if (entry == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for one more zone");
	entry->zone.options = options;
	entry->zone.config = config;
	stele_mgmtd_config_hold(config);

	int status = 0;
	zones->version++;
	pthread_rwlock_wrlock(&zones->lock);
	if (zones->cnt == zones->slot_cnt)
		status = grow(zones, reterr);
	if (status == 0) {
		struct zone_entry **slot = name_slot(zones, entry->hash);
		entry->next_name = *slot;
		*slot = entry;
		put_last(zones, entry);
	}
	pthread_rwlock_unlock(&zones->lock);
	if (status < 0)
		free_entry(entry);
	else
		*ret_zone = &entry->zone;
	return status;
}

/* A zone is the first member of its entry. */
static struct zone_entry *entry_of(struct stele_managed_zone *zone)
{
	return (struct zone_entry *)zone;
}

void stele_zones_remove(struct stele_zones *zones, struct stele_managed_zone *zone)
{
	struct zone_entry *entry = entry_of(zone);
	zones->version++;
	pthread_rwlock_wrlock(&zones->lock);
	struct zone_entry **at = name_slot(zones, entry->hash);
	while (*at != entry)
		at = &(*at)->next_name;
	*at = entry->next_name;
	if (zone->id != 0)
		unlink_id(zones, entry);
	pthread_rwlock_unlock(&zones->lock);
	take_out(zones, entry);
	free_entry(entry);
}

void stele_zones_set_options(struct stele_zones *zones, struct stele_managed_zone *zone,
			     const struct stele_mgmtd_config *config,
			     const struct stele_template_config *options)
{
	const struct stele_mgmtd_config *old = zone->config;
	stele_mgmtd_config_hold(config);
	zones->version++;
	pthread_rwlock_wrlock(&zones->lock);
	zone->config = config;
	zone->options = options;
	pthread_rwlock_unlock(&zones->lock);
	stele_mgmtd_config_release(old);
}

struct stele_managed_zone *stele_zones_find(const struct stele_zones *zones, const uint8_t *apex)
{
	struct zone_entry *entry = zones_find(zones, apex);
	return entry != NULL ? &entry->zone : NULL;
}

uint64_t stele_zones_version(const struct stele_zones *zones)
{
	return zones->version + 1;
}

size_t stele_zones_cnt(const struct stele_zones *zones)
{
	return zones->cnt;
}

struct stele_managed_zone *stele_zones_at(const struct stele_zones *zones, size_t index)
{
	/* Nobody but the main loop looks at this order. Gaps behind are left: who goes from the end to the
	 * beginning and removes some does not have them closed for each. */
	if (!zones->in_order || index >= zones->first_gap)
		put_in_order((struct stele_zones *)zones);
	return &zones->all[index]->zone;
}

void stele_zones_set_id(struct stele_zones *zones, struct stele_managed_zone *zone, uint32_t id)
{
	if (zone->id == id)
		return;
	if (zone->id != 0)
		unlink_id(zones, entry_of(zone));
	zone->id = id;
	if (id != 0)
		link_id(zones, entry_of(zone));
}

struct stele_managed_zone *stele_zones_by_id(const struct stele_zones *zones, uint32_t id)
{
	struct zone_entry *entry = *id_slot(zones, id);
	while (entry != NULL && entry->zone.id != id)
		entry = entry->next_id;
	return entry != NULL ? &entry->zone : NULL;
}

void stele_zone_set_error(struct stele_managed_zone *zone, const char *format, ...)
{
	va_list args;
	free(zone->last_error);
	zone->last_error = NULL;
	if (format == NULL)
		return;
	va_start(args, format);
	/* Without memory the time alone tells that there was one. */
	if (vasprintf(&zone->last_error, format, args) < 0)
		zone->last_error = NULL;
	va_end(args);
	zone->last_error_at = time(NULL);
}
