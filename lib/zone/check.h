/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_CHECK_H
#define STELE_LIB_ZONE_CHECK_H

/*
 * What a zone must be, and what it had better be, checked while its owners pass by in canonical
 * order. A parent comes right before what is below it, so one remembered cut, one remembered DNAME
 * and one NSEC record are all that must be known of earlier owners; only targets of NS and MX are
 * looked for by hash.
 *
 * Errors are what docs/conformance.md calls refused, warnings what it calls warned.
 */

#include "lib/zone/hash_set.h"
#include "lib/zone/nodes.h"
#include "lib/zone/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* An address that must come: of a name server below the cut that names it, or of the apex. */
struct stele_want {
	uint8_t key[STELE_SORT_KEY_MAX];
	uint16_t key_len;
	bool found;
	struct stele_place place;
};

struct stele_wants {
	struct stele_want *list;
	size_t cnt, room;
};

struct stele_last_name {
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
	bool is_set;
};

struct stele_check {
	struct stele_report *report;
	/* The name of the file, or of the transfer, that a record came with. */
	const char *(*file_name)(const void *user, uint16_t file);
	const void *user;
	const uint8_t *apex; /* wire format, lower case */
	size_t apex_len;
	uint8_t apex_key[STELE_SORT_KEY_MAX];
	size_t apex_key_len;
	uint32_t now;
	const struct stele_hash_set *cnames; /* owners of CNAME records */

	struct stele_last_name cut, dname;
	struct stele_wants apex_wants, cut_wants;

	/* Denial. */
	bool has_nsec, has_nsec3param, is_signed, told_nsec_apart, told_iterations;
	struct stele_last_name nsec_next; /* where the last NSEC points to */
	struct stele_place nsec_place;
	struct stele_last_name last_owner; /* authoritative, for empty non-terminals */
	uint8_t salt[255];
	uint8_t salt_len;
	uint16_t iterations;
	/* Hashes of NSEC3 owners in order, their first 8 bytes. */
	uint64_t *hashes;
	size_t hash_cnt;
	bool opt_out;
	uint8_t nsec3_first[STELE_NSEC3_HASH_SZ], nsec3_next[STELE_NSEC3_HASH_SZ];
	bool has_nsec3_next;
	struct stele_place nsec3_place;
};

/* Begins with a zone. `hashes` are those of its NSEC3 owners in ascending order, borrowed. */
void stele_check_begin(struct stele_check *check);
void stele_check_free(struct stele_check *check);

/* Checks an owner of the zone: STELE_E_INPUT after an error, which the report has. */
int stele_check_owner(struct stele_check *check, const struct stele_owner *owner);

/*
 * Checks the owner of NSEC3 records or of signatures over such, and gives its hash. One with nothing
 * but signatures is only warned of, and is to be left out.
 */
int stele_check_nsec3_owner(struct stele_check *check, const struct stele_owner *owner,
			    uint8_t hash[STELE_NSEC3_HASH_SZ]);

/*
 * The errors alone, of one owner by itself: what stele_check_owner() and stele_check_nsec3_owner() check of
 * it but for its place among others (the name, and what is above it).
 */
int stele_check_owner_alone(struct stele_check *check, const struct stele_owner *owner,
			    bool is_apex);
int stele_check_nsec3_alone(struct stele_check *check, const struct stele_owner *owner);

/* Behind the last owner, and behind the last owner of NSEC3 records. */
void stele_check_end(struct stele_check *check);
void stele_check_nsec3_end(struct stele_check *check);

/* ---- for the parts of the checks ---- */

struct stele_place stele_check_place(const struct stele_check *check,
				     const struct stele_owner_rr *rr);

/* Where the owner stands first: it is what is wrong there, not a record. */
struct stele_place stele_check_owner_place(const struct stele_check *check,
					   const struct stele_owner *owner);

/* The first record (not signature) of a type at an owner, or NULL. */
const struct stele_owner_rr *stele_owner_find(const struct stele_owner *owner, uint16_t type);

/* The name of a key for messages. Returns `text`. */
const char *stele_key_to_text(const uint8_t *key, size_t key_len, char text[STELE_NAME_TEXT_MAX]);

/* Key of the name at `rdata`, lowered: its length. */
size_t stele_rdata_name_key(const uint8_t *rdata, size_t len, uint8_t key[STELE_SORT_KEY_MAX]);

/* True if `key` is `above` or below it. */
static inline bool stele_key_is_below(const uint8_t *key, size_t key_len, const uint8_t *above,
				      size_t above_len)
{
	return key_len >= above_len && memcmp(key, above, above_len) == 0;
}

/* Signatures and keys (check_keys.c), denial (check_denial.c): warnings only. */
void stele_check_signatures(struct stele_check *check, const struct stele_owner *owner);
void stele_check_keys(struct stele_check *check, const struct stele_owner *apex);
void stele_check_denial(struct stele_check *check, const struct stele_owner *owner, bool is_apex,
			bool is_cut);
void stele_check_denial_end(struct stele_check *check);
void stele_check_nsec3_chain(struct stele_check *check, const struct stele_owner *owner,
			     const uint8_t hash[STELE_NSEC3_HASH_SZ]);

#endif
