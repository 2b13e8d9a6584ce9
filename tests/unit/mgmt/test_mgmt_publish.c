/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the store to what is served, with the real compiler, and responders that come, go, hang and
 * refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mgmt/publish_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_rounds(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	assert_null(stele_images_take(w.images));
	assert_int_equal(stele_images_version(w.images), 0);

	/* Nothing is there yet, not even a zone. */
	world_serve(&w, world_commit_zone(&w, 1000));
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.compile_rebuilt_cnt, 1);
	assert_int_equal(status.compile_cnt, 1);

	for (uint32_t i = 0; i < 5; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	world_run_until(&w, is_quiet);
	status = world_status(&w);
	assert_int_equal(status.compile_cnt, 6);
	assert_int_equal(status.compile_rebuilt_cnt, 1);
	assert_int_equal(status.compile_failed_cnt + status.load_failed_cnt, 0);
	assert_int_equal(status.wanted, status.compiled);
	assert_int_equal(status.compiled, status.served);
	assert_true(status.responder_up);
	assert_false(status.compiling);
	assert_true(status.compile_last_ns > status.compile_work_ns);
	assert_true(status.open_last_ns > 0 && status.load_last_ns > 0);
	assert_true(status.image_sz > status.garbage_sz && status.garbage_sz > 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w.trouble_cnt[i], 0);
	assert_int_equal(w.served_cnt, 6);
	world_end(&w);
}

/* What comes while the compiler runs goes together; nothing is left behind. */
static void test_many_changes(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 1000));
	uint64_t last = 0;
	for (uint32_t i = 0; i < 200; i++) {
		last = world_commit_change(&w, 1 + i);
		stele_publisher_want(w.publisher, last);
		stele_publisher_want(w.publisher, last - 1); /* late news changes nothing */
		world_run_for(&w, 1);
	}
	world_serve(&w, last);
	struct stele_publisher_status status = world_status(&w);
	assert_true(status.compile_cnt < 200);
	assert_int_equal(status.compile_failed_cnt, 0);
	assert_int_equal(atomic_load(&w.responder.generation), last);
	world_end(&w);
}

static void test_without_responder(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	assert_true(world_status(&w).responder_up);
	world_serve(&w, world_commit_zone(&w, 10));
	world_serve(&w, world_commit_change(&w, 1));

	/* Again, with the image that is there: it is served before the compiler has run. */
	uint64_t before = w.served;
	world_stop_publisher(&w);
	world_start_publisher(&w);
	struct stele_mapped_image *image = stele_images_take(w.images);
	assert_non_null(image);
	assert_int_equal(image->generation, before);
	stele_images_put(image);
	world_serve(&w, before);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 0);
	world_end(&w);
}

/* An image of another store has a generation that means nothing here. */
static void test_other_store(void **state)
{
	(void)state;
	char from[160], to[160];
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 10));
	for (uint32_t i = 0; i < 3; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	snprintf(from, sizeof(from), "%s/image", w.dir);
	snprintf(to, sizeof(to), "%s-image", w.dir);
	assert_int_equal(rename(from, to), 0);
	world_end(&w);

	world_begin(&w, real_compiler, true);
	assert_int_equal(rename(to, w.image), 0);
	uint64_t generation = world_commit_zone(&w, 20);
	assert_true(generation < 4);
	world_start_publisher(&w);
	world_serve(&w, generation);
	assert_int_equal(w.served, generation);
	assert_int_equal(world_status(&w).compile_rebuilt_cnt, 1);
	assert_int_equal(atomic_load(&w.responder.generation), generation);
	world_end(&w);
}

/* ---- responders ---- */

static void test_responder_comes_back(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_stop_responder(&w); /* not there yet */
	world_start_publisher(&w);
	uint64_t generation = world_commit_zone(&w, 100);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_image);
	world_run_for(&w, 300); /* several tries to reach the responder */
	assert_int_equal(world_status(&w).compiled, generation);
	assert_int_equal(world_status(&w).served, 0);
	assert_false(world_status(&w).responder_up);
	assert_non_null(strstr(w.trouble[TROUBLE_RESPONDER], "nobody listens"));
	assert_int_equal(w.trouble_cnt[TROUBLE_RESPONDER], 1); /* told once, not at each try */
	world_start_responder(&w);
	world_serve(&w, generation);
	assert_string_equal(w.trouble[TROUBLE_RESPONDER], "");

	/* It goes, and comes back without an image. */
	world_stop_responder(&w);
	world_run_until(&w, has_responder_trouble);
	world_start_responder(&w);
	while (atomic_load(&w.responder.generation) != generation)
		world_run_for(&w, 5);
	world_serve(&w, world_commit_change(&w, 1));
	assert_true(world_status(&w).responder_up);
	world_end(&w);
}

static void test_responder_refuses(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	atomic_store(&w.responder.refuses, true);
	world_start_publisher(&w);
	uint64_t generation = world_commit_zone(&w, 100);
	stele_publisher_want(w.publisher, generation);
	world_run_until(&w, has_responder_trouble);
	assert_non_null(strstr(w.trouble[TROUBLE_RESPONDER], "no memory for it"));
	assert_true(world_status(&w).responder_up);
	atomic_store(&w.responder.refuses, false);
	world_serve(&w, generation);
	struct stele_publisher_status status = world_status(&w);
	assert_int_equal(status.load_failed_cnt, 1);
	assert_string_equal(status.responder_error, "");
	assert_int_equal(status.compile_cnt, 1);
	world_end(&w);
}

static bool has_load_failed(struct publish_world *world)
{
	return world_status(world).load_failed_cnt > 0;
}

static bool has_loaded(struct publish_world *world)
{
	return atomic_load(&world->responder.generation) != 0;
}

/* The image cannot be opened just when a responder comes back: that is no reason to leave it without. */
static void test_image_away_for_a_while(void **state)
{
	(void)state;
	char other[160];
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	world_stop_responder(&w);
	world_run_until(&w, has_responder_trouble);
	snprintf(other, sizeof(other), "%s/other", w.dir);
	assert_int_equal(rename(w.image, other), 0);
	world_start_responder(&w);
	world_run_until(&w, has_load_failed);
	assert_non_null(strstr(w.last_trouble[TROUBLE_RESPONDER], w.image));
	assert_int_equal(rename(other, w.image), 0);
	world_run_until(&w, has_loaded);
	world_end(&w);
}

/* A responder that hangs holds up itself only. */
static void test_responder_hangs(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	uint64_t first = world_commit_zone(&w, 100), last = 0;
	world_serve(&w, first);
	atomic_store(&w.responder.hangs, true);
	for (uint32_t i = 0; i < 5; i++) {
		last = world_commit_change(&w, 1 + i);
		stele_publisher_want(w.publisher, last);
		while (world_status(&w).compiled < last)
			world_run_for(&w, 5);
	}
	assert_int_equal(w.served, first);
	unsigned loads = atomic_load(&w.responder.load_cnt);
	atomic_store(&w.responder.hangs, false);
	world_serve(&w, last);
	/* The one that hung, and one for all that came meanwhile. */
	assert_in_range(atomic_load(&w.responder.load_cnt) - loads, 1, 2);
	world_end(&w);
}

static uint64_t awaited;

static bool has_read_it(struct publish_world *world)
{
	return atomic_load(&world->responder.generation) == awaited;
}

static bool has_compiled(struct publish_world *world)
{
	return world_status(world).compiled == awaited;
}

static bool is_told(struct publish_world *world)
{
	return world->served >= awaited;
}

/* The daemon's own image is ahead of what the responder serves when that says so: it must not be taken for it. */
static void test_compiled_while_it_loads(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, true);
	world_start_publisher(&w);
	world_serve(&w, world_commit_zone(&w, 100));
	atomic_store(&w.responder.dawdles, true);
	uint64_t second = awaited = world_commit_change(&w, 1);
	stele_publisher_want(w.publisher, second);
	world_run_until(&w, has_read_it);
	uint64_t third = awaited = world_commit_change(&w, 2);
	stele_publisher_want(w.publisher, third);
	world_run_until(&w, has_compiled);
	atomic_store(&w.responder.dawdles, false);
	awaited = second;
	world_run_until(&w, is_told);
	world_serve(&w, third);
	world_end(&w);
}

/* ---- the mapping, read by others meanwhile ---- */

struct reader {
	pthread_t thread;
	struct stele_images *images;
	atomic_bool stop;
	unsigned look_cnt, version_cnt, wrong_cnt;
};

static void *read_along(void *user)
{
	struct reader *reader = user;
	struct stele_mapped_image *image = NULL;
	uint64_t version = 0;
	while (!atomic_load(&reader->stop)) {
		uint64_t now = stele_images_version(reader->images);
		if (now != version || image == NULL) {
			uint64_t before = image ? image->generation : 0;
			stele_images_put(image);
			image = stele_images_take(reader->images);
			reader->wrong_cnt += image != NULL && image->generation < before;
			reader->version_cnt++;
			version = now;
		}
		if (image == NULL)
			continue;
		uint64_t sum = 0;
		for (uint32_t i = 0; i < image->view.shard_cnt; i++)
			if (image->view.shards[i].base != NULL)
				sum += image->view.shards[i].base[0];
		reader->wrong_cnt += sum == UINT64_MAX;
		reader->look_cnt++;
	}
	stele_images_put(image);
	return NULL;
}

static void test_readers(void **state)
{
	(void)state;
	world_begin(&w, real_compiler, false);
	world_start_publisher(&w);
	struct reader readers[3] = {
		{.images = w.images}, {.images = w.images}, {.images = w.images}};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_along, &readers[i]),
				 0);
	world_serve(&w, world_commit_zone(&w, 3000));
	for (uint32_t i = 0; i < 15; i++)
		world_serve(&w, world_commit_change(&w, 1 + i));
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(&readers[i].stop, true);
		pthread_join(readers[i].thread, NULL);
		assert_true(readers[i].look_cnt > 0 && readers[i].version_cnt > 1);
		assert_int_equal(readers[i].wrong_cnt, 0);
	}
	world_end(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_many_changes),
		cmocka_unit_test(test_without_responder),
		cmocka_unit_test(test_other_store),
		cmocka_unit_test(test_responder_comes_back),
		cmocka_unit_test(test_responder_refuses),
		cmocka_unit_test(test_image_away_for_a_while),
		cmocka_unit_test(test_responder_hangs),
		cmocka_unit_test(test_compiled_while_it_loads),
		cmocka_unit_test(test_readers),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmt_publish STELE-COMPILE\n");
		return 2;
	}
	real_compiler = argv[1];
	if (getenv("STELE_TEST_FILTER") != NULL) /* for whoever looks at one of them */
		cmocka_set_test_filter(getenv("STELE_TEST_FILTER"));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed |= test_publish_compilers();
	failed |= test_publish_images();
	failed |= test_publish_crashes();
	return failed;
}
