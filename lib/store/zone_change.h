/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_ZONE_CHANGE_H
#define STELE_LIB_STORE_ZONE_CHANGE_H

/*
 * A change of one zone under way, whoever makes it: a replacement of the whole or a few edits. Each
 * difference between an old and a new node is noted; from what was noted come the zone's counts, the
 * list of changed owners and the step of the journal, all written at the end.
 *
 *   store_zone_change_begin()
 *   for each owner that differs: store_zone_change_note(), then the write itself
 *   store_zone_change_finish()
 *   store_zone_change_free()
 */

#include "lib/store/internal.h"

struct store_zone_change {
	struct stele_store_write *write;
	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
	unsigned apex_labels;
	struct store_zone_record record; /* as it was, until the end */
	bool is_new;
	bool has_soa;
	bool changed;

	uint32_t id, serial;
	unsigned label_max;
	uint64_t node_cnt[2]; /* by enum stele_store_table */
	uint64_t rr_cnt, data_sz;
	uint8_t flags; /* of the record at the end, enum stele_store_zone_flag; begins as that of sound contents */

	bool listing;    /* changes are kept; false once there are too many */
	bool journaling; /* the same of the journal */
	size_t journal_max;
	struct store_buffer changes, removed, added;
};

/*
 * Begins with a zone that may be new; then it gets an id, which counts from store_zone_change_finish()
 * on. STELE_E_SYSTEM, STELE_E_USAGE if the apex is no name.
 */
int store_zone_change_begin(struct store_zone_change *change, struct stele_store_write *write,
			    const uint8_t *apex, struct stele_error *reterr);

/*
 * Checks key and node of an owner that is to be written; notes the serial of the SOA if it is the apex.
 * A node of size 0 is an owner that goes: only its key is checked.
 */
int store_zone_change_check(struct store_zone_change *change, enum stele_store_table table,
			    const struct stele_store_item *item, struct stele_error *reterr);

/*
 * Notes that one owner differs: `old` is NULL if it was not there, `new` if it is not to be. Call it
 * before the write, which moves what `old` points to. False when memory is out.
 */
bool store_zone_change_note(struct store_zone_change *change, enum stele_store_table table,
			    const uint8_t *key, size_t key_len, const MDB_val *old,
			    const struct stele_store_item *new);

/* Writes journal, list of changes and the zone's record, if there is anything to write. */
int store_zone_change_finish(struct store_zone_change *change, struct stele_zone_info *ret_info,
			     struct stele_error *reterr);

void store_zone_change_free(struct store_zone_change *change);

/* STELE_E_INPUT with "zone NAME: what". */
int store_zone_change_fail(const struct store_zone_change *change, struct stele_error *reterr,
			   const char *what);

#endif
