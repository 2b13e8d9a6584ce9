/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/internal.h"

#include <errno.h>
#include <stdlib.h>

static void end(struct stele_store_write *write)
{
	store_txn_ended(write->store);
	store_buffer_free(&write->changes);
	free(write);
}

int stele_store_write_begin(struct stele_store *store, struct stele_store_write **ret_write,
			    struct stele_error *reterr)
{
	if (store->mode != STELE_STORE_CREATE)
		return stele_fail(reterr, STELE_E_USAGE, "store %s is open for reading only",
				  store->dir);
	/* A reader that died keeps old pages from being used again, so the file would grow. */
	int cleared;
	pthread_mutex_lock(&store->lock);
	if (store->env != NULL)
		mdb_reader_check(store->env, &cleared);
	pthread_mutex_unlock(&store->lock);
	struct stele_store_write *write = calloc(1, sizeof(*write));
	if (write == NULL)
		return store_fail(store, reterr, ENOMEM, "cannot write");
	write->store = store;
	int status = store_txn_begin(store, 0, &write->txn, reterr);
	if (status != 0) {
		free(write);
		return status;
	}
	uint64_t generation = 0, next_zone_id = 0;
	int rc = store_meta_get(store, write->txn, STORE_META_GENERATION, &generation);
	if (rc == 0)
		rc = store_meta_get(store, write->txn, STORE_META_NEXT_ZONE_ID, &next_zone_id);
	if (rc == 0)
		rc = store_meta_get(store, write->txn, STORE_META_CHANGES_FROM,
				    &write->changes_from);
	if (rc == 0)
		rc = store_meta_get(store, write->txn, STORE_META_CHANGES_SZ, &write->changes_sz);
	if (rc == 0 && next_zone_id > UINT32_MAX)
		rc = MDB_CORRUPTED;
	if (rc != 0) {
		stele_store_abort(write);
		return store_fail(store, reterr, rc, "cannot read the generation");
	}
	write->generation = generation + 1;
	write->next_zone_id = (uint32_t)next_zone_id;
	write->view = (struct stele_store_read){store, write->txn, generation};
	status = store_changes_begin(write, reterr);
	if (status != 0) {
		stele_store_abort(write);
		return status;
	}
	*ret_write = write;
	return 0;
}

static int put_meta(struct stele_store_write *write)
{
	struct stele_store *store = write->store;
	int rc = store_meta_put(store, write->txn, STORE_META_GENERATION, write->generation);
	if (rc == 0)
		rc = store_meta_put(store, write->txn, STORE_META_NEXT_ZONE_ID,
				    write->next_zone_id);
	if (rc == 0)
		rc = store_meta_put(store, write->txn, STORE_META_CHANGES_FROM,
				    write->changes_from);
	if (rc == 0)
		rc = store_meta_put(store, write->txn, STORE_META_CHANGES_SZ, write->changes_sz);
	return rc;
}

int stele_store_commit(struct stele_store_write *write, uint64_t *ret_generation,
		       struct stele_error *reterr)
{
	struct stele_store *store = write->store;
	uint64_t generation = write->generation;
	int status = 0;
	if (write->nest != NULL) {
		store_nests_abort(write);
		write->failed = true;
	}
	if (write->failed)
		status = stele_fail(reterr, STELE_E_USAGE,
				    "store %s: a write that failed cannot be committed",
				    store->dir);
	if (status != 0 || !write->changed) {
		generation--;
		mdb_txn_abort(write->txn);
		goto out;
	}
	status = store_changes_finish(write, reterr);
	if (status != 0) {
		mdb_txn_abort(write->txn);
		goto out;
	}
	int rc = put_meta(write);
	if (rc == 0)
		rc = mdb_txn_commit(write->txn);
	else
		mdb_txn_abort(write->txn);
	if (rc != 0)
		status = store_fail(store, reterr, rc, "cannot commit");
out:
	end(write);
	if (status == 0 && ret_generation != NULL)
		*ret_generation = generation;
	return status;
}

void stele_store_abort(struct stele_store_write *write)
{
	if (write == NULL)
		return;
	store_nests_abort(write);
	mdb_txn_abort(write->txn);
	end(write);
}

struct stele_store_read *stele_store_write_view(struct stele_store_write *write)
{
	write->view.txn = write->txn;
	return &write->view;
}

int stele_store_write_node(struct stele_store_write *write, uint32_t zone_id,
			   enum stele_store_table table, const uint8_t *key, size_t key_len,
			   const uint8_t **ret_node, size_t *ret_node_sz,
			   struct stele_error *reterr)
{
	return stele_store_find(stele_store_write_view(write), table, zone_id, key, key_len,
				ret_node, ret_node_sz, reterr);
}

int store_delete_prefix(struct stele_store_write *write, enum store_db db, const uint8_t *prefix,
			size_t prefix_sz, uint64_t *ret_sz, struct stele_error *reterr)
{
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(write->txn, write->store->dbs[db], &cursor);
	if (rc != 0)
		return store_fail(write->store, reterr, rc, "cannot delete");
	MDB_val key = {prefix_sz, (void *)(uintptr_t)prefix}, value;
	uint64_t sz = 0;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && store_has_prefix(&key, prefix, prefix_sz)) {
		sz += value.mv_size;
		rc = mdb_cursor_del(cursor, 0);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_fail(write->store, reterr, rc, "cannot delete");
	if (ret_sz != NULL)
		*ret_sz = sz;
	return 0;
}

int stele_store_zone_remove(struct stele_store_write *write, const uint8_t *apex,
			    struct stele_error *reterr)
{
	struct store_zone_record record;
	int status = store_zone_get(write->store, write->txn, apex, &record, reterr);
	if (status != 0)
		return status;
	uint32_t id = stele_le32(record.id);
	uint8_t prefix[STORE_ZONE_PREFIX_SZ];
	stele_put_be32(prefix, id);
	static const enum store_db dbs[] = {STORE_DB_NODES, STORE_DB_NSEC3, STORE_DB_JOURNAL};
	for (unsigned i = 0; status == 0 && i < 3; i++)
		status = store_delete_prefix(write, dbs[i], prefix, sizeof(prefix), NULL, reterr);
	if (status != 0)
		goto out;
	uint8_t bytes[STORE_KEY_MAX];
	MDB_val key = {store_zone_key(apex, stele_name_length(apex, STELE_NAME_MAX), bytes), bytes};
	int rc = mdb_del(write->txn, write->store->dbs[STORE_DB_ZONES], &key, NULL);
	struct store_buffer run = {0};
	if (rc == 0 && !store_change_put(&run, STELE_CHANGE_ZONE_REMOVED, id, NULL, 0))
		rc = ENOMEM;
	status = rc == 0 ? store_changes_add(write, &run, reterr) :
			   store_fail(write->store, reterr, rc, "cannot remove a zone");
	store_buffer_free(&run);
out:
	if (status == 0)
		write->changed = true;
	else
		write->failed = true;
	return status;
}
