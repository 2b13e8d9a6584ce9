/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/node.h"

#include "lib/base/bytes.h"

#include <string.h>

bool stele_node_next(const uint8_t *node, size_t node_sz, size_t *at,
		     struct stele_node_rrset *ret_rrset)
{
	if (*at >= node_sz)
		return false;
	const uint8_t *p = node + *at;
	ret_rrset->type = stele_get_le16(p);
	ret_rrset->rr_cnt = stele_get_le16(p + 2);
	ret_rrset->ttl = stele_get_le32(p + 4);
	ret_rrset->sig_cnt = stele_get_le16(p + 8);
	ret_rrset->data_sz = stele_get_le32(p + 12);
	ret_rrset->data = p + STELE_NODE_RRSET_HEAD_SZ;
	*at += STELE_NODE_RRSET_HEAD_SZ + (size_t)ret_rrset->data_sz;
	return true;
}

bool stele_node_find(const uint8_t *node, size_t node_sz, uint16_t type,
		     struct stele_node_rrset *ret_rrset)
{
	struct stele_node_rrset rrset;
	for (size_t at = 0; stele_node_next(node, node_sz, &at, &rrset) && rrset.type <= type;) {
		if (rrset.type == type) {
			*ret_rrset = rrset;
			return true;
		}
	}
	return false;
}

size_t stele_node_put_rr(uint8_t *to, uint16_t type, uint32_t ttl, const void *rdata,
			 size_t rdata_len)
{
	memset(to, 0, STELE_NODE_RRSET_HEAD_SZ);
	stele_put_le16(to, type);
	stele_put_le16(to + 2, 1);
	stele_put_le32(to + 4, ttl);
	stele_put_le32(to + 12, (uint32_t)(2 + rdata_len));
	stele_put_le16(to + STELE_NODE_RRSET_HEAD_SZ, (uint16_t)rdata_len);
	memcpy(to + STELE_NODE_RRSET_HEAD_SZ + 2, rdata, rdata_len);
	return STELE_NODE_RRSET_HEAD_SZ + 2 + rdata_len;
}

bool stele_node_check(const uint8_t *node, size_t node_sz)
{
	int last_type = -1;
	for (size_t at = 0; at < node_sz;) {
		if (node_sz - at < STELE_NODE_RRSET_HEAD_SZ)
			return false;
		struct stele_node_rrset rrset;
		size_t data_at = at + STELE_NODE_RRSET_HEAD_SZ;
		stele_node_next(node, node_sz, &at, &rrset);
		size_t record_cnt = (size_t)rrset.rr_cnt + rrset.sig_cnt;
		if (rrset.type <= last_type || record_cnt == 0 ||
		    stele_get_le16(rrset.data - 6) != 0 || rrset.data_sz > node_sz - data_at)
			return false;
		last_type = rrset.type;
		size_t left = rrset.data_sz;
		const uint8_t *p = rrset.data;
		for (; record_cnt > 0; record_cnt--) {
			if (left < 2 || left - 2 < stele_get_le16(p))
				return false;
			struct stele_node_rr rr = stele_node_rr_next(&p);
			left -= 2u + rr.rdata_len;
		}
		if (left != 0)
			return false;
	}
	return true;
}
