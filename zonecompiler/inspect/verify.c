/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile verify: whether an image may be served. */
#include "zonecompiler/command.h"

#include "zonecompiler/inspect/walk.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const struct stele_cmd_option options[] = {
	{"json", 'j', NULL, "print JSON: one object"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "verify",
	.synopsis = "IMAGE [--json]",
	.about =
		"Checks every byte that the last complete root of an image reaches: checksums, digests, and\n"
		"every offset, length, name and order that answers rely on. Exits with 0 if the image may be\n"
		"served, with 1 and the first fault if not.",
	.options = options,
};

static void print_json(const struct stele_view *view)
{
	json_t *report = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "generation",
				   (json_int_t)view->generation, "zones",
				   (json_int_t)view->zone_cnt, "names", (json_int_t)view->name_cnt,
				   "rrs", (json_int_t)view->rr_cnt, "bytes",
				   (json_int_t)view->bytes_sz, "torn_bytes",
				   (json_int_t)view->torn_sz);
	if (report != NULL)
		json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
}

static void print_text(const struct stele_view *view, const char *path)
{
	printf("%s: good; generation %" PRIu64 ", %" PRIu32 " zones, %" PRIu64 " names, %" PRIu64
	       " RRs, %zu bytes\n",
	       path, view->generation, view->zone_cnt, view->name_cnt, view->rr_cnt,
	       view->bytes_sz);
	if (view->torn_sz > 0)
		printf("%zu bytes behind the last complete root are not part of it\n",
		       view->torn_sz);
}

int stele_cmd_verify(int argc, char **argv)
{
	bool json = false;
	const char *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		json = true;
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "one image is needed");
	struct stele_view view;
	struct stele_error err;
	int status = stele_inspect_open(argv[optind], &view, &err);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	if (json)
		print_json(&view);
	else
		print_text(&view, argv[optind]);
	stele_view_close(&view);
	return stele_cmd_close_output(0);
}
