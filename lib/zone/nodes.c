/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/nodes.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>
#include <string.h>

/* Up to so many records are sorted by insertion: nearly all owners, which mostly are in order. */
#define INSERTION_MAX 24

void stele_nodes_begin(struct stele_nodes *nodes, const struct stele_records *records)
{
	nodes->records = records;
	nodes->at = 0;
	nodes->has_next = stele_records_next_group(records, &nodes->at, &nodes->next);
}

void stele_nodes_free(struct stele_nodes *nodes)
{
	free(nodes->rrs);
	free(nodes->node);
	*nodes = (struct stele_nodes){0};
}

int stele_owner_rr_compare(const struct stele_owner_rr *a, const struct stele_owner_rr *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->is_sig != b->is_sig)
		return a->is_sig ? 1 : -1;
	return stele_rdata_compare(a->is_sig ? STELE_TYPE_RRSIG : a->type, a->rdata, a->rdata_len,
				   b->rdata, b->rdata_len);
}

static int compare_stable(const void *a, const void *b)
{
	const struct stele_owner_rr *x = a, *y = b;
	int order = stele_owner_rr_compare(x, y);
	if (order != 0)
		return order;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static void sort(struct stele_owner_rr *rrs, size_t cnt)
{
	if (cnt > INSERTION_MAX) {
		qsort(rrs, cnt, sizeof(*rrs), compare_stable);
		return;
	}
	for (size_t i = 1; i < cnt; i++) {
		if (stele_owner_rr_compare(&rrs[i - 1], &rrs[i]) <= 0)
			continue;
		struct stele_owner_rr rr = rrs[i];
		size_t at = i;
		for (; at > 0 && stele_owner_rr_compare(&rrs[at - 1], &rr) > 0; at--)
			rrs[at] = rrs[at - 1];
		rrs[at] = rr;
	}
}

/* Of records that are the same the first stays; its TTL becomes the lowest of theirs. */
static size_t drop_duplicates(struct stele_owner_rr *rrs, size_t cnt)
{
	size_t kept = 1;
	for (size_t i = 1; i < cnt; i++) {
		struct stele_owner_rr *last = &rrs[kept - 1];
		if (stele_owner_rr_compare(last, &rrs[i]) != 0)
			rrs[kept++] = rrs[i];
		else if (rrs[i].ttl < last->ttl)
			last->ttl = rrs[i].ttl;
	}
	return kept;
}

static int take_group(struct stele_nodes *nodes, size_t *cnt)
{
	struct stele_record record;
	while (stele_records_next(&nodes->next, &record)) {
		if (*cnt == nodes->rrs_room) {
			size_t room = nodes->rrs_room == 0 ? 64 : 2 * nodes->rrs_room;
			struct stele_owner_rr *rrs = realloc(nodes->rrs, room * sizeof(*rrs));
			if (rrs == NULL)
				return STELE_E_SYSTEM;
			nodes->rrs = rrs;
			nodes->rrs_room = room;
		}
		bool is_sig = record.type == STELE_TYPE_RRSIG;
		nodes->rrs[(*cnt)++] = (struct stele_owner_rr){
			.type = is_sig ? stele_get_be16(record.rdata) : record.type,
			.is_sig = is_sig,
			.file = nodes->next.file,
			.rdata_len = record.rdata_len,
			.column = record.column,
			.line = record.line,
			.ttl = record.ttl,
			.rdata = record.rdata,
		};
	}
	return 0;
}

int stele_nodes_next(struct stele_nodes *nodes)
{
	if (!nodes->has_next)
		return 0;
	struct stele_owner *owner = &nodes->owner;
	owner->key = nodes->next.key;
	owner->key_len = nodes->next.key_len;
	size_t cnt = 0;
	do {
		if (take_group(nodes, &cnt) < 0)
			return STELE_E_SYSTEM;
		nodes->has_next =
			stele_records_next_group(nodes->records, &nodes->at, &nodes->next);
	} while (nodes->has_next && nodes->next.key_len == owner->key_len &&
		 memcmp(nodes->next.key, owner->key, owner->key_len) == 0);
	if (cnt > 1) {
		sort(nodes->rrs, cnt);
		cnt = drop_duplicates(nodes->rrs, cnt);
	}
	owner->rrs = nodes->rrs;
	owner->rr_cnt = cnt;
	return 1;
}

int stele_owner_write(const struct stele_owner *owner, uint8_t **node, size_t *node_room,
		      size_t *ret_node_sz)
{
	const struct stele_owner_rr *rr = owner->rrs, *end = rr + owner->rr_cnt;
	size_t most = 0;
	for (const struct stele_owner_rr *r = rr; r < end; r++)
		most += STELE_NODE_RRSET_HEAD_SZ + 2u + r->rdata_len;
	if (most > *node_room) {
		uint8_t *larger = realloc(*node, 2 * most);
		if (larger == NULL)
			return STELE_E_SYSTEM;
		*node = larger;
		*node_room = 2 * most;
	}
	uint8_t *out = *node;
	while (rr < end) {
		uint8_t *head = out;
		const struct stele_owner_rr *first = rr;
		uint16_t rr_cnt = 0, sig_cnt = 0;
		uint32_t ttl = UINT32_MAX, sig_ttl = UINT32_MAX;
		out += STELE_NODE_RRSET_HEAD_SZ;
		for (; rr < end && rr->type == first->type; rr++) {
			uint32_t *lowest = rr->is_sig ? &sig_ttl : &ttl;
			if (rr->ttl < *lowest)
				*lowest = rr->ttl;
			rr->is_sig ? sig_cnt++ : rr_cnt++;
			stele_put_le16(out, rr->rdata_len);
			memcpy(out + 2, rr->rdata, rr->rdata_len);
			out += 2u + rr->rdata_len;
		}
		stele_put_le16(head, first->type);
		stele_put_le16(head + 2, rr_cnt);
		stele_put_le32(head + 4, rr_cnt > 0 ? ttl : sig_ttl);
		stele_put_le16(head + 8, sig_cnt);
		stele_put_le16(head + 10, 0);
		stele_put_le32(head + 12, (uint32_t)(out - head) - STELE_NODE_RRSET_HEAD_SZ);
	}
	*ret_node_sz = most > 0 ? (size_t)(out - *node) : 0;
	return 0;
}

int stele_nodes_write(struct stele_nodes *nodes, const uint8_t **ret_node, size_t *ret_node_sz)
{
	int status = stele_owner_write(&nodes->owner, &nodes->node, &nodes->node_room, ret_node_sz);
	if (status == 0)
		*ret_node = nodes->node;
	return status;
}
