/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/update/node.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

/* ---- edits ---- */

void change_free(struct change *change)
{
	for (int t = 0; t < 2; t++)
		for (size_t i = 0; i < change->edits[t].cnt; i++)
			free(change->edits[t].items[i].node);
}

struct change_edit *change_edit_of(struct change *change, enum stele_store_table table,
				   const uint8_t *key, size_t key_len)
{
	struct change_edits *edits = change->edits + table;
	for (size_t i = 0; i < edits->cnt; i++)
		if (edits->items[i].key_len == key_len &&
		    memcmp(edits->items[i].key, key, key_len) == 0)
			return edits->items + i;
	struct change_edit *edit = edits->items + edits->cnt++;
	edit->key_len = key_len;
	memcpy(edit->key, key, key_len);
	edit->node = malloc(1 << 17);
	if (edit->node == NULL)
		change_fail("out of memory");
	return edit;
}

struct change_edit *change_edit_item(struct change *change, enum stele_store_table table,
				     const struct stele_store_item *item)
{
	struct change_edit *edit = change_edit_of(change, table, item->key, item->key_len);
	edit->node_sz = item->node_sz;
	memcpy(edit->node, item->node, item->node_sz);
	return edit;
}

struct change_edit *change_edit_node(struct change *change, const uint8_t *key, size_t key_len)
{
	struct stele_error err;
	struct stele_store_item item = {.key = key, .key_len = key_len};
	if (stele_store_node(change->read, change->info.id, key, key_len, &item.node, &item.node_sz,
			     &err) < 0)
		change_fail("the zone does not have this name");
	return change_edit_item(change, STELE_STORE_NODES, &item);
}

/* New signatures over an RRset of a node that may be written to. */
static void sign(struct change *change, const struct stele_node_rrset *rrset)
{
	const uint8_t *p = rrset->data;
	for (unsigned i = 0; i < rrset->rr_cnt + (unsigned)rrset->sig_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (i >= rrset->rr_cnt)
			gen_rng_fill(&change->rng,
				     (uint8_t *)(uintptr_t)rr.rdata + rr.rdata_len -
					     CHANGE_SIGNATURE_SZ,
				     CHANGE_SIGNATURE_SZ);
	}
}

static struct stele_node_rrset find_rrset(const struct change_edit *edit, uint16_t type)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(edit->node, edit->node_sz, type, &rrset) || rrset.rr_cnt == 0)
		change_fail("the name does not have this type");
	return rrset;
}

uint8_t *change_last_rdata(struct change *change, struct change_edit *edit, uint16_t type,
			   size_t *ret_len)
{
	struct stele_node_rrset rrset = find_rrset(edit, type);
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = {0};
	for (unsigned i = 0; i < rrset.rr_cnt; i++)
		rr = stele_node_rr_next(&p);
	sign(change, &rrset);
	*ret_len = rr.rdata_len;
	return (uint8_t *)(uintptr_t)rr.rdata;
}

void change_set_subject(struct change *change, const uint8_t *key, size_t key_len)
{
	int len = stele_sort_key_to_name(key, key_len, change->subject);
	memcpy(change->subject + len, change->info.apex, change->info.apex_len);
}

/* ---- walks ---- */

struct stele_store_cursor *change_walk(struct change *change)
{
	uint8_t from[3];
	for (int i = 0; i < 3; i++)
		from[i] = (uint8_t)('a' + gen_rng_below(&change->rng, 24));
	struct stele_error err;
	struct stele_store_cursor *cursor;
	if (stele_store_cursor_open(change->read, STELE_STORE_NODES, change->info.id, from,
				    sizeof(from), NULL, 0, &cursor, &err) < 0)
		change_fail(err.text);
	return cursor;
}

struct stele_store_item change_next(struct stele_store_cursor *cursor)
{
	struct stele_store_item item;
	struct stele_error err;
	if (stele_store_cursor_next(cursor, &item, &err) != 1)
		change_fail("found nothing to change behind this place; another seed may help");
	return item;
}

bool change_is_host(const struct stele_store_item *item)
{
	struct stele_node_rrset a;
	return stele_node_find(item->node, item->node_sz, STELE_TYPE_A, &a) && a.rr_cnt == 1 &&
	       item->key_len >= 6 && memcmp(item->key, "shared", 6) != 0 &&
	       memcmp(item->key + item->key_len - 2, "*", 2) != 0;
}

/* ---- new nodes ---- */

void change_put(struct change_edit *edit, const void *bytes, size_t sz)
{
	memcpy(edit->node + edit->node_sz, bytes, sz);
	edit->node_sz += sz;
}

static void put_rr(struct change_edit *edit, const void *rdata, size_t rdata_len)
{
	uint8_t len[2];
	stele_put_le16(len, (uint16_t)rdata_len);
	change_put(edit, len, sizeof(len));
	change_put(edit, rdata, rdata_len);
}

void change_put_rrset(struct change *change, struct change_edit *edit, uint16_t type,
		      const void *rdata, size_t rdata_len, unsigned labels)
{
	uint8_t head[STELE_NODE_RRSET_HEAD_SZ] = {0};
	size_t at = edit->node_sz;
	change_put(edit, head, sizeof(head));
	put_rr(edit, rdata, rdata_len);
	if (labels > 0) {
		uint8_t sig[18 + STELE_NAME_MAX + CHANGE_SIGNATURE_SZ] = {0};
		stele_put_be16(sig, type);
		sig[2] = 13;
		sig[3] = (uint8_t)labels;
		stele_put_be32(sig + 4, 3600);
		stele_put_be32(sig + 8, 2145916800);
		stele_put_be32(sig + 12, 1704067200);
		memcpy(sig + 18, change->info.apex, change->info.apex_len);
		size_t len = 18u + change->info.apex_len;
		gen_rng_fill(&change->rng, sig + len, CHANGE_SIGNATURE_SZ);
		put_rr(edit, sig, len + CHANGE_SIGNATURE_SZ);
	}
	stele_put_le16(edit->node + at, type);
	stele_put_le16(edit->node + at + 2, 1);
	stele_put_le32(edit->node + at + 4, 3600);
	stele_put_le16(edit->node + at + 8, labels > 0);
	stele_put_le32(edit->node + at + 12,
		       (uint32_t)(edit->node_sz - at - STELE_NODE_RRSET_HEAD_SZ));
}
