/* SPDX-License-Identifier: Apache-2.0 */
/* Name shards: each record by itself. What binds records to one another is in verify_tree.c. */
#include "lib/image/verify.h"

#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

#include <string.h>

/* The parts of a record, found by a reader that believes nothing. */
struct record {
	const struct stele_name *head;
	struct verify_zone *zone;
	const uint8_t *rel;
	const uint8_t *hash;
	const uint8_t *wildcard_hash;
	const struct stele_rrset *rrsets;
	unsigned rrset_cnt;
	unsigned label_cnt; /* of the whole owner */
	uint64_t bodies_off;
	uint8_t owner[STELE_NAME_MAX]; /* whole */
	uint8_t owner_len;
};

static bool has(const struct record *r, unsigned flag)
{
	return (r->head->flags & flag) != 0;
}

static int take_apart(struct verify *v, const uint8_t *bytes, uint64_t left, struct record *r)
{
	const struct stele_name *head = (const void *)bytes;
	r->head = head;
	if (left < sizeof(*head))
		return stele_verify_fault(v, bytes, "name: head reaches over the shard");
	r->rrset_cnt = stele_le16(head->rrset_cnt);
	uint64_t at = sizeof(*head);
	r->rel = bytes + at;
	at += head->rel_len;
	if (head->kind == STELE_NAME_OCCLUDED)
		at += 8;
	r->hash = bytes + at;
	if (has(r, STELE_NAME_HAS_HASH))
		at += STELE_NSEC3_HASH_SZ;
	r->wildcard_hash = bytes + at;
	if (has(r, STELE_NAME_HAS_WILDCARD_HASH))
		at += STELE_NSEC3_HASH_SZ;
	r->rrsets = (const struct stele_rrset *)(const void *)(bytes + at);
	at += r->rrset_cnt * sizeof(struct stele_rrset);
	r->bodies_off = at;
	if (at > left)
		return stele_verify_fault(v, bytes, "name: record reaches over the shard");

	r->zone = stele_verify_zone_by_id(v, stele_le32(head->zone_id));
	if (r->zone == NULL)
		return stele_verify_fault(v, bytes, "name: of a zone that is not there");
	size_t apex_len = r->zone->head->apex_len;
	unsigned label_cnt;
	if (!stele_verify_relative(r->rel, head->rel_len, apex_len, &label_cnt))
		return stele_verify_fault(v, bytes, "name: malformed owner");
	r->label_cnt = label_cnt + r->zone->head->apex_labels;
	memcpy(r->owner, r->rel, head->rel_len);
	memcpy(r->owner + head->rel_len, r->zone->apex, apex_len);
	r->owner_len = (uint8_t)(head->rel_len + apex_len);
	return 0;
}

/* What kind and flags say about the owner and about each other. */
static int check_kind(struct verify *v, const struct record *r)
{
	unsigned kind = r->head->kind;
	bool is_apex = r->head->rel_len == 0;
	bool is_wildcard = !is_apex && r->rel[0] == 1 && r->rel[1] == '*';
	bool hashed = kind != STELE_NAME_OCCLUDED &&
		      (r->zone->head->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
		       r->zone->head->chain_kind == STELE_CHAIN_NSEC3_SHARDS);
	if (kind < STELE_NAME_AUTHORITATIVE || kind > STELE_NAME_EMPTY)
		return stele_verify_fault(v, r->head, "name: unknown kind %u", kind);
	if (is_apex && kind != STELE_NAME_AUTHORITATIVE)
		return stele_verify_fault(v, r->head, "name: apex of kind %u", kind);
	if ((kind == STELE_NAME_EMPTY && r->rrset_cnt != 0) ||
	    (kind == STELE_NAME_AUTHORITATIVE && r->rrset_cnt == 0))
		return stele_verify_fault(v, r->head, "name: kind %u with %u RRsets", kind,
					  r->rrset_cnt);
	if (has(r, STELE_NAME_IS_APEX) != is_apex ||
	    has(r, STELE_NAME_IS_WILDCARD) != is_wildcard ||
	    (has(r, STELE_NAME_HAS_WILDCARD) && !has(r, STELE_NAME_HAS_CHILDREN)) ||
	    has(r, STELE_NAME_HAS_HASH) != hashed ||
	    has(r, STELE_NAME_HAS_WILDCARD_HASH) != (hashed && has(r, STELE_NAME_HAS_CHILDREN)))
		return stele_verify_fault(v, r->head, "name: flags %#x do not fit the name",
					  r->head->flags);
	return 0;
}

static int check_hashes(struct verify *v, const struct record *r)
{
	const struct verify_zone *zone = r->zone;
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	uint8_t wildcard[STELE_NAME_MAX + 2] = {1, '*'};
	if (has(r, STELE_NAME_HAS_HASH)) {
		stele_nsec3_hash(r->owner, r->owner_len, zone->salt, zone->head->salt_len,
				 stele_le16(zone->head->iterations), hash);
		if (memcmp(hash, r->hash, sizeof(hash)) != 0)
			return stele_verify_fault(v, r->hash, "name: wrong NSEC3 hash");
	}
	if (has(r, STELE_NAME_HAS_WILDCARD_HASH)) {
		memcpy(wildcard + 2, r->owner, r->owner_len);
		stele_nsec3_hash(wildcard, r->owner_len + 2u, zone->salt, zone->head->salt_len,
				 stele_le16(zone->head->iterations), hash);
		if (memcmp(hash, r->wildcard_hash, sizeof(hash)) != 0)
			return stele_verify_fault(v, r->wildcard_hash,
						  "name: wrong NSEC3 hash of its wildcard");
	}
	return 0;
}

/* Which of the types that matter to lookups the owner has. */
struct types {
	bool soa, ns, cname, dname, nsec, other; /* other: may not stand beside a CNAME */
};

static int note_type(struct verify *v, const struct stele_rrset *rrset, struct types *types)
{
	unsigned type = stele_le16(rrset->type);
	bool single = false;
	switch (type) {
	case STELE_TYPE_SOA:
		types->soa = true;
		single = true;
		break;
	case STELE_TYPE_CNAME:
		types->cname = true;
		single = true;
		break;
	case STELE_TYPE_DNAME:
		types->dname = true;
		single = true;
		break;
	case STELE_TYPE_NS:
		types->ns = true;
		break;
	case STELE_TYPE_NSEC:
		types->nsec = true;
		break;
	case STELE_TYPE_NSEC3:
		return stele_verify_fault(v, rrset, "name: NSEC3 outside of a chain");
	default:
		break;
	}
	if (type != STELE_TYPE_CNAME && type != STELE_TYPE_NSEC)
		types->other = true;
	if (single && stele_le16(rrset->rr_cnt) != 1)
		return stele_verify_fault(v, rrset, "type %u: %u records", type,
					  stele_le16(rrset->rr_cnt));
	return 0;
}

static int check_types(struct verify *v, const struct record *r, const struct types *types)
{
	bool is_apex = r->head->rel_len == 0;
	bool is_cut = r->head->kind == STELE_NAME_CUT;
	bool occluded = r->head->kind == STELE_NAME_OCCLUDED;
	if (has(r, STELE_NAME_HAS_CNAME) != types->cname ||
	    has(r, STELE_NAME_HAS_DNAME) != types->dname)
		return stele_verify_fault(v, r->head, "name: flags %#x do not fit its RRsets",
					  r->head->flags);
	if ((is_apex && (!types->soa || !types->ns)) || (!is_apex && types->soa && !occluded) ||
	    (is_cut && !types->ns) || (!is_apex && !is_cut && !occluded && types->ns) ||
	    (types->cname && types->other && !occluded))
		return stele_verify_fault(v, r->head, "name: its RRsets do not fit kind %u",
					  r->head->kind);
	return 0;
}

static int check_rrsets(struct verify *v, const struct record *r, uint64_t left, uint64_t *ret_size)
{
	struct types types = {0};
	struct verify_owner owner = {
		.zone = r->zone,
		.name = r->owner,
		.name_len = r->owner_len,
		.is_wildcard = has(r, STELE_NAME_IS_WILDCARD),
		.is_cut = r->head->kind == STELE_NAME_CUT,
		.may_refer = true,
	};
	uint64_t off = r->bodies_off;
	for (unsigned i = 0; i < r->rrset_cnt; i++) {
		const struct stele_rrset *rrset = r->rrsets + i;
		if (i > 0 && stele_le16(rrset->type) <= stele_le16(r->rrsets[i - 1].type))
			return stele_verify_fault(v, rrset, "name: types do not ascend");
		int rc = note_type(v, rrset, &types);
		if (rc == 0)
			rc = stele_verify_rrset(v, &owner, (const uint8_t *)r->head, left, rrset,
						off, &off);
		if (rc != 0)
			return rc;
		r->zone->rr_cnt += (uint64_t)stele_le16(rrset->rr_cnt) + rrset->sig_cnt;
	}
	*ret_size = off;
	r->zone->nsec_cnt += types.nsec && r->head->kind != STELE_NAME_OCCLUDED;
	return check_types(v, r, &types);
}

static int check_name(struct verify *v, const uint8_t *bytes, uint64_t left, uint64_t *ret_size,
		      uint64_t *ret_key)
{
	struct record r;
	int rc = take_apart(v, bytes, left, &r);
	if (rc == 0)
		rc = check_kind(v, &r);
	if (rc == 0)
		rc = check_hashes(v, &r);
	if (rc == 0)
		rc = check_rrsets(v, &r, left, ret_size);
	if (rc != 0)
		return rc;
	r.zone->name_cnt++;
	if (r.label_cnt > r.zone->label_max)
		r.zone->label_max = (uint8_t)r.label_cnt;
	v->name_cnt++;
	uint64_t key = stele_verify_key(v, r.zone, r.rel, r.head->rel_len);
	if (stele_key_shard(key, v->view->name_bits) != v->shard - v->view->name_first)
		return stele_verify_fault(v, bytes, "name: belongs into another shard");
	*ret_key = key;
	return 0;
}

int stele_verify_names(struct verify *v)
{
	const struct stele_view *view = v->view;
	int rc = 0;
	for (uint64_t i = 0; rc == 0 && i < UINT64_C(1) << view->name_bits; i++) {
		uint32_t index = view->name_first + (uint32_t)i;
		if (view->shards[index].base != NULL)
			rc = stele_verify_hash_shard(v, index, check_name);
	}
	return rc;
}
