/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_MEMO_H
#define STELE_LIB_ANSWER_MEMO_H

/*
 * What the proofs of absence below one encloser have in common.
 *
 * A name that does not exist is denied by three NSEC3 records (RFC 5155 section 7.2.1), of which two
 * depend on the closest encloser alone: the one that matches it and the one about its wildcard. The
 * SOA depends on the zone alone. Random names below a few enclosers are what floods consist of; so
 * each thread remembers, for the enclosers it met lately, the two records and how they stood in the reply.
 * With NSEC it is one record, the one that covers the wildcard, and only that of the apex is remembered.
 * An image never changes, so what is remembered is true for as long as the view is the same.
 */

#include "lib/base/bytes.h"
#include "lib/image/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct work;
struct stele_nsec3_entry;

/*
 * Enclosers remembered by a thread. More would push other things out of the second-level cache. Each has a few
 * places, not one alone: the records of zones stand side by side in an image, and where two of them had
 * the same place, every query for one would make it forget the other.
 */
#define MEMO_CNT 32
#define MEMO_WAYS 4

/* SOA and two NSEC3 records with signatures take 400 to 900 bytes. Larger ones are not kept. */
#define MEMO_BODY_MAX 1024
#define MEMO_POINTER_MAX 24

struct memo {
	const struct stele_nsec3_entry *encloser; /* matches it */
	const struct stele_nsec3_entry *star;     /* about its wildcard; NULL: not looked for yet */
	const uint8_t *star_owner; /* NSEC: who owns what covers its wildcard; NULL: the same */

	/* SOA and both of these, as far as they are there, as they stood behind a question with a name
	 * of `qname_len`. All pointers in it lead to the apex in the question or into itself: at another
	 * length of the name all of them move by the same distance. */
	uint16_t body_len; /* 0: not there yet */
	uint8_t qname_len;
	uint8_t rr_cnt;
	uint8_t pointer_cnt;
	uint16_t pointers[MEMO_POINTER_MAX]; /* offsets in `body` */
	uint8_t body[MEMO_BODY_MAX];
};

struct memos {
	/* Whose the memos at the same places are: the encloser's record, or the zone's record for the apex; NULL:
	 * unused. A SOA without proofs has a memo of its own: its address, or the byte behind that with its
	 * signatures. */
	const void *keys[MEMO_CNT];
	uint8_t oldest[MEMO_CNT /
		       MEMO_WAYS]; /* of the places of each group: which is given away next */
	struct memo all[MEMO_CNT];
};

/* The first place of a key's group. */
static inline unsigned stele_memo_group(const void *key)
{
	/* Records lie at any offset; the product's upper bits depend on all of the address. */
	uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
	return (h >> 32 & (MEMO_CNT / MEMO_WAYS - 1)) * MEMO_WAYS;
}

/* The memo of this key, or NULL: nothing is given away for it. */
static inline const struct memo *stele_memo_find(const struct memos *memos, const void *key)
{
	unsigned first = stele_memo_group(key);
	for (unsigned i = first; i < first + MEMO_WAYS; i++)
		if (memos->keys[i] == key)
			return &memos->all[i];
	return NULL;
}

/* The place for an encloser's memo, cleared if it was another's. */
static inline struct memo *stele_memo_at(struct memos *memos, const void *key)
{
	unsigned first = stele_memo_group(key), group = first / MEMO_WAYS;
	for (unsigned i = first; i < first + MEMO_WAYS; i++)
		if (memos->keys[i] == key)
			return &memos->all[i];
	unsigned at = first + memos->oldest[group]++ % MEMO_WAYS;
	struct memo *memo = &memos->all[at];
	memos->keys[at] = key;
	memo->encloser = NULL;
	memo->star = NULL;
	memo->star_owner = NULL;
	memo->body_len = 0;
	return memo;
}

/* Whose memo a SOA alone is, without its signatures or with them. */
static inline const void *stele_memo_soa(const struct stele_zone *zone, bool with_signatures)
{
	return (const uint8_t *)&zone->soa + with_signatures;
}

/* Whether all of the encloser's proof is there. A body may be without the records: while a query waited for
 * what it lacks, another one's encloser may have had the place. */
static inline bool stele_memo_is_whole(const struct memo *memo)
{
	return memo->body_len > 0 && memo->encloser != NULL && memo->star != NULL;
}

/* The same of a zone with NSEC. */
static inline bool stele_memo_is_whole_nsec(const struct memo *memo)
{
	return memo->body_len > 0 && memo->star_owner != NULL;
}

/* Forgets everything: the view is another one. */
void stele_memo_clear(struct memos *memos);

/* Writes the body to where it stands behind a question with a name of `qname_len`. */
static inline void stele_memo_put(const struct memo *memo, uint8_t *out, unsigned qname_len)
{
	memcpy(out, memo->body, memo->body_len);
	unsigned distance = qname_len - memo->qname_len;
	/* Names of a flood often have one length. */
	for (unsigned i = 0; distance != 0 && i < memo->pointer_cnt; i++) {
		uint8_t *p = out + memo->pointers[i];
		stele_put_be16(p, (uint16_t)(stele_get_be16(p) + distance));
	}
}

/* Appends the body to the reply, which so far ends with the question. False: there is none, or it
 * does not fit; nothing is done. */
bool stele_memo_replay(struct work *w, const struct memo *memo);

/* Keeps what stands behind the question: the SOA part and both records, nothing else. */
void stele_memo_capture(const struct work *w, struct memo *memo);

#endif
