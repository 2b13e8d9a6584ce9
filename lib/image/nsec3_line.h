/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_NSEC3_LINE_H
#define STELE_LIB_IMAGE_NSEC3_LINE_H

/*
 * Where a hash stands in a block of an NSEC3 chain (struct stele_nsec3_block), and the lines that say
 * where its entry does: what the search, who writes a block and who verifies one have in common.
 */

#include "lib/image/format.h"

/* The line of a hash, and what tells it from others there. */
struct stele_nsec3_place {
	uint32_t line;
	uint16_t tag;
};

/* `prefix`: the first 8 bytes of the hash, big-endian. */
static inline struct stele_nsec3_place stele_nsec3_place(uint64_t prefix, unsigned skip_bits,
							 uint32_t line_cnt)
{
	unsigned __int128 product = (unsigned __int128)(prefix << skip_bits) * line_cnt;
	return (struct stele_nsec3_place){(uint32_t)(product >> 64), (uint16_t)(product >> 48)};
}

/* A line while its entries come, in the order of their hashes. */
struct stele_nsec3_filler {
	struct stele_nsec3_line line;
	uint32_t before_off;
	unsigned slot_cnt; /* in use */
};

/* An empty line behind the entry at `before_off`. */
static inline void stele_nsec3_line_begin(struct stele_nsec3_filler *f, uint32_t before_off)
{
	*f = (struct stele_nsec3_filler){.before_off = before_off};
	f->line.before_off = stele_to_le32(before_off);
	for (unsigned i = 0; i < STELE_NSEC3_SLOTS; i++)
		f->line.tags[i] = stele_to_le16(UINT16_MAX);
}

/* Entry `index` of the block, which begins at `off`. */
static inline void stele_nsec3_line_add(struct stele_nsec3_filler *f, uint16_t tag, uint32_t index,
					uint32_t off)
{
	if (stele_le32(f->line.rest) != 0)
		return;
	uint32_t distance = off - f->before_off;
	if (f->slot_cnt == STELE_NSEC3_SLOTS || distance > UINT16_MAX) {
		f->line.rest = stele_to_le32(index);
		return;
	}
	f->line.tags[f->slot_cnt] = stele_to_le16(tag);
	f->line.distances[f->slot_cnt++] = stele_to_le16((uint16_t)distance);
}

#endif
