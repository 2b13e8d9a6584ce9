/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TSIG_KEYS_H
#define STELE_LIB_TSIG_KEYS_H

/*
 * The keys of TSIG (RFC 8945), which two servers share.
 *
 * They stand in a YAML file of their own, to which nobody but its owner has any access:
 *
 *     keys:
 *       - id: transfer.example.
 *         algorithm: hmac-sha256
 *         secret: 6hyU63kmTYZBrVdr1/zGgw==
 *
 * An id is a domain name, and the name of the key on the wire: both sides must use the same id, the same
 * algorithm and the same secret. `mac_size` may be given besides: how many bytes of a MAC are sent, and
 * the fewest that are accepted; without it, all. A reply has as many as its request had.
 *
 * A set of keys never changes once it is loaded. To change keys, load another set and give up the first:
 * the set is counted, so each thread, transfer or connection may go on with the one that it holds. The one
 * thing that does change in a key is the last time that it was seen (stele_tsig_verify_request()); a set
 * that is loaded anew begins without.
 *
 * All functions are thread safe. Secrets are overwritten when the last reference goes.
 */

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "lib/dns/name.h"

#include <stddef.h>
#include <stdint.h>

#define STELE_TSIG_MAC_MAX 64 /* bytes; of SHA-512 */

/* Fewer could be guessed, and the other side would refuse them (RFC 8945 section 5.2.2.1). */
#define STELE_TSIG_MAC_MIN 10

struct stele_tsig_keys; /* a set */
struct stele_tsig_key;  /* one of a set, and as long there as the set */

/*
 * Loads a set; the caller has one reference. STELE_E_INPUT with `FILE:LINE:COLUMN: …` if the content is
 * wrong, or with `FILE: …` if the file is no regular one or others may read or write it; STELE_E_SYSTEM if
 * it cannot be read. No message contains what the file says as a value.
 */
int stele_tsig_keys_load(const char *path, struct stele_tsig_keys **ret_keys,
			 struct stele_error *reterr);

/* The same with text in memory; `name` stands in messages for the file. */
int stele_tsig_keys_parse(const char *name, const char *text, size_t text_sz,
			  struct stele_tsig_keys **ret_keys, struct stele_error *reterr);

/* The table of that file, for the reference page. */
extern const struct stele_config_schema stele_tsig_keys_schema;

/* One reference more; returns `keys`. NULL is fine, and a set without keys. */
struct stele_tsig_keys *stele_tsig_keys_ref(struct stele_tsig_keys *keys);

/* One reference less; the last one frees. NULL is fine. */
void stele_tsig_keys_unref(struct stele_tsig_keys *keys);

/* The key with this id, a whole name in wire format in any case; NULL if there is none. */
const struct stele_tsig_key *stele_tsig_keys_find(const struct stele_tsig_keys *keys,
						  const uint8_t *name, size_t name_len);

/* The same with the id as text, its last dot or not, as configurations speak of keys. */
const struct stele_tsig_key *stele_tsig_keys_find_text(const struct stele_tsig_keys *keys,
						       const char *id);

/* The id in wire format, lower case; lives as long as the key. */
const uint8_t *stele_tsig_key_name(const struct stele_tsig_key *key, size_t *ret_len);

/* Bytes that a signature with this key adds to a message, so that a writer can leave them free. The same
 * holds for an answer with BADTIME, which is the longest. */
size_t stele_tsig_key_room(const struct stele_tsig_key *key);

#endif
