/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile build: a whole image from the store. */
#include "zonecompiler/command.h"

#include "lib/base/cpu.h"
#include "lib/dns/name.h"
#include "lib/store/store.h"
#include "zonecompiler/build/build.h"
#include "zonecompiler/image_json.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define JOBS_MAX 256

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store"},
	{"output", 'o', "IMAGE", "the image; it is replaced when the new one is complete"},
	{"jobs", 'J', "N", "threads (default: as many as there are cores)"},
	{"only", 'z', "ZONE", "take this zone, and those named after it, and no others"},
	{"seed", 'S', "HEX", "32 hexadecimal digits: the same store and seed give the same bytes"},
	{"force", 'f', NULL,
	 "replace a file that is no image, too; without it only an image or an empty one"},
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "build",
	.synopsis =
		"--store DIR -o IMAGE [--jobs N] [--only ZONE...] [--seed HEX] [--force] [--json]",
	.about =
		"Carves the answers of all zones of the store and writes them as an image. Without --seed\n"
		"the secret seed of its hashes is random, as it has to be where strangers ask.",
	.options = options,
	.many = 'z',
};

struct arguments {
	const char *store, *seed;
	struct stele_build_options build;
	uint8_t (*names)[STELE_NAME_MAX];
	const uint8_t **only;
	size_t only_cnt;
	bool json;
};

static int parse_seed(const char *text, uint64_t seed[2])
{
	if (strlen(text) != 32 || strspn(text, "0123456789abcdefABCDEF") != 32)
		return -1;
	char half[17] = {0};
	memcpy(half, text, 16);
	seed[0] = strtoull(half, NULL, 16);
	seed[1] = strtoull(text + 16, NULL, 16);
	return 0;
}

static int add_zone(struct arguments *a, const char *text)
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), name);
	if (len < 0)
		return -1;
	a->only[a->only_cnt] = a->names[a->only_cnt];
	stele_name_lower(a->names[a->only_cnt++], name, (size_t)len);
	return 0;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct arguments *a)
{
	const char *value;
	int id, status = 0;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &status)) != STELE_CMD_END) {
		uint64_t number;
		switch (id) {
		case STELE_CMD_EXIT:
			return status;
		case 's':
			a->store = value;
			break;
		case 'o':
			a->build.image = value;
			break;
		case 'J':
			if (!stele_cmd_number(value, 1, JOBS_MAX, &number))
				return stele_cmd_usage(spec.name, "--jobs %s (expected 1 to %d)",
						       value, JOBS_MAX);
			a->build.jobs = (unsigned)number;
			break;
		case 'z':
			if (add_zone(a, value) < 0)
				return stele_cmd_usage(spec.name, "--only %s: not a name", value);
			break;
		case 'S':
			a->seed = value;
			break;
		case 'f':
			a->build.force = true;
			break;
		default:
			a->json = true;
			break;
		}
	}
	if (a->only_cnt == 0 && optind < argc)
		return stele_cmd_usage(spec.name, "unexpected argument %s", argv[optind]);
	for (; optind < argc; optind++)
		if (add_zone(a, argv[optind]) < 0)
			return stele_cmd_usage(spec.name, "--only %s: not a name", argv[optind]);
	if (a->store == NULL || a->build.image == NULL)
		return stele_cmd_usage(spec.name, "%s is missing",
				       a->store == NULL ? "--store" : "-o");
	if (a->seed != NULL && parse_seed(a->seed, a->build.seed) < 0)
		return stele_cmd_usage(spec.name, "--seed %s (expected 32 hexadecimal digits)",
				       a->seed);
	return -1;
}

static void print_json(const struct arguments *a, const struct stele_build_stats *stats,
		       double seconds)
{
	json_t *json = json_object();
	stele_image_json_set(json, a->build.image);
	json_object_set_new(json, "generation", json_integer((json_int_t)stats->generation));
	json_object_set_new(json, "zones", json_integer((json_int_t)stats->zone_cnt));
	json_object_set_new(json, "names", json_integer((json_int_t)stats->name_cnt));
	json_object_set_new(json, "rrs", json_integer((json_int_t)stats->rr_cnt));
	json_object_set_new(json, "bytes", json_integer((json_int_t)stats->image_sz));
	json_object_set_new(json, "shards", json_integer((json_int_t)stats->shard_cnt));
	json_object_set_new(json, "jobs", json_integer((json_int_t)a->build.jobs));
	json_object_set_new(json, "seconds", json_real(seconds));
	json_object_set_new(json, "carve_seconds", json_real(stats->carve_s));
	json_object_set_new(json, "pack_seconds", json_real(stats->pack_s));
	json_object_set_new(json, "sync_seconds", json_real(stats->finish_s));
	json_dumpf(json, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(json);
}

static void print_summary(const struct arguments *a, const struct stele_build_stats *stats,
			  double seconds)
{
	char names[16], bytes[16], rate[16];
	stele_cmd_print("%s: generation %" PRIu64 ", %" PRIu64 " zones, %s names, %" PRIu64
			" RRs, %sB in %.2f s (%s RRs/s)",
			a->build.image, stats->generation, stats->zone_cnt,
			stele_cmd_round((double)stats->name_cnt, names), stats->rr_cnt,
			stele_cmd_round((double)stats->image_sz, bytes), seconds,
			stele_cmd_round((double)stats->rr_cnt / (seconds > 0 ? seconds : 1), rate));
}

static int build(struct arguments *a)
{
	struct stele_error err;
	if (a->seed == NULL &&
	    getrandom(a->build.seed, sizeof(a->build.seed), 0) != (ssize_t)sizeof(a->build.seed))
		return stele_cmd_fail(stele_fail_errno(&err, errno, "random seed"), &err);
	if (a->build.jobs == 0)
		a->build.jobs = stele_cpu_usable_cnt(JOBS_MAX);
	if (a->only_cnt > 0) {
		a->build.only = a->only;
		a->build.only_cnt = a->only_cnt;
	}
	struct stele_progress progress;
	stele_progress_begin(&progress, "carving", "names", 0);
	a->build.progress = stele_progress_part;
	a->build.user = &progress;

	struct stele_store *store = NULL;
	struct stele_build_stats stats = {0};
	int rc = stele_store_open(a->store, STELE_STORE_READ, &store, &err);
	if (rc == 0) {
		rc = stele_build(store, &a->build, &stats, &err);
		stele_store_close(store);
	}
	double seconds = stele_progress_end(&progress);
	a->build.user = NULL;
	if (rc < 0)
		return stele_cmd_fail(rc, &err);
	if (a->json)
		print_json(a, &stats, seconds);
	else
		print_summary(a, &stats, seconds);
	return stele_cmd_close_output(0);
}

int stele_cmd_build(int argc, char **argv)
{
	struct arguments a = {
		.names = calloc((size_t)argc, sizeof(*a.names)),
		.only = calloc((size_t)argc, sizeof(*a.only)),
	};
	struct stele_error err;
	int status;
	if (a.names == NULL || a.only == NULL)
		status = stele_cmd_fail(stele_fail(&err, STELE_E_SYSTEM, "out of memory"), &err);
	else
		status = parse(argc, argv, &a);
	if (status < 0)
		status = build(&a);
	free(a.names);
	free(a.only);
	return status;
}
