/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_COMPOSE_H
#define STELE_LIB_ANSWER_COMPOSE_H

#include "lib/answer/work.h"

/*
 * Writing carved RRsets into a reply.
 *
 * A body is carved for one place: right behind a question for exactly its owner. There it is copied as
 * it is. Anywhere else its pointers are moved, and where a pointer would have to reach past 16,383
 * bytes, names are written out. See struct stele_rrset for what the pointers of a body mean.
 */

#define POINTER_TAG 0xc000u
#define OWNER_PTR_SZ 2
#define RDLENGTH_AT (OWNER_PTR_SZ + 8) /* in a record whose owner is a pointer */
#define RDATA_AT (OWNER_PTR_SZ + STELE_RR_FIXED_SZ)

/* Who owns the records in this reply, and where that name stands in the message. */
struct owner {
	uint16_t at;        /* offset of the owner name; 0: nowhere yet, write it out */
	uint16_t suffix_at; /* where the carved owner would begin, for pointers into its suffixes: as
			     * `at`, but for a wildcard, whose suffixes stand behind the qname's labels */
	const uint8_t *rel; /* labels before the apex of whom the RRset was carved for */
	uint8_t rel_len;
	uint8_t made_len;    /* of `made` */
	const uint8_t *made; /* what is written out if that is a wildcard; NULL: `rel` */
	uint16_t tail_at; /* when it is written out: what follows `rel`; 0: the apex. Only for RRsets
			     * without patches. */
};

enum compose_what {
	COMPOSE_RECORDS,
	COMPOSE_WITH_SIGS,
	COMPOSE_SIGS_ONLY,
};

static inline enum compose_what compose_with_sigs(const struct work *w)
{
	return w->edns.dnssec_ok ? COMPOSE_WITH_SIGS : COMPOSE_RECORDS;
}

/* The owner of w->record's RRsets in this reply: the search name, or the wildcard that stands for it. */
struct owner stele_compose_owner(const struct work *w, const struct stele_name_parts *name);

/* Makes the owners of records whose owner is a pointer point to the message offset `owner_at`. */
static inline void stele_compose_point_owners(uint8_t *first_rr, unsigned rr_cnt, unsigned owner_at)
{
	uint8_t *p = first_rr;
	for (; rr_cnt > 0; rr_cnt--) {
		stele_put_be16(p, (uint16_t)(POINTER_TAG | owner_at));
		p += RDATA_AT + stele_get_be16(p + RDLENGTH_AT);
	}
}

/* Where it went. */
struct composed {
	uint16_t body_at; /* message offset of carved body offset 0; 0: offsets do not carry over */
	uint16_t rdata_at; /* of the first record's rdata; 0: out of a pointer's reach */
};

/*
 * Appends the RRset behind w->pos and adds to `*section_cnt`. All or nothing: false if it does not
 * fit into w->limit. `ret` may be NULL.
 */
bool stele_compose_rrset(struct work *w, const uint8_t *body, const struct stele_rrset *rrset,
			 enum compose_what what, const struct owner *owner, uint16_t *section_cnt,
			 struct composed *ret);

/* Appends an NSEC3 RRset with its signatures to the authority section, owner written out. False if it
 * does not fit, or if a pointer would not reach its owner. */
bool stele_compose_nsec3(struct work *w, const struct stele_nsec3_entry *entry);

/* What an NSEC3 RRset with its signatures takes in a message. */
static inline uint32_t stele_compose_nsec3_sz(const struct stele_nsec3_entry *entry)
{
	return 1u + STELE_NSEC3_LABEL_SZ + stele_le16(entry->rrset.plain_len) +
	       stele_le16(entry->rrset.sig_len);
}

/*
 * The records of an RRset, with its signatures, as part of a proof at message offset `pos`, at most
 * STELE_POINTER_MAX: the first `rel_len` bytes, of its owner, are there. The rest is the body, but that the first
 * owner has these labels in front of its pointer. No name in the rdata of NSEC, NSEC3 and RRSIG is compressed
 * (RFC 3597 section 4). Returns how many records they are.
 */
static inline unsigned stele_compose_put_proof(uint8_t *buf, uint32_t pos, unsigned rel_len,
					       const uint8_t *body, const struct stele_rrset *rrset,
					       unsigned apex_at)
{
	uint8_t *rr = buf + pos + rel_len;
	memcpy(rr, body, (size_t)stele_le16(rrset->plain_len) + stele_le16(rrset->sig_len));
	stele_put_be16(rr, (uint16_t)(POINTER_TAG | apex_at));
	unsigned rr_cnt = stele_le16(rrset->rr_cnt) + (unsigned)rrset->sig_cnt;
	for (unsigned i = 1; i < rr_cnt; i++) {
		rr += RDATA_AT + stele_get_be16(rr + RDLENGTH_AT);
		stele_put_be16(rr, (uint16_t)(POINTER_TAG | pos));
	}
	return rr_cnt;
}

/* Writes it to message offset `pos`, at most STELE_POINTER_MAX, in a zone whose apex is at `apex_at`. Returns
 * how many records it has. */
static inline unsigned stele_compose_put_nsec3(uint8_t *buf, uint32_t pos,
					       const struct stele_nsec3_entry *entry,
					       unsigned apex_at)
{
	buf[pos] = STELE_NSEC3_LABEL_SZ;
	stele_base32hex_encode(entry->hash, buf + pos + 1);
	return stele_compose_put_proof(buf, pos, 1 + STELE_NSEC3_LABEL_SZ, stele_nsec3_body(entry),
				       &entry->rrset, apex_at);
}

/*
 * Appends CNAME `target` (whole name) of the owner at message offset `owner_at` (or written out from
 * w->sname if 0): what a DNAME makes (RFC 6672 section 3.1). `ret->rdata_at` is where the target is.
 */
bool stele_compose_cname(struct work *w, uint16_t owner_at, uint32_t ttl, const uint8_t *target,
			 size_t target_len, struct composed *ret);

/*
 * Whether the name that begins `name_off` bytes into a carved body is `name` below the zone's apex: `name_len`
 * bytes in lower case, without the apex. `rel` is the relative owner that the body was carved for. The same as to
 * compare what stele_body_name() gives, but nothing is written out.
 */
bool stele_body_name_is(const struct stele_zone *zone, const uint8_t *body, unsigned name_off,
			const uint8_t *rel, size_t rel_len, const uint8_t *name, size_t name_len);

/*
 * The name that begins `name_off` bytes into a carved body, pointers followed, lower case. `rel` is
 * the relative owner that the body was carved for. Returns its length.
 */
size_t stele_body_name(const struct stele_zone *zone, const uint8_t *body, unsigned name_off,
		       const uint8_t *rel, size_t rel_len,
		       uint8_t name[STELE_NAME_MAX + NAME_SLACK]);

#endif
