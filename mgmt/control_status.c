/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a whole, as JSON. */
#include "mgmt/control_internal.h"
#include "mgmt/peer/address.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static json_t *text_if(const char *text)
{
	return text != NULL && *text != 0 ? stele_ctl_text(text) : json_null();
}

static json_t *zones_json(const struct stele_daemon *daemon)
{
	json_int_t loaded = 0, expired = 0, secondary = 0, failing = 0, behind = 0;
	size_t cnt = stele_zones_cnt(daemon->zones);
	for (size_t i = 0; i < cnt; i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		loaded += zone->loaded;
		expired += zone->loaded && zone->expired;
		secondary += zone->options->has_primaries;
		failing += zone->last_error != NULL;
		behind += zone->loaded && !zone->expired &&
			  (!zone->served || zone->served_serial != zone->serial);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)cnt, "loaded",
			 loaded, "expired", expired, "secondary", secondary, "failing", failing,
			 "behind", behind);
}

static json_t *publisher_json(const struct stele_publisher *publisher)
{
	struct stele_publisher_status s;
	stele_publisher_status(publisher, &s);
	return json_pack("{s:I, s:I, s:I, s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:I, s:I, s:I}",
			 "wanted", (json_int_t)s.wanted, "compiled", (json_int_t)s.compiled,
			 "served", (json_int_t)s.served, "compiling", (int)s.compiling,
			 "responder_up", (int)s.responder_up, "compile_error",
			 text_if(s.compile_error), "responder_error", text_if(s.responder_error),
			 "compiles", (json_int_t)s.compile_cnt, "compiles_failed",
			 (json_int_t)s.compile_failed_cnt, "rebuilds",
			 (json_int_t)s.compile_rebuilt_cnt, "loads", (json_int_t)s.load_cnt,
			 "loads_failed", (json_int_t)s.load_failed_cnt, "compile_last_us",
			 (json_int_t)(s.compile_last_ns / 1000), "load_last_us",
			 (json_int_t)(s.load_last_ns / 1000), "image_bytes", (json_int_t)s.image_sz,
			 "garbage_bytes", (json_int_t)s.garbage_sz, "compactions",
			 (json_int_t)s.compact_cnt, "compile_work_us",
			 (json_int_t)(s.compile_work_ns / 1000), "sync_last_us",
			 (json_int_t)(s.sync_last_ns / 1000), "open_last_us",
			 (json_int_t)(s.open_last_ns / 1000));
}

static json_t *service_json(const struct stele_service *service)
{
	struct stele_service_counters counters;
	stele_service_counters(service, &counters);
	json_t *json = json_object();
	json_object_set_new(json, "connections", json_integer((json_int_t)counters.connections));
#define X(name, help) json_object_set_new(json, #name, json_integer((json_int_t)counters.name));
	STELE_SERVICE_COUNTERS(X)
#undef X
	return json;
}

static json_t *counters_json(const struct stele_daemon *daemon)
{
	json_t *json = json_object();
#define X(name, help)                                                                              \
	json_object_set_new(json, #name,                                                           \
			    json_integer((json_int_t)atomic_load_explicit(&daemon->counters.name,  \
									  memory_order_relaxed)));
	STELE_DAEMON_COUNTERS(X)
#undef X
	return json;
}

static json_t *listen_json(const struct stele_mgmtd_config *config)
{
	json_t *json = json_array();
	for (size_t i = 0; i < config->listen.cnt; i++) {
		const struct stele_listen_config *listen = &config->listen.items[i];
		char text[STELE_ADDRESS_TEXT_MAX];
		stele_address_to_text(&listen->address, listen->port, text);
		json_array_append_new(json, json_pack("{s:s, s:b}", "address", text, "tls",
						      (int)listen->tls));
	}
	return json;
}

int control_status(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	const struct stele_daemon *daemon = user;
	int status = stele_ctl_unpack(call, reterr, "");
	if (status < 0)
		return status;
	json_t *json = json_pack(
		"{s:s, s:s, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "server",
		"stele-mgmtd", "version", STELE_VERSION, "pid", (int)getpid(), "uptime_s",
		(json_int_t)(time(NULL) - daemon->started_at), "store_generation",
		(json_int_t)daemon->generation, "image", stele_ctl_text(daemon->started->image),
		"responder", text_if(daemon->started->responder), "listen",
		listen_json(daemon->started), "zones", zones_json(daemon), "publisher",
		publisher_json(daemon->publisher), "service", service_json(daemon->service),
		"counters", counters_json(daemon), "commits_waiting",
		(json_int_t)stele_committer_depth(daemon->committer));
	if (json == NULL || json_object_update(call->response, json) != 0)
		status = stele_fail(reterr, STELE_E_SYSTEM, "no memory for a response");
	json_decref(json);
	return status;
}
