/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: clients and servers that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ctl/ctl_world.h"

#include "lib/ctl/packet.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_descriptor_flood(void **state)
{
	(void)state;
	int fds[253];
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 1; i < 253; i++)
		fds[i] = fds[0];
	int sock = ctl_raw_connect();
	assert_true(sock >= 0);
	static const char ping[] = "{\"op\":\"ping\"}", load[] = "{\"op\":\"inode\"}";
	json_decref(ctl_raw_ask(sock, ping, strlen(ping)));
	unsigned before = ctl_open_fd_cnt();
	static const size_t cnts[] = {2, 3, 4, 5, 8, 253};
	for (size_t i = 0; i < 2 * sizeof(cnts) / sizeof(cnts[0]); i++) {
		char answer[512];
		assert_int_equal(ctl_send_fds(sock, i % 2 ? ping : load, fds, cnts[i / 2]), 0);
		ssize_t got = recv(sock, answer, sizeof(answer) - 1, 0);
		assert_true(got > 0);
		answer[got] = '\0';
		assert_non_null(strstr(answer, "more than one descriptor"));
		assert_int_equal(ctl_open_fd_cnt(), before);
	}
	/* With garbage, and with nothing, which is taken for the end. */
	assert_int_equal(ctl_send_fds(sock, "garbage", fds, 1), 0);
	char answer[512];
	assert_true(recv(sock, answer, sizeof(answer), 0) > 0);
	assert_int_equal(ctl_open_fd_cnt(), before);
	assert_int_equal(ctl_send_fds(sock, "", fds, 1), 0);
	assert_int_equal(recv(sock, answer, sizeof(answer), 0), 0);
	close(sock);
	ctl_assert_fd_cnt(before - 2);
	close(fds[0]);
	ctl_assert_alive();
}

/* A descriptor that comes when none is free is lost, and nobody is told that it was sent too many. */
static void test_no_descriptor_free(void **state)
{
	(void)state;
	static const char ping[] = "{\"op\":\"ping\"}", inode[] = "{\"op\":\"inode\"}";
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int sock = ctl_raw_connect();
	json_decref(ctl_raw_ask(sock, ping, strlen(ping)));
	struct rlimit before, none;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int lowest = dup(fd);
	assert_true(lowest >= 0);
	close(lowest);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
	char answer[512] = "";
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int sent = ctl_send_fds(sock, inode, &fd, 1);
	ssize_t got = recv(sock, answer, sizeof(answer) - 1, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(sent, 0);
	assert_true(got > 0);
	assert_non_null(strstr(answer, "\"kind\":\"system\""));
	assert_non_null(strstr(answer, "no descriptor is free"));
	/* The same again, when one is. */
	assert_int_equal(ctl_send_fds(sock, inode, &fd, 1), 0);
	memset(answer, 0, sizeof(answer));
	assert_true(recv(sock, answer, sizeof(answer) - 1, 0) > 0);
	assert_non_null(strstr(answer, "\"ok\":true"));
	close(sock);
	close(fd);
}

static void test_garbage(void **state)
{
	(void)state;
	static const char *const garbage[] = {
		"x",
		"{",
		"nonsense",
		"{\"op\":\"ping\"",
		"{\"op\":\"ping\"}x",
		"{\"op\":\"ping\",\"op\":\"ping\"}",
		"{\"op\":null}",
		"{\"op\":\"pi\\u0000ng\"}",
		"{\"op\":\"\xff\xfe\"}",
		"\xff\xff\xff\xff",
		"null",
		"1e999",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"op\":{\"op\":\"ping\"}}",
	};
	int sock = ctl_raw_connect();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		json_t *response = ctl_raw_ask(sock, garbage[i], strlen(garbage[i]));
		assert_true(json_is_false(json_object_get(response, "ok")));
		assert_string_equal(json_string_value(json_object_get(response, "kind")), "usage");
		json_decref(response);
	}
	json_t *response = ctl_raw_ask(sock, "\0{}", 3);
	assert_true(json_is_false(json_object_get(response, "ok")));
	json_decref(response);

	/* As deep as a message can be, as long as it may be, and longer. */
	size_t sz = STELE_CTL_MESSAGE_MAX;
	char *bytes = malloc(sz + 1);
	assert_non_null(bytes);
	memset(bytes, '[', sz + 1);
	response = ctl_raw_ask(sock, bytes, sz);
	assert_true(json_is_false(json_object_get(response, "ok")));
	json_decref(response);
	response = ctl_raw_ask(sock, bytes, sz + 1);
	assert_non_null(strstr(json_string_value(json_object_get(response, "error")), "too long"));
	json_decref(response);
	free(bytes);
	close(sock);
	ctl_assert_alive();
}

/* One that asks for much and reads nothing costs one response, and keeps nobody else. */
static void test_slow_reader(void **state)
{
	(void)state;
	static const char request[] = "{\"op\":\"big\",\"size\":190000}";
	int sock = ctl_raw_connect();
	unsigned sent = 0;
	while (sent < 10000 && send(sock, request, strlen(request), MSG_DONTWAIT) > 0)
		sent++;
	/* The kernel's queue of requests is full: the server has stopped reading them. */
	assert_true(sent < 10000);
	unsigned steps = __atomic_load_n(&ctl_step_cnt, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 20; i++)
		ctl_assert_alive();
	/* Each client takes a few steps; a server that spins takes them by the million. */
	usleep(100000);
	assert_true(__atomic_load_n(&ctl_step_cnt, __ATOMIC_RELAXED) - steps < 10000);
	/* Once it reads, all it asked for comes. */
	static char answer[STELE_CTL_MESSAGE_MAX];
	for (unsigned i = 0; i < sent; i++)
		assert_true(recv(sock, answer, sizeof(answer), 0) > 190000);
	close(sock);
}

static void test_many_connections(void **state)
{
	(void)state;
	enum { CNT = 4 * STELE_CTL_CONNECTIONS_MAX };
	unsigned before = ctl_open_fd_cnt();
	int socks[CNT];
	for (unsigned i = 0; i < CNT; i++) {
		socks[i] = ctl_raw_connect();
		assert_true(socks[i] >= 0);
	}
	ctl_assert_alive();
	/* The server holds no more than it may. */
	assert_true(ctl_open_fd_cnt() <= before + CNT + STELE_CTL_CONNECTIONS_MAX);
	for (unsigned i = 0; i < CNT; i++)
		close(socks[i]);
	ctl_assert_fd_cnt(before);
	ctl_assert_alive();

	/* All places taken by what takes time: the next is told so. */
	static const char wait[] = "{\"op\":\"later\",\"rounds\":1000000}";
	for (unsigned i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		socks[i] = ctl_raw_connect();
		assert_true(send(socks[i], wait, strlen(wait), 0) > 0);
	}
	unsigned steps = __atomic_load_n(&ctl_step_cnt, __ATOMIC_RELAXED);
	while (__atomic_load_n(&ctl_step_cnt, __ATOMIC_RELAXED) - steps < 20)
		usleep(1000);
	struct stele_ctl_client *client = ctl_must_connect();
	ctl_assert_refused(client, "{\"op\":\"ping\"}", -1, STELE_E_SYSTEM, "too many connections");
	stele_ctl_disconnect(client);
	for (unsigned i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++)
		close(socks[i]);
	ctl_assert_fd_cnt(before);
	ctl_assert_alive();
}

static void test_vanishing(void **state)
{
	(void)state;
	static const char *const requests[] = {"{\"op\":\"big\",\"size\":190000}",
					       "{\"op\":\"later\",\"rounds\":5}", "{", ""};
	unsigned before = ctl_open_fd_cnt();
	for (unsigned i = 0; i < 200; i++) {
		int sock = ctl_raw_connect();
		const char *request = requests[i % 4];
		send(sock, request, strlen(request), MSG_NOSIGNAL);
		if (i % 3 == 0)
			shutdown(sock, SHUT_RDWR);
		close(sock);
	}
	ctl_assert_fd_cnt(before);
	ctl_assert_alive();
}

static void test_idle(void **state)
{
	(void)state;
	struct stele_error err;
	ctl_start_server(100, (gid_t)-1);
	int sock = ctl_raw_connect();
	char answer[512];
	assert_int_equal(recv(sock, answer, sizeof(answer), 0), 0);
	close(sock);
	/* Waiting for an answer is not being idle. */
	struct stele_ctl_client *client = ctl_must_connect();
	json_t *request =
		json_pack("{s:s, s:i, s:i}", "op", "later", "rounds", 1000000, "deadline_ms", 400);
	json_t *response;
	assert_int_equal(stele_ctl_call(client, request, -1, 20000, &response, &err),
			 STELE_E_INPUT);
	json_decref(request);
	stele_ctl_disconnect(client);
	ctl_assert_alive();
	ctl_end(NULL);
}

/* ---- servers that misbehave ---- */

struct bad_server {
	const char *bytes;
	size_t fd_cnt;
	int sock;
};

static void *serve_badly(void *user)
{
	const struct bad_server *bad = user;
	char request[512];
	int sock = accept4(bad->sock, NULL, NULL, SOCK_CLOEXEC);
	if (recv(sock, request, sizeof(request), 0) > 0 && bad->bytes != NULL) {
		int fds[8] = {2, 2, 2, 2, 2, 2, 2, 2};
		if (bad->fd_cnt > 0)
			ctl_send_fds(sock, bad->bytes, fds, bad->fd_cnt);
		else
			send(sock, bad->bytes, strlen(bad->bytes), MSG_NOSIGNAL);
	}
	close(sock);
	return NULL;
}

static void test_bad_servers(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t fd_cnt;
		int status;
		const char *words;
	} cases[] = {
		{NULL, 0, STELE_E_SYSTEM, "without an answer"},
		{"{", 0, STELE_E_SYSTEM, "without sense"},
		{"[]", 0, STELE_E_SYSTEM, "without sense"},
		{"{}", 0, STELE_E_SYSTEM, "without sense"},
		{"{\"ok\":1}", 0, STELE_E_SYSTEM, "without sense"},
		{"{\"ok\":false}", 0, STELE_E_SYSTEM, "without sense"},
		{"{\"ok\":false,\"error\":1,\"kind\":\"input\"}", 0, STELE_E_SYSTEM, "sense"},
		{"{\"ok\":false,\"error\":\"why\",\"kind\":\"input\"}", 0, STELE_E_INPUT, "why"},
		{"{\"ok\":false,\"error\":\"why\",\"kind\":\"new\"}", 0, STELE_E_SYSTEM, "why"},
		{"{\"ok\":true}", 1, 0, ""},
		{"{\"ok\":true}", 8, STELE_E_SYSTEM, "without sense"},
	};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", ctl_path);
	unsigned before = ctl_open_fd_cnt();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bad_server bad = {.bytes = cases[i].bytes, .fd_cnt = cases[i].fd_cnt};
		bad.sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(bad.sock, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(bad.sock, 1), 0);
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, serve_badly, &bad), 0);
		struct stele_ctl_client *client = ctl_must_connect();
		int status;
		struct stele_error err = {.text = ""};
		json_t *response = ctl_ask(client, "{\"op\":\"ping\"}", -1, &status, &err);
		assert_int_equal(status, cases[i].status);
		assert_true((response != NULL) == (status == 0));
		assert_non_null(strstr(err.text, cases[i].words));
		json_decref(response);
		stele_ctl_disconnect(client);
		pthread_join(thread, NULL);
		close(bad.sock);
		unlink(ctl_path);
		assert_int_equal(ctl_open_fd_cnt(), before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptor_flood, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_no_descriptor_free, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_garbage, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_slow_reader, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_many_connections, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_vanishing, ctl_start, ctl_end),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_bad_servers),
	};
	if (!ctl_world_begin())
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	ctl_world_end();
	return failed;
}
