/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/zone_change.h"

#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "lib/store/diff.h"
#include "lib/store/node.h"

#include <errno.h>

/* More changed owners than this of one zone, and the zone counts as changed as a whole. */
#define CHANGES_OF_ZONE_MAX_SZ ((size_t)32 << 20)

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

int store_zone_change_fail(const struct store_zone_change *change, struct stele_error *reterr,
			   const char *what)
{
	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(change->apex, text);
	return stele_fail(reterr, STELE_E_INPUT, "zone %s: %s", text, what);
}

/* ---- what changes, noted ---- */

/* The owner's name at the head of a journal entry, and room for the size of the node. */
static bool begin_entry(const struct store_zone_change *change, struct store_buffer *run,
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
	uint8_t *p = store_buffer_take(run, 2 + len + change->apex_len + 4);
	if (p == NULL)
		return false;
	stele_put_le16(p, (uint16_t)(len + change->apex_len));
	memcpy(p + 2, name, len);
	memcpy(p + 2 + len, change->apex, change->apex_len);
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

static bool journal(struct store_zone_change *change, enum stele_store_table table,
		    const uint8_t *key, size_t key_len, const MDB_val *old,
		    const struct stele_store_item *new)
{
	size_t removed_at = change->removed.sz, added_at = change->added.sz;
	if (!begin_entry(change, &change->removed, table, key, key_len) ||
	    !begin_entry(change, &change->added, table, key, key_len))
		return false;
	size_t removed_node_at = change->removed.sz, added_node_at = change->added.sz;
	if (!store_diff(old != NULL ? old->mv_data : NULL, old != NULL ? old->mv_size : 0,
			new != NULL ? new->node : NULL, new != NULL ? new->node_sz : 0,
			&change->removed, &change->added))
		return false;
	end_entry(&change->removed, removed_at, removed_node_at);
	end_entry(&change->added, added_at, added_node_at);
	if (change->removed.sz + change->added.sz + sizeof(struct store_step_head) >
	    change->journal_max) {
		change->journaling = false;
		store_buffer_free(&change->removed);
		store_buffer_free(&change->added);
	}
	return true;
}

bool store_zone_change_note(struct store_zone_change *change, enum stele_store_table table,
			    const uint8_t *key, size_t key_len, const MDB_val *old,
			    const struct stele_store_item *new)
{
	change->changed = true;
	if (old != NULL) {
		change->node_cnt[table]--;
		change->rr_cnt -= record_cnt(old->mv_data, old->mv_size);
		change->data_sz -= key_len + old->mv_size;
	}
	if (new != NULL) {
		change->node_cnt[table]++;
		change->rr_cnt += record_cnt(new->node, new->node_sz);
		change->data_sz += key_len + new->node_sz;
		if (table == STELE_STORE_NODES) {
			unsigned labels = change->apex_labels + label_cnt(key, key_len);
			if (labels > change->label_max)
				change->label_max = labels;
		}
	}
	if (change->listing) {
		enum stele_change_kind kind = table == STELE_STORE_NSEC3 ? STELE_CHANGE_NSEC3 :
									   STELE_CHANGE_NODE;
		if (!store_change_put(&change->changes, kind, change->id, key, key_len))
			return false;
		if (change->changes.sz > CHANGES_OF_ZONE_MAX_SZ) {
			change->listing = false;
			store_buffer_free(&change->changes);
		}
	}
	return !change->journaling || journal(change, table, key, key_len, old, new);
}

/* ---- begin, check, end ---- */

int store_zone_change_begin(struct store_zone_change *change, struct stele_store_write *write,
			    const uint8_t *apex, struct stele_error *reterr)
{
	*change = (struct store_zone_change){.write = write};
	struct store_zone_record *record = &change->record;
	int status = store_zone_get(write->store, write->txn, apex, record, NULL);
	change->is_new = status == STELE_E_NOTFOUND;
	if (status != 0 && !change->is_new)
		return store_zone_get(write->store, write->txn, apex, record, reterr);
	if (change->is_new && write->next_zone_id == UINT32_MAX)
		return stele_fail(reterr, STELE_E_SYSTEM, "store %s: all zone ids are used up",
				  write->store->dir);
	change->apex_len = stele_name_length(apex, STELE_NAME_MAX);
	memcpy(change->apex, apex, change->apex_len);
	change->apex_labels = stele_name_label_cnt(apex);
	change->id = change->is_new ? write->next_zone_id : stele_le32(record->id);
	change->serial = stele_le32(record->serial);
	change->has_soa = !change->is_new;
	change->label_max = record->label_max;
	change->node_cnt[STELE_STORE_NODES] = stele_le64(record->node_cnt);
	change->node_cnt[STELE_STORE_NSEC3] = stele_le64(record->nsec3_cnt);
	change->rr_cnt = stele_le64(record->rr_cnt);
	change->data_sz = stele_le64(record->data_sz);
	change->flags = record->flags & STELE_STORE_ZONE_TRANSFERRED;
	change->listing = !change->is_new;
	/* Nobody has the made-up contents of a stub, so nobody is told how they differ. */
	change->journaling = !change->is_new && (record->flags & STELE_STORE_ZONE_STUB) == 0;
	change->journal_max = store_journal_max(change->data_sz);
	return 0;
}

int store_zone_change_check(struct store_zone_change *change, enum stele_store_table table,
			    const struct stele_store_item *item, struct stele_error *reterr)
{
	uint8_t name[STELE_NAME_MAX];
	bool is_key;
	if (table == STELE_STORE_NSEC3) {
		is_key = item->key_len == STELE_NSEC3_HASH_SZ;
	} else {
		int len = item->key_len > STELE_SORT_KEY_MAX ?
				  -1 :
				  stele_sort_key_to_name(item->key, item->key_len, name);
		is_key = len >= 0 && (size_t)len + change->apex_len <= STELE_NAME_MAX;
	}
	if (!is_key)
		return store_zone_change_fail(change, reterr, "the key of an owner is none");
	if (item->node_sz > UINT32_MAX || !stele_node_check(item->node, item->node_sz))
		return store_zone_change_fail(change, reterr, "the data of an owner is malformed");
	if (table == STELE_STORE_NODES && item->key_len == 0)
		change->has_soa = store_soa_serial(item->node, item->node_sz, &change->serial);
	return 0;
}

/* A flag may be part of the zone's record in an image, which is made again where its apex changed. */
static bool note_flags(struct store_zone_change *change)
{
	if (change->flags == change->record.flags)
		return true;
	change->changed = true;
	return !change->listing || change->changes.sz > 0 ||
	       store_change_put(&change->changes, STELE_CHANGE_NODE, change->id, NULL, 0);
}

static int write_journal(struct store_zone_change *change, struct stele_error *reterr)
{
	uint32_t old_serial = stele_le32(change->record.serial);
	if (change->removed.sz == 0 && change->added.sz == 0 && change->journaling &&
	    change->serial == old_serial)
		return 0; /* records stand in another order, or only a flag changed */
	if (change->journaling && stele_serial_older(old_serial, change->serial))
		return store_journal_add(change->write, &change->record, old_serial, change->serial,
					 &change->removed, &change->added, reterr);
	return store_journal_clear(change->write, &change->record, reterr);
}

static int write_record(struct store_zone_change *change, struct stele_error *reterr)
{
	struct stele_store_write *write = change->write;
	struct store_zone_record *record = &change->record;
	record->id = stele_to_le32(change->id);
	record->node_cnt = stele_to_le64(change->node_cnt[STELE_STORE_NODES]);
	record->nsec3_cnt = stele_to_le64(change->node_cnt[STELE_STORE_NSEC3]);
	record->rr_cnt = stele_to_le64(change->rr_cnt);
	record->data_sz = stele_to_le64(change->data_sz);
	record->generation = stele_to_le64(write->generation);
	record->label_max = (uint8_t)change->label_max;
	record->flags = change->flags;
	int status = write_journal(change, reterr);
	if (status != 0)
		return status;
	record->serial = stele_to_le32(change->serial);
	if (!change->listing &&
	    !store_change_put(&change->changes, STELE_CHANGE_ZONE, change->id, NULL, 0))
		return store_fail(write->store, reterr, ENOMEM, "cannot list changes");
	status = store_changes_add(write, &change->changes, reterr);
	if (status != 0)
		return status;

	uint8_t bytes[STORE_KEY_MAX];
	MDB_val key = {store_zone_key(change->apex, change->apex_len, bytes), bytes};
	MDB_val value = {sizeof(*record), record};
	int rc = mdb_put(write->txn, write->store->dbs[STORE_DB_ZONES], &key, &value, 0);
	if (rc != 0)
		return store_fail(write->store, reterr, rc, "cannot write a zone");
	write->next_zone_id += change->is_new;
	write->changed = true;
	return 0;
}

int store_zone_change_finish(struct store_zone_change *change, struct stele_zone_info *ret_info,
			     struct stele_error *reterr)
{
	if (!change->has_soa)
		return store_zone_change_fail(change, reterr, "there is no SOA at its apex");
	if (!note_flags(change))
		return store_fail(change->write->store, reterr, ENOMEM, "cannot list changes");
	int status = change->changed ? write_record(change, reterr) : 0;
	if (status == 0 && ret_info != NULL)
		store_zone_info(&change->record, change->apex, change->apex_len, ret_info);
	return status;
}

void store_zone_change_free(struct store_zone_change *change)
{
	store_buffer_free(&change->changes);
	store_buffer_free(&change->removed);
	store_buffer_free(&change->added);
}
