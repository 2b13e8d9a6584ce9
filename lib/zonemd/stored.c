/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zonemd/stored.h"

#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/zonemd/zonemd.h"

#include <string.h>

/* There are two algorithms; who publishes more than these is not served better by more. */
#define RRS_MAX 32

/* A way through one of the two tables, with the key of its next owner as if it stood in the other. */
struct walk {
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	bool is_nsec3, has;
	size_t key_len;
	uint8_t key[STELE_SORT_KEY_MAX];
};

/* The RRsets of one owner, by type, from both tables. */
struct rrsets {
	const struct stele_store_item *items[2];
	size_t at[2];
	bool has[2];
	struct stele_node_rrset next[2];
};

struct pass {
	struct stele_zonemd *zonemd;
	const struct stele_zone_info *zone;
	struct stele_error *reterr;
	size_t owner_len;
	uint8_t owner[STELE_NAME_MAX];
};

/* 0, or negative. */
static int step(struct walk *walk, struct stele_error *reterr)
{
	int status = stele_store_cursor_next(walk->cursor, &walk->item, reterr);
	walk->has = status > 0;
	if (status <= 0)
		return status;
	if (walk->is_nsec3) {
		uint8_t label[1 + STELE_NSEC3_LABEL_SZ] = {STELE_NSEC3_LABEL_SZ};
		stele_base32hex_encode(walk->item.key, label + 1);
		walk->key_len = stele_sort_key(label, sizeof(label), walk->key);
	} else {
		walk->key_len = walk->item.key_len;
		memcpy(walk->key, walk->item.key, walk->key_len);
	}
	return 0;
}

static void rrsets_step(struct rrsets *rrsets, unsigned i)
{
	const struct stele_store_item *item = rrsets->items[i];
	rrsets->has[i] = item != NULL && stele_node_next(item->node, item->node_sz, &rrsets->at[i],
							 &rrsets->next[i]);
}

static void rrsets_begin(struct rrsets *rrsets, const struct stele_store_item *const items[2])
{
	for (unsigned i = 0; i < 2; i++) {
		rrsets->items[i] = items[i];
		rrsets->at[i] = 0;
		rrsets_step(rrsets, i);
	}
}

static bool rrsets_next(struct rrsets *rrsets, struct stele_node_rrset *ret_rrset)
{
	if (!rrsets->has[0] && !rrsets->has[1])
		return false;
	unsigned i = !rrsets->has[0] ||
		     (rrsets->has[1] && rrsets->next[1].type < rrsets->next[0].type);
	*ret_rrset = rrsets->next[i];
	rrsets_step(rrsets, i);
	return true;
}

static int add(const struct pass *pass, uint16_t type, uint32_t ttl, struct stele_node_rr rr)
{
	int status = stele_zonemd_add(pass->zonemd, pass->owner, pass->owner_len, type, ttl,
				      rr.rdata, rr.rdata_len);
	char text[STELE_NAME_TEXT_MAX], type_text[STELE_RRTYPE_TEXT_MAX];
	if (status >= 0)
		return 0;
	stele_name_to_text(pass->owner, text);
	return stele_fail(pass->reterr, status, "no digest can be made: %s of %s %s",
			  stele_rrtype_to_text(type, type_text), text,
			  status == STELE_E_INPUT ? "is none" : "does not stand in its place");
}

/* The signatures of all RRsets, or the records of those whose types are in [from, to]. */
static int add_some(const struct pass *pass, const struct stele_store_item *const items[2],
		    bool signatures, uint16_t from, uint16_t to)
{
	struct rrsets rrsets;
	struct stele_node_rrset rrset;
	rrsets_begin(&rrsets, items);
	while (rrsets_next(&rrsets, &rrset)) {
		if (rrset.type < from || rrset.type > to)
			continue;
		const uint8_t *p = rrset.data;
		for (unsigned i = 0; i < (unsigned)rrset.rr_cnt + rrset.sig_cnt; i++) {
			struct stele_node_rr rr = stele_node_rr_next(&p);
			if ((i >= rrset.rr_cnt) != signatures)
				continue;
			int status = add(pass, signatures ? STELE_TYPE_RRSIG : rrset.type,
					 rrset.ttl, rr);
			if (status < 0)
				return status;
		}
	}
	return 0;
}

/* Signatures come where the number of their type has its place. */
static int add_owner(struct pass *pass, const uint8_t *key, size_t key_len,
		     const struct stele_store_item *const items[2])
{
	int rel_len = stele_sort_key_to_name(key, key_len, pass->owner);
	const struct stele_zone_info *zone = pass->zone;
	if (rel_len < 0 || (size_t)rel_len + zone->apex_len > STELE_NAME_MAX)
		return stele_fail(pass->reterr, STELE_E_SYSTEM, "an owner in the store is none");
	memcpy(pass->owner + rel_len, zone->apex, zone->apex_len);
	pass->owner_len = (size_t)rel_len + zone->apex_len;
	int status = add_some(pass, items, false, 0, STELE_TYPE_RRSIG - 1);
	if (status == 0)
		status = add_some(pass, items, true, 0, UINT16_MAX);
	if (status == 0)
		status = add_some(pass, items, false, STELE_TYPE_RRSIG + 1, UINT16_MAX);
	return status;
}

/* Both tables at once, owner by owner. */
static int add_all(struct pass *pass, struct walk *nodes, struct walk *nsec3)
{
	int status = step(nodes, pass->reterr);
	if (status == 0)
		status = step(nsec3, pass->reterr);
	while (status == 0 && (nodes->has || nsec3->has)) {
		int order = !nsec3->has ? -1 : 1;
		if (nodes->has && nsec3->has)
			order = stele_sort_key_compare(nodes->key, nodes->key_len, nsec3->key,
						       nsec3->key_len);
		const struct walk *first = order <= 0 ? nodes : nsec3;
		const struct stele_store_item *const items[2] = {
			order <= 0 ? &nodes->item : NULL,
			order >= 0 ? &nsec3->item : NULL,
		};
		status = add_owner(pass, first->key, first->key_len, items);
		if (status == 0 && order <= 0)
			status = step(nodes, pass->reterr);
		if (status == 0 && order >= 0)
			status = step(nsec3, pass->reterr);
	}
	return status;
}

static int make_digest(struct stele_store_read *read, struct pass *pass)
{
	struct walk nodes = {.is_nsec3 = false}, nsec3 = {.is_nsec3 = true};
	uint32_t id = pass->zone->id;
	const uint8_t *none = pass->zone->apex; /* no byte of it is looked at */
	int status = stele_store_cursor_open(read, STELE_STORE_NODES, id, none, 0, NULL, 0,
					     &nodes.cursor, pass->reterr);
	if (status < 0)
		return status;
	status = stele_store_cursor_open(read, STELE_STORE_NSEC3, id, none, 0, NULL, 0,
					 &nsec3.cursor, pass->reterr);
	if (status == 0) {
		status = add_all(pass, &nodes, &nsec3);
		stele_store_cursor_close(nsec3.cursor);
	}
	stele_store_cursor_close(nodes.cursor);
	if (status == 0 && stele_zonemd_finish(pass->zonemd) < 0)
		status = stele_fail(pass->reterr, STELE_E_SYSTEM, "out of memory");
	return status;
}

/* The ZONEMD records of the apex, as many as there is room for; their count, or negative. */
static int find_rrs(struct stele_store_read *read, const struct stele_zone_info *zone,
		    struct stele_zonemd_rr rrs[RRS_MAX], struct stele_error *reterr)
{
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset rrset;
	int cnt = 0;
	int status = stele_store_node(read, zone->id, zone->apex, 0, &node, &node_sz, reterr);
	if (status < 0)
		return status;
	if (!stele_node_find(node, node_sz, STELE_TYPE_ZONEMD, &rrset))
		return 0;
	const uint8_t *p = rrset.data;
	for (; cnt < rrset.rr_cnt && cnt < RRS_MAX; cnt++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		rrs[cnt] = (struct stele_zonemd_rr){rr.rdata, rr.rdata_len};
	}
	return cnt;
}

int stele_zonemd_check(struct stele_store_read *read, const struct stele_zone_info *zone,
		       enum stele_zonemd_verdict *ret_verdict, struct stele_error *reterr)
{
	struct stele_zonemd_rr rrs[RRS_MAX];
	struct pass pass = {.zone = zone, .reterr = reterr};
	int cnt = find_rrs(read, zone, rrs, reterr);
	if (cnt < 0)
		return cnt;
	unsigned algorithms =
		cnt > 0 ? stele_zonemd_usable(rrs, (size_t)cnt, zone->serial, reterr) : 0;
	if (algorithms == 0) {
		*ret_verdict = cnt > 0 ? STELE_ZONEMD_UNUSABLE : STELE_ZONEMD_ABSENT;
		return 0;
	}
	int status =
		stele_zonemd_begin(zone->apex, zone->apex_len, algorithms, &pass.zonemd, reterr);
	if (status < 0)
		return status;
	status = make_digest(read, &pass);
	if (status == 0)
		*ret_verdict = stele_zonemd_matches(pass.zonemd, rrs, (size_t)cnt, zone->serial) ?
				       STELE_ZONEMD_RIGHT :
				       STELE_ZONEMD_WRONG;
	stele_zonemd_free(pass.zonemd);
	return status;
}
