/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zonemd/zonemd.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "mgmt/transfer/fetch.h"

#include <string.h>

/* ZONEMD records of an apex that are looked at: there is one for each algorithm, and two of those. */
#define RECORDS_MAX 16

/* The zone in the order in which it is digested: two tables, merged by the owner's key. */
struct walk {
	const uint8_t *apex;
	size_t apex_len;
	struct stele_zonemd *zonemd;
	struct stele_store_cursor *nodes, *nsec3;
	struct stele_store_item node, chain; /* the next of each */
	bool has_node, has_chain;
	uint8_t chain_key[STELE_NSEC3_LABEL_SZ + 1]; /* of the NSEC3 owner's name */
};

static int next_node(struct walk *walk, struct stele_error *reterr)
{
	int got = stele_store_cursor_next(walk->nodes, &walk->node, reterr);
	walk->has_node = got > 0;
	return got < 0 ? got : 0;
}

/* The sort key of the one label that is the hash: no digit has two bytes there. */
static int next_chain(struct walk *walk, struct stele_error *reterr)
{
	int got = stele_store_cursor_next(walk->nsec3, &walk->chain, reterr);
	walk->has_chain = got > 0;
	if (got > 0)
		stele_base32hex_encode(walk->chain.key, walk->chain_key);
	return got < 0 ? got : 0;
}

/* RRsets of up to two nodes of one owner, by type. */
struct rrsets {
	const struct stele_store_item *items[2]; /* NULL: none */
	size_t at[2];
	struct stele_node_rrset next[2];
	bool has[2];
};

static void take(struct rrsets *rrsets, unsigned i)
{
	const struct stele_store_item *item = rrsets->items[i];
	rrsets->has[i] = item != NULL && stele_node_next(item->node, item->node_sz, &rrsets->at[i],
							 &rrsets->next[i]);
}

static void rewind_rrsets(struct rrsets *rrsets)
{
	for (unsigned i = 0; i < 2; i++) {
		rrsets->at[i] = 0;
		take(rrsets, i);
	}
}

static bool next_rrset(struct rrsets *rrsets, struct stele_node_rrset *ret_rrset)
{
	if (!rrsets->has[0] && !rrsets->has[1])
		return false;
	unsigned i = !rrsets->has[0] ||
		     (rrsets->has[1] && rrsets->next[1].type < rrsets->next[0].type);
	*ret_rrset = rrsets->next[i];
	take(rrsets, i);
	return true;
}

/* Records of types in a range, or all signatures. */
static int digest_records(struct walk *walk, struct rrsets *rrsets, const uint8_t *owner,
			  size_t owner_len, uint16_t from, uint16_t to)
{
	struct stele_node_rrset rrset;
	bool sigs = from == STELE_TYPE_RRSIG;
	rewind_rrsets(rrsets);
	while (next_rrset(rrsets, &rrset)) {
		if (!sigs && (rrset.type < from || rrset.type > to))
			continue;
		const uint8_t *p = rrset.data;
		for (uint32_t i = 0; i < (uint32_t)rrset.rr_cnt + rrset.sig_cnt; i++) {
			struct stele_node_rr rr = stele_node_rr_next(&p);
			bool is_sig = i >= rrset.rr_cnt;
			if (is_sig != sigs)
				continue;
			int status = stele_zonemd_add(walk->zonemd, owner, owner_len,
						      is_sig ? STELE_TYPE_RRSIG : rrset.type,
						      rrset.ttl, rr.rdata, rr.rdata_len);
			if (status < 0)
				return status;
		}
	}
	return 0;
}

/* Signatures stand with what they sign in the store, but among the types in the digest. */
static int digest_owner(struct walk *walk, const uint8_t *key, size_t key_len,
			const struct stele_store_item *node, const struct stele_store_item *chain)
{
	uint8_t owner[2 * STELE_NAME_MAX];
	int len = stele_sort_key_to_name(key, key_len, owner);
	if (len < 0 || (size_t)len + walk->apex_len > STELE_NAME_MAX)
		return STELE_E_INPUT;
	memcpy(owner + len, walk->apex, walk->apex_len);
	size_t owner_len = (size_t)len + walk->apex_len;
	struct rrsets rrsets = {.items = {node, chain}};
	int status = digest_records(walk, &rrsets, owner, owner_len, 0, STELE_TYPE_RRSIG - 1);
	if (status == 0)
		status = digest_records(walk, &rrsets, owner, owner_len, STELE_TYPE_RRSIG,
					STELE_TYPE_RRSIG);
	if (status == 0)
		status = digest_records(walk, &rrsets, owner, owner_len, STELE_TYPE_RRSIG + 1,
					UINT16_MAX);
	return status;
}

static int digest_zone(struct walk *walk, struct stele_error *reterr)
{
	int status = next_node(walk, reterr);
	if (status == 0)
		status = next_chain(walk, reterr);
	while (status == 0 && (walk->has_node || walk->has_chain)) {
		int order = !walk->has_chain ? -1 : !walk->has_node ? 1 : 0;
		if (walk->has_chain && walk->has_node)
			order = stele_sort_key_compare(walk->node.key, walk->node.key_len,
						       walk->chain_key, sizeof(walk->chain_key));
		bool takes_node = order <= 0, takes_chain = order >= 0;
		if (digest_owner(walk, takes_node ? walk->node.key : walk->chain_key,
				 takes_node ? walk->node.key_len : sizeof(walk->chain_key),
				 takes_node ? &walk->node : NULL,
				 takes_chain ? &walk->chain : NULL) < 0)
			return stele_fail(reterr, STELE_E_SYSTEM, "the zone cannot be digested");
		if (takes_node)
			status = next_node(walk, reterr);
		if (status == 0 && takes_chain)
			status = next_chain(walk, reterr);
	}
	return status;
}

static int verify(struct stele_store_read *read, const struct stele_zone_info *info,
		  const struct stele_zonemd_rr *rrs, size_t cnt, unsigned algorithms,
		  struct stele_error *reterr)
{
	struct walk walk = {.apex = info->apex, .apex_len = info->apex_len};
	int status =
		stele_zonemd_begin(info->apex, info->apex_len, algorithms, &walk.zonemd, reterr);
	if (status == 0)
		status = stele_store_cursor_open(read, STELE_STORE_NODES, info->id, NULL, 0, NULL,
						 0, &walk.nodes, reterr);
	if (status == 0)
		status = stele_store_cursor_open(read, STELE_STORE_NSEC3, info->id, NULL, 0, NULL,
						 0, &walk.nsec3, reterr);
	if (status == 0)
		status = digest_zone(&walk, reterr);
	if (status == 0 && stele_zonemd_finish(walk.zonemd) < 0)
		status = stele_fail(reterr, STELE_E_SYSTEM, "the zone cannot be digested");
	if (status == 0 && !stele_zonemd_matches(walk.zonemd, rrs, cnt, info->serial))
		status = stele_fail(reterr, STELE_E_INPUT,
				    "the zone does not have the digest of its ZONEMD");
	if (walk.nodes != NULL)
		stele_store_cursor_close(walk.nodes);
	if (walk.nsec3 != NULL)
		stele_store_cursor_close(walk.nsec3);
	stele_zonemd_free(walk.zonemd);
	return status;
}

/* A scheme and an algorithm that are known: such a record must not be passed over. */
static bool is_known(const struct stele_zonemd_rr *rr)
{
	return rr->len > 5 && rr->rdata[4] == STELE_ZONEMD_SCHEME_SIMPLE &&
	       (rr->rdata[5] == STELE_ZONEMD_SHA384 || rr->rdata[5] == STELE_ZONEMD_SHA512);
}

int refresh_check_zonemd(struct stele_store_write *write, const uint8_t *apex,
			 enum stele_zonemd_mode mode, struct stele_error *reterr)
{
	struct stele_store_read *read = stele_store_write_view(write);
	struct stele_zone_info info;
	const uint8_t *node;
	size_t node_sz, cnt = 0;
	struct stele_node_rrset rrset;
	struct stele_zonemd_rr rrs[RECORDS_MAX];
	bool known = false;
	if (mode == STELE_ZONEMD_IGNORE)
		return 0;
	int status = stele_store_zone_find(read, apex, &info, reterr);
	if (status == 0)
		status = stele_store_node(read, info.id, NULL, 0, &node, &node_sz, reterr);
	if (status < 0)
		return status;
	if (stele_node_find(node, node_sz, STELE_TYPE_ZONEMD, &rrset)) {
		const uint8_t *p = rrset.data;
		for (; cnt < rrset.rr_cnt && cnt < RECORDS_MAX; cnt++) {
			struct stele_node_rr rr = stele_node_rr_next(&p);
			rrs[cnt] = (struct stele_zonemd_rr){rr.rdata, rr.rdata_len};
			known |= is_known(&rrs[cnt]);
		}
	}
	if (!known && mode == STELE_ZONEMD_IF_PRESENT)
		return 0;
	if (cnt == 0)
		return stele_fail(reterr, STELE_E_INPUT, "the zone has no ZONEMD");
	unsigned algorithms = stele_zonemd_usable(rrs, cnt, info.serial, reterr);
	if (algorithms == 0)
		return STELE_E_INPUT;
	return verify(read, &info, rrs, cnt, algorithms, reterr);
}
