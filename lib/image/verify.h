/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_VERIFY_H
#define STELE_LIB_IMAGE_VERIFY_H

/*
 * What the files of stele_view_verify() share.
 *
 *   verify.c         the order of the passes; checksums, digests, totals
 *   verify_zone.c    zone shards and the map of zones
 *   verify_name.c    name shards: each record by itself
 *   verify_tree.c    name shards: parents, cuts and wildcards across records
 *   verify_rrset.c   one RRset and its body
 *   verify_nsec3.c   NSEC3 blocks and runs of them; verify_nsec.c: the same for NSEC
 *
 * It is a reader of its own: it does not use the accessors of view.h before the bytes that they read
 * are known to be there. Each function returns 0 or what stele_verify_fault() is.
 */

#include "lib/dns/name.h"
#include "lib/image/view.h"

/* A zone record that has been checked, and what the other passes count against it. */
struct verify_zone {
	const struct stele_zone *head;
	const uint8_t *apex; /* head->apex_len bytes, lower case */
	const uint8_t *salt;
	uint64_t apex_hash;
	uint64_t size; /* bytes of the record */
	uint32_t id;
	uint32_t shard;

	/* Seen so far. */
	uint64_t name_cnt;
	uint64_t rr_cnt;
	uint64_t nsec_cnt; /* names that own an NSEC RRset, occluded ones not counted */
	uint8_t label_max;
	bool opt_out;
};

/* Facts about a slot of a name shard that other records decide. */
enum {
	VERIFY_SLOT_HAS_CHILDREN = 1,
	VERIFY_SLOT_HAS_WILDCARD = 2,
};

struct verify {
	const struct stele_view *view;
	struct stele_error *reterr;
	uint32_t shard; /* under way, for messages */

	struct verify_zone *zones; /* ascending by id once all are there */
	size_t zone_cnt, zone_cap;
	uint8_t *chain_shard_used; /* by shard index */
	uint64_t *slot_first;      /* by shard index: its first slot in slot_facts */
	uint8_t *slot_facts;
	uint64_t name_cnt;

	/* Bit i: a label of a name in the body under way begins at byte i. */
	uint64_t label_starts[65536 / 64];
};

/*
 * Writes "shard N at OFFSET: ..." with the offset of `at` in the image; is STELE_E_INPUT. A macro, so
 * that compilers and analyzers see that it is never 0.
 */
#define stele_verify_fault(v, at, ...) (stele_verify_write_fault(v, at, __VA_ARGS__), STELE_E_INPUT)
void stele_verify_write_fault(struct verify *v, const void *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The zone with this id, or NULL. */
struct verify_zone *stele_verify_zone_by_id(const struct verify *v, uint32_t zone_id);

/*
 * Whether `rel` is a lower-case relative name that makes a whole name with an apex of `apex_len`
 * bytes. Sets the number of its labels.
 */
bool stele_verify_relative(const uint8_t *rel, size_t rel_len, size_t apex_len,
			   unsigned *ret_label_cnt);

/*
 * The hash of a checked relative name below the name with hash `suffix`. `ret_parent` (may be NULL)
 * gets the hash without the first label.
 */
uint64_t stele_verify_hash(struct stele_hash_seed seed, uint64_t suffix, const uint8_t *rel,
			   size_t rel_len, uint64_t *ret_parent);

/* Key of the name with relative owner `rel` in `zone`. */
uint64_t stele_verify_key(const struct verify *v, const struct verify_zone *zone,
			  const uint8_t *rel, size_t rel_len);

/* The slot number that a key leads to in a shard. */
uint32_t stele_verify_slot(const struct stele_view_shard *shard, uint64_t key);

/*
 * The record of this owner, or NULL. Only once all name shards have passed stele_verify_names().
 * `ret_slot` (may be NULL) gets the slot's index in slot_facts.
 */
const struct stele_name *stele_verify_find(const struct verify *v, const struct verify_zone *zone,
					   uint64_t key, const uint8_t *rel, size_t rel_len,
					   uint64_t *ret_slot);

/*
 * The frame of a hash shard around its records: calls `check` for each record from the first to the
 * last, and holds that each of them is what the slot of its key points at, and that no other slot is
 * in use.
 *
 * `check` gets the record and the bytes left to the end of the shard; it sets the record's size and
 * its key.
 */
typedef int (*verify_record)(struct verify *v, const uint8_t *record, uint64_t left,
			     uint64_t *ret_size, uint64_t *ret_key);
int stele_verify_hash_shard(struct verify *v, uint32_t index, verify_record check);

/* Whose RRset it is. */
struct verify_owner {
	const struct verify_zone *zone;
	const uint8_t *name; /* whole, lower case */
	uint8_t name_len;
	bool is_wildcard;
	bool is_cut;
	bool may_refer; /* its RRsets may have references */
};

/*
 * An RRset whose struct has been found inside the record: its body begins `off` bytes from `base`,
 * of which `size` bytes may be read. Sets `*ret_end` to the offset behind all that belongs to it.
 */
int stele_verify_rrset(struct verify *v, const struct verify_owner *owner, const uint8_t *base,
		       uint64_t size, const struct stele_rrset *rrset, uint64_t off,
		       uint64_t *ret_end);

/* Passes, in this order. */
int stele_verify_zones(struct verify *v);
int stele_verify_names(struct verify *v);
int stele_verify_tree(struct verify *v);
int stele_verify_nsec3(struct verify *v, struct verify_zone *zone);
int stele_verify_nsec(struct verify *v, struct verify_zone *zone);

/* Takes the run of chain shards that a zone names: they exist, are of `kind`, and of no other zone. */
int stele_verify_take_chain(struct verify *v, const struct verify_zone *zone, uint8_t kind);

/* Whether the reference of the chain shard under way counts this many own entries. */
int stele_verify_item_cnt(struct verify *v, uint32_t own_cnt);

#endif
