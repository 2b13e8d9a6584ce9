/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/internal.h"

#include "lib/dns/name.h"
#include "lib/serving/words.h"

#include <stdlib.h>
#include <string.h>

/* Zones in one response. A name of 255 bytes takes up to 1020 as text, so that the worst of these
 * still fit into a message. */
#define ZONES_MAX 128

static json_t *zone_json(const struct stele_responder *responder,
			 const struct stele_serve_zone *zone, uint64_t generation)
{
	char name[STELE_NAME_TEXT_MAX];

	stele_name_to_text(zone->apex, name);
	return json_pack("{s:o, s:I, s:I, s:I, s:s, s:b, s:I, s:i, s:i}", "zone",
			 stele_ctl_text(name), "serial", (json_int_t)zone->serial, "names",
			 (json_int_t)zone->name_cnt, "records", (json_int_t)zone->rr_cnt, "signed",
			 stele_signed_word(zone->chain_kind), "expired", zone->expired,
			 "generation", (json_int_t)generation, "cores",
			 (int)operations_core_cnt(responder), "core_cnt",
			 (int)responder->worker_cnt);
}

/* ---- zones ---- */

struct listing {
	struct stele_responder *responder;
	json_int_t after, limit;
	json_int_t at;
	uint64_t generation;
	json_t *zones;
};

static void *make_listing(struct stele_responder *responder, struct stele_ctl_call *call,
			  struct stele_error *reterr)
{
	json_int_t after = 0, limit = ZONES_MAX;

	if (stele_ctl_unpack(call, reterr, "s?I, s?I", "after", &after, "limit", &limit) != 0)
		return NULL;
	if (after < 0 || limit < 1) {
		stele_fail(reterr, STELE_E_USAGE, "'after' and 'limit' have to be positive");
		return NULL;
	}
	struct listing *listing = calloc(1, sizeof(*listing));
	if (!listing) {
		stele_fail(reterr, STELE_E_SYSTEM, "no memory");
		return NULL;
	}
	listing->responder = responder;
	listing->after = after;
	listing->limit = limit < ZONES_MAX ? limit : ZONES_MAX;
	return listing;
}

/* The order is that of the image, so a place in it is good as long as the image is. */
static int list_zone(void *user, const struct stele_serve_zone *zone)
{
	struct listing *listing = user;
	json_int_t at = listing->at++;

	if (at < listing->after)
		return 0;
	if (at >= listing->after + listing->limit)
		return 1;
	return json_array_append_new(listing->zones, zone_json(listing->responder, zone,
							       listing->generation)) == 0 ?
		       0 :
		       STELE_E_SYSTEM;
}

static int run_listing(void *arg, json_t *response, struct stele_error *reterr)
{
	struct listing *listing = arg;
	struct stele_serve_status status;
	int rc;

	stele_images_status(listing->responder->images, &status);
	listing->generation = status.current.generation;
	listing->zones = json_array();
	rc = stele_serve_zones(stele_images_serve(listing->responder->images), list_zone, listing);
	json_object_set_new(response, "generation", json_integer((json_int_t)listing->generation));
	json_object_set_new(response, "total",
			    json_integer(status.has_current ? status.current.zone_cnt : 0));
	json_object_set_new(response, "zones", listing->zones);
	if (rc > 0)
		json_object_set_new(response, "next",
				    json_integer(listing->after + listing->limit));
	free(listing);
	return rc < 0 ? stele_fail(reterr, rc, "no memory for a response") : 0;
}

int operations_zones(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return operations_run_job(user, call, run_listing, make_listing, free, reterr);
}

/* ---- one zone ---- */

struct look {
	struct stele_responder *responder;
	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
};

static void *make_look(struct stele_responder *responder, struct stele_ctl_call *call,
		       struct stele_error *reterr)
{
	const char *zone;

	if (stele_ctl_unpack(call, reterr, "s:s", "zone", &zone) != 0)
		return NULL;
	struct look *look = calloc(1, sizeof(*look));
	if (!look) {
		stele_fail(reterr, STELE_E_SYSTEM, "no memory");
		return NULL;
	}
	int len = stele_name_from_text(zone, strlen(zone), look->apex);
	if (len < 0) {
		stele_fail(reterr, STELE_E_USAGE, "'%s' is not a name", zone);
		free(look);
		return NULL;
	}
	look->responder = responder;
	look->apex_len = (size_t)len;
	return look;
}

static json_t *zone_cores_json(const struct stele_responder *responder, uint32_t serial)
{
	json_t *cores = json_array();
	unsigned worker = 0;

	for (unsigned i = 0; i < responder->port_cnt; i++)
		for (unsigned j = 0; j < responder->ports[i].queue_cnt; j++, worker++) {
			const struct stele_worker *w = responder->workers[worker];
			bool there = stele_images_served_by(responder->images, w);
			json_array_append_new(
				cores,
				json_pack("{s:i, s:o, s:I}", "core",
					  (int)responder->ports[i].config->cores.items[j], "serial",
					  there ? json_integer(serial) : json_null(), "generation",
					  (json_int_t)stele_worker_generation(w)));
		}
	return cores;
}

static int run_look(void *arg, json_t *response, struct stele_error *reterr)
{
	struct look *look = arg;
	struct stele_serve_status status;
	struct stele_serve_zone zone;
	char name[STELE_NAME_TEXT_MAX];
	int rc = stele_serve_zone(stele_images_serve(look->responder->images), look->apex,
				  look->apex_len, &zone);

	stele_name_to_text(look->apex, name);
	if (rc)
		rc = stele_fail(reterr, rc, "%s is not served", name);
	if (!rc) {
		stele_images_status(look->responder->images, &status);
		json_t *json = zone_json(look->responder, &zone, status.current.generation);
		json_object_set_new(json, "cores", zone_cores_json(look->responder, zone.serial));
		if (json_object_update(response, json) != 0)
			rc = stele_fail(reterr, STELE_E_SYSTEM, "no memory for a response");
		json_decref(json);
	}
	free(look);
	return rc;
}

int operations_zone(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return operations_run_job(user, call, run_look, make_look, free, reterr);
}
