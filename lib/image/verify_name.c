/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name shards: each record by itself, and what the records of the base that they take the place of had
 * counted. What binds records to one another is in verify_tree.c.
 */
#include "lib/image/verify.h"

#include "lib/dns/rrtype.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a record, found by a reader that believes nothing. */
struct record {
	const struct stele_name *head;
	const struct verify_zone *zone;
	const uint8_t *rel;
	const struct stele_rrset *rrsets;
	unsigned rrset_cnt;
	unsigned label_cnt; /* of the whole owner */
	uint64_t bodies_off;
	uint8_t owner[STELE_NAME_MAX + STELE_HASH_SLACK]; /* whole */
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
	r->rrsets = (const struct stele_rrset *)(const void *)(bytes + at);
	at += r->rrset_cnt * sizeof(struct stele_rrset);
	r->bodies_off = at;
	if (at > left)
		return stele_verify_fault(v, bytes, "name: record reaches over the shard");

	r->zone = stele_verify_zone_by_id(v, stele_le32(head->zone_id));
	if (r->zone == NULL || r->zone->gone)
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
	if (kind == STELE_NAME_EMPTY && r->rrset_cnt != 0)
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

/* Compares the hashes that wait. */
static int compare_hashes(struct verify *v)
{
	unsigned cnt = v->hash_cnt;
	v->hash_cnt = 0;
	stele_nsec3_hash_jobs(v->hash_jobs, cnt);
	for (unsigned i = 0; i < cnt; i++) {
		const struct verify_hash *h = &v->hashes[i];
		if (memcmp(h->hash, h->stored, sizeof(h->hash)) != 0)
			return stele_verify_fault(v, h->stored, "name: wrong NSEC3 hash%s",
						  h->what);
	}
	return 0;
}

/* The hash at `stored` is to be that of the labels `front` and the owner. */
static int await_hash(struct verify *v, const struct record *r, const uint8_t *stored,
		      const char *front, const char *what)
{
	struct verify_hash *h = &v->hashes[v->hash_cnt];
	size_t front_len = strlen(front);
	if (front_len + r->owner_len > STELE_NAME_MAX)
		return stele_verify_fault(v, stored, "name: hash of a name that is too long");
	h->stored = stored;
	h->what = what;
	memcpy(h->name, front, front_len);
	memcpy(h->name + front_len, r->owner, r->owner_len);
	v->hash_jobs[v->hash_cnt] = (struct stele_nsec3_job){
		.name = h->name,
		.salt = r->zone->salt,
		.hash = h->hash,
		.name_len = (uint8_t)(front_len + r->owner_len),
		.salt_len = r->zone->head->salt_len,
		.iterations = stele_le16(r->zone->head->iterations),
	};
	return ++v->hash_cnt == VERIFY_HASHES ? compare_hashes(v) : 0;
}

/* `*size` is that of the record without its hashes, and then with them. */
static int check_hashes(struct verify *v, const struct record *r, uint64_t left, uint64_t *size)
{
	const uint8_t *stored = (const uint8_t *)r->head + *size;
	*size += stele_name_hashes_sz(r->head);
	if (*size > left)
		return stele_verify_fault(v, r->head, "name: record reaches over the shard");
	int rc = 0;
	if (has(r, STELE_NAME_HAS_HASH)) {
		rc = await_hash(v, r, stored, "", "");
		stored += STELE_NSEC3_HASH_SZ;
	}
	if (rc == 0 && has(r, STELE_NAME_HAS_WILDCARD_HASH))
		rc = await_hash(v, r, stored, "\1*", " of its wildcard");
	return rc;
}

/* Which of the types that matter to lookups the owner has. */
struct types {
	bool soa, ns, cname, dname, nsec, other; /* other: may not stand beside a CNAME */
};

/* At a cut: what referrals and answers about its DS need. Below it: glue. A cut that is a wildcard delegates nothing
 * of what it stands for, and has all. */
static bool may_stand_at_cut(const struct record *r, unsigned type, const struct stele_rrset *rrset)
{
	unsigned kind = r->head->kind;
	if (kind == STELE_NAME_CUT && has(r, STELE_NAME_IS_WILDCARD))
		return type != STELE_TYPE_NS || rrset->sig_cnt == 0;
	if (kind == STELE_NAME_CUT && (type == STELE_TYPE_DS || type == STELE_TYPE_NSEC))
		return true;
	return rrset->sig_cnt == 0 && (type == STELE_TYPE_A || type == STELE_TYPE_AAAA ||
				       (kind == STELE_NAME_CUT && type == STELE_TYPE_NS));
}

static int note_type(struct verify *v, const struct record *r, const struct stele_rrset *rrset,
		     struct types *types)
{
	unsigned type = stele_le16(rrset->type);
	bool single = false;
	if (r->head->kind != STELE_NAME_AUTHORITATIVE && !may_stand_at_cut(r, type, rrset))
		return stele_verify_fault(v, rrset, "type %u: %u signatures, at a name of kind %u",
					  type, rrset->sig_cnt, r->head->kind);
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
	struct verify_tally *tally = stele_verify_tally(v, r->zone);
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
		const uint8_t *body = (const uint8_t *)r->head + off;
		int rc = note_type(v, r, rrset, &types);
		if (rc == 0)
			rc = stele_verify_rrset(v, &owner, (const uint8_t *)r->head, left, rrset,
						off, &off);
		if (rc == 0 && stele_le16(rrset->type) == STELE_TYPE_SOA)
			rc = stele_verify_apex_soa(v, r->zone, rrset, body);
		if (rc != 0)
			return rc;
		tally->rr_cnt += (uint64_t)stele_le16(rrset->rr_cnt) + rrset->sig_cnt;
	}
	*ret_size = off;
	tally->nsec_cnt += types.nsec && r->head->kind != STELE_NAME_OCCLUDED;
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
		rc = check_rrsets(v, &r, left, ret_size);
	if (rc == 0)
		rc = check_hashes(v, &r, left, ret_size);
	if (rc != 0)
		return rc;
	struct verify_tally *tally = stele_verify_tally(v, r.zone);
	tally->name_cnt++;
	if (r.label_cnt > tally->label_max)
		tally->label_max = (uint8_t)r.label_cnt;
	uint64_t key = stele_verify_key(v->view, r.zone, r.owner, r.head->rel_len);
	if (stele_key_shard(key, v->view->name_bits) != v->shard - v->view->name_first)
		return stele_verify_fault(v, bytes, "name: belongs into another shard");
	*ret_key = key;
	return 0;
}

/* ---- against the base ---- */

const uint8_t *stele_verify_counterpart(struct verify *v, const uint8_t *record,
					const struct stele_view_shard *other, uint32_t *ret_slot)
{
	const struct stele_name *head = (const void *)record;
	const struct verify_zone *zone = stele_verify_zone_by_id(v, stele_le32(head->zone_id));
	const uint8_t *rel = record + sizeof(*head);
	uint64_t key = stele_verify_key_copied(v->view, zone, rel, head->rel_len);
	uint32_t slot;
	const uint8_t *found = stele_view_find_slot(other, key, &slot);
	if (found == NULL)
		return NULL;
	const struct stele_name *twin = (const void *)found;
	if (memcmp(&twin->zone_id, &head->zone_id, sizeof(head->zone_id)) != 0 ||
	    twin->rel_len != head->rel_len ||
	    memcmp(found + sizeof(*twin), rel, head->rel_len) != 0)
		return NULL;
	if (ret_slot != NULL)
		*ret_slot = slot;
	return found;
}

bool stele_verify_is_in_nsec(const uint8_t *record)
{
	struct stele_name_parts parts = stele_name_parts(record);
	if (parts.head->kind == STELE_NAME_OCCLUDED)
		return false;
	for (unsigned i = 0; i < parts.rrset_cnt; i++)
		if (stele_le16(parts.rrsets[i].type) == STELE_TYPE_NSEC)
			return true;
	return false;
}

static int note_removed(struct verify *v, const struct verify_zone *zone, const uint8_t *record)
{
	if (v->removed_cnt == v->removed_cap) {
		size_t cap = v->removed_cap > 0 ? 2 * v->removed_cap : 64;
		struct verify_removed *removed = realloc(v->removed, cap * sizeof(*removed));
		if (removed == NULL)
			return stele_fail_errno(v->reterr, ENOMEM, "names that are gone");
		v->removed = removed;
		v->removed_cap = cap;
	}
	v->removed[v->removed_cnt++] = (struct verify_removed){(size_t)(zone - v->zones), record};
	return 0;
}

/* Takes the names of a shard of the base out of the tallies. */
static int take_back(struct verify *v, uint32_t index)
{
	const struct stele_view_shard *old = v->run->base->shards + index;
	for (uint32_t i = 0; i < stele_view_slot_cnt(old); i++) {
		const uint8_t *record = stele_view_slot_record(old, i);
		if (record == NULL)
			continue;
		struct stele_name_parts parts = stele_name_parts(record);
		const struct verify_zone *zone =
			stele_verify_zone_by_id(v, stele_le32(parts.head->zone_id));
		struct verify_tally *tally = stele_verify_tally(v, zone);
		bool in_nsec = stele_verify_is_in_nsec(record);
		tally->name_cnt--;
		tally->nsec_cnt -= in_nsec;
		for (unsigned k = 0; k < parts.rrset_cnt; k++)
			tally->rr_cnt -= (uint64_t)stele_le16(parts.rrsets[k].rr_cnt) +
					 parts.rrsets[k].sig_cnt;
		if (!in_nsec)
			continue;
		const uint8_t *now =
			stele_verify_counterpart(v, record, v->view->shards + index, NULL);
		if (now == NULL || !stele_verify_is_in_nsec(now)) {
			int rc = note_removed(v, zone, record);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int check_shard(struct verify *v, uint64_t i)
{
	uint32_t index = v->view->name_first + (uint32_t)i;
	if (!stele_verify_is_new(v->run, index))
		return 0;
	int rc = 0;
	if (v->view->shards[index].base != NULL)
		rc = stele_verify_hash_shard(v, index, check_name);
	if (rc == 0)
		rc = compare_hashes(v);
	if (rc == 0 && v->run->base != NULL)
		rc = take_back(v, index);
	return rc;
}

int stele_verify_names(struct verify_run *run)
{
	int rc = stele_verify_spread(run, UINT64_C(1) << run->view->name_bits, false, check_shard);
	if (rc == 0)
		stele_verify_add_tallies(run);
	return rc;
}
