/* SPDX-License-Identifier: Apache-2.0 */
/* A store that several processes have open, some of which die. */
#include "tests/unit/store/faults_case.h"
#include "tests/unit/store/store_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { COMMITS = 60 };

static void read_along(int fd)
{
	(void)fd;
	struct stele_store *store = open_store(STELE_STORE_READ);
	struct stele_error err = {""};
	uint32_t serial = 0;
	while (serial < COMMITS) {
		struct stele_store_read *first, *second;
		CHECK(stele_store_read_begin(store, &first, &err) == 0);
		uint32_t now = check_bulk(first);
		CHECK(now >= serial);
		/* A second read of the same thread may see more; the first still sees the same. */
		CHECK(stele_store_read_begin(store, &second, &err) == 0);
		CHECK(stele_store_generation(second) >= stele_store_generation(first));
		CHECK(check_bulk(second) >= now);
		CHECK(check_bulk(first) == now);
		stele_store_read_end(second);
		stele_store_read_end(first);
		serial = now;
	}
	stele_store_close(store);
}

static void test_readers_beside_a_writer(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 500);
	stele_store_close(store);
	pid_t readers[2] = {start(read_along, -1), start(read_along, -1)};
	store = open_store(STELE_STORE_CREATE);
	for (uint32_t serial = 2; serial <= COMMITS; serial++)
		commit_bulk(store, serial, 300 + serial * 7 % 400);
	expect_done(readers[0]);
	expect_done(readers[1]);
	assert_int_equal(check_store(store), COMMITS);
	stele_store_close(store);
}

static bool has_files(void)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	return stat(path, &st) == 0;
}

static void open_and_wait(int fd)
{
	struct stele_error err = {""};
	/* Open until it is killed. */
	CHECK(open_store(STELE_STORE_READ) != NULL && dprintf(fd, "x") == 1);
	for (;;)
		pause();
}

/* What a failure leaves: nothing new, and nothing that is anybody else's is gone. */
static void test_discard(void **state)
{
	(void)state;
	int pipe_fds[2];
	char c;
	stele_store_discard(NULL);
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	stele_store_discard(store);
	assert_false(has_files());
	/* The folder was not there either. */
	char parent[sizeof(dir)];
	memcpy(parent, dir, sizeof(dir));
	assert_true((size_t)snprintf(dir, sizeof(dir), "%s/new", parent) < sizeof(dir));
	stele_store_discard(open_store(STELE_STORE_CREATE));
	assert_int_not_equal(rmdir(dir), 0);
	assert_int_equal(errno, ENOENT);
	memcpy(dir, parent, sizeof(dir));
	/* Somebody else has it open. */
	store = open_store(STELE_STORE_CREATE);
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t other = start(open_and_wait, pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	stele_store_discard(store);
	assert_true(has_files());
	kill_child(other);
	/* It was there before. */
	stele_store_discard(open_store(STELE_STORE_CREATE));
	assert_true(has_files());
	store_dir_remove(dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	/* Something is in it. */
	store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 100);
	stele_store_discard(store);
	assert_true(has_files());
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void write_and_wait(int fd)
{
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	struct stele_store_write *write;
	struct stele_error err = {""};
	CHECK(stele_store_write_begin(store, &write, &err) == 0);
	CHECK(bulk_replace(write, apex, 2, 50000, false, NULL, &err) == 0);
	CHECK(bulk_replace(write, (const uint8_t *)"\3net", 2, 50000, false, NULL, &err) == 0);
	CHECK(dprintf(fd, "x") == 1);
	for (;;)
		pause();
}

static void write_on(int fd)
{
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	struct stele_error err = {""};
	for (uint32_t serial = check_store(store);;) {
		commit_bulk(store, ++serial, 2000);
		CHECK(write(fd, &serial, sizeof(serial)) == sizeof(serial));
	}
}

static void test_writer_killed_within_a_write(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 3000);
	stele_store_close(store);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t writer = start(write_and_wait, fds[1]);
	char c;
	assert_int_equal(read(fds[0], &c, 1), 1);
	store = open_store(STELE_STORE_CREATE);
	assert_int_equal(check_store(store), 1); /* beside the writer */
	kill_child(writer);
	assert_int_equal(check_store(store), 1);
	commit_bulk(store, 2, 10); /* its lock is free */
	assert_int_equal(check_store(store), 2);
	stele_store_close(store);
	close(fds[0]);
	close(fds[1]);
}

static void test_writer_killed_at_any_time(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 2000);
	stele_store_close(store);
	for (int i = 0; i < 15; i++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t writer = start(write_on, fds[1]);
		close(fds[1]);
		uint32_t told = 0, last = 0;
		assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
		nanosleep(&(struct timespec){.tv_nsec = 1000000L * (1 + i * 7 % 20)}, NULL);
		kill_child(writer);
		while (read(fds[0], &told, sizeof(told)) == sizeof(told))
			last = told;
		close(fds[0]);
		store = open_store(STELE_STORE_CREATE);
		/* What was committed is there; one more may have been, before it could be told. */
		uint32_t serial = check_store(store);
		assert_in_range(serial, last, last + 1);
		stele_store_close(store);
	}
}

static void read_and_wait(int fd)
{
	struct stele_store *store = open_store(STELE_STORE_READ);
	struct stele_store_read *read;
	struct stele_error err = {""};
	CHECK(stele_store_read_begin(store, &read, &err) == 0);
	CHECK(dprintf(fd, "x") == 1);
	for (;;)
		pause();
}

/* A dead reader must not keep the file growing. */
static void test_dead_reader(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 1000);
	stele_store_close(store);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t reader = start(read_and_wait, fds[1]);
	char c;
	assert_int_equal(read(fds[0], &c, 1), 1);
	store = open_store(STELE_STORE_CREATE);
	kill_child(reader);
	for (uint32_t serial = 2; serial < 200; serial++)
		commit_bulk(store, serial, 1000);
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	assert_int_equal(stat(path, &st), 0);
	/* The list of changes holds 200,000 entries of 13 bytes; a copy of the zone a commit 24 MB. */
	assert_in_range(st.st_size, 0, 12 << 20);
	stele_store_close(store);
	close(fds[0]);
	close(fds[1]);
}

int test_store_processes(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_discard),
		TEST(test_readers_beside_a_writer),
		TEST(test_writer_killed_within_a_write),
		TEST(test_writer_killed_at_any_time),
		TEST(test_dead_reader),
	};
	return cmocka_run_group_tests_name("store-processes", tests, NULL, NULL);
}
