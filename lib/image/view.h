/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_VIEW_H
#define STELE_LIB_IMAGE_VIEW_H

/*
 * A view: one root of one image, ready for lookups.
 *
 * Opening reads the head of the image (lib/image/directory.h) and decodes the directory into an array in
 * memory, so that a lookup needs no step through pages. Lookups trust the bytes: a view over bytes that
 * anybody else may have written must first pass stele_view_verify() (or lib/image/verified.h, which knows
 * cheaper ways), and must not change any more. A view does not change; any number of threads may
 * read it.
 */

#include "lib/base/error.h"
#include "lib/image/directory.h"
#include "lib/image/format.h"
#include "lib/image/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Lookups may read so many bytes behind the end of a shard, without regard to what is there: a whole
 * register is cheaper than the bytes of a name. An image has its root behind all shards; who keeps
 * shards elsewhere leaves room behind the last.
 */
#define STELE_VIEW_SLACK 64
_Static_assert(STELE_VIEW_SLACK <= sizeof(struct stele_root), "behind every shard");

/* A block of an NSEC3 chain (struct stele_nsec3_block), taken apart. */
struct stele_view_nsec3 {
	const struct stele_nsec3_line *lines;
	uint32_t line_cnt;
	uint8_t skip_bits;
};

/* A shard in memory: what a lookup needs of it, in half a cache line. For NSEC chain shards only `base` is set.
 * An absent shard has no base, and one empty block, so that lookups need not tell. */
struct stele_view_shard {
	const uint8_t *base;
	union {
		struct { /* of names or zones */
			uint64_t seed;
			const uint8_t *records; /* behind the last block */
			uint32_t block_cnt;
		};
		struct stele_view_nsec3 nsec3;
	};
};
_Static_assert(sizeof(struct stele_view_shard) == 32, "none lies across two cache lines");

struct stele_view {
	struct stele_hash_seed seed;
	struct stele_view_shard *shards; /* owned; at a cache line */
	uint32_t shard_cnt;
	uint32_t name_first;
	uint32_t zone_first;
	uint8_t name_bits;
	uint8_t zone_bits;
	uint32_t zone_cnt;
	uint64_t name_cnt;
	uint64_t rr_cnt;
	uint64_t generation; /* of the store */
	uint64_t serial;     /* differs from that of every other view that this process opened */
	uint64_t apex_depths[2]; /* bit d: some apex has d labels */

	const uint8_t *bytes; /* the whole image; NULL if its shards are scattered */
	size_t bytes_sz;
	uint64_t root_off; /* in the file */
	size_t torn_sz;    /* bytes behind the last complete root, not part of the image */
	bool mapped;       /* bytes are our own mapping */

	struct stele_shard_ref *refs; /* owned; by shard index */
	uint64_t live_sz;             /* bytes that the root says that it reaches */
};

/*
 * A view over shards that may lie anywhere: the bytes of shard `i` are at `bases[i]` (absent shards: not
 * looked at), as many as its reference says and STELE_VIEW_SLACK more, and stay until the view is closed.
 * Takes the references out of `directory` when it is done. STELE_E_INPUT: the head of a shard does not fit
 * its size.
 */
int stele_view_assemble(struct stele_directory *directory, const uint8_t *const *bases,
			struct stele_view *ret_view, struct stele_error *reterr);

/*
 * A view over `bytes_sz` bytes at `bytes`, which the caller keeps until the view is closed.
 * STELE_E_INPUT: not an image, another major version, unknown incompatible features, no complete root.
 */
int stele_view_open(const uint8_t *bytes, size_t bytes_sz, struct stele_view *ret_view,
		    struct stele_error *reterr);

/* A view over a read-only mapping of the file at `path`. */
int stele_view_open_file(const char *path, struct stele_view *ret_view, struct stele_error *reterr);

/*
 * The same of the file that `fd` is open on, `path` being for messages, without reading the shards: `shards` has
 * nothing in it until stele_view_decode() of each shard that is wanted. For who needs a few of thousands: the head of
 * each stands on a page of its own, which has to be mapped, or even read from disk. Not for lookups and not for
 * stele_view_verify().
 */
int stele_view_open_directory(int fd, const char *path, struct stele_view *ret_view,
			      struct stele_error *reterr);

/* Decodes shard `index` of such a view; one thread at a time. STELE_E_INPUT: damaged. */
int stele_view_decode(struct stele_view *view, uint32_t index, struct stele_error *reterr);

/* Frees and unmaps what opening made; a view of zeros is fine. After all who look at it. */
void stele_view_close(struct stele_view *view);

/* Gives a view that nobody looks at now a new serial, as if it were opened again. */
void stele_view_renew(struct stele_view *view);

/* The reference of shard `index` as the image holds it. */
static inline const struct stele_shard_ref *stele_view_ref(const struct stele_view *view,
							   uint32_t index)
{
	return view->refs + index;
}

/*
 * Checks every byte that the root reaches: checksums, digests, and each offset, length, pointer, name
 * and order in shards and records, so that no lookup and no reply can read outside, loop, or find
 * a name where it does not belong. 0, or STELE_E_INPUT with the first fault and where it is.
 */
int stele_view_verify(const struct stele_view *view, struct stele_error *reterr);

/* ---- lookups: shard, block, record; each step prefetches what the next one reads ---- */

static inline const struct stele_view_shard *stele_view_name_shard(const struct stele_view *view,
								   uint64_t key)
{
	return view->shards + view->name_first + stele_key_shard(key, view->name_bits);
}

static inline const struct stele_view_shard *stele_view_zone_shard(const struct stele_view *view,
								   uint64_t key)
{
	return view->shards + view->zone_first + stele_key_shard(key, view->zone_bits);
}

/* Block `i` of a shard of names or zones; an absent one has an empty block. */
static inline const struct stele_hash_block *stele_view_block(const struct stele_view_shard *shard,
							      uint32_t i)
{
	return (const struct stele_hash_block *)(const void *)shard->records -
	       (size_t)(shard->block_cnt - i);
}

/* The record in a slot of a block, of which that is the offset. */
static inline const uint8_t *stele_view_record(const struct stele_view_shard *shard,
					       const struct stele_hash_block *block,
					       uint32_t offset)
{
	unsigned bits = (block->flags >> STELE_BLOCK_UNIT_SHIFT) * STELE_BLOCK_UNIT_BITS;
	return shard->records + (((uint64_t)stele_le32(block->base) + offset) << bits);
}

/* What a key, mixed, leads to in one block. */
static inline const uint8_t *stele_view_in_block(const struct stele_view_shard *shard,
						 const struct stele_hash_block *block,
						 uint64_t mixed, uint32_t bucket,
						 uint8_t fingerprint)
{
	uint32_t slot = stele_block_slot(mixed, block->pilots[bucket]);
	/* The whole slot in one number, and the byte in front of it. */
	uint32_t word =
		stele_get_le32((const uint8_t *)block + offsetof(struct stele_hash_block, slots) -
			       1 + sizeof(struct stele_hash_slot) * slot);
	return (uint8_t)(word >> 8) == fingerprint ? stele_view_record(shard, block, word >> 16) :
						     NULL;
}

/* The record that stands for a key, whose block this is; NULL if the fingerprint says that there is none.
 * The record's name must still be compared. */
static inline const uint8_t *stele_view_search(const struct stele_view_shard *shard,
					       const struct stele_hash_block *block, uint64_t mixed,
					       uint32_t bucket, uint8_t fingerprint)
{
	const uint8_t *record = stele_view_in_block(shard, block, mixed, bucket, fingerprint);
	if (__builtin_expect(record == NULL && (block->flags >> bucket & 1) != 0, 0))
		record = stele_view_in_block(shard, block + 1, mixed, bucket, fingerprint);
	return record;
}

/* All steps at once, for code that is not in a hurry. */
const uint8_t *stele_view_find(const struct stele_view_shard *shard, uint64_t key);

/* The same; `*ret_slot` gets the number of the record's slot. */
const uint8_t *stele_view_find_slot(const struct stele_view_shard *shard, uint64_t key,
				    uint32_t *ret_slot);

/* Slots of a shard are numbered through its blocks. Their records, in the order of these numbers, are all that
 * a shard has. */
static inline uint32_t stele_view_slot_cnt(const struct stele_view_shard *shard)
{
	return shard->block_cnt * STELE_BLOCK_SLOTS;
}

/* The record in this slot, or NULL if it is empty. */
static inline const uint8_t *stele_view_slot_record(const struct stele_view_shard *shard,
						    uint32_t slot)
{
	const struct stele_hash_block *block = stele_view_block(shard, slot / STELE_BLOCK_SLOTS);
	const struct stele_hash_slot *at = &block->slots[slot % STELE_BLOCK_SLOTS];
	return at->fingerprint != 0 ? stele_view_record(shard, block, stele_le16(at->offset)) :
				      NULL;
}

/* The zone with this apex (any case); NULL if there is none. For code that is not in a hurry. */
const struct stele_zone *stele_view_zone(const struct stele_view *view, const uint8_t *apex,
					 size_t apex_len);

/* ---- records ---- */

/* A record of a name shard, taken apart. Pointers into the image. */
struct stele_name_parts {
	const struct stele_name *head;
	const uint8_t *rel;     /* head->rel_len bytes */
	const uint8_t *cut_key; /* le64, if occluded, else NULL */
	const struct stele_rrset *rrsets;
	unsigned rrset_cnt;
};

static inline struct stele_name_parts stele_name_parts(const uint8_t *record)
{
	struct stele_name_parts parts = {.head = (const struct stele_name *)(const void *)record};
	const uint8_t *p = record + sizeof(struct stele_name);
	parts.rel = p;
	p += parts.head->rel_len;
	if (parts.head->kind == STELE_NAME_OCCLUDED) {
		parts.cut_key = p;
		p += 8;
	}
	parts.rrsets = (const struct stele_rrset *)(const void *)p;
	parts.rrset_cnt = stele_le16(parts.head->rrset_cnt);
	return parts;
}

/* The name's RRset of this type, or NULL. */
static inline const struct stele_rrset *stele_name_rrset(const struct stele_name_parts *name,
							 uint16_t type)
{
	for (unsigned i = 0; i < name->rrset_cnt; i++)
		if (stele_le16(name->rrsets[i].type) == type)
			return &name->rrsets[i];
	return NULL;
}

/* What stands behind a body. */
struct stele_rrset_trailer {
	const uint8_t *patches; /* patch_cnt le16 */
	const struct stele_ref *refs;
	const uint8_t *end; /* behind the last byte that belongs to the RRset */
	uint16_t sum_full;
	uint16_t patch_cnt;
	uint16_t ref_cnt;
};

static inline struct stele_rrset_trailer stele_rrset_trailer(const uint8_t *body,
							     const struct stele_rrset *rrset)
{
	struct stele_rrset_trailer t = {.sum_full = stele_le16(rrset->sum_plain)};
	const uint8_t *p = body + stele_le16(rrset->plain_len) + stele_le16(rrset->sig_len);
	if (stele_le16(rrset->sig_len) > 0) {
		t.sum_full = stele_get_le16(p);
		p += 2;
	}
	if (rrset->flags & STELE_RRSET_HAS_PATCHES) {
		t.patch_cnt = stele_get_le16(p);
		t.patches = p + 2;
		p += 2 + 2 * (size_t)t.patch_cnt;
	}
	if (rrset->flags & STELE_RRSET_HAS_REFS) {
		t.ref_cnt = stele_get_le16(p);
		t.refs = (const struct stele_ref *)(const void *)(p + 2);
		p += 2 + sizeof(struct stele_ref) * t.ref_cnt;
	}
	t.end = p;
	return t;
}

/* Where the bytes of the next RRset begin: an RRset has no offset of its own, which would be a
 * thirtieth of an image of delegations. */
static inline const uint8_t *stele_rrset_end(const uint8_t *body, const struct stele_rrset *rrset)
{
	return stele_rrset_trailer(body, rrset).end;
}

/* The body of one of the name's RRsets; or, for the entry behind the last, where the hashes stand. */
static inline const uint8_t *stele_name_body(const struct stele_name_parts *name,
					     const struct stele_rrset *rrset)
{
	const uint8_t *body = (const uint8_t *)(name->rrsets + name->rrset_cnt);
	for (const struct stele_rrset *before = name->rrsets; before < rrset; before++)
		body = stele_rrset_end(body, before);
	return body;
}

static inline const uint8_t *stele_name_hashes(const struct stele_name_parts *name)
{
	return stele_name_body(name, name->rrsets + name->rrset_cnt);
}

/* The NSEC3 hash of the name, 20 bytes, or NULL. */
static inline const uint8_t *stele_name_hash(const struct stele_name_parts *name)
{
	return name->head->flags & STELE_NAME_HAS_HASH ? stele_name_hashes(name) : NULL;
}

/* That of the wildcard right below it, or NULL. Whoever has this one has the other too. */
static inline const uint8_t *stele_name_wildcard_hash(const struct stele_name_parts *name)
{
	return name->head->flags & STELE_NAME_HAS_WILDCARD_HASH ? stele_name_hashes(name) + 20 :
								  NULL;
}

/* Bytes of both. */
static inline unsigned stele_name_hashes_sz(const struct stele_name *head)
{
	return ((head->flags & STELE_NAME_HAS_HASH) ? 20u : 0u) +
	       ((head->flags & STELE_NAME_HAS_WILDCARD_HASH) ? 20u : 0u);
}

/* Behind the last byte of the record. */
static inline const uint8_t *stele_name_end(const struct stele_name_parts *name)
{
	return stele_name_hashes(name) + stele_name_hashes_sz(name->head);
}

/* The body of the SOA that negative answers carry. */
static inline const uint8_t *stele_zone_soa_body(const struct stele_zone *zone)
{
	return (const uint8_t *)(zone + 1) + zone->apex_len + zone->salt_len;
}

static inline struct stele_view_nsec3 stele_nsec3_block_parts(const uint8_t *block)
{
	const struct stele_nsec3_block *head =
		(const struct stele_nsec3_block *)(const void *)block;
	return (struct stele_view_nsec3){
		.lines = (const struct stele_nsec3_line *)(const void *)(block +
									 stele_le32(
										 head->lines_off)),
		.line_cnt = stele_le32(head->line_cnt),
		.skip_bits = head->skip_bits,
	};
}

static inline const uint8_t *stele_nsec3_body(const struct stele_nsec3_entry *entry)
{
	return (const uint8_t *)(entry + 1);
}

/* The entry behind this one, if it is not the block's last: entries stand without gaps. */
static inline const struct stele_nsec3_entry *
stele_nsec3_next(const struct stele_nsec3_entry *entry)
{
	return (const void *)stele_rrset_end(stele_nsec3_body(entry), &entry->rrset);
}

/* Entry `index` of a block. A few steps; for code that is not in a hurry. */
static inline const struct stele_nsec3_entry *stele_nsec3_entry_at(const uint8_t *block,
								   uint32_t index)
{
	const struct stele_nsec3_block *head =
		(const struct stele_nsec3_block *)(const void *)block;
	const uint8_t *mark =
		block + stele_le32(head->marks_off) + 4 * (index / STELE_NSEC3_MARK_EACH);
	const struct stele_nsec3_entry *entry = (const void *)(block + stele_get_le32(mark));
	for (uint32_t i = index % STELE_NSEC3_MARK_EACH; i > 0; i--)
		entry = stele_nsec3_next(entry);
	return entry;
}

#endif
