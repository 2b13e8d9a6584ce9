/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl status: what is served, and by whom. */
#include "mgmt/stelectl/show.h"

#include <stdio.h>
#include <string.h>

/* Zones that status shows; `zones` shows all. */
#define STATUS_ZONES 10

static const struct stele_cmd_option options[] = {STELECTL_COMMON_OPTIONS(STELECTL_WHOSE_EITHER),
						  {NULL, 0, NULL, NULL}};

static const struct stele_cmd_spec status_spec = {
	.name = "status",
	.synopsis = "",
	.about =
		"Prints how the daemon does, and what the responder serves: image, addresses, ports, the\n"
		"generation on each core, and the serials of its first zones.",
	.options = options,
};

static void print_image(const char *label, const json_t *image)
{
	char text[32], bytes[16];
	if (!json_is_object(image)) {
		printf("%-10s  none\n", label);
		return;
	}
	printf("%-10s  %s\n%-10s  generation %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
	       " zones, %" JSON_INTEGER_FORMAT " names, %" JSON_INTEGER_FORMAT
	       " records, %sB, loaded %s%s\n",
	       label, stelectl_text(image, "name"), "", stelectl_number(image, "generation"),
	       stelectl_number(image, "zones"), stelectl_number(image, "names"),
	       stelectl_number(image, "records"),
	       stele_cmd_round((double)stelectl_number(image, "bytes"), bytes),
	       show_time(stelectl_number(image, "loaded_at"), text),
	       strcmp(stelectl_text(image, "served_from"), "mapping") == 0 ?
		       ", being copied from its file" :
		       "");
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
		show_number(&table, port, "mtu");
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
		show_number(&table, core, "core");
		show_number(&table, core, "numa");
		table_add(&table, "%s", stelectl_text(core, "port"));
		show_number(&table, core, "queue");
		show_number(&table, core, "generation");
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
	       show_duration(stelectl_number(response, "uptime_s"), text));
	printf("health      %s%s\n",
	       json_is_true(json_object_get(response, "healthy")) ? "healthy" : "not healthy",
	       json_is_true(json_object_get(response, "drained")) ? ", drained" : "");
	/* A line of its own: health checks look for "healthy" and nothing behind it. */
	if (json_is_true(json_object_get(response, "withdrawn")))
		puts("withdrawn   an image since the start; the log says which");
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
	show_zones(list);
	json_int_t more = stelectl_number(list, "total") -
			  (json_int_t)json_array_size(json_object_get(list, "zones"));
	if (more > 0)
		printf("and %" JSON_INTEGER_FORMAT " more (see stelectl zones)\n", more);
}

/* The responder's status with its first zones. */
static int ask_responder(const struct stelectl_common *common, json_t **ret_status,
			 json_t **ret_list, struct stele_error *reterr)
{
	json_t *response;
	int status = stelectl_ask(common, json_pack("{s:s}", "op", "status"), -1,
				  STELECTL_TIMEOUT_MS, &response, reterr);
	if (status != 0)
		return status;
	status = show_list_zones(common, STATUS_ZONES, ret_list, reterr);
	if (status == 0)
		*ret_status = response;
	else
		json_decref(response);
	return status;
}

static bool is_daemon(const json_t *response)
{
	return strcmp(stelectl_text(response, "server"), "stele-mgmtd") == 0;
}

/* One server, and nothing else. */
static int show_one(const struct stelectl_common *common, struct stele_error *reterr)
{
	json_t *response, *list;
	int status = ask_responder(common, &response, &list, reterr);
	if (status != 0)
		return status;
	if (!common->json) {
		stelectl_make_shown(response);
		stelectl_make_shown(list);
	}
	if (is_daemon(response) && common->json) {
		stelectl_print_json(response);
	} else if (is_daemon(response)) {
		show_daemon(response);
	} else if (common->json) {
		json_object_set(response, "zones", json_object_get(list, "zones"));
		stelectl_print_json(response);
	} else {
		print_status(response, list);
	}
	json_decref(list);
	json_decref(response);
	return 0;
}

/* The daemon, and the responder if it works with one. Either is shown although the other says nothing. */
static int show_both(const struct stelectl_common *daemon, struct stele_error *reterr)
{
	const struct stelectl_common responder = {.socket = stelectl_socket(STELECTL_RESPONDER)};
	json_t *of_daemon = NULL, *of_responder = NULL, *list = NULL;
	int status = stelectl_ask(daemon, json_pack("{s:s}", "op", "status"), -1,
				  STELECTL_TIMEOUT_MS, &of_daemon, reterr);
	bool is_there = stelectl_is_there(responder.socket);
	if (status != 0 && !is_there)
		return status;
	if (is_there || json_is_string(json_object_get(of_daemon, "responder"))) {
		struct stele_error err;
		int failed = ask_responder(&responder, &of_responder, &list, &err);
		if (failed != 0 && status != 0)
			stele_cmd_say("%s", err.text);
		else if (failed != 0)
			status = stele_fail(reterr, failed, "%s", err.text);
	}
	if (daemon->json) {
		json_t *all = of_responder != NULL ? json_incref(of_responder) : json_object();
		if (of_daemon != NULL)
			json_object_del(of_daemon, "ok");
		json_object_set_new(all, "daemon",
				    of_daemon != NULL ? json_incref(of_daemon) : json_null());
		if (list != NULL)
			json_object_set(all, "zones", json_object_get(list, "zones"));
		stelectl_print_json(all);
		json_decref(all);
	} else {
		if (of_daemon != NULL) {
			stelectl_make_shown(of_daemon);
			show_daemon(of_daemon);
		}
		if (of_responder != NULL) {
			stelectl_make_shown(of_responder);
			stelectl_make_shown(list);
			if (of_daemon != NULL)
				putchar('\n');
			print_status(of_responder, list);
		}
	}
	json_decref(list);
	json_decref(of_responder);
	json_decref(of_daemon);
	return status;
}

int stelectl_status(int argc, char **argv)
{
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&status_spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	int status;
	if (common.socket == NULL && stelectl_is_there(stelectl_socket(STELECTL_DAEMON))) {
		common.socket = stelectl_socket(STELECTL_DAEMON);
		status = show_both(&common, &err);
	} else {
		stelectl_choose(&common, STELECTL_RESPONDER);
		status = show_one(&common, &err);
	}
	return stelectl_end(status, &err);
}
