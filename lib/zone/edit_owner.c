/* SPDX-License-Identifier: Apache-2.0 */
/* The owners that an edit session has touched, and the records at them. */
#include "lib/zone/edit_internal.h"

#include "lib/dns/rrtype.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SZ ((size_t)1 << 16)

int edit_no_memory(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the changes of the zone");
}

/* ---- places ---- */

/* Lower-cases a name of the zone and gives the length of what stands before the apex, or -1. */
static int relative(const struct stele_zone_edit *edit, const uint8_t *name,
		    uint8_t lower[STELE_NAME_MAX])
{
	size_t len = stele_name_length(name, STELE_NAME_MAX);
	if (len == 0)
		return -1;
	stele_name_lower(lower, name, len);
	if (!stele_name_is_below(lower, len, edit->zone.apex, edit->zone.apex_len))
		return -1;
	return (int)(len - edit->zone.apex_len);
}

bool edit_place_of(const struct stele_zone_edit *edit, const uint8_t *name,
		   struct edit_place *ret_place)
{
	uint8_t lower[STELE_NAME_MAX];
	int rel_len = relative(edit, name, lower);
	if (rel_len < 0)
		return false;
	ret_place->table = STELE_STORE_NODES;
	ret_place->key_len = stele_sort_key(lower, (size_t)rel_len, ret_place->key);
	return true;
}

bool edit_place_of_hash(const struct stele_zone_edit *edit, const uint8_t *name,
			struct edit_place *ret_place)
{
	uint8_t lower[STELE_NAME_MAX];
	int rel_len = relative(edit, name, lower);
	if (rel_len != STELE_NSEC3_LABEL_SZ + 1 || lower[0] != STELE_NSEC3_LABEL_SZ ||
	    !stele_base32hex_decode(lower + 1, ret_place->key))
		return false;
	ret_place->table = STELE_STORE_NSEC3;
	ret_place->key_len = STELE_NSEC3_HASH_SZ;
	return true;
}

/* ---- owners ---- */

static int compare(const void *a, const void *b)
{
	const struct edit_owner *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return stele_sort_key_compare(x->key, x->key_len, y->key, y->key_len);
}

struct edit_owner *edit_owner_find(const struct stele_zone_edit *edit, enum stele_store_table table,
				   const uint8_t *key, size_t key_len)
{
	struct edit_owner probe = {.table = table, .key = key, .key_len = key_len};
	if (edit->last != NULL && compare(edit->last, &probe) == 0)
		return edit->last;
	void *found = tfind(&probe, &edit->owners, compare);
	return found != NULL ? *(struct edit_owner **)found : NULL;
}

/* The records of a node. They point into `owner->old`. */
static bool read_node(struct edit_owner *owner)
{
	struct stele_node_rrset rrset;
	size_t cnt = 0;
	for (size_t at = 0; stele_node_next(owner->old, owner->old_sz, &at, &rrset);)
		cnt += (size_t)rrset.rr_cnt + rrset.sig_cnt;
	owner->rrs_room = cnt + 4;
	owner->rrs = calloc(owner->rrs_room, sizeof(*owner->rrs));
	if (owner->rrs == NULL)
		return false;
	for (size_t at = 0; stele_node_next(owner->old, owner->old_sz, &at, &rrset);) {
		const uint8_t *p = rrset.data;
		for (size_t i = 0; i < (size_t)rrset.rr_cnt + rrset.sig_cnt; i++) {
			struct stele_node_rr rr = stele_node_rr_next(&p);
			owner->rrs[owner->rr_cnt++] = (struct stele_owner_rr){
				.type = rrset.type,
				.is_sig = i >= rrset.rr_cnt,
				.rdata_len = rr.rdata_len,
				.ttl = rrset.ttl,
				.rdata = rr.rdata,
			};
		}
	}
	return true;
}

static void free_owner(void *p)
{
	struct edit_owner *owner = p;
	free(owner->old);
	free(owner->rrs);
	free(owner);
}

int edit_owner_touch(struct stele_zone_edit *edit, const struct edit_place *place,
		     struct edit_owner **ret_owner, struct stele_error *reterr)
{
	struct edit_owner *owner = edit_owner_find(edit, place->table, place->key, place->key_len);
	if (owner != NULL) {
		edit->last = *ret_owner = owner;
		return 0;
	}
	const uint8_t *node = NULL;
	size_t node_sz = 0;
	int status = stele_store_write_node(edit->write, edit->zone.id, place->table, place->key,
					    place->key_len, &node, &node_sz, reterr);
	if (status < 0 && status != STELE_E_NOTFOUND)
		return status;
	owner = calloc(1, sizeof(*owner) + place->key_len);
	if (owner == NULL)
		return edit_no_memory(reterr);
	uint8_t *key = (uint8_t *)(owner + 1);
	memcpy(key, place->key, place->key_len);
	owner->table = place->table;
	owner->key = key;
	owner->key_len = place->key_len;
	owner->old_sz = node_sz;
	owner->old = malloc(node_sz + 1);
	if (owner->old != NULL && node_sz > 0)
		memcpy(owner->old, node, node_sz);
	if (owner->old == NULL || !read_node(owner) ||
	    tsearch(owner, &edit->owners, compare) == NULL) {
		free_owner(owner);
		return edit_no_memory(reterr);
	}
	edit->owner_cnt++;
	edit->last = *ret_owner = owner;
	return 0;
}

int edit_owner_write(const struct edit_owner *owner, uint8_t **ret_node, size_t *ret_node_sz,
		     struct stele_error *reterr)
{
	struct stele_owner form = {.rrs = owner->rrs, .rr_cnt = owner->rr_cnt};
	/* Signatures over an NSEC3 that is not there are left out, as import does. */
	if (owner->table == STELE_STORE_NSEC3 && form.rr_cnt > 0 && form.rrs[0].is_sig)
		form.rr_cnt = 0;
	size_t room = 0;
	*ret_node = NULL;
	if (stele_owner_write(&form, ret_node, &room, ret_node_sz) < 0)
		return edit_no_memory(reterr);
	return 0;
}

int edit_owner_node(struct stele_zone_edit *edit, const struct edit_place *place, uint16_t type,
		    const uint8_t **ret_node, size_t *ret_node_sz, struct stele_error *reterr)
{
	const struct edit_owner *owner =
		edit_owner_find(edit, place->table, place->key, place->key_len);
	if (owner != NULL) {
		size_t at = 0, sigs, end = owner->rr_cnt;
		if (type != STELE_TYPE_ANY)
			edit_rrset_find(owner, type, &at, &sigs, &end);
		struct stele_owner form = {.rrs = owner->rrs + at, .rr_cnt = end - at};
		if (stele_owner_write(&form, &edit->node, &edit->node_room, ret_node_sz) < 0)
			return edit_no_memory(reterr);
		*ret_node = edit->node;
		return 0;
	}
	int status = stele_store_write_node(edit->write, edit->zone.id, place->table, place->key,
					    place->key_len, ret_node, ret_node_sz, reterr);
	if (status == STELE_E_NOTFOUND)
		*ret_node_sz = 0;
	return status == STELE_E_NOTFOUND ? 0 : status;
}

struct walk {
	int (*each)(void *user, struct edit_owner *owner);
	void *user;
	int status;
};

static void visit(const void *node, VISIT which, void *user)
{
	struct walk *walk = user;
	if (walk->status == 0 && (which == postorder || which == leaf))
		walk->status = walk->each(walk->user, *(struct edit_owner *const *)node);
}

int edit_owners_walk(struct stele_zone_edit *edit,
		     int (*each)(void *user, struct edit_owner *owner), void *user)
{
	struct walk walk = {each, user, 0};
	twalk_r(edit->owners, visit, &walk);
	return walk.status;
}

void edit_owners_free(struct stele_zone_edit *edit)
{
	tdestroy(edit->owners, free_owner);
	edit->owners = NULL;
	while (edit->chunks != NULL) {
		struct edit_chunk *next = edit->chunks->next;
		free(edit->chunks);
		edit->chunks = next;
	}
}

/* ---- records ---- */

bool edit_rr_find(const struct edit_owner *owner, const struct stele_owner_rr *rr, size_t *ret_at)
{
	size_t low = 0, high = owner->rr_cnt;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = stele_owner_rr_compare(&owner->rrs[middle], rr);
		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

static const uint8_t *keep(struct stele_zone_edit *edit, const uint8_t *bytes, size_t sz)
{
	struct edit_chunk *chunk = edit->chunks;
	if (chunk == NULL || chunk->room - chunk->sz < sz) {
		size_t room = sz > CHUNK_SZ ? sz : CHUNK_SZ;
		chunk = malloc(sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		chunk->next = edit->chunks;
		chunk->sz = 0;
		chunk->room = room;
		edit->chunks = chunk;
	}
	uint8_t *to = chunk->bytes + chunk->sz;
	if (sz > 0)
		memcpy(to, bytes, sz);
	chunk->sz += sz;
	return to;
}

int edit_rr_insert(struct stele_zone_edit *edit, struct edit_owner *owner, size_t at,
		   const struct stele_owner_rr *rr, struct stele_error *reterr)
{
	if (owner->rr_cnt == owner->rrs_room) {
		size_t room = 2 * owner->rrs_room;
		struct stele_owner_rr *rrs = realloc(owner->rrs, room * sizeof(*rrs));
		if (rrs == NULL)
			return edit_no_memory(reterr);
		owner->rrs = rrs;
		owner->rrs_room = room;
	}
	const uint8_t *rdata = keep(edit, rr->rdata, rr->rdata_len);
	if (rdata == NULL)
		return edit_no_memory(reterr);
	memmove(&owner->rrs[at + 1], &owner->rrs[at], (owner->rr_cnt - at) * sizeof(*owner->rrs));
	owner->rrs[at] = *rr;
	owner->rrs[at].rdata = rdata;
	owner->rr_cnt++;
	return 0;
}

void edit_rr_remove(struct edit_owner *owner, size_t at, size_t cnt)
{
	owner->rr_cnt -= cnt;
	memmove(&owner->rrs[at], &owner->rrs[at + cnt], (owner->rr_cnt - at) * sizeof(*owner->rrs));
}

/* The first record that is not before this type, or before its signatures. */
static size_t lower_bound(const struct edit_owner *owner, uint32_t type, bool is_sig)
{
	size_t low = 0, high = owner->rr_cnt;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct stele_owner_rr *rr = &owner->rrs[middle];
		if (rr->type < type || (rr->type == type && rr->is_sig < is_sig))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void edit_rrset_find(const struct edit_owner *owner, uint16_t type, size_t *ret_at,
		     size_t *ret_sigs_at, size_t *ret_end)
{
	*ret_at = lower_bound(owner, type, false);
	*ret_sigs_at = lower_bound(owner, type, true);
	*ret_end = lower_bound(owner, (uint32_t)type + 1, false);
}

bool edit_rrset_next(const struct edit_owner *owner, uint16_t from, uint16_t *ret_type,
		     size_t *ret_rr_cnt)
{
	size_t at = lower_bound(owner, from, false);
	while (at < owner->rr_cnt && owner->rrs[at].is_sig)
		at = lower_bound(owner, owner->rrs[at].type + 1u, false);
	if (at == owner->rr_cnt)
		return false;
	*ret_type = owner->rrs[at].type;
	*ret_rr_cnt = lower_bound(owner, *ret_type, true) - at;
	return true;
}
