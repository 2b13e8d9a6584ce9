/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/zones/state_env.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Address space; 300,000 rows take about 100 MB. */
#define MAP_SZ ((size_t)4 << 30)

struct state_env {
	char *dir;
	MDB_dbi dbi;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	MDB_env *mdb;        /* NULL: it could not be opened again */
	unsigned reader_cnt; /* transactions that read */
	bool writes;         /* one that writes is under way: who reads does not open it again */
};

int state_env_fail(struct stele_error *reterr, int rc, const char *what)
{
	bool damaged = rc == MDB_CORRUPTED || rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH ||
		       rc == MDB_PAGE_NOTFOUND;
	return stele_fail(reterr, damaged ? STELE_E_INPUT : STELE_E_SYSTEM,
			  "state of zones: %s: %s%s", what, mdb_strerror(rc),
			  damaged ? " (without its files primaries are asked anew)" : "");
}

/* ---- opening ---- */

static int open_mdb(struct state_env *env)
{
	MDB_txn *txn;
	int rc = mdb_env_create(&env->mdb);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env->mdb, MAP_SZ);
	if (rc == 0)
		rc = mdb_env_open(env->mdb, env->dir, MDB_NOTLS | MDB_NORDAHEAD, 0640);
	if (rc == 0)
		rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
	if (rc == 0) {
		rc = mdb_dbi_open(txn, NULL, 0, &env->dbi);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc != 0) {
		mdb_env_close(env->mdb);
		env->mdb = NULL;
	}
	return rc;
}

/* With the lock held and no transaction under way. */
static int open_again(struct state_env *env)
{
	mdb_env_close(env->mdb);
	env->mdb = NULL;
	int rc = open_mdb(env);
	pthread_cond_broadcast(&env->changed);
	return rc;
}

int state_env_open(const char *dir, struct state_env **ret_env, struct stele_error *reterr)
{
	struct state_env *env = calloc(1, sizeof(*env));
	if (env != NULL)
		env->dir = strdup(dir);
	if (env == NULL || env->dir == NULL) {
		free(env);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the state of zones");
	}
	pthread_mutex_init(&env->lock, NULL);
	pthread_cond_init(&env->changed, NULL);
	int rc = open_mdb(env);
	if (rc != 0) {
		state_env_close(env);
		return state_env_fail(reterr, rc, dir);
	}
	*ret_env = env;
	return 0;
}

void state_env_close(struct state_env *env)
{
	if (env == NULL)
		return;
	mdb_env_close(env->mdb);
	pthread_cond_destroy(&env->changed);
	pthread_mutex_destroy(&env->lock);
	free(env->dir);
	free(env);
}

MDB_dbi state_env_dbi(const struct state_env *env)
{
	return env->dbi;
}

/* ---- transactions ---- */

/* MDB_PANIC: it wants to be opened again. */
static int begin(const struct state_env *env, unsigned flags, MDB_txn **ret_txn)
{
	return env->mdb != NULL ? mdb_txn_begin(env->mdb, NULL, flags, ret_txn) : MDB_PANIC;
}

int state_env_read_begin(struct state_env *env, MDB_txn **ret_txn)
{
	int rc;
	pthread_mutex_lock(&env->lock);
	/* Who reads already must not wait for the writer, who waits until nobody reads. */
	while ((rc = begin(env, MDB_RDONLY, ret_txn)) == MDB_PANIC && env->writes &&
	       env->reader_cnt == 0)
		pthread_cond_wait(&env->changed, &env->lock);
	if (rc == MDB_PANIC && env->reader_cnt == 0) {
		rc = open_again(env);
		if (rc == 0)
			rc = begin(env, MDB_RDONLY, ret_txn);
	}
	env->reader_cnt += rc == 0;
	pthread_mutex_unlock(&env->lock);
	return rc;
}

void state_env_read_end(struct state_env *env, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	pthread_mutex_lock(&env->lock);
	env->reader_cnt--;
	pthread_cond_broadcast(&env->changed);
	pthread_mutex_unlock(&env->lock);
}

static void set_writes(struct state_env *env, bool writes)
{
	pthread_mutex_lock(&env->lock);
	env->writes = writes;
	pthread_cond_broadcast(&env->changed);
	pthread_mutex_unlock(&env->lock);
}

int state_env_write_begin(struct state_env *env, MDB_txn **ret_txn)
{
	set_writes(env, true);
	int rc = begin(env, 0, ret_txn);
	if (rc == MDB_PANIC) {
		pthread_mutex_lock(&env->lock);
		while (env->reader_cnt > 0)
			pthread_cond_wait(&env->changed, &env->lock);
		rc = open_again(env);
		pthread_mutex_unlock(&env->lock);
		if (rc == 0)
			rc = begin(env, 0, ret_txn);
	}
	if (rc != 0)
		set_writes(env, false);
	return rc;
}

int state_env_commit(struct state_env *env, MDB_txn *txn)
{
	int rc = mdb_txn_commit(txn);
	set_writes(env, false);
	return rc;
}

void state_env_abort(struct state_env *env, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	set_writes(env, false);
}
