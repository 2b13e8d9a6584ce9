/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the store from outside: other processes, sudden death, a full disk, little address
 * space, files that are something else. Children open the store themselves, because what LMDB has open
 * does not survive a fork.
 */
#include "tests/unit/store/own_mounts.h"
#include "tests/unit/store/store_model.h"

#include "lib/dns/rrtype.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const uint8_t apex[] = "\7example\3com";

/* Works in a child and in the test itself: prints and ends the process. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__,            \
				#condition, err.text);                                             \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-faults-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	unlink(path);
	rmdir(dir);
	return 0;
}

static struct stele_store *open_store(enum stele_store_mode mode)
{
	struct stele_store *store = NULL;
	struct stele_error err = {""};
	CHECK(stele_store_open(dir, mode, &store, &err) == 0);
	return store;
}

static void commit_bulk(struct stele_store *store, uint32_t serial, uint32_t cnt)
{
	struct stele_store_write *write;
	struct stele_error err = {""};
	CHECK(stele_store_write_begin(store, &write, &err) == 0);
	CHECK(bulk_replace(write, apex, serial, cnt, false, NULL, &err) == 0);
	CHECK(stele_store_commit(write, NULL, &err) == 0);
}

/* Every owner holds the serial as its text. Returns the serial. */
static uint32_t check_bulk(struct stele_store_read *read)
{
	struct stele_error err = {""};
	struct stele_zone_info info;
	CHECK(stele_store_zone_find(read, apex, &info, &err) == 0);
	char text[16];
	size_t text_len = (size_t)snprintf(text, sizeof(text), "%u", info.serial);
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	CHECK(stele_store_cursor_open(read, STELE_STORE_NODES, info.id, NULL, 0, NULL, 0, &cursor,
				      &err) == 0);
	uint64_t cnt = 0;
	while (stele_store_cursor_next(cursor, &item, &err) == 1) {
		struct stele_node_rrset rrset;
		if (cnt++ == 0)
			continue;
		CHECK(stele_node_find(item.node, item.node_sz, STELE_TYPE_TXT, &rrset));
		CHECK(rrset.data_sz == 2 + text_len);
		CHECK(memcmp(rrset.data + 2, text, text_len) == 0);
	}
	CHECK(cnt == info.node_cnt);
	stele_store_cursor_close(cursor);
	return info.serial;
}

static uint32_t check_store(struct stele_store *store)
{
	struct stele_store_read *read;
	struct stele_error err = {""};
	CHECK(stele_store_read_begin(store, &read, &err) == 0);
	uint32_t serial = check_bulk(read);
	stele_store_read_end(read);
	return serial;
}

/* Runs `body` in a child. */
static pid_t start(void (*body)(int fd), int fd)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(fd);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void expect_done(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- several processes ---- */

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

/* ---- the system says no ---- */

/* Bytes of the lock file that have no block: a write to them through a mapping may be a SIGBUS. */
static int64_t lock_file_holes(void)
{
	struct stele_error err = {""};
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	CHECK(stat(path, &st) == 0 && st.st_size > 0);
	return st.st_blocks * 512 < st.st_size ? st.st_size - st.st_blocks * 512 : 0;
}

static void fill_disk(void)
{
	struct stele_error err = {""};
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "size=6m") == 0);
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 5000);
	struct stele_store_write *large;
	CHECK(stele_store_write_begin(store, &large, &err) == 0);
	int status = bulk_replace(large, apex, 2, 400000, false, NULL, &err);
	if (status == 0)
		status = stele_store_commit(large, NULL, &err);
	else
		stele_store_abort(large);
	CHECK(status == STELE_E_SYSTEM);
	CHECK(strstr(err.text, "no space left") != NULL);
	CHECK(strstr(err.text, dir) != NULL);
	CHECK(check_store(store) == 1);
	/* What fits still goes, here and after opening again. */
	commit_bulk(store, 2, 5000);
	stele_store_close(store);
	store = open_store(STELE_STORE_CREATE);
	CHECK(check_store(store) == 2);
	commit_bulk(store, 3, 5001);
	stele_store_close(store);

	/* A disk that is full before anything is there. */
	CHECK(umount(dir) == 0);
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0);
	char path[128];
	snprintf(path, sizeof(path), "%s/filler", dir);
	int filler = open(path, O_WRONLY | O_CREAT, 0600);
	static char zeros[4096];
	while (write(filler, zeros, sizeof(zeros)) > 0)
		;
	store = NULL;
	/* Again and again, also when there is room for a part of it. */
	off_t filled = lseek(filler, 0, SEEK_END);
	for (unsigned i = 0; i < 4; i++) {
		CHECK(ftruncate(filler, filled - i * 16384) == 0);
		CHECK(stele_store_open(dir, STELE_STORE_CREATE, &store, &err) == STELE_E_SYSTEM);
		CHECK(strstr(err.text, "o space left") != NULL);
	}
	CHECK(ftruncate(filler, 0) == 0);
	close(filler);
	store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 100);
	CHECK(lock_file_holes() == 0);
	stele_store_close(store);
	CHECK(umount(dir) == 0);
}

/* A lock file that somebody else left without blocks, of any size: it gets them, or there is no store. */
static void fill_disk_with_holes(void)
{
	static const off_t sizes[] = {0, 8192, 131456, 200000};
	struct stele_error err = {""};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK(mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0);
		char path[128];
		snprintf(path, sizeof(path), "%s/lock.mdb", dir);
		int lock = open(path, O_RDWR | O_CREAT, 0600);
		CHECK(ftruncate(lock, sizes[i]) == 0);
		close(lock);
		snprintf(path, sizeof(path), "%s/filler", dir);
		int filler = open(path, O_WRONLY | O_CREAT, 0600);
		static char zeros[4096];
		while (write(filler, zeros, sizeof(zeros)) > 0)
			;
		struct stele_store *store = NULL;
		CHECK(stele_store_open(dir, STELE_STORE_CREATE, &store, &err) == STELE_E_SYSTEM);
		CHECK(strstr(err.text, "o space left") != NULL);
		CHECK(ftruncate(filler, 0) == 0);
		close(filler);
		store = open_store(STELE_STORE_CREATE);
		CHECK(lock_file_holes() == 0);
		commit_bulk(store, 1, 100);
		stele_store_close(store);
		store = open_store(STELE_STORE_CREATE);
		CHECK(check_store(store) == 1);
		stele_store_close(store);
		CHECK(umount(dir) == 0);
	}
}

static void test_full_disk(void **state)
{
	(void)state;
	own_mounts_run(fill_disk);
	own_mounts_run(fill_disk_with_holes);
}

/* 96 MiB of address space: the map is 32 MiB at first, and follows what another process writes. */
static void live_in_little_space(int fd)
{
	struct stele_error err = {""};
	struct rlimit limit = {96 << 20, 96 << 20};
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	CHECK(check_store(store) == 1);
	CHECK(dprintf(fd, "x") == 1);
	char c;
	CHECK(read(fd, &c, 1) == 1);
	CHECK(check_store(store) == 2);
	/* There is no room for as much again. */
	struct stele_store_write *write;
	CHECK(stele_store_write_begin(store, &write, &err) == 0);
	int status = bulk_replace(write, (const uint8_t *)"\3net", 1, 400000, false, NULL, &err);
	CHECK(status == STELE_E_SYSTEM);
	CHECK(strstr(err.text, "ulimit -v") != NULL || strstr(err.text, "memory") != NULL);
	stele_store_abort(write);
	CHECK(check_store(store) == 2);
	stele_store_close(store);
}

static void test_little_address_space(void **state)
{
	(void)state;
	if (SANITIZED || getenv("LD_PRELOAD") != NULL) {
		print_message("needs a build without sanitizers\n");
		skip();
	}
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 1000);
	stele_store_close(store);
	pid_t child = start(live_in_little_space, fds[1]);
	char c;
	assert_int_equal(read(fds[0], &c, 1), 1);
	store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 2, 700000);
	assert_int_equal(write(fds[0], "x", 1), 1);
	expect_done(child);
	assert_int_equal(check_store(store), 2);
	stele_store_close(store);
	close(fds[0]);
	close(fds[1]);
}

/* ---- files that are something else ---- */

static int try_open(enum stele_store_mode mode, const char *path, const char *expected_text)
{
	struct stele_store *store;
	struct stele_error err = {""};
	int status = stele_store_open(path, mode, &store, &err);
	if (status == 0)
		stele_store_close(store);
	else
		assert_non_null(strstr(err.text, expected_text));
	return status;
}

static void test_no_store(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(try_open(STELE_STORE_READ, path, "there is no store in"),
			 STELE_E_NOTFOUND);
	assert_int_equal(try_open(STELE_STORE_READ, dir, "there is no store in"), STELE_E_NOTFOUND);
	snprintf(path, sizeof(path), "%s/none/deeper", dir);
	assert_int_equal(try_open(STELE_STORE_CREATE, path, "cannot make the directory"),
			 STELE_E_INPUT);
	assert_int_equal(try_open(STELE_STORE_CREATE, "/dev/null", "/dev/null"), STELE_E_INPUT);
}

static void test_open_twice(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	assert_int_equal(try_open(STELE_STORE_READ, dir, "open already"), STELE_E_USAGE);
	uint8_t identity[STELE_STORE_IDENTITY_SZ];
	memcpy(identity, stele_store_identity(store), sizeof(identity));
	stele_store_close(store);
	store = open_store(STELE_STORE_READ);
	assert_memory_equal(stele_store_identity(store), identity, sizeof(identity));
	struct stele_store_write *write;
	struct stele_error err;
	assert_int_equal(stele_store_write_begin(store, &write, &err), STELE_E_USAGE);
	stele_store_close(store);
	stele_store_close(NULL);
}

static void test_another_file(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 10000; i++)
		fprintf(file, "not a store\n");
	fclose(file);
	assert_int_equal(try_open(STELE_STORE_READ, dir, "is not a store"), STELE_E_INPUT);
	assert_int_equal(try_open(STELE_STORE_CREATE, dir, "is not a store"), STELE_E_INPUT);
}

/* Changes the format version, wherever it stands in the file: the row's name, then its value. */
static void test_unknown_version(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 10);
	stele_store_close(store);
	char path[128];
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	int fd = open(path, O_RDWR);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *bytes = malloc((size_t)st.st_size);
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	int found = 0;
	for (size_t i = 0; i + 15 <= (size_t)st.st_size; i++) {
		if (memcmp(bytes + i, "version\1\0\0\0\0\0\0\0", 15) == 0) {
			assert_int_equal(pwrite(fd, "\7", 1, (off_t)i + 7), 1);
			found++;
		}
	}
	assert_true(found > 0);
	close(fd);
	free(bytes);
	static const char text[] = "format version 7 (this program knows version 1)";
	assert_int_equal(try_open(STELE_STORE_READ, dir, text), STELE_E_INPUT);
	assert_int_equal(try_open(STELE_STORE_CREATE, dir, text), STELE_E_INPUT);
}

/* ---- pages ---- */

static long shared_pages(void)
{
	char line[256], *next;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	strtol(line, &next, 10); /* all, resident, shared */
	strtol(next, &next, 10);
	return strtol(next, NULL, 10);
}

static void test_release_pages(void **state)
{
	(void)state;
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 300000);
	struct stele_store_read *read;
	struct stele_error err;
	assert_int_equal(stele_store_read_begin(store, &read, &err), 0);
	assert_int_equal(check_bulk(read), 1);
	long before = shared_pages();
	stele_store_release_pages(store);
	assert_in_range(shared_pages(), 0, before - 1000);
	assert_int_equal(check_bulk(read), 1);
	stele_store_read_end(read);
	stele_store_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_readers_beside_a_writer),
		TEST(test_writer_killed_within_a_write),
		TEST(test_writer_killed_at_any_time),
		TEST(test_dead_reader),
		TEST(test_full_disk),
		TEST(test_little_address_space),
		TEST(test_no_store),
		TEST(test_open_twice),
		TEST(test_another_file),
		TEST(test_unknown_version),
		TEST(test_release_pages),
	};
	return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
