/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_WALK_H
#define STELE_ZONECOMPILER_CARVE_WALK_H

/*
 * A walk over the nodes of a zone in canonical order that gives out the record of every name.
 *
 * In this order a name is followed by all names below it. So the walk keeps a stack of open names,
 * from the apex down to the one it has met last; what a record says of names below (children, a
 * wildcard) is known when its name closes, and only then the record is carved. Labels between
 * a name and its closest open ancestor are empty non-terminals. What is below a cut is occluded.
 *
 * A walk may take a part of a zone, as long as the part begins and ends between two children of
 * the apex (with what is below them): nothing but the apex has anything to do with two such parts.
 */

#include "zonecompiler/carve/name.h"

#include "lib/dns/name.h"

struct stele_walk_totals {
	uint64_t name_cnt;  /* records */
	uint64_t rr_cnt;    /* in them, signatures included */
	unsigned label_max; /* labels of the deepest name, the apex's included */
};

struct stele_walk_frame {
	const uint8_t *node; /* NULL: empty non-terminal */
	size_t node_sz;
	uint64_t hash;
	uint16_t key_end; /* length of its sort key */
	uint8_t begin;    /* of its name in `name` */
	bool has_wildcard, has_children;
};

struct stele_walk {
	const struct stele_carve_zone *zone;
	struct stele_carver *carver;
	/* Takes a record; its bytes live until the call returns. Order: as names close. */
	int (*take_name)(void *user, uint64_t key, const uint8_t *record, size_t record_sz,
			 struct stele_error *reterr);
	/* Takes an owner of an NSEC RRset in a zone with an NSEC chain. Order: canonical. */
	int (*take_nsec)(void *user, uint64_t key, const uint8_t *sort_key, size_t sort_key_len,
			 struct stele_error *reterr);
	void *user;
	/* What the apex's record says of names below it; a walk of the whole zone finds that itself. */
	bool is_part, apex_has_children, apex_has_wildcard;

	struct stele_walk_totals totals;

	/* The walk's own. */
	struct stele_buffer record;
	struct stele_walk_frame frames[STELE_LABELS_MAX + 1]; /* 0 is the apex */
	unsigned depth;                                       /* frames in use - 1 */
	unsigned cut;                                         /* the frame that is a cut; 0: none */
	uint64_t cut_key;
	/* The deepest open name, right-aligned: each open ancestor's is the end of it. */
	uint8_t name[STELE_NAME_MAX + 1 + STELE_HASH_SLACK];
	uint8_t sort_key[STELE_SORT_KEY_MAX];
};

/* Begins; the members above "the walk's own" are the caller's to set before. */
void stele_walk_begin(struct stele_walk *walk);

/*
 * The next node. Its bytes must stay until the walk ends, `sort_key` until the call returns. Keys
 * ascend. Returns 0, a negative stele_status or what a callback returned.
 */
int stele_walk_add(struct stele_walk *walk, const uint8_t *sort_key, size_t sort_key_len,
		   const uint8_t *node, size_t node_sz, struct stele_error *reterr);

/* Closes all names that are open. The walk may begin again. */
int stele_walk_end(struct stele_walk *walk, struct stele_error *reterr);

void stele_walk_free(struct stele_walk *walk);

#endif
