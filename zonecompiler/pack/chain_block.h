/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_PACK_CHAIN_BLOCK_H
#define STELE_ZONECOMPILER_PACK_CHAIN_BLOCK_H

/*
 * Blocks of denial chains (struct stele_nsec3_block, struct stele_nsec_block). A block is made of a
 * run of entries, one behind the other in the order of the chain, and a carry: the entry before
 * the run.
 */

#include "lib/image/format.h"

#include <stddef.h>
#include <stdint.h>

/* Entries without gaps. Each says itself how long it is. */
struct stele_chain_run {
	const uint8_t *entries;
	size_t entries_sz;
	uint32_t entry_cnt;
};

/* How long the entry is that begins at `entry`. */
size_t stele_nsec3_entry_sz(const uint8_t *entry);
size_t stele_nsec_entry_sz(const uint8_t *entry);

/* Bytes of the block with these entries and `carry_sz` bytes carried over. */
uint64_t stele_pack_nsec3_sz(const struct stele_chain_run *own, size_t carry_sz);
uint64_t stele_pack_nsec_sz(const struct stele_chain_run *own, size_t carry_sz);

/* Write the block to `block`: as many bytes as the function above says. */
void stele_pack_nsec3(const struct stele_chain_run *own, const uint8_t *carry, size_t carry_sz,
		      unsigned skip_bits, uint8_t *block);
void stele_pack_nsec(const struct stele_chain_run *own, const uint8_t *carry, size_t carry_sz,
		     uint8_t *block);

/* The inverse: the run of own entries in a block of an image that has been verified; the first entry, which is
 * the carry; and the last, own or carry. */
struct stele_chain_run stele_unpack_nsec3(const uint8_t *block);
struct stele_chain_run stele_unpack_nsec(const uint8_t *block);
const uint8_t *stele_nsec3_first(const uint8_t *block);
const uint8_t *stele_nsec_first(const uint8_t *block);
const uint8_t *stele_nsec3_last(const uint8_t *block);
const uint8_t *stele_nsec_last(const uint8_t *block);

#endif
