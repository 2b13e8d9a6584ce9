/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are replaced as a whole, by several processes at once too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/state_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTENT_SZ = 100000, WRITES = 200 };

static char dir[64];
static uint8_t content[CONTENT_SZ];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-state-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static unsigned count_files(void)
{
	unsigned cnt = 0;
	DIR *list = opendir(dir);
	assert_non_null(list);
	for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
		cnt += entry->d_name[0] != '.';
	closedir(list);
	return cnt;
}

/* Writes the same byte all over again and again; ends the process. */
static void write_on(int byte)
{
	struct stele_error err = {""};
	memset(content, byte, sizeof(content));
	for (unsigned i = 0; i < WRITES; i++) {
		if (stele_state_file_write(dir, "kept", content, sizeof(content), &err) != 0) {
			fprintf(stderr, "%s\n", err.text);
			_exit(1);
		}
	}
	_exit(0);
}

static void expect_whole(void)
{
	struct stele_error err;
	uint8_t *bytes;
	size_t sz;
	int rc = stele_state_file_read(dir, "kept", &bytes, &sz, &err);
	if (rc == STELE_E_NOTFOUND)
		return;
	assert_int_equal(rc, 0);
	assert_int_equal(sz, CONTENT_SZ);
	for (size_t i = 1; i < sz; i++)
		if (bytes[i] != bytes[0])
			fail_msg("byte %zu is %d, not %d", i, bytes[i], bytes[0]);
	free(bytes);
}

static void test_two_writers(void **state)
{
	pid_t pids[2];
	int status, ended = 0;
	(void)state;
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			write_on('a' + i);
	}
	while (ended < 2) {
		expect_whole();
		pid_t pid = waitpid(pids[ended], &status, WNOHANG);
		assert_true(pid >= 0);
		if (pid == 0)
			continue;
		assert_int_equal(status, 0);
		ended++;
	}
	expect_whole();
	assert_int_equal(count_files(), 1);
}

/* A program that was killed left it; one that is so young may be being written. */
static void test_left_behind(void **state)
{
	static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	struct stele_error err;
	struct stat st;
	char paths[2][96];
	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/kept.new-0000000%d", dir, i);
		int fd = open(paths[i], O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		if (i == 0)
			assert_int_equal(futimens(fd, long_ago), 0);
		close(fd);
	}
	assert_int_equal(stele_state_file_write(dir, "kept", content, sizeof(content), &err), 0);
	assert_int_not_equal(stat(paths[0], &st), 0);
	assert_int_equal(stat(paths[1], &st), 0);
	assert_int_equal(count_files(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_writers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_behind, setup, teardown),
	};
	return cmocka_run_group_tests_name("state-file", tests, NULL, NULL);
}
