/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/reference/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"

#include <string.h>

/* ---- NSEC (RFC 4035 section 3.1.3) ---- */

static void add_nsec(struct ref *r, const struct ref_name *owner, const uint8_t *node, size_t sz)
{
	struct stele_node_rrset nsec;
	if (stele_node_find(node, sz, STELE_TYPE_NSEC, &nsec))
		ref_add(r, STELE_MESSAGE_AUTHORITY, owner, &nsec, REF_RECORDS | REF_SIGS, nsec.ttl,
			false);
}

/* The NSEC of the name, or else the one whose interval the name falls into: the last one that comes
 * before it in canonical order. The apex comes before all. */
static void prove_by_nsec(struct ref *r, const struct ref_name *name)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key(name->wire, name->len - r->zone.apex_len, key);
	struct stele_store_cursor *cursor;
	struct stele_store_item item, last = {0};
	if (r->status != 0)
		return;
	r->status = stele_store_cursor_open(r->read, STELE_STORE_NODES, r->zone.id, NULL, 0, NULL,
					    0, &cursor, r->err);
	if (r->status != 0)
		return;
	int got;
	while ((got = stele_store_cursor_next(cursor, &item, r->err)) == 1) {
		struct stele_node_rrset nsec;
		if (stele_sort_key_compare(item.key, item.key_len, key, key_len) > 0)
			break;
		if (stele_node_find(item.node, item.node_sz, STELE_TYPE_NSEC, &nsec))
			last = item;
	}
	stele_store_cursor_close(cursor);
	if (got < 0)
		r->status = got;
	if (got < 0 || last.node == NULL)
		return;
	struct ref_name owner;
	int rel_len = stele_sort_key_to_name(last.key, last.key_len, owner.wire);
	memcpy(owner.wire + rel_len, r->zone.apex, r->zone.apex_len);
	owner.len = (size_t)rel_len + r->zone.apex_len;
	add_nsec(r, &owner, last.node, last.node_sz);
}

/* ---- NSEC3 (RFC 5155 section 7.2) ---- */

static void hash_of(const struct ref *r, const struct ref_name *name,
		    uint8_t hash[STELE_NSEC3_HASH_SZ])
{
	stele_nsec3_hash(name->wire, name->len, r->nsec3_params + 5, r->nsec3_params[4],
			 stele_get_be16(r->nsec3_params + 2), hash);
}

/* True if some NSEC3 record of the node has the zone's parameters, the flags apart. */
static bool is_of_chain(const struct ref *r, const struct stele_store_item *item)
{
	struct stele_node_rrset nsec3;
	if (!stele_node_find(item->node, item->node_sz, STELE_TYPE_NSEC3, &nsec3))
		return false;
	const uint8_t *p = nsec3.data;
	for (unsigned i = 0; i < nsec3.rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (rr.rdata_len >= r->nsec3_params_len && rr.rdata[0] == r->nsec3_params[0] &&
		    memcmp(rr.rdata + 2, r->nsec3_params + 2, r->nsec3_params_len - 2) == 0)
			return true;
	}
	return false;
}

/* The record that has the hash (`*ret_matches`), or else the last one before it in the circle. */
static bool find_nsec3(struct ref *r, const uint8_t hash[STELE_NSEC3_HASH_SZ],
		       struct stele_store_item *ret_item, bool *ret_matches)
{
	struct stele_store_cursor *cursor;
	struct stele_store_item item, before = {0}, last = {0};
	bool matches = false;
	if (r->status != 0)
		return false;
	r->status = stele_store_cursor_open(r->read, STELE_STORE_NSEC3, r->zone.id, NULL, 0, NULL,
					    0, &cursor, r->err);
	if (r->status != 0)
		return false;
	int got;
	while ((got = stele_store_cursor_next(cursor, &item, r->err)) == 1) {
		if (!is_of_chain(r, &item))
			continue;
		int c = memcmp(item.key, hash, STELE_NSEC3_HASH_SZ);
		matches |= c == 0;
		if (c <= 0)
			before = item;
		last = item;
	}
	stele_store_cursor_close(cursor);
	if (got < 0) {
		r->status = got;
		return false;
	}
	*ret_item = before.node != NULL ? before : last;
	*ret_matches = matches;
	return ret_item->node != NULL;
}

static void add_nsec3(struct ref *r, const struct stele_store_item *item)
{
	struct ref_name owner;
	struct stele_node_rrset nsec3;
	owner.wire[0] = STELE_NSEC3_LABEL_SZ;
	stele_base32hex_encode(item->key, owner.wire + 1);
	memcpy(owner.wire + 1 + STELE_NSEC3_LABEL_SZ, r->zone.apex, r->zone.apex_len);
	owner.len = 1u + STELE_NSEC3_LABEL_SZ + r->zone.apex_len;
	if (stele_node_find(item->node, item->node_sz, STELE_TYPE_NSEC3, &nsec3))
		ref_add(r, STELE_MESSAGE_AUTHORITY, &owner, &nsec3, REF_RECORDS | REF_SIGS,
			nsec3.ttl, false);
}

/* Matching or covering, whichever there is. Returns whether it matches. */
static bool prove_by_nsec3(struct ref *r, const struct ref_name *name, bool only_match)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	struct stele_store_item item;
	bool matches;
	hash_of(r, name, hash);
	if (!find_nsec3(r, hash, &item, &matches))
		return false;
	if (matches || !only_match)
		add_nsec3(r, &item);
	return matches;
}

/*
 * The closest encloser proof (section 7.2.1), from `labels` upwards: the first ancestor that has an
 * NSEC3 record, and one for the next closer name. `ret_encloser` gets that ancestor.
 */
static bool prove_closest_encloser(struct ref *r, const struct ref_name *name, unsigned labels,
				   struct ref_name *ret_encloser)
{
	for (;; labels--) {
		struct ref_name encloser = ref_suffix(name, labels);
		if (encloser.len < r->zone.apex_len)
			return false;
		if (prove_by_nsec3(r, &encloser, true)) {
			struct ref_name closer = ref_suffix(name, labels + 1);
			prove_by_nsec3(r, &closer, false);
			*ret_encloser = encloser;
			return true;
		}
		if (labels == 0)
			return false;
	}
}

/* Sections 7.2.3, 7.2.4, 7.2.7: the record of the name; without one, as opt-out allows, a closest
 * encloser proof. */
static void prove_own_nsec3(struct ref *r, const struct ref_name *name)
{
	struct ref_name encloser;
	if (!prove_by_nsec3(r, name, true) && ref_labels(name) > 0)
		prove_closest_encloser(r, name, ref_labels(name) - 1, &encloser);
}

/* Sections 7.2.2 and 7.2.5: that, and the wildcard below the closest encloser. */
static void prove_encloser_and_star(struct ref *r, const struct ref_name *name,
				    const struct ref_name *encloser)
{
	struct ref_name provable, star;
	if (prove_closest_encloser(r, name, ref_labels(encloser), &provable) &&
	    ref_star(&provable, &star))
		prove_by_nsec3(r, &star, false);
}

/* ---- what is to be proved ---- */

static bool is_wanted(const struct ref *r)
{
	return r->question->dnssec_ok && r->chain != REF_CHAIN_NONE;
}

void ref_prove_no_type(struct ref *r, const struct ref_name *name)
{
	if (!is_wanted(r))
		return;
	if (r->chain == REF_CHAIN_NSEC)
		prove_by_nsec(r, name);
	else
		prove_own_nsec3(r, name);
}

void ref_prove_no_name(struct ref *r, const struct ref_name *name, const struct ref_name *encloser)
{
	if (!is_wanted(r))
		return;
	if (r->chain == REF_CHAIN_NSEC3) {
		prove_encloser_and_star(r, name, encloser);
		return;
	}
	struct ref_name star;
	prove_by_nsec(r, name);
	if (ref_star(encloser, &star))
		prove_by_nsec(r, &star);
}

void ref_prove_no_wildcard_type(struct ref *r, const struct ref_name *name,
				const struct ref_name *encloser)
{
	/* The same records: that of the wildcard now matches and does not cover. */
	ref_prove_no_name(r, name, encloser);
}

void ref_prove_wildcard(struct ref *r, const struct ref_name *name, const struct ref_name *encloser)
{
	if (!is_wanted(r))
		return;
	if (r->chain == REF_CHAIN_NSEC) {
		prove_by_nsec(r, name);
		return;
	}
	struct ref_name closer = ref_suffix(name, ref_labels(encloser) + 1);
	prove_by_nsec3(r, &closer, false);
}

void ref_prove_no_ds(struct ref *r, const struct ref_name *cut)
{
	if (!is_wanted(r))
		return;
	if (r->chain == REF_CHAIN_NSEC3) {
		prove_own_nsec3(r, cut);
		return;
	}
	struct ref_node node;
	if (ref_node(r, cut, &node))
		add_nsec(r, cut, node.bytes, node.sz);
}
