/* SPDX-License-Identifier: Apache-2.0 */
/* The file of counters: where it may lie, what comes after it, and what is refused of it. */
#include "tests/unit/daemon/stats_case.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void test_settings(void **state)
{
	(void)state;
	static const struct {
		uint32_t workers, slots;
	} wrong[] = {{0, 1},
		     {STELE_STATS_WORKERS_MAX + 1, 1},
		     {1, 0},
		     {1, STELE_STATS_ZONE_SLOTS_MAX + 1}};
	struct stele_stats *stats = NULL;
	struct stele_error err;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct stele_stats_settings settings = {.path = path,
							.mode = 0640,
							.worker_cnt = wrong[i].workers,
							.zone_slot_cnt = wrong[i].slots};
		assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_USAGE);
	}
	struct stele_stats_settings settings = {.path = "/dev/shm/no-such-folder/stats",
						.mode = 0640,
						.worker_cnt = 1,
						.zone_slot_cnt = 1};
	assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_SYSTEM);
	assert_null(stats);
	assert_int_equal(access(path, F_OK), -1);
}

/* Written back to a disk, pages would stop workers. */
static void test_only_tmpfs(void **state)
{
	(void)state;
	static const char *const folders[] = {"/var/tmp", "/tmp", "/root", "/"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		struct statfs fs;
		if (statfs(folders[i], &fs) != 0 || fs.f_type == TMPFS_MAGIC ||
		    access(folders[i], W_OK) != 0)
			continue;
		char there[64];
		snprintf(there, sizeof(there), "%s/stele-test-stats-%d", folders[i], getpid());
		struct stele_stats_settings settings = {
			.path = there, .mode = 0640, .worker_cnt = 1, .zone_slot_cnt = 1};
		struct stele_stats *stats;
		struct stele_error err;
		assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_USAGE);
		assert_non_null(strstr(err.text, "tmpfs"));
		assert_int_equal(access(there, F_OK), -1);
		return;
	}
	print_message("no folder here that is not a tmpfs\n");
	skip();
}

static void test_replace(void **state)
{
	(void)state;
	struct stele_stats *first = create(1, 1);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, first->layout.file_sz);
	/* All of it is there. */
	assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	struct stele_stats_reader *reader = open_reader();
	assert_true(stele_stats_is_current(reader));
	stele_stats_add(stele_stats_worker(first, 0, &place), STELE_STAT_RX_PACKETS, 5);

	struct stele_stats *second = create(2, 3);
	assert_false(stele_stats_is_current(reader));
	struct stele_stats_snapshot old = take(reader, false);
	assert_int_equal(old.workers[0].values[STELE_STAT_RX_PACKETS], 5);
	stele_stats_snapshot_free(&old);
	stele_stats_close(reader);

	/* The first one's end leaves the second's file alone. */
	stele_stats_destroy(first);
	reader = open_reader();
	struct stele_stats_snapshot snapshot = take(reader, true);
	assert_int_equal(snapshot.worker_cnt, 2);
	assert_int_equal(snapshot.zone_cnt, 3);
	assert_int_equal(snapshot.pid, getpid());
	stele_stats_snapshot_free(&snapshot);
	stele_stats_close(reader);
	stele_stats_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
}

static void write_file(const void *bytes, size_t sz)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, sz), sz);
	close(fd);
}

static void assert_refused(int expected)
{
	struct stele_stats_reader *reader = NULL;
	struct stele_error err;
	assert_int_equal(stele_stats_open(path, &reader, &err), expected);
	assert_null(reader);
}

static void test_damaged(void **state)
{
	(void)state;
	assert_refused(STELE_E_NOTFOUND);
	write_file("", 0);
	assert_refused(STELE_E_INPUT);
	write_file("STLSTATS", 8);
	assert_refused(STELE_E_INPUT);
	unlink(path);

	struct stele_stats *stats = create(2, 10);
	struct stele_stats_header good = *stats->header;
	static const struct {
		size_t off;
		size_t sz;
		uint64_t value;
	} changes[] = {
#define CHANGE(field, value)                                                                       \
	{offsetof(struct stele_stats_header, field),                                               \
	 sizeof(((struct stele_stats_header *)0)->field), value}
		CHANGE(magic, 0),
		CHANGE(version, STELE_STATS_VERSION + 1),
		CHANGE(layout, 1),
		CHANGE(worker_cnt, 0),
		CHANGE(worker_cnt, 1),
		CHANGE(worker_cnt, 3),
		CHANGE(worker_cnt, UINT32_MAX),
		CHANGE(zone_slot_cnt, 0),
		CHANGE(zone_slot_cnt, 20000),
		CHANGE(zone_slot_cnt, UINT32_MAX),
		CHANGE(file_sz, 0),
		CHANGE(file_sz, UINT64_MAX),
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy((uint8_t *)stats->header + changes[i].off, &changes[i].value, changes[i].sz);
		assert_refused(STELE_E_INPUT);
		*stats->header = good;
	}
	struct stele_stats_reader *reader = open_reader();
	stele_stats_close(reader);
	assert_int_equal(truncate(path, (off_t)stats->layout.file_sz - 1), 0);
	assert_refused(STELE_E_INPUT);
	assert_int_equal(truncate(path, (off_t)sizeof(struct stele_stats_header)), 0);
	assert_refused(STELE_E_INPUT);
	stele_stats_destroy(stats);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(STELE_E_INPUT);
	rmdir(path);
}

int test_stats_file(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_only_tmpfs),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
