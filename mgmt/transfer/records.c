/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/records.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/rrtype.h"

#include <string.h>

static void begin(struct stele_node_walk *walk, const uint8_t *node, size_t node_sz)
{
	walk->node = node;
	walk->node_sz = node_sz;
	walk->at = 0;
	walk->left_cnt = 0;
}

bool stele_node_walk_item(struct stele_node_walk *walk, enum stele_store_table table,
			  const struct stele_store_item *item, const uint8_t *apex, size_t apex_len)
{
	int len = 1 + STELE_NSEC3_LABEL_SZ;
	if (table == STELE_STORE_NSEC3) {
		if (item->key_len != STELE_NSEC3_HASH_SZ)
			return false;
		walk->owner[0] = STELE_NSEC3_LABEL_SZ;
		stele_base32hex_encode(item->key, walk->owner + 1);
	} else {
		len = stele_sort_key_to_name(item->key, item->key_len, walk->owner);
	}
	if (len < 0 || (size_t)len + apex_len > STELE_NAME_MAX)
		return false;
	memcpy(walk->owner + len, apex, apex_len);
	walk->owner_len = (size_t)len + apex_len;
	begin(walk, item->node, item->node_sz);
	return true;
}

bool stele_node_walk_next(struct stele_node_walk *walk, struct stele_out_record *ret_record)
{
	while (walk->left_cnt == 0) {
		if (!stele_node_next(walk->node, walk->node_sz, &walk->at, &walk->rrset))
			return false;
		walk->p = walk->rrset.data;
		walk->left_cnt = (uint32_t)walk->rrset.rr_cnt + walk->rrset.sig_cnt;
	}
	struct stele_node_rr rr = stele_node_rr_next(&walk->p);
	bool is_sig = walk->left_cnt <= walk->rrset.sig_cnt;
	walk->left_cnt--;
	*ret_record = (struct stele_out_record){
		.owner = walk->owner,
		.owner_len = walk->owner_len,
		.type = is_sig ? STELE_TYPE_RRSIG : walk->rrset.type,
		.ttl = walk->rrset.ttl,
		.rdata = rr.rdata,
		.rdlen = rr.rdata_len,
	};
	return true;
}

int stele_run_walk_next(struct stele_run_walk *run, struct stele_node_walk *ret_walk)
{
	size_t left = run->run_sz - run->at;
	if (left == 0)
		return 0;
	const uint8_t *p = run->run + run->at;
	size_t owner_len = left >= 2 ? stele_get_le16(p) : 0;
	if (owner_len == 0 || owner_len > STELE_NAME_MAX || left < 2 + owner_len + 4 ||
	    stele_name_length(p + 2, owner_len) != owner_len)
		return STELE_E_SYSTEM;
	size_t node_sz = stele_get_le32(p + 2 + owner_len);
	if (node_sz > left - (2 + owner_len + 4))
		return STELE_E_SYSTEM;
	memcpy(ret_walk->owner, p + 2, owner_len);
	ret_walk->owner_len = owner_len;
	begin(ret_walk, p + 2 + owner_len + 4, node_sz);
	run->at += 2 + owner_len + 4 + node_sz;
	return 1;
}
