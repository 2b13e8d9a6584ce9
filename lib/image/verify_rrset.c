/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One RRset: its records, the names and pointers in them, and what stands behind the body. The
 * format is that of struct stele_rrset.
 */
#include "lib/image/verify.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/svcb.h"

#include <string.h>

/* The longest query name and its type and class can stand in front of a body: a pointer into the
 * body must still fit into 14 bits then. */
#define SELF_POINTER_MAX (STELE_POINTER_MAX - (STELE_HEADER_SZ + STELE_NAME_MAX + 4))

/* Owner pointer, type, class, TTL, rdata length. */
#define RR_HEAD_SZ ((size_t)2 + STELE_RR_FIXED_SZ)
#define RRSIG_FIXED_SZ 18
#define NSEC3_FIXED_SZ 5

struct body {
	struct verify *v;
	const struct verify_owner *owner;
	const uint8_t *bytes;
	unsigned type;
	const uint8_t *patches;
	unsigned patch_cnt, patch_at; /* patch_at: those before it have been met */
	const struct stele_ref *refs;
	unsigned ref_cnt, ref_at;
	bool has_self_pointer;
};

/* A name taken out of a body: whole and lower case. */
struct body_name {
	uint8_t wire[STELE_NAME_MAX + STELE_HASH_SLACK + 1];
	size_t len;
};

static uint16_t sum16(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	for (; len >= 4; p += 4, len -= 4)
		sum += stele_get_be32(p);
	if (len >= 2) {
		sum += stele_get_be16(p);
		p += 2;
		len -= 2;
	}
	if (len > 0)
		sum += (unsigned)*p << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool label_start(const struct verify *v, size_t off)
{
	return (v->label_starts[off / 64] >> off % 64 & 1) != 0;
}

static bool owner_label_start(const struct verify_owner *owner, size_t at)
{
	size_t i = 0;
	while (i < at)
		i += owner->name[i] + 1u;
	return i == at && owner->name[i] != 0;
}

/* A pointer `off` bytes into the body: it must be the next patch. */
static int take_patch(struct body *b, size_t off)
{
	if (b->patch_at == b->patch_cnt ||
	    stele_get_le16(b->patches + 2 * (size_t)b->patch_at) != off)
		return stele_verify_fault(b->v, b->bytes + off,
					  "type %u: pointer is not in the patch list", b->type);
	b->patch_at++;
	return 0;
}

/* Where a pointer in a name that begins at `name_off` leads to; NULL if nowhere. */
static const uint8_t *follow(struct body *b, unsigned value, size_t name_off)
{
	const struct verify_owner *owner = b->owner;
	size_t base = STELE_HEADER_SZ + owner->name_len + 4u;
	bool is_cname = b->type == STELE_TYPE_CNAME;
	if (value >= base) {
		size_t target = value - base;
		b->has_self_pointer = true;
		if (is_cname || target >= name_off || target > SELF_POINTER_MAX ||
		    !label_start(b->v, target))
			return NULL;
		return b->bytes + target;
	}
	size_t first = owner->is_wildcard ? 1 : 0;
	if (is_cname)
		first = (size_t)owner->name_len - owner->zone->head->apex_len;
	if (value < STELE_HEADER_SZ + first || value >= STELE_HEADER_SZ + (size_t)owner->name_len ||
	    !owner_label_start(owner, value - STELE_HEADER_SZ))
		return NULL;
	return owner->name + (value - STELE_HEADER_SZ);
}

/*
 * The name that begins `off` bytes into the body and may be compressed. `*ret_end` gets the offset
 * behind it. Pointers lead only to labels of names before this one, of which the same has been
 * shown, so that the way through them ends.
 */
static int take_name(struct body *b, size_t off, size_t end, struct body_name *name,
		     size_t *ret_end)
{
	const uint8_t *p = b->bytes + off;
	const uint8_t *stop = b->bytes + end;
	const uint8_t *labels[STELE_LABELS_MAX]; /* that later names may point to */
	unsigned label_cnt = 0;
	bool jumped = false;
	size_t len = 0;
	for (;;) {
		if (!jumped && p >= stop)
			return stele_verify_fault(b->v, p, "type %u: name reaches over its rdata",
						  b->type);
		if ((*p & 0xc0) == 0xc0) {
			/* Behind a jump all has been seen before, pointers included. */
			if (!jumped && stop - p < 2)
				return stele_verify_fault(b->v, p, "type %u: half a pointer",
							  b->type);
			if (!jumped) {
				int rc = take_patch(b, (size_t)(p - b->bytes));
				if (rc != 0)
					return rc;
				*ret_end = (size_t)(p - b->bytes) + 2;
			}
			unsigned value = stele_get_be16(p) & STELE_POINTER_MAX;
			const uint8_t *target = follow(b, value, off);
			if (target == NULL)
				return stele_verify_fault(
					b->v, p, "type %u: pointer to %u, where no name is",
					b->type, value);
			p = target;
			jumped = true;
			continue;
		}
		size_t label_sz = *p + 1u;
		if (*p > STELE_LABEL_MAX || len + label_sz > STELE_NAME_MAX ||
		    (!jumped && label_sz > (size_t)(stop - p)))
			return stele_verify_fault(b->v, p, "type %u: malformed name", b->type);
		stele_name_lower(name->wire + len, p, label_sz);
		len += label_sz;
		if (label_sz == 1)
			break;
		if (!jumped)
			labels[label_cnt++] = p;
		p += label_sz;
	}
	if (!jumped)
		*ret_end = (size_t)(p - b->bytes) + 1;
	while (label_cnt > 0) {
		size_t at = (size_t)(labels[--label_cnt] - b->bytes);
		b->v->label_starts[at / 64] |= UINT64_C(1) << at % 64;
	}
	name->len = len;
	return 0;
}

/* A name that must not be compressed; 0 if there is none. */
static size_t plain_name(const uint8_t *rdata, size_t rdata_len, size_t at, struct body_name *name)
{
	size_t len = at <= rdata_len ? stele_name_length(rdata + at, rdata_len - at) : 0;
	stele_name_lower(name->wire, rdata + at, len);
	name->len = len;
	return len;
}

/*
 * A name that additional processing or a CNAME leads to. If it lies in the zone and can be referred
 * to, the next reference is its own.
 */
static int take_target(struct body *b, const struct body_name *name, size_t off)
{
	const struct verify_owner *owner = b->owner;
	const struct verify_zone *zone = owner->zone;
	size_t apex_len = zone->head->apex_len;
	if (!owner->may_refer || off > STELE_REF_OFF_MASK ||
	    !stele_name_is_below(name->wire, name->len, zone->apex, apex_len))
		return 0;
	if (b->ref_at == b->ref_cnt)
		return stele_verify_fault(b->v, b->bytes + off,
					  "type %u: target in the zone without a reference",
					  b->type);
	const struct stele_ref *ref = b->refs + b->ref_at++;
	unsigned name_off = stele_le16(ref->name_off);
	bool in_domain = b->type == STELE_TYPE_NS && owner->is_cut &&
			 stele_name_is_below(name->wire, name->len, owner->name, owner->name_len);
	if ((name_off & STELE_REF_OFF_MASK) != off ||
	    (name_off & ~(unsigned)STELE_REF_OFF_MASK) != (in_domain ? STELE_REF_IN_DOMAIN : 0u) ||
	    stele_le64(ref->key) !=
		    stele_verify_key(b->v->view, zone, name->wire, name->len - apex_len))
		return stele_verify_fault(b->v, ref, "type %u: wrong reference", b->type);
	return 0;
}

/* SVCB and HTTPS, whose rdata begins at `off`: what a service of its own owner leads to is the owner before it. */
static int check_service(struct body *b, size_t off, size_t end)
{
	const struct verify_owner *owner = b->owner;
	const uint8_t *rdata = b->bytes + off;
	struct body_name name;
	if (plain_name(rdata, end - off, 2, &name) == 0)
		return stele_verify_fault(b->v, rdata, "type %u: malformed rdata", b->type);
	if (!stele_svc_is_own((uint16_t)b->type, rdata))
		return take_target(b, &name, off + 2);
	if (stele_svc_is_alias(rdata) || owner->is_wildcard)
		return 0;
	name.len = owner->name_len;
	memcpy(name.wire, owner->name, name.len);
	return take_target(b, &name, off - RR_HEAD_SZ);
}

/* Rdata of the types whose names may be compressed. */
static int check_compressible(struct body *b, size_t off, size_t end)
{
	struct body_name name;
	unsigned name_cnt = 1;
	size_t at = off, behind = 0;
	if (b->type == STELE_TYPE_MX)
		at += 2;
	if (b->type == STELE_TYPE_SOA || b->type == STELE_TYPE_MINFO)
		name_cnt = 2;
	if (b->type == STELE_TYPE_SOA)
		behind = 20;
	for (unsigned i = 0; i < name_cnt; i++) {
		size_t name_off = at;
		int rc = take_name(b, name_off, end, &name, &at);
		if (rc == 0 && (b->type == STELE_TYPE_NS || b->type == STELE_TYPE_MX ||
				b->type == STELE_TYPE_CNAME))
			rc = take_target(b, &name, name_off);
		if (rc != 0)
			return rc;
	}
	if (at + behind != end)
		return stele_verify_fault(b->v, b->bytes + off, "type %u: rdata of %zu bytes",
					  b->type, end - off);
	return 0;
}

/* Rdata that lookups read and that is never compressed. */
static int check_plain(struct body *b, size_t off, size_t end)
{
	const uint8_t *rdata = b->bytes + off;
	size_t len = end - off;
	struct body_name name;
	bool good = true;
	switch (b->type) {
	case STELE_TYPE_A:
		good = len == 4;
		break;
	case STELE_TYPE_AAAA:
		good = len == 16;
		break;
	case STELE_TYPE_DNAME:
		good = plain_name(rdata, len, 0, &name) == len && len > 0;
		break;
	case STELE_TYPE_SRV:
		good = len > 6 && plain_name(rdata, len, 6, &name) == len - 6;
		if (good)
			return take_target(b, &name, off + 6);
		break;
	case STELE_TYPE_SVCB:
	case STELE_TYPE_HTTPS:
		return check_service(b, off, end);
	case STELE_TYPE_NSEC:
		good = plain_name(rdata, len, 0, &name) > 0;
		break;
	case STELE_TYPE_NSEC3:
		good = len > NSEC3_FIXED_SZ && len > NSEC3_FIXED_SZ + (size_t)rdata[4] &&
		       len >= NSEC3_FIXED_SZ + (size_t)rdata[4] + 1 +
				       rdata[NSEC3_FIXED_SZ + rdata[4]];
		break;
	default:
		break;
	}
	if (!good)
		return stele_verify_fault(b->v, rdata, "type %u: malformed rdata", b->type);
	return 0;
}

static bool is_compressible(unsigned type)
{
	switch (type) {
	case STELE_TYPE_NS:
	case STELE_TYPE_MD:
	case STELE_TYPE_MF:
	case STELE_TYPE_CNAME:
	case STELE_TYPE_SOA:
	case STELE_TYPE_MB:
	case STELE_TYPE_MG:
	case STELE_TYPE_MR:
	case STELE_TYPE_PTR:
	case STELE_TYPE_MINFO:
	case STELE_TYPE_MX:
		return true;
	default:
		return false;
	}
}

/* `cnt` records of one type fill the body from `off` to `end`. */
static int check_records(struct body *b, unsigned type, unsigned cnt, size_t off, size_t end)
{
	const uint8_t *ttl = NULL;
	for (unsigned i = 0; i < cnt; i++) {
		const uint8_t *rr = b->bytes + off;
		if (end - off < RR_HEAD_SZ || RR_HEAD_SZ + stele_get_be16(rr + 10) > end - off)
			return stele_verify_fault(b->v, rr, "type %u: record %u reaches too far",
						  b->type, i);
		if (stele_get_be16(rr) != (0xc000 | STELE_HEADER_SZ) ||
		    stele_get_be16(rr + 2) != type || stele_get_be16(rr + 4) != STELE_CLASS_IN)
			return stele_verify_fault(
				b->v, rr, "type %u: record %u of another owner, type or class",
				b->type, i);
		if (ttl != NULL && memcmp(ttl, rr + 6, 4) != 0)
			return stele_verify_fault(b->v, rr, "type %u: TTLs differ", b->type);
		size_t rdata_off = off + RR_HEAD_SZ;
		off = rdata_off + stele_get_be16(rr + 10);
		int rc = 0;
		if (type == STELE_TYPE_RRSIG) {
			struct body_name signer;
			const uint8_t *rdata = b->bytes + rdata_off;
			size_t len = off - rdata_off;
			if (len <= RRSIG_FIXED_SZ || stele_get_be16(rdata) != b->type ||
			    plain_name(rdata, len, RRSIG_FIXED_SZ, &signer) == 0)
				rc = stele_verify_fault(b->v, rr, "type %u: malformed signature",
							b->type);
		} else {
			ttl = rr + 6;
			rc = is_compressible(type) ? check_compressible(b, rdata_off, off) :
						     check_plain(b, rdata_off, off);
		}
		if (rc != 0)
			return rc;
	}
	if (off != end)
		return stele_verify_fault(b->v, b->bytes + off,
					  "type %u: more bytes than its %u records", b->type, cnt);
	return 0;
}

/* Takes a le16 count and as many things of `item_sz` bytes; false if they reach over the record. */
static bool take_list(const uint8_t *base, uint64_t size, uint64_t *at, size_t item_sz,
		      unsigned *ret_cnt, const uint8_t **ret_items)
{
	if (size - *at < 2)
		return false;
	*ret_cnt = stele_get_le16(base + *at);
	*ret_items = base + *at + 2;
	uint64_t list_sz = 2 + (uint64_t)*ret_cnt * item_sz;
	if (*ret_cnt == 0 || list_sz > size - *at)
		return false;
	*at += list_sz;
	return true;
}

static bool type_may_stand(unsigned type)
{
	return type != 0 && type != STELE_TYPE_OPT && type != STELE_TYPE_RRSIG &&
	       (type < STELE_TYPE_TKEY || type > STELE_TYPE_ANY);
}

int stele_verify_rrset(struct verify *v, const struct verify_owner *owner, const uint8_t *base,
		       uint64_t size, const struct stele_rrset *rrset, uint64_t off,
		       uint64_t *ret_end)
{
	unsigned type = stele_le16(rrset->type);
	size_t plain_len = stele_le16(rrset->plain_len);
	size_t full_len = plain_len + stele_le16(rrset->sig_len);
	const unsigned known = STELE_RRSET_HAS_PATCHES | STELE_RRSET_HAS_REFS |
			       STELE_RRSET_SELF_POINTERS;
	if (!type_may_stand(type) || stele_le16(rrset->rr_cnt) == 0 ||
	    (rrset->sig_cnt == 0) != (full_len == plain_len) || (rrset->flags & ~known) != 0)
		return stele_verify_fault(v, rrset, "type %u: malformed RRset", type);
	if (off > size || full_len > size - off)
		return stele_verify_fault(v, rrset, "type %u: body reaches over the record", type);

	uint64_t at = off + full_len;
	uint16_t sum_full = 0;
	const uint8_t *refs = NULL;
	struct body b = {
		.v = v,
		.owner = owner,
		.bytes = base + off,
		.type = type,
	};
	bool whole = true;
	if (rrset->sig_cnt > 0) {
		whole = size - at >= 2;
		sum_full = whole ? stele_get_le16(base + at) : 0;
		at += whole ? 2 : 0;
	}
	if (whole && rrset->flags & STELE_RRSET_HAS_PATCHES)
		whole = take_list(base, size, &at, 2, &b.patch_cnt, &b.patches);
	if (whole && rrset->flags & STELE_RRSET_HAS_REFS)
		whole = take_list(base, size, &at, sizeof(struct stele_ref), &b.ref_cnt, &refs);
	if (!whole)
		return stele_verify_fault(v, rrset, "type %u: lists reach over the record", type);
	b.refs = (const struct stele_ref *)(const void *)refs;

	if (sum16(b.bytes, plain_len) != stele_le16(rrset->sum_plain) ||
	    (rrset->sig_cnt > 0 && sum16(b.bytes, full_len) != sum_full))
		return stele_verify_fault(v, b.bytes, "type %u: wrong sum of the body", type);

	memset(v->label_starts, 0, (plain_len / 64 + 1) * 8);
	int rc = check_records(&b, type, stele_le16(rrset->rr_cnt), 0, plain_len);
	if (rc == 0)
		rc = check_records(&b, STELE_TYPE_RRSIG, rrset->sig_cnt, plain_len, full_len);
	if (rc != 0)
		return rc;
	if (b.patch_at != b.patch_cnt || b.ref_at != b.ref_cnt ||
	    b.has_self_pointer != ((rrset->flags & STELE_RRSET_SELF_POINTERS) != 0))
		return stele_verify_fault(v, rrset, "type %u: patches or references too many",
					  type);
	*ret_end = at;
	return 0;
}
