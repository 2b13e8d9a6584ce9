/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile update: an image brought up to date with its store. */
#include "zonecompiler/command.h"

#include "lib/base/cpu.h"
#include "lib/store/store.h"
#include "zonecompiler/image_json.h"
#include "zonecompiler/update/update.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define JOBS_MAX 256

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store"},
	{"jobs", 'J', "N", "threads where the image is built anew (default: one for each core)"},
	{"no-compact", 'n', NULL, "leave garbage in the file, for 'compact' when nobody waits"},
	{"no-sync", 'y', NULL, "do not wait for the disk: see above"},
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "update",
	.synopsis = "--store DIR [--jobs N] [--no-compact] [--no-sync] [--json] IMAGE",
	.about =
		"Appends to the image what changed in the store since it was made: only shards with a changed\n"
		"record. Where too much changed, or the image is of another store, it is built anew, with its\n"
		"seed, and replaced; where too much of the file is not reached any more, it is compacted, if\n"
		"there is room for that. With --no-sync an image has to be verified, or built anew, if the\n"
		"machine crashes before the disk has it all.",
	.options = options,
};

static const char *const kinds[] = {
	[STELE_UPDATE_NOTHING] = "nothing",
	[STELE_UPDATE_APPENDED] = "appended",
	[STELE_UPDATE_COMPACTED] = "compacted",
	[STELE_UPDATE_REBUILT] = "rebuilt",
};

static void print_json(const char *image, const struct stele_update_stats *stats, double seconds)
{
	json_t *json = json_object();
	stele_image_json_set(json, image);
	json_object_set_new(json, "result", json_string(kinds[stats->kind]));
	if (stats->reason[0] != '\0')
		json_object_set_new(json, "reason", json_string(stats->reason));
	json_object_set_new(json, "from_generation",
			    json_integer((json_int_t)stats->from_generation));
	json_object_set_new(json, "generation", json_integer((json_int_t)stats->generation));
	json_object_set_new(json, "changes", json_integer((json_int_t)stats->change_cnt));
	json_object_set_new(json, "names", json_integer((json_int_t)stats->name_cnt));
	json_object_set_new(json, "shards", json_integer((json_int_t)stats->shard_cnt));
	json_object_set_new(json, "appended_bytes", json_integer((json_int_t)stats->appended_sz));
	json_object_set_new(json, "bytes", json_integer((json_int_t)stats->image_sz));
	json_object_set_new(json, "work_seconds", json_real(stats->work_s));
	json_object_set_new(json, "sync_seconds", json_real(stats->sync_s));
	json_object_set_new(json, "seconds", json_real(seconds));
	json_dumpf(json, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(json);
}

static void print_summary(const char *image, const struct stele_update_stats *stats, double seconds)
{
	char bytes[16];
	switch (stats->kind) {
	case STELE_UPDATE_NOTHING:
		stele_cmd_print("%s: nothing to do, it has generation %" PRIu64, image,
				stats->generation);
		return;
	case STELE_UPDATE_REBUILT:
		stele_cmd_print("%s: built anew, generation %" PRIu64 " in %.2f s (%s)", image,
				stats->generation, seconds, stats->reason);
		return;
	default:
		stele_cmd_print("%s: generation %" PRIu64 ", %" PRIu64 " names and %" PRIu64
				" shards changed, %sB appended in %.3f s%s",
				image, stats->generation, stats->name_cnt, stats->shard_cnt,
				stele_cmd_round((double)stats->appended_sz, bytes), seconds,
				stats->kind == STELE_UPDATE_COMPACTED ?
					", then copied without garbage" :
					"");
		return;
	}
}

int stele_cmd_update(int argc, char **argv)
{
	const char *store_dir = NULL, *value;
	struct stele_update_options update = {0};
	struct stele_progress progress;
	bool json = false;
	uint64_t jobs = stele_cpu_usable_cnt(JOBS_MAX);
	int id, status = 0;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &status)) != STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return status;
		if (id == 's')
			store_dir = value;
		else if (id == 'J' && !stele_cmd_number(value, 1, JOBS_MAX, &jobs))
			return stele_cmd_usage(spec.name, "--jobs %s (expected 1 to %d)", value,
					       JOBS_MAX);
		json |= id == 'j';
		update.no_compact |= id == 'n';
		update.no_sync |= id == 'y';
	}
	if (store_dir == NULL)
		return stele_cmd_usage(spec.name, "--store is missing");
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "expected one image");
	const char *image = argv[optind];
	update.jobs = (unsigned)jobs;

	stele_progress_begin(&progress, "updating", "names", 0);
	update.progress = stele_progress_part;
	update.user = &progress;
	struct stele_error err;
	struct stele_store *store = NULL;
	struct stele_update_stats stats = {0};
	int rc = stele_store_open(store_dir, STELE_STORE_READ, &store, &err);
	if (rc == 0) {
		rc = stele_update(store, image, &update, &stats, &err);
		stele_store_close(store);
	}
	double seconds = stele_progress_end(&progress);
	if (rc < 0)
		return stele_cmd_fail(rc, &err);
	if (stats.kind == STELE_UPDATE_APPENDED && stats.reason[0] != '\0')
		stele_cmd_say("warning: %s: its garbage stays: %s", image, stats.reason);
	if (stats.was_of_other_store)
		stele_cmd_say("warning: %s: it was of another store, and has the zones of %s now",
			      image, store_dir);
	if (json)
		print_json(image, &stats, seconds);
	else
		print_summary(image, &stats, seconds);
	return stele_cmd_close_output(0);
}
