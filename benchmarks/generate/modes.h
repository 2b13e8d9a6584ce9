/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of zones that the generator knows, and what can be asked of them. */
#ifndef STELE_BENCHMARKS_GENERATE_MODES_H
#define STELE_BENCHMARKS_GENERATE_MODES_H

#include <stdint.h>

#include "benchmarks/generate/zone.h"

struct gen_options {
	uint64_t names_cnt; /* delegations, zones or hosts, at least 1 */
	const char *origin; /* absolute, lower case, with the final dot */
	const char *path;   /* file or directory; NULL is standard output */
	enum gen_denial denial;
	uint32_t ds_ppm;      /* delegations with a DS record, in a million */
	uint32_t in_zone_ppm; /* delegations served by hosts inside the zone, in a million */
	uint32_t signed_ppm;  /* hosting: zones that are signed, in a million */
	uint64_t shared_cnt;  /* delegations, or aliases, that depend on the one name "shared" */
};

/*
 * A registry: delegations with two name servers each. Most use the servers of a hosting company
 * elsewhere, the popular ones shared by very many; the rest use host names below another delegation
 * of the same zone (sibling glue, shared) or below their own.
 */
void gen_tld(struct gen_zone *zone, const struct gen_options *options);

/*
 * A hosting company: many small zones of 5 to 20 names, each in a file of its own below a directory,
 * and `zones.list` with a line "zone-name zone-file" for each.
 */
void gen_hosting(struct gen_zone *zone, const struct gen_options *options);

/*
 * A company's or a cloud's own zone: hosts at depths of 1 to 7 labels with addresses, aliases,
 * wildcards, mail, and the empty non-terminals in between.
 */
void gen_hosts(struct gen_zone *zone, const struct gen_options *options);

#endif
