/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ctl/ctl_world.h"

#include "lib/ctl/packet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

char ctl_path[96], ctl_lock_path[112];
char ctl_dir[64];

bool ctl_world_begin(void)
{
	snprintf(ctl_dir, sizeof(ctl_dir), "/tmp/stele-test-ctl-%d", getpid());
	snprintf(ctl_path, sizeof(ctl_path), "%s/socket", ctl_dir);
	snprintf(ctl_lock_path, sizeof(ctl_lock_path), "%s.lock", ctl_path);
	if (mkdir(ctl_dir, 0755) == 0)
		return true;
	perror(ctl_dir);
	return false;
}

void ctl_world_end(void)
{
	unlink(ctl_lock_path);
	rmdir(ctl_dir);
}

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
			call->deadline_ns = stele_ctl_deadline_ns(call, deadline_ms);
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

const struct stele_ctl_op ctl_ops[] = {
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
static pid_t server_pid;
static bool stop;
int ctl_kept_fd = -1;
unsigned ctl_step_cnt;

static void *serve(void *user)
{
	(void)user;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct pollfd fd = {.fd = stele_ctl_server_fd(server), .events = POLLIN};
		int timeout = stele_ctl_server_timeout_ms(server);
		poll(&fd, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
		stele_ctl_server_step(server);
		__atomic_add_fetch(&ctl_step_cnt, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int ctl_new_server(uint32_t idle_ms, gid_t group, struct stele_ctl_server **ret_server,
		   struct stele_error *err)
{
	struct stele_ctl_server_settings settings = {.path = ctl_path,
						     .group = group,
						     .ops = ctl_ops,
						     .user = &ctl_kept_fd,
						     .idle_ms = idle_ms};
	return stele_ctl_server_new(&settings, ret_server, err);
}

void ctl_start_server(uint32_t idle_ms, gid_t group)
{
	struct stele_error err;
	if (ctl_new_server(idle_ms, group, &server, &err) != 0)
		fail_msg("%s", err.text);
	stop = false;
	server_pid = getpid();
	assert_int_equal(pthread_create(&server_thread, NULL, serve, NULL), 0);
}

int ctl_start(void **state)
{
	(void)state;
	ctl_start_server(0, (gid_t)-1);
	return 0;
}

int ctl_end(void **state)
{
	(void)state;
	if (server == NULL)
		return 0;
	/* A child that fails comes here, too, by way of cmocka: it has the test's stack, but no
	 * such thread. No test takes this status for anything else. */
	if (server_pid != getpid())
		_exit(8);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(server_thread, NULL);
	stele_ctl_server_free(server);
	server = NULL;
	return access(ctl_path, F_OK) == 0 ? -1 : 0;
}

/* ---- clients ---- */

struct stele_ctl_client *ctl_must_connect(void)
{
	struct stele_ctl_client *client;
	struct stele_error err;
	if (stele_ctl_connect(ctl_path, &client, &err) != 0)
		fail_msg("%s", err.text);
	return client;
}

/* The response to a request given as text; NULL with the status after a refusal. */
json_t *ctl_ask(struct stele_ctl_client *client, const char *request, int fd, int *ret_status,
		struct stele_error *ret_err)
{
	json_t *json = json_loads(request, 0, NULL), *response = NULL;
	assert_non_null(json);
	*ret_status = stele_ctl_call(client, json, fd, 20000, &response, ret_err);
	json_decref(json);
	return response;
}

void ctl_assert_refused(struct stele_ctl_client *client, const char *request, int fd, int expected,
			const char *words)
{
	int status;
	struct stele_error err = {.text = ""};
	json_t *response = ctl_ask(client, request, fd, &status, &err);
	if (response != NULL || status != expected || strstr(err.text, words) == NULL)
		fail_msg("%s: status %d, '%s' (expected %d, '%s')", request, status, err.text,
			 expected, words);
}

void ctl_assert_works(struct stele_ctl_client *client)
{
	int status;
	struct stele_error err;
	json_t *response = ctl_ask(client, "{\"op\":\"echo\",\"text\":\"h\\u00e9\",\"number\":7}",
				   -1, &status, &err);
	if (response == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(json_string_value(json_object_get(response, "text")), "hé");
	assert_int_equal(json_integer_value(json_object_get(response, "number")), 7);
	assert_int_equal(json_integer_value(json_object_get(response, "uid")), geteuid());
	json_decref(response);
}

/* Another client is served, whatever the one before did. */
void ctl_assert_alive(void)
{
	struct stele_ctl_client *client = ctl_must_connect();
	ctl_assert_works(client);
	stele_ctl_disconnect(client);
}

int ctl_raw_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", ctl_path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The response to bytes as they are, NULL if the server closed. */
json_t *ctl_raw_ask(int sock, const char *bytes, size_t len)
{
	static char buffer[STELE_CTL_MESSAGE_MAX];
	if (send(sock, bytes, len, MSG_NOSIGNAL) < 0)
		return NULL;
	ssize_t got = recv(sock, buffer, sizeof(buffer), 0);
	return got > 0 ? json_loadb(buffer, (size_t)got, 0, NULL) : NULL;
}

unsigned ctl_open_fd_cnt(void)
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
void ctl_assert_fd_cnt(unsigned expected)
{
	for (unsigned i = 0; i < 500 && ctl_open_fd_cnt() != expected; i++)
		usleep(10000);
	assert_int_equal(ctl_open_fd_cnt(), expected);
}

int ctl_send_fds(int sock, const char *bytes, const int *fds, size_t cnt)
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
