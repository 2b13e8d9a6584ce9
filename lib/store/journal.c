/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a zone. A step's chunks, one behind the other, are its head, what was removed and what
 * was added. The steps that are there always form one chain that ends at the zone's serial.
 */
#include "lib/store/internal.h"

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <errno.h>
#include <stdlib.h>

#define JOURNAL_MIN_SZ ((uint64_t)1 << 20)
#define JOURNAL_MAX_SZ ((uint64_t)256 << 20)

size_t store_journal_max(uint64_t zone_data_sz)
{
	if (zone_data_sz < JOURNAL_MIN_SZ)
		return JOURNAL_MIN_SZ;
	return zone_data_sz < JOURNAL_MAX_SZ ? zone_data_sz : JOURNAL_MAX_SZ;
}

static MDB_val step_key(uint8_t bytes[STORE_STEP_KEY_SZ], uint32_t zone_id, uint64_t step,
			uint32_t chunk)
{
	stele_put_be32(bytes, zone_id);
	stele_put_be64(bytes + 4, step);
	stele_put_be32(bytes + 12, chunk);
	return (MDB_val){STORE_STEP_KEY_SZ, bytes};
}

static uint64_t step_of(const MDB_val *key)
{
	return stele_get_be64((const uint8_t *)key->mv_data + 4);
}

/* ---- writing ---- */

static int forget_oldest(struct stele_store_write *write, struct store_zone_record *record,
			 struct stele_error *reterr)
{
	uint8_t bytes[STORE_STEP_KEY_SZ];
	MDB_val key = step_key(bytes, stele_le32(record->id), 0, 0), value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(write->txn, write->store->dbs[STORE_DB_JOURNAL], &cursor);
	if (rc == 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		if (rc == 0) {
			uint64_t sz = 0;
			step_key(bytes, stele_le32(record->id), step_of(&key), 0);
			mdb_cursor_close(cursor);
			int status = store_delete_prefix(write, STORE_DB_JOURNAL, bytes,
							 STORE_STEP_KEY_SZ - 4, &sz, reterr);
			uint64_t left = stele_le64(record->journal_sz);
			record->journal_sz = stele_to_le64(sz < left ? left - sz : 0);
			return status;
		}
		mdb_cursor_close(cursor);
	}
	return store_fail(write->store, reterr, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc,
			  "cannot prune the journal");
}

/* Copies up to `max` bytes from where `*at` stands in the parts of a step, one behind the other. */
static size_t gather(uint8_t *to, size_t max, const MDB_val parts[3], size_t *at)
{
	size_t done = 0, begin = 0;
	for (unsigned i = 0; i < 3 && done < max; begin += parts[i++].mv_size) {
		if (*at >= begin + parts[i].mv_size)
			continue;
		size_t skip = *at - begin;
		size_t sz = parts[i].mv_size - skip;
		if (sz > max - done)
			sz = max - done;
		memcpy(to + done, (const uint8_t *)parts[i].mv_data + skip, sz);
		done += sz;
		*at += sz;
	}
	return done;
}

int store_journal_add(struct stele_store_write *write, struct store_zone_record *record,
		      uint32_t from_serial, uint32_t to_serial, const struct store_buffer *removed,
		      const struct store_buffer *added, struct stele_error *reterr)
{
	struct store_step_head head = {
		.from_serial = stele_to_le32(from_serial),
		.to_serial = stele_to_le32(to_serial),
		.removed_sz = stele_to_le32((uint32_t)removed->sz),
		.added_sz = stele_to_le32((uint32_t)added->sz),
	};
	const MDB_val parts[3] = {
		{sizeof(head), &head},
		{removed->sz, removed->data},
		{added->sz, added->data},
	};
	size_t step_sz = sizeof(head) + removed->sz + added->sz;
	uint64_t step = stele_le64(record->next_step);
	size_t at = 0;
	for (uint32_t chunk = 0; at < step_sz; chunk++) {
		uint8_t bytes[STORE_STEP_KEY_SZ];
		size_t sz = step_sz - at < STORE_CHUNK_SZ ? step_sz - at : STORE_CHUNK_SZ;
		MDB_val key = step_key(bytes, stele_le32(record->id), step, chunk);
		MDB_val value = {sz, NULL};
		int rc = mdb_put(write->txn, write->store->dbs[STORE_DB_JOURNAL], &key, &value,
				 MDB_RESERVE);
		if (rc != 0)
			return store_fail(write->store, reterr, rc, "cannot write the journal");
		gather(value.mv_data, sz, parts, &at);
	}
	record->next_step = stele_to_le64(step + 1);
	record->journal_sz = stele_to_le64(stele_le64(record->journal_sz) + step_sz);

	int status = 0;
	size_t max = store_journal_max(stele_le64(record->data_sz));
	while (status == 0 && stele_le64(record->journal_sz) > max)
		status = forget_oldest(write, record, reterr);
	return status;
}

int store_journal_clear(struct stele_store_write *write, struct store_zone_record *record,
			struct stele_error *reterr)
{
	if (stele_le64(record->journal_sz) == 0)
		return 0;
	record->journal_sz = (struct stele_le64){{0}};
	uint8_t prefix[STORE_ZONE_PREFIX_SZ];
	stele_put_be32(prefix, stele_le32(record->id));
	return store_delete_prefix(write, STORE_DB_JOURNAL, prefix, sizeof(prefix), NULL, reterr);
}

/* ---- reading ---- */

static int serial_of_zone(struct stele_store_read *read, uint32_t zone_id, uint32_t *ret_serial,
			  struct stele_error *reterr)
{
	const uint8_t *node;
	size_t node_sz;
	int status = stele_store_node(read, zone_id, NULL, 0, &node, &node_sz, reterr);
	if (status != 0)
		return status == STELE_E_NOTFOUND ?
			       stele_fail(reterr, status, "no such zone in the store") :
			       status;
	if (!store_soa_serial(node, node_sz, ret_serial))
		return store_fail(read->store, reterr, MDB_CORRUPTED, "cannot read a SOA");
	return 0;
}

/* The head of a step from its first chunk. */
static bool read_head(const MDB_val *value, struct store_step_head *ret_head)
{
	if (value->mv_size < sizeof(*ret_head))
		return false;
	memcpy(ret_head, value->mv_data, sizeof(*ret_head));
	return true;
}

/* Moves the cursor to the first chunk of the latest step that begins at `from_serial`. */
static int find_step(MDB_cursor *cursor, uint32_t zone_id, uint32_t from_serial, MDB_val *key,
		     MDB_val *value)
{
	uint8_t bytes[STORE_STEP_KEY_SZ], prefix[STORE_ZONE_PREFIX_SZ];
	stele_put_be32(prefix, zone_id);
	/* Behind the zone's last step, and from there one step back each time. */
	*key = step_key(bytes, zone_id, UINT64_MAX, UINT32_MAX);
	int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	rc = mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	while (rc == 0 && store_has_prefix(key, prefix, sizeof(prefix))) {
		if (key->mv_size != STORE_STEP_KEY_SZ)
			return MDB_CORRUPTED;
		MDB_val first = step_key(bytes, zone_id, step_of(key), 0);
		rc = mdb_cursor_get(cursor, &first, value, MDB_SET_KEY);
		if (rc != 0)
			return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
		*key = first;
		struct store_step_head head;
		if (!read_head(value, &head))
			return MDB_CORRUPTED;
		if (stele_le32(head.from_serial) == from_serial)
			return 0;
		rc = mdb_cursor_get(cursor, key, value, MDB_PREV);
	}
	return rc == 0 ? MDB_NOTFOUND : rc;
}

/*
 * Reads the step whose first chunk the cursor stands at, and moves the cursor behind it: to the first
 * chunk of the next step, or to MDB_NOTFOUND. A step of one chunk is given out where it lies, a longer
 * one is put together in `room`.
 */
static int read_step(MDB_cursor *cursor, MDB_val *key, MDB_val *value, struct store_buffer *room,
		     struct stele_journal_step *ret_step)
{
	struct store_step_head head;
	if (!read_head(value, &head))
		return MDB_CORRUPTED;
	size_t removed_sz = stele_le32(head.removed_sz), added_sz = stele_le32(head.added_sz);
	size_t step_sz = sizeof(head) + removed_sz + added_sz;
	const uint8_t *step = value->mv_data;
	size_t have = value->mv_size;
	uint8_t prefix[STORE_STEP_KEY_SZ - 4];
	memcpy(prefix, key->mv_data, sizeof(prefix));
	bool whole = have >= step_sz;
	room->sz = 0;
	if (!whole && !store_buffer_add(room, step, have))
		return ENOMEM;
	int rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	while (rc == 0 && store_has_prefix(key, prefix, sizeof(prefix))) {
		if (!store_buffer_add(room, value->mv_data, value->mv_size))
			return ENOMEM;
		have += value->mv_size;
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	}
	if (have != step_sz)
		return MDB_CORRUPTED;
	if (!whole)
		step = room->data;
	*ret_step = (struct stele_journal_step){
		.from_serial = stele_le32(head.from_serial),
		.to_serial = stele_le32(head.to_serial),
		.removed = step + sizeof(head),
		.added = step + sizeof(head) + removed_sz,
		.removed_sz = removed_sz,
		.added_sz = added_sz,
	};
	return rc;
}

struct stele_store_steps {
	struct stele_store_read *read;
	MDB_cursor *cursor; /* NULL: there is no step */
	MDB_val key, value; /* the next step's first chunk, if `rc` is 0 */
	int rc;
	uint32_t zone_id;
	struct store_buffer room; /* of a step in several chunks */
};

static bool at_step(const struct stele_store_steps *steps)
{
	uint8_t prefix[STORE_ZONE_PREFIX_SZ];
	stele_put_be32(prefix, steps->zone_id);
	return steps->rc == 0 && store_has_prefix(&steps->key, prefix, sizeof(prefix)) &&
	       steps->key.mv_size == STORE_STEP_KEY_SZ;
}

/* Adds up all steps from where the cursor stands, by their heads alone, and leaves it there. */
static int sum_steps(struct stele_store_steps *steps, uint64_t *ret_sz)
{
	uint8_t bytes[STORE_STEP_KEY_SZ];
	uint64_t first = step_of(&steps->key), sz = 0;
	while (at_step(steps)) {
		struct store_step_head head;
		if (!read_head(&steps->value, &head))
			return MDB_CORRUPTED;
		sz += (uint64_t)stele_le32(head.removed_sz) + stele_le32(head.added_sz);
		steps->key = step_key(bytes, steps->zone_id, step_of(&steps->key) + 1, 0);
		steps->rc =
			mdb_cursor_get(steps->cursor, &steps->key, &steps->value, MDB_SET_RANGE);
	}
	if (steps->rc != 0 && steps->rc != MDB_NOTFOUND)
		return steps->rc;
	steps->key = step_key(bytes, steps->zone_id, first, 0);
	steps->rc = mdb_cursor_get(steps->cursor, &steps->key, &steps->value, MDB_SET_KEY);
	*ret_sz = sz;
	return steps->rc;
}

int stele_store_steps_open(struct stele_store_read *read, uint32_t zone_id, uint32_t from_serial,
			   struct stele_store_steps **ret_steps, uint64_t *ret_sz,
			   struct stele_error *reterr)
{
	uint32_t serial = 0;
	uint64_t sz = 0;
	int status = serial_of_zone(read, zone_id, &serial, reterr);
	if (status != 0)
		return status;
	struct stele_store_steps *steps = calloc(1, sizeof(*steps));
	if (steps == NULL)
		return store_fail(read->store, reterr, ENOMEM, "cannot read the journal");
	steps->read = read;
	steps->zone_id = zone_id;
	steps->rc = MDB_NOTFOUND;
	if (serial != from_serial) {
		MDB_cursor *cursor = NULL;
		int rc = mdb_cursor_open(read->txn, read->store->dbs[STORE_DB_JOURNAL], &cursor);
		if (rc == 0) {
			steps->cursor = cursor;
			rc = find_step(cursor, zone_id, from_serial, &steps->key, &steps->value);
		}
		if (rc == 0) {
			steps->rc = 0;
			rc = sum_steps(steps, &sz);
		}
		if (rc != 0) {
			stele_store_steps_close(steps);
			if (rc == MDB_NOTFOUND)
				return stele_fail(reterr, STELE_E_NOTFOUND,
						  "the journal does not lead from serial %u to %u",
						  from_serial, serial);
			return store_fail(read->store, reterr, rc, "cannot read the journal");
		}
	}
	if (ret_sz != NULL)
		*ret_sz = sz;
	*ret_steps = steps;
	return 0;
}

int stele_store_steps_next(struct stele_store_steps *steps, struct stele_journal_step *ret_step,
			   struct stele_error *reterr)
{
	if (at_step(steps)) {
		int rc = read_step(steps->cursor, &steps->key, &steps->value, &steps->room,
				   ret_step);
		steps->rc = rc;
		if (rc == 0 || rc == MDB_NOTFOUND)
			return 1;
	}
	if (steps->rc != 0 && steps->rc != MDB_NOTFOUND)
		return store_fail(steps->read->store, reterr, steps->rc, "cannot read the journal");
	return 0;
}

void stele_store_steps_close(struct stele_store_steps *steps)
{
	if (steps == NULL)
		return;
	if (steps->cursor != NULL)
		mdb_cursor_close(steps->cursor);
	store_buffer_free(&steps->room);
	free(steps);
}
