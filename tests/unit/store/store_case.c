/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/store_case.h"

#include <stdio.h>

const uint8_t apex[13] = "\7example\3com";
const uint8_t other_apex[5] = "\3net";
const uint8_t root[1] = "";

uint64_t store_model(struct fixture *f, const uint8_t *zone, const struct model *model,
		     struct stele_zone_info *ret_info)
{
	struct stele_store_write *write;
	uint64_t generation = 0;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, zone, model, ret_info, &f->err));
	ok(f, stele_store_commit(write, &generation, &f->err));
	return generation;
}

void check_zone(struct fixture *f, const uint8_t *zone, const struct model *model)
{
	struct stele_store_read *read;
	struct stele_zone_info info;
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_zone_find(read, zone, &info, &f->err));
	size_t at = 0, cnts[2] = {0, 0};
	for (enum stele_store_table t = STELE_STORE_NODES; t <= STELE_STORE_NSEC3; t++) {
		struct stele_store_cursor *cursor;
		struct stele_store_item item;
		ok(f,
		   stele_store_cursor_open(read, t, info.id, NULL, 0, NULL, 0, &cursor, &f->err));
		while (stele_store_cursor_next(cursor, &item, &f->err) == 1) {
			assert_true(at < model->cnt);
			const struct model_entry *e = &model->entries[at++];
			assert_int_equal(e->table, t);
			assert_int_equal(item.key_len, e->key_len);
			assert_memory_equal(item.key, e->key, e->key_len);
			assert_int_equal(item.node_sz, e->node_sz);
			assert_memory_equal(item.node, e->node, e->node_sz);
			cnts[t]++;
		}
		assert_int_equal(stele_store_cursor_next(cursor, &item, &f->err), 0);
		stele_store_cursor_close(cursor);
	}
	assert_int_equal(at, model->cnt);
	assert_int_equal(info.node_cnt, cnts[STELE_STORE_NODES]);
	assert_int_equal(info.nsec3_cnt, cnts[STELE_STORE_NSEC3]);
	struct records records = records_of(model, zone);
	assert_int_equal(info.rr_cnt, records.cnt);
	records_free(&records);
	stele_store_read_end(read);
}

int see_change(void *user, const struct stele_change *change)
{
	struct seen *seen = user;
	static const char *const kinds[] = {"node", "nsec3", "zone", "removed"};
	seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
				      "%s %u ", kinds[change->kind], change->zone_id);
	for (size_t i = 0; i < change->key_len; i++) {
		char c = (char)change->key[i];
		seen->text[seen->len++] = c == 0 ? '.' : c < ' ' ? (char)('0' + c) : c;
	}
	seen->text[seen->len++] = '\n';
	seen->text[seen->len] = '\0';
	return 0;
}

void expect_changes(struct fixture *f, uint64_t since, const char *expected)
{
	struct stele_store_read *read;
	struct seen seen = {.len = 0};
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	ok(f, stele_store_changes(read, since, see_change, &seen, &f->err));
	assert_string_equal(seen.text, expected);
	stele_store_read_end(read);
}

static void see_step(void *user, const struct stele_journal_step *step)
{
	struct seen *seen = user;
	seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
				      "%u-%u ", step->from_serial, step->to_serial);
}

void expect_steps(struct fixture *f, uint32_t zone_id, uint32_t from, const char *expected)
{
	struct stele_store_read *read;
	struct seen seen = {.len = 0};
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	int status = journal_walk(read, zone_id, from, see_step, &seen, &f->err);
	stele_store_read_end(read);
	if (expected == NULL) {
		assert_int_equal(status, STELE_E_NOTFOUND);
		return;
	}
	ok(f, status);
	assert_string_equal(seen.text, expected);
}

void expect_journal(struct fixture *f, uint32_t zone_id, uint32_t from, const struct model *old,
		    const struct model *new)
{
	struct stele_store_read *read;
	struct records records = records_of(old, apex), expected = records_of(new, apex);
	ok(f, stele_store_read_begin(f->store, &read, &f->err));
	struct stele_store_steps *steps;
	struct stele_journal_step step;
	uint64_t sz, seen_sz = 0;
	ok(f, stele_store_steps_open(read, zone_id, from, &steps, &sz, &f->err));
	while (stele_store_steps_next(steps, &step, &f->err) == 1) {
		assert_true(records_apply(&records, &step));
		seen_sz += step.removed_sz + step.added_sz;
	}
	assert_int_equal(stele_store_steps_next(steps, &step, &f->err), 0);
	assert_int_equal(sz, seen_sz);
	stele_store_steps_close(steps);
	stele_store_read_end(read);
	assert_true(records_equal(&records, &expected));
	records_free(&records);
	records_free(&expected);
}
