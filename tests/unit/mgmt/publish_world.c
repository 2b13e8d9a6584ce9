/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mgmt/publish_world.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/image/view.h"
#include "tests/unit/store/store_model.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const uint8_t apex[] = "\7example\3com";

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the responder ---- */

static int end_load(struct fake_responder *fake, struct stele_ctl_call *call)
{
	if (atomic_load(&fake->dawdles))
		return STELE_CTL_AGAIN;
	json_object_set_new(call->response, "generation", json_integer((json_int_t)call->state));
	return 0;
}

static int do_load(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake_responder *fake = user;
	const char *path;
	char file[64];
	struct stele_view view;
	int status = stele_ctl_unpack(call, reterr, "s:s", "path", &path);
	if (status != 0)
		return status;
	if (call->state != 0)
		return end_load(fake, call);
	if (atomic_load(&fake->hangs) || call->round < 2)
		return STELE_CTL_AGAIN;
	if (atomic_load(&fake->refuses))
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for it");
	snprintf(file, sizeof(file), "/proc/self/fd/%d", call->fd);
	status = stele_view_open_file(file, &view, reterr);
	if (status == 0 && fake->verifies) {
		status = stele_view_verify(&view, reterr);
		if (status != 0)
			stele_view_close(&view);
	}
	if (status != 0)
		return status;
	call->state = view.generation;
	atomic_store(&fake->generation, view.generation);
	stele_view_close(&view);
	atomic_fetch_add(&fake->load_cnt, 1);
	return end_load(fake, call);
}

static const struct stele_ctl_op ops[] = {{"load", true, do_load}, {NULL, false, NULL}};

static void *run_responder(void *user)
{
	struct fake_responder *fake = user;
	while (!atomic_load(&fake->stop)) {
		struct pollfd fd = {.fd = stele_ctl_server_fd(fake->server), .events = POLLIN};
		poll(&fd, 1, 2);
		/* One that hangs does not even answer. */
		if (!atomic_load(&fake->hangs))
			stele_ctl_server_step(fake->server);
	}
	return NULL;
}

void world_start_responder(struct publish_world *world)
{
	struct fake_responder *fake = &world->responder;
	struct stele_error err;
	struct stele_ctl_server_settings settings = {
		.path = world->socket, .group = (gid_t)-1, .ops = ops, .user = fake};
	if (stele_ctl_server_new(&settings, &fake->server, &err) != 0)
		fail_msg("%s", err.text);
	atomic_store(&fake->stop, false);
	atomic_store(&fake->generation, 0);
	fake->verifies = true;
	assert_int_equal(pthread_create(&fake->thread, NULL, run_responder, fake), 0);
}

void world_stop_responder(struct publish_world *world)
{
	atomic_store(&world->responder.stop, true);
	pthread_join(world->responder.thread, NULL);
	stele_ctl_server_free(world->responder.server);
	world->responder.server = NULL;
}

/* ---- the publisher ---- */

static void on_served(void *user, const struct stele_mapped_image *image)
{
	struct publish_world *world = user;
	struct stele_mapped_image *current = stele_images_take(world->images);
	uint64_t generation = image->generation;
	if (generation <= world->served || current == NULL || current->generation < generation)
		world->wrong_cnt++;
	if (world->has_responder && atomic_load(&world->responder.generation) < generation)
		world->wrong_cnt++;
	stele_images_put(current);
	world->served = generation;
	world->served_cnt++;
	if (world->then != NULL) {
		void (*then)(struct publish_world *) = world->then;
		world->then = NULL;
		then(world);
	}
}

static void on_trouble(void *user, const char *what, const char *text)
{
	struct publish_world *world = user;
	static const char *const names[] = {"compile", "image", "responder"};
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(what, names[i]) != 0)
			continue;
		snprintf(world->trouble[i], sizeof(world->trouble[i]), "%s", text ? text : "");
		if (text) {
			snprintf(world->last_trouble[i], sizeof(world->last_trouble[i]), "%s",
				 text);
			world->trouble_cnt[i]++;
		}
		return;
	}
	world->wrong_cnt++;
}

void world_start_publisher(struct publish_world *world)
{
	struct stele_error err;
	struct stele_publisher_settings settings = {
		.compiler = world->compiler,
		.store = world->store_dir,
		.image = world->image,
		.responder = world->has_responder ? world->socket : NULL,
		.compile_max_ns = world->compile_max_ns,
		.quiet_ns = 1000000000,
		.sync_quiet_ns = world->sync_quiet_ns,
		.served = on_served,
		.trouble = on_trouble,
		.user = world,
	};
	world->served = 0;
	if (stele_loop_new("main", &world->loop, &err) != 0 ||
	    stele_images_new(&world->images, &err) != 0 ||
	    stele_publisher_new(world->loop, world->images, &settings, &world->publisher, &err) !=
		    0)
		fail_msg("%s", err.text);
}

void world_stop_publisher(struct publish_world *world)
{
	stele_publisher_free(world->publisher);
	stele_images_free(world->images);
	stele_loop_free(world->loop);
	world->publisher = NULL;
}

void world_begin(struct publish_world *world, const char *compiler, bool has_responder)
{
	struct stele_error err;
	*world = (struct publish_world){.has_responder = has_responder,
					.compile_max_ns = UINT64_C(60000000000)};
	/* In memory where that is possible: hundreds of commits and images would wait for the disk. */
	snprintf(world->dir, sizeof(world->dir), "%s/stele-test-publish-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(world->dir));
	snprintf(world->store_dir, sizeof(world->store_dir), "%s/store", world->dir);
	snprintf(world->image, sizeof(world->image), "%s/image", world->dir);
	snprintf(world->socket, sizeof(world->socket), "%s/socket", world->dir);
	snprintf(world->compiler, sizeof(world->compiler), "%s", compiler);
	if (stele_store_open(world->store_dir, STELE_STORE_CREATE, &world->store, &err) != 0)
		fail_msg("%s", err.text);
	if (has_responder)
		world_start_responder(world);
}

void world_end(struct publish_world *world)
{
	static const char *const names[] = {"store/data.mdb", "store/lock.mdb", "store",
					    "image",          "socket",         "socket.lock",
					    "image.boot",     "script",         "flag",
					    "other",          "begun",          "rounds"};
	if (world->publisher != NULL)
		world_stop_publisher(world);
	if (world->responder.server != NULL)
		world_stop_responder(world);
	stele_store_close(world->store);
	assert_int_equal(world->wrong_cnt, 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[160];
		snprintf(path, sizeof(path), "%s/%s", world->dir, names[i]);
		remove(path);
	}
	assert_int_equal(rmdir(world->dir), 0); /* nothing else was left behind */
}

static uint64_t end_write(struct stele_store_write *write, int status, struct stele_error *err)
{
	uint64_t generation = 0;
	if (status == 0)
		status = stele_store_commit(write, &generation, err);
	if (status != 0)
		fail_msg("%s", err->text);
	return generation;
}

/* Owners h000001 and so on, each with one text. */
static size_t key_of(uint32_t owner, uint8_t *key)
{
	uint8_t rel[16];
	char label[16];
	snprintf(label, sizeof(label), "h%06u", owner);
	rel[0] = 7;
	memcpy(rel + 1, label, 7);
	return stele_sort_key(rel, 8, key);
}

static void make_text(uint8_t **node, size_t *node_sz, uint32_t serial)
{
	char text[202];
	const char *texts[] = {text};
	memset(text, 'a' + (int)(serial % 26), 201);
	text[0] = (char)200;
	text[201] = '\0';
	*node = NULL;
	*node_sz = 0;
	node_add(node, node_sz, STELE_TYPE_TXT, 60, texts, 1, 0);
}

struct source {
	uint32_t serial, cnt, at;
	uint8_t key[STELE_SORT_KEY_MAX];
	uint8_t *node;
	size_t node_sz;
};

static int next_owner(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct source *source = user;
	size_t key_len = 0;
	(void)reterr;
	free(source->node);
	source->node = NULL;
	source->node_sz = 0;
	if (source->at > source->cnt)
		return 0;
	if (source->at == 0) {
		/* A name ends with a zero, so it is no text for node_add(). */
		static const uint8_t ns[] = {2, 0, 1, 0, 60, 0, 0, 0,   0,   0,   0, 0,
					     7, 0, 0, 0, 5,  0, 3, 'n', 'e', 't', 0};
		source->node = malloc(sizeof(ns));
		memcpy(source->node, ns, sizeof(ns));
		source->node_sz = sizeof(ns);
		node_add_soa(&source->node, &source->node_sz, source->serial);
	} else {
		make_text(&source->node, &source->node_sz, source->serial);
		key_len = key_of(source->at, source->key);
	}
	source->at++;
	*ret_item = (struct stele_store_item){source->key, key_len, source->node, source->node_sz};
	return 1;
}

uint64_t world_commit_zone(struct publish_world *world, uint32_t cnt)
{
	struct stele_store_write *write;
	struct stele_error err = {""};
	struct source source = {.serial = ++world->serial, .cnt = cnt};
	assert_int_equal(stele_store_write_begin(world->store, &write, &err), 0);
	return end_write(write,
			 stele_store_zone_replace(write, apex, next_owner, &source, NULL, NULL,
						  NULL, &err),
			 &err);
}

uint64_t world_commit_change(struct publish_world *world, uint32_t owner)
{
	struct stele_store_write *write;
	struct stele_error err = {""};
	uint8_t key[STELE_SORT_KEY_MAX], *node;
	size_t node_sz, key_len = key_of(owner, key);
	make_text(&node, &node_sz, ++world->serial);
	struct stele_store_edit edit = {STELE_STORE_NODES, key, key_len, node, node_sz};
	assert_int_equal(stele_store_write_begin(world->store, &write, &err), 0);
	int status = stele_store_zone_edit(write, apex, &edit, 1, NULL, &err);
	free(node);
	return end_write(write, status, &err);
}

/* ---- the loop ---- */

static void on_tick(evutil_socket_t fd, short events, void *user)
{
	(void)fd;
	(void)events;
	(void)user;
}

/* One round of events, at most 5 ms. */
static void turn(struct publish_world *world)
{
	struct timeval most = {.tv_usec = 5000};
	struct event *tick = evtimer_new(stele_loop_base(world->loop), on_tick, NULL);
	evtimer_add(tick, &most);
	event_base_loop(stele_loop_base(world->loop), EVLOOP_ONCE);
	event_free(tick);
}

void world_run_for(struct publish_world *world, unsigned ms)
{
	uint64_t end = now_ns() + UINT64_C(1000000) * ms;
	while (now_ns() < end)
		turn(world);
}

void world_run_until(struct publish_world *world, bool (*is_so)(struct publish_world *world))
{
	uint64_t end = now_ns() + UINT64_C(60000000000);
	while (!is_so(world)) {
		if (now_ns() > end)
			fail_msg("it never came so: served %llu, compile '%s', image '%s', "
				 "responder '%s'",
				 (unsigned long long)world->served, world->trouble[0],
				 world->trouble[1], world->trouble[2]);
		turn(world);
	}
}

static uint64_t awaited;

static bool is_served(struct publish_world *world)
{
	return world->served >= awaited;
}

void world_serve(struct publish_world *world, uint64_t generation)
{
	stele_publisher_want(world->publisher, generation);
	awaited = generation;
	world_run_until(world, is_served);
}

struct stele_publisher_status world_status(const struct publish_world *world)
{
	struct stele_publisher_status status;
	stele_publisher_status(world->publisher, &status);
	return status;
}

const char *world_script(struct publish_world *world, const char *text)
{
	static char path[160];
	snprintf(path, sizeof(path), "%s/script", world->dir);
	/* A shell that runs has the file before this one open. */
	remove(path);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", text);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	return path;
}
