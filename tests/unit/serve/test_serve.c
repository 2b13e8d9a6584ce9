/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading images: versions one after another and out of order, rollback, refusals that change nothing,
 * files that change while they are read, a full arena.
 *
 * usage: test_serve SMALL-IMAGE OTHER-IMAGE PAIR-IMAGE PAIR-IMAGE PAIR-IMAGE VERSION...
 */
#include "responder/serve/internal.h"
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/image/image_seal.h"
#include "tests/unit/serve/serve_versions.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARENA_SZ ((size_t)256 << 20)

static const uint8_t plain_zone[] = "\5plain\4test";
static const uint8_t nsec_zone[] = "\4nsec\4test";
static const uint8_t nsec3_zone[] = "\5nsec3\4test";
static const uint8_t small_zone[] = "\5small\4test";

#define VERSIONS_MAX 32

static struct image_bytes small, other, versions[VERSIONS_MAX];
static int fds[VERSIONS_MAX]; /* of the versions */

#define PAIRS 3
static struct image_bytes pairs[PAIRS];
static unsigned version_cnt;
static struct stele_answerer *answerer;

static void load(struct stele_serve *serve, int fd, struct stele_serve_load_info *ret_info)
{
	struct stele_error err;
	if (stele_serve_load(serve, fd, "the image", ret_info, &err) != 0)
		fail_msg("%s", err.text);
}

static void expect_version(const struct stele_serve *serve, unsigned version)
{
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), version);
	assert_int_equal(versions_ask(answerer, view, nsec_zone, sizeof(nsec_zone)), version);
	assert_int_equal(versions_ask(answerer, view, nsec3_zone, sizeof(nsec3_zone)), version);
	assert_int_equal(versions_ask(answerer, view, small_zone, sizeof(small_zone)), version);
}

/* A hash over many answers, to compare what is served with what the file itself gives. */
static uint64_t answers_of(const struct image_bytes *image)
{
	struct stele_view view;
	assert_int_equal(stele_view_open(image->bytes, image->size, &view, NULL), 0);
	uint64_t hash = image_exercise(&view, 300);
	stele_view_close(&view);
	return hash;
}

static void expect_answers(const struct stele_serve *serve, unsigned i)
{
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	assert_true(image_exercise(view, 300) == answers_of(versions + i));
}

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

/* ---- refusals ---- */

/* Tries to load; what is served must be as it was. True if it was accepted (and then rolled back). */
static bool try_load(struct stele_serve *serve, const uint8_t *bytes, size_t size)
{
	const struct stele_view *before = stele_serve_view(stele_serve_root(serve));
	struct stele_serve_status old, new;
	struct stele_error err;
	struct stele_serve_load_info info;
	stele_serve_status(serve, &old);
	int fd = versions_file(bytes, size);
	int rc = stele_serve_load(serve, fd, "flipped", &info, &err);
	close(fd);
	if (rc == 0) {
		image_exercise(stele_serve_view(stele_serve_root(serve)), 1);
		if (!info.unchanged)
			assert_int_equal(stele_serve_rollback(serve, NULL, NULL), 0);
		return true;
	}
	assert_int_equal(rc, STELE_E_INPUT);
	stele_serve_status(serve, &new);
	assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), before);
	assert_int_equal(new.arena.used_sz, old.arena.used_sz);
	assert_int_equal(new.arena.extent_cnt, old.arena.extent_cnt);
	assert_int_equal(new.refused_cnt, old.refused_cnt + 1);
	assert_int_equal(new.current.serial, old.current.serial);
	return false;
}

static bool verifies(const uint8_t *bytes, size_t size)
{
	struct stele_view view;
	if (stele_view_open(bytes, size, &view, NULL) != 0)
		return false;
	int rc = stele_view_verify(&view, NULL);
	stele_view_close(&view);
	return rc == 0;
}

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

static struct stele_shard_ref *ref_at(uint8_t *bytes, struct stele_root *root, uint32_t index)
{
	struct stele_dir_entry *top = (void *)(bytes + stele_le64(root->top_off));
	struct stele_shard_ref *refs =
		(void *)(bytes + stele_le64(top[index / STELE_DIR_PAGE_REFS].page_off));
	return refs + index % STELE_DIR_PAGE_REFS;
}

/*
 * An update of which some shards are as they were before it: each shard is good, and they do not belong
 * together, or do and nothing changed that others see. By what differs, or as a whole: the verdict is the
 * same. `is_old` says which. True if it was accepted.
 */
static bool mix(struct stele_serve *serve, const struct image_bytes *image, const bool *is_old)
{
	uint8_t *bytes = malloc(image->size);
	memcpy(bytes, image->bytes, image->size);
	struct stele_root *root = (void *)(bytes + image->size - sizeof(*root));
	struct stele_root *before = (void *)(bytes + stele_le64(root->prev_root_off));
	uint64_t live_sz = stele_le64(root->live_sz);
	for (uint32_t i = 0; i < stele_le32(root->shard_cnt); i++) {
		struct stele_shard_ref *ref = ref_at(bytes, root, i);
		struct stele_shard_ref *old = ref_at(bytes, before, i);
		if (!is_old[i])
			continue;
		live_sz += stele_le64(old->size) - stele_le64(ref->size);
		*ref = *old;
	}
	root->live_sz = stele_to_le64(live_sz);
	image_seal_page(bytes, image->size);
	bool accepted = try_load(serve, bytes, image->size);
	assert_int_equal(accepted, verifies(bytes, image->size));
	free(bytes);
	return accepted;
}

#define SHARDS_MAX 1024

/* Whether the last update left the places of all shards as they were; compaction leaves one root. */
static bool can_be_mixed(const struct image_bytes *image)
{
	const struct stele_root *root = (const void *)(image->bytes + image->size - sizeof(*root));
	uint64_t prev_root_off = stele_le64(root->prev_root_off);
	const struct stele_root *before = (const void *)(image->bytes + prev_root_off);
	return prev_root_off != 0 && stele_le32(root->shard_cnt) <= SHARDS_MAX &&
	       memcmp(&before->shard_cnt, &root->shard_cnt, sizeof(root->shard_cnt)) == 0;
}

static void test_mixed(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	unsigned mixed_cnt = 0;
	srand(23);
	for (unsigned i = 1; i < version_cnt; i++) {
		if (!can_be_mixed(versions + i))
			continue;
		load(serve, fds[i - 1], NULL);
		for (int one_in = 2; one_in <= 32; one_in *= 2) {
			bool is_old[SHARDS_MAX];
			for (unsigned k = 0; k < SHARDS_MAX; k++)
				is_old[k] = rand() % one_in == 0;
			mix(serve, versions + i, is_old);
		}
		mixed_cnt++;
	}
	assert_true(mixed_cnt > 0);
	stele_serve_close(serve);
}

/*
 * Updates that change what shards say about one another but no total (tests/golden/make-pair): all ways of
 * mixing them, on the image before the update and on the one behind it.
 */
static void test_pairs(void **state)
{
	(void)state;
	for (unsigned p = 0; p < PAIRS; p++) {
		struct image_bytes *image = pairs + p;
		struct stele_root *root = (void *)(image->bytes + image->size - sizeof(*root));
		struct stele_root *before =
			(void *)(image->bytes + stele_le64(root->prev_root_off));
		uint64_t end = stele_le64(root->prev_root_off) + sizeof(*root);
		uint32_t changed[SHARDS_MAX] = {0}, changed_cnt = 0, accepted_cnt = 0;
		assert_true(can_be_mixed(image));
		for (uint32_t i = 0; i < stele_le32(root->shard_cnt); i++)
			if (memcmp(ref_at(image->bytes, root, i), ref_at(image->bytes, before, i),
				   sizeof(struct stele_shard_ref)) != 0)
				changed[changed_cnt++] = i;
		assert_in_range(changed_cnt, 2, 8);
		int fd = versions_file(image->bytes, image->size);
		for (unsigned m = 0; m < 2u << changed_cnt; m++) {
			struct stele_serve *serve = versions_open((size_t)64 << 20);
			bool is_old[SHARDS_MAX] = {false};
			for (uint32_t i = 0; i < changed_cnt; i++)
				is_old[changed[i]] = (m >> 1 >> i & 1) != 0;
			assert_int_equal(stele_serve_load_until(serve, fd, m & 1 ? end : 0, "base",
								NULL, NULL),
					 0);
			accepted_cnt += mix(serve, image, is_old);
			stele_serve_close(serve);
		}
		/* All old with the new root, or all new: and what changed in one place alone. */
		print_message("%u shards, %u of %u mixtures accepted\n", changed_cnt, accepted_cnt,
			      2u << changed_cnt);
		assert_true(accepted_cnt >= 2 && accepted_cnt < 2u << changed_cnt);
		close(fd);
	}
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

/* ---- the grace period ---- */

struct loading {
	struct stele_serve *serve;
	int fd;
	bool done;
};

static void *load_next(void *arg)
{
	struct loading *l = arg;
	struct stele_error err;
	if (stele_serve_load(l->serve, l->fd, "next", NULL, &err) != 0)
		abort();
	__atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void expect_unpublished(const struct stele_serve *serve, const struct stele_view *view,
			       const struct loading *loading)
{
	for (unsigned i = 0; i < 30; i++) {
		assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), view);
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 1);
		assert_false(__atomic_load_n(&loading->done, __ATOMIC_ACQUIRE));
		usleep(2000);
	}
}

/*
 * A load publishes nothing before readers have shown that they live, and does not return while one uses
 * the view before; nor does a reader that is offline hold it up.
 */
static void test_grace(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct loading loading = {.serve = serve, .fd = fds[1]};
	pthread_t thread;
	load(serve, fds[0], NULL);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	assert_int_equal(pthread_create(&thread, NULL, load_next, &loading), 0);
	expect_unpublished(serve, view, &loading);
	/* It is published, and then waits. */
	stele_serve_reader_quiescent();
	while (stele_serve_view(stele_serve_root(serve)) == view)
		usleep(1000);
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 1);
		assert_false(__atomic_load_n(&loading.done, __ATOMIC_ACQUIRE));
		usleep(2000);
	}
	stele_serve_reader_quiescent();
	stele_serve_reader_offline();
	pthread_join(thread, NULL);
	assert_true(loading.done);
	load(serve, fds[2], NULL);
	stele_serve_reader_online();
	expect_version(serve, 3);
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/*
 * Where a reader hangs on purpose, nobody has to wait for long. Everywhere else a load has to succeed, and the
 * machine may be busy: so the two are told apart, and neither depends on how fast anything is.
 */
static void set_patient(struct stele_serve *serve, bool patient)
{
	serve->reader_timeout_ms = patient ? VERSIONS_PATIENCE_MS : 50;
}

/* While a reader hangs, nothing is loaded, freed or rolled back to; when it goes on, all is as ever. */
static void test_hung_reader(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_status status, before;
	struct stele_serve_load_info info;
	struct stele_error err;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	stele_serve_status(serve, &before);
	set_patient(serve, false);
	for (unsigned i = 0; i < 4; i++) {
		int rc = i == 2 ? stele_serve_rollback(serve, &info, &err) :
				  stele_serve_load(serve, fds[i], "next", &info, &err);
		assert_int_equal(rc, STELE_E_STALE);
		assert_non_null(strstr(err.text, "stands still"));
		assert_ptr_equal(stele_serve_view(stele_serve_root(serve)), view);
		expect_version(serve, 2);
		stele_serve_status(serve, &status);
		assert_int_equal(status.arena.used_sz, before.arena.used_sz);
		assert_true(status.has_previous);
		assert_int_equal(status.load_cnt, before.load_cnt);
	}
	stele_serve_reader_offline();
	set_patient(serve, true);
	load(serve, fds[2], NULL);
	expect_version(serve, 3);
	assert_int_equal(stele_serve_rollback(serve, &info, &err), 0);
	expect_version(serve, 2);
	stele_serve_reader_online();
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/* It hangs between the wait before publishing and the one behind it: what it looks at stays. */
static void test_hung_in_between(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_next *next = NULL;
	struct stele_serve_load_info info;
	struct stele_error err;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	assert_int_equal(stele_serve_prepare(serve, fds[2], 0, "next", &next, &err), 0);
	assert_false(stele_serve_next_info(next)->unchanged);
	stele_serve_reader_begin();
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	stele_serve_publish(serve, next);
	set_patient(serve, false);
	assert_int_equal(stele_serve_await(serve, &err), STELE_E_STALE);
	expect_version(serve, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(stele_serve_load(serve, fds[3], "next", &info, &err),
				 STELE_E_STALE);
		assert_int_equal(versions_ask(answerer, view, plain_zone, sizeof(plain_zone)), 2);
		assert_int_equal(image_exercise(view, 100), image_exercise(view, 100));
	}
	expect_version(serve, 3);
	set_patient(serve, true);
	stele_serve_reader_quiescent();
	assert_int_equal(stele_serve_await(serve, &err), 0);
	stele_serve_reader_offline();
	load(serve, fds[3], NULL);
	stele_serve_reader_online();
	expect_version(serve, 4);
	stele_serve_reader_end();
	stele_serve_close(serve);
}

/* What was prepared and is not wanted leaves no trace. */
static void test_discard(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_next *next = NULL;
	struct stele_serve_status status, before;
	load(serve, fds[0], NULL);
	load(serve, fds[1], NULL);
	stele_serve_status(serve, &before);
	assert_int_equal(stele_serve_prepare(serve, fds[2], 0, "next", &next, NULL), 0);
	stele_serve_discard(serve, next);
	assert_int_equal(stele_serve_prepare_rollback(serve, &next, NULL), 0);
	stele_serve_discard(serve, next);
	stele_serve_status(serve, &status);
	assert_int_equal(status.arena.used_sz, before.arena.used_sz);
	expect_version(serve, 2);
	assert_int_equal(stele_serve_rollback(serve, NULL, NULL), 0);
	expect_version(serve, 1);
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

static int open_answerer(void **state)
{
	(void)state;
	answerer = stele_answerer_new();
	return answerer == NULL;
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
		cmocka_unit_test(test_versions),        cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_rollback),        cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_zones),           cmocka_unit_test(test_zone_walk),
		cmocka_unit_test(test_flips),           cmocka_unit_test(test_sealed_flips),
		cmocka_unit_test(test_truncations),     cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lying_reference), cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_pairs),           cmocka_unit_test(test_changing_file),
		cmocka_unit_test(test_grace),           cmocka_unit_test(test_full),
		cmocka_unit_test(test_hung_reader),     cmocka_unit_test(test_hung_in_between),
		cmocka_unit_test(test_discard),
	};
	int failed = cmocka_run_group_tests(tests, open_answerer, NULL);
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
