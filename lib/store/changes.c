/* SPDX-License-Identifier: Apache-2.0 */
/* The list of owners that each generation changed. */
#include "lib/store/internal.h"

#include <errno.h>
#include <sys/random.h>

#define CHANGES_MAX_SZ ((uint64_t)64 << 20)
/* What a chunk costs beside its bytes, so that very many small generations are bounded too. */
#define CHUNK_COST 32
/* Of an entry that is no change: the generation's mark, of zone 0. No enum stele_change_kind has this value. */
#define KIND_MARK 0xff
#define MARK_SZ sizeof(uint64_t)

static MDB_val change_key(uint8_t bytes[STORE_CHANGE_KEY_SZ], uint64_t generation, uint32_t chunk)
{
	stele_put_be64(bytes, generation);
	stele_put_be32(bytes + 8, chunk);
	return (MDB_val){STORE_CHANGE_KEY_SZ, bytes};
}

static size_t entry_sz(const uint8_t *entry)
{
	return STORE_CHANGE_HEAD_SZ + (size_t)stele_get_le16(entry + 5);
}

static bool put(struct store_buffer *run, uint8_t kind, uint32_t zone_id, const uint8_t *key,
		size_t key_len)
{
	uint8_t *p = store_buffer_take(run, STORE_CHANGE_HEAD_SZ + key_len);
	if (p == NULL)
		return false;
	stele_put_le32(p, zone_id);
	p[4] = kind;
	stele_put_le16(p + 5, (uint16_t)key_len);
	if (key_len > 0)
		memcpy(p + STORE_CHANGE_HEAD_SZ, key, key_len);
	return true;
}

bool store_change_put(struct store_buffer *run, enum stele_change_kind kind, uint32_t zone_id,
		      const uint8_t *key, size_t key_len)
{
	return put(run, (uint8_t)kind, zone_id, key, key_len);
}

int store_changes_begin(struct stele_store_write *write, struct stele_error *reterr)
{
	uint8_t mark[MARK_SZ];
	do {
		if (getrandom(mark, sizeof(mark), 0) != sizeof(mark))
			return store_fail(write->store, reterr, errno, "cannot mark a generation");
	} while (stele_get_le64(mark) == 0);
	if (!put(&write->changes, KIND_MARK, 0, mark, sizeof(mark)))
		return store_fail(write->store, reterr, ENOMEM, "cannot mark a generation");
	return 0;
}

static int flush(struct stele_store_write *write, struct stele_error *reterr)
{
	if (write->changes.sz == 0)
		return 0;
	uint8_t bytes[STORE_CHANGE_KEY_SZ];
	MDB_val key = change_key(bytes, write->generation, write->chunk_cnt);
	MDB_val value = {write->changes.sz, write->changes.data};
	int rc = mdb_put(write->txn, write->store->dbs[STORE_DB_CHANGES], &key, &value, MDB_APPEND);
	if (rc != 0)
		return store_fail(write->store, reterr, rc, "cannot list changes");
	write->chunk_cnt++;
	write->changes_sz += write->changes.sz + CHUNK_COST;
	write->changes.sz = 0;
	return 0;
}

int store_changes_add(struct stele_store_write *write, const struct store_buffer *run,
		      struct stele_error *reterr)
{
	for (size_t at = 0; at < run->sz;) {
		size_t end = at;
		size_t room = STORE_CHUNK_SZ - write->changes.sz;
		while (end < run->sz && end + entry_sz(run->data + end) - at <= room)
			end += entry_sz(run->data + end);
		if (!store_buffer_add(&write->changes, run->data + at, end - at))
			return store_fail(write->store, reterr, ENOMEM, "cannot list changes");
		at = end;
		if (at < run->sz) {
			int status = flush(write, reterr);
			if (status != 0)
				return status;
		}
	}
	return 0;
}

int store_changes_finish(struct stele_store_write *write, struct stele_error *reterr)
{
	int status = flush(write, reterr);
	while (status == 0 && write->changes_sz > CHANGES_MAX_SZ &&
	       write->changes_from + 1 < write->generation) {
		uint8_t prefix[8];
		uint64_t sz = 0;
		stele_put_be64(prefix, ++write->changes_from);
		MDB_val key = {sizeof(prefix), prefix}, value;
		MDB_cursor *cursor;
		int rc = mdb_cursor_open(write->txn, write->store->dbs[STORE_DB_CHANGES], &cursor);
		if (rc != 0)
			return store_fail(write->store, reterr, rc, "cannot prune changes");
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		while (rc == 0 && store_has_prefix(&key, prefix, sizeof(prefix))) {
			sz += value.mv_size + CHUNK_COST;
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		}
		mdb_cursor_close(cursor);
		if (rc != 0 && rc != MDB_NOTFOUND)
			return store_fail(write->store, reterr, rc, "cannot prune changes");
		status = store_delete_prefix(write, STORE_DB_CHANGES, prefix, sizeof(prefix), NULL,
					     reterr);
		write->changes_sz -= sz < write->changes_sz ? sz : write->changes_sz;
	}
	return status;
}

int stele_store_mark(struct stele_store_read *read, uint64_t generation, uint64_t *ret_mark,
		     struct stele_error *reterr)
{
	const struct stele_store *store = read->store;
	uint8_t bytes[STORE_CHANGE_KEY_SZ];
	MDB_val key = change_key(bytes, generation, 0), value;
	*ret_mark = 0;
	int rc = mdb_get(read->txn, store->dbs[STORE_DB_CHANGES], &key, &value);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return store_fail(store, reterr, rc, "cannot read the list of changes");
	const uint8_t *p = value.mv_data;
	if (value.mv_size >= STORE_CHANGE_HEAD_SZ + MARK_SZ && p[4] == KIND_MARK &&
	    entry_sz(p) == STORE_CHANGE_HEAD_SZ + MARK_SZ)
		*ret_mark = stele_get_le64(p + STORE_CHANGE_HEAD_SZ);
	return 0;
}

int stele_store_changes(struct stele_store_read *read, uint64_t since,
			int (*each)(void *user, const struct stele_change *change), void *user,
			struct stele_error *reterr)
{
	const struct stele_store *store = read->store;
	uint64_t from;
	int rc = store_meta_get(store, read->txn, STORE_META_CHANGES_FROM, &from);
	if (rc != 0)
		return store_fail(store, reterr, rc, "cannot read the list of changes");
	if (since < from || since > read->generation)
		return stele_fail(
			reterr, STELE_E_STALE,
			"store %s knows changes since generation %llu up to %llu, not since "
			"%llu",
			store->dir, (unsigned long long)from, (unsigned long long)read->generation,
			(unsigned long long)since);
	MDB_cursor *cursor;
	rc = mdb_cursor_open(read->txn, store->dbs[STORE_DB_CHANGES], &cursor);
	if (rc != 0)
		return store_fail(store, reterr, rc, "cannot read the list of changes");
	uint8_t bytes[STORE_CHANGE_KEY_SZ];
	MDB_val key = change_key(bytes, since + 1, 0), value;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	int answer = 0;
	while (rc == 0 && answer == 0) {
		const uint8_t *p = value.mv_data, *end = p + value.mv_size;
		while (p < end && answer == 0) {
			if ((size_t)(end - p) < STORE_CHANGE_HEAD_SZ ||
			    (size_t)(end - p) < entry_sz(p)) {
				rc = MDB_CORRUPTED;
				break;
			}
			struct stele_change change = {
				.kind = p[4],
				.zone_id = stele_get_le32(p),
				.key = p + STORE_CHANGE_HEAD_SZ,
				.key_len = stele_get_le16(p + 5),
			};
			p += entry_sz(p);
			if (change.kind != KIND_MARK)
				answer = each(user, &change);
		}
		if (rc == 0 && answer == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_fail(store, reterr, rc, "cannot read the list of changes");
	return answer;
}
