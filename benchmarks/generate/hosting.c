/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "benchmarks/generate/fail.h"
#include "benchmarks/generate/modes.h"
#include "benchmarks/generate/words.h"

/* Directories stay pleasant to list with this many files. */
#define FILES_PER_DIRECTORY 1000

static void make_directory(const char *path)
{
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		gen_fail("%s: %s", path, strerror(errno));
}

/* One host of a small zone; the common ones first, as every customer has them. */
static void write_host(struct gen_zone *zone, uint32_t at)
{
	static const char *const common[] = {"www",  "mail", "ftp",     "smtp",         "imap",
					     "shop", "blog", "webmail", "autodiscover", "dev"};
	char owner[GEN_LABEL_MAX + 8];
	size_t len;
	uint32_t types = 0;

	if (at < sizeof(common) / sizeof(common[0])) {
		len = strlen(common[at]);
		memcpy(owner, common[at], len);
	} else {
		/* The number keeps names apart without a set for each zone. */
		char label[GEN_LABEL_MAX];

		len = gen_words_label(&zone->rng, label);
		len = (size_t)snprintf(owner, sizeof(owner), "%.*s%u", (int)len, label, at);
	}
	if (at > 1 && gen_rng_chance(&zone->rng, 350000)) {
		gen_zone_record(zone, owner, len, "CNAME", "www");
		types = GEN_CNAME;
	} else {
		gen_zone_a(zone, owner, len);
		types = GEN_A;
		if (gen_rng_chance(&zone->rng, 300000)) {
			gen_zone_aaaa(zone, owner, len);
			types |= GEN_AAAA;
		}
	}
	gen_zone_name(zone, owner, len, types);
}

static void write_zone(struct gen_zone *zone, const char *origin, enum gen_denial denial)
{
	static const char *const servers[] = {
		"ns1.dns-host.test. ns2.dns-host.test.",
		"ns3.dns-host.test. ns4.dns-host.test.",
	};
	/* The apex is one of the 5 to 20 names. */
	uint32_t hosts_cnt = 4 + gen_rng_below(&zone->rng, 16);

	gen_zone_begin(zone, origin, denial, servers[gen_rng_below(&zone->rng, 2)],
		       GEN_A | GEN_MX | GEN_TXT);
	gen_zone_a(zone, "@", 1);
	gen_zone_record(zone, "@", 1, "MX", "10 mail");
	gen_zone_record(zone, "@", 1, "TXT", "\"v=spf1 mx a -all\"");
	for (uint32_t i = 0; i < hosts_cnt; i++)
		write_host(zone, i);
	gen_zone_end(zone);
}

void gen_hosting(struct gen_zone *zone, const struct gen_options *options)
{
	char directory[PATH_MAX];
	char path[PATH_MAX + 128];
	struct gen_out list = {0};
	struct gen_set seen;

	make_directory(options->path);
	/* The list names files absolutely: it works from whatever directory it is read. */
	if (realpath(options->path, directory) == NULL)
		gen_fail("%s: %s", options->path, strerror(errno));
	snprintf(path, sizeof(path), "%s/zones.list", directory);
	gen_out_open(&list, path);
	gen_set_init(&seen, options->names_cnt);

	for (uint64_t at = 0; at < options->names_cnt;) {
		char label[GEN_LABEL_MAX];
		char origin[GEN_NAME_MAX];
		char file[PATH_MAX + 128];
		size_t len = gen_words_label(&zone->rng, label);
		enum gen_denial denial = options->denial;
		uint64_t group = at / FILES_PER_DIRECTORY;

		if (!gen_set_add(&seen, label, len))
			continue;
		if (!gen_rng_chance(&zone->rng, options->signed_ppm))
			denial = GEN_DENIAL_NONE;
		if (at % FILES_PER_DIRECTORY == 0) {
			snprintf(file, sizeof(file), "%s/%04u", directory, (unsigned int)group);
			make_directory(file);
		}
		snprintf(origin, sizeof(origin), "%.*s.%.200s", (int)len, label, options->origin);
		snprintf(file, sizeof(file), "%s/%04u/%.*s.zone", directory, (unsigned int)group,
			 (int)len, label);
		gen_out_text(&list, origin);
		gen_out_text(&list, " ");
		gen_out_text(&list, file);
		gen_out_text(&list, "\n");

		gen_out_open(&zone->out, file);
		write_zone(zone, origin, denial);
		gen_out_close(&zone->out);
		at++;
	}
	gen_out_close(&list);
	free(list.buffer);
	gen_set_free(&seen);
}
