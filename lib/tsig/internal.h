/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TSIG_INTERNAL_H
#define STELE_LIB_TSIG_INTERNAL_H

/* What the files of this folder share: keys from the inside, and the MAC over a message. */

#include "lib/tsig/tsig.h"

#include <stdatomic.h>

#include <openssl/evp.h>

/* Those of RFC 8945 section 6. MD5 and GSS-TSIG are left out: the one is broken, the other no shared
 * secret. */
enum tsig_algorithm_number {
	TSIG_HMAC_SHA1,
	TSIG_HMAC_SHA224,
	TSIG_HMAC_SHA256,
	TSIG_HMAC_SHA256_128,
	TSIG_HMAC_SHA384,
	TSIG_HMAC_SHA384_192,
	TSIG_HMAC_SHA512,
	TSIG_HMAC_SHA512_256,
	TSIG_ALGORITHM_CNT,
};

struct tsig_algorithm {
	const char *text;   /* also its one label on the wire */
	const char *digest; /* as OpenSSL calls it */
	uint8_t mac_sz;     /* bytes of a whole MAC */
};

extern const struct tsig_algorithm tsig_algorithms[TSIG_ALGORITHM_CNT];

struct stele_tsig_key {
	uint8_t name[STELE_NAME_MAX]; /* lower case */
	uint8_t name_len;
	uint8_t algorithm;         /* enum tsig_algorithm_number */
	uint8_t mac_sz;            /* bytes of a whole MAC */
	uint8_t mac_least;         /* bytes that we send, and the fewest that we accept */
	EVP_MAC_CTX *begun;        /* has the secret and nothing else; is copied for each MAC */
	_Atomic uint64_t *last_at; /* latest time of a request that was good */
};

struct stele_tsig_keys {
	atomic_uint ref_cnt;
	size_t cnt;
	struct stele_tsig_key *keys; /* by tsig_compare_names() */
	_Atomic uint64_t *last_at;   /* one of each key */
};

/* The order in which keys stand. */
int tsig_compare_names(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* Starts a set of `cnt` keys that are all zero; NULL if memory is out. */
struct stele_tsig_keys *tsig_keys_new(size_t cnt);

/* ---- the record (record.c) ---- */

/* A TSIG record as it was received (RFC 8945 section 4.2). Pointers go into the message. */
struct tsig_record {
	size_t off; /* where it begins: the length of the message without it */
	uint8_t name[STELE_NAME_MAX];
	uint8_t algorithm[STELE_NAME_MAX];
	uint8_t name_len, algorithm_len; /* both names in lower case */
	uint64_t time;
	uint16_t fudge, original_id, error;
	const uint8_t *mac, *other;
	uint16_t mac_len, other_len;
};

/* 1: the message ends with a TSIG; 0: it has none; STELE_E_INPUT: it cannot be read, or has one wrongly. */
int tsig_record_find(const uint8_t *msg, size_t len, struct tsig_record *ret_record);

/* True if the MAC has a length that may be at all (RFC 8945 section 5.2.2.1). */
bool tsig_record_mac_possible(const struct tsig_record *record, const struct stele_tsig_key *key);

/* True if key and algorithm are those of the record. */
bool tsig_record_names(const struct tsig_record *record, const struct stele_tsig_key *key);

/* Takes it off the message. */
void tsig_record_strip(const struct tsig_record *record, uint8_t *msg, size_t *len);

/* Bytes that tsig_record_append() takes. */
size_t tsig_record_size(size_t name_len, size_t algorithm_len, size_t mac_len, size_t other_len);

/* Appends it to the message, which has room for it. */
void tsig_record_append(const struct tsig_record *record, uint8_t *msg, size_t *len);

/* ---- the MAC (mac.c) ---- */

/* A MAC that was begun with the one before it and its length, if `mac_len` is not 0. NULL: no memory. */
EVP_MAC_CTX *tsig_mac_begin(const struct stele_tsig_key *key, const uint8_t *mac, size_t mac_len);

/* Adds a message of `len` bytes without its TSIG, as it was with this id and this ARCOUNT. */
bool tsig_mac_message(EVP_MAC_CTX *ctx, const uint8_t *msg, size_t len, uint16_t id,
		      uint16_t additional_cnt);

/* Adds the variables of a record (RFC 8945 section 4.3.3), or its timers only (5.3.1). */
bool tsig_mac_variables(EVP_MAC_CTX *ctx, const struct tsig_record *record, bool only_timers);

/* Ends it, whole, and frees `ctx` in any case. */
bool tsig_mac_end(EVP_MAC_CTX *ctx, uint8_t mac[STELE_TSIG_MAC_MAX]);

/* 1: `record->mac` is right for the rest of the message; 0: it is not; STELE_E_SYSTEM. Takes `ctx`. */
int tsig_mac_check(EVP_MAC_CTX *ctx, const uint8_t *msg, const struct tsig_record *record,
		   bool only_timers);

#endif
