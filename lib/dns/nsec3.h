/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_NSEC3_H
#define STELE_LIB_DNS_NSEC3_H

#include "lib/dns/name.h"

#include <stdint.h>

/*
 * More iterations than this are served by nobody here: no zone and no image may have them. Each costs a
 * SHA-1 for every name that does not exist; above this, a few queries would keep a core busy. RFC 9276
 * section 3.1 wants none, 3.2 lets validators stop at any number above; what resolvers took before was
 * at most 500 with keys of 2,048 bits (RFC 5155 section 10.3).
 */
enum { STELE_NSEC3_ITERATIONS_MAX = 500 };

/*
 * The NSEC3 hash of a name (RFC 5155 section 5): SHA-1 over name and salt, then `iterations` more
 * times over hash and salt.
 *
 * `name` is a whole lower-case name of `name_len` bytes; `salt_len` is at most 255, and `salt` is not
 * NULL even if that is 0. Written here and not taken from OpenSSL because it is on the query path:
 * the one-shot call there costs 400 ns, where the processor's SHA instructions need about 60 for
 * one short name. The portable path gives the same bytes. Thread safe, no allocation.
 */
void stele_nsec3_hash(const uint8_t *name, size_t name_len, const uint8_t *salt, size_t salt_len,
		      unsigned iterations, uint8_t hash[STELE_NSEC3_HASH_SZ]);

/* The same for many names at once, which takes less than half the time for each. */
#define STELE_NSEC3_JOB_SLACK 64
struct stele_nsec3_job {
	const uint8_t *name; /* in a buffer that goes on for STELE_NSEC3_JOB_SLACK bytes from here */
	const uint8_t *salt;        /* not NULL, even if it has no bytes */
	uint8_t *hash;              /* STELE_NSEC3_HASH_SZ bytes, where the result goes */
	uint8_t name_len, salt_len; /* name_len: 1 ... 255 */
	uint16_t iterations;
};
void stele_nsec3_hash_jobs(const struct stele_nsec3_job *jobs, unsigned cnt);

#endif
