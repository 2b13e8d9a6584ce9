/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own numbers. */
#include "mgmt/metrics/exposition.h"
#include "mgmt/metrics/internal.h"

#include <time.h>

/* One family over all zones. `value` returns false where a zone has none. */
struct zone_family {
	const char *name, *type, *help;
	bool (*value)(const struct stele_managed_zone *zone, double *ret_value);
};

#define ALWAYS(function, expression)                                                               \
	static bool function(const struct stele_managed_zone *zone, double *ret_value)             \
	{                                                                                          \
		*ret_value = (double)(expression);                                                 \
		return true;                                                                       \
	}
#define WHERE(function, condition, expression)                                                     \
	static bool function(const struct stele_managed_zone *zone, double *ret_value)             \
	{                                                                                          \
		*ret_value = (double)(expression);                                                 \
		return condition;                                                                  \
	}

ALWAYS(zone_loaded, zone->loaded)
ALWAYS(zone_expired, zone->expired)
ALWAYS(zone_records, zone->rr_cnt)
WHERE(zone_serial, zone->loaded, zone->serial)
WHERE(zone_served_serial, zone->served, zone->served_serial)
WHERE(zone_primary_serial, zone->primary_serial_known, zone->primary_serial)
WHERE(zone_refreshed, zone->options->has_primaries && zone->refreshed_at != 0, zone->refreshed_at)
WHERE(zone_next_refresh, zone->options->has_primaries && zone->next_refresh_at != 0,
      zone->next_refresh_at)
WHERE(zone_expires, zone->options->has_primaries && zone->expires_at != 0, zone->expires_at)
ALWAYS(zone_failing, zone->last_error != NULL)
ALWAYS(zone_transfers, zone->transfer_cnt)
ALWAYS(zone_transfers_failed, zone->transfer_failed_cnt)
ALWAYS(zone_notifies, zone->notify_in_cnt)
ALWAYS(zone_updates, zone->update_cnt)
ALWAYS(zone_updates_failed, zone->update_failed_cnt)

static const struct zone_family zone_families[] = {
	{"stele_zone_loaded", "gauge", "1 if the store holds the zone's data", zone_loaded},
	{"stele_zone_expired", "gauge", "1 if the zone is answered with SERVFAIL", zone_expired},
	{"stele_zone_records", "gauge", "records in the store", zone_records},
	{"stele_zone_serial", "gauge", "serial in the store", zone_serial},
	{"stele_zone_served_serial", "gauge", "serial that every core serves", zone_served_serial},
	{"stele_zone_primary_serial", "gauge", "serial that the primary told last",
	 zone_primary_serial},
	{"stele_zone_refreshed_timestamp_seconds", "gauge",
	 "when the primary last confirmed the zone", zone_refreshed},
	{"stele_zone_next_refresh_timestamp_seconds", "gauge", "when it is asked again",
	 zone_next_refresh},
	{"stele_zone_expires_timestamp_seconds", "gauge", "when the zone expires unless confirmed",
	 zone_expires},
	{"stele_zone_failing", "gauge",
	 "1 if its last refresh from a primary failed, or it could not be read as a catalog",
	 zone_failing},
	{"stele_zone_transfers_in_total", "counter", "transfers in that were committed",
	 zone_transfers},
	{"stele_zone_transfers_in_failed_total", "counter", "transfers in that failed",
	 zone_transfers_failed},
	{"stele_zone_notifies_in_total", "counter", "NOTIFY messages that were accepted",
	 zone_notifies},
	{"stele_zone_updates_total", "counter", "updates that were committed", zone_updates},
	{"stele_zone_updates_failed_total", "counter", "updates that were refused or failed",
	 zone_updates_failed},
};

static void write_zones(const struct stele_zones *zones, FILE *out)
{
	size_t cnt = stele_zones_cnt(zones);
	exposition_single(out, "stele_zones", "gauge", "zones that the daemon looks after",
			  (double)cnt);
	for (size_t i = 0; i < sizeof(zone_families) / sizeof(zone_families[0]); i++) {
		const struct zone_family *family = &zone_families[i];
		exposition_family(out, family->name, family->type, family->help);
		for (size_t k = 0; k < cnt; k++) {
			const struct stele_managed_zone *zone = stele_zones_at(zones, k);
			const char *labels[] = {"zone", zone->name, NULL};
			double value;
			if (family->value(zone, &value))
				exposition_sample(out, family->name, labels, value);
		}
	}
}

static void write_publisher(const struct stele_publisher *publisher, FILE *out)
{
	struct stele_publisher_status s;
	stele_publisher_status(publisher, &s);
	exposition_single(out, "stele_compile_generation", "gauge",
			  "generation of the store that the image has", (double)s.compiled);
	exposition_single(out, "stele_served_generation", "gauge",
			  "generation of the store that every core serves", (double)s.served);
	exposition_single(out, "stele_compiles_total", "counter", "runs of the compiler",
			  (double)s.compile_cnt);
	exposition_single(out, "stele_compiles_failed_total", "counter",
			  "runs of the compiler that failed", (double)s.compile_failed_cnt);
	exposition_single(out, "stele_compiles_rebuilt_total", "counter",
			  "runs that built the image anew", (double)s.compile_rebuilt_cnt);
	exposition_single(out, "stele_compile_last_seconds", "gauge", "how long the last run took",
			  (double)s.compile_last_ns / 1e9);
	exposition_single(out, "stele_loads_total", "counter", "images handed to the responder",
			  (double)s.load_cnt);
	exposition_single(out, "stele_loads_failed_total", "counter", "images that it did not take",
			  (double)s.load_failed_cnt);
	exposition_single(out, "stele_load_last_seconds", "gauge", "how long the last one took",
			  (double)s.load_last_ns / 1e9);
	exposition_single(out, "stele_image_bytes", "gauge", "size of the image's file",
			  (double)s.image_sz);
	exposition_single(out, "stele_image_garbage_bytes", "gauge",
			  "of it, what no root reaches any more", (double)s.garbage_sz);
}

static void write_service(const struct stele_service *service, FILE *out)
{
	struct stele_service_counters c;
	stele_service_counters(service, &c);
#define X(name, help)                                                                              \
	exposition_single(out, "stele_service_" #name "_total", "counter", help, (double)c.name);
	STELE_SERVICE_COUNTERS(X)
#undef X
	exposition_single(out, "stele_service_connections", "gauge", "connections open now",
			  (double)c.connections);
	int64_t end = stele_service_certificate_end(service);
	if (end != 0)
		exposition_single(out, "stele_tls_certificate_expires_timestamp_seconds", "gauge",
				  "when the certificate ends that clients are shown", (double)end);
}

void metrics_write_daemon(const struct stele_daemon *daemon, FILE *out)
{
	const char *build[] = {"version", STELE_VERSION, NULL};
	exposition_family(out, "stele_build_info", "gauge", "1, with the version as a label");
	exposition_count(out, "stele_build_info", build, 1);
	exposition_single(out, "stele_start_timestamp_seconds", "gauge", "when the daemon started",
			  (double)daemon->started_at);
	exposition_single(out, "stele_store_generation", "gauge", "generation of the store",
			  (double)daemon->generation);
	exposition_single(out, "stele_commits_waiting", "gauge", "changes that wait to be written",
			  (double)stele_committer_depth(daemon->committer));
#define X(name, help)                                                                              \
	exposition_single(out, "stele_" #name "_total", "counter", help,                           \
			  (double)atomic_load_explicit(&daemon->counters.name,                     \
						       memory_order_relaxed));
	STELE_DAEMON_COUNTERS(X)
#undef X
	exposition_single(out, "stele_transfers_out", "gauge", "transfers out under way now",
			  (double)atomic_load(&daemon->counters.transfers_out));
	write_zones(daemon->zones, out);
	write_publisher(daemon->publisher, out);
	if (daemon->service != NULL)
		write_service(daemon->service, out);
}
