/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_INSPECT_WALK_H
#define STELE_ZONECOMPILER_INSPECT_WALK_H

/*
 * Walks over what an image holds, for commands that look at all of it: every zone, every name,
 * every denial record. The view must have passed stele_view_verify(): what stands in it is believed.
 */

#include "lib/dns/name.h"
#include "lib/command/command.h"
#include "lib/image/view.h"

/* Opens the image at `path` and verifies it, in parts of `progress`. Close it with stele_view_close(). */
int stele_inspect_open(const char *path, struct stele_progress *progress,
		       struct stele_view *ret_view, struct stele_error *reterr);

struct stele_inspect_zone {
	const struct stele_zone *head;
	const uint8_t *apex; /* lower case */
	uint32_t id;
	uint32_t rank; /* position in canonical order of apexes */
};

struct stele_inspect_zones {
	struct stele_inspect_zone *by_rank;
	uint32_t *rank_by_id; /* ranks, ascending by the ids of their zones */
	uint32_t cnt;
};

/* All zones of the image. STELE_E_SYSTEM: no memory. */
int stele_inspect_zones_load(const struct stele_view *view, struct stele_inspect_zones *ret_zones,
			     struct stele_error *reterr);
void stele_inspect_zones_free(struct stele_inspect_zones *zones);

/* The zone with this id; the image has verified that there is one. */
const struct stele_inspect_zone *stele_inspect_zone_by_id(const struct stele_inspect_zones *zones,
							  uint32_t zone_id);

/* Calls `visit` for every record of the name shards, in the order in which they are stored: `part` of `progress`. */
void stele_inspect_names(const struct stele_view *view, struct stele_progress *progress,
			 const char *part,
			 void (*visit)(void *user, const struct stele_name_parts *name),
			 void *user);

/*
 * The denial blocks of a zone, one after the other: `index` from 0 on, NULL behind the last. `size`
 * gets its bytes. Whether they are NSEC or NSEC3 is in zone->chain_kind.
 */
const uint8_t *stele_inspect_chain_block(const struct stele_view *view,
					 const struct stele_zone *zone, uint32_t index,
					 uint64_t *ret_size);

/*
 * Writes to `rdata` (65,535 bytes) what the rdata at `at` of the body is without compression, and
 * returns its length. `owner` is the whole owner name, of `owner_len` bytes.
 */
size_t stele_inspect_rdata(const uint8_t *body, const uint8_t *at, const uint8_t *owner,
			   size_t owner_len, uint16_t type, uint8_t *rdata);

#endif
