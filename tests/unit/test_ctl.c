/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: requests and responses, descriptors, clients that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/ctl/ctl.h"
#include "lib/ctl/packet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96], lock_path[112];

/* ---- a server of a few operations ---- */

static int echo(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	const char *text;
	json_int_t number = -1;
	int status = stele_ctl_unpack(call, reterr, "s:s, s?I", "text", &text, "number", &number);
	if (status != 0)
		return status;
	json_object_set_new(call->response, "text", json_string(text));
	json_object_set_new(call->response, "number", json_integer(number));
	json_object_set_new(call->response, "uid", json_integer(call->peer_uid));
	return 0;
}

static int fail_as(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	json_int_t status;
	const char *text;
	int wrong = stele_ctl_unpack(call, reterr, "s:I, s:s", "status", &status, "text", &text);
	if (wrong != 0)
		return wrong;
	json_object_set_new(call->response, "half", json_true());
	return stele_fail(reterr, (int)status, "%s\xff", text);
}

static int inode_of(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stat st;
	if (fstat(call->fd, &st) != 0)
		return stele_fail_errno(reterr, errno, "fstat");
	json_object_set_new(call->response, "inode", json_integer((json_int_t)st.st_ino));
	json_object_set_new(call->response, "cloexec",
			    json_boolean(fcntl(call->fd, F_GETFD) & FD_CLOEXEC));
	if (json_object_get(call->request, "keep") != NULL) {
		*(int *)user = call->fd;
		call->fd = -1;
	}
	return 0;
}

static int later(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	json_int_t rounds, deadline_ms = -1;
	int status = stele_ctl_unpack(call, reterr, "s:I, s?I", "rounds", &rounds, "deadline_ms",
				      &deadline_ms);
	if (status != 0)
		return status;
	if (call->round == 0) {
		call->state = 100;
		if (deadline_ms >= 0)
			call->deadline_ns = call->began_ns + (uint64_t)deadline_ms * 1000000u;
	}
	call->state++;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (now >= call->deadline_ns)
		return stele_fail(reterr, STELE_E_INPUT, "too late");
	if (call->round < rounds)
		return STELE_CTL_AGAIN;
	json_object_set_new(call->response, "state", json_integer((json_int_t)call->state));
	return 0;
}

static int big(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	json_int_t sz;
	int status = stele_ctl_unpack(call, reterr, "s:I", "size", &sz);
	if (status != 0)
		return status;
	char *text = malloc((size_t)sz + 1);
	assert_non_null(text);
	memset(text, 'x', (size_t)sz);
	text[sz] = '\0';
	json_object_set_new(call->response, "text", json_string(text));
	free(text);
	return 0;
}

static const struct stele_ctl_op ops[] = {
	{.name = "echo", .handle = echo},
	{.name = "fail", .handle = fail_as},
	{.name = "inode", .takes_fd = true, .handle = inode_of},
	{.name = "later", .handle = later},
	{.name = "later-fd", .takes_fd = true, .handle = later},
	{.name = "big", .handle = big},
	{NULL, false, NULL},
};

static struct stele_ctl_server *server;
static pthread_t server_thread;
static bool stop;
static int kept_fd = -1;
static unsigned step_cnt;

static void *serve(void *user)
{
	(void)user;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct pollfd fd = {.fd = stele_ctl_server_fd(server), .events = POLLIN};
		int timeout = stele_ctl_server_timeout_ms(server);
		poll(&fd, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
		stele_ctl_server_step(server);
		__atomic_add_fetch(&step_cnt, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int new_server(uint32_t idle_ms, gid_t group, struct stele_ctl_server **ret_server,
		      struct stele_error *err)
{
	struct stele_ctl_server_settings settings = {
		.path = path, .group = group, .ops = ops, .user = &kept_fd, .idle_ms = idle_ms};
	return stele_ctl_server_new(&settings, ret_server, err);
}

static void start_server(uint32_t idle_ms, gid_t group)
{
	struct stele_error err;
	if (new_server(idle_ms, group, &server, &err) != 0)
		fail_msg("%s", err.text);
	stop = false;
	assert_int_equal(pthread_create(&server_thread, NULL, serve, NULL), 0);
}

static int start(void **state)
{
	(void)state;
	start_server(0, (gid_t)-1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(server_thread, NULL);
	stele_ctl_server_free(server);
	server = NULL;
	return access(path, F_OK) == 0 ? -1 : 0;
}

/* ---- clients ---- */

static struct stele_ctl_client *must_connect(void)
{
	struct stele_ctl_client *client;
	struct stele_error err;
	if (stele_ctl_connect(path, &client, &err) != 0)
		fail_msg("%s", err.text);
	return client;
}

/* The response to a request given as text; NULL with the status after a refusal. */
static json_t *ask(struct stele_ctl_client *client, const char *request, int fd, int *ret_status,
		   struct stele_error *ret_err)
{
	json_t *json = json_loads(request, 0, NULL), *response = NULL;
	assert_non_null(json);
	*ret_status = stele_ctl_call(client, json, fd, 20000, &response, ret_err);
	json_decref(json);
	return response;
}

static void assert_refused(struct stele_ctl_client *client, const char *request, int fd,
			   int expected, const char *words)
{
	int status;
	struct stele_error err = {.text = ""};
	json_t *response = ask(client, request, fd, &status, &err);
	if (response != NULL || status != expected || strstr(err.text, words) == NULL)
		fail_msg("%s: status %d, '%s' (expected %d, '%s')", request, status, err.text,
			 expected, words);
}

static void assert_works(struct stele_ctl_client *client)
{
	int status;
	struct stele_error err;
	json_t *response = ask(client, "{\"op\":\"echo\",\"text\":\"h\\u00e9\",\"number\":7}", -1,
			       &status, &err);
	if (response == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(json_string_value(json_object_get(response, "text")), "hé");
	assert_int_equal(json_integer_value(json_object_get(response, "number")), 7);
	assert_int_equal(json_integer_value(json_object_get(response, "uid")), geteuid());
	json_decref(response);
}

/* Another client is served, whatever the one before did. */
static void assert_alive(void)
{
	struct stele_ctl_client *client = must_connect();
	assert_works(client);
	stele_ctl_disconnect(client);
}

static int raw_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The response to bytes as they are, NULL if the server closed. */
static json_t *raw_ask(int sock, const char *bytes, size_t len)
{
	static char buffer[STELE_CTL_MESSAGE_MAX];
	if (send(sock, bytes, len, MSG_NOSIGNAL) < 0)
		return NULL;
	ssize_t got = recv(sock, buffer, sizeof(buffer), 0);
	return got > 0 ? json_loadb(buffer, (size_t)got, 0, NULL) : NULL;
}

static unsigned open_fd_cnt(void)
{
	unsigned cnt = 0;
	DIR *fds = opendir("/proc/self/fd");
	assert_non_null(fds);
	while (readdir(fds) != NULL)
		cnt++;
	closedir(fds);
	return cnt;
}

/* Descriptors that the server holds go when it has seen the end of a connection. */
static void assert_fd_cnt(unsigned expected)
{
	for (unsigned i = 0; i < 500 && open_fd_cnt() != expected; i++)
		usleep(10000);
	assert_int_equal(open_fd_cnt(), expected);
}

/* ---- requests ---- */

static void test_requests(void **state)
{
	(void)state;
	struct stele_ctl_client *client = must_connect();
	for (unsigned i = 0; i < 100; i++)
		assert_works(client);
	int status;
	struct stele_error err;
	json_t *pong = ask(client, "{\"op\":\"ping\"}", -1, &status, &err);
	assert_string_equal(json_string_value(json_object_get(pong, "version")), STELE_VERSION);
	assert_int_equal(json_integer_value(json_object_get(pong, "pid")), getpid());
	assert_true(json_is_true(json_object_get(pong, "ok")));
	json_decref(pong);

	assert_refused(client, "{\"op\":\"nothing\"}", -1, STELE_E_USAGE, "'nothing'");
	assert_refused(client, "{\"op\":7}", -1, STELE_E_USAGE, "\"op\"");
	assert_refused(client, "{}", -1, STELE_E_USAGE, "\"op\"");
	assert_refused(client, "[]", -1, STELE_E_USAGE, "\"op\"");
	assert_refused(client, "{\"op\":\"ping\",\"more\":1}", -1, STELE_E_USAGE, "more");
	assert_refused(client, "{\"op\":\"echo\"}", -1, STELE_E_USAGE, "text");
	assert_refused(client, "{\"op\":\"echo\",\"text\":1}", -1, STELE_E_USAGE, "string");
	assert_refused(client, "{\"op\":\"echo\",\"text\":\"\",\"x\":1}", -1, STELE_E_USAGE, "x");
	static const int statuses[] = {STELE_E_INPUT, STELE_E_USAGE, STELE_E_SYSTEM,
				       STELE_E_NOTFOUND, STELE_E_STALE};
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		char request[128];
		snprintf(request, sizeof(request),
			 "{\"op\":\"fail\",\"status\":%d,\"text\":\"a reason\"}", statuses[i]);
		/* The handler's text ends with a byte that is no UTF-8. */
		assert_refused(client, request, -1, statuses[i], "a reason?");
	}
	/* Refusals do not end the connection. */
	assert_works(client);
	stele_ctl_disconnect(client);
}

static void test_sizes(void **state)
{
	(void)state;
	struct stele_ctl_client *client = must_connect();
	int status;
	struct stele_error err;
	/* {"ok":true,"text":"…"} has 21 bytes around the text. */
	char request[64];
	snprintf(request, sizeof(request), "{\"op\":\"big\",\"size\":%d}",
		 STELE_CTL_MESSAGE_MAX - 21);
	json_t *response = ask(client, request, -1, &status, &err);
	if (response == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(json_string_length(json_object_get(response, "text")),
			 STELE_CTL_MESSAGE_MAX - 21);
	json_decref(response);
	snprintf(request, sizeof(request), "{\"op\":\"big\",\"size\":%d}",
		 STELE_CTL_MESSAGE_MAX - 20);
	assert_refused(client, request, -1, STELE_E_SYSTEM, "longer than");

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

	client = must_connect();
	text[STELE_CTL_MESSAGE_MAX - 100] = '\0';
	long_request = json_pack("{s:s, s:s}", "op", "echo", "text", text);
	assert_int_equal(stele_ctl_call(client, long_request, -1, 20000, &response, &err), 0);
	assert_string_equal(json_string_value(json_object_get(response, "text")), text);
	json_decref(response);
	json_decref(long_request);
	stele_ctl_disconnect(client);
	free(text);
}

/* ---- descriptors ---- */

static void test_descriptor(void **state)
{
	(void)state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	struct stele_ctl_client *client = must_connect();
	assert_works(client);
	unsigned before = open_fd_cnt();
	int status;
	struct stele_error err;
	json_t *response = ask(client, "{\"op\":\"inode\"}", fd, &status, &err);
	assert_int_equal(json_integer_value(json_object_get(response, "inode")), st.st_ino);
	assert_true(json_is_true(json_object_get(response, "cloexec")));
	json_decref(response);
	/* The client's is still open, the server's copy is not. */
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(open_fd_cnt(), before);

	response = ask(client, "{\"op\":\"inode\",\"keep\":true}", fd, &status, &err);
	json_decref(response);
	assert_int_equal(open_fd_cnt(), before + 1);
	assert_int_equal(fstat(kept_fd, &st), 0);
	close(kept_fd);

	assert_refused(client, "{\"op\":\"inode\"}", -1, STELE_E_USAGE, "needs a descriptor");
	assert_refused(client, "{\"op\":\"echo\",\"text\":\"\"}", fd, STELE_E_USAGE,
		       "takes no descriptor");
	assert_refused(client, "{\"op\":\"none\"}", fd, STELE_E_USAGE, "'none'");
	response = ask(client, "{\"op\":\"later-fd\",\"rounds\":3}", fd, &status, &err);
	assert_non_null(response);
	json_decref(response);
	assert_int_equal(open_fd_cnt(), before);
	/* Given up while it is being worked on. */
	json_t *request = json_pack("{s:s, s:i}", "op", "later-fd", "rounds", 1000000);
	assert_int_equal(stele_ctl_call(client, request, fd, 50, &response, &err), STELE_E_SYSTEM);
	json_decref(request);
	stele_ctl_disconnect(client);
	assert_fd_cnt(before - 2); /* both ends of the connection */
	close(fd);
	assert_alive();
}

static int send_fds(int sock, const char *bytes, const int *fds, size_t cnt)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = (char *)bytes, .iov_len = strlen(bytes)};
	struct msghdr msg = {.msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = CMSG_SPACE(cnt * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(cnt * sizeof(int));
	memcpy(CMSG_DATA(c), fds, cnt * sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void test_descriptor_flood(void **state)
{
	(void)state;
	int fds[253];
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 1; i < 253; i++)
		fds[i] = fds[0];
	int sock = raw_connect();
	assert_true(sock >= 0);
	static const char ping[] = "{\"op\":\"ping\"}", load[] = "{\"op\":\"inode\"}";
	json_decref(raw_ask(sock, ping, strlen(ping)));
	unsigned before = open_fd_cnt();
	static const size_t cnts[] = {2, 3, 4, 5, 8, 253};
	for (size_t i = 0; i < 2 * sizeof(cnts) / sizeof(cnts[0]); i++) {
		char answer[512];
		assert_int_equal(send_fds(sock, i % 2 ? ping : load, fds, cnts[i / 2]), 0);
		ssize_t got = recv(sock, answer, sizeof(answer) - 1, 0);
		assert_true(got > 0);
		answer[got] = '\0';
		assert_non_null(strstr(answer, "more than one descriptor"));
		assert_int_equal(open_fd_cnt(), before);
	}
	/* With garbage, and with nothing, which is taken for the end. */
	assert_int_equal(send_fds(sock, "garbage", fds, 1), 0);
	char answer[512];
	assert_true(recv(sock, answer, sizeof(answer), 0) > 0);
	assert_int_equal(open_fd_cnt(), before);
	assert_int_equal(send_fds(sock, "", fds, 1), 0);
	assert_int_equal(recv(sock, answer, sizeof(answer), 0), 0);
	close(sock);
	assert_fd_cnt(before - 2);
	close(fds[0]);
	assert_alive();
}

/* ---- what takes time ---- */

static void test_later(void **state)
{
	(void)state;
	struct stele_ctl_client *waiting = must_connect(), *other = must_connect();
	int status;
	struct stele_error err;
	json_t *response = ask(waiting, "{\"op\":\"later\",\"rounds\":5}", -1, &status, &err);
	assert_int_equal(json_integer_value(json_object_get(response, "state")), 106);
	json_decref(response);
	assert_refused(waiting, "{\"op\":\"later\",\"rounds\":1000000,\"deadline_ms\":40}", -1,
		       STELE_E_INPUT, "too late");

	/* Others are served meanwhile; who gave up gets no stray response. */
	json_t *request = json_pack("{s:s, s:i}", "op", "later", "rounds", 20);
	assert_int_equal(stele_ctl_call(waiting, request, -1, 0, &response, &err), STELE_E_SYSTEM);
	json_decref(request);
	assert_works(other);
	assert_refused(waiting, "{\"op\":\"ping\"}", -1, STELE_E_SYSTEM, "broken");
	stele_ctl_disconnect(waiting);
	stele_ctl_disconnect(other);

	/* A request sent while another is being worked on is read after it. */
	int sock = raw_connect();
	static const char first[] = "{\"op\":\"later\",\"rounds\":3}",
			  second[] = "{\"op\":\"echo\",\"text\":\"second\"}";
	assert_true(send(sock, first, strlen(first), 0) > 0);
	response = raw_ask(sock, second, strlen(second));
	assert_non_null(json_object_get(response, "state"));
	json_decref(response);
	char answer[512];
	ssize_t got = recv(sock, answer, sizeof(answer) - 1, 0);
	assert_true(got > 0);
	answer[got] = '\0';
	assert_non_null(strstr(answer, "second"));
	close(sock);
}

/* ---- clients that misbehave ---- */

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
	int sock = raw_connect();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		json_t *response = raw_ask(sock, garbage[i], strlen(garbage[i]));
		assert_true(json_is_false(json_object_get(response, "ok")));
		assert_string_equal(json_string_value(json_object_get(response, "kind")), "usage");
		json_decref(response);
	}
	json_t *response = raw_ask(sock, "\0{}", 3);
	assert_true(json_is_false(json_object_get(response, "ok")));
	json_decref(response);

	/* As deep as a message can be, as long as it may be, and longer. */
	size_t sz = STELE_CTL_MESSAGE_MAX;
	char *bytes = malloc(sz + 1);
	assert_non_null(bytes);
	memset(bytes, '[', sz + 1);
	response = raw_ask(sock, bytes, sz);
	assert_true(json_is_false(json_object_get(response, "ok")));
	json_decref(response);
	response = raw_ask(sock, bytes, sz + 1);
	assert_non_null(strstr(json_string_value(json_object_get(response, "error")), "too long"));
	json_decref(response);
	free(bytes);
	close(sock);
	assert_alive();
}

/* One that asks for much and reads nothing costs one response, and keeps nobody else. */
static void test_slow_reader(void **state)
{
	(void)state;
	static const char request[] = "{\"op\":\"big\",\"size\":190000}";
	int sock = raw_connect();
	unsigned sent = 0;
	while (sent < 10000 && send(sock, request, strlen(request), MSG_DONTWAIT) > 0)
		sent++;
	/* The kernel's queue of requests is full: the server has stopped reading them. */
	assert_true(sent < 10000);
	unsigned steps = __atomic_load_n(&step_cnt, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 20; i++)
		assert_alive();
	/* Each client takes a few steps; a server that spins takes them by the million. */
	usleep(100000);
	assert_true(__atomic_load_n(&step_cnt, __ATOMIC_RELAXED) - steps < 10000);
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
	unsigned before = open_fd_cnt();
	int socks[CNT];
	for (unsigned i = 0; i < CNT; i++) {
		socks[i] = raw_connect();
		assert_true(socks[i] >= 0);
	}
	assert_alive();
	/* The server holds no more than it may. */
	assert_true(open_fd_cnt() <= before + CNT + STELE_CTL_CONNECTIONS_MAX);
	for (unsigned i = 0; i < CNT; i++)
		close(socks[i]);
	assert_fd_cnt(before);
	assert_alive();

	/* All places taken by what takes time: the next is told so. */
	static const char wait[] = "{\"op\":\"later\",\"rounds\":1000000}";
	for (unsigned i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++) {
		socks[i] = raw_connect();
		assert_true(send(socks[i], wait, strlen(wait), 0) > 0);
	}
	unsigned steps = __atomic_load_n(&step_cnt, __ATOMIC_RELAXED);
	while (__atomic_load_n(&step_cnt, __ATOMIC_RELAXED) - steps < 20)
		usleep(1000);
	struct stele_ctl_client *client = must_connect();
	assert_refused(client, "{\"op\":\"ping\"}", -1, STELE_E_SYSTEM, "too many connections");
	stele_ctl_disconnect(client);
	for (unsigned i = 0; i < STELE_CTL_CONNECTIONS_MAX; i++)
		close(socks[i]);
	assert_fd_cnt(before);
	assert_alive();
}

static void test_vanishing(void **state)
{
	(void)state;
	static const char *const requests[] = {"{\"op\":\"big\",\"size\":190000}",
					       "{\"op\":\"later\",\"rounds\":5}", "{", ""};
	unsigned before = open_fd_cnt();
	for (unsigned i = 0; i < 200; i++) {
		int sock = raw_connect();
		const char *request = requests[i % 4];
		send(sock, request, strlen(request), MSG_NOSIGNAL);
		if (i % 3 == 0)
			shutdown(sock, SHUT_RDWR);
		close(sock);
	}
	assert_fd_cnt(before);
	assert_alive();
}

static void test_idle(void **state)
{
	(void)state;
	struct stele_error err;
	start_server(100, (gid_t)-1);
	int sock = raw_connect();
	char answer[512];
	assert_int_equal(recv(sock, answer, sizeof(answer), 0), 0);
	close(sock);
	/* Waiting for an answer is not being idle. */
	struct stele_ctl_client *client = must_connect();
	json_t *request =
		json_pack("{s:s, s:i, s:i}", "op", "later", "rounds", 1000000, "deadline_ms", 400);
	json_t *response;
	assert_int_equal(stele_ctl_call(client, request, -1, 20000, &response, &err),
			 STELE_E_INPUT);
	json_decref(request);
	stele_ctl_disconnect(client);
	assert_alive();
	end(NULL);
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
			send_fds(sock, bad->bytes, fds, bad->fd_cnt);
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
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unsigned before = open_fd_cnt();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bad_server bad = {.bytes = cases[i].bytes, .fd_cnt = cases[i].fd_cnt};
		bad.sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(bad.sock, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(bad.sock, 1), 0);
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, serve_badly, &bad), 0);
		struct stele_ctl_client *client = must_connect();
		int status;
		struct stele_error err = {.text = ""};
		json_t *response = ask(client, "{\"op\":\"ping\"}", -1, &status, &err);
		assert_int_equal(status, cases[i].status);
		assert_true((response != NULL) == (status == 0));
		assert_non_null(strstr(err.text, cases[i].words));
		json_decref(response);
		stele_ctl_disconnect(client);
		pthread_join(thread, NULL);
		close(bad.sock);
		unlink(path);
		assert_int_equal(open_fd_cnt(), before);
	}
}

/* ---- the socket's file ---- */

static void test_place(void **state)
{
	(void)state;
	struct stele_ctl_server *first, *second = NULL;
	struct stele_error err;
	unsigned before = open_fd_cnt();
	assert_int_equal(new_server(0, (gid_t)-1, &first, &err), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(new_server(0, (gid_t)-1, &second, &err), STELE_E_USAGE);
	assert_non_null(strstr(err.text, "another process"));
	assert_int_equal(stat(path, &st), 0);
	/* One that does not know of the lock is seen too. */
	unlink(lock_path);
	assert_int_equal(new_server(0, (gid_t)-1, &second, &err), STELE_E_USAGE);
	assert_null(second);
	stele_ctl_server_free(first);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(open_fd_cnt(), before);

	struct stele_ctl_client *client;
	assert_int_equal(stele_ctl_connect(path, &client, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "nobody listens"));

	/* No socket: somebody's file. */
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(new_server(0, (gid_t)-1, &second, &err), STELE_E_USAGE);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	assert_int_equal(new_server(0, (gid_t)-1, &second, &err), STELE_E_USAGE);
	unlink(path);

	char long_path[200];
	memset(long_path, 'a', sizeof(long_path));
	memcpy(long_path, dir, strlen(dir));
	long_path[strlen(dir)] = '/';
	struct stele_ctl_server_settings settings = {
		.path = long_path, .group = (gid_t)-1, .ops = ops};
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
	assert_int_equal(open_fd_cnt(), before);
}

/* A process that is killed leaves its socket; the next one takes the place, a third is refused. */
static void test_stale(void **state)
{
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		struct stele_ctl_server *dying;
		struct stele_error err;
		_exit(new_server(0, (gid_t)-1, &dying, &err) == 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(access(path, F_OK), 0);
	start_server(0, (gid_t)-1);
	assert_alive();
	struct stele_ctl_server *third;
	struct stele_error err;
	assert_int_equal(new_server(0, (gid_t)-1, &third, &err), STELE_E_USAGE);
	end(NULL);
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
		int sock = raw_connect();
		if (sock < 0)
			_exit(2);
		json_t *response = raw_ask(sock, "{\"op\":\"ping\"}", 13);
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
	start_server(0, GROUP);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, GROUP);
	assert_alive();
	assert_int_equal(try_as(GROUP, NULL, 0), 0);
	assert_int_equal(try_as(STRANGER, member, 2), 0);
	assert_int_equal(try_as(STRANGER, NULL, 0), 2);
	/* Even where the file's mode lets them in. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(try_as(STRANGER, NULL, 0), 1);
	assert_int_equal(try_as(STRANGER, member, 1), 1);
	end(NULL);
	start_server(0, (gid_t)-1);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(try_as(STRANGER, member, 2), 1);
	end(NULL);
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
	start_server(0, (gid_t)-1);
	struct stele_ctl_client *client;
	struct stele_error err;
	json_t *response = NULL;
	bool broken = true;
	assert_int_equal(stele_ctl_connect_now(path, &client, &err), 0);
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
	assert_int_equal(end(NULL), 0);
	assert_int_equal(receive_now(client, &response, &broken, &err), STELE_E_SYSTEM);
	assert_true(broken);
	assert_non_null(strstr(err.text, "closed"));
	stele_ctl_disconnect(client);
	assert_int_equal(stele_ctl_connect_now(path, &client, &err), STELE_E_SYSTEM);
}

/* A server that accepts nobody holds up nobody. */
static void test_full_backlog(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	struct stele_ctl_client *clients[8];
	struct stele_error err;
	unsigned cnt = 0;
	while (cnt < 8 && stele_ctl_connect_now(path, &clients[cnt], &err) == 0)
		cnt++;
	assert_in_range(cnt, 1, 7);
	while (cnt > 0)
		stele_ctl_disconnect(clients[--cnt]);
	close(listener);
	unlink(path);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/stele-test-ctl-%d", getpid());
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	if (mkdir(dir, 0755) != 0) {
		perror(dir);
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, start, end),
		cmocka_unit_test_setup_teardown(test_sizes, start, end),
		cmocka_unit_test_setup_teardown(test_descriptor, start, end),
		cmocka_unit_test_setup_teardown(test_descriptor_flood, start, end),
		cmocka_unit_test_setup_teardown(test_later, start, end),
		cmocka_unit_test_setup_teardown(test_garbage, start, end),
		cmocka_unit_test_setup_teardown(test_slow_reader, start, end),
		cmocka_unit_test_setup_teardown(test_many_connections, start, end),
		cmocka_unit_test_setup_teardown(test_vanishing, start, end),
		cmocka_unit_test(test_without_blocking),
		cmocka_unit_test(test_full_backlog),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_bad_servers),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_peers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(lock_path);
	rmdir(dir);
	return failed;
}
