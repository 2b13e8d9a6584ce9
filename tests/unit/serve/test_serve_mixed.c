/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates of which some shards are as they were before: each is good, and they do not belong
 * together.
 */
#include "tests/unit/serve/serve_case.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int test_serve_mixed(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
