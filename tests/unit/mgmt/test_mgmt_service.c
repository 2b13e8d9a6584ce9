/* SPDX-License-Identifier: Apache-2.0 */
/* The service's tables, the replies that need no image, and all of it with many threads at once. */
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "mgmt/service/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *image_paths[2];

/* ---- clients ---- */

static struct stele_config_address address(uint8_t family, uint32_t first, uint32_t last)
{
	struct stele_config_address a = {.family = family};

	stele_put_be32(a.addr, first);
	if (family == 6)
		stele_put_be32(a.addr + 12, last);
	return a;
}

static void test_clients(void **state)
{
	(void)state;
	struct clients *clients = clients_new();
	assert_non_null(clients);
	struct stele_config_address one = address(4, 0xc0000201, 0);
	struct client *first = clients_enter(clients, &one, 2);
	assert_non_null(first);
	assert_ptr_equal(clients_enter(clients, &one, 2), first);
	assert_null(clients_enter(clients, &one, 2));
	clients_leave(clients, first);
	assert_ptr_equal(clients_enter(clients, &one, 2), first);
	assert_null(clients_enter(clients, &one, 0));

	/* A /64 is one client, and nobody in IPv4 is the same. */
	struct stele_config_address a = address(6, 0xc0000201, 1), b = address(6, 0xc0000201, 2);
	struct client *six = clients_enter(clients, &a, 1);
	assert_non_null(six);
	assert_ptr_not_equal(six, first);
	assert_null(clients_enter(clients, &b, 1));
	clients_leave(clients, six);
	clients_leave(clients, first);
	clients_leave(clients, first);

	/* More than there are buckets. */
	enum { MANY = 20000 };
	struct client **all = calloc(MANY, sizeof(struct client *));
	assert_non_null(all);
	for (uint32_t i = 0; i < MANY; i++) {
		struct stele_config_address each = address(4, i, 0);
		all[i] = clients_enter(clients, &each, 1);
		assert_non_null(all[i]);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		struct stele_config_address each = address(4, i, 0);
		assert_null(clients_enter(clients, &each, 1));
	}
	for (uint32_t i = 0; i < MANY; i++)
		clients_leave(clients, all[i]);
	free(all);
	clients_free(clients);
	clients_free(NULL);
}

/* ---- replies without an image ---- */

/* "a.test. SOA" with opcode UPDATE, RD, and an OPT of 4,096 bytes with DO. */
static const uint8_t query[] = {0x12, 0x34, 0x29, 0x10, 0, 1, 0, 0, 0, 0, 0, 1,
				/* question */
				1, 'A', 4, 't', 'e', 's', 't', 0, 0, 6, 0, 1,
				/* OPT */
				0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0};
enum { QUESTION_END = 24 };

static void test_refuse(void **state)
{
	(void)state;
	uint8_t buf[512];
	/* BADVERS has upper bits. */
	size_t len = refuse(query, sizeof(query), 16 + 7, STELE_FLAG_TC, 1232, buf);
	static const uint8_t expected[] = {0x12, 0x34, 0xab, 0x07, 0,    1,   0,   0,    0, 0, 0, 1,
					   1,    'A',  4,    't',  'e',  's', 't', 0,    0, 6, 0, 1,
					   0,    0,    41,   0x04, 0xd0, 1,   0,   0x80, 0, 0, 0};
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(buf, expected, len);
	assert_int_equal(refuse_udp_size(query, sizeof(query)), 4096);
	assert_int_equal(refuse_udp_size(query, QUESTION_END), 512);

	/* In its own buffer, and cut at every byte. */
	for (size_t cut = 0; cut <= sizeof(query); cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		assert_non_null(exact);
		memcpy(exact, query, cut);
		len = refuse(exact, cut, STELE_RCODE_SERVFAIL, 0, 1232, buf);
		if (cut < STELE_HEADER_SZ) {
			assert_int_equal(len, 0);
		} else {
			bool has_question = cut >= QUESTION_END;
			size_t wanted = has_question ? QUESTION_END : STELE_HEADER_SZ;
			wanted += cut == sizeof(query) ? 11 : 0;
			assert_int_equal(len, wanted);
			assert_int_equal(stele_get_be16(buf + 4), has_question);
			assert_int_equal(buf[3] & STELE_FLAG_RCODE, STELE_RCODE_SERVFAIL);
		}
		free(exact);
		memcpy(buf, query, cut);
		assert_int_equal(refuse(buf, cut, STELE_RCODE_SERVFAIL, 0, 1232, buf), len);
	}

	/* The longest question there is. */
	uint8_t longest[STELE_HEADER_SZ + STELE_NAME_MAX + 4] = {0, 1, 0, 0, 0, 1};
	uint8_t *p = longest + STELE_HEADER_SZ;
	static const uint8_t labels[] = {63, 63, 63, 61};
	for (unsigned i = 0; i < 4; i++) {
		*p = labels[i];
		memset(p + 1, 'x', labels[i]);
		p += labels[i] + 1;
	}
	assert_int_equal(refuse(longest, sizeof(longest), 5, 0, 1232, buf), sizeof(longest));
}

/* ---- many threads ---- */

/* cmocka's checks work in its own thread only. */
static void require_at(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, line, what, strerror(errno));
	abort();
}
#define require(condition) require_at(condition, #condition, __LINE__)

enum {
	CLIENT_CNT = 4,
	ROUND_CNT = 40,
	WORKER_CNT = 3,
};

/* Requests that another thread answers. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct stele_request *waiting[4096];
	unsigned cnt;
	bool ending;
} other = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, false};

static void *answer_requests(void *user)
{
	(void)user;
	pthread_mutex_lock(&other.lock);
	while (!other.ending || other.cnt > 0) {
		if (other.cnt == 0) {
			pthread_cond_wait(&other.more, &other.lock);
			continue;
		}
		struct stele_request *r = other.waiting[--other.cnt];
		unsigned turn = other.cnt;
		pthread_mutex_unlock(&other.lock);
		uint8_t reply[512];
		memcpy(reply, r->msg, r->len);
		reply[2] |= STELE_FLAG_QR >> 8;
		if (turn % 3 == 0)
			stele_request_refuse(r, STELE_RCODE_REFUSED);
		else
			stele_request_reply(r, reply, r->len);
		pthread_mutex_lock(&other.lock);
	}
	pthread_mutex_unlock(&other.lock);
	return NULL;
}

static void on_request(void *user, struct stele_request *request)
{
	(void)user;
	pthread_mutex_lock(&other.lock);
	if (other.cnt < sizeof(other.waiting) / sizeof(other.waiting[0])) {
		other.waiting[other.cnt++] = request;
		request = NULL;
	}
	pthread_cond_signal(&other.more);
	pthread_mutex_unlock(&other.lock);
	if (request)
		stele_request_drop(request);
}

static int next_message(struct stele_stream *stream, uint8_t *buf, size_t cap, bool *last)
{
	uint32_t *left = (uint32_t *)(void *)(stream + 1);

	memset(buf, 0, 1000);
	require(cap >= 1000);
	*last = --*left == 0;
	return 1000;
}

static void ended(struct stele_stream *stream, bool complete)
{
	(void)complete;
	free(stream);
}

static void on_transfer(void *user, struct stele_request *request)
{
	struct stele_stream *stream = malloc(sizeof(*stream) + sizeof(uint32_t));

	(void)user;
	*stream = (struct stele_stream){next_message, ended};
	*(uint32_t *)(void *)(stream + 1) = 200;
	stele_request_stream(request, stream);
}

static uint16_t port;

static void read_exactly(int fd, uint8_t *to, size_t len)
{
	while (len > 0) {
		ssize_t got = read(fd, to, len);
		require(got > 0);
		to += got;
		len -= (size_t)got;
	}
}

static size_t make(uint8_t *to, unsigned opcode, unsigned type)
{
	static const uint8_t name[] = {5, 'p', 'l', 'a', 'i', 'n', 4, 't', 'e', 's', 't', 0};
	size_t len = STELE_HEADER_SZ + sizeof(name) + 4;

	memset(to, 0, 2 + len);
	stele_put_be16(to, (uint16_t)len);
	to[2 + 2] = (uint8_t)(opcode << 3);
	to[2 + 5] = 1;
	memcpy(to + 2 + STELE_HEADER_SZ, name, sizeof(name));
	stele_put_be16(to + 2 + STELE_HEADER_SZ + sizeof(name), (uint16_t)type);
	to[2 + len - 1] = 1;
	return 2 + len;
}

static int open_socket(int type)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	require(fd >= 0);
	require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* A connection with queries, requests and a stream; every second one is left in the middle. */
static void *be_client(void *user)
{
	bool leaves = *(unsigned *)user % 2;
	static _Thread_local uint8_t buf[65536];

	for (unsigned round = 0; round < ROUND_CNT; round++) {
		size_t len = 0;
		int fd = open_socket(SOCK_STREAM);
		for (unsigned i = 0; i < 20; i++) {
			len += make(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
			len += make(buf + len, STELE_OPCODE_UPDATE, STELE_TYPE_SOA);
		}
		len += make(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_AXFR);
		require(write(fd, buf, len) == (ssize_t)len);
		unsigned expected = leaves ? 5 : 40 + 200;
		for (unsigned i = 0; i < expected; i++) {
			read_exactly(fd, buf, 2);
			read_exactly(fd, buf, stele_get_be16(buf));
		}
		close(fd);
		fd = open_socket(SOCK_DGRAM);
		len = make(buf, round % 2 ? STELE_OPCODE_UPDATE : STELE_OPCODE_QUERY,
			   STELE_TYPE_SOA);
		require(write(fd, buf + 2, len - 2) == (ssize_t)len - 2);
		require(read(fd, buf, sizeof(buf)) > 0);
		close(fd);
	}
	return NULL;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (;;) {
		int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
		at.sin_port = 0;
		require(bind(tcp, (struct sockaddr *)&at, sizeof(at)) == 0);
		require(getsockname(tcp, (struct sockaddr *)&at, &len) == 0);
		bool both = bind(udp, (struct sockaddr *)&at, sizeof(at)) == 0;
		close(tcp);
		close(udp);
		if (both)
			return ntohs(at.sin_port);
	}
}

static void make_config(struct stele_mgmtd_config *config)
{
	static struct stele_listen_config listen = {
		.address = {.family = 4, .addr = {127, 0, 0, 1}}};

	listen.port = port = free_port();
	*config = (struct stele_mgmtd_config){
		.threads = WORKER_CNT,
		.listen = {.items = &listen, .cnt = 1},
		.tcp = {.connections = 100,
			.connections_per_client = 100,
			.pipeline = 8,
			.idle_ns = 60000000000,
			.handshake_ns = 60000000000,
			.transfers = 100},
		.answers = {.udp_size = 1232},
		.cookies = {.enabled = true},
	};
}

static void test_threads(void **state)
{
	(void)state;
	struct stele_error err = {0};
	struct stele_images *images;
	struct stele_service *service;
	struct stele_mgmtd_config config;
	make_config(&config);
	assert_int_equal(stele_images_new(&images, &err), 0);
	const struct stele_service_settings settings = {
		.config = &config,
		.images = images,
		.handlers = {on_transfer, on_request, on_request, NULL},
	};
	assert_int_equal(stele_service_new(&settings, &service, &err), 0);

	pthread_t answering, clients[CLIENT_CNT];
	unsigned numbers[CLIENT_CNT];
	assert_int_equal(pthread_create(&answering, NULL, answer_requests, NULL), 0);
	for (unsigned i = 0; i < CLIENT_CNT; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&clients[i], NULL, be_client, &numbers[i]), 0);
	}
	/* Meanwhile images and settings change, and somebody looks at the counters. */
	struct stele_service_counters counters;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(stele_images_open(images, image_paths[i % 2], &err), 0);
		assert_int_equal(stele_service_reload(service, &config, NULL, &err), 0);
		stele_service_counters(service, &counters);
		usleep(5000);
	}
	for (unsigned i = 0; i < CLIENT_CNT; i++)
		pthread_join(clients[i], NULL);
	pthread_mutex_lock(&other.lock);
	other.ending = true;
	pthread_cond_signal(&other.more);
	pthread_mutex_unlock(&other.lock);
	pthread_join(answering, NULL);
	stele_service_counters(service, &counters);
	assert_int_equal(counters.udp_queries, CLIENT_CNT * ROUND_CNT);
	assert_int_equal(counters.tcp_accepted, CLIENT_CNT * ROUND_CNT);
	stele_service_free(service);
	stele_images_free(images);
}

/* What was acknowledged while the loops had ended already reaches its client. */
static void test_end(void **state)
{
	(void)state;
	struct stele_error err = {0};
	struct stele_images *images;
	struct stele_service *service;
	struct stele_mgmtd_config config;
	uint8_t buf[512];
	make_config(&config);
	assert_int_equal(stele_images_new(&images, &err), 0);
	const struct stele_service_settings settings = {
		.config = &config,
		.images = images,
		.handlers = {on_transfer, on_request, on_request, NULL},
	};
	assert_int_equal(stele_service_new(&settings, &service, &err), 0);
	int tcp = open_socket(SOCK_STREAM), udp = open_socket(SOCK_DGRAM);
	size_t len = make(buf, STELE_OPCODE_UPDATE, STELE_TYPE_SOA);
	assert_int_equal(write(tcp, buf, len), len);
	assert_int_equal(write(udp, buf + 2, len - 2), len - 2);
	other.ending = false;
	for (bool all = false; !all; usleep(1000)) {
		pthread_mutex_lock(&other.lock);
		all = other.cnt == 2;
		pthread_mutex_unlock(&other.lock);
	}
	stele_service_stop(service);
	for (unsigned i = 0; i < 2; i++)
		stele_request_refuse(other.waiting[i], STELE_RCODE_REFUSED);
	other.cnt = 0;
	stele_service_free(service);
	read_exactly(tcp, buf, len);
	assert_int_equal(buf[2 + 3] & STELE_FLAG_RCODE, STELE_RCODE_REFUSED);
	assert_int_equal(read(tcp, buf, 1), 0);
	assert_int_equal(read(udp, buf, sizeof(buf)), len - 2);
	close(tcp);
	close(udp);
	stele_images_free(images);
}

/* ---- a client that does not read ---- */

/* What a loop says of its connection, between two events. */
struct look {
	struct stele_task task;
	struct worker *worker;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	size_t out_len;
	bool reads;
	uint64_t query_cnt;
};

static void look_in_loop(struct stele_task *task)
{
	struct look *look = (struct look *)(void *)task;
	const struct worker *worker = look->worker;
	const struct connection *c = worker->quiet.first ? worker->quiet.first :
							   worker->partial.first;
	pthread_mutex_lock(&look->lock);
	look->out_len = c ? c->out_len : 0;
	look->reads = c && event_pending(&c->read_event, EV_READ, NULL);
	look->query_cnt = worker->counters[COUNT_tcp_queries];
	look->is_done = true;
	pthread_cond_signal(&look->done);
	pthread_mutex_unlock(&look->lock);
}

static void look_at(struct look *look)
{
	look->is_done = false;
	stele_loop_post(look->worker->loop, &look->task);
	pthread_mutex_lock(&look->lock);
	while (!look->is_done)
		pthread_cond_wait(&look->done, &look->lock);
	pthread_mutex_unlock(&look->lock);
	/* The event is level-triggered and nothing is read before the output has left: with both,
	 * the loop would go round without a pause. */
	assert_false(look->out_len > 0 && look->reads);
}

/* While replies wait, its next bytes are left to the kernel; it gets all that it asked for. */
static void test_client_that_does_not_read(void **state)
{
	(void)state;
	enum { AT_ONCE = 200 };
	struct stele_error err = {0};
	struct stele_images *images;
	struct stele_service *service;
	struct stele_mgmtd_config config;
	uint8_t buf[65536];
	make_config(&config);
	config.threads = 1;
	assert_int_equal(stele_images_new(&images, &err), 0);
	assert_int_equal(stele_images_open(images, image_paths[0], &err), 0);
	const struct stele_service_settings settings = {
		.config = &config,
		.images = images,
		.handlers = {on_transfer, on_request, on_request, NULL},
	};
	assert_int_equal(stele_service_new(&settings, &service, &err), 0);
	struct look look = {.task.run = look_in_loop,
			    .worker = &service->workers[0],
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .done = PTHREAD_COND_INITIALIZER};
	int fd = open_socket(SOCK_STREAM);
	size_t len = 0, sent = 0;
	for (unsigned i = 0; i < AT_ONCE; i++)
		len += make(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
	while (look.out_len == 0) {
		assert_int_equal(write(fd, buf, len), len);
		sent += AT_ONCE;
		do
			look_at(&look);
		while (look.out_len == 0 && look.query_cnt < sent);
	}
	assert_int_equal(write(fd, buf, 1), 1);
	for (unsigned i = 0; i < 20; i++)
		look_at(&look);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (unsigned i = 0; i < 20; i++)
		look_at(&look);

	for (size_t i = 0; i < sent; i++) {
		read_exactly(fd, buf, 2);
		read_exactly(fd, buf + 2, stele_get_be16(buf));
	}
	assert_int_equal(read(fd, buf, 1), 0);
	close(fd);
	stele_service_free(service);
	stele_images_free(images);
}

/* ---- a client that asks for much at once ---- */

/* A connection on its way to a loop. */
struct handed {
	struct stele_task task;
	struct stele_service *service;
	int fd;
};

static void take_over(struct stele_task *task)
{
	const struct handed *handed = (const struct handed *)(const void *)task;
	struct stele_service *service = handed->service;
	struct listener *listener = service->workers[0].listeners;
	struct stele_config_address from = address(4, 0xc0000201, 0);
	struct client *client = clients_enter(service->clients, &from, 1);

	require(client != NULL);
	while (listener->transport != STELE_TCP)
		listener++;
	atomic_fetch_add(&service->connection_cnt, 1);
	connection_new(listener, handed->fd, &from, 1, client);
}

/* All of it is there when the loop first looks, and is read whole in as many rounds as a connection has before others
 * have their turn. Nothing comes any more that would remind the loop of the last one. */
static void test_much_at_once(void **state)
{
	(void)state;
	enum { CNT = 8, SZ = 65535 };
	struct stele_error err = {0};
	struct stele_images *images;
	struct stele_service *service;
	struct stele_mgmtd_config config;
	uint8_t *queries = calloc(CNT, SZ), reply[2 + 512];
	int fds[2], room = 4 * CNT * SZ;
	make_config(&config);
	config.threads = 1;
	assert_non_null(queries);
	assert_int_equal(stele_images_new(&images, &err), 0);
	const struct stele_service_settings settings = {
		.config = &config,
		.images = images,
		.handlers = {on_transfer, on_request, on_request, NULL},
	};
	assert_int_equal(stele_service_new(&settings, &service, &err), 0);
	/* Zeros behind a question are none of a message: each gets FORMERR. */
	for (unsigned i = 0; i < CNT; i++) {
		make(queries + i * SZ, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
		stele_put_be16(queries + i * SZ, SZ - 2);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	ssize_t sent = send(fds[0], queries, CNT * SZ, MSG_DONTWAIT);
	assert_true(sent > 0);
	struct handed handed = {{.run = take_over}, service, fds[1]};
	stele_loop_post(service->workers[0].loop, &handed.task);
	/* A system may allow less room. */
	if (sent < CNT * SZ)
		assert_int_equal(write(fds[0], queries + sent, CNT * SZ - (size_t)sent),
				 CNT * SZ - sent);
	for (unsigned i = 0; i < CNT; i++) {
		read_exactly(fds[0], reply, 2);
		assert_in_range(stele_get_be16(reply), STELE_HEADER_SZ, 512);
		read_exactly(fds[0], reply + 2, stele_get_be16(reply));
		assert_int_equal(reply[2 + 3] & STELE_FLAG_RCODE, STELE_RCODE_FORMERR);
	}
	close(fds[0]);
	stele_service_free(service);
	stele_images_free(images);
	free(queries);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_client_that_does_not_read),
		cmocka_unit_test(test_much_at_once),
	};

	if (argc != 3)
		return 2;
	image_paths[0] = argv[1];
	image_paths[1] = argv[2];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
