/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading images: versions one after another and out of order, rollback, zones of what is served, a
 * full arena.
 *
 * usage: test_serve SMALL-IMAGE OTHER-IMAGE PAIR-IMAGE PAIR-IMAGE PAIR-IMAGE VERSION...
 */
#include "tests/unit/serve/serve_case.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void test_versions(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info info;
	struct stele_serve_status status;
	assert_null(stele_serve_view(stele_serve_root(serve)));
	assert_true(version_cnt >= 4);
	for (unsigned i = 0; i < version_cnt; i++) {
		load(serve, fds[i], &info);
		expect_version(serve, i + 1);
		expect_answers(serve, i);
		assert_int_equal(info.shard_cnt, info.copied_cnt + info.shared_cnt);
		if (i == 0)
			assert_int_equal(info.shared_cnt, 0);
		else
			assert_true(info.shared_cnt > 0 && info.incremental);
		assert_false(info.unchanged);
		stele_serve_status(serve, &status);
		assert_int_equal(status.has_previous, i > 0);
		assert_int_equal(status.current.serial, info.serial);
		assert_int_equal(status.current.generation, info.generation);
		assert_int_equal(status.current.root_off + sizeof(struct stele_root),
				 versions[i].size);
		assert_string_equal(status.current.name, "the image");
	}
	/* Two images are held, and no byte of any other. */
	stele_serve_status(serve, &status);
	assert_true(status.arena.used_sz <=
		    status.current.shards_sz + 128 * status.current.shard_cnt +
			    status.previous.exclusive_sz + 128 * status.previous.shard_cnt);
	assert_int_equal(status.load_cnt, version_cnt);
	stele_serve_close(serve);
}

/* From any version to any other, the verdict and the answers are those of the whole. */
static void test_jumps(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info info;
	load(serve, fds[0], NULL);
	srand(3);
	for (unsigned i = 0, now = 0; i < 24; i++) {
		unsigned next = (unsigned)rand() % version_cnt;
		load(serve, fds[next], &info);
		assert_int_equal(info.unchanged, next == now);
		expect_version(serve, next + 1);
		expect_answers(serve, next);
		now = next;
	}
	stele_serve_close(serve);
}

static void test_rollback(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info info;
	struct stele_error err;
	assert_int_equal(stele_serve_rollback(serve, &info, &err), STELE_E_NOTFOUND);
	load(serve, fds[0], &info);
	assert_int_equal(stele_serve_rollback(serve, &info, &err), STELE_E_NOTFOUND);
	expect_version(serve, 1);
	load(serve, fds[1], &info);
	uint64_t serial = info.serial;
	assert_int_equal(stele_serve_rollback(serve, &info, &err), 0);
	assert_true(info.serial > serial);
	expect_version(serve, 1);
	assert_int_equal(stele_serve_rollback(serve, NULL, &err), 0);
	expect_version(serve, 2);
	assert_int_equal(stele_serve_rollback(serve, NULL, &err), 0);
	/* The image that was left is the one before now, and an update goes on from here. */
	load(serve, fds[2], &info);
	assert_true(info.incremental);
	expect_version(serve, 3);
	assert_int_equal(stele_serve_rollback(serve, NULL, &err), 0);
	expect_version(serve, 1);
	expect_answers(serve, 0);
	stele_serve_close(serve);
}

/* The same image again publishes nothing. */
static void test_unchanged(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info first, second;
	load(serve, fds[0], &first);
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	load(serve, fds[0], &second);
	assert_true(second.unchanged);
	assert_int_equal(second.serial, first.serial);
	assert_int_equal(second.copied_cnt, 0);
	assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), view);
	stele_serve_close(serve);
}

static void test_zones(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_zone zone;
	static const uint8_t upper[] = "\5PLAIN\4Test";
	static const uint8_t nobody[] = "\6nobody\4test";
	static const uint8_t cut[] = {5, 'p', 'l'};
	assert_int_equal(stele_serve_zone(serve, upper, sizeof(upper), &zone), STELE_E_NOTFOUND);
	for (unsigned i = 0; i < 2; i++) {
		load(serve, fds[i], NULL);
		assert_int_equal(stele_serve_zone(serve, upper, sizeof(upper), &zone), 0);
		assert_int_equal(zone.serial, i + 1);
		assert_memory_equal(zone.apex, plain_zone, sizeof(plain_zone));
		assert_true(zone.name_cnt > 1000 && !zone.expired);
		assert_int_equal(stele_serve_zone(serve, nobody, sizeof(nobody), &zone),
				 STELE_E_NOTFOUND);
		assert_int_equal(stele_serve_zone(serve, cut, sizeof(cut), &zone),
				 STELE_E_NOTFOUND);
	}
	stele_serve_close(serve);
}

static int count_zone(void *user, const struct stele_serve_zone *zone)
{
	unsigned *cnt = user;
	(void)zone;
	return ++*cnt == 100 ? 1 : 0;
}

static void test_zone_walk(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_status status;
	unsigned cnt = 0;
	assert_int_equal(stele_serve_zones(serve, count_zone, &cnt), 0);
	assert_int_equal(cnt, 0);
	load(serve, fds[0], NULL);
	assert_int_equal(stele_serve_zones(serve, count_zone, &cnt), 0);
	stele_serve_status(serve, &status);
	assert_int_equal(cnt, status.current.zone_cnt);
	cnt = 99;
	assert_int_equal(stele_serve_zones(serve, count_zone, &cnt), 1);
	stele_serve_close(serve);
}

/* ---- the arena is full ---- */

static void test_full(void **state)
{
	(void)state;
	struct stele_serve_load_info info;
	struct stele_serve_status status;
	struct stele_error err;
	int other_fd = versions_file(other.bytes, other.size);

	/* Too small for the first image. */
	struct stele_serve *serve = versions_open(1 << 20);
	assert_int_equal(stele_serve_load(serve, fds[0], "big", NULL, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "full"));
	stele_serve_status(serve, &status);
	assert_int_equal(status.arena.used_sz, 0);
	load(serve, other_fd, NULL);
	assert_int_equal(stele_serve_load(serve, fds[0], "big", NULL, &err), STELE_E_SYSTEM);
	stele_serve_status(serve, &status);
	assert_int_equal(status.refused_cnt, 2);
	assert_int_equal(status.arena.used_sz, status.arena.used_max_sz);
	stele_serve_close(serve);

	/* Room for the image and half of it: what is kept for a rollback has to yield, what is current
	 * has not. */
	serve = versions_open(ARENA_SZ);
	load(serve, fds[0], NULL);
	stele_serve_status(serve, &status);
	size_t big_sz = status.arena.used_sz;
	stele_serve_close(serve);
	serve = versions_open(big_sz + big_sz / 2);
	load(serve, fds[0], NULL);
	load(serve, other_fd, &info);
	assert_int_equal(info.shared_cnt, 0);
	assert_false(info.incremental || info.dropped_previous);
	stele_serve_status(serve, &status);
	assert_true(status.has_previous);
	assert_int_equal(status.previous.exclusive_sz, status.previous.shards_sz);

	/* All bytes of the shards but one are others, as a build with another seed would make them. */
	unsigned refused_cnt = 0;
	for (unsigned i = 1; i < version_cnt; i++) {
		int rc = stele_serve_load(serve, fds[i], "next", &info, &err);
		refused_cnt += rc != 0;
		if (rc == 0)
			expect_version(serve, i + 1);
		stele_serve_status(serve, &status);
		assert_true(status.arena.used_sz <= status.arena.size);
	}
	print_message("%u of %u loads refused\n", refused_cnt, version_cnt - 1);
	close(other_fd);
	stele_serve_close(serve);
}

int main(int argc, char **argv)
{
	version_cnt = argc < 3 + PAIRS ? 0 : (unsigned)argc - 3 - PAIRS;
	if (version_cnt < 4 || version_cnt > VERSIONS_MAX) {
		fputs("usage: test_serve SMALL-IMAGE OTHER-IMAGE PAIR-IMAGE PAIR-IMAGE PAIR-IMAGE VERSION...\n",
		      stderr);
		return 2;
	}
	small = image_read(argv[1]);
	other = image_read(argv[2]);
	for (unsigned i = 0; i < PAIRS; i++)
		pairs[i] = image_read(argv[3 + i]);
	for (unsigned i = 0; i < version_cnt; i++) {
		versions[i] = image_read(argv[3 + PAIRS + i]);
		fds[i] = open(argv[3 + PAIRS + i], O_RDONLY | O_CLOEXEC);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions), cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_rollback), cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_zones),    cmocka_unit_test(test_zone_walk),
		cmocka_unit_test(test_full),
	};
	answerer = stele_answerer_new();
	if (answerer == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed |= test_serve_refused();
	failed |= test_serve_mixed();
	failed |= test_serve_grace();
	stele_answerer_free(answerer);
	for (unsigned i = 0; i < version_cnt; i++) {
		free(versions[i].bytes);
		close(fds[i]);
	}
	for (unsigned i = 0; i < PAIRS; i++)
		free(pairs[i].bytes);
	free(small.bytes);
	free(other.bytes);
	return failed;
}
