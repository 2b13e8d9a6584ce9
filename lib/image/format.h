/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_FORMAT_H
#define STELE_LIB_IMAGE_FORMAT_H

/*
 * The image on disk. docs/image-format.md is normative; these structs follow it.
 *
 *   superblock | shards and directory pages, in any order, appended | root | more | root | ...
 *
 * The last complete root is the image; what it does not reach is garbage. Everything a root reaches
 * was written and synced before the root itself, so cutting a file behind its last complete root
 * always gives a whole image.
 *
 *   root -> directory top -> directory pages (64 references each) -> shards
 *
 * The references are one array, the shard index being the position in it:
 *   [name_first, name_first + 2^name_bits)   name shards, by the leading bits of the key
 *   [zone_first, zone_first + 2^zone_bits)   zone shards, the same
 *   behind them                              chain shards: for each zone with a long denial chain a
 *                                            run that its zone record names
 *
 * All fields are little-endian and unaligned (lib/base/bytes.h). Offsets inside a shard count from
 * the shard's start, offsets inside a record from the record's start.
 */

#include "lib/base/bytes.h"
#include "lib/image/hash.h"

/* The offsets stand beside the fields. */
/* clang-format off */

#define STELE_IMAGE_MAGIC "STELEIMG"
#define STELE_ROOT_MAGIC "STELROOT"
enum {
	STELE_IMAGE_MAJOR = 1, /* a reader refuses another one */
	STELE_IMAGE_MINOR = 0, /* a reader accepts any */
	STELE_IMAGE_ALIGN = 4096, /* of roots; shards and pages are aligned to 64 */
	STELE_SHARD_ALIGN = 64,
	STELE_DIR_PAGE_REFS = 64,
	STELE_IDENTITY_SZ = 16,
	STELE_IMAGE_NAMES_MAX = (1 << 30) - 1, /* name records: a reader counts children in 30 bits */
};

/* At offset 0; written once. `crc` covers the struct with `crc` zero. */
struct stele_superblock {
	char magic[8];                   /*  0 */
	struct stele_le16 major;         /*  8 */
	struct stele_le16 minor;         /* 10 */
	struct stele_le32 incompatible;  /* 12 feature bits; a reader refuses unknown ones */
	struct stele_le32 compatible;    /* 16 feature bits; a reader ignores unknown ones */
	struct stele_le32 crc;           /* 20 */
	struct stele_le64 seed[2];       /* 24 hash seed of this image */
	struct stele_le64 store_id;      /* 40 leading bytes of the identity of its store; 0: unknown */
	uint8_t reserved[16];            /* 48 */
};
_Static_assert(sizeof(struct stele_superblock) == 64, "docs/image-format.md");
enum { STELE_COMPATIBLE_PARTIAL = 1 }; /* holds chosen zones of its store, not all */

/* At a multiple of STELE_IMAGE_ALIGN; the file ends with it. `crc` as above. */
struct stele_root {
	char magic[8];                   /*   0 */
	struct stele_le32 crc;           /*   8 */
	struct stele_le32 shard_cnt;     /*  12 references in the directory */
	struct stele_le64 self_off;      /*  16 where this root stands */
	struct stele_le64 prev_root_off; /*  24 0: none */
	struct stele_le64 generation;    /*  32 of the store */
	struct stele_le64 live_sz;       /*  40 bytes that this root reaches */
	struct stele_le64 top_off;       /*  48 array of stele_dir_entry */
	struct stele_le32 top_cnt;       /*  56 */
	struct stele_le32 top_crc;       /*  60 */
	struct stele_le32 name_first;    /*  64 */
	struct stele_le32 zone_first;    /*  68 */
	uint8_t name_bits;               /*  72 at most 32 */
	uint8_t zone_bits;               /*  73 */
	struct stele_le16 reserved0;     /*  74 */
	struct stele_le32 zone_cnt;      /*  76 */
	struct stele_le64 name_cnt;      /*  80 keys in name shards */
	struct stele_le64 rr_cnt;        /*  88 */
	struct stele_le64 apex_depths[2]; /* 96 bit d: some apex has d labels */
	uint8_t identity[STELE_IDENTITY_SZ]; /* 112 of the superblock: lib/image/identity.h */
	struct stele_le64 store_mark;    /* 128 of that generation of the store; 0: unknown */
	uint8_t reserved[120];           /* 136 */
};
_Static_assert(sizeof(struct stele_root) == 256, "docs/image-format.md");

struct stele_dir_entry {
	struct stele_le64 page_off;
	struct stele_le32 page_crc; /* of the page's bytes in use */
	struct stele_le32 ref_cnt;  /* STELE_DIR_PAGE_REFS but for the last page */
};
_Static_assert(sizeof(struct stele_dir_entry) == 16, "docs/image-format.md");

enum stele_shard_kind {
	STELE_SHARD_NONE = 0, /* nothing there: size 0 */
	STELE_SHARD_NAMES = 1,
	STELE_SHARD_ZONES = 2,
	STELE_SHARD_NSEC3 = 3,
	STELE_SHARD_NSEC = 4,
};

struct stele_shard_ref {
	struct stele_le64 off;   /*  0 */
	struct stele_le64 size;  /*  8 */
	struct stele_le32 crc;   /* 16 CRC-32C of the shard */
	struct stele_le32 item_cnt; /* 20 keys, or own entries of a chain block */
	uint8_t kind;            /* 24 */
	uint8_t reserved[7];     /* 25 */
	uint8_t digest[32];      /* 32 SHA-256 of the shard: its identity across images */
};
_Static_assert(sizeof(struct stele_shard_ref) == 64, "docs/image-format.md");

/*
 * A name or zone shard: head | block_cnt blocks | records.
 *
 * Which block, bucket and slot a key has is said in lib/image/hash.h. What does not fit into its block stands
 * in the next one, under the pilots of that one, and its bucket is marked as spilled; the last block spills
 * nothing.
 */
struct stele_hash_shard {
	struct stele_le32 key_cnt;   /*  0 */
	struct stele_le32 block_cnt; /*  4 */
	struct stele_le64 seed;      /*  8 */
	struct stele_le64 size;      /* 16 of the shard */
	uint8_t reserved[40];        /* 24 */
};
_Static_assert(sizeof(struct stele_hash_shard) == 64, "docs/image-format.md");

/*
 * A cache line. The record of a slot begins (base + its offset) units behind the last block, where a unit is
 * 1 byte, or more in blocks of very long records. Records stand in the order of blocks and slots, one behind
 * the other, but for gaps of at most STELE_RECORD_GAP_MAX bytes in front of some that begin with a cache line.
 */
struct stele_hash_slot {
	uint8_t fingerprint;      /* 0 and all else too: empty */
	struct stele_le16 offset;
};
struct stele_hash_block {
	struct stele_le32 base;                           /*  0 */
	uint8_t flags;                                    /*  4 bit b: bucket b has spilled; 5-7: the
							   *    unit is 16 to the power of this */
	uint8_t pilots[STELE_BLOCK_BUCKETS];              /*  5 */
	struct stele_hash_slot slots[STELE_BLOCK_SLOTS];  /* 10 */
};
_Static_assert(sizeof(struct stele_hash_block) == 64, "docs/image-format.md");
enum {
	STELE_BLOCK_SPILLS = (1 << STELE_BLOCK_BUCKETS) - 1, /* mask */
	STELE_BLOCK_UNIT_SHIFT = 5, /* where the exponent stands */
	STELE_BLOCK_UNIT_BITS = 4,  /* of which it is the number */
	STELE_BLOCK_UNIT_MAX = 7,
};

/* Bytes that a record may be moved to begin at a multiple of 64. Lower: more records lie in three lines of which
 * mostly two would do. Higher: with 24 an image of delegations grows by 5 bytes a name, not 2. */
enum { STELE_RECORD_GAP_MAX = 16 };

/*
 * An RRset, carved. The body is `rr_cnt` records and behind them `sig_cnt` RRSIG records, in wire
 * format, as they stand in a reply to a query for exactly this owner in which the body comes right
 * behind the question. So in every record the owner is the pointer C0 0C, and compressed names
 * inside rdata (RFC 1035 types only) hold one of two pointers:
 *   12 <= v < 12 + owner_len     into the owner name: the suffix that begins v - 12 bytes into it
 *                                (never 12 itself where the owner is a wildcard)
 *   v >= 12 + owner_len + 4      into the body itself: byte v - (12 + owner_len + 4)
 * where owner_len is the length of the whole owner name. A CNAME target points to the apex and what
 * is above it only. Where the body is used in another
 * place, the owner pointers are rewritten by walking the records, and the others are found through
 * the patch list: the body offsets, ascending, of the two-byte pointers inside rdata.
 *
 * Its bytes: body (plain_len + sig_len bytes)
 *   | le16 sum of the whole body, if sig_len > 0
 *   | le16 count, le16 patches, if HAS_PATCHES
 *   | le16 count, stele_ref, if HAS_REFS
 * A sum is the one's-complement sum of the body taken as big-endian 16-bit words, a last odd byte
 * padded by zero: what RFC 1071 adds up, not complemented, folded to 16 bits.
 */
struct stele_rrset {
	struct stele_le16 type;      /*  0 */
	struct stele_le16 rr_cnt;    /*  2 */
	struct stele_le16 plain_len; /*  4 bytes of the records */
	struct stele_le16 sig_len;   /*  6 bytes of the signatures */
	struct stele_le16 sum_plain; /*  8 of the first plain_len bytes */
	uint8_t sig_cnt;             /* 10 */
	uint8_t flags;               /* 11 STELE_RRSET_… */
};
_Static_assert(sizeof(struct stele_rrset) == 12, "docs/image-format.md");
enum {
	STELE_RRSET_HAS_PATCHES = 1,
	STELE_RRSET_HAS_REFS = 2,
	STELE_RRSET_SELF_POINTERS = 4, /* some patch is a pointer into the body itself */
};

/*
 * A name in the RRset's rdata that lies in the same zone: an NS, MX or SRV host whose addresses may
 * go into the additional section, or the target of a CNAME. It may or may not exist. Its text is
 * found in the body, `name_off` bytes in; names further in than STELE_REF_OFF_MASK have no reference.
 */
struct stele_ref {
	struct stele_le64 key;      /* of the target name */
	struct stele_le16 name_off; /* and STELE_REF_IN_DOMAIN */
};
_Static_assert(sizeof(struct stele_ref) == 10, "docs/image-format.md");
enum {
	STELE_REF_OFF_MASK = 0x7fff,
	STELE_REF_IN_DOMAIN = 0x8000, /* NS host at or below its cut: glue required (RFC 9471) */
};

enum stele_name_kind {
	STELE_NAME_AUTHORITATIVE = 1,
	STELE_NAME_CUT = 2,       /* delegation point; DS is answered here, the rest is referred */
	STELE_NAME_OCCLUDED = 3,  /* below a cut; its address RRsets are glue */
	STELE_NAME_EMPTY = 4,     /* empty non-terminal */
	STELE_NAME_STEERED = 5,   /* reserved: RRsets with several variants */
};
enum {
	STELE_NAME_HAS_WILDCARD = 1,    /* the child "*" exists */
	STELE_NAME_HAS_CHILDREN = 2,    /* some name exists below */
	STELE_NAME_HAS_DNAME = 4,
	STELE_NAME_HAS_CNAME = 8,
	STELE_NAME_HAS_HASH = 16,       /* NSEC3 hash of the owner name is stored */
	STELE_NAME_HAS_WILDCARD_HASH = 32, /* and that of "*." with the owner name */
	STELE_NAME_IS_WILDCARD = 64,    /* the first label is "*" */
	STELE_NAME_IS_APEX = 128,
};

/*
 * A record of a name shard:
 *   head | relative owner, lower case (rel_len) | le64 key of the cut, if occluded
 *   | rrset_cnt stele_rrset, ascending by type | their bytes in the same order, without gaps
 *   | 20 bytes hash, if HAS_HASH | 20 bytes hash, if HAS_WILDCARD_HASH
 * The hashes are for proofs that something is not there; what other answers read stands close together.
 *
 * HAS_HASH is set for every name of a zone with an NSEC3 chain except occluded ones;
 * HAS_WILDCARD_HASH where such a name also has children.
 */
struct stele_name {
	uint8_t kind;                /* 0 enum stele_name_kind */
	uint8_t flags;               /* 1 */
	uint8_t rel_len;             /* 2 */
	struct stele_le16 rrset_cnt; /* 3 */
	struct stele_le32 zone_id;   /* 5 of the store: says which zone the relative owner is of */
};
_Static_assert(sizeof(struct stele_name) == 9, "docs/image-format.md");

enum stele_chain_kind {
	STELE_CHAIN_NONE = 0,         /* unsigned */
	STELE_CHAIN_NSEC3_INLINE = 1, /* one NSEC3 block, in the zone record at chain_off */
	STELE_CHAIN_NSEC3_SHARDS = 2, /* 2^chain_bits shards from chain_first, by leading hash bits */
	STELE_CHAIN_NSEC_INLINE = 3,  /* one NSEC block, in the zone record at chain_off */
	STELE_CHAIN_NSEC_SHARDS = 4,  /* chain_cnt shards from chain_first, by canonical range; the
				       * zone record holds a stele_bounds at chain_off */
};
enum {
	STELE_ZONE_OPT_OUT = 1, /* some NSEC3 record of the chain has the opt-out flag, or had it */
	STELE_ZONE_EXPIRED = 2, /* answer SERVFAIL */
};

/*
 * A record of a zone shard:
 *   head | apex, lower case (apex_len) | salt (salt_len) | body of `soa` | chain block or bounds
 *
 * `soa` is the SOA RRset as negative answers carry it: TTL lowered to the SOA's minimum field
 * (RFC 2308 section 3, RFC 9077), its signatures too. Its pointers follow struct stele_rrset with the
 * apex as the owner.
 */
struct stele_zone {
	uint8_t apex_len;              /*  0 */
	uint8_t apex_labels;           /*  1 */
	uint8_t label_max;             /*  2 labels of the deepest name that is or was there */
	uint8_t flags;                 /*  3 STELE_ZONE_… */
	struct stele_le32 zone_id;     /*  4 */
	struct stele_le32 serial;      /*  8 */
	struct stele_le32 size;        /* 12 of the record */
	struct stele_rrset soa;        /* 16 */
	uint8_t chain_kind;            /* 28 */
	uint8_t chain_bits;            /* 29 */
	uint8_t salt_len;              /* 30 */
	uint8_t reserved;              /* 31 */
	struct stele_le16 iterations;  /* 32 at most STELE_NSEC3_ITERATIONS_MAX, lib/dns/nsec3.h */
	struct stele_le16 reserved1;   /* 34 */
	struct stele_le32 chain_first; /* 36 shard index */
	struct stele_le32 chain_cnt;   /* 40 shards */
	struct stele_le32 chain_off;   /* 44 in the record; 0: none */
	struct stele_le64 node_cnt;    /* 48 names of the zone, empty non-terminals included */
	struct stele_le64 rr_cnt;      /* 56 */
};
_Static_assert(sizeof(struct stele_zone) == 64, "docs/image-format.md");

/*
 * A block of an NSEC3 chain: head | lines | marks | entries.
 *
 * Entry 0 is the *carry*: a copy of the last record before this block in the circular order of
 * hashes. Entries 1 … entry_cnt - 1 are the block's own, ascending. The *prefix* is the first 8 bytes of
 * a hash as a big-endian number. Hashes are spread evenly, so where one stands is reckoned and not looked up:
 * (prefix << skip_bits) * line_cnt is a number of 128 bits; its upper half is the line of the hash, and
 * the 16 bits behind that are its tag there (lib/image/nsec3_line.h).
 *
 * The search: in the line of the hash, the last entry that is not greater; if there is none, the one at
 * before_off. Hashes are compared only where tags are equal. So a search reads one cache line before the
 * entry.
 */
struct stele_nsec3_block {
	struct stele_le32 size;        /*  0 */
	struct stele_le32 entry_cnt;   /*  4 carry included, so at least 1 */
	struct stele_le32 line_cnt;    /*  8 at least 1 */
	struct stele_le32 lines_off;   /* 12 in a shard a multiple of 64 */
	struct stele_le32 marks_off;   /* 16 le32 each: where entry 0, 8, 16 … begins */
	struct stele_le32 entries_off; /* 20 where entry 0 begins */
	uint8_t skip_bits;             /* 24 leading hash bits that all hashes here share */
	uint8_t reserved[7];           /* 25 */
};
_Static_assert(sizeof(struct stele_nsec3_block) == 32, "docs/image-format.md");

/*
 * The own entries with the hashes of a line. The first of them have slots, so long as there are slots and the
 * entry begins less than 64 KiB behind `before_off`; an empty slot has tag 65535 and distance 0. The others
 * are found through the marks, by their whole hashes: a line has 8 entries on average, one in sixty has
 * more than 14.
 */
enum { STELE_NSEC3_SLOTS = 14, STELE_NSEC3_MARK_EACH = 8 };
struct stele_nsec3_line {
	struct stele_le32 before_off; /*  0 where the entry before the line's first begins */
	struct stele_le32 rest;       /*  4 the first entry without a slot; 0: none */
	struct stele_le16 tags[STELE_NSEC3_SLOTS];      /*  8 */
	struct stele_le16 distances[STELE_NSEC3_SLOTS]; /* 36 from before_off to the entry */
};
_Static_assert(sizeof(struct stele_nsec3_line) == 64, "docs/image-format.md");

/*
 * An NSEC3 RRset with its signatures; its bytes follow. Its body is as in struct stele_rrset, with the NSEC3
 * owner (hash label and apex) as owner name: the reply writes that name out in place of the first owner
 * pointer.
 */
struct stele_nsec3_entry {
	uint8_t hash[20];
	struct stele_rrset rrset;
};
_Static_assert(sizeof(struct stele_nsec3_entry) == 32, "docs/image-format.md");

/*
 * A block of an NSEC chain: the names that own an NSEC record, in canonical order. The records
 * themselves stand with their owners; an entry has the owner's key, so a covering search ends with
 * one more lookup.
 *
 *   head | tree | offsets | entries
 *
 * Entry 0 is the carry, the last name before this block (in the first block of a zone: the apex,
 * again). All own entries share the first `common_len` bytes of their sort keys. The tree is over the
 * 8 bytes behind those, as a big-endian number, short keys padded by zeros: level 0 is the array of
 * the own entries' numbers, each higher level holds the first number of every
 * STELE_NSEC_FANOUT-th number of the level below, up to a level of at most STELE_NSEC_FANOUT.
 * Levels are stored from the highest to level 0. Ties are resolved by the whole sort key.
 */
struct stele_nsec_block {
	struct stele_le32 size;        /*  0 */
	struct stele_le32 entry_cnt;   /*  4 carry included, so at least 1 */
	struct stele_le16 common_len;  /*  8 */
	struct stele_le16 reserved;    /* 10 */
	struct stele_le32 tree_off;    /* 12 multiple of 8 from the block's start */
	struct stele_le32 offsets_off; /* 16 le32 each: of the entry in the block */
};
_Static_assert(sizeof(struct stele_nsec_block) == 20, "docs/image-format.md");
enum { STELE_NSEC_FANOUT = 16 };

struct stele_nsec_entry {
	struct stele_le64 key;     /* of the owner in the name shards */
	struct stele_le16 key_len; /* of the sort key behind this struct */
};
_Static_assert(sizeof(struct stele_nsec_entry) == 10, "docs/image-format.md");

/*
 * Where the NSEC shards of a zone begin: le32 cnt | cnt le32 offsets from here | sort keys, each
 * le16 length and bytes. Shard i holds keys from bound i up to bound i + 1; bound 0 is empty.
 */
struct stele_bounds {
	struct stele_le32 cnt;
};

/* clang-format on */

#endif
