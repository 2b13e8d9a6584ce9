/* SPDX-License-Identifier: Apache-2.0 */
/* The most names that an image may have. */
#include "tests/unit/compiler/build_case.h"

#include "lib/base/crc32c.h"
#include "lib/store/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the store believe that its only zone has so many nodes. */
static void claim_nodes(struct stele_store *store, uint64_t cnt)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	struct store_zone_record record;
	assert_int_equal(mdb_txn_begin(store->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, store->dbs[STORE_DB_ZONES], &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	assert_int_equal(value.mv_size, sizeof(record));
	memcpy(&record, value.mv_data, sizeof(record));
	record.node_cnt = stele_to_le64(cnt);
	value.mv_data = &record;
	assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static void test_too_many_names_to_build(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "one.test.", 5, 1);
	claim_nodes(p->store, STELE_IMAGE_NAMES_MAX + UINT64_C(1));
	struct stele_build_options options = {.image = p->image, .jobs = 2};
	struct stele_build_stats stats;
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	assert_string_equal(err.text, "1073741824 names (an image has at most 1073741823)");
	assert_int_equal(access(p->image, F_OK), -1);
}

/* Makes an image say in its root that it has so many names. */
static void claim_names(const char *path, uint64_t cnt)
{
	struct stele_root root;
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -(long)sizeof(root), SEEK_END), 0);
	assert_int_equal(fread(&root, sizeof(root), 1, file), 1);
	root.name_cnt = stele_to_le64(cnt);
	root.crc = stele_to_le32(0);
	root.crc = stele_to_le32(stele_crc32c(0, &root, sizeof(root)));
	assert_int_equal(fseek(file, -(long)sizeof(root), SEEK_END), 0);
	assert_int_equal(fwrite(&root, sizeof(root), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void test_too_many_names_to_update(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "one.test.", 5, 1);
	build(p, p->image, 2);
	struct stat before, after;
	claim_names(p->image, STELE_IMAGE_NAMES_MAX);
	assert_int_equal(stat(p->image, &before), 0);
	set_zone(p->store, "one.test.", 6, 2);
	struct stele_update_stats stats;
	struct stele_update_options options = {.jobs = 2};
	assert_int_equal(stele_update(p->store, p->image, &options, &stats, &err), STELE_E_INPUT);
	assert_non_null(strstr(err.text, " names (an image has at most 1073741823)"));
	assert_int_equal(stat(p->image, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	/* As many as there may be, and no name more. */
	set_zone(p->store, "one.test.", 5, 3);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
}

int test_build_limits(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_many_names_to_build),
		TEST(test_too_many_names_to_update),
	};
	return cmocka_run_group_tests_name("build-limits", tests, NULL, NULL);
}
