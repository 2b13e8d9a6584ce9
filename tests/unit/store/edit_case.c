/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/edit_case.h"

#include <stdlib.h>
#include <string.h>

const uint8_t apex[13] = "\7example\3com";
const uint8_t other_apex[5] = "\3net";

static struct stele_store_edit edit_of(const struct model_entry *e, bool goes)
{
	return (struct stele_store_edit){e->table, e->key, e->key_len, goes ? NULL : e->node,
					 goes ? 0 : e->node_sz};
}

static bool entry_before(const struct model_entry *a, const struct model_entry *b)
{
	if (a->table != b->table)
		return a->table < b->table;
	return stele_sort_key_compare(a->key, a->key_len, b->key, b->key_len) < 0;
}

/* Edits that lead from `old` to `new`; of owners that stay as they are about one in `same` too. */
static size_t make_edits(const struct model *old, const struct model *new, unsigned same,
			 struct stele_store_edit *edits)
{
	size_t cnt = 0, i = 0, k = 0;
	for (;;) {
		const struct model_entry *a = i < old->cnt ? &old->entries[i] : NULL;
		const struct model_entry *b = k < new->cnt ? &new->entries[k] : NULL;
		if (a == NULL && b == NULL)
			return cnt;
		if (b == NULL || (a != NULL && entry_before(a, b))) {
			edits[cnt++] = edit_of(a, true);
			i++;
		} else if (a == NULL || entry_before(b, a)) {
			edits[cnt++] = edit_of(b, false);
			k++;
		} else {
			if (a->node_sz != b->node_sz || memcmp(a->node, b->node, a->node_sz) != 0 ||
			    (same > 0 && (i + k) % same == 0))
				edits[cnt++] = edit_of(b, false);
			i++;
			k++;
		}
	}
}

int apply(struct stele_store_write *write, const uint8_t *zone, const struct model *old,
	  const struct model *new, struct stele_zone_info *ret_info, struct stele_error *err)
{
	struct stele_store_edit *edits = calloc(old->cnt + new->cnt + 1, sizeof(*edits));
	size_t cnt = make_edits(old, new, 5, edits);
	int status = stele_store_zone_edit(write, zone, edits, cnt, ret_info, err);
	free(edits);
	return status;
}

struct dump dump_store(struct two_stores *f, struct stele_store *store, uint64_t since,
		       uint32_t from_serial)
{
	struct stele_store_read *read;
	two_stores_ok(f, stele_store_read_begin(store, &read, &f->err));
	struct dump dump = dump_read(read, since, from_serial);
	stele_store_read_end(read);
	return dump;
}

void expect_same(struct dump a, struct dump b)
{
	assert_int_equal(a.sz, b.sz);
	assert_memory_equal(a.bytes, b.bytes, a.sz);
	free(a.bytes);
	free(b.bytes);
}

struct stele_store_write *begin(struct two_stores *f, struct stele_store *store)
{
	struct stele_store_write *write;
	two_stores_ok(f, stele_store_write_begin(store, &write, &f->err));
	return write;
}

void commit(struct two_stores *f, struct stele_store_write *write)
{
	two_stores_ok(f, stele_store_commit(write, NULL, &f->err));
}

void count_step(void *user, const struct stele_journal_step *step)
{
	(void)step;
	++*(unsigned *)user;
}
