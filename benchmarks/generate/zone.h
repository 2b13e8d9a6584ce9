/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one zone: the apex, then name by name, then the denial chain.
 *
 * A name is written in two steps: its records with gen_zone_begin_record() and gen_out_*(), then one
 * gen_zone_name() that says which types it had; that adds the signatures and the link in the chain.
 *
 * Signatures are 64 random bytes, the length of an ECDSA P-256 one (algorithm 13), by a key that
 * stands in the zone: everything is well-formed and in its place, but nothing validates. That is
 * the point: signing 10 million names for real takes hours, and a server copies the bytes the same.
 */
#ifndef STELE_BENCHMARKS_GENERATE_ZONE_H
#define STELE_BENCHMARKS_GENERATE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "benchmarks/generate/chain.h"
#include "benchmarks/generate/out.h"
#include "benchmarks/generate/rng.h"

struct gen_zone {
	struct gen_out out;
	struct gen_rng rng;
	struct gen_chain chain;
	char origin[GEN_NAME_MAX]; /* absolute, with the final dot */
	uint32_t origin_labels_cnt;
	uint16_t key_tag;
	uint64_t names_cnt;
	uint64_t records_cnt;
};

/*
 * Writes the head of the zone, its SOA, the name servers and, with denial, DNSKEY and NSEC3PARAM.
 * `nameservers` are as the zone file shows them, separated by blanks. `apex_types` tells which other
 * types the caller has written or will write at the apex (with gen_zone_begin_record(zone, "@", ...)).
 */
void gen_zone_begin(struct gen_zone *zone, const char *origin, enum gen_denial denial,
		    const char *nameservers, uint32_t apex_types);

/* Writes `owner TYPE ` and counts one record; the caller writes the data and a newline. */
void gen_zone_begin_record(struct gen_zone *zone, const char *owner, size_t owner_len,
			   const char *type);

/* A whole record whose data is text. */
void gen_zone_record(struct gen_zone *zone, const char *owner, size_t owner_len, const char *type,
		     const char *data);

/* Address records from ranges that are reserved for documentation or private use. */
void gen_zone_a(struct gen_zone *zone, const char *owner, size_t owner_len);
void gen_zone_aaaa(struct gen_zone *zone, const char *owner, size_t owner_len);
void gen_zone_ds(struct gen_zone *zone, const char *owner, size_t owner_len);

/*
 * Completes a name that has these types. With GEN_NS it is a zone cut, where only DS is signed;
 * without any type it is an empty non-terminal. Not called for glue.
 */
void gen_zone_name(struct gen_zone *zone, const char *owner, size_t owner_len, uint32_t types);

/* Writes the denial chain and empties it. */
void gen_zone_end(struct gen_zone *zone);

#endif
