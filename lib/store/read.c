/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/internal.h"

#include <errno.h>
#include <stdlib.h>

int stele_store_read_begin(struct stele_store *store, struct stele_store_read **ret_read,
			   struct stele_error *reterr)
{
	struct stele_store_read *read = calloc(1, sizeof(*read));
	if (read == NULL)
		return store_fail(store, reterr, ENOMEM, "cannot read");
	read->store = store;
	int status = store_txn_begin(store, MDB_RDONLY, &read->txn, reterr);
	if (status != 0) {
		free(read);
		return status;
	}
	int rc = store_meta_get(store, read->txn, STORE_META_GENERATION, &read->generation);
	if (rc != 0) {
		stele_store_read_end(read);
		return store_fail(store, reterr, rc, "cannot read the generation");
	}
	*ret_read = read;
	return 0;
}

void stele_store_read_end(struct stele_store_read *read)
{
	if (read == NULL)
		return;
	mdb_txn_abort(read->txn);
	store_txn_ended(read->store);
	free(read);
}

bool stele_store_read_is_in_the_way(const struct stele_store_read *read)
{
	return __atomic_load_n(&read->store->wants_opening, __ATOMIC_RELAXED);
}

uint64_t stele_store_generation(const struct stele_store_read *read)
{
	return read->generation;
}

/* ---- zones ---- */

size_t store_zone_key(const uint8_t *apex, size_t apex_len, uint8_t key[STORE_KEY_MAX])
{
	key[0] = 0;
	return 1 + stele_sort_key(apex, apex_len - 1, key + 1);
}

int store_zone_get(const struct stele_store *store, MDB_txn *txn, const uint8_t *apex,
		   struct store_zone_record *ret_record, struct stele_error *reterr)
{
	uint8_t bytes[STORE_KEY_MAX];
	size_t apex_len = stele_name_length(apex, STELE_NAME_MAX);
	if (apex_len == 0)
		return stele_fail(reterr, STELE_E_USAGE, "the zone's name is not a name");
	MDB_val key = {store_zone_key(apex, apex_len, bytes), bytes}, value;
	int rc = mdb_get(txn, store->dbs[STORE_DB_ZONES], &key, &value);
	if (rc == 0 && value.mv_size != sizeof(*ret_record))
		rc = MDB_CORRUPTED;
	if (rc == MDB_NOTFOUND) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(apex, text);
		return stele_fail(reterr, STELE_E_NOTFOUND, "zone %s is not in the store %s", text,
				  store->dir);
	}
	if (rc != 0)
		return store_fail(store, reterr, rc, "cannot read a zone");
	memcpy(ret_record, value.mv_data, sizeof(*ret_record));
	return 0;
}

void store_zone_info(const struct store_zone_record *record, const uint8_t *apex, size_t apex_len,
		     struct stele_zone_info *ret_info)
{
	ret_info->id = stele_le32(record->id);
	memcpy(ret_info->apex, apex, apex_len);
	ret_info->apex_len = (uint8_t)apex_len;
	ret_info->label_max = record->label_max;
	ret_info->flags = record->flags;
	ret_info->serial = stele_le32(record->serial);
	ret_info->node_cnt = stele_le64(record->node_cnt);
	ret_info->nsec3_cnt = stele_le64(record->nsec3_cnt);
	ret_info->rr_cnt = stele_le64(record->rr_cnt);
	ret_info->data_sz = stele_le64(record->data_sz);
	ret_info->generation = stele_le64(record->generation);
}

int stele_store_zone_find(struct stele_store_read *read, const uint8_t *apex,
			  struct stele_zone_info *ret_info, struct stele_error *reterr)
{
	struct store_zone_record record = {0};
	int status = store_zone_get(read->store, read->txn, apex, &record, reterr);
	if (status == 0)
		store_zone_info(&record, apex, stele_name_length(apex, STELE_NAME_MAX), ret_info);
	return status;
}

static int read_zone(const MDB_val *key, const MDB_val *value, struct stele_zone_info *ret_info)
{
	struct store_zone_record record;
	uint8_t apex[STELE_NAME_MAX + 1];
	int rel_len = key->mv_size == 0 ? -1 :
					  stele_sort_key_to_name((const uint8_t *)key->mv_data + 1,
								 key->mv_size - 1, apex);
	if (rel_len < 0 || rel_len >= STELE_NAME_MAX || value->mv_size != sizeof(record))
		return MDB_CORRUPTED;
	apex[rel_len] = 0;
	memcpy(&record, value->mv_data, sizeof(record));
	store_zone_info(&record, apex, (size_t)rel_len + 1, ret_info);
	return 0;
}

int stele_store_zones(struct stele_store_read *read, struct stele_zone_info **ret_infos,
		      size_t *ret_cnt, struct stele_error *reterr)
{
	const struct stele_store *store = read->store;
	MDB_cursor *cursor = NULL;
	MDB_stat stat;
	struct stele_zone_info *infos = NULL;
	size_t cnt = 0;
	int rc = mdb_stat(read->txn, store->dbs[STORE_DB_ZONES], &stat);
	if (rc == 0)
		rc = mdb_cursor_open(read->txn, store->dbs[STORE_DB_ZONES], &cursor);
	if (rc == 0) {
		infos = calloc(stat.ms_entries + 1, sizeof(*infos));
		rc = infos == NULL ? ENOMEM : 0;
	}
	while (rc == 0 && cnt < stat.ms_entries) {
		MDB_val key, value;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		if (rc == 0)
			rc = read_zone(&key, &value, &infos[cnt++]);
	}
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	if (rc != 0) {
		free(infos);
		return store_fail(store, reterr, rc, "cannot list the zones");
	}
	*ret_infos = infos;
	*ret_cnt = cnt;
	return 0;
}

/* ---- nodes ---- */

static enum store_db db_of(enum stele_store_table table)
{
	return table == STELE_STORE_NSEC3 ? STORE_DB_NSEC3 : STORE_DB_NODES;
}

int stele_store_find(struct stele_store_read *read, enum stele_store_table table, uint32_t zone_id,
		     const uint8_t *key, size_t key_len, const uint8_t **ret_node,
		     size_t *ret_node_sz, struct stele_error *reterr)
{
	if (key_len > STELE_SORT_KEY_MAX)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no such owner");
	uint8_t bytes[STORE_KEY_MAX];
	stele_put_be32(bytes, zone_id);
	if (key_len > 0)
		memcpy(bytes + STORE_ZONE_PREFIX_SZ, key, key_len);
	MDB_val at = {STORE_ZONE_PREFIX_SZ + key_len, bytes}, value;
	int rc = mdb_get(read->txn, read->store->dbs[db_of(table)], &at, &value);
	if (rc == MDB_NOTFOUND)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no such owner");
	if (rc != 0)
		return store_fail(read->store, reterr, rc, "cannot read a node");
	*ret_node = value.mv_data;
	*ret_node_sz = value.mv_size;
	return 0;
}

int stele_store_node(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
		     size_t key_len, const uint8_t **ret_node, size_t *ret_node_sz,
		     struct stele_error *reterr)
{
	return stele_store_find(read, STELE_STORE_NODES, zone_id, key, key_len, ret_node,
				ret_node_sz, reterr);
}

struct stele_store_cursor {
	const struct stele_store *store;
	MDB_cursor *cursor;
	MDB_cursor_op op; /* the next one: to the start, or on */
	bool bounded, ended;
	uint8_t prefix[STORE_ZONE_PREFIX_SZ];
	size_t to_len;
	size_t from_sz;
	uint8_t to[STELE_SORT_KEY_MAX];
	uint8_t from[STORE_KEY_MAX]; /* with the prefix */
};

int stele_store_cursor_open(struct stele_store_read *read, enum stele_store_table table,
			    uint32_t zone_id, const uint8_t *from, size_t from_len,
			    const uint8_t *to, size_t to_len,
			    struct stele_store_cursor **ret_cursor, struct stele_error *reterr)
{
	if (from_len > STELE_SORT_KEY_MAX || (to != NULL && to_len > STELE_SORT_KEY_MAX))
		return stele_fail(reterr, STELE_E_USAGE, "the bounds of a walk are no keys");
	struct stele_store_cursor *cursor = calloc(1, sizeof(*cursor));
	if (cursor == NULL)
		return store_fail(read->store, reterr, ENOMEM, "cannot walk");
	cursor->store = read->store;
	cursor->op = MDB_SET_RANGE;
	stele_put_be32(cursor->prefix, zone_id);
	memcpy(cursor->from, cursor->prefix, STORE_ZONE_PREFIX_SZ);
	if (from_len > 0)
		memcpy(cursor->from + STORE_ZONE_PREFIX_SZ, from, from_len);
	cursor->from_sz = STORE_ZONE_PREFIX_SZ + from_len;
	if (to != NULL) {
		cursor->bounded = true;
		cursor->to_len = to_len;
		if (to_len > 0)
			memcpy(cursor->to, to, to_len);
	}
	int rc = mdb_cursor_open(read->txn, read->store->dbs[db_of(table)], &cursor->cursor);
	if (rc != 0) {
		free(cursor);
		return store_fail(read->store, reterr, rc, "cannot walk");
	}
	*ret_cursor = cursor;
	return 0;
}

void stele_store_cursor_close(struct stele_store_cursor *cursor)
{
	if (cursor == NULL)
		return;
	mdb_cursor_close(cursor->cursor);
	free(cursor);
}

int stele_store_cursor_next(struct stele_store_cursor *cursor, struct stele_store_item *ret_item,
			    struct stele_error *reterr)
{
	if (cursor->ended)
		return 0;
	MDB_val key = {cursor->from_sz, cursor->from}, value;
	int rc = mdb_cursor_get(cursor->cursor, &key, &value, cursor->op);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_fail(cursor->store, reterr, rc, "cannot walk");
	cursor->op = MDB_NEXT;
	if (rc == MDB_NOTFOUND || !store_has_prefix(&key, cursor->prefix, STORE_ZONE_PREFIX_SZ)) {
		cursor->ended = true;
		return 0;
	}
	const uint8_t *rest = (const uint8_t *)key.mv_data + STORE_ZONE_PREFIX_SZ;
	size_t rest_len = key.mv_size - STORE_ZONE_PREFIX_SZ;
	if (cursor->bounded &&
	    stele_sort_key_compare(rest, rest_len, cursor->to, cursor->to_len) >= 0) {
		cursor->ended = true;
		return 0;
	}
	*ret_item = (struct stele_store_item){rest, rest_len, value.mv_data, value.mv_size};
	return 1;
}
