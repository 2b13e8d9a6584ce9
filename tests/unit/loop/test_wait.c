/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `wait` takes for served: images of two stores may have the same generation, so it must not be what tells whether
 * a worker has come to the image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/loop/eal.h"
#include "benchmarks/loop/server.h"
#include "responder/control/operations.h"

#include <fcntl.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *paths[2];
static struct stele_responder responder;
static struct loop_server server;

static void ok(int rc, const struct stele_error *error)
{
	if (rc)
		fail_msg("%s", error->text);
}

/* No reader of images, so that a load does not wait for it: it is given its turns. */
static void make_worker(void)
{
	struct stele_error error;
	struct loop_server_settings settings = {.root = stele_images_root(responder.images, 0)};
	struct rte_ring *in = rte_ring_create("in", 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	struct rte_ring *out = rte_ring_create("out", 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	int port = rte_eth_from_rings("port", &in, 1, &out, 1, 0);

	assert_true(port >= 0);
	settings.port_id = (uint16_t)port;
	settings.pool = loop_pool_new();
	loop_port_start(settings.port_id, 64, settings.pool);
	ok(loop_server_open(&settings, &server, &error), &error);
}

static void load(const char *path)
{
	struct stele_error error;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	ok(stele_images_load(responder.images, fd, path, NULL, &error), &error);
	close(fd);
}

static uint64_t generation(void)
{
	struct stele_serve_status status;

	stele_images_status(responder.images, &status);
	return status.current.generation;
}

static int ask(const char *op_name, json_t *request, json_t **ret_response)
{
	struct stele_error error;
	struct stele_ctl_call call = {
		.request = request,
		.response = json_object(),
		.fd = -1,
		.deadline_ns = UINT64_MAX,
	};
	const struct stele_ctl_op *op = stele_operations;

	while (strcmp(op->name, op_name) != 0)
		op++;
	int rc = op->handle(&responder, &call, &error);
	json_decref(request);
	*ret_response = call.response;
	return rc;
}

static bool is_served(const char *zone)
{
	json_t *response;
	int rc = ask("wait",
		     json_pack("{s:s, s:s, s:i, s:i}", "op", "wait", "zone", zone, "serial", 1,
			       "timeout_ms", 0),
		     &response);

	json_decref(response);
	assert_true(rc == 0 || rc == STELE_E_NOTFOUND);
	return rc == 0;
}

static void test_equal_generations(void **state)
{
	struct stele_worker *workers[] = {server.worker};
	struct stele_error error;

	(void)state;
	responder.workers = workers;
	responder.worker_cnt = 1;
	ok(stele_images_attach(responder.images, workers, 1, &error), &error);
	load(paths[0]);
	assert_false(is_served("nsec3.test."));
	stele_worker_turn(server.worker);
	assert_true(is_served("nsec3.test."));
	uint64_t before = generation();

	load(paths[1]);
	assert_int_equal(generation(), before);
	assert_false(is_served("optout.test."));
	assert_false(is_served("nsec3.test."));
	stele_worker_turn(server.worker);
	assert_true(is_served("optout.test."));

	ok(stele_images_rollback(responder.images, NULL, &error), &error);
	assert_false(is_served("nsec3.test."));
	stele_worker_turn(server.worker);
	assert_true(is_served("nsec3.test."));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_generations),
	};
	static const struct stele_responder_config config = {
		.state_dir = "/nonexistent",
		.memory = {.image_arena = 64u << 20, .huge_pages = STELE_HUGE_PAGES_NONE}};
	const int node = 0;
	char path[64];
	const struct stele_stats_settings stats = {
		.path = path, .mode = 0640, .worker_cnt = 1, .zone_slot_cnt = 16};
	struct stele_error error;

	if (argc != 3)
		return 2;
	paths[0] = argv[1];
	paths[1] = argv[2];
	loop_eal_start("test_wait", "0@0", NULL, false);
	snprintf(path, sizeof(path), "/dev/shm/test-wait-%d.stats", (int)getpid());
	if (stele_stats_create(&stats, &responder.stats, &error) != 0 ||
	    stele_images_open(&config, &node, 1, 0, responder.stats, &responder.images, &error) !=
		    0)
		loop_fail(3, "test_wait", error.text);
	make_worker();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	loop_server_close(&server);
	stele_images_close(responder.images);
	stele_stats_destroy(responder.stats);
	return failed;
}
