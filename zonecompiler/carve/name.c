/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/name.h"

#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

bool stele_carve_exists(const uint8_t *node, size_t node_sz)
{
	struct stele_node_rrset set;
	size_t at = 0;
	return stele_node_next(node, node_sz, &at, &set);
}

bool stele_carve_is_cut(const uint8_t *node, size_t node_sz)
{
	struct stele_node_rrset set;
	return stele_node_find(node, node_sz, STELE_TYPE_NS, &set) && set.rr_cnt > 0;
}

/* An apex that begins with an asterisk has nothing to stand for, and is no cut. */
static bool is_wildcard(const struct stele_carve_name *name)
{
	return name->owner[0] == 1 && name->owner[1] == '*';
}

/* Whether the RRset belongs into the record, and then with its signatures or not. */
static bool is_kept(const struct stele_carve_name *name, const struct stele_node_rrset *set,
		    bool *ret_with_sigs)
{
	bool is_address = set->type == STELE_TYPE_A || set->type == STELE_TYPE_AAAA;
	*ret_with_sigs = true;
	if (set->rr_cnt == 0)
		return false;
	if (name->is_occluded) {
		*ret_with_sigs = false;
		return is_address;
	}
	if (!name->is_cut || set->type == STELE_TYPE_DS || set->type == STELE_TYPE_NSEC)
		return true;
	*ret_with_sigs = is_wildcard(name) && set->type != STELE_TYPE_NS;
	return is_address || set->type == STELE_TYPE_NS || is_wildcard(name);
}

static enum stele_name_kind kind_of(const struct stele_carve_name *name)
{
	if (name->is_occluded)
		return STELE_NAME_OCCLUDED;
	if (name->node == NULL)
		return STELE_NAME_EMPTY;
	return name->is_cut ? STELE_NAME_CUT : STELE_NAME_AUTHORITATIVE;
}

static int add_hash(const struct stele_carve_zone *zone, const uint8_t *name, unsigned name_len,
		    struct stele_buffer *out, struct stele_error *reterr)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	stele_nsec3_hash(name, name_len, zone->salt, zone->salt_len, zone->iterations, hash);
	return stele_buffer_add(out, hash, sizeof(hash), reterr);
}

/* The part in front of the RRsets. `rrset_cnt` and the flags of types are set later. */
static int put_front(const struct stele_carve_zone *zone, const struct stele_carve_name *name,
		     struct stele_buffer *out, struct stele_error *reterr)
{
	unsigned rel_len = (unsigned)name->owner_len - zone->apex_len;
	bool hashed = zone->chain == STELE_CHAIN_OF_NSEC3 && !name->is_occluded;
	unsigned flags = (name->has_wildcard ? STELE_NAME_HAS_WILDCARD : 0) |
			 (name->has_children ? STELE_NAME_HAS_CHILDREN : 0) |
			 (hashed ? STELE_NAME_HAS_HASH : 0) |
			 (hashed && name->has_children ? STELE_NAME_HAS_WILDCARD_HASH : 0) |
			 (rel_len > 0 && is_wildcard(name) ? STELE_NAME_IS_WILDCARD : 0) |
			 (rel_len == 0 ? STELE_NAME_IS_APEX : 0);
	struct stele_name head = {
		.kind = (uint8_t)kind_of(name),
		.flags = (uint8_t)flags,
		.rel_len = (uint8_t)rel_len,
		.zone_id = stele_to_le32(zone->id),
	};
	int rc = stele_buffer_add(out, &head, sizeof(head), reterr);
	if (rc == 0)
		rc = stele_buffer_add(out, name->owner, rel_len, reterr);
	if (rc == 0 && name->is_occluded) {
		struct stele_le64 cut_key = stele_to_le64(name->cut_key);
		rc = stele_buffer_add(out, &cut_key, sizeof(cut_key), reterr);
	}
	return rc;
}

/* What stands behind the RRsets. */
static int put_hashes(const struct stele_carve_zone *zone, const struct stele_carve_name *name,
		      unsigned flags, struct stele_buffer *out, struct stele_error *reterr)
{
	int rc = 0;
	if ((flags & STELE_NAME_HAS_HASH) != 0)
		rc = add_hash(zone, name->owner, name->owner_len, out, reterr);
	if (rc == 0 && (flags & STELE_NAME_HAS_WILDCARD_HASH) != 0) {
		/* A name of 254 or 255 bytes has no wildcard child; its record has a hash all the
		 * same, so that all records are alike. */
		uint8_t wildcard[STELE_NAME_MAX + 2] = {1, '*'};
		memcpy(wildcard + 2, name->owner, name->owner_len);
		rc = add_hash(zone, wildcard, name->owner_len + 2u, out, reterr);
	}
	return rc;
}

int stele_carve_name(struct stele_carver *carver, const struct stele_carve_zone *zone,
		     const struct stele_carve_name *name, struct stele_buffer *out,
		     struct stele_carve_result *ret_result, struct stele_error *reterr)
{
	struct stele_carve_result result = {0};
	size_t begin = out->len;
	int rc = put_front(zone, name, out, reterr);
	if (rc < 0)
		return rc;

	struct stele_node_rrset set;
	bool with_sigs;
	uint32_t rrset_cnt = 0;
	for (size_t at = 0;
	     name->node != NULL && stele_node_next(name->node, name->node_sz, &at, &set);)
		rrset_cnt += is_kept(name, &set, &with_sigs);
	size_t table = out->len;
	rc = stele_buffer_reserve(out, rrset_cnt * sizeof(struct stele_rrset), reterr);
	if (rc < 0)
		return rc;
	out->len += rrset_cnt * sizeof(struct stele_rrset);

	bool any_name = (out->data[begin + 1] & STELE_NAME_IS_WILDCARD) != 0;
	stele_carve_owner(carver, zone, name->owner, name->owner_len, any_name, name->is_cut);
	unsigned flags = 0;
	for (size_t at = 0;
	     rrset_cnt > 0 && stele_node_next(name->node, name->node_sz, &at, &set);) {
		if (!is_kept(name, &set, &with_sigs))
			continue;
		struct stele_body_options options = {
			.with_sigs = with_sigs,
			.with_refs = true,
			.ttl_max = UINT32_MAX,
		};
		struct stele_rrset rrset;
		rc = stele_carve_body(carver, &set, &options, out, &rrset, reterr);
		if (rc < 0)
			return rc;
		memcpy(out->data + table, &rrset, sizeof(rrset));
		table += sizeof(rrset);
		result.rr_cnt += (uint32_t)set.rr_cnt + rrset.sig_cnt;
		result.owns_nsec |= set.type == STELE_TYPE_NSEC;
		flags |= set.type == STELE_TYPE_DNAME ? STELE_NAME_HAS_DNAME : 0u;
		flags |= set.type == STELE_TYPE_CNAME ? STELE_NAME_HAS_CNAME : 0u;
	}
	struct stele_name *head = (struct stele_name *)(void *)(out->data + begin);
	head->flags |= (uint8_t)flags;
	head->rrset_cnt = stele_to_le16((uint16_t)rrset_cnt);
	rc = put_hashes(zone, name, head->flags, out, reterr);
	if (rc == 0)
		*ret_result = result;
	return rc;
}
