/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection of the service is read: from a client that does not read, from one that asks for much at once. */
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "tests/unit/mgmt/service_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char *image_path;

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
	struct service_world w;
	uint8_t buf[65536];
	service_world_start(&w, 1, image_path);
	struct look look = {.task.run = look_in_loop,
			    .worker = &w.service->workers[0],
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .done = PTHREAD_COND_INITIALIZER};
	int fd = open_socket(SOCK_STREAM);
	size_t len = 0, sent = 0;
	for (unsigned i = 0; i < AT_ONCE; i++)
		len += make_question(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
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
	service_world_end(&w);
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
	struct stele_config_address from = make_address(4, 0xc0000201, 0);
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
	struct service_world w;
	uint8_t *queries = calloc(CNT, SZ), reply[2 + 512];
	int fds[2], room = 4 * CNT * SZ;
	assert_non_null(queries);
	service_world_start(&w, 1, NULL);
	/* Zeros behind a question are none of a message: each gets FORMERR. */
	for (unsigned i = 0; i < CNT; i++) {
		make_question(queries + i * SZ, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
		stele_put_be16(queries + i * SZ, SZ - 2);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	ssize_t sent = send(fds[0], queries, CNT * SZ, MSG_DONTWAIT);
	assert_true(sent > 0);
	struct handed handed = {{.run = take_over}, w.service, fds[1]};
	stele_loop_post(w.service->workers[0].loop, &handed.task);
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
	service_world_end(&w);
	free(queries);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_that_does_not_read),
		cmocka_unit_test(test_much_at_once),
	};

	if (argc != 2)
		return 2;
	image_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
