/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The denial chain of one zone: every name that takes part is added in any order; then the chain is
 * sorted and walked from each name to the next, the last one pointing back to the first.
 *
 * Memory: 24 bytes a name for NSEC3; 16 bytes plus the name itself for NSEC. Sorting takes as much
 * again for a moment.
 */
#ifndef STELE_BENCHMARKS_GENERATE_CHAIN_H
#define STELE_BENCHMARKS_GENERATE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#define GEN_NAME_MAX 255

enum gen_denial {
	GEN_DENIAL_NONE, /* an unsigned zone */
	GEN_DENIAL_NSEC,
	GEN_DENIAL_NSEC3,
	GEN_DENIAL_NSEC3_OPTOUT, /* insecure delegations are left out (RFC 5155 section 6) */
};

/* The record types that are written, as bits in the order of their type numbers. */
enum gen_type {
	GEN_A = 1 << 0,
	GEN_NS = 1 << 1,
	GEN_CNAME = 1 << 2,
	GEN_SOA = 1 << 3,
	GEN_MX = 1 << 4,
	GEN_TXT = 1 << 5,
	GEN_AAAA = 1 << 6,
	GEN_DS = 1 << 7,
	GEN_RRSIG = 1 << 8,
	GEN_NSEC = 1 << 9,
	GEN_DNSKEY = 1 << 10,
	GEN_NSEC3PARAM = 1 << 11,
};
#define GEN_TYPES_CNT 12

extern const char *const gen_type_names[GEN_TYPES_CNT];

#define GEN_HASH_SZ 20

/* One name with NSEC3: its hash, ordered as bytes. */
struct gen_hashed {
	uint8_t hash[GEN_HASH_SZ];
	uint32_t types;
};

/* One name with NSEC, ordered canonically (RFC 4034 section 6.1). */
struct gen_named {
	uint64_t prefix;   /* the key's first 8 bytes, most significant first */
	uint64_t key : 48; /* offset in `keys` of a length byte and the key */
	uint64_t types : 16;
};

struct gen_chain {
	enum gen_denial denial;
	size_t used;
	size_t room;
	struct gen_hashed *hashed;
	struct gen_named *named;
	/* Keys: the labels below the apex from right to left, each but the last behind a zero byte. */
	uint8_t *keys;
	size_t keys_used;
	size_t keys_room;
	void *digest; /* EVP_MD_CTX */
	void *sha1;   /* EVP_MD */
};

void gen_chain_init(struct gen_chain *chain, enum gen_denial denial);
void gen_chain_free(struct gen_chain *chain);

/* Forgets the names and keeps the memory, for the next zone. */
void gen_chain_reset(struct gen_chain *chain, enum gen_denial denial);

/*
 * Adds a name: `owner` relative to the apex, "" for the apex itself, lower case, no escapes;
 * `origin` absolute, with its final dot. `types` is the bitmap as the denial record shows it.
 */
void gen_chain_add(struct gen_chain *chain, const char *owner, size_t owner_len, const char *origin,
		   uint32_t types);

void gen_chain_sort(struct gen_chain *chain);

/* The owner of a sorted NSEC entry, relative to the apex; returns its length. */
size_t gen_chain_owner(const struct gen_chain *chain, size_t at, char owner[GEN_NAME_MAX]);

#endif
