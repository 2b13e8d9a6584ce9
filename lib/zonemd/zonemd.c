/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zonemd/zonemd.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define RECORD_MAX (STELE_NAME_MAX + STELE_RR_FIXED_SZ + 65535)

/* Room for the record that waits, for the next one, and for so many of common size that hashing them at once
 * costs nothing beside the hash. */
#define BUFFER_SZ (4 * 65536)
_Static_assert(BUFFER_SZ >= 2 * RECORD_MAX, "one waits while another one comes");

#define ALGORITHM_CNT 3

/* serial, scheme, algorithm */
#define RDATA_HEAD_SZ 6

/*
 * The latest record stays at the end of the buffer until it is known not to come again: `last` says where
 * it begins. What stands before it is to be hashed.
 */
struct stele_zonemd {
	EVP_MD_CTX *hashes[ALGORITHM_CNT]; /* by algorithm; NULL: not wanted */
	bool is_broken, is_finished;
	uint8_t apex_len;
	uint8_t apex[STELE_NAME_MAX];
	uint8_t digests[ALGORITHM_CNT][STELE_ZONEMD_DIGEST_MAX];

	uint16_t last_type;
	uint8_t last_owner_len; /* 0: no record yet */
	uint8_t last_owner[STELE_NAME_MAX];
	size_t last_key_len;
	uint8_t last_key[STELE_SORT_KEY_MAX];
	size_t last_rdlen;

	size_t last, len; /* in the buffer */
	uint8_t buffer[BUFFER_SZ];
};

/* Bytes of a digest; 0 for algorithms that nobody knows. */
static size_t digest_size(unsigned algorithm)
{
	switch (algorithm) {
	case STELE_ZONEMD_SHA384:
		return 48;
	case STELE_ZONEMD_SHA512:
		return 64;
	default:
		return 0;
	}
}

/* ---- records of the apex ---- */

static bool has_twin(const struct stele_zonemd_rr *rrs, size_t cnt, size_t i)
{
	for (size_t k = 0; k < cnt; k++)
		if (k != i && rrs[k].len >= RDATA_HEAD_SZ &&
		    memcmp(rrs[k].rdata + 4, rrs[i].rdata + 4, 2) == 0)
			return true;
	return false;
}

/* NULL if the record can be used, else why not. */
static const char *fault_of(const struct stele_zonemd_rr *rrs, size_t cnt, size_t i,
			    uint32_t serial)
{
	const struct stele_zonemd_rr *rr = &rrs[i];
	if (rr->len <= RDATA_HEAD_SZ)
		return "it is too short";
	if (rr->rdata[4] != STELE_ZONEMD_SCHEME_SIMPLE || digest_size(rr->rdata[5]) == 0)
		return "its scheme or its algorithm is not known";
	if (stele_get_be32(rr->rdata) != serial)
		return "its serial is not that of the SOA";
	if (rr->len - RDATA_HEAD_SZ != digest_size(rr->rdata[5]))
		return "its digest has a wrong length";
	if (has_twin(rrs, cnt, i))
		return "another one has the same scheme and algorithm";
	return NULL;
}

unsigned stele_zonemd_usable(const struct stele_zonemd_rr *rrs, size_t cnt, uint32_t serial,
			     struct stele_error *reterr)
{
	unsigned algorithms = 0;
	const char *first_fault = NULL;
	for (size_t i = 0; i < cnt; i++) {
		const char *fault = fault_of(rrs, cnt, i, serial);
		if (fault == NULL)
			algorithms |= 1u << rrs[i].rdata[5];
		else if (first_fault == NULL)
			first_fault = fault;
	}
	if (cnt == 0)
		stele_fail(reterr, STELE_E_INPUT, "the zone has no ZONEMD");
	else if (algorithms == 0)
		stele_fail(reterr, STELE_E_INPUT, "no ZONEMD of the zone can be used: %s",
			   first_fault);
	return algorithms;
}

bool stele_zonemd_matches(const struct stele_zonemd *zonemd, const struct stele_zonemd_rr *rrs,
			  size_t cnt, uint32_t serial)
{
	uint8_t digest[STELE_ZONEMD_DIGEST_MAX];
	for (size_t i = 0; i < cnt; i++) {
		if (fault_of(rrs, cnt, i, serial) != NULL)
			continue;
		size_t len = stele_zonemd_digest(zonemd, rrs[i].rdata[5], digest);
		if (len > 0 && memcmp(digest, rrs[i].rdata + RDATA_HEAD_SZ, len) == 0)
			return true;
	}
	return false;
}

/* ---- the digest ---- */

void stele_zonemd_free(struct stele_zonemd *zonemd)
{
	if (zonemd == NULL)
		return;
	for (unsigned i = 0; i < ALGORITHM_CNT; i++)
		EVP_MD_CTX_free(zonemd->hashes[i]);
	free(zonemd);
}

static bool begin_hash(struct stele_zonemd *zonemd, unsigned algorithm)
{
	const EVP_MD *md = algorithm == STELE_ZONEMD_SHA384 ? EVP_sha384() : EVP_sha512();
	EVP_MD_CTX *hash = zonemd->hashes[algorithm] = EVP_MD_CTX_new();
	return hash != NULL && EVP_DigestInit_ex(hash, md, NULL) == 1;
}

int stele_zonemd_begin(const uint8_t *apex, size_t apex_len, unsigned algorithms,
		       struct stele_zonemd **ret_zonemd, struct stele_error *reterr)
{
	if (algorithms == 0 ||
	    (algorithms & ~(1u << STELE_ZONEMD_SHA384 | 1u << STELE_ZONEMD_SHA512)) != 0)
		return stele_fail(reterr, STELE_E_USAGE,
				  "no algorithm for ZONEMD (expected SHA384 or SHA512)");
	struct stele_zonemd *zonemd = calloc(1, sizeof(*zonemd));
	if (zonemd == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (unsigned i = 0; i < ALGORITHM_CNT; i++)
		if ((algorithms >> i & 1) != 0 && !begin_hash(zonemd, i)) {
			stele_zonemd_free(zonemd);
			return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		}
	zonemd->apex_len = (uint8_t)apex_len;
	stele_name_lower(zonemd->apex, apex, apex_len);
	*ret_zonemd = zonemd;
	return 0;
}

/* Hashes the first `sz` bytes of the buffer and moves what follows to its beginning. */
static bool flush(struct stele_zonemd *zonemd, size_t sz)
{
	for (unsigned i = 0; i < ALGORITHM_CNT; i++)
		if (zonemd->hashes[i] != NULL &&
		    EVP_DigestUpdate(zonemd->hashes[i], zonemd->buffer, sz) != 1)
			return false;
	zonemd->len -= sz;
	zonemd->last -= zonemd->last < sz ? zonemd->last : sz;
	memmove(zonemd->buffer, zonemd->buffer + sz, zonemd->len);
	return true;
}

/* Negative, 0 or positive as the owner stands before, at or behind the latest; then it is the latest. */
static int move_to_owner(struct stele_zonemd *zonemd, const uint8_t *owner, size_t owner_len)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	if (zonemd->last_owner_len == owner_len &&
	    memcmp(zonemd->last_owner, owner, owner_len) == 0)
		return 0;
	size_t key_len = stele_sort_key(owner, owner_len - 1, key);
	int order = zonemd->last_owner_len == 0 ?
			    1 :
			    stele_sort_key_compare(key, key_len, zonemd->last_key,
						   zonemd->last_key_len);
	zonemd->last_owner_len = (uint8_t)owner_len;
	memcpy(zonemd->last_owner, owner, owner_len);
	zonemd->last_key_len = key_len;
	memcpy(zonemd->last_key, key, key_len);
	return order;
}

static bool is_left_out(const struct stele_zonemd *zonemd, const uint8_t *owner, size_t owner_len,
			uint16_t type, const uint8_t *rdata, size_t rdlen)
{
	if (!stele_name_is_below(owner, owner_len, zonemd->apex, zonemd->apex_len))
		return true;
	if (owner_len != zonemd->apex_len)
		return false;
	return type == STELE_TYPE_ZONEMD || (type == STELE_TYPE_RRSIG && rdlen >= 2 &&
					     stele_get_be16(rdata) == STELE_TYPE_ZONEMD);
}

static int fail(struct stele_zonemd *zonemd, int status)
{
	zonemd->is_broken = true;
	return status;
}

int stele_zonemd_add(struct stele_zonemd *zonemd, const uint8_t *owner, size_t owner_len,
		     uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t rdlen)
{
	uint8_t name[STELE_NAME_MAX];
	if (zonemd->is_broken || zonemd->is_finished || rdlen > UINT16_MAX)
		return fail(zonemd, STELE_E_USAGE);
	stele_name_lower(name, owner, owner_len);
	if (is_left_out(zonemd, name, owner_len, type, rdata, rdlen))
		return 0;
	if (BUFFER_SZ - zonemd->len < RECORD_MAX && !flush(zonemd, zonemd->last))
		return fail(zonemd, STELE_E_SYSTEM);

	/* RR(i) of section 3.3.1: owner, type, class, TTL, rdata length, rdata. */
	size_t at = zonemd->len;
	uint8_t *p = zonemd->buffer + at;
	memcpy(p, name, owner_len);
	p += owner_len;
	stele_put_be16(p, type);
	stele_put_be16(p + 2, STELE_CLASS_IN);
	stele_put_be32(p + 4, ttl);
	stele_put_be16(p + 8, (uint16_t)rdlen);
	p += STELE_RR_FIXED_SZ;
	if (!stele_rdata_canonical(type, rdata, rdlen, p))
		return fail(zonemd, STELE_E_INPUT);

	int order = move_to_owner(zonemd, name, owner_len);
	if (order == 0)
		order = (type > zonemd->last_type) - (type < zonemd->last_type);
	if (order == 0) {
		size_t last_rdlen = zonemd->last_rdlen;
		order = memcmp(p, zonemd->buffer + at - last_rdlen,
			       rdlen < last_rdlen ? rdlen : last_rdlen);
		if (order == 0 && rdlen == last_rdlen)
			return 0;
		if (order == 0)
			order = rdlen < last_rdlen ? -1 : 1;
	}
	if (order < 0)
		return fail(zonemd, STELE_E_USAGE);
	zonemd->last_type = type;
	zonemd->last_rdlen = rdlen;
	zonemd->last = at;
	zonemd->len = (size_t)(p - zonemd->buffer) + rdlen;
	return 1;
}

int stele_zonemd_finish(struct stele_zonemd *zonemd)
{
	if (zonemd->is_broken || zonemd->is_finished)
		return STELE_E_USAGE;
	if (!flush(zonemd, zonemd->len))
		return fail(zonemd, STELE_E_SYSTEM);
	for (unsigned i = 0; i < ALGORITHM_CNT; i++)
		if (zonemd->hashes[i] != NULL &&
		    EVP_DigestFinal_ex(zonemd->hashes[i], zonemd->digests[i], NULL) != 1)
			return fail(zonemd, STELE_E_SYSTEM);
	zonemd->is_finished = true;
	return 0;
}

size_t stele_zonemd_digest(const struct stele_zonemd *zonemd, enum stele_zonemd_algorithm algorithm,
			   uint8_t ret_digest[STELE_ZONEMD_DIGEST_MAX])
{
	size_t len = digest_size(algorithm);
	if (!zonemd->is_finished || len == 0 || zonemd->hashes[algorithm] == NULL)
		return 0;
	memcpy(ret_digest, zonemd->digests[algorithm], len);
	return len;
}
