/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile compact: an image without the garbage that updates leave. */
#include "zonecompiler/command.h"

#include "zonecompiler/image/compact.h"
#include "zonecompiler/image_json.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

static const struct stele_cmd_option options[] = {
	{"no-sync", 'y', NULL, "do not wait for the disk at the end, as of 'update'"},
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "compact",
	.synopsis = "[--no-sync] [--json] IMAGE",
	.about =
		"Copies what the image serves into a new file and puts that in its place. What is served\n"
		"stays the same; whoever has the old file open keeps it. Updates may go on meanwhile.",
	.options = options,
};

int stele_cmd_compact(int argc, char **argv)
{
	struct stele_progress clock;
	struct stele_compact_options with = {.progress = stele_progress_part, .user = &clock};
	struct stele_compact_stats stats;
	struct stele_error err;
	const char *value;
	bool json = false;
	int id, status = 0;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &status)) != STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return status;
		json |= id == 'j';
		with.no_sync |= id == 'y';
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "expected one image");
	const char *image = argv[optind];

	stele_progress_begin(&clock, "compacting", "bytes", 0);
	int rc = stele_compact(image, &with, &stats, &err);
	double seconds = stele_progress_end(&clock);
	if (rc < 0)
		return stele_cmd_fail(rc, &err);
	if (json) {
		json_t *object = json_object();
		stele_image_json_set(object, image);
		json_object_set_new(object, "compacted", json_boolean(stats.done));
		json_object_set_new(object, "generation",
				    json_integer((json_int_t)stats.generation));
		json_object_set_new(object, "bytes_before",
				    json_integer((json_int_t)stats.before_sz));
		json_object_set_new(object, "bytes", json_integer((json_int_t)stats.image_sz));
		json_object_set_new(object, "locked_seconds", json_real(stats.locked_s));
		json_object_set_new(object, "seconds", json_real(seconds));
		json_dumpf(object, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(object);
	} else if (!stats.done) {
		stele_cmd_print("%s: nothing to do, it was built anew meanwhile", image);
	} else {
		char before[16], after[16];
		stele_cmd_print("%s: %sB instead of %sB, in %.2f s", image,
				stele_cmd_round((double)stats.image_sz, after),
				stele_cmd_round((double)stats.before_sz, before), seconds);
	}
	return stele_cmd_close_output(0);
}
