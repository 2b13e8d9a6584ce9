/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_MGMT_PUBLISH_WORLD_H
#define STELE_TESTS_UNIT_MGMT_PUBLISH_WORLD_H

/*
 * A store, a publisher in a loop that runs in the test's own thread, and a server that loads images as
 * the responder does, in a thread. Functions fail the test.
 */

#include "lib/ctl/ctl.h"
#include "lib/store/store.h"
#include "mgmt/publish/publish.h"

#include <pthread.h>
#include <stdatomic.h>

/* The responder's part: knows the generation of the image that it was given last. */
struct fake_responder {
	struct stele_ctl_server *server;
	pthread_t thread;
	atomic_bool stop, hangs, refuses;
	atomic_bool dawdles; /* has loaded, and does not say so yet */
	atomic_uint load_cnt;
	atomic_ullong generation; /* of the image loaded last; 0: none */
	bool verifies;            /* each byte, as the real one */
};

struct publish_world {
	char dir[64], store_dir[96], image[96], socket[96];
	char compiler[256];
	bool has_responder;
	uint64_t compile_max_ns, sync_quiet_ns;
	struct stele_store *store;
	struct stele_loop *loop;
	struct stele_images *images;
	struct stele_publisher *publisher;
	struct fake_responder responder;
	uint32_t serial;

	/* What the publisher told. */
	uint64_t served;
	unsigned served_cnt, wrong_cnt;
	void (*then)(struct publish_world *world); /* called once, when something is served; NULL */
	char trouble[3][2048]; /* of "compile", "image", "responder"; empty: none */
	char last_trouble[3][2048];
	unsigned trouble_cnt[3];
};

enum { TROUBLE_COMPILE, TROUBLE_IMAGE, TROUBLE_RESPONDER };

/* `compiler`: the real one, or a script. */
void world_begin(struct publish_world *world, const char *compiler, bool has_responder);
void world_end(struct publish_world *world);

void world_start_publisher(struct publish_world *world);
void world_stop_publisher(struct publish_world *world);
void world_start_responder(struct publish_world *world);
void world_stop_responder(struct publish_world *world);

/* Writes a zone with `cnt` owners, or changes one of them, which has 250 bytes afterwards; the new
 * generation. */
uint64_t world_commit_zone(struct publish_world *world, uint32_t cnt);
uint64_t world_commit_change(struct publish_world *world, uint32_t owner);

/* Runs the loop until `is_so` says true. Fails the test after a minute. */
void world_run_until(struct publish_world *world, bool (*is_so)(struct publish_world *world));
void world_run_for(struct publish_world *world, unsigned ms);
/* Wants the generation and runs until it is served. */
void world_serve(struct publish_world *world, uint64_t generation);

struct stele_publisher_status world_status(const struct publish_world *world);

/* An executable file in the world's folder; returns its path, which lives until the next call. */
const char *world_script(struct publish_world *world, const char *text);

#endif
