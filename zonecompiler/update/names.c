/* SPDX-License-Identifier: Apache-2.0 */
/* The changed owners of a zone, and the names whose records depend on them. */
#include "zonecompiler/update/internal.h"

#include "lib/dns/rrtype.h"
#include "zonecompiler/carve/probe.h"

#include <stdlib.h>

/* A name as it is in the store, and what the image says of it. */
struct subject {
	const uint8_t *key; /* sort key */
	size_t key_len;
	uint8_t owner[STELE_NAME_MAX + STELE_HASH_SLACK];
	size_t rel_len;
	uint64_t name_key;
	const struct stele_name *old;
};

/* What carving it anew has shown. */
struct outcome {
	bool existence_changed, cut_changed;
};

static int describe(struct update *update, const struct update_zone *zone, const uint8_t *key,
		    size_t key_len, struct subject *subject)
{
	const struct stele_carve_zone *facts = &zone->facts;
	int rel_len = stele_sort_key_to_name(key, key_len, subject->owner);
	if (rel_len < 0 || rel_len + facts->apex_len > STELE_NAME_MAX)
		return stele_fail(update->reterr, STELE_E_INPUT, "the store has a malformed key");
	subject->key = key;
	subject->key_len = key_len;
	subject->rel_len = (size_t)rel_len;
	memcpy(subject->owner + rel_len, facts->apex, facts->apex_len);
	uint64_t hash = stele_carve_hash_below(update->seed, facts->apex_hash, subject->owner,
					       subject->rel_len);
	subject->name_key = stele_key_name(update->seed, hash, facts->apex_hash);
	return update_find(update, zone->id, subject->name_key, subject->owner, subject->rel_len,
			   &subject->old);
}

/* The node of an existing name, or NULL. */
static int read_node(struct update *update, const struct update_zone *zone, const uint8_t *key,
		     size_t key_len, const uint8_t **ret_node, size_t *ret_node_sz)
{
	*ret_node = NULL;
	int rc = stele_store_node(update->read, zone->id, key, key_len, ret_node, ret_node_sz,
				  update->reterr);
	if (rc == STELE_E_NOTFOUND || (rc == 0 && !stele_carve_exists(*ret_node, *ret_node_sz))) {
		*ret_node = NULL;
		rc = 0;
	}
	return rc;
}

/* The cut above the name: 1 with its key, 0 if there is none. */
static int find_cut_above(struct update *update, const struct update_zone *zone,
			  const struct subject *subject, uint64_t *ret_cut_key)
{
	for (size_t len = 0; len < subject->key_len; len++) {
		if (subject->key[len] != 0 || len + 1 == subject->key_len)
			continue;
		const uint8_t *node;
		size_t node_sz;
		int rc = read_node(update, zone, subject->key, len + 1, &node, &node_sz);
		if (rc < 0)
			return rc;
		if (node == NULL || !stele_carve_is_cut(node, node_sz))
			continue;
		struct subject cut;
		rc = describe(update, zone, subject->key, len + 1, &cut);
		*ret_cut_key = cut.name_key;
		return rc < 0 ? rc : 1;
	}
	return 0;
}

static int add_member(struct update *update, struct update_zone *zone, const uint8_t *key,
		      size_t key_len, uint64_t name_key, bool comes)
{
	if (zone->member_cnt == zone->member_cap) {
		size_t cap = zone->member_cap > 0 ? 2 * zone->member_cap : 16;
		struct update_member *members = realloc(zone->members, cap * sizeof(*members));
		if (members == NULL)
			return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
		zone->members = members;
		zone->member_cap = cap;
	}
	zone->members[zone->member_cnt++] = (struct update_member){
		.key_off = update->keys.len,
		.key_len = (uint16_t)key_len,
		.name_key = name_key,
		.comes = comes,
	};
	return stele_buffer_add(&update->keys, key, key_len, update->reterr);
}

/* Compares the new record (of length 0: no name) with the old one and lists the difference. */
static int compare(struct update *update, struct update_zone *zone, const struct subject *subject,
		   const struct stele_carve_result *result)
{
	const uint8_t *old = (const uint8_t *)subject->old;
	const struct stele_buffer *record = &update->scratch;
	size_t old_sz = old != NULL ? update_record_sz(old) : 0;
	if (old_sz == record->len && (old_sz == 0 || memcmp(old, record->data, old_sz) == 0))
		return 0;
	bool had_nsec = false;
	uint64_t old_rr_cnt = old != NULL ? update_count_rrs(old, &had_nsec) : 0;
	zone->name_delta += (record->len > 0) - (old_sz > 0);
	zone->rr_delta += (int64_t)result->rr_cnt - (int64_t)old_rr_cnt;
	int rc = update_edit_add(update, &update->names, subject->name_key, record->data,
				 record->len);
	if (rc == 0 && zone->facts.chain == STELE_CHAIN_OF_NSEC && had_nsec != result->owns_nsec)
		rc = add_member(update, zone, subject->key, subject->key_len, subject->name_key,
				result->owns_nsec);
	return rc;
}

/* Carves one name anew. */
static int do_name(struct update *update, struct update_zone *zone, const uint8_t *key,
		   size_t key_len, struct outcome *ret_outcome)
{
	struct subject subject;
	*ret_outcome = (struct outcome){0};
	int rc = describe(update, zone, key, key_len, &subject);
	if (rc < 0)
		return rc;
	bool is_new;
	if (stele_id_map_get(&update->visited, subject.name_key, &is_new) == NULL)
		return stele_fail(update->reterr, STELE_E_SYSTEM, "out of memory");
	if (!is_new)
		return 0;

	struct stele_carve_name name = {
		.owner = subject.owner,
		.owner_len = (uint8_t)(subject.rel_len + zone->facts.apex_len),
	};
	rc = read_node(update, zone, key, key_len, &name.node, &name.node_sz);
	if (rc < 0)
		return rc;
	rc = stele_probe_children(update->read, zone->id, key, key_len, update->reterr);
	if (rc < 0)
		return rc;
	name.has_children = rc == 1;
	bool exists = name.node != NULL || name.has_children;
	struct stele_carve_result result = {0};
	update->scratch.len = 0;
	if (exists) {
		rc = stele_probe_wildcard(update->read, zone->id, key, key_len, update->reterr);
		if (rc < 0)
			return rc;
		name.has_wildcard = rc == 1;
		rc = find_cut_above(update, zone, &subject, &name.cut_key);
		if (rc < 0)
			return rc;
		name.is_occluded = rc == 1;
		name.is_cut = !name.is_occluded && key_len > 0 && name.node != NULL &&
			      stele_carve_is_cut(name.node, name.node_sz);
		rc = stele_carve_name(&update->carver, &zone->facts, &name, &update->scratch,
				      &result, update->reterr);
		if (rc < 0)
			return rc;
		unsigned labels = stele_name_label_cnt(subject.owner);
		if (labels > zone->label_max)
			zone->label_max = labels;
	}
	bool was_cut = subject.old != NULL && subject.old->kind == STELE_NAME_CUT;
	ret_outcome->existence_changed = exists != (subject.old != NULL);
	ret_outcome->cut_changed = was_cut != name.is_cut;
	return compare(update, zone, &subject, &result);
}

static int do_ancestors(struct update *update, struct update_zone *zone, const uint8_t *key,
			size_t key_len);

/*
 * A cut has come or gone: all names below, empty non-terminals too, are of another kind now. That
 * other cuts come or go among them needs nothing more: what is below those is below this one.
 */
static int do_descendants(struct update *update, struct update_zone *zone, const uint8_t *key,
			  size_t key_len)
{
	uint8_t to[STELE_SORT_KEY_MAX];
	memcpy(to, key, key_len);
	to[key_len - 1] = 1;
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(update->read, STELE_STORE_NODES, zone->id, key, key_len,
					 to, key_len, &cursor, update->reterr);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	while ((rc = stele_store_cursor_next(cursor, &item, update->reterr)) == 1) {
		/* They are not among the changes, so nobody has counted them. */
		rc = update_much_changed(update, update->visited.cnt);
		for (size_t len = key_len + 1; rc == 0 && len <= item.key_len; len++) {
			struct outcome outcome;
			if (item.key[len - 1] != 0)
				continue;
			rc = do_name(update, zone, item.key, len, &outcome);
			if (rc == 0 && outcome.existence_changed)
				rc = do_ancestors(update, zone, item.key, len);
		}
		if (rc != 0)
			break;
	}
	stele_store_cursor_close(cursor);
	return rc;
}

/*
 * Goes up as long as names appear or vanish: their parents' flags, and whether those are there.
 * What is looked at here is not looked at again for its own change, so names below it are seen to
 * here.
 */
static int do_ancestors(struct update *update, struct update_zone *zone, const uint8_t *key,
			size_t key_len)
{
	struct outcome outcome = {.existence_changed = true};
	while (outcome.existence_changed && key_len > 0) {
		do
			key_len--;
		while (key_len > 0 && key[key_len - 1] != 0);
		int rc = do_name(update, zone, key, key_len, &outcome);
		if (rc == 0 && outcome.cut_changed)
			rc = do_descendants(update, zone, key, key_len);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int update_names(struct update *update, struct update_zone *zone)
{
	struct outcome outcome;
	for (size_t at = 0; at < zone->changed.len;) {
		const uint8_t *key = zone->changed.data + at + 2;
		size_t key_len = stele_get_le16(key - 2);
		at += 2 + key_len;
		int rc = do_name(update, zone, key, key_len, &outcome);
		if (rc == 0 && outcome.existence_changed)
			rc = do_ancestors(update, zone, key, key_len);
		if (rc == 0 && outcome.cut_changed)
			rc = do_descendants(update, zone, key, key_len);
		if (rc != 0)
			return rc;
	}
	return 0;
}
