/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONEMD_ZONEMD_H
#define STELE_LIB_ZONEMD_ZONEMD_H

/*
 * Digests over whole zones (ZONEMD, RFC 8976), scheme SIMPLE with SHA-384 and SHA-512.
 *
 * A zone is verified in three steps. The ZONEMD records of its apex say which digests are worth making:
 * stele_zonemd_usable(). Then all records of the zone are handed over, one by one in canonical order, and
 * hashed for all of these at once. At the end stele_zonemd_matches() compares.
 *
 *     unsigned algorithms = stele_zonemd_usable(rrs, cnt, soa_serial, &err);
 *     stele_zonemd_begin(apex, apex_len, algorithms, &zonemd, &err);
 *     stele_zonemd_add(zonemd, owner, owner_len, type, ttl, rdata, rdlen);      (for every record)
 *     stele_zonemd_finish(zonemd);
 *     stele_zonemd_matches(zonemd, rrs, cnt, soa_serial);
 *
 * To publish a digest, begin with the algorithm that is wanted and take stele_zonemd_digest().
 *
 * Which records count (section 3.3.1.1) is decided here: all may be handed over. That the digest says who
 * made the zone, and not just that it is whole, takes DNSSEC (section 4, steps 1 to 3), which is not done
 * here. An object belongs to one thread; different ones are independent.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_ZONEMD_SCHEME_SIMPLE 1
#define STELE_ZONEMD_DIGEST_MAX 64

/* Hash algorithms of section 5.3. A set of them has bit 1 << algorithm of each. */
enum stele_zonemd_algorithm {
	STELE_ZONEMD_SHA384 = 1,
	STELE_ZONEMD_SHA512 = 2,
};

struct stele_zonemd;

/* The rdata of a ZONEMD record at the apex: serial, scheme, algorithm, digest (section 2.2). */
struct stele_zonemd_rr {
	const uint8_t *rdata;
	size_t len;
};

/*
 * The algorithms with which a zone of this serial can be verified by these records: those of SIMPLE that are
 * known, that have a digest of the right length, the serial of the SOA, and no second record with the
 * same scheme and algorithm (section 4, step 4). 0 if there are none: the zone is not verified by them, and
 * `reterr` says why.
 */
unsigned stele_zonemd_usable(const struct stele_zonemd_rr *rrs, size_t cnt, uint32_t serial,
			     struct stele_error *reterr);

/*
 * Begins a digest of the zone `apex`, a whole name in any case, for the set `algorithms`. STELE_E_USAGE if
 * that is empty or has unknown ones, STELE_E_SYSTEM if memory is out. Takes 260 KiB.
 */
int stele_zonemd_begin(const uint8_t *apex, size_t apex_len, unsigned algorithms,
		       struct stele_zonemd **ret_zonemd, struct stele_error *reterr);

/*
 * Adds a record of class IN. Records come in canonical order: owners as in RFC 4034 section 6.1; of an owner
 * by the number of the type, all RRSIG together; of a type by the canonical form of the rdata (section
 * 6.3). Owner and rdata may have any case; names in the rdata are whole. The TTL is that of the zone.
 *
 * Returns 1, or 0 if the record does not count: it is outside the zone, is the same as the one before (TTLs
 * aside), or is a ZONEMD of the apex or the RRSIG of that. STELE_E_USAGE: not in order; STELE_E_INPUT: the
 * rdata is none of its type; STELE_E_SYSTEM. After an error the digest is of no use.
 */
int stele_zonemd_add(struct stele_zonemd *zonemd, const uint8_t *owner, size_t owner_len,
		     uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t rdlen);

/* Ends the digest; nothing may be added any more. STELE_E_SYSTEM, or STELE_E_USAGE after an error. */
int stele_zonemd_finish(struct stele_zonemd *zonemd);

/* The digest of a zone that is finished, and its length; 0 if that algorithm was not begun. */
size_t stele_zonemd_digest(const struct stele_zonemd *zonemd, enum stele_zonemd_algorithm algorithm,
			   uint8_t ret_digest[STELE_ZONEMD_DIGEST_MAX]);

/* True if one of the records that are usable with `serial` has the digest of the zone. */
bool stele_zonemd_matches(const struct stele_zonemd *zonemd, const struct stele_zonemd_rr *rrs,
			  size_t cnt, uint32_t serial);

/* NULL is fine. */
void stele_zonemd_free(struct stele_zonemd *zonemd);

#endif
