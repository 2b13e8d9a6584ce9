/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a build: what is said where they fail, and what is left where they are interrupted. */
#include "tests/unit/compiler/build_case.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fsync_fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* Of a folder: files are synced by fdatasync(). */
int __wrap_fsync(int fd)
{
	if (!fsync_fails)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

/* The image is there, as the message says. */
static void test_folder_cannot_be_synced(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "a.test.", 5, 1);
	struct stele_build_options options = {.image = p->image, .jobs = 1};
	struct stele_build_stats stats;
	fsync_fails = true;
	int rc = stele_build(p->store, &options, &stats, &err);
	fsync_fails = false;
	assert_int_equal(rc, STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "is in place, but a crash of the machine may undo that"));
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.generation, 1);
	stele_view_close(&view);
}

static bool is_ended_at_rename;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
	if (is_ended_at_rename)
		raise(SIGTERM);
	return __real_rename(from, to);
}

/* In a process of its own, which is sent SIGTERM when its image has a temporary name; returns how that ended. */
static int build_and_be_ended(const struct place *p)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct stele_build_options options = {.image = p->image, .jobs = 1};
		struct stele_build_stats stats;
		struct stele_store *store;
		is_ended_at_rename = true;
		if (stele_store_open(p->store_dir, STELE_STORE_READ, &store, &err) == 0)
			stele_build(store, &options, &stats, &err);
		_exit(1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Nothing stays behind. */
static void test_ended_at_the_last_moment(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "a.test.", 5, 1);
	/* What is open may not be used by a child. */
	stele_store_close(p->store);
	int status = build_and_be_ended(p);
	OK(stele_store_open(p->store_dir, STELE_STORE_CREATE, &p->store, &err));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	DIR *dir = opendir(p->dir);
	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "store") != 0)
			assert_string_equal(entry->d_name, "image");
	closedir(dir);
	struct stele_view view = open_verified(p->image);
	stele_view_close(&view);
}

int test_build_end(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_folder_cannot_be_synced),
		TEST(test_ended_at_the_last_moment),
	};
	return cmocka_run_group_tests_name("build-end", tests, NULL, NULL);
}
