/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's file: who may have it, and who may come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ctl/ctl_world.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What stands in the place of the next socket that is bound; NULL: it does. */
static const char *instead;

int __real_bind(int sock, const struct sockaddr *address, socklen_t sz);
int __wrap_bind(int sock, const struct sockaddr *address, socklen_t sz);
int __wrap_bind(int sock, const struct sockaddr *address, socklen_t sz)
{
	const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
	int rc = __real_bind(sock, address, sz);
	if (rc == 0 && instead != NULL) {
		assert_int_equal(unlink(path), 0);
		assert_int_equal(symlink(instead, path), 0);
	}
	return rc;
}

/* Who owns the folder, as the user does whom a server that starts as root becomes, could put a link there. */
static void test_link_in_its_place(void **state)
{
	(void)state;
	struct stele_ctl_server *server = NULL;
	struct stele_error err;
	struct stat before, after;
	char file[128];
	snprintf(file, sizeof(file), "%s/file", ctl_dir);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(stat(file, &before), 0);
	instead = file;
	int rc = ctl_new_server(0, getgid() + 1, &server, &err);
	instead = NULL;
	if (rc == 0)
		stele_ctl_server_free(server);
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(rc, STELE_E_SYSTEM);
	assert_int_equal(unlink(file), 0);
}

/* As what a killed process was starting does until it runs. */
static void test_lock_that_goes_soon(void **state)
{
	(void)state;
	struct stele_ctl_server *server;
	struct stele_error err;
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd = open(ctl_lock_path, O_RDWR | O_CREAT, 0600);
		char locked = flock(fd, LOCK_EX) == 0;
		if (write(pipe_fds[1], &locked, 1) == 1)
			usleep(100000);
		_exit(0);
	}
	close(pipe_fds[1]); /* one that dies is the end of what comes */
	char locked = 0;
	assert_int_equal(read(pipe_fds[0], &locked, 1), 1);
	assert_int_equal(locked, 1);
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &server, &err), 0);
	stele_ctl_server_free(server);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(pipe_fds[0]);
}

static void test_place(void **state)
{
	(void)state;
	struct stele_ctl_server *first, *second = NULL;
	struct stele_error err;
	unsigned before = ctl_open_fd_cnt();
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &first, &err), 0);
	struct stat st;
	assert_int_equal(stat(ctl_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &second, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "another process"));
	assert_int_equal(stat(ctl_path, &st), 0);
	/* One that does not know of the lock is seen too. */
	unlink(ctl_lock_path);
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &second, &err), STELE_E_SYSTEM);
	assert_null(second);
	stele_ctl_server_free(first);
	assert_int_equal(access(ctl_path, F_OK), -1);
	assert_int_equal(ctl_open_fd_cnt(), before);

	struct stele_ctl_client *client;
	assert_int_equal(stele_ctl_connect(ctl_path, &client, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "nobody listens"));

	/* No socket: somebody's file. */
	close(open(ctl_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &second, &err), STELE_E_INPUT);
	assert_int_equal(access(ctl_path, F_OK), 0);
	unlink(ctl_path);
	assert_int_equal(symlink("/nowhere/at/all", ctl_path), 0);
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &second, &err), STELE_E_INPUT);
	unlink(ctl_path);

	char long_path[200];
	memset(long_path, 'a', sizeof(long_path));
	memcpy(long_path, ctl_dir, strlen(ctl_dir));
	long_path[strlen(ctl_dir)] = '/';
	struct stele_ctl_server_settings settings = {
		.path = long_path, .group = (gid_t)-1, .ops = ctl_ops};
	long_path[STELE_CTL_PATH_MAX + 1] = '\0';
	assert_int_equal(stele_ctl_server_new(&settings, &second, &err), STELE_E_USAGE);
	assert_int_equal(stele_ctl_connect(long_path, &client, &err), STELE_E_USAGE);
	long_path[STELE_CTL_PATH_MAX] = '\0';
	assert_int_equal(stele_ctl_server_new(&settings, &second, &err), 0);
	assert_int_equal(stele_ctl_connect(long_path, &client, &err), 0);
	stele_ctl_disconnect(client);
	stele_ctl_server_free(second);
	memcpy(long_path + STELE_CTL_PATH_MAX, ".lock", sizeof(".lock"));
	unlink(long_path);
	assert_int_equal(ctl_open_fd_cnt(), before);
}

/* A process that is killed leaves its socket; the next one takes the place, a third is refused. */
static void test_stale(void **state)
{
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		struct stele_ctl_server *dying;
		struct stele_error err;
		_exit(ctl_new_server(0, (gid_t)-1, &dying, &err) == 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(access(ctl_path, F_OK), 0);
	ctl_start_server(0, (gid_t)-1);
	ctl_assert_alive();
	struct stele_ctl_server *third;
	struct stele_error err;
	assert_int_equal(ctl_new_server(0, (gid_t)-1, &third, &err), STELE_E_SYSTEM);
	ctl_end(NULL);
}

/* ---- who may ---- */

enum { STRANGER = 54321, GROUP = 54322 };

/* 0 served, 1 refused, 2 could not even connect */
static int try_as(gid_t primary, const gid_t *groups, size_t cnt)
{
	pid_t child = fork();
	if (child == 0) {
		if (setgroups(cnt, groups) != 0 || setgid(primary) != 0 || setuid(STRANGER) != 0)
			_exit(9);
		int sock = ctl_raw_connect();
		if (sock < 0)
			_exit(2);
		json_t *response = ctl_raw_ask(sock, "{\"op\":\"ping\"}", 13);
		if (response == NULL) {
			char answer[512];
			ssize_t got = recv(sock, answer, sizeof(answer), 0);
			response = got > 0 ? json_loadb(answer, (size_t)got, 0, NULL) : NULL;
		}
		_exit(json_is_true(json_object_get(response, "ok")) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_peers(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("needs root to become other users\n");
		skip();
	}
	const gid_t member[] = {1234, GROUP};
	ctl_start_server(0, GROUP);
	struct stat st;
	assert_int_equal(stat(ctl_path, &st), 0);
	assert_int_equal(st.st_gid, GROUP);
	ctl_assert_alive();
	assert_int_equal(try_as(GROUP, NULL, 0), 0);
	assert_int_equal(try_as(STRANGER, member, 2), 0);
	assert_int_equal(try_as(STRANGER, NULL, 0), 2);
	/* Even where the file's mode lets them in. */
	assert_int_equal(chmod(ctl_path, 0666), 0);
	assert_int_equal(try_as(STRANGER, NULL, 0), 1);
	assert_int_equal(try_as(STRANGER, member, 1), 1);
	ctl_end(NULL);
	ctl_start_server(0, (gid_t)-1);
	assert_int_equal(chmod(ctl_path, 0666), 0);
	assert_int_equal(try_as(STRANGER, member, 2), 1);
	ctl_end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_link_in_its_place),
		cmocka_unit_test(test_lock_that_goes_soon),
		cmocka_unit_test_teardown(test_stale, ctl_end),
		cmocka_unit_test_teardown(test_peers, ctl_end),
	};
	if (!ctl_world_begin())
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	ctl_world_end();
	return failed;
}
