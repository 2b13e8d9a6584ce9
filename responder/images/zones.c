/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones of the images that are served, and the rows they are counted in. Workers get the map of the next
 * image before they see it, and keep that of the one before until they have left it, so that no
 * reply is counted without its zone.
 */
#include "responder/images/internal.h"
#include "lib/daemon/log.h"

#include <stdlib.h>
#include <string.h>

static void free_zone_set(struct images_zone_set *set)
{
	if (!set)
		return;
	stele_stats_zone_map_free(set->map);
	free(set->zones);
	free(set->slots);
	free(set);
}

void images_free_zones(struct stele_images *images)
{
	free_zone_set(images->zones);
	free_zone_set(images->retired);
}

struct gathering {
	struct images_zone_set *set;
	size_t room;
	uint64_t generation;
};

static int gather(void *user, const struct stele_serve_zone *zone)
{
	struct gathering *g = user;
	struct stele_stats_zone *entry;

	if (g->set->cnt == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		void *grown = realloc(g->set->zones, room * sizeof(*g->set->zones));
		if (!grown)
			return STELE_E_SYSTEM;
		g->set->zones = grown;
		g->room = room;
	}
	entry = &g->set->zones[g->set->cnt++];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->name, zone->apex, zone->apex_len);
	entry->name_len = zone->apex_len;
	entry->serial = zone->serial;
	entry->zone_id = zone->zone_id;
	entry->generation = g->generation;
	return 0;
}

/* Of the images that `next` are, with the ones before for as long as those are served. */
static int make_zone_set(struct stele_images *images, struct stele_serve_next *const *next,
			 struct images_zone_set **ret_set, struct stele_error *reterr)
{
	struct gathering g = {.set = calloc(1, sizeof(*g.set))};
	int rc;

	if (!g.set)
		goto no_memory;
	g.generation = stele_serve_next_view(next[0])->generation;
	if (stele_serve_view_zones(stele_serve_next_view(next[0]), gather, &g) != 0)
		goto no_memory;
	g.set->slots = calloc(g.set->cnt + 1, sizeof(*g.set->slots));
	if (!g.set->slots)
		goto no_memory;
	rc = stele_stats_zones_assign(images->stats, g.set->zones, g.set->cnt, g.set->slots,
				      reterr);
	if (!rc)
		rc = stele_stats_zone_map_new(g.set->zones, g.set->slots, g.set->cnt, &g.set->map,
					      reterr);
	if (rc) {
		free_zone_set(g.set);
		return rc;
	}
	for (unsigned i = 0; i < images->node_cnt; i++) {
		g.set->nodes[i].view_serial = stele_serve_next_view(next[i])->serial;
		g.set->nodes[i].map = g.set->map;
		g.set->nodes[i].before = images->zones ? &images->zones->nodes[i] : NULL;
	}
	*ret_set = g.set;
	return 0;
no_memory:
	free_zone_set(g.set);
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the zones of an image");
}

void images_give_zones(struct stele_images *images, struct stele_serve_next *const *next)
{
	const struct stele_worker_zones *old;
	struct stele_error error;
	struct images_zone_set *set = NULL;

	if (make_zone_set(images, next, &set, &error) != 0) {
		stele_log(STELE_LOG_WARNING, "zones are not counted one by one: %s", error.text);
		return;
	}
	for (unsigned i = 0; i < images->worker_cnt; i++) {
		struct stele_worker *worker = images->workers[i];
		unsigned node = images_node_index(images, stele_worker_node(worker));
		stele_worker_set_zones(worker, &set->nodes[node], &old);
	}
	pthread_mutex_lock(&images->lock);
	images->retired = images->zones;
	images->zones = set;
	pthread_mutex_unlock(&images->lock);
}

void images_settle_zones(struct stele_images *images)
{
	struct images_zone_set *set = images->zones;

	for (unsigned i = 0; set && i < images->node_cnt; i++)
		__atomic_store_n(&set->nodes[i].before, NULL, __ATOMIC_RELEASE);
	free_zone_set(images->retired);
	images->retired = NULL;
	if (set)
		stele_stats_zones_settle(images->stats, set->zones, set->slots, set->cnt);
}

/* With the lock. The zones are there before their image is published: no worker serves that yet. */
static bool is_at(const struct stele_images *images, const struct stele_worker *worker)
{
	unsigned node = images_node_index(images, stele_worker_node(worker));

	return images->zones &&
	       images->zones->nodes[node].view_serial == stele_worker_view_serial(worker);
}

bool stele_images_served_by(struct stele_images *images, const struct stele_worker *worker)
{
	pthread_mutex_lock(&images->lock);
	bool there = is_at(images, worker);
	pthread_mutex_unlock(&images->lock);
	return there;
}

bool stele_images_serial(struct stele_images *images, const uint8_t *apex, size_t apex_len,
			 uint32_t *ret_serial, unsigned *ret_worker_cnt)
{
	unsigned worker_cnt = 0;
	bool found = false;

	pthread_mutex_lock(&images->lock);
	const struct images_zone_set *set = images->zones;
	for (size_t i = 0; set && i < set->cnt && !found; i++) {
		const struct stele_stats_zone *zone = &set->zones[i];
		found = zone->name_len == apex_len && memcmp(zone->name, apex, apex_len) == 0;
		if (found)
			*ret_serial = zone->serial;
	}
	for (unsigned i = 0; found && i < images->worker_cnt; i++)
		worker_cnt += is_at(images, images->workers[i]);
	pthread_mutex_unlock(&images->lock);
	if (found)
		*ret_worker_cnt = worker_cnt;
	return found;
}
