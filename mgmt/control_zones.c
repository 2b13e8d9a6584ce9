/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of zones, as JSON. */
#include "lib/image/format.h"
#include "lib/serving/words.h"
#include "mgmt/catalog/catalog.h"
#include "mgmt/control_internal.h"
#include "mgmt/notify/notify.h"

#include <stdlib.h>
#include <string.h>

/* Zones in one response: at most so many, and as many as leave room in a message. */
#define ZONES_MAX 256
#define ZONES_SZ_MAX ((size_t)STELE_CTL_MESSAGE_MAX * 3 / 4)

/* Of an error in a list; `zone` has all of it. */
#define LIST_ERROR_MAX 200

#define PROBLEMS_MAX 64

/* ---- one zone ---- */

static const char *role_of(const struct stele_managed_zone *zone)
{
	if (zone->options->catalog == STELE_CATALOG_PRODUCER)
		return "producer";
	if (zone->options->catalog == STELE_CATALOG_CONSUMER)
		return "catalog";
	return zone->options->has_primaries ? "secondary" : "primary";
}

static json_t *number_if(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *time_if(time_t at)
{
	return number_if(at != 0, (uint64_t)at);
}

static json_t *error_text(const struct stele_managed_zone *zone, size_t max)
{
	char text[LIST_ERROR_MAX + 4];
	if (zone->last_error == NULL)
		return json_null();
	if (strlen(zone->last_error) <= max)
		return stele_ctl_text(zone->last_error);
	snprintf(text, sizeof(text), "%.*s...", LIST_ERROR_MAX, zone->last_error);
	return stele_ctl_text(text);
}

static json_t *zone_json(const struct stele_managed_zone *zone,
			 const struct stele_mapped_image *image, size_t error_max)
{
	bool secondary = zone->options->has_primaries;
	const struct stele_zone *served =
		image != NULL ? stele_view_zone(&image->view, zone->apex, zone->apex_len) : NULL;
	json_t *json = json_pack(
		"{s:o, s:s, s:b, s:b, s:o, s:o, s:I, s:s, s:s}", "zone", stele_ctl_text(zone->name),
		"role", role_of(zone), "loaded", (int)zone->loaded, "expired", (int)zone->expired,
		"serial", number_if(zone->loaded, zone->serial), "served_serial",
		number_if(zone->served, zone->served_serial), "records", (json_int_t)zone->rr_cnt,
		"signed", stele_signed_word(served != NULL ? served->chain_kind : STELE_CHAIN_NONE),
		"template", zone->options->id);
	if (json == NULL)
		return NULL;
	if (secondary) {
		json_object_set_new(json, "primary_serial",
				    number_if(zone->primary_serial_known, zone->primary_serial));
		json_object_set_new(json, "refreshed_at", time_if(zone->refreshed_at));
		json_object_set_new(json, "next_refresh_at", time_if(zone->next_refresh_at));
		json_object_set_new(json, "expires_at", time_if(zone->expires_at));
	}
	if (zone->from_catalog) {
		char catalog[STELE_NAME_TEXT_MAX];
		stele_name_to_text(zone->catalog, catalog);
		json_object_set_new(json, "catalog", stele_ctl_text(catalog));
	}
	json_object_set_new(json, "last_error", error_text(zone, error_max));
	if (zone->last_error != NULL)
		json_object_set_new(json, "last_error_at", time_if(zone->last_error_at));
	return json;
}

int control_find_zone(struct stele_daemon *daemon, const char *text,
		      struct stele_managed_zone **ret_zone, struct stele_error *reterr)
{
	uint8_t apex[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), apex);
	if (len < 0)
		return stele_fail(reterr, STELE_E_USAGE, "'%s' is not a name", text);
	stele_name_lower(apex, apex, (size_t)len);
	struct stele_managed_zone *zone = stele_zones_find(daemon->zones, apex);
	if (zone == NULL)
		return stele_fail(reterr, STELE_E_NOTFOUND, "there is no zone %s", text);
	*ret_zone = zone;
	return 0;
}

/* ---- zones ---- */

/* The place of the first zone behind `name` in canonical order: that a zone comes or goes meanwhile
 * does not disturb a list that is read in parts. */
static int place_behind(const struct stele_daemon *daemon, const char *text, size_t *ret_place,
			struct stele_error *reterr)
{
	uint8_t name[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
	int len = stele_name_from_text(text, strlen(text), name);
	if (len < 0)
		return stele_fail(reterr, STELE_E_USAGE, "'after' is no name: '%s'", text);
	stele_name_lower(name, name, (size_t)len);
	size_t key_len = stele_sort_key(name, (size_t)len - 1, key);
	size_t low = 0, high = stele_zones_cnt(daemon->zones);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct stele_managed_zone *zone = stele_zones_at(daemon->zones, middle);
		uint8_t other[STELE_SORT_KEY_MAX];
		size_t other_len = stele_sort_key(zone->apex, zone->apex_len - 1u, other);
		if (stele_sort_key_compare(other, other_len, key, key_len) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_place = low;
	return 0;
}

static int list_zones(struct stele_daemon *daemon, size_t place, size_t limit, json_t *response)
{
	struct stele_mapped_image *image = stele_images_take(daemon->images);
	size_t cnt = stele_zones_cnt(daemon->zones), sz = 0, given = 0;
	json_t *zones = json_array();
	for (; place < cnt && given < limit && sz < ZONES_SZ_MAX; place++, given++) {
		json_t *json =
			zone_json(stele_zones_at(daemon->zones, place), image, LIST_ERROR_MAX);
		sz += json_dumpb(json, NULL, 0, JSON_COMPACT);
		json_array_append_new(zones, json);
	}
	stele_images_put(image);
	json_object_set_new(response, "store_generation",
			    json_integer((json_int_t)daemon->generation));
	json_object_set_new(response, "total", json_integer((json_int_t)cnt));
	json_object_set_new(response, "zones", zones);
	if (place < cnt && given > 0)
		json_object_set_new(response, "next",
				    stele_ctl_text(stele_zones_at(daemon->zones, place - 1)->name));
	return 0;
}

int control_zones(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	const char *after = NULL;
	json_int_t limit = ZONES_MAX;
	size_t place = 0;
	int status = stele_ctl_unpack(call, reterr, "s?s, s?I", "after", &after, "limit", &limit);
	if (status == 0 && limit < 1)
		status = stele_fail(reterr, STELE_E_USAGE, "'limit' has to be positive");
	if (status == 0 && after != NULL)
		status = place_behind(user, after, &place, reterr);
	if (status < 0)
		return status;
	return list_zones(user, place, limit < ZONES_MAX ? (size_t)limit : ZONES_MAX,
			  call->response);
}

/* ---- zone ---- */

static json_t *ids_json(const char *const *ids, size_t cnt)
{
	json_t *json = json_array();
	for (size_t i = 0; i < cnt; i++)
		json_array_append_new(json, stele_ctl_text(ids[i]));
	return json;
}

static void add_problem(void *user, const char *member, const char *reason)
{
	json_t *problems = user;
	if (json_array_size(problems) < PROBLEMS_MAX)
		json_array_append_new(problems,
				      json_pack("{s:o, s:o}", "member", stele_ctl_text(member),
						"reason", stele_ctl_text(reason)));
}

static void add_notified(void *user, const struct stele_notify_status *status)
{
	static const char *const states[] = {
		[STELE_NOTIFY_WAITING] = "waiting",
		[STELE_NOTIFY_ACKNOWLEDGED] = "acknowledged",
		[STELE_NOTIFY_FAILED] = "failed",
	};
	json_array_append_new(
		user,
		json_pack("{s:o, s:s, s:I, s:i, s:o, s:o}", "remote",
			  stele_ctl_text(status->remote), "state", states[status->state], "serial",
			  (json_int_t)status->serial, "tries", (int)status->try_cnt, "at",
			  time_if(status->at), "error",
			  status->error != NULL ? stele_ctl_text(status->error) : json_null()));
}

static void add_details(const struct stele_managed_zone *zone, json_t *json)
{
	const struct stele_template_config *options = zone->options;
	json_object_set_new(json, "configured", json_boolean(zone->configured));
	json_object_set_new(json, "generation", json_integer((json_int_t)zone->generation));
	json_object_set_new(json, "primaries",
			    ids_json(options->primaries.items, options->primaries.cnt));
	json_object_set_new(json, "notify", ids_json(options->notify.items, options->notify.cnt));
	json_t *notified = json_array();
	stele_notify_each(zone, add_notified, notified);
	json_object_set_new(json, "notified", notified);
	json_object_set_new(json, "transfers", json_integer((json_int_t)zone->transfer_cnt));
	json_object_set_new(json, "transfers_failed",
			    json_integer((json_int_t)zone->transfer_failed_cnt));
	json_object_set_new(json, "notifies", json_integer((json_int_t)zone->notify_in_cnt));
	json_object_set_new(json, "updates", json_integer((json_int_t)zone->update_cnt));
	json_object_set_new(json, "updates_failed",
			    json_integer((json_int_t)zone->update_failed_cnt));
	if (zone->loaded)
		json_object_set_new(json, "timers",
				    json_pack("{s:I, s:I, s:I}", "refresh",
					      (json_int_t)zone->soa.refresh, "retry",
					      (json_int_t)zone->soa.retry, "expire",
					      (json_int_t)zone->soa.expire));
	if (options->catalog == STELE_CATALOG_CONSUMER) {
		json_t *problems = json_array();
		stele_catalog_problems(zone, add_problem, problems);
		json_object_set_new(json, "problems", problems);
	}
}

int control_zone(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_daemon *daemon = user;
	struct stele_managed_zone *zone;
	const char *name;
	int status = stele_ctl_unpack(call, reterr, "s:s", "zone", &name);
	if (status == 0)
		status = control_find_zone(daemon, name, &zone, reterr);
	if (status != 0)
		return status;
	struct stele_mapped_image *image = stele_images_take(daemon->images);
	json_t *json = zone_json(zone, image, SIZE_MAX);
	stele_images_put(image);
	if (json == NULL || json_object_update(call->response, json) != 0)
		status = stele_fail(reterr, STELE_E_SYSTEM, "no memory for a response");
	else
		add_details(zone, call->response);
	json_decref(json);
	return status;
}
