/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_NAME_H
#define STELE_ZONECOMPILER_CARVE_NAME_H

/*
 * From a node of the store to the record of a name (struct stele_name).
 *
 * Which RRsets a record has depends on where the name stands. At a cut: NS without signatures, DS and
 * NSEC with theirs, and the name's own addresses, which may be glue; if it is a wildcard, which delegates
 * nothing of what it stands for, all but the signatures of NS. Below a cut: addresses only, without
 * signatures. Elsewhere: all. Of an RRset of which there are only signatures the name alone is left: it
 * exists (RFC 4592 section 2.2.2).
 */

#include "zonecompiler/carve/body.h"

struct stele_carve_name {
	const uint8_t *owner; /* whole, lower case; 7 more bytes can be read behind it */
	uint8_t owner_len;
	bool is_cut;       /* only if not occluded */
	bool is_occluded;  /* below a cut, whose key is `cut_key` */
	bool has_wildcard; /* the child "*" exists */
	bool has_children;
	uint64_t cut_key;
	const uint8_t *node; /* NULL: empty non-terminal */
	size_t node_sz;
};

/* What is worth knowing about the record besides its bytes. */
struct stele_carve_result {
	uint32_t rr_cnt; /* records in it, signatures included */
	bool owns_nsec;  /* has an NSEC RRset and is not occluded */
};

/* True if the node has a record, be it a signature. */
bool stele_carve_exists(const uint8_t *node, size_t node_sz);

/* True if the node, not at an apex, makes a cut. */
bool stele_carve_is_cut(const uint8_t *node, size_t node_sz);

/* Appends the record to `out`. Errors as of stele_carve_body(). */
int stele_carve_name(struct stele_carver *carver, const struct stele_carve_zone *zone,
		     const struct stele_carve_name *name, struct stele_buffer *out,
		     struct stele_carve_result *ret_result, struct stele_error *reterr);

#endif
