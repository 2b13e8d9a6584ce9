/* SPDX-License-Identifier: Apache-2.0 */
/* What the system does to the store: a full disk, little address space, files that are something else. */
#include "tests/unit/store/faults_case.h"
#include "tests/unit/store/failing_head.h"
#include "tests/unit/store/own_mounts.h"
#include "tests/unit/store/store_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

static bool is_there(const char *folder, const char *name)
{
	char path[256];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &st) == 0;
}

/* A store for which there is no room leaves nothing, however far it has come: no folder, and no file in one that was there. */
static void fill_disk_of_new_store(void)
{
	struct stele_error err = {""};
	char path[128], new_dir[128], old_dir[128];
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0);
	snprintf(path, sizeof(path), "%s/filler", dir);
	snprintf(new_dir, sizeof(new_dir), "%s/new", dir);
	snprintf(old_dir, sizeof(old_dir), "%s/old", dir);
	CHECK(mkdir(old_dir, 0700) == 0);
	int filler = open(path, O_WRONLY | O_CREAT, 0600);
	static char zeros[4096];
	while (write(filler, zeros, sizeof(zeros)) > 0)
		;
	off_t filled = lseek(filler, 0, SEEK_END);
	unsigned failed_cnt = 0;
	for (unsigned i = 0; i < 100; i++) {
		struct stele_store *store;
		CHECK(ftruncate(filler, filled - (off_t)i * 4096) == 0);
		if (stele_store_open(new_dir, STELE_STORE_CREATE, &store, &err) == 0) {
			stele_store_close(store);
			break;
		}
		CHECK(!is_there(dir, "new"));
		CHECK(stele_store_open(old_dir, STELE_STORE_CREATE, &store, &err) ==
		      STELE_E_SYSTEM);
		CHECK(!is_there(old_dir, "data.mdb") && !is_there(old_dir, "lock.mdb"));
		CHECK(is_there(dir, "old"));
		failed_cnt++;
	}
	/* The lock file alone takes 33 of these steps. */
	CHECK(failed_cnt > 35 && failed_cnt < 100);
	close(filler);
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

/* Who only reads makes a lock file too, if there is none: that of a store that was put back from a copy. */
static void fill_disk_of_reader(void)
{
	struct stele_error err = {""};
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0);
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 100);
	stele_store_close(store);
	char path[128];
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	CHECK(unlink(path) == 0);
	snprintf(path, sizeof(path), "%s/filler", dir);
	int filler = open(path, O_WRONLY | O_CREAT, 0600);
	static char zeros[4096];
	while (write(filler, zeros, sizeof(zeros)) > 0)
		;
	CHECK(stele_store_open(dir, STELE_STORE_READ, &store, &err) == STELE_E_SYSTEM);
	CHECK(strstr(err.text, "o space left") != NULL);
	CHECK(ftruncate(filler, 0) == 0);
	close(filler);
	store = open_store(STELE_STORE_READ);
	CHECK(lock_file_holes() == 0);
	CHECK(check_store(store) == 1);
	stele_store_close(store);
	/* Where nothing can be written there is no lock file, and nobody to be kept from writing. */
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	CHECK(unlink(path) == 0);
	CHECK(mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
	store = open_store(STELE_STORE_READ);
	CHECK(check_store(store) == 1);
	stele_store_close(store);
	CHECK(umount(dir) == 0);
}

/* Root may look at a store of somebody else, who has to be able to use it afterwards. */
static void test_lock_file_of_another_user(void **state)
{
	(void)state;
	char data[128], lock[128];
	struct stat st;
	if (geteuid() != 0) {
		print_message("needs root, to have files of two users\n");
		skip();
	}
	for (unsigned i = 0; i < 2; i++) {
		struct stele_store *store = open_store(STELE_STORE_CREATE);
		stele_store_close(store);
		snprintf(data, sizeof(data), "%s/data.mdb", dir);
		snprintf(lock, sizeof(lock), "%s/lock.mdb", dir);
		assert_int_equal(chown(data, 65534, 65533), 0);
		assert_int_equal(chmod(data, 0660), 0);
		assert_int_equal(unlink(lock), 0);
		stele_store_close(open_store(i == 0 ? STELE_STORE_READ : STELE_STORE_CREATE));
		assert_int_equal(stat(lock, &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_gid, 65533);
		assert_int_equal(st.st_mode & 07777, 0660);
	}
}

static void test_full_disk(void **state)
{
	(void)state;
	own_mounts_run(fill_disk_of_reader);
	own_mounts_run(fill_disk);
	own_mounts_run(fill_disk_of_new_store);
	own_mounts_run(fill_disk_with_holes);
}

static int try_bulk(struct stele_store *store, uint32_t serial, struct stele_error *err)
{
	struct stele_store_write *write;
	int status = stele_store_write_begin(store, &write, err);
	if (status != 0)
		return status;
	assert_int_equal(bulk_replace(write, apex, serial, 100, false, NULL, err), 0);
	return stele_store_commit(write, NULL, err);
}

/* The commit fails, and LMDB wants to be opened again before the next transaction: nobody else need do that. */
static void test_failed_head(void **state)
{
	(void)state;
	struct stele_error err = {""};
	struct stele_store *store = open_store(STELE_STORE_CREATE);
	commit_bulk(store, 1, 100);
	for (unsigned i = 0; i < 3; i++) {
		failing_head_arm();
		assert_int_equal(try_bulk(store, 2, &err), STELE_E_SYSTEM);
		assert_false(failing_head_is_armed());
		assert_non_null(strstr(err.text, "no space left"));
		assert_int_equal(check_store(store), 1);
	}
	assert_int_equal(try_bulk(store, 2, &err), 0);
	assert_int_equal(check_store(store), 2);
	/* Not while somebody reads, who reads on. */
	struct stele_store_read *read;
	assert_int_equal(stele_store_read_begin(store, &read, &err), 0);
	failing_head_arm();
	assert_int_equal(try_bulk(store, 3, &err), STELE_E_SYSTEM);
	assert_int_equal(try_bulk(store, 3, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "an earlier write failed"));
	assert_int_equal(check_bulk(read), 2);
	stele_store_read_end(read);
	assert_int_equal(try_bulk(store, 3, &err), 0);
	assert_int_equal(check_store(store), 3);
	/* The store in its place may be another one by then. */
	char data[128], kept[128], other_dir[128], other[160];
	struct stele_store *stranger;
	snprintf(data, sizeof(data), "%s/data.mdb", dir);
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	snprintf(other_dir, sizeof(other_dir), "%s/other", dir);
	snprintf(other, sizeof(other), "%s/data.mdb", other_dir);
	assert_int_equal(stele_store_open(other_dir, STELE_STORE_CREATE, &stranger, &err), 0);
	stele_store_close(stranger);
	failing_head_arm();
	assert_int_equal(try_bulk(store, 4, &err), STELE_E_SYSTEM);
	assert_int_equal(rename(data, kept), 0);
	/* Or none: nothing is made in its place, and no caller is told that it is his fault. */
	memset(&err, 0, sizeof(err));
	assert_int_equal(try_bulk(store, 4, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "cannot be opened again"));
	assert_int_not_equal(access(data, F_OK), 0);
	assert_int_equal(rename(other, data), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(try_bulk(store, 4, &err), STELE_E_SYSTEM);
		assert_non_null(strstr(err.text, "another one by now"));
	}
	assert_int_equal(rename(kept, data), 0);
	assert_int_equal(check_store(store), 3);
	stele_store_close(store);
	store_dir_remove(other_dir);
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
	/* An empty file, as a full disk may have left it. */
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(try_open(STELE_STORE_READ, dir, "there is no store in"), STELE_E_NOTFOUND);
	stele_store_close(open_store(STELE_STORE_CREATE));
	stele_store_close(open_store(STELE_STORE_READ));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full_disk),     TEST(test_little_address_space),
		TEST(test_no_store),      TEST(test_open_twice),
		TEST(test_another_file),  TEST(test_unknown_version),
		TEST(test_release_pages), TEST(test_lock_file_of_another_user),
		TEST(test_failed_head),
	};
	return cmocka_run_group_tests_name("store-faults", tests, NULL, NULL) +
	       test_store_processes();
}
