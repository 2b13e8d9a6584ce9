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

static void make_node(uint8_t node[STUB_NODE_SZ])
{
	static const uint8_t zeros[STUB_SOA_SZ];
	size_t ns_sz = stele_node_put_rr(node, STELE_TYPE_NS, 0, zeros, STUB_NS_SZ);
	stele_node_put_rr(node + ns_sz, STELE_TYPE_SOA, 0, zeros, STUB_SOA_SZ);
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
