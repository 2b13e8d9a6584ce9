/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nests: LMDB's nested transactions, and beside each a copy of what the write keeps in memory, to go back
 * to. The list of changes in memory is less than a chunk.
 */
#include "lib/store/internal.h"

#include <errno.h>
#include <stdlib.h>

struct store_nest {
	struct store_nest *around;
	MDB_txn *txn; /* the one around this nest */
	uint32_t next_zone_id;
	uint64_t changes_from, changes_sz;
	struct store_buffer changes;
	uint32_t chunk_cnt;
	bool changed, failed;
};

int stele_store_write_nest(struct stele_store_write *write, struct stele_error *reterr)
{
	struct store_nest *nest = calloc(1, sizeof(*nest));
	MDB_txn *txn = NULL;
	int rc = nest == NULL ? ENOMEM : 0;
	if (rc == 0 && write->changes.sz > 0 &&
	    !store_buffer_add(&nest->changes, write->changes.data, write->changes.sz))
		rc = ENOMEM;
	if (rc == 0)
		rc = mdb_txn_begin(write->store->env, write->txn, 0, &txn);
	if (rc != 0) {
		if (nest != NULL)
			store_buffer_free(&nest->changes);
		free(nest);
		return store_fail(write->store, reterr, rc, "cannot begin a part of a write");
	}
	nest->around = write->nest;
	nest->txn = write->txn;
	nest->next_zone_id = write->next_zone_id;
	nest->changes_from = write->changes_from;
	nest->changes_sz = write->changes_sz;
	nest->chunk_cnt = write->chunk_cnt;
	nest->changed = write->changed;
	nest->failed = write->failed;
	write->nest = nest;
	write->txn = txn;
	return 0;
}

/* Takes the innermost nest off. */
static void leave(struct stele_store_write *write)
{
	struct store_nest *nest = write->nest;
	write->txn = nest->txn;
	write->nest = nest->around;
	store_buffer_free(&nest->changes);
	free(nest);
}

static void undo(struct stele_store_write *write)
{
	struct store_nest *nest = write->nest;
	write->next_zone_id = nest->next_zone_id;
	write->changes_from = nest->changes_from;
	write->changes_sz = nest->changes_sz;
	struct store_buffer changes = write->changes;
	write->changes = nest->changes;
	nest->changes = changes;
	write->chunk_cnt = nest->chunk_cnt;
	write->changed = nest->changed;
	write->failed = nest->failed;
	leave(write);
}

int stele_store_nest_commit(struct stele_store_write *write, struct stele_error *reterr)
{
	if (write->nest == NULL)
		return stele_fail(reterr, STELE_E_USAGE,
				  "store %s: no part of a write is under way", write->store->dir);
	if (write->failed) {
		stele_store_nest_abort(write);
		return stele_fail(reterr, STELE_E_USAGE,
				  "store %s: a part of a write that failed cannot be committed",
				  write->store->dir);
	}
	int rc = mdb_txn_commit(write->txn);
	if (rc != 0) {
		undo(write);
		write->failed =
			true; /* LMDB leaves the transaction around it in an unknown state */
		return store_fail(write->store, reterr, rc, "cannot end a part of a write");
	}
	leave(write);
	return 0;
}

void stele_store_nest_abort(struct stele_store_write *write)
{
	if (write->nest == NULL)
		return;
	mdb_txn_abort(write->txn);
	undo(write);
}

void store_nests_abort(struct stele_store_write *write)
{
	while (write->nest != NULL)
		stele_store_nest_abort(write);
}
