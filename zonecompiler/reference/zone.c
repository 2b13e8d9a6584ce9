/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/reference/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

unsigned ref_labels(const struct ref_name *name)
{
	return stele_name_label_cnt(name->wire);
}

struct ref_name ref_suffix(const struct ref_name *name, unsigned labels)
{
	size_t at = 0;
	for (unsigned left = ref_labels(name); left > labels; left--)
		at += name->wire[at] + 1u;
	struct ref_name suffix = {.len = name->len - at};
	memcpy(suffix.wire, name->wire + at, suffix.len);
	return suffix;
}

bool ref_is_below(const struct ref_name *name, const uint8_t *ancestor, size_t ancestor_len)
{
	return stele_name_is_below(name->wire, name->len, ancestor, ancestor_len);
}

bool ref_star(const struct ref_name *name, struct ref_name *ret_star)
{
	if (name->len + 2 > STELE_NAME_MAX)
		return false;
	ret_star->len = name->len + 2;
	ret_star->wire[0] = 1;
	ret_star->wire[1] = '*';
	memcpy(ret_star->wire + 2, name->wire, name->len);
	return true;
}

/* ---- reading ---- */

static bool failed(struct ref *r, int status)
{
	if (status >= 0 || status == STELE_E_NOTFOUND)
		return false;
	if (r->status == 0)
		r->status = status;
	return true;
}

static size_t key_of(const struct ref *r, const struct ref_name *name,
		     uint8_t key[STELE_SORT_KEY_MAX])
{
	return stele_sort_key(name->wire, name->len - r->zone.apex_len, key);
}

bool ref_node(struct ref *r, const struct ref_name *name, struct ref_node *ret_node)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = key_of(r, name, key);
	if (r->status != 0)
		return false;
	int status = stele_store_node(r->read, r->zone.id, key, key_len, &ret_node->bytes,
				      &ret_node->sz, r->err);
	if (failed(r, status) || status == STELE_E_NOTFOUND)
		return false;
	ret_node->owner = *name;
	return true;
}

bool ref_exists(struct ref *r, const struct ref_name *name)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = key_of(r, name, key);
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	if (r->status != 0 ||
	    failed(r, stele_store_cursor_open(r->read, STELE_STORE_NODES, r->zone.id, key, key_len,
					      NULL, 0, &cursor, r->err)))
		return false;
	int got = stele_store_cursor_next(cursor, &item, r->err);
	bool exists = !failed(r, got) && got == 1 && item.key_len >= key_len &&
		      memcmp(item.key, key, key_len) == 0;
	stele_store_cursor_close(cursor);
	return exists;
}

bool ref_rrset(const struct ref_node *node, uint16_t type, struct stele_node_rrset *ret_rrset)
{
	return stele_node_find(node->bytes, node->sz, type, ret_rrset) && ret_rrset->rr_cnt > 0;
}

bool ref_is_occluded(struct ref *r, const struct ref_name *name)
{
	struct ref_name apex = {.len = r->zone.apex_len};
	memcpy(apex.wire, r->zone.apex, apex.len);
	for (unsigned labels = ref_labels(&apex) + 1; labels <= ref_labels(name); labels++) {
		struct ref_name ancestor = ref_suffix(name, labels);
		struct ref_node node;
		struct stele_node_rrset ns;
		if (ref_node(r, &ancestor, &node) && ref_rrset(&node, STELE_TYPE_NS, &ns))
			return true;
	}
	return false;
}

/* ---- zones ---- */

/* NSEC3 if the apex has an NSEC3PARAM of algorithm 1 and an NSEC3 record with these parameters. */
static void find_chain(struct ref *r)
{
	struct ref_node apex;
	struct stele_node_rrset rrset;
	struct ref_name name = {.len = r->zone.apex_len};
	memcpy(name.wire, r->zone.apex, name.len);
	r->chain = REF_CHAIN_NONE;
	if (!ref_node(r, &name, &apex))
		return;
	if (ref_rrset(&apex, STELE_TYPE_NSEC3PARAM, &rrset)) {
		const uint8_t *p = rrset.data;
		for (unsigned i = 0; i < rrset.rr_cnt; i++) {
			struct stele_node_rr rr = stele_node_rr_next(&p);
			if (rr.rdata_len < 5 || rr.rdata[0] != 1 || rr.rdata[1] != 0)
				continue;
			uint8_t hash[STELE_NSEC3_HASH_SZ];
			const uint8_t *node;
			size_t node_sz;
			stele_nsec3_hash(name.wire, name.len, rr.rdata + 5, rr.rdata[4],
					 stele_get_be16(rr.rdata + 2), hash);
			struct stele_store_cursor *cursor;
			struct stele_store_item item;
			if (failed(r, stele_store_cursor_open(r->read, STELE_STORE_NSEC3,
							      r->zone.id, hash, sizeof(hash), NULL,
							      0, &cursor, r->err)))
				return;
			int got = stele_store_cursor_next(cursor, &item, r->err);
			node = item.node;
			node_sz = item.node_sz;
			bool found = got == 1 && memcmp(item.key, hash, sizeof(hash)) == 0;
			stele_store_cursor_close(cursor);
			if (!found || !stele_node_check(node, node_sz))
				continue;
			memcpy(r->nsec3_params, rr.rdata, rr.rdata_len);
			r->nsec3_params_len = rr.rdata_len;
			r->chain = REF_CHAIN_NSEC3;
			return;
		}
	}
	if (ref_rrset(&apex, STELE_TYPE_NSEC, &rrset))
		r->chain = REF_CHAIN_NSEC;
}

bool ref_find_zone(struct ref *r)
{
	const struct reference_question *q = r->question;
	struct stele_zone_info zone;
	bool found = false;
	for (size_t at = 0;; at += q->qname[at] + 1u) {
		int status = stele_store_zone_find(r->read, q->qname + at, &zone, r->err);
		if (failed(r, status))
			return false;
		if (status == 0) {
			/* The parent's word counts for DS, if it is here. */
			bool again = found;
			r->zone = zone;
			found = true;
			if (again || q->qtype != STELE_TYPE_DS || at != 0)
				break;
		}
		if (q->qname[at] == 0)
			break;
	}
	if (found)
		find_chain(r);
	return found;
}

/* ---- the reply ---- */

unsigned ref_wanted(const struct ref *r)
{
	return r->question->dnssec_ok ? REF_RECORDS | REF_SIGS : REF_RECORDS;
}

static bool is_same(const struct reference_rr *rr, const struct ref_name *owner, uint16_t type,
		    const uint8_t *rdata, size_t rdata_len)
{
	return rr->type == type && rr->owner_len == owner->len && rr->rdata_len == rdata_len &&
	       memcmp(rr->owner, owner->wire, owner->len) == 0 &&
	       memcmp(rr->rdata, rdata, rdata_len) == 0;
}

void ref_add_rr(struct ref *r, enum stele_message_section section, const struct ref_name *owner,
		uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t rdata_len, bool required)
{
	struct reference_section *s = &r->reply->sections[section];
	if (r->status != 0)
		return;
	for (size_t i = 0; i < s->cnt; i++) {
		if (is_same(&s->rrs[i], owner, type, rdata, rdata_len)) {
			s->rrs[i].required |= required;
			return;
		}
	}
	if (s->cnt == s->cap) {
		size_t cap = 2 * s->cap + 16;
		struct reference_rr *rrs = realloc(s->rrs, cap * sizeof(*rrs));
		if (rrs == NULL)
			goto no_memory;
		s->rrs = rrs;
		s->cap = cap;
	}
	uint8_t *bytes = malloc(owner->len + rdata_len);
	if (bytes == NULL)
		goto no_memory;
	memcpy(bytes, owner->wire, owner->len);
	memcpy(bytes + owner->len, rdata, rdata_len);
	s->rrs[s->cnt++] = (struct reference_rr){
		.owner = bytes,
		.owner_len = (uint8_t)owner->len,
		.rdata = bytes + owner->len,
		.rdata_len = (uint16_t)rdata_len,
		.type = type,
		.ttl = ttl,
		.required = required,
	};
	return;
no_memory:
	r->status = stele_fail(r->err, STELE_E_SYSTEM, "out of memory");
}

void ref_add(struct ref *r, enum stele_message_section section, const struct ref_name *owner,
	     const struct stele_node_rrset *rrset, unsigned what, uint32_t ttl, bool required)
{
	const uint8_t *p = rrset->data;
	for (unsigned i = 0; i < (unsigned)rrset->rr_cnt + rrset->sig_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		bool is_sig = i >= rrset->rr_cnt;
		if ((what & (is_sig ? REF_SIGS : REF_RECORDS)) != 0)
			ref_add_rr(r, section, owner, is_sig ? STELE_TYPE_RRSIG : rrset->type, ttl,
				   rr.rdata, rr.rdata_len, required);
	}
}

void reference_reply_free(struct reference_reply *reply)
{
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++) {
		for (size_t i = 0; i < reply->sections[s].cnt; i++)
			free(reply->sections[s].rrs[i].owner);
		free(reply->sections[s].rrs);
	}
	memset(reply, 0, sizeof(*reply));
}
