/* SPDX-License-Identifier: Apache-2.0 */
/* Zones that are known but not to be served: expired ones, and stubs. And where a zone came from. */
#include "lib/store/zone_change.h"

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <errno.h>

static int set_flag(struct stele_store_write *write, const uint8_t *apex, uint8_t flag, bool set,
		    struct stele_error *reterr)
{
	struct store_zone_change change;
	int status = store_zone_change_begin(&change, write, apex, reterr);
	if (status == 0 &&
	    change.is_new) /* tells that it is not there, and the write stays sound */
		return store_zone_get(write->store, write->txn, apex, &change.record, reterr);
	if (status == 0) {
		bool stays = flag == STELE_STORE_ZONE_EXPIRED &&
			     (change.record.flags & STELE_STORE_ZONE_STUB) != 0;
		change.flags = change.record.flags;
		if (set)
			change.flags |= flag;
		else if (!stays)
			change.flags &= (uint8_t)~flag;
		status = store_zone_change_finish(&change, NULL, reterr);
	}
	store_zone_change_free(&change);
	if (status != 0)
		write->failed = true;
	return status;
}

int stele_store_zone_set_expired(struct stele_store_write *write, const uint8_t *apex, bool expired,
				 struct stele_error *reterr)
{
	return set_flag(write, apex, STELE_STORE_ZONE_EXPIRED, expired, reterr);
}

int stele_store_zone_set_transferred(struct stele_store_write *write, const uint8_t *apex,
				     bool transferred, struct stele_error *reterr)
{
	return set_flag(write, apex, STELE_STORE_ZONE_TRANSFERRED, transferred, reterr);
}

/*
 * What an image wants at an apex, made up: one NS with the root's name, and a SOA with it twice, serial 0,
 * and times that nobody reads.
 */
enum {
	STUB_NS_SZ = 1,
	STUB_SOA_SZ = 22,
	STUB_NODE_SZ = 2 * (STELE_NODE_RRSET_HEAD_SZ + 2) + STUB_NS_SZ + STUB_SOA_SZ,
};

static uint8_t *put_rrset(uint8_t *to, uint16_t type, uint16_t rdata_sz)
{
	stele_put_le16(to, type);
	stele_put_le16(to + 2, 1);
	stele_put_le32(to + 12, 2u + rdata_sz);
	stele_put_le16(to + STELE_NODE_RRSET_HEAD_SZ, rdata_sz);
	return to + STELE_NODE_RRSET_HEAD_SZ + 2 + rdata_sz;
}

static void make_node(uint8_t node[STUB_NODE_SZ])
{
	memset(node, 0, STUB_NODE_SZ);
	uint8_t *soa = put_rrset(node, STELE_TYPE_NS, STUB_NS_SZ);
	put_rrset(soa, STELE_TYPE_SOA, STUB_SOA_SZ);
}

int stele_store_zone_stub(struct stele_store_write *write, const uint8_t *apex,
			  struct stele_error *reterr)
{
	struct store_zone_change change;
	int status = store_zone_change_begin(&change, write, apex, reterr);
	if (status == 0 && change.is_new) {
		uint8_t node[STUB_NODE_SZ], bytes[STORE_ZONE_PREFIX_SZ];
		make_node(node);
		stele_put_be32(bytes, change.id);
		struct stele_store_item item = {bytes, 0, node, sizeof(node)};
		status = store_zone_change_check(&change, STELE_STORE_NODES, &item, reterr);
		MDB_val key = {sizeof(bytes), bytes}, value = {sizeof(node), node};
		int rc = ENOMEM;
		if (store_zone_change_note(&change, STELE_STORE_NODES, bytes, 0, NULL, &item))
			rc = mdb_put(write->txn, write->store->dbs[STORE_DB_NODES], &key, &value,
				     0);
		if (status == 0 && rc != 0)
			status = store_fail(write->store, reterr, rc, "cannot write");
		change.flags = STELE_STORE_ZONE_EXPIRED | STELE_STORE_ZONE_STUB;
		if (status == 0)
			status = store_zone_change_finish(&change, NULL, reterr);
	}
	store_zone_change_free(&change);
	if (status != 0)
		write->failed = true;
	return status;
}
