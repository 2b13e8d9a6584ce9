/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile compact: an image without its garbage. */
#include "zonecompiler/command.h"

#include "zonecompiler/write/compact.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const struct stele_cmd_option options[] = {
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "compact",
	.synopsis = "IMAGE",
	.about =
		"Copies what the image serves into a new file that takes its name: what updates have left\n"
		"behind stays out. Nothing is carved, and updates may go on meanwhile.",
	.options = options,
};

int stele_cmd_compact(int argc, char **argv)
{
	const char *value;
	bool json = false;
	int id, status = 0;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &status)) != STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return status;
		json = true;
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "expected one image");
	const char *image = argv[optind];
	struct stele_progress clock;
	stele_progress_begin(&clock, "compacting", "bytes", 0);
	struct stele_error err;
	struct stele_compact_stats stats;
	int rc = stele_compact(image, &stats, &err);
	double seconds = stele_progress_end(&clock);
	if (rc < 0)
		return stele_cmd_fail(rc, &err);
	if (json) {
		json_t *object = json_pack("{s:s, s:b, s:I, s:I, s:I, s:f, s:f}", "image", image,
					   "compacted", stats.done, "generation",
					   (json_int_t)stats.generation, "from_bytes",
					   (json_int_t)stats.from_sz, "bytes",
					   (json_int_t)stats.image_sz, "locked_seconds",
					   stats.locked_s, "seconds", seconds);
		json_dumpf(object, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(object);
	} else if (stats.done) {
		char from[16], to[16];
		printf("%s: generation %" PRIu64
		       ", %sB of %sB kept in %.2f s (locked for %.3f s)\n",
		       image, stats.generation, stele_cmd_round((double)stats.image_sz, to),
		       stele_cmd_round((double)stats.from_sz, from), seconds, stats.locked_s);
	} else {
		printf("%s: built anew meanwhile, nothing to do\n", image);
	}
	return stele_cmd_close_output(0);
}
