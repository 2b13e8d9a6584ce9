/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What binds name records to one another. Every name's parent exists, so that "this suffix exists"
 * can be searched by depth; a parent knows whether it has children and a wildcard; what is below a
 * cut says so and names it.
 *
 * Runs when each record is known to be sound, so it may use the accessors of view.h.
 */
#include "lib/image/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Whether parent and child agree about the cut above them. */
static int check_occlusion(struct verify *v, const struct stele_name_parts *child,
			   const struct stele_name *parent, uint64_t parent_key)
{
	bool occluded = child->cut_key != NULL;
	const uint8_t *same_cut = stele_name_parts((const uint8_t *)parent).cut_key;
	bool below_cut = parent->kind == STELE_NAME_CUT || same_cut != NULL;
	uint64_t cut_key = same_cut != NULL ? stele_get_le64(same_cut) : parent_key;
	if (occluded != below_cut)
		return stele_verify_fault(v, child->head, "name: of kind %u below one of kind %u",
					  child->head->kind, parent->kind);
	if (occluded && stele_get_le64(child->cut_key) != cut_key)
		return stele_verify_fault(v, child->cut_key, "name: cut is not the one above it");
	if (!occluded && parent->flags & STELE_NAME_HAS_DNAME)
		return stele_verify_fault(v, child->head, "name: below a DNAME");
	return 0;
}

static int check_parent(struct verify *v, const uint8_t *record)
{
	struct stele_name_parts child = stele_name_parts(record);
	if (child.head->rel_len == 0)
		return 0;
	const struct verify_zone *zone =
		stele_verify_zone_by_id(v, stele_le32(child.head->zone_id));
	struct stele_hash_seed seed = v->view->seed;
	uint64_t parent_hash;
	stele_verify_hash(seed, zone->apex_hash, child.rel, child.head->rel_len, &parent_hash);
	uint64_t key = stele_key_name(seed, parent_hash, zone->apex_hash);
	size_t label_sz = child.rel[0] + 1u;
	uint64_t slot;
	const struct stele_name *parent = stele_verify_find(v, zone, key, child.rel + label_sz,
							    child.head->rel_len - label_sz, &slot);
	if (parent == NULL)
		return stele_verify_fault(v, record, "name: its parent does not exist");
	v->slot_facts[slot] |= VERIFY_SLOT_HAS_CHILDREN;
	if (child.head->flags & STELE_NAME_IS_WILDCARD)
		v->slot_facts[slot] |= VERIFY_SLOT_HAS_WILDCARD;
	return check_occlusion(v, &child, parent, key);
}

static int check_facts(struct verify *v, const uint8_t *record, uint8_t facts)
{
	const struct stele_name *head = (const void *)record;
	bool has_children = (facts & VERIFY_SLOT_HAS_CHILDREN) != 0;
	bool has_wildcard = (facts & VERIFY_SLOT_HAS_WILDCARD) != 0;
	if (has_children != ((head->flags & STELE_NAME_HAS_CHILDREN) != 0) ||
	    has_wildcard != ((head->flags & STELE_NAME_HAS_WILDCARD) != 0) ||
	    (head->kind == STELE_NAME_EMPTY && !has_children))
		return stele_verify_fault(v, record, "name: flags %#x do not fit its children",
					  head->flags);
	return 0;
}

/* Calls one of the two checks for all records of a shard. */
static int sweep(struct verify *v, uint32_t index, bool facts)
{
	const struct stele_view_shard *shard = v->view->shards + index;
	int rc = 0;
	v->shard = index;
	for (uint32_t i = 0; rc == 0 && i < shard->slot_cnt; i++) {
		uint64_t slot = stele_get_le64(shard->slots + 8 * (uint64_t)i);
		if (slot == 0)
			continue;
		const uint8_t *record = shard->base + (slot & STELE_SLOT_OFF_MASK);
		rc = facts ? check_facts(v, record, v->slot_facts[v->slot_first[index] + i]) :
			     check_parent(v, record);
	}
	return rc;
}

static int check_apexes(struct verify *v)
{
	for (size_t i = 0; i < v->zone_cnt; i++) {
		const struct verify_zone *zone = v->zones + i;
		uint64_t key = stele_key_name(v->view->seed, zone->apex_hash, zone->apex_hash);
		v->shard = zone->shard;
		if (stele_verify_find(v, zone, key, zone->apex, 0, NULL) == NULL)
			return stele_verify_fault(v, zone->head, "zone: its apex has no record");
	}
	return 0;
}

int stele_verify_tree(struct verify *v)
{
	const struct stele_view *view = v->view;
	uint64_t shard_cnt = UINT64_C(1) << view->name_bits;
	uint64_t slot_cnt = 0;
	for (uint64_t i = 0; i < shard_cnt; i++) {
		uint32_t index = view->name_first + (uint32_t)i;
		v->slot_first[index] = slot_cnt;
		slot_cnt += view->shards[index].slot_cnt;
	}
	v->slot_facts = calloc(slot_cnt + 1, 1);
	if (v->slot_facts == NULL)
		return stele_fail_errno(v->reterr, ENOMEM, "facts about %" PRIu64 " slots",
					slot_cnt);
	int rc = check_apexes(v);
	for (uint64_t i = 0; rc == 0 && i < shard_cnt; i++)
		rc = sweep(v, view->name_first + (uint32_t)i, false);
	for (uint64_t i = 0; rc == 0 && i < shard_cnt; i++)
		rc = sweep(v, view->name_first + (uint32_t)i, true);
	return rc;
}
