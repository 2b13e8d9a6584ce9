/* SPDX-License-Identifier: Apache-2.0 */
/* Making a zone hold what a source gives: appended where it is new, merged where it is not. */
#include "lib/store/internal.h"

#include "lib/dns/rrtype.h"
#include "lib/store/diff.h"
#include "lib/store/node.h"

#include <errno.h>

/* More changed owners than this of one zone, and the zone counts as changed as a whole. */
#define CHANGES_OF_ZONE_MAX_SZ ((size_t)32 << 20)

struct replacement {
	struct stele_store_write *write;
	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
	unsigned apex_labels;
	bool is_new;
	bool has_soa;
	bool changed;

	uint32_t id, serial;
	unsigned label_max;
	uint64_t node_cnt[2]; /* by enum stele_store_table */
	uint64_t rr_cnt, data_sz;

	bool listing;    /* changes are kept; false once there are too many */
	bool journaling; /* the same of the journal */
	size_t journal_max;
	struct store_buffer changes, removed, added;
};

bool store_soa_serial(const uint8_t *node, size_t node_sz, uint32_t *ret_serial)
{
	struct stele_node_rrset soa;
	if (!stele_node_find(node, node_sz, STELE_TYPE_SOA, &soa) || soa.rr_cnt != 1)
		return false;
	const uint8_t *p = soa.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	size_t mname_len = stele_name_length(rr.rdata, rr.rdata_len);
	if (mname_len == 0)
		return false;
	size_t rname_len = stele_name_length(rr.rdata + mname_len, rr.rdata_len - mname_len);
	if (rname_len == 0 || rr.rdata_len != mname_len + rname_len + 20)
		return false;
	*ret_serial = stele_get_be32(rr.rdata + mname_len + rname_len);
	return true;
}

static uint64_t record_cnt(const uint8_t *node, size_t node_sz)
{
	uint64_t cnt = 0;
	struct stele_node_rrset rrset;
	for (size_t at = 0; stele_node_next(node, node_sz, &at, &rrset);)
		cnt += (uint64_t)rrset.rr_cnt + rrset.sig_cnt;
	return cnt;
}

static unsigned label_cnt(const uint8_t *key, size_t key_len)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < key_len; i++)
		cnt += key[i] == 0;
	return cnt;
}

static int fail_input(const struct replacement *r, struct stele_error *reterr, const char *what)
{
	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(r->apex, text);
	return stele_fail(reterr, STELE_E_INPUT, "zone %s: %s", text, what);
}

/* ---- what changes, noted ---- */

/* The owner's name at the head of a journal entry, and room for the size of the node. */
static bool begin_entry(const struct replacement *r, struct store_buffer *run,
			enum stele_store_table table, const uint8_t *key, size_t key_len)
{
	uint8_t name[STELE_NAME_MAX + STELE_NSEC3_LABEL_SZ + 1];
	size_t len;
	if (table == STELE_STORE_NSEC3) {
		name[0] = STELE_NSEC3_LABEL_SZ;
		stele_base32hex_encode(key, name + 1);
		len = 1 + STELE_NSEC3_LABEL_SZ;
	} else {
		len = (size_t)stele_sort_key_to_name(key, key_len, name);
	}
	uint8_t *p = store_buffer_take(run, 2 + len + r->apex_len + 4);
	if (p == NULL)
		return false;
	stele_put_le16(p, (uint16_t)(len + r->apex_len));
	memcpy(p + 2, name, len);
	memcpy(p + 2 + len, r->apex, r->apex_len);
	return true;
}

/* Sets the size of the entry's node, or takes the entry back if it has none. */
static void end_entry(struct store_buffer *run, size_t entry_at, size_t node_at)
{
	if (run->sz == node_at)
		run->sz = entry_at;
	else
		stele_put_le32(run->data + node_at - 4, (uint32_t)(run->sz - node_at));
}

static bool journal(struct replacement *r, enum stele_store_table table, const uint8_t *key,
		    size_t key_len, const MDB_val *old, const struct stele_store_item *new)
{
	size_t removed_at = r->removed.sz, added_at = r->added.sz;
	if (!begin_entry(r, &r->removed, table, key, key_len) ||
	    !begin_entry(r, &r->added, table, key, key_len))
		return false;
	size_t removed_node_at = r->removed.sz, added_node_at = r->added.sz;
	if (!store_diff(old != NULL ? old->mv_data : NULL, old != NULL ? old->mv_size : 0,
			new != NULL ? new->node : NULL, new != NULL ? new->node_sz : 0, &r->removed,
			&r->added))
		return false;
	end_entry(&r->removed, removed_at, removed_node_at);
	end_entry(&r->added, added_at, added_node_at);
	if (r->removed.sz + r->added.sz + sizeof(struct store_step_head) > r->journal_max) {
		r->journaling = false;
		store_buffer_free(&r->removed);
		store_buffer_free(&r->added);
	}
	return true;
}

/* One owner differs: `old` is NULL if it was not there, `new` if it is not to be. */
static bool note(struct replacement *r, enum stele_store_table table, const uint8_t *key,
		 size_t key_len, const MDB_val *old, const struct stele_store_item *new)
{
	r->changed = true;
	if (old != NULL) {
		r->node_cnt[table]--;
		r->rr_cnt -= record_cnt(old->mv_data, old->mv_size);
		r->data_sz -= key_len + old->mv_size;
	}
	if (new != NULL) {
		r->node_cnt[table]++;
		r->rr_cnt += record_cnt(new->node, new->node_sz);
		r->data_sz += key_len + new->node_sz;
		if (table == STELE_STORE_NODES) {
			unsigned labels = r->apex_labels + label_cnt(key, key_len);
			if (labels > r->label_max)
				r->label_max = labels;
		}
	}
	if (r->listing) {
		enum stele_change_kind kind = table == STELE_STORE_NSEC3 ? STELE_CHANGE_NSEC3 :
									   STELE_CHANGE_NODE;
		if (!store_change_put(&r->changes, kind, r->id, key, key_len))
			return false;
		if (r->changes.sz > CHANGES_OF_ZONE_MAX_SZ) {
			r->listing = false;
			store_buffer_free(&r->changes);
		}
	}
	return !r->journaling || journal(r, table, key, key_len, old, new);
}

/* ---- one table ---- */

struct merge {
	struct replacement *r;
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
	uint8_t name[STELE_NAME_MAX];
	const struct stele_store_item *item = &m->new;
	bool is_key;
	if (m->table == STELE_STORE_NSEC3) {
		is_key = item->key_len == STELE_NSEC3_HASH_SZ;
	} else {
		int len = item->key_len > STORE_SORT_KEY_MAX ?
				  -1 :
				  stele_sort_key_to_name(item->key, item->key_len, name);
		is_key = len >= 0 && (size_t)len + m->r->apex_len <= STELE_NAME_MAX;
	}
	if (!is_key)
		return fail_input(m->r, reterr, "the key of an owner is none");
	if (m->last_sz != 0 && stele_sort_key_compare(m->last + STORE_ZONE_PREFIX_SZ,
						      m->last_sz - STORE_ZONE_PREFIX_SZ, item->key,
						      item->key_len) >= 0)
		return fail_input(m->r, reterr, "owners are not in ascending order");
	if (item->node_sz == 0 || item->node_sz > UINT32_MAX ||
	    !stele_node_check(item->node, item->node_sz))
		return fail_input(m->r, reterr, "the data of an owner is malformed");
	if (m->table == STELE_STORE_NODES && item->key_len == 0)
		m->r->has_soa = store_soa_serial(item->node, item->node_sz, &m->r->serial);
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
	return m->r->write->store
		->dbs[m->table == STELE_STORE_NSEC3 ? STORE_DB_NSEC3 : STORE_DB_NODES];
}

static int put_new(struct merge *m, unsigned flags)
{
	MDB_val key = {m->last_sz, m->last};
	MDB_val value = {m->new.node_sz, (void *)(uintptr_t)m->new.node};
	return flags != 0 ? mdb_cursor_put(m->cursor, &key, &value, flags) :
			    mdb_put(m->r->write->txn, db_of(m), &key, &value, 0);
}

/* One step of the merge: 0 or what LMDB returned. `order` is old against new. */
static int step(struct merge *m, int order)
{
	struct replacement *r = m->r;
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
		if (!note(r, m->table, rel, rel_len, &m->old, NULL))
			return ENOMEM;
		MDB_val gone = {key_sz, key};
		rc = mdb_del(r->write->txn, db_of(m), &gone, NULL);
		return rc != 0 ? rc : seek_old(m, key, key_sz);
	}
	if (order > 0) { /* not yet there */
		if (!note(r, m->table, m->new.key, m->new.key_len, NULL, &m->new))
			return ENOMEM;
		rc = put_new(m, r->is_new ? MDB_APPEND : 0);
		return rc != 0 || !m->have_old ? rc : seek_old(m, key, key_sz);
	}
	if (m->old.mv_size == m->new.node_sz &&
	    memcmp(m->old.mv_data, m->new.node, m->new.node_sz) == 0)
		return next_old(m);
	if (!note(r, m->table, rel, rel_len, &m->old, &m->new))
		return ENOMEM;
	rc = put_new(m, 0);
	if (rc == 0)
		rc = seek_old(m, key, key_sz);
	return rc != 0 ? rc : next_old(m);
}

static int merge_table(struct replacement *r, enum stele_store_table table,
		       stele_node_source source, void *user, struct stele_error *reterr)
{
	struct merge m = {.r = r, .table = table, .source = source, .user = user};
	stele_put_be32(m.prefix, r->id);
	int rc = mdb_cursor_open(r->write->txn, db_of(&m), &m.cursor);
	if (rc != 0)
		return store_fail(r->write->store, reterr, rc, "cannot write");
	int status = 0;
	if (!r->is_new)
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
		return store_fail(r->write->store, reterr, rc, "cannot write");
	return status;
}

/* ---- the zone ---- */

/* RFC 1982 section 3.2. */
static bool serial_rises(uint32_t from, uint32_t to)
{
	return to != from && to - from < (uint32_t)1 << 31;
}

/* Journal, list of changes and the zone's record. */
static int record_changes(struct replacement *r, struct store_zone_record *record,
			  struct stele_error *reterr)
{
	struct stele_store_write *write = r->write;
	uint32_t old_serial = stele_le32(record->serial);
	record->id = stele_to_le32(r->id);
	record->serial = stele_to_le32(r->serial);
	record->node_cnt = stele_to_le64(r->node_cnt[STELE_STORE_NODES]);
	record->nsec3_cnt = stele_to_le64(r->node_cnt[STELE_STORE_NSEC3]);
	record->rr_cnt = stele_to_le64(r->rr_cnt);
	record->data_sz = stele_to_le64(r->data_sz);
	record->generation = stele_to_le64(write->generation);
	record->label_max = (uint8_t)r->label_max;

	int status;
	if (r->journaling && serial_rises(old_serial, r->serial))
		status = store_journal_add(write, record, old_serial, r->serial, &r->removed,
					   &r->added, reterr);
	else
		status = store_journal_clear(write, record, reterr);
	if (status != 0)
		return status;
	if (!r->listing && !store_change_put(&r->changes, STELE_CHANGE_ZONE, r->id, NULL, 0))
		return store_fail(write->store, reterr, ENOMEM, "cannot list changes");
	status = store_changes_add(write, &r->changes, reterr);
	if (status != 0)
		return status;

	uint8_t bytes[STORE_KEY_MAX];
	MDB_val key = {store_zone_key(r->apex, r->apex_len, bytes), bytes};
	MDB_val value = {sizeof(*record), record};
	int rc = mdb_put(write->txn, write->store->dbs[STORE_DB_ZONES], &key, &value, 0);
	if (rc != 0)
		return store_fail(write->store, reterr, rc, "cannot write a zone");
	write->next_zone_id += r->is_new;
	write->changed = true;
	return 0;
}

int stele_store_zone_replace(struct stele_store_write *write, const uint8_t *apex,
			     stele_node_source nodes, void *nodes_user, stele_node_source nsec3,
			     void *nsec3_user, struct stele_zone_info *ret_info,
			     struct stele_error *reterr)
{
	struct store_zone_record record = {0};
	struct replacement r = {.write = write};
	int status = store_zone_get(write->store, write->txn, apex, &record, NULL);
	r.is_new = status == STELE_E_NOTFOUND;
	if (status != 0 && !r.is_new) {
		status = store_zone_get(write->store, write->txn, apex, &record, reterr);
		goto out;
	}
	r.apex_len = stele_name_length(apex, STELE_NAME_MAX);
	memcpy(r.apex, apex, r.apex_len);
	r.apex_labels = stele_name_label_cnt(apex);
	if (r.is_new && write->next_zone_id == UINT32_MAX) {
		status = stele_fail(reterr, STELE_E_SYSTEM, "store %s: all zone ids are used up",
				    write->store->dir);
		goto out;
	}
	r.id = r.is_new ? write->next_zone_id : stele_le32(record.id);
	r.label_max = record.label_max;
	r.node_cnt[STELE_STORE_NODES] = stele_le64(record.node_cnt);
	r.node_cnt[STELE_STORE_NSEC3] = stele_le64(record.nsec3_cnt);
	r.rr_cnt = stele_le64(record.rr_cnt);
	r.data_sz = stele_le64(record.data_sz);
	r.listing = r.journaling = !r.is_new;
	r.journal_max = store_journal_max(r.data_sz);

	status = merge_table(&r, STELE_STORE_NODES, nodes, nodes_user, reterr);
	if (status == 0 && !r.has_soa)
		status = fail_input(&r, reterr, "there is no SOA at its apex");
	if (status == 0)
		status = merge_table(&r, STELE_STORE_NSEC3, nsec3, nsec3_user, reterr);
	if (status == 0 && r.changed)
		status = record_changes(&r, &record, reterr);
	if (status == 0 && ret_info != NULL)
		store_zone_info(&record, r.apex, r.apex_len, ret_info);
	store_buffer_free(&r.changes);
	store_buffer_free(&r.removed);
	store_buffer_free(&r.added);
out:
	if (status != 0)
		write->failed = true;
	return status;
}
