/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update makes of an image with a damaged byte: it refuses it, and leaves it as it is, or the byte is of
 * no account, and the image becomes what a new one is.
 */
#include "tests/unit/compiler/build_case.h"

#include "lib/base/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
	uint8_t *bytes;
	size_t sz;
};

static struct file read_file(const char *path)
{
	struct file file = {0};
	FILE *from = fopen(path, "rb");
	assert_non_null(from);
	assert_int_equal(fseek(from, 0, SEEK_END), 0);
	long sz = ftell(from);
	assert_true(sz > 0);
	rewind(from);
	file.sz = (size_t)sz;
	file.bytes = malloc(file.sz);
	assert_non_null(file.bytes);
	assert_int_equal(fread(file.bytes, 1, file.sz, from), file.sz);
	fclose(from);
	return file;
}

static void write_file(const char *path, const struct file *file)
{
	FILE *to = fopen(path, "wb");
	assert_non_null(to);
	assert_int_equal(fwrite(file->bytes, 1, file->sz, to), file->sz);
	assert_int_equal(fclose(to), 0);
}

/* Shard for shard the same bytes, as their digests have it. */
static void check_same_shards(const struct stele_view *a, const struct stele_view *b)
{
	assert_int_equal(a->shard_cnt, b->shard_cnt);
	assert_int_equal(a->name_cnt, b->name_cnt);
	assert_int_equal(a->rr_cnt, b->rr_cnt);
	assert_int_equal(a->zone_cnt, b->zone_cnt);
	assert_int_equal(a->generation, b->generation);
	for (uint32_t i = 0; i < a->shard_cnt; i++) {
		assert_int_equal(stele_view_ref(a, i)->kind, stele_view_ref(b, i)->kind);
		assert_memory_equal(stele_view_ref(a, i)->digest, stele_view_ref(b, i)->digest, 32);
	}
}

/* Updates the damaged image. Returns whether that was refused. */
static bool check_update(struct place *p, const struct file *damaged,
			 const struct stele_view *fresh)
{
	struct stele_update_options options = {.jobs = 1, .no_sync = true};
	struct stele_update_stats stats;
	write_file(p->image, damaged);
	int rc = stele_update(p->store, p->image, &options, &stats, &err);
	if (rc != 0) {
		assert_int_equal(rc, STELE_E_INPUT);
		struct file after = read_file(p->image);
		assert_int_equal(after.sz, damaged->sz);
		assert_memory_equal(after.bytes, damaged->bytes, damaged->sz);
		free(after.bytes);
		return true;
	}
	struct stele_view view = open_verified(p->image);
	check_same_shards(&view, fresh);
	stele_view_close(&view);
	return false;
}

/* Every byte of the place's image, twice: all its bits, and one of them. */
static void flip_all(struct place *p, const struct stele_view *fresh)
{
	struct file image = read_file(p->image);
	size_t refused = 0;
	for (size_t at = 0; at < 2 * image.sz; at++) {
		uint8_t *byte = image.bytes + at / 2;
		uint8_t was = *byte;
		*byte ^= (uint8_t)(at % 2 == 0 ? 0xff : 1u << at / 2 % 8);
		refused += check_update(p, &image, fresh);
		*byte = was;
	}
	/* Superblock, root, and what the update reads. */
	assert_true(refused > 2000);
	assert_false(check_update(p, &image, fresh));
	free(image.bytes);
}

/* Updates of damaged images of two zones, after one of them has changed. */
static void flip_before(struct place *p, const char *zone, unsigned name_cnt, unsigned serial)
{
	set_zone(p->store, "a.test.", 8, 1);
	set_zone(p->store, "b.test.", 3, 1);
	build(p, p->image, 1);
	set_zone(p->store, zone, name_cnt, serial);
	build(p, p->other, 1);
	struct stele_view fresh = open_verified(p->other);
	flip_all(p, &fresh);
	stele_view_close(&fresh);
}

static void test_flips_under_a_replaced_record(void **state)
{
	flip_before(*state, "a.test.", 8, 2);
}

/* A zone that goes has all names looked at. */
static void test_flips_under_a_zone_that_goes(void **state)
{
	flip_before(*state, "b.test.", 0, 0);
}

/* A byte of a name shard changed, and all checksums above it made right again. */
static void change_under_checksums(struct file *image, uint64_t root_off)
{
	struct stele_root *root = (void *)(image->bytes + root_off);
	struct stele_dir_entry *top = (void *)(image->bytes + stele_le64(root->top_off));
	struct stele_shard_ref *refs = (void *)(image->bytes + stele_le64(top->page_off));
	struct stele_shard_ref *ref = refs + stele_le32(root->name_first);
	uint8_t *shard = image->bytes + stele_le64(ref->off);
	assert_int_equal(stele_le32(root->top_cnt), 1);
	shard[stele_le64(ref->size) - 1] ^= 1;
	ref->crc = stele_to_le32(stele_crc32c(0, shard, stele_le64(ref->size)));
	top->page_crc =
		stele_to_le32(stele_crc32c(0, refs, stele_le32(top->ref_cnt) * sizeof(*refs)));
	root->top_crc = stele_to_le32(stele_crc32c(0, top, sizeof(*top)));
	root->crc = stele_to_le32(0);
	root->crc = stele_to_le32(stele_crc32c(0, root, sizeof(*root)));
}

static void test_a_wrong_digest_is_not_made_good(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "a.test.", 8, 1);
	build(p, p->image, 1);
	struct stele_view view = open_verified(p->image);
	struct file image = read_file(p->image);
	change_under_checksums(&image, view.root_off);
	set_zone(p->store, "a.test.", 9, 1);
	assert_true(check_update(p, &image, &view));
	assert_non_null(strstr(err.text, "wrong digest"));
	stele_view_close(&view);
	free(image.bytes);
}

int test_build_damage(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flips_under_a_replaced_record),
		TEST(test_flips_under_a_zone_that_goes),
		TEST(test_a_wrong_digest_is_not_made_good),
	};
	return cmocka_run_group_tests_name("build-damage", tests, NULL, NULL);
}
