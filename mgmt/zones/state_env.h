/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_ZONES_STATE_ENV_H
#define STELE_MGMT_ZONES_STATE_ENV_H

/*
 * The LMDB environment in which the state of zones is kept, for state.c: one thread writes, another one reads.
 *
 * When LMDB cannot write the root of a commit (a full disk with copy-on-write, a disk that failed for a moment) it
 * begins no transaction any more, not even one that reads, until it is opened again. That is done here.
 */

#include "lib/base/error.h"

#include <lmdb.h>

struct state_env;

/* The directory is there; files are made if they are not. STELE_E_INPUT: what is in it is damaged; STELE_E_SYSTEM. */
int state_env_open(const char *dir, struct state_env **ret_env, struct stele_error *reterr);
void state_env_close(struct state_env *env); /* with no transaction under way; NULL is fine */

/* Says in *reterr what LMDB's `rc` means, and returns its status. */
int state_env_fail(struct stele_error *reterr, int rc, const char *what);

/* Of the database. Constant from the opening on. */
MDB_dbi state_env_dbi(const struct state_env *env);

/* By one thread, also one within another. If it returns 0, state_env_read_end() follows; else it is what LMDB says. */
int state_env_read_begin(struct state_env *env, MDB_txn **ret_txn);
void state_env_read_end(struct state_env *env, MDB_txn *txn);

/* One thread, which ends each with one of the other two. They return 0 or what LMDB says. */
int state_env_write_begin(struct state_env *env, MDB_txn **ret_txn);
int state_env_commit(struct state_env *env, MDB_txn *txn);
void state_env_abort(struct state_env *env, MDB_txn *txn);

#endif
