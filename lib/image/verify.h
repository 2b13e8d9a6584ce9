/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_VERIFY_H
#define STELE_LIB_IMAGE_VERIFY_H

/*
 * What the files of the verification share (lib/image/verified.h).
 *
 *   verify.c         the order of the passes; totals, what is kept; digests with digests.c
 *   verify_run.c     workers: the threads of a pass, the fault that counts, tallies
 *   verify_block.c   hash shards: blocks, and that keys lead to their records
 *   verify_zone.c    zone shards and the table of zones
 *   verify_name.c    name shards: each record by itself
 *   verify_tree.c    name shards: parents, cuts and wildcards across records
 *   verify_rrset.c   one RRset and its body
 *   verify_chain.c   which shards are whose chain; names that left an NSEC chain
 *   findings.c        what is left of a verification, as bytes (findings.h)
 *   verify_nsec3.c   NSEC3 blocks and runs of them; verify_nsec.c: the same for NSEC
 *
 * It is a reader of its own: it does not use the accessors of view.h before the bytes that they read
 * are known to be there. Each function returns 0 or what stele_verify_fault() is.
 *
 * With a base, passes look only at shards that differ from it ("new" ones), and take what they say
 * of the old ones back from the tallies that the base left.
 */

#include "lib/dns/name.h"
#include "lib/dns/nsec3.h"
#include "lib/image/verified.h"

/* How much of a zone there is. Added and taken back modulo 2^64, but for the last two, which only
 * grow: a zone record may say more than there is (what is or was there). */
struct verify_tally {
	uint64_t name_cnt;
	uint64_t rr_cnt;
	uint64_t nsec_cnt;     /* names that own an NSEC RRset, occluded ones not counted */
	uint64_t nsec_own_cnt; /* own entries of its NSEC blocks */
	uint8_t label_max;
	bool opt_out;
};

/* A zone record that has been checked, and what the other passes count against it. */
struct verify_zone {
	const struct stele_zone *head;
	const uint8_t *apex; /* head->apex_len bytes, lower case */
	const uint8_t *salt;
	uint64_t apex_hash;
	uint64_t size; /* bytes of the record */
	uint32_t id;
	uint32_t shard;
	uint8_t labels;     /* of the apex */
	uint8_t chain_kind; /* enum stele_chain_kind */
	bool gone;          /* it was in the base; its names must be gone too */
	bool touched;       /* its record or something that it counts is new */
	struct verify_tally seen;
	struct verify_tally in_record; /* the share of `seen` that is a chain block in the record */
};

/* Of a chain shard: whose it is, and its share in the tally of that zone. */
struct verify_chain {
	bool used;
	uint8_t kind; /* enum stele_chain_kind */
	uint8_t bits; /* chain_bits */
	uint32_t zone_id;
	uint32_t first; /* chain_first */
	uint64_t rr_cnt;
	uint64_t own_cnt;
};

/*
 * By slot of a name shard: how many children the name has, and these flags. Images that share a shard share
 * its counts as long as they are the same; whoever changes some makes a copy first.
 */
struct verify_counts {
	uint32_t user_cnt; /* verifications that hold it */
	uint32_t slot_cnt;
	uint32_t slots[];
};
#define VERIFY_HAS_WILDCARD (UINT32_C(1) << 31) /* the child "*" exists */
#define VERIFY_TOUCHED (UINT32_C(1) << 30)      /* since the base; not kept */
#define VERIFY_CHILDREN (VERIFY_TOUCHED - 1)    /* mask of the count */
_Static_assert(STELE_IMAGE_NAMES_MAX <= VERIFY_CHILDREN, "all names may be one's children");

/* SHA-256 of all sources that have a say in a verdict (meson.build). */
extern const uint8_t stele_verifier_digest[32];

/* What is left of a verification. */
struct stele_verified {
	struct verify_zone *zones; /* ascending by id */
	size_t zone_cnt;
	struct verify_chain *chains;   /* by shard index */
	struct verify_counts **counts; /* by name shard, from 0; NULL where it is absent */
	uint32_t shard_cnt;
	uint64_t name_shard_cnt;
};

/* A name that owned an NSEC RRset in the base and does not any more. */
struct verify_removed {
	size_t zone;
	const uint8_t *record; /* in the base */
};

/* A name whose parent is looked for, and where that is. */
struct verify_bond {
	const uint8_t *child; /* record */
	const struct stele_view *view;
	const struct verify_zone *zone;
	const uint8_t *rel; /* of the parent */
	size_t rel_len;
	const struct stele_name *parent; /* NULL: it does not exist */
	uint64_t key;
	uint32_t shard, slot;
};

/* NSEC3 hashes under way at once: two share the processor's instructions for them. */
enum { VERIFY_HASHES = 8 };

/* A hash that a record holds, and the name that it must be of. */
struct verify_hash {
	const uint8_t *stored;
	const char *what;                                         /* for messages */
	uint8_t name[2 + STELE_NAME_MAX + STELE_NSEC3_JOB_SLACK]; /* whole, lower case */
	uint8_t hash[STELE_NSEC3_HASH_SZ];
};

/* A parent that was found, and what is not in its counts yet: that of a large zone's apex would go from one
 * worker's cache to the other's with each of its children. */
struct verify_parent {
	struct verify_bond bond;
	uint32_t child_cnt;
	bool has_wildcard;
};
enum { VERIFY_PARENTS = 64 };

/* Lookups under way at once: fewer leave the latency of memory uncovered, more push one another out of
 * the first-level cache. */
enum { VERIFY_BONDS = 32 };

/* One worker. Passes run on all of them at once; what they share is set between passes. */
struct verify {
	struct verify_run *run;
	const struct stele_view *view;
	struct stele_error *reterr; /* this worker's own */
	uint32_t shard;             /* under way, for messages */

	/* Shared: all workers' are the same. Ascending by id once all are there. */
	struct verify_zone *zones;
	size_t zone_cnt, zone_cap;

	struct verify_tally *tallies;                 /* by zone: to be added to what was seen */
	const struct verify_zone *last_zone;          /* found last by its id */
	struct verify_parent parents[VERIFY_PARENTS]; /* found last, by parent_place() */
	struct verify_bond bonds[VERIFY_BONDS];       /* to be counted */
	unsigned bond_cnt;
	struct verify_hash hashes[VERIFY_HASHES]; /* to be compared */
	struct stele_nsec3_job hash_jobs[VERIFY_HASHES];
	unsigned hash_cnt;
	struct verify_removed *removed;
	size_t removed_cnt, removed_cap;

	/* Bit i: a label of a name in the body under way begins at byte i. */
	uint64_t label_starts[65536 / 64];
	struct stele_error error;
};

struct verify_run {
	const struct stele_view *view;
	const struct stele_view *base; /* NULL: everything is new */
	const struct stele_verified *old;
	struct stele_verified *out; /* in the making */
	const bool *given_up;       /* as in the options */
	struct verify **workers;
	unsigned worker_cnt;
	const struct stele_verify_options *options;
	const char *part; /* of the work, for who watches; set between passes */
};

/* Allocates workers and what they share. After stele_verify_end() only `out` is left. */
int stele_verify_begin(struct verify_run *run, unsigned threads, struct stele_error *reterr);
void stele_verify_end(struct verify_run *run);

/* Counts of no children, with one user. NULL: no memory. */
struct verify_counts *stele_verify_new_counts(uint32_t slot_cnt);

/* One user less. NULL is fine. */
void stele_verify_drop_counts(struct verify_counts *counts);

/*
 * Calls `work` for each number below `cnt`, ascending, spread over all workers, or over the first
 * alone. The fault of the lowest number is the result, its text in the error of the first worker.
 */
int stele_verify_spread(struct verify_run *run, uint64_t cnt, bool alone,
			int (*work)(struct verify *v, uint64_t i));

/* Adds the workers' tallies to their zones, which are touched then. */
void stele_verify_add_tallies(struct verify_run *run);

/* Whether a shard is not the one that the base has at this index. */
bool stele_verify_is_new(const struct verify_run *run, uint32_t index);

static inline struct verify_tally *stele_verify_tally(struct verify *v,
						      const struct verify_zone *zone)
{
	return v->tallies + (zone - v->zones);
}

/*
 * Writes "shard N at OFFSET: ..." with the offset of `at` in the image; is STELE_E_INPUT. A macro, so
 * that compilers and analyzers see that it is never 0.
 */
#define stele_verify_fault(v, at, ...) (stele_verify_write_fault(v, at, __VA_ARGS__), STELE_E_INPUT)
void stele_verify_write_fault(struct verify *v, const void *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The zone with this id, gone or not, or NULL. */
const struct verify_zone *stele_verify_zone_by_id(struct verify *v, uint32_t zone_id);

/*
 * Whether `rel` is a lower-case relative name that makes a whole name with an apex of `apex_len`
 * bytes. Sets the number of its labels.
 */
bool stele_verify_relative(const uint8_t *rel, size_t rel_len, size_t apex_len,
			   unsigned *ret_label_cnt);

/* The hash of a checked apex. */
uint64_t stele_verify_apex_hash(const struct stele_view *view, const uint8_t *apex,
				size_t apex_len);

/* Key of the name with relative owner `rel` in `zone`. The first reads up to STELE_HASH_SLACK bytes behind it, which
 * the end of a shard may not have. */
uint64_t stele_verify_key(const struct stele_view *view, const struct verify_zone *zone,
			  const uint8_t *rel, size_t rel_len);
uint64_t stele_verify_key_copied(const struct stele_view *view, const struct verify_zone *zone,
				 const uint8_t *rel, size_t rel_len);

/*
 * The record of this owner, or NULL. Only once all name shards of `view` have passed. `ret_shard` and
 * `ret_slot` (may be NULL) get its place: the shard counted from the first name shard.
 */
const struct stele_name *stele_verify_find(const struct stele_view *view,
					   const struct verify_zone *zone, uint64_t key,
					   const uint8_t *rel, size_t rel_len, uint32_t *ret_shard,
					   uint32_t *ret_slot);

/* The record of the same name in another view's shard of the same index, or NULL if that is absent or
 * does not have it. Both have passed. */
const uint8_t *stele_verify_counterpart(struct verify *v, const uint8_t *record,
					const struct stele_view_shard *other, uint32_t *ret_slot);

/* Whether a record has an NSEC RRset that its zone's chain must lead to. */
bool stele_verify_is_in_nsec(const uint8_t *record);

/*
 * The frame of a hash shard around its records: calls `check` for each record from the first to the
 * last, and holds that a lookup of its key finds it, and that nothing else is in the shard.
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

/*
 * Whether an SOA RRset of a name, which has passed, is the one that the record of its zone has for negative
 * answers: the same but for the TTL.
 */
int stele_verify_apex_soa(struct verify *v, const struct verify_zone *zone,
			  const struct stele_rrset *rrset, const uint8_t *body);

/* Passes, in this order. `zones` makes the table in the first worker; stele_verify_share() gives it to
 * the others. */
int stele_verify_zones(struct verify_run *run);
int stele_verify_share(struct verify_run *run);
int stele_verify_names(struct verify_run *run);
int stele_verify_tree(struct verify_run *run);
int stele_verify_chains(struct verify_run *run);

/* One block of a chain in a shard of its own, and, when all have passed, what binds those of a zone to one
 * another. */
int stele_verify_nsec3_shard(struct verify *v, const struct verify_zone *zone, uint32_t index);
int stele_verify_nsec3_run(struct verify *v, const struct verify_zone *zone);
int stele_verify_nsec_shard(struct verify *v, const struct verify_zone *zone, uint32_t index);
int stele_verify_nsec_run(struct verify *v, const struct verify_zone *zone);

/* The block in the zone record. */
int stele_verify_nsec3_inline(struct verify *v, const struct verify_zone *zone);
int stele_verify_nsec_inline(struct verify *v, const struct verify_zone *zone);

/* Whether an NSEC chain that has passed leads to the relative name `rel`. */
bool stele_verify_nsec_has(const struct verify *v, const struct verify_zone *zone,
			   const uint8_t *rel, size_t rel_len);

/* Both count a block that has passed in the tally of its zone; the second, of the shard under way, holds
 * that its reference counts the same. */
void stele_verify_count_inline(struct verify *v, const struct verify_zone *zone, uint64_t rr_cnt,
			       uint32_t nsec_own_cnt);
int stele_verify_count_shard(struct verify *v, const struct verify_zone *zone, uint64_t rr_cnt,
			     uint32_t own_cnt);

#endif
