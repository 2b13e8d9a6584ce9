/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/walk.h"

#include "lib/dns/rrtype.h"

#define NAME_END (STELE_NAME_MAX + 1) /* of the names in walk->name */

void stele_walk_begin(struct stele_walk *walk)
{
	const struct stele_carve_zone *zone = walk->zone;
	uint8_t begin = (uint8_t)(NAME_END - zone->apex_len);
	memcpy(walk->name + begin, zone->apex, zone->apex_len);
	walk->frames[0] = (struct stele_walk_frame){.hash = zone->apex_hash, .begin = begin};
	walk->depth = 0;
	walk->cut = 0;
	walk->totals = (struct stele_walk_totals){0};
}

static uint64_t frame_key(const struct stele_walk *walk, const struct stele_walk_frame *frame)
{
	return stele_key_name(walk->zone->seed, frame->hash, walk->zone->apex_hash);
}

/* Carves the deepest open name and takes it from the stack. */
static int close_name(struct stele_walk *walk, struct stele_error *reterr)
{
	unsigned depth = walk->depth;
	const struct stele_walk_frame *frame = walk->frames + depth;
	bool ask_apex = depth == 0 && walk->is_part;
	struct stele_carve_name name = {
		.owner = walk->name + frame->begin,
		.owner_len = (uint8_t)(NAME_END - frame->begin),
		.is_cut = depth > 0 && walk->cut == depth,
		.is_occluded = walk->cut > 0 && depth > walk->cut,
		.has_wildcard = ask_apex ? walk->apex_has_wildcard : frame->has_wildcard,
		.has_children = ask_apex ? walk->apex_has_children : frame->has_children,
		.cut_key = walk->cut_key,
		.node = frame->node,
		.node_sz = frame->node_sz,
	};
	struct stele_carve_result result;
	walk->record.len = 0;
	int rc = stele_carve_name(walk->carver, walk->zone, &name, &walk->record, &result, reterr);
	if (rc == 0)
		rc = walk->take_name(walk->user, frame_key(walk, frame), walk->record.data,
				     walk->record.len, reterr);
	if (rc != 0)
		return rc;
	walk->totals.name_cnt++;
	walk->totals.rr_cnt += result.rr_cnt;
	unsigned labels = walk->zone->apex_labels + depth;
	if (labels > walk->totals.label_max)
		walk->totals.label_max = labels;
	if (walk->cut == depth)
		walk->cut = 0;
	if (depth > 0)
		walk->depth--;
	return 0;
}

/* Opens the name that the next label of the sort key makes. */
static void open_name(struct stele_walk *walk, const uint8_t *sort_key)
{
	struct stele_walk_frame *parent = walk->frames + walk->depth;
	const uint8_t *p = sort_key + parent->key_end;
	uint8_t label[STELE_LABEL_MAX + 1];
	unsigned len = 0;
	for (; *p != 0; p++)
		label[++len] = *p == 1 ? (uint8_t)(*++p - 1) : *p;
	label[0] = (uint8_t)len;

	struct stele_walk_frame *frame = parent + 1;
	*frame = (struct stele_walk_frame){
		.key_end = (uint16_t)(p + 1 - sort_key),
		.begin = (uint8_t)(parent->begin - (len + 1)),
	};
	memcpy(walk->name + frame->begin, label, len + 1);
	frame->hash = stele_hash_label(walk->zone->seed, parent->hash, walk->name + frame->begin);
	parent->has_children = true;
	parent->has_wildcard |= len == 1 && label[1] == '*';
	walk->depth++;
}

static int note_node(struct stele_walk *walk, const uint8_t *sort_key, size_t sort_key_len,
		     const uint8_t *node, size_t node_sz, struct stele_error *reterr)
{
	struct stele_walk_frame *frame = walk->frames + walk->depth;
	frame->node = node;
	frame->node_sz = node_sz;
	bool is_occluded = walk->cut > 0;
	if (walk->depth > 0 && !is_occluded && stele_carve_is_cut(node, node_sz)) {
		walk->cut = walk->depth;
		walk->cut_key = frame_key(walk, frame);
	}
	struct stele_node_rrset set;
	if (walk->zone->chain == STELE_CHAIN_OF_NSEC && !is_occluded &&
	    stele_node_find(node, node_sz, STELE_TYPE_NSEC, &set) && set.rr_cnt > 0)
		return walk->take_nsec(walk->user, frame_key(walk, frame), sort_key, sort_key_len,
				       reterr);
	return 0;
}

int stele_walk_add(struct stele_walk *walk, const uint8_t *sort_key, size_t sort_key_len,
		   const uint8_t *node, size_t node_sz, struct stele_error *reterr)
{
	if (!stele_carve_exists(node, node_sz))
		return 0;
	while (walk->depth > 0) {
		const struct stele_walk_frame *frame = walk->frames + walk->depth;
		if (frame->key_end <= sort_key_len &&
		    memcmp(sort_key, walk->sort_key, frame->key_end) == 0)
			break;
		int rc = close_name(walk, reterr);
		if (rc != 0)
			return rc;
	}
	memcpy(walk->sort_key, sort_key, sort_key_len);
	while (walk->frames[walk->depth].key_end < sort_key_len)
		open_name(walk, sort_key);
	return note_node(walk, sort_key, sort_key_len, node, node_sz, reterr);
}

int stele_walk_end(struct stele_walk *walk, struct stele_error *reterr)
{
	while (walk->depth > 0) {
		int rc = close_name(walk, reterr);
		if (rc != 0)
			return rc;
	}
	return walk->frames[0].node != NULL ? close_name(walk, reterr) : 0;
}

void stele_walk_free(struct stele_walk *walk)
{
	stele_buffer_free(&walk->record);
}
