/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are damaged, that lie, or that change while they are read: refusals change nothing.
 */
#include "tests/unit/serve/serve_case.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every byte of a small image: it is refused, or it is one that nobody reads. The current image is another
 * one: of its own, bytes that are there already would not be read. */
static void test_flips(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	int fd = versions_file(other.bytes, other.size);
	load(serve, fd, NULL);
	for (size_t at = 0; at < small.size; at++) {
		/* Of those that nobody reads, some: each is loaded into a new arena. */
		if (at % 32 != 0 && !image_reaches(small.bytes, small.size, at))
			continue;
		small.bytes[at] ^= 0x81;
		bool accepted = try_load(serve, small.bytes, small.size);
		small.bytes[at] ^= 0x81;
		if (accepted != !image_reaches(small.bytes, small.size, at))
			fail_msg("byte %zu: %s", at, accepted ? "accepted" : "refused");
		if (!accepted)
			continue;
		stele_serve_close(serve);
		serve = versions_open(ARENA_SZ);
		load(serve, fd, NULL);
	}
	close(fd);
	stele_serve_close(serve);
}

/* With right checksums: what is accepted by what differs is accepted as a whole, too. */
static void test_sealed_flips(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	uint8_t *bytes = malloc(small.size);
	int fd = versions_file(small.bytes, small.size);
	unsigned accepted_cnt = 0;
	load(serve, fd, NULL);
	close(fd);
	for (size_t at = 0; at < small.size; at++) {
		if (!image_reaches(small.bytes, small.size, at))
			continue;
		memcpy(bytes, small.bytes, small.size);
		bytes[at] ^= (uint8_t)(1u << at % 8);
		if (at % 2 == 0)
			image_seal_bodies(bytes, small.size);
		image_seal(bytes, small.size);
		bool accepted = try_load(serve, bytes, small.size);
		if (accepted != verifies(bytes, small.size))
			fail_msg("byte %zu: %s", at, accepted ? "accepted" : "refused");
		accepted_cnt += accepted;
	}
	assert_true(accepted_cnt > 0);
	free(bytes);
	stele_serve_close(serve);
}

static void test_truncations(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	int fd = versions_file(small.bytes, small.size);
	load(serve, fd, NULL);
	close(fd);
	for (size_t size = 0; size < small.size; size += 7)
		assert_int_equal(try_load(serve, small.bytes, size), verifies(small.bytes, size));
	stele_serve_close(serve);
}

static void test_texts(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_error err;
	uint8_t *bytes = malloc(small.size);
	const struct stele_root *root =
		(const void *)(small.bytes + small.size - sizeof(struct stele_root));
	const struct stele_dir_entry *top = (const void *)(small.bytes + stele_le64(root->top_off));
	const struct stele_shard_ref *ref = (const void *)(small.bytes + stele_le64(top->page_off));
	uint64_t off = stele_le64(ref->off);
	char expected[64];

	/* Which shard it is, where it stands, and what is wrong. */
	memcpy(bytes, small.bytes, small.size);
	bytes[off + 5] ^= 1;
	int fd = versions_file(bytes, small.size);
	assert_int_equal(stele_serve_load(serve, fd, "a name", NULL, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "a name: shard 0 at offset %llu: wrong digest",
		 (unsigned long long)off);
	assert_non_null(strstr(err.text, expected));
	close(fd);

	/* With the digest right: the byte of the record. */
	memcpy(bytes, small.bytes, small.size);
	const struct stele_hash_shard *head = (const void *)(bytes + off);
	uint64_t record_off =
		off + sizeof(*head) + stele_le32(head->block_cnt) * sizeof(struct stele_hash_block);
	bytes[record_off] = 77;
	image_seal(bytes, small.size);
	fd = versions_file(bytes, small.size);
	assert_int_equal(stele_serve_load(serve, fd, "a name", NULL, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected),
		 "shard 0 at offset %llu: ", (unsigned long long)record_off);
	assert_non_null(strstr(err.text, expected));
	close(fd);

	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(stele_serve_load(serve, fd, "nothing", NULL, &err), STELE_E_INPUT);
	close(fd);
	assert_int_equal(stele_serve_load(serve, -1, "closed", NULL, &err), STELE_E_SYSTEM);
	free(bytes);
	stele_serve_close(serve);
}

/* A reference may lie about everything but the digest. */
static void test_lying_reference(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	int fd = versions_file(small.bytes, small.size);
	load(serve, fd, NULL);
	close(fd);
	uint8_t *bytes = malloc(small.size);
	const struct stele_root *root =
		(const void *)(small.bytes + small.size - sizeof(struct stele_root));
	const struct stele_dir_entry *top = (const void *)(small.bytes + stele_le64(root->top_off));
	uint64_t page_off = stele_le64(top->page_off);
	uint32_t ref_cnt = stele_le32(top->ref_cnt);
	for (uint32_t i = 0; i < ref_cnt; i++) {
		for (size_t at = 0; at < 25; at++) {
			memcpy(bytes, small.bytes, small.size);
			struct stele_shard_ref *ref = (void *)(bytes + page_off + i * sizeof(*ref));
			uint8_t digest[32];
			memcpy(digest, ref->digest, sizeof(digest));
			((uint8_t *)ref)[at] ^= 1;
			image_seal(bytes, small.size);
			/* Sealing made the reference honest; only the page stays sealed. */
			memcpy(ref->digest, digest, sizeof(digest));
			((uint8_t *)ref)[at] =
				(uint8_t)(small.bytes[page_off + i * sizeof(*ref) + at] ^ 1);
			image_seal_page(bytes, small.size);
			bool accepted = try_load(serve, bytes, small.size);
			/* A checksum that nobody needs, beside a digest that fits. */
			if (at < 16 || at >= 20)
				assert_false(accepted);
		}
	}
	free(bytes);
	stele_serve_close(serve);
}

/* ---- files that change ---- */

struct spoiler {
	int fd;
	bool stop;
	unsigned seed;
};

/* Writes into the file, cuts it and makes it whole again, as fast as it can. */
static void *spoil(void *arg)
{
	struct spoiler *s = arg;
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		off_t at = (off_t)((size_t)rand_r(&s->seed) % versions[1].size);
		uint8_t byte = (uint8_t)rand_r(&s->seed);
		if (rand_r(&s->seed) % 3 == 0) {
			if (ftruncate(s->fd, at) != 0)
				abort();
		} else if (pwrite(s->fd, &byte, 1, at) != 1) {
			abort();
		}
		usleep(2000);
		if (rand_r(&s->seed) % 4 != 0)
			continue;
		for (size_t done = 0; done < versions[1].size;) {
			ssize_t n = pwrite(s->fd, versions[1].bytes + done, versions[1].size - done,
					   (off_t)done);
			if (n <= 0)
				abort();
			done += (size_t)n;
		}
	}
	return NULL;
}

static void test_changing_file(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct spoiler spoiler = {.fd = versions_file(versions[1].bytes, versions[1].size),
				  .seed = 5};
	struct stele_error err;
	load(serve, fds[0], NULL);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, spoil, &spoiler), 0);
	unsigned refused_cnt = 0;
	for (unsigned i = 0; i < 60; i++) {
		int rc = stele_serve_load(serve, spoiler.fd, "spoiled", NULL, &err);
		assert_true(rc == 0 || rc == STELE_E_INPUT);
		refused_cnt += rc != 0;
		const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
		unsigned version = versions_ask(answerer, view, plain_zone, sizeof(plain_zone));
		assert_true(version >= 1 && version <= version_cnt);
		expect_version(serve, version);
		load(serve, fds[0], NULL);
	}
	__atomic_store_n(&spoiler.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	print_message("%u of 60 loads refused\n", refused_cnt);
	close(spoiler.fd);
	stele_serve_close(serve);
}

int test_serve_refused(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips),           cmocka_unit_test(test_sealed_flips),
		cmocka_unit_test(test_truncations),     cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lying_reference), cmocka_unit_test(test_changing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
