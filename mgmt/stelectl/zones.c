/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl zones, zone: as the daemon has them, or the responder. */
#include "mgmt/stelectl/show.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* A list that is read in parts begins anew when the image changes in between. */
#define LIST_TRIES 10

static const struct stele_cmd_option options[] = {STELECTL_COMMON_OPTIONS(STELECTL_WHOSE_EITHER),
						  {NULL, 0, NULL, NULL}};

static const struct stele_cmd_spec zones_spec = {
	.name = "zones",
	.synopsis = "",
	.about =
		"Lists zones. Of the daemon: the serial in its store, the one that every core serves, the\n"
		"primary's; when the primary is asked again, when the zone expires, and what went wrong.\n"
		"Of a responder alone: what it serves; CORES is how many cores serve the serial shown.",
	.options = options,
};

static const struct stele_cmd_spec zone_spec = {
	.name = "zone",
	.synopsis = "NAME",
	.about =
		"Prints what the daemon knows of a zone, and on which core which serial is served.",
	.options = options,
};

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

int show_list_zones(const struct stelectl_common *common, int limit, json_t **ret_list,
		    struct stele_error *reterr)
{
	for (unsigned i = 0; i < LIST_TRIES; i++) {
		json_t *zones = json_array(), *head = NULL;
		int status = list_once(common, limit, zones, &head, reterr);
		if (status == 0) {
			json_t *list = json_pack("{s:O*, s:O*, s:O*, s:o}", "generation",
						 json_object_get(head, "generation"),
						 "store_generation",
						 json_object_get(head, "store_generation"), "total",
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

static void show_served(const json_t *list)
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
		show_number(&table, zone, "serial");
		show_number(&table, zone, "names");
		show_number(&table, zone, "records");
		table_add(&table, "%s%s", stelectl_text(zone, "signed"),
			  json_is_true(json_object_get(zone, "expired")) ? " (expired)" : "");
		table_add(&table, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
			  stelectl_number(zone, "cores"), stelectl_number(zone, "core_cnt"));
	}
	table_print(&table, "");
}

/* It had data, which is too old to be served. */
static bool is_expired(const json_t *zone)
{
	return json_is_true(json_object_get(zone, "expired")) &&
	       json_is_true(json_object_get(zone, "loaded"));
}

static const char *problem_of(const json_t *zone)
{
	const char *error = stelectl_text(zone, "last_error");
	if (*error != 0)
		return error;
	if (json_is_true(json_object_get(zone, "expired")))
		return is_expired(zone) ? "expired" : "not loaded";
	return "";
}

static void show_managed(const json_t *list)
{
	struct table table;
	table_begin(&table, "lrrrlllll");
	static const char *const heads[] = {"ZONE",   "SERIAL",  "SERVED",  "PRIMARY", "ROLE",
					    "SIGNED", "REFRESH", "EXPIRES", "PROBLEM"};
	for (size_t i = 0; i < 9; i++)
		table_add(&table, "%s", heads[i]);
	const json_t *zones = json_object_get(list, "zones");
	for (size_t i = 0; i < json_array_size(zones); i++) {
		const json_t *zone = json_array_get(zones, i);
		char text[SHOW_TEXT_MAX + 8];
		table_add(&table, "%s", stelectl_text(zone, "zone"));
		show_number(&table, zone, "serial");
		show_number(&table, zone, "served_serial");
		show_number(&table, zone, "primary_serial");
		table_add(&table, "%s", stelectl_text(zone, "role"));
		table_add(&table, "%s", stelectl_text(zone, "signed"));
		table_add(&table, "%s", show_when(zone, "next_refresh_at", text));
		table_add(&table, "%s",
			  is_expired(zone) ? "expired" : show_when(zone, "expires_at", text));
		table_add(&table, "%s", problem_of(zone));
	}
	table_print(&table, "");
}

void show_zones(const json_t *list)
{
	/* Only the daemon has a store. */
	if (json_object_get(list, "store_generation") != NULL)
		show_managed(list);
	else
		show_served(list);
}

int stelectl_zones(int argc, char **argv)
{
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&zones_spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *list;
	stelectl_choose(&common, STELECTL_EITHER);
	int status = show_list_zones(&common, 0, &list, &err);
	if (status == 0)
		stelectl_show(&common, list, show_zones);
	return stelectl_end(status, &err);
}

/* ---- one zone ---- */

static void print_cores(const json_t *zone)
{
	struct table table;
	table_begin(&table, "rrr");
	table_add(&table, "CORE");
	table_add(&table, "SERIAL");
	table_add(&table, "GENERATION");
	const json_t *cores = json_object_get(zone, "cores");
	for (size_t i = 0; i < json_array_size(cores); i++) {
		const json_t *core = json_array_get(cores, i);
		show_number(&table, core, "core");
		show_number(&table, core, "serial");
		show_number(&table, core, "generation");
	}
	table_print(&table, "");
}

static void print_line(const char *label, const json_t *zone, const char *member)
{
	if (json_is_integer(json_object_get(zone, member)))
		printf("%-11s %" JSON_INTEGER_FORMAT "\n", label, stelectl_number(zone, member));
}

static void print_when(const char *label, const json_t *zone, const char *member)
{
	char at[SHOW_TEXT_MAX], when[SHOW_TEXT_MAX + 8];
	if (json_is_integer(json_object_get(zone, member)))
		printf("%-11s %s (%s)\n", label, show_time(stelectl_number(zone, member), at),
		       show_when(zone, member, when));
}

static void print_ids(const char *label, const json_t *ids)
{
	if (json_array_size(ids) == 0)
		return;
	printf("%-11s", label);
	for (size_t i = 0; i < json_array_size(ids); i++)
		printf(" %s", json_string_value(json_array_get(ids, i)));
	putchar('\n');
}

static void print_problems(const json_t *problems)
{
	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *problem = json_array_get(problems, i);
		printf("%-11s %s: %s\n", i == 0 ? "problems" : "", stelectl_text(problem, "member"),
		       stelectl_text(problem, "reason"));
	}
}

static void print_notified(const json_t *notified)
{
	char when[SHOW_TEXT_MAX + 8];
	for (size_t i = 0; i < json_array_size(notified); i++) {
		const json_t *one = json_array_get(notified, i);
		printf("%-11s %s: serial %" JSON_INTEGER_FORMAT " %s %s%s%s\n",
		       i == 0 ? "notified" : "", stelectl_text(one, "remote"),
		       stelectl_number(one, "serial"), stelectl_text(one, "state"),
		       show_when(one, "at", when), *stelectl_text(one, "error") != 0 ? ": " : "",
		       stelectl_text(one, "error"));
	}
}

/* As the daemon has it, and what each core serves if that is known. */
static void print_managed(const json_t *zone)
{
	bool loaded = json_is_true(json_object_get(zone, "loaded"));
	printf("zone        %s\nrole        %s, template %s%s\n", stelectl_text(zone, "zone"),
	       stelectl_text(zone, "role"), stelectl_text(zone, "template"),
	       json_is_true(json_object_get(zone, "configured")) ? "" : " (not configured)");
	if (*stelectl_text(zone, "catalog") != 0)
		printf("catalog     %s\n", stelectl_text(zone, "catalog"));
	print_ids("primaries", json_object_get(zone, "primaries"));
	print_ids("notify", json_object_get(zone, "notify"));
	if (!loaded)
		puts("state       not loaded: answered with SERVFAIL");
	else if (json_is_true(json_object_get(zone, "expired")))
		puts("state       expired: answered with SERVFAIL");
	print_line("serial", zone, "serial");
	print_line("served", zone, "served_serial");
	print_line("primary's", zone, "primary_serial");
	print_line("records", zone, "records");
	if (loaded)
		printf("signed      %s\n", stelectl_text(zone, "signed"));
	print_when("confirmed", zone, "refreshed_at");
	print_when("refresh", zone, "next_refresh_at");
	print_when("expires", zone, "expires_at");
	if (*stelectl_text(zone, "last_error") != 0) {
		print_when("failed", zone, "last_error_at");
		printf("error       %s\n", stelectl_text(zone, "last_error"));
	}
	print_notified(json_object_get(zone, "notified"));
	print_problems(json_object_get(zone, "problems"));
	if (json_object_get(zone, "cores") != NULL) {
		putchar('\n');
		print_cores(zone);
	}
}

/* As the responder has it. */
static void print_served(const json_t *zone)
{
	printf("zone        %s\nserial      %" JSON_INTEGER_FORMAT "%s\n",
	       stelectl_text(zone, "zone"), stelectl_number(zone, "serial"),
	       json_is_true(json_object_get(zone, "expired")) ? " (expired)" : "");
	printf("generation  %" JSON_INTEGER_FORMAT "\nnames       %" JSON_INTEGER_FORMAT
	       "\nrecords     %" JSON_INTEGER_FORMAT "\nsigned      %s\n\n",
	       stelectl_number(zone, "generation"), stelectl_number(zone, "names"),
	       stelectl_number(zone, "records"), stelectl_text(zone, "signed"));
	print_cores(zone);
}

static int ask_zone(const char *socket, const char *name, json_t **ret_zone,
		    struct stele_error *reterr)
{
	const struct stelectl_common common = {.socket = socket};
	json_t *request = json_pack("{s:s, s:o}", "op", "zone", "zone", stelectl_zone_name(name));
	return stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, ret_zone, reterr);
}

int stelectl_zone(int argc, char **argv)
{
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&zone_spec, argc, argv, 1, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *zone, *served;
	bool chosen = common.socket == NULL;
	stelectl_choose(&common, STELECTL_EITHER);
	int status = ask_zone(common.socket, argv[optind], &zone, &err);
	if (status != 0)
		return stelectl_end(status, &err);
	bool managed = json_object_get(zone, "role") != NULL;
	/* What each core serves, only the responder knows. */
	if (managed && chosen &&
	    ask_zone(stelectl_socket(STELECTL_RESPONDER), argv[optind], &served, NULL) == 0) {
		json_object_set(zone, "cores", json_object_get(served, "cores"));
		json_decref(served);
	}
	stelectl_show(&common, zone, managed ? print_managed : print_served);
	return stelectl_end(0, &err);
}
