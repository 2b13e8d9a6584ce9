/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What binds name records to one another. Every name's parent exists, so that "this suffix exists"
 * can be searched by depth; a parent knows whether it has children and a wildcard; what is below a
 * cut says so and names it.
 *
 * Counting children makes it possible to judge an image by what differs from its base. A *bond* is a
 * name and its parent. First the bonds of names that are gone, or that say other things of the cut above
 * them, are taken off the counts of their parents in the base. What is left at a name are children that
 * are as they were; so a name that is gone, or that asks other things of its children, must have
 * none left. Then the bonds of new and changed names are checked and counted. Without a base, all
 * names are new.
 *
 * Runs when each record is known to be sound, so it may use the accessors of view.h.
 */
#include "lib/image/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- counts ---- */

struct verify_counts *stele_verify_new_counts(uint32_t slot_cnt)
{
	struct verify_counts *counts =
		calloc(1, sizeof(*counts) + slot_cnt * sizeof(counts->slots[0]));
	if (counts != NULL) {
		counts->user_cnt = 1;
		counts->slot_cnt = slot_cnt;
	}
	return counts;
}

void stele_verify_drop_counts(struct verify_counts *counts)
{
	if (counts != NULL && --counts->user_cnt == 0)
		free(counts);
}

/* Makes the counts at `*counts` ours alone. */
static int own_counts(struct verify *v, struct verify_counts **counts)
{
	struct verify_counts *shared = *counts;
	if (shared->user_cnt == 1)
		return 0;
	struct verify_counts *own = stele_verify_new_counts(shared->slot_cnt);
	if (own == NULL)
		return stele_fail_errno(v->reterr, ENOMEM, "counts of children");
	memcpy(own->slots, shared->slots, shared->slot_cnt * sizeof(own->slots[0]));
	shared->user_cnt--;
	*counts = own;
	return 0;
}

/* ---- bonds ---- */

/* What a parent says about the cut above its children. */
struct demand {
	bool below_cut;
	bool below_dname;
	uint64_t cut_key;
};

static struct demand demand_of(const struct stele_name *parent, uint64_t key)
{
	struct demand d = {0};
	if (parent->kind == STELE_NAME_CUT)
		d = (struct demand){.below_cut = true, .cut_key = key};
	else if (parent->kind == STELE_NAME_OCCLUDED)
		d = (struct demand){.below_cut = true,
				    .cut_key = stele_get_le64(
					    stele_name_parts((const uint8_t *)parent).cut_key)};
	else
		d.below_dname = (parent->flags & STELE_NAME_HAS_DNAME) != 0;
	return d;
}

static bool same_demand(const struct stele_name *a, const struct stele_name *b)
{
	struct demand x = demand_of(a, 0), y = demand_of(b, 0);
	return x.below_cut == y.below_cut && x.below_dname == y.below_dname &&
	       x.cut_key == y.cut_key;
}

/* Whether two records of one name stand in the same bond with their parent. */
static bool same_child(const uint8_t *a, const uint8_t *b)
{
	struct stele_name_parts x = stele_name_parts(a), y = stele_name_parts(b);
	if ((x.cut_key == NULL) != (y.cut_key == NULL))
		return false;
	return x.cut_key == NULL || memcmp(x.cut_key, y.cut_key, 8) == 0;
}

static int check_bond(struct verify *v, const struct stele_name_parts *child,
		      const struct stele_name *parent, uint64_t parent_key)
{
	struct demand d = demand_of(parent, parent_key);
	bool occluded = child->cut_key != NULL;
	if (occluded != d.below_cut)
		return stele_verify_fault(v, child->head, "name: of kind %u below one of kind %u",
					  child->head->kind, parent->kind);
	if (occluded && stele_get_le64(child->cut_key) != d.cut_key)
		return stele_verify_fault(v, child->cut_key, "name: cut is not the one above it");
	if (d.below_dname)
		return stele_verify_fault(v, child->head, "name: below a DNAME");
	return 0;
}

static bool is_name(const struct stele_name *head, const struct verify_zone *zone,
		    const uint8_t *rel, size_t rel_len)
{
	return head != NULL && stele_le32(head->zone_id) == zone->id && head->rel_len == rel_len &&
	       memcmp(head + 1, rel, rel_len) == 0;
}

/* The parent of a name that is not an apex, by name. */
static struct verify_bond bond_of(struct verify *v, const struct stele_view *view,
				  const uint8_t *record)
{
	struct stele_name_parts child = stele_name_parts(record);
	size_t label_sz = child.rel[0] + 1u;
	return (struct verify_bond){
		.child = record,
		.view = view,
		.zone = stele_verify_zone_by_id(v, stele_le32(child.head->zone_id)),
		.rel = child.rel + label_sz,
		.rel_len = child.head->rel_len - label_sz,
	};
}

static struct verify_parent *parent_place(struct verify *v, const struct verify_bond *bond)
{
	unsigned mixed = bond->zone->id + 31u * (unsigned)bond->rel_len;
	return v->parents + (mixed + (bond->rel_len > 0 ? bond->rel[1] : 0u)) % VERIFY_PARENTS;
}

/* In a large zone most names have the apex for a parent: those found last are tried first. NULL: it is none of
 * them. */
static struct verify_parent *known_parent(struct verify *v, const struct verify_bond *bond)
{
	struct verify_parent *place = parent_place(v, bond);
	bool known = place->bond.view == bond->view &&
		     is_name(place->bond.parent, bond->zone, bond->rel, bond->rel_len);
	return known ? place : NULL;
}

static void find_key(struct verify_bond *bond)
{
	bond->key = stele_verify_key_copied(bond->view, bond->zone, bond->rel, bond->rel_len);
}

/* Adds what one parent's counts lack. Other workers do so too, for the same parents. */
static int add_children(struct verify *v, struct verify_parent *parent)
{
	uint32_t cnt = parent->child_cnt;
	uint32_t wildcard = parent->has_wildcard ? VERIFY_HAS_WILDCARD : 0;
	if (cnt == 0)
		return 0;
	parent->child_cnt = 0;
	parent->has_wildcard = false;
	struct verify_counts **counts = v->run->out->counts + parent->bond.shard;
	if (v->run->base != NULL) {
		int rc = own_counts(v, counts);
		if (rc != 0)
			return rc;
	}
	uint32_t *slot = (*counts)->slots + parent->bond.slot;
	if (v->run->base == NULL && v->run->worker_cnt > 1) {
		__atomic_fetch_add(slot, cnt, __ATOMIC_RELAXED);
		if (wildcard != 0)
			__atomic_fetch_or(slot, wildcard, __ATOMIC_RELAXED);
	} else {
		*slot = (*slot + cnt) | VERIFY_TOUCHED | wildcard;
	}
	return 0;
}

/* Finds the parent, which takes the place of one that was found before. It need not exist. */
static int find_parent(struct verify *v, const struct verify_bond *bond,
		       struct verify_parent **ret_parent)
{
	struct verify_parent *place = parent_place(v, bond);
	int rc = add_children(v, place);
	place->bond = *bond;
	place->bond.parent = stele_verify_find(bond->view, bond->zone, bond->key, bond->rel,
					       bond->rel_len, &place->bond.shard,
					       &place->bond.slot);
	*ret_parent = place;
	return rc;
}

/* Counts a name of the view as a child of its parent. */
static int count_child(struct verify *v, struct verify_parent *parent, const uint8_t *record)
{
	struct stele_name_parts child = stele_name_parts(record);
	if (parent->bond.parent == NULL)
		return stele_verify_fault(v, record, "name: its parent does not exist");
	parent->child_cnt++;
	parent->has_wildcard |= (child.head->flags & STELE_NAME_IS_WILDCARD) != 0;
	return check_bond(v, &child, parent->bond.parent, parent->bond.key);
}

/* Takes a bond of the base off the counts that the base left. */
static int drop_bond(struct verify *v, struct verify_counts **counts, const uint8_t *record)
{
	struct stele_name_parts child = stele_name_parts(record);
	if (child.head->rel_len == 0)
		return 0;
	struct verify_bond bond = bond_of(v, v->run->base, record);
	struct verify_parent *parent = known_parent(v, &bond);
	int rc = 0;
	if (parent == NULL) {
		find_key(&bond);
		rc = find_parent(v, &bond, &parent);
	}
	uint32_t shard = parent->bond.shard;
	if (rc == 0)
		rc = own_counts(v, counts + shard);
	if (rc != 0)
		return rc;
	uint32_t *slot = counts[shard]->slots + parent->bond.slot;
	*slot = (*slot - 1) | VERIFY_TOUCHED;
	if ((child.head->flags & STELE_NAME_IS_WILDCARD) != 0)
		*slot &= ~VERIFY_HAS_WILDCARD;
	return 0;
}

static const struct stele_view_shard *name_shard(const struct stele_view *view, uint64_t i)
{
	return view->shards + view->name_first + i;
}

/* Asks for what the next step of a lookup reads, for all bonds that wait: blocks, then records and counts. */
static void prefetch_blocks(const struct verify *v)
{
	for (unsigned i = 0; i < v->bond_cnt; i++) {
		const struct verify_bond *bond = v->bonds + i;
		const struct stele_view_shard *shard = stele_view_name_shard(bond->view, bond->key);
		uint64_t mixed = stele_shard_mix(bond->key, shard->seed);
		__builtin_prefetch(
			stele_view_block(shard, stele_shard_block(mixed, shard->block_cnt)));
	}
}

static void prefetch_records(const struct verify *v)
{
	for (unsigned i = 0; i < v->bond_cnt; i++) {
		const struct verify_bond *bond = v->bonds + i;
		uint32_t slot, at = stele_key_shard(bond->key, bond->view->name_bits);
		const uint8_t *record = stele_view_find_slot(
			stele_view_name_shard(bond->view, bond->key), bond->key, &slot);
		if (record == NULL)
			continue;
		__builtin_prefetch(record);
		__builtin_prefetch(v->run->out->counts[at]->slots + slot, 1);
	}
}

/* Finds the parents of all bonds that wait, and counts them. */
static int count_waiting(struct verify *v)
{
	prefetch_blocks(v);
	prefetch_records(v);
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < v->bond_cnt; i++) {
		struct verify_parent *parent;
		rc = find_parent(v, v->bonds + i, &parent);
		if (rc == 0)
			rc = count_child(v, parent, v->bonds[i].child);
	}
	v->bond_cnt = 0;
	return rc;
}

static int add_bond(struct verify *v, const uint8_t *record)
{
	if (((const struct stele_name *)record)->rel_len == 0)
		return 0;
	struct verify_bond bond = bond_of(v, v->view, record);
	struct verify_parent *parent = known_parent(v, &bond);
	if (parent != NULL)
		return count_child(v, parent, record);
	find_key(&bond);
	v->bonds[v->bond_cnt++] = bond;
	return v->bond_cnt == VERIFY_BONDS ? count_waiting(v) : 0;
}

/* ---- shards ---- */

struct sweep {
	const struct stele_view_shard *shard;
	uint32_t next;
	uint32_t slot; /* of the record that was returned last */
};

static const uint8_t *next_record(struct sweep *s)
{
	while (s->next < stele_view_slot_cnt(s->shard)) {
		s->slot = s->next++;
		const uint8_t *record = stele_view_slot_record(s->shard, s->slot);
		if (record != NULL)
			return record;
	}
	return NULL;
}

/* Bonds that no longer hold, of one shard of the base. */
static int drop_bonds(struct verify *v, struct verify_counts **counts, uint64_t i)
{
	struct sweep s = {.shard = name_shard(v->run->base, i)};
	for (const uint8_t *old; (old = next_record(&s)) != NULL;) {
		const uint8_t *now = stele_verify_counterpart(v, old, name_shard(v->view, i), NULL);
		if (now != NULL && same_child(old, now))
			continue;
		int rc = drop_bond(v, counts, old);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* What is left at the names of one shard of the base goes to the same names of the view. */
static int move_counts(struct verify *v, const struct verify_counts *counts, uint64_t i)
{
	struct sweep s = {.shard = name_shard(v->run->base, i)};
	struct verify_counts *out = v->run->out->counts[i];
	for (const uint8_t *old; (old = next_record(&s)) != NULL;) {
		uint32_t left = counts->slots[s.slot], slot = 0;
		const uint8_t *now =
			stele_verify_counterpart(v, old, name_shard(v->view, i), &slot);
		bool fits = now != NULL && same_demand((const struct stele_name *)old,
						       (const struct stele_name *)now);
		if (!fits && (left & VERIFY_CHILDREN) != 0)
			return stele_fail(v->reterr, STELE_E_INPUT,
					  "children of a name that is gone or has changed");
		if (now != NULL)
			out->slots[slot] = left;
	}
	return 0;
}

/* Bonds that are new, of one shard of the view. */
static int count_bonds(struct verify *v, uint64_t i)
{
	uint32_t index = v->view->name_first + (uint32_t)i;
	struct sweep s = {.shard = v->view->shards + index};
	if (!stele_verify_is_new(v->run, index))
		return 0;
	v->shard = index;
	for (const uint8_t *now; (now = next_record(&s)) != NULL;) {
		const uint8_t *old =
			v->run->base == NULL ?
				NULL :
				stele_verify_counterpart(v, now, name_shard(v->run->base, i), NULL);
		if (old != NULL && same_child(old, now))
			continue;
		int rc = add_bond(v, now);
		if (rc != 0)
			return rc;
	}
	int rc = count_waiting(v);
	for (unsigned k = 0; rc == 0 && k < VERIFY_PARENTS; k++)
		rc = add_children(v, v->parents + k);
	return rc;
}

static int check_flags(struct verify *v, const uint8_t *record, uint32_t count)
{
	const struct stele_name *head = (const void *)record;
	bool has_children = (count & VERIFY_CHILDREN) != 0;
	bool has_wildcard = (count & VERIFY_HAS_WILDCARD) != 0;
	if (has_children != ((head->flags & STELE_NAME_HAS_CHILDREN) != 0) ||
	    has_wildcard != ((head->flags & STELE_NAME_HAS_WILDCARD) != 0) ||
	    (head->kind == STELE_NAME_EMPTY && !has_children))
		return stele_verify_fault(v, record, "name: flags %#x do not fit its children",
					  head->flags);
	return 0;
}

/* The flags of names whose record or count is new. */
static int check_shard_flags(struct verify *v, uint64_t i)
{
	uint32_t index = v->view->name_first + (uint32_t)i;
	struct verify_counts *counts = v->run->out->counts[i];
	const struct stele_view_shard *shard = v->view->shards + index;
	bool all = stele_verify_is_new(v->run, index);
	if (counts == NULL || (!all && counts->user_cnt > 1))
		return 0;
	v->shard = index;
	for (uint32_t k = 0; k < counts->slot_cnt; k++) {
		uint32_t count = counts->slots[k];
		counts->slots[k] &= ~VERIFY_TOUCHED;
		const uint8_t *record = all || (count & VERIFY_TOUCHED) != 0 ?
						stele_view_slot_record(shard, k) :
						NULL;
		int rc = record != NULL ? check_flags(v, record, count) : 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int check_apexes(struct verify *v)
{
	for (size_t i = 0; i < v->zone_cnt; i++) {
		const struct verify_zone *zone = v->zones + i;
		if (zone->gone || !zone->touched)
			continue;
		uint64_t key = stele_key_name(v->view->seed, zone->apex_hash, zone->apex_hash);
		v->shard = zone->shard;
		if (stele_verify_find(v->view, zone, key, zone->apex, 0, NULL, NULL) == NULL)
			return stele_verify_fault(v, zone->head, "zone: its apex has no record");
	}
	return 0;
}

/* ---- the pass ---- */

/* Counts of the base, to be worked on: ours to change where a bond is dropped. */
static struct verify_counts **take_old_counts(struct verify_run *run)
{
	const struct stele_verified *old = run->old;
	struct verify_counts **counts = calloc(old->name_shard_cnt, sizeof(struct verify_counts *));
	for (uint64_t i = 0; counts != NULL && i < old->name_shard_cnt; i++) {
		counts[i] = old->counts[i];
		if (counts[i] != NULL)
			counts[i]->user_cnt++;
	}
	return counts;
}

static void drop_all(struct verify_counts **counts, uint64_t cnt)
{
	for (uint64_t i = 0; i < cnt; i++)
		stele_verify_drop_counts(counts[i]);
	free(counts);
}

/* Counts of shards that are new, from nothing. */
static int make_counts(struct verify_run *run)
{
	for (uint64_t i = 0; i < run->out->name_shard_cnt; i++) {
		const struct stele_view_shard *shard = name_shard(run->view, i);
		if (shard->base == NULL ||
		    !stele_verify_is_new(run, run->view->name_first + (uint32_t)i))
			continue;
		run->out->counts[i] = stele_verify_new_counts(stele_view_slot_cnt(shard));
		if (run->out->counts[i] == NULL)
			return stele_fail_errno(run->workers[0]->reterr, ENOMEM,
						"counts of children");
	}
	return 0;
}

static int take_base(struct verify_run *run)
{
	struct verify *v = run->workers[0];
	uint64_t shard_cnt = run->out->name_shard_cnt;
	struct verify_counts **counts = take_old_counts(run);
	if (counts == NULL)
		return stele_fail_errno(v->reterr, ENOMEM, "counts of children");
	int rc = 0;
	for (uint64_t i = 0; rc == 0 && i < shard_cnt; i++)
		if (stele_verify_is_new(run, run->view->name_first + (uint32_t)i))
			rc = drop_bonds(v, counts, i);
	for (uint64_t i = 0; rc == 0 && i < shard_cnt; i++) {
		if (stele_verify_is_new(run, run->view->name_first + (uint32_t)i)) {
			if (counts[i] != NULL)
				rc = move_counts(v, counts[i], i);
		} else {
			run->out->counts[i] = counts[i];
			counts[i] = NULL;
		}
	}
	drop_all(counts, shard_cnt);
	return rc;
}

int stele_verify_tree(struct verify_run *run)
{
	uint64_t shard_cnt = run->out->name_shard_cnt;
	int rc = check_apexes(run->workers[0]);
	if (rc == 0 && run->view->name_cnt > STELE_IMAGE_NAMES_MAX)
		rc = stele_fail(run->workers[0]->reterr, STELE_E_INPUT,
				"%" PRIu64 " names (at most %d)", run->view->name_cnt,
				STELE_IMAGE_NAMES_MAX);
	if (rc == 0)
		rc = make_counts(run);
	if (rc == 0 && run->base != NULL)
		rc = take_base(run);
	if (rc == 0)
		rc = stele_verify_spread(run, shard_cnt, run->base != NULL, count_bonds);
	if (rc == 0)
		rc = stele_verify_spread(run, shard_cnt, false, check_shard_flags);
	return rc;
}
