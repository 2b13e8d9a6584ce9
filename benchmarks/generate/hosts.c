/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/generate/fail.h"
#include "benchmarks/generate/modes.h"
#include "benchmarks/generate/words.h"

/* Branches may nest this deep; a host or a wildcard adds one label more. */
#define DEPTH_MAX 6
/* Longer branches get no branches of their own: names stay below 255 bytes with any origin. */
#define BRANCH_LEN_MAX 70
/* Hosts that an alias may point to: the latest ones, a power of two. */
#define TARGETS_CNT 4096

/* A domain below the apex that holds hosts. Unless it owns records it is an empty non-terminal. */
struct branch {
	char name[GEN_NAME_MAX]; /* relative to the apex */
	uint8_t len;
	uint8_t depth;
	bool owns_records;
};

struct tree {
	struct gen_zone *zone;
	struct gen_set seen; /* relative names, branches and hosts alike */
	struct branch *branches;
	uint32_t branches_cnt;
	char (*targets)[GEN_NAME_MAX];
	uint64_t targets_used;
	uint64_t shared_left; /* aliases of "shared" that are still to be written */
};

/* Writes a fresh name below a branch (or below the apex when it is NULL); returns its length. */
static size_t fresh_name(struct tree *tree, const struct branch *below, char name[GEN_NAME_MAX])
{
	for (;;) {
		char label[GEN_LABEL_MAX];
		size_t len = gen_words_label(&tree->zone->rng, label);

		memcpy(name, label, len);
		if (below != NULL) {
			name[len++] = '.';
			memcpy(name + len, below->name, below->len);
			len += below->len;
		}
		if (gen_set_add(&tree->seen, name, len))
			return len;
	}
}

static void write_wildcard(struct tree *tree, const struct branch *branch)
{
	struct gen_zone *zone = tree->zone;
	char owner[GEN_NAME_MAX + 2];
	size_t len = (size_t)snprintf(owner, sizeof(owner), "*.%.*s", branch->len, branch->name);

	if (gen_rng_chance(&zone->rng, 300000)) {
		gen_zone_begin_record(zone, owner, len, "CNAME");
		gen_out_text(&zone->out, "www.edge.test.\n");
		gen_zone_name(zone, owner, len, GEN_CNAME);
		return;
	}
	gen_zone_a(zone, owner, len);
	gen_zone_record(zone, owner, len, "TXT", "\"any name here\"");
	gen_zone_name(zone, owner, len, GEN_A | GEN_TXT);
}

/*
 * Every branch gets a host at once, so that no branch is left without descendants; with it come
 * its wildcard and its own records, or its empty place in the chain.
 */
static void write_branch(struct tree *tree, struct branch *branch)
{
	struct gen_zone *zone = tree->zone;
	char owner[GEN_NAME_MAX];
	size_t len = fresh_name(tree, branch, owner);

	gen_zone_a(zone, owner, len);
	gen_zone_name(zone, owner, len, GEN_A);
	if (gen_rng_chance(&zone->rng, 150000))
		write_wildcard(tree, branch);
	branch->owns_records = gen_rng_chance(&zone->rng, 250000);
	if (branch->owns_records)
		gen_zone_record(zone, branch->name, branch->len, "TXT", "\"a site\"");
	gen_zone_name(zone, branch->name, branch->len, branch->owns_records ? GEN_TXT : 0);
}

static void make_branches(struct tree *tree)
{
	/* The branches belong to gen_hosts(). NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	for (uint32_t i = 0; i < tree->branches_cnt; i++) {
		struct branch *branch = &tree->branches[i];
		const struct branch *below = NULL;

		/* The first ones stand below the apex, like sites or departments. */
		if (i >= 8 && !gen_rng_chance(&tree->zone->rng, 100000))
			below = &tree->branches[gen_rng_below(&tree->zone->rng, i)];
		if (below != NULL && (below->depth >= DEPTH_MAX || below->len > BRANCH_LEN_MAX))
			below = NULL;
		branch->len = (uint8_t)fresh_name(tree, below, branch->name);
		branch->depth = (uint8_t)(below == NULL ? 1 : below->depth + 1);
		write_branch(tree, branch);
	}
}

static void write_alias(struct tree *tree, const char *owner, size_t len)
{
	struct gen_zone *zone = tree->zone;
	uint64_t known = tree->targets_used < TARGETS_CNT ? tree->targets_used : TARGETS_CNT;

	gen_zone_begin_record(zone, owner, len, "CNAME");
	if (known == 0 || gen_rng_chance(&zone->rng, 300000))
		gen_out_text(&zone->out, "service.edge.test.");
	else
		gen_out_text(&zone->out, tree->targets[gen_rng_below(&zone->rng, known)]);
	gen_out_text(&zone->out, "\n");
	gen_zone_name(zone, owner, len, GEN_CNAME);
}

static void write_host(struct tree *tree)
{
	struct gen_zone *zone = tree->zone;
	const struct branch *below = NULL;
	char owner[GEN_NAME_MAX];
	uint32_t types = GEN_A;
	size_t len;
	char *target;

	if (!gen_rng_chance(&zone->rng, 150000))
		below = &tree->branches[gen_rng_skewed(&zone->rng, tree->branches_cnt)];
	len = fresh_name(tree, below, owner);
	if (tree->shared_left > 0) {
		tree->shared_left--;
		gen_zone_record(zone, owner, len, "CNAME", "shared");
		gen_zone_name(zone, owner, len, GEN_CNAME);
		return;
	}
	if (gen_rng_chance(&zone->rng, 120000)) {
		write_alias(tree, owner, len);
		return;
	}
	gen_zone_a(zone, owner, len);
	if (gen_rng_chance(&zone->rng, 200000))
		gen_zone_a(zone, owner, len);
	if (gen_rng_chance(&zone->rng, 400000)) {
		gen_zone_aaaa(zone, owner, len);
		types |= GEN_AAAA;
	}
	if (gen_rng_chance(&zone->rng, 40000)) {
		gen_zone_record(zone, owner, len, "MX", "10 mx.edge.test.");
		types |= GEN_MX;
	}
	if (gen_rng_chance(&zone->rng, 60000)) {
		gen_zone_record(zone, owner, len, "TXT", "\"rack 12, unit 7\"");
		types |= GEN_TXT;
	}
	gen_zone_name(zone, owner, len, types);

	target = tree->targets[tree->targets_used++ % TARGETS_CNT];
	memcpy(target, owner, len);
	target[len] = '\0';
}

void gen_hosts(struct gen_zone *zone, const struct gen_options *options)
{
	struct tree tree = {
		.zone = zone,
		.branches_cnt = (uint32_t)(options->names_cnt / 25 + 1),
		.shared_left = options->shared_cnt,
	};

	gen_set_init(&tree.seen, options->names_cnt + 2 * (uint64_t)tree.branches_cnt + 1);
	tree.branches = calloc(tree.branches_cnt, sizeof(*tree.branches));
	tree.targets = calloc(TARGETS_CNT, sizeof(*tree.targets));
	if (tree.branches == NULL || tree.targets == NULL)
		gen_fail("no memory for %u branches", tree.branches_cnt);

	gen_zone_begin(zone, options->origin, options->denial, "ns1.edge.test. ns2.edge.test.",
		       GEN_MX);
	gen_zone_record(zone, "@", 1, "MX", "10 mx.edge.test.");
	if (options->shared_cnt > 0) {
		gen_set_add(&tree.seen, "shared", 6);
		gen_zone_a(zone, "shared", 6);
		gen_zone_aaaa(zone, "shared", 6);
		gen_zone_name(zone, "shared", 6, GEN_A | GEN_AAAA);
	}
	make_branches(&tree);
	/* Branches have brought hosts of their own; the total is what was asked for, or a little more. */
	while (zone->names_cnt < options->names_cnt)
		write_host(&tree);
	gen_zone_end(zone);

	gen_set_free(&tree.seen);
	free(tree.branches);
	free(tree.targets);
}
