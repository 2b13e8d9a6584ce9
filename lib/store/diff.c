/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/diff.h"

#include "lib/base/bytes.h"
#include "lib/store/node.h"

#include <stdlib.h>
#include <string.h>

struct record {
	struct stele_node_rr rr;
	bool is_sig;
	bool matched;
};

static int compare(const struct record *x, const struct record *y)
{
	if (x->is_sig != y->is_sig)
		return x->is_sig ? 1 : -1;
	if (x->rr.rdata_len != y->rr.rdata_len)
		return x->rr.rdata_len < y->rr.rdata_len ? -1 : 1;
	return memcmp(x->rr.rdata, y->rr.rdata, x->rr.rdata_len);
}

static int compare_pointers(const void *a, const void *b)
{
	return compare(*(struct record *const *)a, *(struct record *const *)b);
}

static size_t record_cnt(const struct stele_node_rrset *rrset)
{
	return (size_t)rrset->rr_cnt + rrset->sig_cnt;
}

/* `sorted` points at the records in an order in which equal sets stand alike. */
static void list(const struct stele_node_rrset *rrset, struct record *records,
		 struct record **sorted)
{
	const uint8_t *p = rrset->data;
	size_t cnt = record_cnt(rrset);
	for (size_t i = 0; i < cnt; i++) {
		records[i] = (struct record){stele_node_rr_next(&p), i >= rrset->rr_cnt, false};
		sorted[i] = &records[i];
	}
	qsort(sorted, cnt, sizeof(*sorted), compare_pointers);
}

static bool add_whole(struct store_buffer *to, const struct stele_node_rrset *rrset)
{
	return store_buffer_add(to, rrset->data - STELE_NODE_RRSET_HEAD_SZ,
				STELE_NODE_RRSET_HEAD_SZ + (size_t)rrset->data_sz);
}

/* Appends an RRset of those records of `rrset` that have no match in the other one. */
static bool add_unmatched(struct store_buffer *to, const struct stele_node_rrset *rrset,
			  const struct record *records)
{
	uint16_t rr_cnt = 0, sig_cnt = 0;
	uint32_t data_sz = 0;
	for (size_t i = 0; i < record_cnt(rrset); i++) {
		if (records[i].matched)
			continue;
		if (records[i].is_sig)
			sig_cnt++;
		else
			rr_cnt++;
		data_sz += 2u + records[i].rr.rdata_len;
	}
	if (data_sz == 0)
		return true;
	uint8_t *p = store_buffer_take(to, STELE_NODE_RRSET_HEAD_SZ + (size_t)data_sz);
	if (p == NULL)
		return false;
	stele_put_le16(p, rrset->type);
	stele_put_le16(p + 2, rr_cnt);
	stele_put_le32(p + 4, rrset->ttl);
	stele_put_le16(p + 8, sig_cnt);
	stele_put_le16(p + 10, 0);
	stele_put_le32(p + 12, data_sz);
	p += STELE_NODE_RRSET_HEAD_SZ;
	for (size_t i = 0; i < record_cnt(rrset); i++) {
		if (records[i].matched)
			continue;
		size_t sz = 2u + records[i].rr.rdata_len;
		memcpy(p, records[i].rr.rdata - 2, sz);
		p += sz;
	}
	return true;
}

static bool diff_rrsets(const struct stele_node_rrset *old, const struct stele_node_rrset *new,
			struct store_buffer *removed, struct store_buffer *added)
{
	if (old->ttl != new->ttl)
		return add_whole(removed, old) && add_whole(added, new);
	if (old->rr_cnt == new->rr_cnt &&
	    old->data_sz == new->data_sz &&memcmp(old->data, new->data, old->data_sz) == 0)
		return true;
	size_t old_cnt = record_cnt(old), new_cnt = record_cnt(new);
	struct record *records = calloc(old_cnt + new_cnt, sizeof(*records));
	struct record **sorted = calloc(old_cnt + new_cnt, sizeof(struct record *));
	bool done = false;
	if (records == NULL || sorted == NULL)
		goto out;
	list(old, records, sorted);
	list(new, records + old_cnt, sorted + old_cnt);
	for (size_t i = 0, k = 0; i < old_cnt && k < new_cnt;) {
		int order = compare(sorted[i], sorted[old_cnt + k]);
		if (order == 0)
			sorted[i]->matched = sorted[old_cnt + k]->matched = true;
		i += order <= 0;
		k += order >= 0;
	}
	done = add_unmatched(removed, old, records) && add_unmatched(added, new, records + old_cnt);
out:
	free(sorted);
	free(records);
	return done;
}

bool store_diff(const uint8_t *old, size_t old_sz, const uint8_t *new, size_t new_sz,
		struct store_buffer *removed, struct store_buffer *added)
{
	struct stele_node_rrset a = {0}, b = {0};
	size_t old_at = 0, new_at = 0;
	bool have_a = stele_node_next(old, old_sz, &old_at, &a);
	bool have_b = stele_node_next(new, new_sz, &new_at, &b);
	while (have_a || have_b) {
		bool take_a = have_a && (!have_b || a.type <= b.type);
		bool take_b = have_b && (!have_a || b.type <= a.type);
		bool done = take_a && take_b ? diff_rrsets(&a, &b, removed, added) :
			    take_a           ? add_whole(removed, &a) :
					       add_whole(added, &b);
		if (!done)
			return false;
		if (take_a)
			have_a = stele_node_next(old, old_sz, &old_at, &a);
		if (take_b)
			have_b = stele_node_next(new, new_sz, &new_at, &b);
	}
	return true;
}
