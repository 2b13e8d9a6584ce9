/* SPDX-License-Identifier: Apache-2.0 */
/* All of the service with many threads at once, over two images that take turns; its end. */
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "tests/unit/mgmt/service_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char *image_paths[2];

enum {
	CLIENT_CNT = 4,
	ROUND_CNT = 40,
	WORKER_CNT = 3,
};

static bool no_more; /* with the lock of `kept`: no request will come */

/* The thread that answers requests. */
static void *answer_requests(void *user)
{
	(void)user;
	pthread_mutex_lock(&kept.lock);
	while (!no_more || kept.cnt > 0) {
		if (kept.cnt == 0) {
			pthread_cond_wait(&kept.more, &kept.lock);
			continue;
		}
		struct stele_request *r = kept.waiting[--kept.cnt];
		unsigned turn = kept.cnt;
		pthread_mutex_unlock(&kept.lock);
		uint8_t reply[512];
		memcpy(reply, r->msg, r->len);
		reply[2] |= STELE_FLAG_QR >> 8;
		if (turn % 3 == 0)
			stele_request_refuse(r, STELE_RCODE_REFUSED);
		else
			stele_request_reply(r, reply, r->len);
		pthread_mutex_lock(&kept.lock);
	}
	pthread_mutex_unlock(&kept.lock);
	return NULL;
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
			len += make_question(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_SOA);
			len += make_question(buf + len, STELE_OPCODE_UPDATE, STELE_TYPE_SOA);
		}
		len += make_question(buf + len, STELE_OPCODE_QUERY, STELE_TYPE_AXFR);
		require(write(fd, buf, len) == (ssize_t)len);
		unsigned expected = leaves ? 5 : 40 + STREAM_MESSAGE_CNT;
		for (unsigned i = 0; i < expected; i++) {
			read_exactly(fd, buf, 2);
			read_exactly(fd, buf, stele_get_be16(buf));
		}
		close(fd);
		fd = open_socket(SOCK_DGRAM);
		len = make_question(buf, round % 2 ? STELE_OPCODE_UPDATE : STELE_OPCODE_QUERY,
				    STELE_TYPE_SOA);
		require(write(fd, buf + 2, len - 2) == (ssize_t)len - 2);
		require(read(fd, buf, sizeof(buf)) > 0);
		close(fd);
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct stele_error err = {0};
	struct service_world w;
	service_world_start(&w, WORKER_CNT, NULL);

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
		assert_int_equal(stele_images_open(w.images, image_paths[i % 2], &err), 0);
		assert_int_equal(stele_service_reload(w.service, &w.config, NULL, &err), 0);
		stele_service_counters(w.service, &counters);
		usleep(5000);
	}
	for (unsigned i = 0; i < CLIENT_CNT; i++)
		pthread_join(clients[i], NULL);
	pthread_mutex_lock(&kept.lock);
	no_more = true;
	pthread_cond_signal(&kept.more);
	pthread_mutex_unlock(&kept.lock);
	pthread_join(answering, NULL);
	stele_service_counters(w.service, &counters);
	assert_int_equal(counters.udp_queries, CLIENT_CNT * ROUND_CNT);
	assert_int_equal(counters.tcp_accepted, CLIENT_CNT * ROUND_CNT);
	service_world_end(&w);
}

/* What was acknowledged while the loops had ended already reaches its client. */
static void test_end(void **state)
{
	(void)state;
	struct service_world w;
	uint8_t buf[512];
	service_world_start(&w, WORKER_CNT, NULL);
	int tcp = open_socket(SOCK_STREAM), udp = open_socket(SOCK_DGRAM);
	size_t len = make_question(buf, STELE_OPCODE_UPDATE, STELE_TYPE_SOA);
	assert_int_equal(write(tcp, buf, len), len);
	assert_int_equal(write(udp, buf + 2, len - 2), len - 2);
	for (bool all = false; !all; usleep(1000)) {
		pthread_mutex_lock(&kept.lock);
		all = kept.cnt == 2;
		pthread_mutex_unlock(&kept.lock);
	}
	stele_service_stop(w.service);
	for (unsigned i = 0; i < 2; i++)
		stele_request_refuse(kept.waiting[i], STELE_RCODE_REFUSED);
	kept.cnt = 0;
	stele_service_free(w.service);
	read_exactly(tcp, buf, len);
	assert_int_equal(buf[2 + 3] & STELE_FLAG_RCODE, STELE_RCODE_REFUSED);
	assert_int_equal(read(tcp, buf, 1), 0);
	assert_int_equal(read(udp, buf, sizeof(buf)), len - 2);
	close(tcp);
	close(udp);
	stele_images_free(w.images);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_end),
	};

	if (argc != 3)
		return 2;
	image_paths[0] = argv[1];
	image_paths[1] = argv[2];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
