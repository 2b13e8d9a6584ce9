/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_MGMT_SERVICE_WORLD_H
#define STELE_TESTS_UNIT_MGMT_SERVICE_WORLD_H

/* A service on a free port of 127.0.0.1 whose handlers keep requests and stream zeros, and what its clients need. */
#include "mgmt/service/internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service_world {
	struct stele_mgmtd_config config;
	struct stele_images *images;
	struct stele_service *service;
};

/* `image`: what is served from the start on, or NULL. One at a time. Both fail the test. */
void service_world_start(struct service_world *w, uint16_t thread_cnt, const char *image);
void service_world_end(struct service_world *w);

/* Requests that handlers got, for whoever takes them out: the last `cnt`. */
extern struct kept_requests {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct stele_request *waiting[4096];
	unsigned cnt;
} kept;

/* A stream, as the answer to a question for a transfer: so many messages of so many zeros. */
enum { STREAM_MESSAGE_CNT = 200, STREAM_MESSAGE_SZ = 1000 };

/* cmocka's checks work in its own thread only; this ends the program. */
#define require(condition) require_at(condition, #condition, __FILE__, __LINE__)
void require_at(bool holds, const char *what, const char *file, int line);

/* A socket connected to the service. */
int open_socket(int type);
void read_exactly(int fd, uint8_t *to, size_t len);
/* Writes a question about plain.test. behind its length; returns the bytes of both. */
size_t make_question(uint8_t *to, unsigned opcode, unsigned type);

/* The first 32 bits of an address; of IPv6 the last ones too. */
struct stele_config_address make_address(uint8_t family, uint32_t first, uint32_t last);

#endif
