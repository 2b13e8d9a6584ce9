/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: requests and responses, with descriptors, with time, and without waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ctl/ctl_world.h"

#include "lib/ctl/packet.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void test_requests(void **state)
{
	(void)state;
	struct stele_ctl_client *client = ctl_must_connect();
	for (unsigned i = 0; i < 100; i++)
		ctl_assert_works(client);
	int status;
	struct stele_error err;
	json_t *pong = ctl_ask(client, "{\"op\":\"ping\"}", -1, &status, &err);
	assert_string_equal(json_string_value(json_object_get(pong, "version")), STELE_VERSION);
	assert_int_equal(json_integer_value(json_object_get(pong, "pid")), getpid());
	assert_true(json_is_true(json_object_get(pong, "ok")));
	json_decref(pong);

	ctl_assert_refused(client, "{\"op\":\"nothing\"}", -1, STELE_E_USAGE, "'nothing'");
	ctl_assert_refused(client, "{\"op\":7}", -1, STELE_E_USAGE, "\"op\"");
	ctl_assert_refused(client, "{}", -1, STELE_E_USAGE, "\"op\"");
	ctl_assert_refused(client, "[]", -1, STELE_E_USAGE, "\"op\"");
	ctl_assert_refused(client, "{\"op\":\"ping\",\"more\":1}", -1, STELE_E_USAGE, "more");
	ctl_assert_refused(client, "{\"op\":\"echo\"}", -1, STELE_E_USAGE, "text");
	ctl_assert_refused(client, "{\"op\":\"echo\",\"text\":1}", -1, STELE_E_USAGE, "string");
	ctl_assert_refused(client, "{\"op\":\"echo\",\"text\":\"\",\"x\":1}", -1, STELE_E_USAGE,
			   "x");
	static const int statuses[] = {STELE_E_INPUT, STELE_E_USAGE, STELE_E_SYSTEM,
				       STELE_E_NOTFOUND, STELE_E_STALE};
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		char request[128];
		snprintf(request, sizeof(request),
			 "{\"op\":\"fail\",\"status\":%d,\"text\":\"a reason\"}", statuses[i]);
		/* The handler's text ends with a byte that is no UTF-8. */
		ctl_assert_refused(client, request, -1, statuses[i], "a reason\\xff");
	}
	/* Refusals do not end the connection. */
	ctl_assert_works(client);
	stele_ctl_disconnect(client);
}

static void test_sizes(void **state)
{
	(void)state;
	struct stele_ctl_client *client = ctl_must_connect();
	int status;
	struct stele_error err;
	/* {"ok":true,"text":"…"} has 21 bytes around the text. */
	char request[64];
	snprintf(request, sizeof(request), "{\"op\":\"big\",\"size\":%d}",
		 STELE_CTL_MESSAGE_MAX - 21);
	json_t *response = ctl_ask(client, request, -1, &status, &err);
	if (response == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(json_string_length(json_object_get(response, "text")),
			 STELE_CTL_MESSAGE_MAX - 21);
	json_decref(response);
	snprintf(request, sizeof(request), "{\"op\":\"big\",\"size\":%d}",
		 STELE_CTL_MESSAGE_MAX - 20);
	ctl_assert_refused(client, request, -1, STELE_E_SYSTEM, "longer than");

	/* The other way: {"op":"echo","text":"…"} has 23, and comes back a little longer. */
	char *text = malloc(STELE_CTL_MESSAGE_MAX + 1);
	assert_non_null(text);
	memset(text, 'y', STELE_CTL_MESSAGE_MAX);
	text[STELE_CTL_MESSAGE_MAX - 22] = '\0';
	json_t *long_request = json_pack("{s:s, s:s}", "op", "echo", "text", text);
	assert_int_equal(stele_ctl_call(client, long_request, -1, 20000, &response, &err),
			 STELE_E_USAGE);
	json_decref(long_request);
	stele_ctl_disconnect(client);

	client = ctl_must_connect();
	text[STELE_CTL_MESSAGE_MAX - 100] = '\0';
	long_request = json_pack("{s:s, s:s}", "op", "echo", "text", text);
	assert_int_equal(stele_ctl_call(client, long_request, -1, 20000, &response, &err), 0);
	assert_string_equal(json_string_value(json_object_get(response, "text")), text);
	json_decref(response);
	json_decref(long_request);
	stele_ctl_disconnect(client);
	free(text);
}

static void test_descriptor(void **state)
{
	(void)state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	struct stele_ctl_client *client = ctl_must_connect();
	ctl_assert_works(client);
	unsigned before = ctl_open_fd_cnt();
	int status;
	struct stele_error err;
	json_t *response = ctl_ask(client, "{\"op\":\"inode\"}", fd, &status, &err);
	assert_int_equal(json_integer_value(json_object_get(response, "inode")), st.st_ino);
	assert_true(json_is_true(json_object_get(response, "cloexec")));
	json_decref(response);
	/* The client's is still open, the server's copy is not. */
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ctl_open_fd_cnt(), before);

	response = ctl_ask(client, "{\"op\":\"inode\",\"keep\":true}", fd, &status, &err);
	json_decref(response);
	assert_int_equal(ctl_open_fd_cnt(), before + 1);
	assert_int_equal(fstat(ctl_kept_fd, &st), 0);
	close(ctl_kept_fd);

	ctl_assert_refused(client, "{\"op\":\"inode\"}", -1, STELE_E_USAGE, "needs a descriptor");
	ctl_assert_refused(client, "{\"op\":\"echo\",\"text\":\"\"}", fd, STELE_E_USAGE,
			   "takes no descriptor");
	ctl_assert_refused(client, "{\"op\":\"none\"}", fd, STELE_E_USAGE, "'none'");
	response = ctl_ask(client, "{\"op\":\"later-fd\",\"rounds\":3}", fd, &status, &err);
	assert_non_null(response);
	json_decref(response);
	assert_int_equal(ctl_open_fd_cnt(), before);
	/* Given up while it is being worked on. */
	json_t *request = json_pack("{s:s, s:i}", "op", "later-fd", "rounds", 1000000);
	assert_int_equal(stele_ctl_call(client, request, fd, 50, &response, &err), STELE_E_SYSTEM);
	json_decref(request);
	stele_ctl_disconnect(client);
	ctl_assert_fd_cnt(before - 2); /* both ends of the connection */
	close(fd);
	ctl_assert_alive();
}

static void test_later(void **state)
{
	(void)state;
	struct stele_ctl_client *waiting = ctl_must_connect(), *other = ctl_must_connect();
	int status;
	struct stele_error err;
	json_t *response = ctl_ask(waiting, "{\"op\":\"later\",\"rounds\":5}", -1, &status, &err);
	assert_int_equal(json_integer_value(json_object_get(response, "state")), 106);
	json_decref(response);
	ctl_assert_refused(waiting, "{\"op\":\"later\",\"rounds\":1000000,\"deadline_ms\":40}", -1,
			   STELE_E_INPUT, "too late");

	/* Others are served meanwhile; who gave up gets no stray response. */
	json_t *request = json_pack("{s:s, s:i}", "op", "later", "rounds", 20);
	assert_int_equal(stele_ctl_call(waiting, request, -1, 0, &response, &err), STELE_E_SYSTEM);
	json_decref(request);
	ctl_assert_works(other);
	ctl_assert_refused(waiting, "{\"op\":\"ping\"}", -1, STELE_E_SYSTEM, "broken");
	stele_ctl_disconnect(waiting);
	stele_ctl_disconnect(other);

	/* A request sent while another is being worked on is read after it. */
	int sock = ctl_raw_connect();
	static const char first[] = "{\"op\":\"later\",\"rounds\":3}",
			  second[] = "{\"op\":\"echo\",\"text\":\"second\"}";
	assert_true(send(sock, first, strlen(first), 0) > 0);
	response = ctl_raw_ask(sock, second, strlen(second));
	assert_non_null(json_object_get(response, "state"));
	json_decref(response);
	char answer[512];
	ssize_t got = recv(sock, answer, sizeof(answer) - 1, 0);
	assert_true(got > 0);
	answer[got] = '\0';
	assert_non_null(strstr(answer, "second"));
	close(sock);
}

/* However far it is, it is not behind us. */
static void test_deadlines(void **state)
{
	(void)state;
	const struct stele_ctl_call call = {.began_ns = 5000000000};
	static const struct {
		json_int_t ms;
		uint64_t ns;
	} cases[] = {
		{0, 5000000000},
		{1, 5001000000},
		{60000, 65000000000},
		{INT64_C(18446744068709), UINT64_C(18446744073709000000)},
		/* Multiplied, or added, it would be a small number. */
		{INT64_C(18446744068710), UINT64_MAX},
		{INT64_C(18446744073710), UINT64_MAX},
		{INT64_MAX, UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(stele_ctl_deadline_ns(&call, cases[i].ms) == cases[i].ns);
}

/* ---- clients that do not block ---- */

/* Waits as a loop would, and receives. */
static int receive_now(struct stele_ctl_client *client, json_t **ret_response, bool *ret_broken,
		       struct stele_error *err)
{
	for (;;) {
		int status = stele_ctl_receive(client, ret_response, ret_broken, err);
		if (status != STELE_CTL_AGAIN)
			return status;
		struct pollfd fd = {.fd = stele_ctl_client_fd(client), .events = POLLIN};
		assert_int_equal(poll(&fd, 1, 20000), 1);
	}
}

static void test_without_blocking(void **state)
{
	(void)state;
	ctl_start_server(0, (gid_t)-1);
	struct stele_ctl_client *client;
	struct stele_error err;
	json_t *response = NULL;
	bool broken = true;
	assert_int_equal(stele_ctl_connect_now(ctl_path, &client, &err), 0);
	assert_int_equal(stele_ctl_receive(client, &response, &broken, &err), STELE_CTL_AGAIN);

	json_t *request = json_pack("{s:s, s:i}", "op", "later", "rounds", 3);
	assert_int_equal(stele_ctl_send(client, request, -1, &err), 0);
	json_decref(request);
	assert_int_equal(receive_now(client, &response, &broken, &err), 0);
	assert_false(broken);
	assert_int_equal(json_integer_value(json_object_get(response, "state")), 104);
	json_decref(response);

	request = json_pack("{s:s, s:i, s:s}", "op", "fail", "status", STELE_E_INPUT, "text",
			    "no good");
	assert_int_equal(stele_ctl_send(client, request, -1, &err), 0);
	json_decref(request);
	assert_int_equal(receive_now(client, &response, &broken, &err), STELE_E_INPUT);
	assert_false(broken);
	assert_non_null(strstr(err.text, "no good"));

	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	request = json_pack("{s:s}", "op", "inode");
	assert_int_equal(stele_ctl_send(client, request, fd, &err), 0);
	json_decref(request);
	close(fd);
	assert_int_equal(receive_now(client, &response, &broken, &err), 0);
	json_decref(response);

	/* The server goes. */
	assert_int_equal(ctl_end(NULL), 0);
	assert_int_equal(receive_now(client, &response, &broken, &err), STELE_E_SYSTEM);
	assert_true(broken);
	assert_non_null(strstr(err.text, "closed"));
	stele_ctl_disconnect(client);
	assert_int_equal(stele_ctl_connect_now(ctl_path, &client, &err), STELE_E_SYSTEM);
}

/* A server that accepts nobody holds up nobody. */
static void test_full_backlog(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", ctl_path);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	struct stele_ctl_client *clients[8];
	struct stele_error err;
	unsigned cnt = 0;
	while (cnt < 8 && stele_ctl_connect_now(ctl_path, &clients[cnt], &err) == 0)
		cnt++;
	assert_in_range(cnt, 1, 7);
	while (cnt > 0)
		stele_ctl_disconnect(clients[--cnt]);
	close(listener);
	unlink(ctl_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_sizes, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_descriptor, ctl_start, ctl_end),
		cmocka_unit_test_setup_teardown(test_later, ctl_start, ctl_end),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_without_blocking),
		cmocka_unit_test(test_full_backlog),
	};
	if (!ctl_world_begin())
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	ctl_world_end();
	return failed;
}
