/* SPDX-License-Identifier: Apache-2.0 */
/* Some owners of a zone changed, the others untouched. */
#include "lib/store/zone_change.h"

#include <errno.h>

static bool ascends(const struct stele_store_edit *a, const struct stele_store_edit *b)
{
	if (a->table != b->table)
		return a->table < b->table;
	if (a->key_len == 0 || b->key_len == 0)
		return a->key_len < b->key_len; /* the apex, of which the key may be NULL */
	return stele_sort_key_compare(a->key, a->key_len, b->key, b->key_len) < 0;
}

/* All are checked before the first is written. */
static int check_edits(struct store_zone_change *change, const struct stele_store_edit *edits,
		       size_t cnt, struct stele_error *reterr)
{
	for (size_t i = 0; i < cnt; i++) {
		const struct stele_store_edit *e = &edits[i];
		struct stele_store_item item = {e->key, e->key_len, e->node, e->node_sz};
		int status = store_zone_change_check(change, e->table, &item, reterr);
		if (status != 0)
			return status;
		if (i > 0 && !ascends(&edits[i - 1], e))
			return store_zone_change_fail(change, reterr,
						      "owners are not in ascending order");
	}
	return 0;
}

static int apply(struct store_zone_change *change, const struct stele_store_edit *edit)
{
	MDB_txn *txn = change->write->txn;
	MDB_dbi dbi =
		change->write->store
			->dbs[edit->table == STELE_STORE_NSEC3 ? STORE_DB_NSEC3 : STORE_DB_NODES];
	uint8_t bytes[STORE_KEY_MAX];
	stele_put_be32(bytes, change->id);
	if (edit->key_len > 0)
		memcpy(bytes + STORE_ZONE_PREFIX_SZ, edit->key, edit->key_len);
	MDB_val key = {STORE_ZONE_PREFIX_SZ + edit->key_len, bytes}, old;
	int rc = mdb_get(txn, dbi, &key, &old);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	bool is_there = rc == 0;
	if (edit->node_sz == 0) {
		if (!is_there)
			return 0;
		if (!store_zone_change_note(change, edit->table, edit->key, edit->key_len, &old,
					    NULL))
			return ENOMEM;
		return mdb_del(txn, dbi, &key, NULL);
	}
	if (is_there && old.mv_size == edit->node_sz &&
	    memcmp(old.mv_data, edit->node, edit->node_sz) == 0)
		return 0;
	struct stele_store_item new = {edit->key, edit->key_len, edit->node, edit->node_sz};
	if (!store_zone_change_note(change, edit->table, edit->key, edit->key_len,
				    is_there ? &old : NULL, &new))
		return ENOMEM;
	MDB_val value = {edit->node_sz, (void *)(uintptr_t)edit->node};
	return mdb_put(txn, dbi, &key, &value, 0);
}

int stele_store_zone_edit(struct stele_store_write *write, const uint8_t *apex,
			  const struct stele_store_edit *edits, size_t cnt,
			  struct stele_zone_info *ret_info, struct stele_error *reterr)
{
	struct store_zone_change change;
	int status = store_zone_change_begin(&change, write, apex, reterr);
	if (status == 0 &&
	    change.is_new) /* tells that it is not there, and the write stays sound */
		return store_zone_get(write->store, write->txn, apex, &change.record, reterr);
	if (status == 0)
		status = check_edits(&change, edits, cnt, reterr);
	if (status == 0 && !change.has_soa)
		status = store_zone_change_fail(&change, reterr, "there is no SOA at its apex");
	int rc = 0;
	for (size_t i = 0; status == 0 && rc == 0 && i < cnt; i++)
		rc = apply(&change, &edits[i]);
	if (rc != 0)
		status = store_fail(write->store, reterr, rc, "cannot write");
	if (status == 0)
		status = store_zone_change_finish(&change, ret_info, reterr);
	store_zone_change_free(&change);
	if (status != 0)
		write->failed = true;
	return status;
}
