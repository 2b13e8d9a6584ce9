/* SPDX-License-Identifier: Apache-2.0 */
/* Making a zone hold what a source gives: appended where it is new, merged where it is not. */
#include "lib/store/zone_change.h"

#include <errno.h>

struct merge {
	struct store_zone_change *change;
	enum stele_store_table table;
	MDB_cursor *cursor;
	uint8_t prefix[STORE_ZONE_PREFIX_SZ];

	stele_node_source source;
	void *user;
	bool have_new;
	struct stele_store_item new;
	size_t last_sz;              /* of the key in `last`, 0 before the first */
	uint8_t last[STORE_KEY_MAX]; /* key of `new`, with the prefix */

	bool have_old;
	MDB_val old_key, old;
};

/* The next node of the source, which is checked here. */
static int next_new(struct merge *m, struct stele_error *reterr)
{
	static const struct stele_store_item none = {NULL, 0, NULL, 0};
	int got = 0;
	m->new = none;
	if (m->source != NULL)
		got = m->source(m->user, &m->new, reterr);
	m->have_new = got > 0;
	if (got <= 0)
		return got;
	if (m->new.key_len == 0)
		m->new.key = m->prefix; /* may be NULL, which memcmp does not take */
	const struct stele_store_item *item = &m->new;
	if (item->node_sz == 0)
		return store_zone_change_fail(m->change, reterr,
					      "the data of an owner is malformed");
	int status = store_zone_change_check(m->change, m->table, item, reterr);
	if (status != 0)
		return status;
	if (m->last_sz != 0 && stele_sort_key_compare(m->last + STORE_ZONE_PREFIX_SZ,
						      m->last_sz - STORE_ZONE_PREFIX_SZ, item->key,
						      item->key_len) >= 0)
		return store_zone_change_fail(m->change, reterr,
					      "owners are not in ascending order");
	memcpy(m->last, m->prefix, sizeof(m->prefix));
	if (item->key_len > 0)
		memcpy(m->last + sizeof(m->prefix), item->key, item->key_len);
	m->last_sz = sizeof(m->prefix) + item->key_len;
	return 0;
}

/* What the cursor came to stand at, if that is still this zone. */
static int take_old(struct merge *m, int rc)
{
	m->have_old = rc == 0 && store_has_prefix(&m->old_key, m->prefix, sizeof(m->prefix));
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/*
 * A write moves pages, so what the cursor gave out is gone: it looks for its place again. That is
 * the cost of a difference, not of a node, and small beside writing the page.
 */
static int seek_old(struct merge *m, const uint8_t *key, size_t key_sz)
{
	m->old_key = (MDB_val){key_sz, (void *)(uintptr_t)key};
	return take_old(m, mdb_cursor_get(m->cursor, &m->old_key, &m->old, MDB_SET_RANGE));
}

static int next_old(struct merge *m)
{
	return take_old(m, mdb_cursor_get(m->cursor, &m->old_key, &m->old, MDB_NEXT));
}

static MDB_dbi db_of(const struct merge *m)
{
	return m->change->write->store
		->dbs[m->table == STELE_STORE_NSEC3 ? STORE_DB_NSEC3 : STORE_DB_NODES];
}

static int put_new(struct merge *m, unsigned flags)
{
	MDB_val key = {m->last_sz, m->last};
	MDB_val value = {m->new.node_sz, (void *)(uintptr_t)m->new.node};
	return flags != 0 ? mdb_cursor_put(m->cursor, &key, &value, flags) :
			    mdb_put(m->change->write->txn, db_of(m), &key, &value, 0);
}

/* One step of the merge: 0 or what LMDB returned. `order` is old against new. */
static int step(struct merge *m, int order)
{
	struct store_zone_change *change = m->change;
	uint8_t key[STORE_KEY_MAX];
	size_t key_sz = 0;
	if (m->have_old) {
		key_sz = m->old_key.mv_size;
		memcpy(key, m->old_key.mv_data, key_sz);
	}
	const uint8_t *rel = key + STORE_ZONE_PREFIX_SZ;
	size_t rel_len = key_sz - STORE_ZONE_PREFIX_SZ;
	int rc;
	if (order < 0) { /* no longer there */
		if (!store_zone_change_note(change, m->table, rel, rel_len, &m->old, NULL))
			return ENOMEM;
		MDB_val gone = {key_sz, key};
		rc = mdb_del(change->write->txn, db_of(m), &gone, NULL);
		return rc != 0 ? rc : seek_old(m, key, key_sz);
	}
	if (order > 0) { /* not yet there */
		if (!store_zone_change_note(change, m->table, m->new.key, m->new.key_len, NULL,
					    &m->new))
			return ENOMEM;
		rc = put_new(m, change->is_new ? MDB_APPEND : 0);
		return rc != 0 || !m->have_old ? rc : seek_old(m, key, key_sz);
	}
	if (m->old.mv_size == m->new.node_sz &&
	    memcmp(m->old.mv_data, m->new.node, m->new.node_sz) == 0)
		return next_old(m);
	if (!store_zone_change_note(change, m->table, rel, rel_len, &m->old, &m->new))
		return ENOMEM;
	rc = put_new(m, 0);
	if (rc == 0)
		rc = seek_old(m, key, key_sz);
	return rc != 0 ? rc : next_old(m);
}

static int merge_table(struct store_zone_change *change, enum stele_store_table table,
		       stele_node_source source, void *user, struct stele_error *reterr)
{
	struct merge m = {.change = change, .table = table, .source = source, .user = user};
	stele_put_be32(m.prefix, change->id);
	int rc = mdb_cursor_open(change->write->txn, db_of(&m), &m.cursor);
	if (rc != 0)
		return store_fail(change->write->store, reterr, rc, "cannot write");
	int status = 0;
	if (!change->is_new)
		rc = seek_old(&m, m.prefix, sizeof(m.prefix));
	if (rc == 0)
		status = next_new(&m, reterr);
	while (rc == 0 && status == 0 && (m.have_old || m.have_new)) {
		int order = !m.have_new ? -1 : 1;
		if (m.have_old && m.have_new)
			order = stele_sort_key_compare(m.old_key.mv_data, m.old_key.mv_size, m.last,
						       m.last_sz);
		rc = step(&m, order);
		if (rc == 0 && order >= 0)
			status = next_new(&m, reterr);
	}
	mdb_cursor_close(m.cursor);
	if (rc != 0)
		return store_fail(change->write->store, reterr, rc, "cannot write");
	return status;
}

int stele_store_zone_replace(struct stele_store_write *write, const uint8_t *apex,
			     stele_node_source nodes, void *nodes_user, stele_node_source nsec3,
			     void *nsec3_user, struct stele_zone_info *ret_info,
			     struct stele_error *reterr)
{
	struct store_zone_change change;
	int status = store_zone_change_begin(&change, write, apex, reterr);
	bool begun = status == 0;
	if (status == 0) {
		change.has_soa = false; /* the new contents bring their own */
		status = merge_table(&change, STELE_STORE_NODES, nodes, nodes_user, reterr);
	}
	if (status == 0 && !change.has_soa)
		status = store_zone_change_fail(&change, reterr, "there is no SOA at its apex");
	if (status == 0)
		status = merge_table(&change, STELE_STORE_NSEC3, nsec3, nsec3_user, reterr);
	if (status == 0)
		status = store_zone_change_finish(&change, ret_info, reterr);
	store_zone_change_free(&change);
	if (status == 0)
		return 0;
	/* Nothing of this write stays, but who wants to hear of all faults tries the other zones too: what was
	 * appended of this one is not to be in the way of the next new one. */
	write->next_zone_id += begun && change.is_new;
	write->failed = true;
	return status;
}
