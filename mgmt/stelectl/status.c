/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl status, zones, zone: what is served, and by whom. */
#include "mgmt/stelectl/stelectl.h"
#include "mgmt/stelectl/table.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Zones that status shows; `zones` shows all. */
#define STATUS_ZONES 10

/* A list that is read in parts begins anew when the image changes in between. */
#define LIST_TRIES 10

static const struct stele_cmd_option options[] = {STELECTL_COMMON_OPTIONS, {NULL, 0, NULL, NULL}};

static const struct stele_cmd_spec status_spec = {
	.name = "status",
	.synopsis = "[--json]",
	.about =
		"Prints what the server serves: image, addresses, ports, the generation on each core,\n"
		"and the serials of its first zones.",
	.options = options,
};

static const struct stele_cmd_spec zones_spec = {
	.name = "zones",
	.synopsis = "[--json]",
	.about = "Lists the zones that are served. CORES is how many cores serve the serial shown.",
	.options = options,
};

static const struct stele_cmd_spec zone_spec = {
	.name = "zone",
	.synopsis = "NAME",
	.about = "Prints the serial of a zone, and on which core which serial is served.",
	.options = options,
};

static const char *time_text(json_int_t seconds, char text[32])
{
	time_t at = (time_t)seconds;
	struct tm tm;
	if (localtime_r(&at, &tm) == NULL || strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, 32, "%" PRId64, (int64_t)seconds);
	return text;
}

static const char *duration_text(json_int_t s, char text[32])
{
	if (s >= 86400)
		snprintf(text, 32, "%" PRId64 " d %" PRId64 " h", (int64_t)(s / 86400),
			 (int64_t)(s / 3600 % 24));
	else if (s >= 3600)
		snprintf(text, 32, "%" PRId64 " h %" PRId64 " min", (int64_t)(s / 3600),
			 (int64_t)(s / 60 % 60));
	else if (s >= 60)
		snprintf(text, 32, "%" PRId64 " min %" PRId64 " s", (int64_t)(s / 60),
			 (int64_t)(s % 60));
	else
		snprintf(text, 32, "%" PRId64 " s", (int64_t)s);
	return text;
}

static void add_number(struct table *table, const json_t *object, const char *member)
{
	table_add(table, "%" JSON_INTEGER_FORMAT, stelectl_number(object, member));
}

/* ---- zones ---- */

static json_t *list_request(const json_t *after, int limit)
{
	json_t *request = json_pack("{s:s}", "op", "zones");
	if (request != NULL && limit > 0)
		json_object_set_new(request, "limit", json_integer(limit));
	if (request != NULL && after != NULL)
		json_object_set(request, "after", (json_t *)after);
	return request;
}

/* One pass over the list: 1 if the image changed meanwhile. */
static int list_once(const struct stelectl_common *common, int limit, json_t *zones,
		     json_t **ret_head, struct stele_error *reterr)
{
	json_t *part = NULL, *head = NULL;
	int status;
	do {
		json_t *request = list_request(json_object_get(part, "next"), limit);
		json_decref(part);
		part = NULL;
		status = stelectl_ask(common, request, -1, STELECTL_TIMEOUT_MS, &part, reterr);
		if (status != 0)
			break;
		if (head == NULL)
			head = json_incref(part);
		json_array_extend(zones, json_object_get(part, "zones"));
		if (stelectl_number(part, "generation") != stelectl_number(head, "generation"))
			status = 1;
	} while (status == 0 && limit == 0 && json_object_get(part, "next") != NULL);
	json_decref(part);
	if (status == 0)
		*ret_head = head;
	else
		json_decref(head);
	return status;
}

/* The zones (all of them if `limit` is 0) as {"generation", "total", "zones"}. */
static int list_zones(const struct stelectl_common *common, int limit, json_t **ret_list,
		      struct stele_error *reterr)
{
	for (unsigned i = 0; i < LIST_TRIES; i++) {
		json_t *zones = json_array(), *head = NULL;
		int status = list_once(common, limit, zones, &head, reterr);
		if (status == 0) {
			json_t *list = json_pack("{s:O*, s:O*, s:o}", "generation",
						 json_object_get(head, "generation"), "total",
						 json_object_get(head, "total"), "zones", zones);
			json_decref(head);
			if (list == NULL)
				return stele_fail_errno(reterr, ENOMEM, "cannot list the zones");
			*ret_list = list;
			return 0;
		}
		json_decref(zones);
		if (status < 0)
			return status;
	}
	return stele_fail(reterr, STELE_E_SYSTEM, "%s: the image changes faster than it is listed",
			  common->socket);
}

static void print_zones(const json_t *list, const char *indent)
{
	struct table table;
	table_begin(&table, "lrrrlr");
	static const char *const heads[] = {"ZONE",    "SERIAL", "NAMES",
					    "RECORDS", "SIGNED", "CORES"};
	for (size_t i = 0; i < 6; i++)
		table_add(&table, "%s", heads[i]);
	const json_t *zones = json_object_get(list, "zones");
	for (size_t i = 0; i < json_array_size(zones); i++) {
		const json_t *zone = json_array_get(zones, i);
		table_add(&table, "%s", stelectl_text(zone, "zone"));
		add_number(&table, zone, "serial");
		add_number(&table, zone, "names");
		add_number(&table, zone, "records");
		table_add(&table, "%s%s", stelectl_text(zone, "signed"),
			  json_is_true(json_object_get(zone, "expired")) ? " (expired)" : "");
		table_add(&table, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
			  stelectl_number(zone, "cores"), stelectl_number(zone, "core_cnt"));
	}
	table_print(&table, indent);
}

int stelectl_zones(int argc, char **argv)
{
	struct stelectl_common common = STELECTL_COMMON_DEFAULT;
	int exit_status = stelectl_plain_arguments(&zones_spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *list;
	int status = list_zones(&common, 0, &list, &err);
	if (status == 0) {
		if (common.json)
			stelectl_print_json(list);
		else
			print_zones(list, "");
		json_decref(list);
	}
	return stelectl_end(status, &err);
}

/* ---- one zone ---- */

static void print_zone(const json_t *zone)
{
	printf("zone        %s\nserial      %" JSON_INTEGER_FORMAT "%s\n",
	       stelectl_text(zone, "zone"), stelectl_number(zone, "serial"),
	       json_is_true(json_object_get(zone, "expired")) ? " (expired)" : "");
	printf("generation  %" JSON_INTEGER_FORMAT "\nnames       %" JSON_INTEGER_FORMAT
	       "\nrecords     %" JSON_INTEGER_FORMAT "\nsigned      %s\n\n",
	       stelectl_number(zone, "generation"), stelectl_number(zone, "names"),
	       stelectl_number(zone, "records"), stelectl_text(zone, "signed"));
	struct table table;
	table_begin(&table, "rrr");
	table_add(&table, "CORE");
	table_add(&table, "SERIAL");
	table_add(&table, "GENERATION");
	const json_t *cores = json_object_get(zone, "cores");
	for (size_t i = 0; i < json_array_size(cores); i++) {
		const json_t *core = json_array_get(cores, i);
		add_number(&table, core, "core");
		if (json_is_integer(json_object_get(core, "serial")))
			add_number(&table, core, "serial");
		else
			table_add(&table, "-");
		add_number(&table, core, "generation");
	}
	table_print(&table, "");
}

int stelectl_zone(int argc, char **argv)
{
	struct stelectl_common common = STELECTL_COMMON_DEFAULT;
	int exit_status = stelectl_plain_arguments(&zone_spec, argc, argv, 1, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *zone;
	json_t *request =
		json_pack("{s:s, s:o}", "op", "zone", "zone", stele_ctl_text(argv[optind]));
	int status = stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, &zone, &err);
	if (status == 0) {
		if (common.json)
			stelectl_print_json(zone);
		else
			print_zone(zone);
		json_decref(zone);
	}
	return stelectl_end(status, &err);
}

/* ---- status ---- */

static void print_image(const char *label, const json_t *image)
{
	char text[32], bytes[16];
	if (!json_is_object(image)) {
		printf("%-10s  none\n", label);
		return;
	}
	printf("%-10s  %s\n%-10s  generation %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
	       " zones, %" JSON_INTEGER_FORMAT " names, %" JSON_INTEGER_FORMAT
	       " records, %sB, loaded %s\n",
	       label, stelectl_text(image, "name"), "", stelectl_number(image, "generation"),
	       stelectl_number(image, "zones"), stelectl_number(image, "names"),
	       stelectl_number(image, "records"),
	       stele_cmd_round((double)stelectl_number(image, "bytes"), bytes),
	       time_text(stelectl_number(image, "loaded_at"), text));
}

static void print_ports(const json_t *ports)
{
	struct table table;
	table_begin(&table, "llllr");
	static const char *const heads[] = {"PORT", "DEVICE", "MAC", "LINK", "MTU"};
	for (size_t i = 0; i < 5; i++)
		table_add(&table, "%s", heads[i]);
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *port = json_array_get(ports, i);
		json_int_t speed = stelectl_number(port, "speed_mbps");
		table_add(&table, "%s", stelectl_text(port, "name"));
		table_add(&table, "%s", stelectl_text(port, "device"));
		table_add(&table, "%s", stelectl_text(port, "mac"));
		if (speed > 0)
			table_add(&table, "%s, %" JSON_INTEGER_FORMAT " Mbit/s",
				  stelectl_text(port, "link"), speed);
		else
			table_add(&table, "%s", stelectl_text(port, "link"));
		add_number(&table, port, "mtu");
	}
	putchar('\n');
	table_print(&table, "");
}

static void print_cores(const json_t *cores)
{
	struct table table;
	table_begin(&table, "rrlrrl");
	static const char *const heads[] = {"CORE", "NUMA", "PORT", "QUEUE", "GENERATION", "STATE"};
	for (size_t i = 0; i < 6; i++)
		table_add(&table, "%s", heads[i]);
	for (size_t i = 0; i < json_array_size(cores); i++) {
		const json_t *core = json_array_get(cores, i);
		add_number(&table, core, "core");
		add_number(&table, core, "numa");
		table_add(&table, "%s", stelectl_text(core, "port"));
		add_number(&table, core, "queue");
		add_number(&table, core, "generation");
		table_add(&table, "%s", stelectl_text(core, "state"));
	}
	putchar('\n');
	table_print(&table, "");
}

static void print_status(const json_t *response, const json_t *list)
{
	char text[32];
	printf("server      stele-responder %s, process %" JSON_INTEGER_FORMAT ", up %s\n",
	       stelectl_text(response, "version"), stelectl_number(response, "pid"),
	       duration_text(stelectl_number(response, "uptime_s"), text));
	printf("health      %s%s\n",
	       json_is_true(json_object_get(response, "healthy")) ? "healthy" : "not healthy",
	       json_is_true(json_object_get(response, "drained")) ? ", drained" : "");
	print_image("image", json_object_get(response, "image"));
	print_image("before it", json_object_get(response, "previous"));
	const json_t *arena = json_object_get(response, "arena");
	if (json_is_object(arena)) {
		char used[16], size[16];
		printf("memory      %sB of %sB for images, %s\n",
		       stele_cmd_round((double)stelectl_number(arena, "used"), used),
		       stele_cmd_round((double)stelectl_number(arena, "size"), size),
		       stelectl_text(arena, "pages"));
	}
	fputs("addresses ", stdout);
	const json_t *addresses = json_object_get(response, "addresses");
	for (size_t i = 0; i < json_array_size(addresses); i++)
		printf("  %s", json_string_value(json_array_get(addresses, i)));
	putchar('\n');
	print_ports(json_object_get(response, "ports"));
	print_cores(json_object_get(response, "cores"));
	putchar('\n');
	print_zones(list, "");
	json_int_t more = stelectl_number(list, "total") -
			  (json_int_t)json_array_size(json_object_get(list, "zones"));
	if (more > 0)
		printf("and %" JSON_INTEGER_FORMAT " more (see stelectl zones)\n", more);
}

int stelectl_status(int argc, char **argv)
{
	struct stelectl_common common = STELECTL_COMMON_DEFAULT;
	int exit_status = stelectl_plain_arguments(&status_spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *response, *list;
	int status = stelectl_ask(&common, json_pack("{s:s}", "op", "status"), -1,
				  STELECTL_TIMEOUT_MS, &response, &err);
	if (status != 0)
		return stelectl_end(status, &err);
	status = list_zones(&common, STATUS_ZONES, &list, &err);
	if (status == 0) {
		if (common.json) {
			json_object_set(response, "zones", json_object_get(list, "zones"));
			stelectl_print_json(response);
		} else {
			print_status(response, list);
		}
		json_decref(list);
	}
	json_decref(response);
	return stelectl_end(status, &err);
}
