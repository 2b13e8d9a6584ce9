/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/store_dump.h"

#include "tests/unit/store/journal.h"

#include <stdlib.h>
#include <string.h>

static void add(struct dump *dump, const void *bytes, size_t sz)
{
	if (dump->cap - dump->sz < sz + 1) {
		dump->cap = 2 * (dump->sz + sz) + 4096;
		dump->bytes = realloc(dump->bytes, dump->cap);
		if (dump->bytes == NULL)
			abort();
	}
	if (sz > 0)
		memcpy(dump->bytes + dump->sz, bytes, sz);
	dump->sz += sz;
}

static int add_change(void *user, const struct stele_change *change)
{
	uint8_t head[] = {(uint8_t)change->kind, (uint8_t)change->zone_id};
	add(user, head, sizeof(head));
	add(user, change->key, change->key_len);
	return 0;
}

static void add_step(void *user, const struct stele_journal_step *step)
{
	add(user, &step->from_serial, 4);
	add(user, &step->to_serial, 4);
	add(user, step->removed, step->removed_sz);
	add(user, "|", 1);
	add(user, step->added, step->added_sz);
}

struct dump dump_read(struct stele_store_read *read, uint64_t since, uint32_t from_serial)
{
	struct dump dump = {0};
	struct stele_error err;
	struct stele_zone_info *infos;
	size_t cnt;
	if (stele_store_zones(read, &infos, &cnt, &err) != 0)
		abort();
	for (size_t i = 0; i < cnt; i++) {
		const struct stele_zone_info *z = &infos[i];
		uint64_t numbers[] = {z->id,       z->label_max, z->flags,  z->serial,
				      z->node_cnt, z->nsec3_cnt, z->rr_cnt, z->generation};
		add(&dump, numbers, sizeof(numbers));
		for (enum stele_store_table t = STELE_STORE_NODES; t <= STELE_STORE_NSEC3; t++) {
			struct stele_store_cursor *cursor;
			struct stele_store_item item;
			if (stele_store_cursor_open(read, t, z->id, NULL, 0, NULL, 0, &cursor,
						    &err) != 0)
				abort();
			while (stele_store_cursor_next(cursor, &item, &err) == 1) {
				add(&dump, item.key, item.key_len);
				add(&dump, item.node, item.node_sz);
			}
			stele_store_cursor_close(cursor);
		}
		int status = journal_walk(read, z->id, from_serial, add_step, &dump, &err);
		add(&dump, &status, sizeof(status));
	}
	free(infos);
	int status = stele_store_changes(read, since, add_change, &dump, &err);
	add(&dump, &status, sizeof(status));
	return dump;
}
