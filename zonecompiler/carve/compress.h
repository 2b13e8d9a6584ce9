/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_COMPRESS_H
#define STELE_ZONECOMPILER_CARVE_COMPRESS_H

/*
 * The suffixes that a name inside a body may point to: those of the owner name, and those of names
 * that stand in the body already. They form a tree of labels that grows from the root: a suffix is a
 * label in front of another suffix. Labels are compared without regard to case.
 *
 * Pointers are numbers as struct stele_rrset (lib/image/format.h) describes them.
 */

#include <stdbool.h>
#include <stdint.h>

/* Suffixes kept for one RRset; an RRset with more of them finds only these. */
#define STELE_COMPRESS_MAX 1024
#define STELE_COMPRESS_SLOTS (4 * STELE_COMPRESS_MAX)

struct stele_suffix {
	const uint8_t *label;
	uint16_t parent;
	uint16_t pointer; /* 0: may not be pointed to */
	uint16_t slot;
};

/* Zeroed by its owner before the first use; about 32 KB. */
struct stele_compress {
	uint16_t slots[STELE_COMPRESS_SLOTS];             /* suffix, 0: free */
	struct stele_suffix suffixes[STELE_COMPRESS_MAX]; /* 0 is the root */
	uint16_t cnt;
	uint16_t owner_cnt; /* that are of the owner name */
	uint16_t apex_cnt;  /* of these, the apex and what is above it */
	uint16_t body_base; /* pointer to the first byte of the body */
};

/*
 * Begins anew with an owner name, whose bytes must stay until the next one. The first label of a
 * wildcard is left out: in a reply another name stands there.
 */
void stele_compress_owner(struct stele_compress *compress, const uint8_t *owner, unsigned owner_len,
			  unsigned apex_labels, bool is_wildcard);

/* Forgets the names of the body; the owner name stays. */
void stele_compress_reset(struct stele_compress *compress);

/*
 * Writes the name at `name` (uncompressed, valid, staying until the reset) to `to`, which is `body_off`
 * bytes into the body, shortened as far as possible. Returns how many bytes it takes. If it ends
 * with a pointer, `*ret_pointer` gets its value, else 0. With `apex_only` it may point to the apex's
 * suffixes alone and is not pointed to later.
 */
unsigned stele_compress_name(struct stele_compress *compress, const uint8_t *name, uint8_t *to,
			     uint32_t body_off, bool apex_only, uint16_t *ret_pointer);

#endif
