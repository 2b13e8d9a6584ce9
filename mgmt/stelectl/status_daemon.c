/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's part of stelectl status. */
#include "mgmt/stelectl/show.h"

#include <stdio.h>

static json_int_t in(const json_t *status, const char *object, const char *member)
{
	return stelectl_number(json_object_get(status, object), member);
}

static void print_zones_line(const json_t *status)
{
	static const struct {
		const char *member, *text;
	} parts[] = {
		{"secondary", "from primaries"},
		{"expired", "expired"},
		{"failing", "with an error"},
		{"behind", "not served yet in their last version"},
	};
	json_int_t total = in(status, "zones", "total"), loaded = in(status, "zones", "loaded");
	printf("zones       %" JSON_INTEGER_FORMAT, total);
	if (loaded < total)
		printf(", %" JSON_INTEGER_FORMAT " not loaded", total - loaded);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (in(status, "zones", parts[i].member) > 0)
			printf(", %" JSON_INTEGER_FORMAT " %s",
			       in(status, "zones", parts[i].member), parts[i].text);
	putchar('\n');
}

static void print_trouble(const json_t *publisher, const char *member)
{
	if (*stelectl_text(publisher, member) != 0)
		printf("trouble     %s\n", stelectl_text(publisher, member));
}

static void print_publisher(const json_t *status)
{
	const json_t *publisher = json_object_get(status, "publisher");
	char bytes[16], garbage[16];
	printf("image       %s\n            %sB, of it %sB garbage\n",
	       stelectl_text(status, "image"),
	       stele_cmd_round((double)stelectl_number(publisher, "image_bytes"), bytes),
	       stele_cmd_round((double)stelectl_number(publisher, "garbage_bytes"), garbage));
	printf("generation  %" JSON_INTEGER_FORMAT " in the store, %" JSON_INTEGER_FORMAT
	       " compiled, %" JSON_INTEGER_FORMAT " served%s\n",
	       stelectl_number(status, "store_generation"), stelectl_number(publisher, "compiled"),
	       stelectl_number(publisher, "served"),
	       json_is_true(json_object_get(publisher, "compiling")) ? "; compiling" : "");
	printf("compiler    %" JSON_INTEGER_FORMAT " runs, %" JSON_INTEGER_FORMAT
	       " failed, the last one %.1f ms\n",
	       stelectl_number(publisher, "compiles"),
	       stelectl_number(publisher, "compiles_failed"),
	       (double)stelectl_number(publisher, "compile_last_us") / 1000);
	if (json_is_string(json_object_get(status, "responder")))
		printf("responder   %s, %s; %" JSON_INTEGER_FORMAT " loads, %" JSON_INTEGER_FORMAT
		       " failed, the last one %.1f ms\n",
		       stelectl_text(status, "responder"),
		       json_is_true(json_object_get(publisher, "responder_up")) ? "up" : "down",
		       stelectl_number(publisher, "loads"),
		       stelectl_number(publisher, "loads_failed"),
		       (double)stelectl_number(publisher, "load_last_us") / 1000);
	print_trouble(publisher, "compile_error");
	print_trouble(publisher, "responder_error");
}

void show_daemon(const json_t *status)
{
	char text[SHOW_TEXT_MAX];
	printf("daemon      stele-mgmtd %s, process %" JSON_INTEGER_FORMAT ", up %s\n",
	       stelectl_text(status, "version"), stelectl_number(status, "pid"),
	       show_duration(stelectl_number(status, "uptime_s"), text));
	print_zones_line(status);
	print_publisher(status);
	printf("queries     %" JSON_INTEGER_FORMAT " over UDP, %" JSON_INTEGER_FORMAT
	       " over TCP, %" JSON_INTEGER_FORMAT " over TLS; %" JSON_INTEGER_FORMAT
	       " connections\n",
	       in(status, "service", "udp_queries"), in(status, "service", "tcp_queries"),
	       in(status, "service", "tls_queries"), in(status, "service", "connections"));
	fputs("addresses  ", stdout);
	const json_t *listen = json_object_get(status, "listen");
	for (size_t i = 0; i < json_array_size(listen); i++)
		printf(" %s%s", stelectl_text(json_array_get(listen, i), "address"),
		       json_is_true(json_object_get(json_array_get(listen, i), "tls")) ? " (TLS)" :
											 "");
	putchar('\n');
}
