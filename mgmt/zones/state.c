/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row is what stands in `struct row`, then three texts behind one another: the catalog's apex, the
 * member's node in it (both in wire format, empty if the zone is no member), and the group.
 *
 * A commit waits for the disk, which the main loop must not: rows are handed to a thread, which keeps a
 * transaction open from the first row to the next stele_zone_states_write().
 */
#include "mgmt/zones/state.h"

#include "lib/base/bytes.h"
#include "mgmt/loop/loop.h"
#include "mgmt/zones/state_env.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROW_VERSION 1
#define GROUP_MAX 255

enum { ROW_MEMBER = 1, ROW_PRIMARY_SERIAL = 2 };

struct row {
	uint8_t version;
	uint8_t flags;
	uint8_t catalog_len, unique_len, group_len;
	uint8_t zero[3];
	struct stele_le32 primary_serial, expire_s;
	struct stele_le64 refreshed_at, expires_at, next_refresh_at;
};
_Static_assert(sizeof(struct row) == 40, "the size of a row is its format");

#define ROW_MAX (sizeof(struct row) + 2 * STELE_NAME_MAX + GROUP_MAX)

struct stele_zone_states {
	struct state_env *env;
	struct stele_loop *loop; /* the thread that writes */
	bool dirty;              /* something was handed to it since it was told to commit */

	/* The thread's. */
	MDB_txn *txn; /* NULL: nothing written since the last commit */

	pthread_mutex_t lock;
	int failed; /* of LMDB: the first since it was last told */
};

/* What is handed to the thread: a row, or the end of one, or (no apex) the word to commit. */
struct change {
	struct stele_task task; /* first */
	struct stele_zone_states *states;
	uint8_t apex[STELE_NAME_MAX];
	uint8_t apex_len;
	size_t row_sz; /* 0: the row goes */
	uint8_t row[];
};

/* ---- the thread ---- */

static void remember_failure(struct stele_zone_states *states, int rc)
{
	pthread_mutex_lock(&states->lock);
	if (states->failed == 0)
		states->failed = rc;
	pthread_mutex_unlock(&states->lock);
}

static int apply(struct stele_zone_states *states, const struct change *change)
{
	MDB_val key = {change->apex_len, (void *)change->apex};
	MDB_val value = {change->row_sz, (void *)change->row};
	int rc = states->txn != NULL ? 0 : state_env_write_begin(states->env, &states->txn);
	if (rc == 0 && change->row_sz > 0)
		rc = mdb_put(states->txn, state_env_dbi(states->env), &key, &value, 0);
	else if (rc == 0)
		rc = mdb_del(states->txn, state_env_dbi(states->env), &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void run_change(struct stele_task *task)
{
	struct change *change = (struct change *)task;
	struct stele_zone_states *states = change->states;
	int rc = 0;
	if (change->apex_len > 0)
		rc = apply(states, change);
	else if (states->txn != NULL)
		rc = state_env_commit(states->env, states->txn);
	if (change->apex_len == 0)
		states->txn = NULL;
	if (rc != 0) {
		/* What came before in this transaction is lost with it; that may happen. */
		if (states->txn != NULL)
			state_env_abort(states->env, states->txn);
		states->txn = NULL;
		remember_failure(states, rc);
	}
	free(change);
}

/* ---- rows ---- */

static size_t put_row(const struct stele_managed_zone *zone, uint8_t to[ROW_MAX])
{
	size_t group_len = zone->catalog_group != NULL ? strlen(zone->catalog_group) : 0;
	size_t catalog_len = 0, unique_len = 0;
	struct row row = {.version = ROW_VERSION};
	if (zone->from_catalog) {
		row.flags |= ROW_MEMBER;
		catalog_len = stele_name_length(zone->catalog, STELE_NAME_MAX);
		unique_len = stele_name_length(zone->catalog_unique, STELE_NAME_MAX);
	}
	if (zone->primary_serial_known)
		row.flags |= ROW_PRIMARY_SERIAL;
	row.catalog_len = (uint8_t)catalog_len;
	row.unique_len = (uint8_t)unique_len;
	row.group_len = (uint8_t)(group_len <= GROUP_MAX ? group_len : GROUP_MAX);
	row.primary_serial = stele_to_le32(zone->primary_serial);
	row.expire_s = stele_to_le32(zone->expire_s);
	row.refreshed_at = stele_to_le64((uint64_t)zone->refreshed_at);
	/* What has expired stays so, whatever the clock says by then; what is in its place by then has a time
	 * of its own. */
	row.expires_at = stele_to_le64(zone->expired ? 0 : (uint64_t)zone->expires_at);
	row.next_refresh_at = stele_to_le64((uint64_t)zone->next_refresh_at);
	uint8_t *at = to;
	memcpy(at, &row, sizeof(row));
	at += sizeof(row);
	memcpy(at, zone->catalog, row.catalog_len);
	at += row.catalog_len;
	memcpy(at, zone->catalog_unique, row.unique_len);
	at += row.unique_len;
	if (row.group_len > 0)
		memcpy(at, zone->catalog_group, row.group_len);
	return (size_t)(at - to) + row.group_len;
}

/* The row with its texts; false if it is none of ours. */
static bool read_row(const MDB_val *value, struct row *ret_row, const uint8_t **ret_catalog,
		     const uint8_t **ret_unique, char group[GROUP_MAX + 1])
{
	if (value->mv_size < sizeof(*ret_row))
		return false;
	memcpy(ret_row, value->mv_data, sizeof(*ret_row));
	const uint8_t *at = (const uint8_t *)value->mv_data + sizeof(*ret_row);
	size_t texts_sz = (size_t)ret_row->catalog_len + ret_row->unique_len + ret_row->group_len;
	if (ret_row->version != ROW_VERSION || value->mv_size != sizeof(*ret_row) + texts_sz)
		return false;
	*ret_catalog = at;
	*ret_unique = at + ret_row->catalog_len;
	if ((ret_row->flags & ROW_MEMBER) != 0 &&
	    (stele_name_length(*ret_catalog, ret_row->catalog_len) != ret_row->catalog_len ||
	     stele_name_length(*ret_unique, ret_row->unique_len) != ret_row->unique_len ||
	     ret_row->catalog_len == 0 || ret_row->unique_len == 0))
		return false;
	memcpy(group, *ret_unique + ret_row->unique_len, ret_row->group_len);
	group[ret_row->group_len] = 0;
	return true;
}

/* ---- opening ---- */

int stele_zone_states_open(const char *dir, struct stele_zone_states **ret_states,
			   struct stele_error *reterr)
{
	if (mkdir(dir, 0750) != 0 && errno != EEXIST)
		return stele_fail_errno(reterr, errno, "%s: cannot be made", dir);
	struct stele_zone_states *states = calloc(1, sizeof(*states));
	if (states == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the state of zones");
	pthread_mutex_init(&states->lock, NULL);
	int status = state_env_open(dir, &states->env, reterr);
	if (status == 0)
		status = stele_loop_new("state", &states->loop, reterr);
	if (status == 0)
		status = stele_loop_start(states->loop, reterr);
	if (status == 0) {
		*ret_states = states;
		return 0;
	}
	stele_loop_free(states->loop);
	state_env_close(states->env);
	pthread_mutex_destroy(&states->lock);
	free(states);
	return status;
}

void stele_zone_states_close(struct stele_zone_states *states)
{
	if (states == NULL)
		return;
	stele_zone_states_write(states, NULL);
	stele_loop_stop(states->loop);
	stele_loop_join(states->loop);
	stele_loop_free(states->loop);
	if (states->txn != NULL)
		state_env_abort(states->env, states->txn);
	state_env_close(states->env);
	pthread_mutex_destroy(&states->lock);
	free(states);
}

/* ---- reading ---- */

int stele_zone_states_recall(struct stele_zone_states *states, struct stele_managed_zone *zone,
			     struct stele_error *reterr)
{
	MDB_val key = {zone->apex_len, zone->apex}, value;
	MDB_txn *txn;
	struct row row;
	const uint8_t *catalog, *unique;
	char group[GROUP_MAX + 1];
	int rc = state_env_read_begin(states->env, &txn);
	if (rc != 0)
		return state_env_fail(reterr, rc, "cannot be read");
	rc = mdb_get(txn, state_env_dbi(states->env), &key, &value);
	if (rc == 0 && read_row(&value, &row, &catalog, &unique, group)) {
		zone->primary_serial_known = (row.flags & ROW_PRIMARY_SERIAL) != 0;
		zone->primary_serial = stele_le32(row.primary_serial);
		zone->expire_s = stele_le32(row.expire_s);
		zone->refreshed_at = (time_t)stele_le64(row.refreshed_at);
		zone->expires_at = (time_t)stele_le64(row.expires_at);
		zone->next_refresh_at = (time_t)stele_le64(row.next_refresh_at);
	}
	state_env_read_end(states->env, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : state_env_fail(reterr, rc, "cannot be read");
}

int stele_zone_states_each(struct stele_zone_states *states,
			   int (*each)(void *user, const uint8_t *apex, const uint8_t *catalog,
				       const uint8_t *unique, const char *group),
			   void *user, struct stele_error *reterr)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	int status = 0, rc = state_env_read_begin(states->env, &txn);
	if (rc != 0)
		return state_env_fail(reterr, rc, "cannot be read");
	rc = mdb_cursor_open(txn, state_env_dbi(states->env), &cursor);
	if (rc == 0) {
		while (status == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
			struct row row;
			const uint8_t *catalog, *unique;
			char group[GROUP_MAX + 1];
			if (stele_name_length(key.mv_data, key.mv_size) != key.mv_size ||
			    !read_row(&value, &row, &catalog, &unique, group))
				continue;
			bool member = (row.flags & ROW_MEMBER) != 0;
			status = each(user, key.mv_data, member ? catalog : NULL,
				      member ? unique : NULL, row.group_len > 0 ? group : NULL);
		}
		mdb_cursor_close(cursor);
	}
	state_env_read_end(states->env, txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return state_env_fail(reterr, rc, "cannot be read");
	return status;
}

/* ---- writing ---- */

static void post(struct stele_zone_states *states, const uint8_t *apex, size_t apex_len,
		 const uint8_t *row, size_t row_sz)
{
	struct change *change = calloc(1, sizeof(*change) + row_sz);
	if (change == NULL) {
		remember_failure(states, ENOMEM);
		return;
	}
	change->task.run = run_change;
	change->states = states;
	change->apex_len = (uint8_t)apex_len;
	change->row_sz = row_sz;
	if (apex_len > 0)
		memcpy(change->apex, apex, apex_len);
	if (row_sz > 0)
		memcpy(change->row, row, row_sz);
	states->dirty = apex_len > 0;
	stele_loop_post(states->loop, &change->task);
}

void stele_zone_states_note(struct stele_zone_states *states, const struct stele_managed_zone *zone)
{
	uint8_t row[ROW_MAX];
	size_t row_sz = put_row(zone, row);
	post(states, zone->apex, zone->apex_len, row, row_sz);
}

void stele_zone_states_forget(struct stele_zone_states *states, const uint8_t *apex)
{
	post(states, apex, stele_name_length(apex, STELE_NAME_MAX), NULL, 0);
}

int stele_zone_states_write(struct stele_zone_states *states, struct stele_error *reterr)
{
	if (states->dirty)
		post(states, NULL, 0, NULL, 0);
	pthread_mutex_lock(&states->lock);
	int rc = states->failed;
	states->failed = 0;
	pthread_mutex_unlock(&states->lock);
	return rc == 0 ? 0 : state_env_fail(reterr, rc, "cannot be written");
}
