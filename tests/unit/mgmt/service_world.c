/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/mgmt/service_world.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct kept_requests kept = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0};
static uint16_t port;

void require_at(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
	abort();
}

static void on_request(void *user, struct stele_request *request)
{
	(void)user;
	pthread_mutex_lock(&kept.lock);
	if (kept.cnt < sizeof(kept.waiting) / sizeof(kept.waiting[0])) {
		kept.waiting[kept.cnt++] = request;
		request = NULL;
	}
	pthread_cond_signal(&kept.more);
	pthread_mutex_unlock(&kept.lock);
	if (request)
		stele_request_drop(request);
}

static int next_message(struct stele_stream *stream, uint8_t *buf, size_t cap, bool *last)
{
	uint32_t *left = (uint32_t *)(void *)(stream + 1);

	memset(buf, 0, STREAM_MESSAGE_SZ);
	require(cap >= STREAM_MESSAGE_SZ);
	*last = --*left == 0;
	return STREAM_MESSAGE_SZ;
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
	*(uint32_t *)(void *)(stream + 1) = STREAM_MESSAGE_CNT;
	stele_request_stream(request, stream);
}

void read_exactly(int fd, uint8_t *to, size_t len)
{
	while (len > 0) {
		ssize_t got = read(fd, to, len);
		require(got > 0);
		to += got;
		len -= (size_t)got;
	}
}

size_t make_question(uint8_t *to, unsigned opcode, unsigned type)
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

int open_socket(int type)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	require(fd >= 0);
	require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

struct stele_config_address make_address(uint8_t family, uint32_t first, uint32_t last)
{
	struct stele_config_address a = {.family = family};

	stele_put_be32(a.addr, first);
	if (family == 6)
		stele_put_be32(a.addr + 12, last);
	return a;
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

static void make_config(struct stele_mgmtd_config *config, uint16_t thread_cnt)
{
	static struct stele_listen_config listen = {
		.address = {.family = 4, .addr = {127, 0, 0, 1}}};

	listen.port = port = free_port();
	*config = (struct stele_mgmtd_config){
		.threads = thread_cnt,
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

void service_world_start(struct service_world *w, uint16_t thread_cnt, const char *image)
{
	struct stele_error err = {0};
	make_config(&w->config, thread_cnt);
	assert_int_equal(stele_images_new(&w->images, &err), 0);
	if (image != NULL)
		assert_int_equal(stele_images_open(w->images, image, &err), 0);
	const struct stele_service_settings settings = {
		.config = &w->config,
		.images = w->images,
		.handlers = {on_transfer, on_request, on_request, NULL},
	};
	assert_int_equal(stele_service_new(&settings, &w->service, &err), 0);
}

void service_world_end(struct service_world *w)
{
	stele_service_free(w->service);
	stele_images_free(w->images);
}
