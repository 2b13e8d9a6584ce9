/* SPDX-License-Identifier: Apache-2.0 */
/* The structs of the image format against the tables of docs/image-format.md; opening images. */
#include "tests/unit/image/image_seal.h"

#include "lib/dns/name.h"
#include "lib/image/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- layout ---- */

struct field {
	const char *of, *name;
	size_t offset, size;
};

#define FIELD(of, name)                                                                            \
	{                                                                                          \
#of, #name, offsetof(struct of, name), sizeof(((struct of *)0)->name)              \
	}

static const struct field fields[] = {
	FIELD(stele_superblock, magic),
	FIELD(stele_superblock, major),
	FIELD(stele_superblock, minor),
	FIELD(stele_superblock, incompatible),
	FIELD(stele_superblock, compatible),
	FIELD(stele_superblock, crc),
	FIELD(stele_superblock, seed),
	FIELD(stele_superblock, store_id),
	FIELD(stele_superblock, reserved),
	FIELD(stele_root, magic),
	FIELD(stele_root, crc),
	FIELD(stele_root, shard_cnt),
	FIELD(stele_root, self_off),
	FIELD(stele_root, prev_root_off),
	FIELD(stele_root, generation),
	FIELD(stele_root, live_sz),
	FIELD(stele_root, top_off),
	FIELD(stele_root, top_cnt),
	FIELD(stele_root, top_crc),
	FIELD(stele_root, name_first),
	FIELD(stele_root, zone_first),
	FIELD(stele_root, name_bits),
	FIELD(stele_root, zone_bits),
	FIELD(stele_root, reserved0),
	FIELD(stele_root, zone_cnt),
	FIELD(stele_root, name_cnt),
	FIELD(stele_root, rr_cnt),
	FIELD(stele_root, apex_depths),
	FIELD(stele_root, identity),
	FIELD(stele_root, store_mark),
	FIELD(stele_root, reserved),
	FIELD(stele_dir_entry, page_off),
	FIELD(stele_dir_entry, page_crc),
	FIELD(stele_dir_entry, ref_cnt),
	FIELD(stele_shard_ref, off),
	FIELD(stele_shard_ref, size),
	FIELD(stele_shard_ref, crc),
	FIELD(stele_shard_ref, item_cnt),
	FIELD(stele_shard_ref, kind),
	FIELD(stele_shard_ref, reserved),
	FIELD(stele_shard_ref, digest),
	FIELD(stele_hash_shard, key_cnt),
	FIELD(stele_hash_shard, block_cnt),
	FIELD(stele_hash_shard, seed),
	FIELD(stele_hash_shard, size),
	FIELD(stele_hash_shard, reserved),
	FIELD(stele_hash_block, base),
	FIELD(stele_hash_block, flags),
	FIELD(stele_hash_block, pilots),
	FIELD(stele_hash_block, slots),
	FIELD(stele_hash_slot, fingerprint),
	FIELD(stele_hash_slot, offset),
	FIELD(stele_rrset, type),
	FIELD(stele_rrset, rr_cnt),
	FIELD(stele_rrset, plain_len),
	FIELD(stele_rrset, sig_len),
	FIELD(stele_rrset, sum_plain),
	FIELD(stele_rrset, sig_cnt),
	FIELD(stele_rrset, flags),
	FIELD(stele_ref, key),
	FIELD(stele_ref, name_off),
	FIELD(stele_name, kind),
	FIELD(stele_name, flags),
	FIELD(stele_name, rel_len),
	FIELD(stele_name, rrset_cnt),
	FIELD(stele_name, zone_id),
	FIELD(stele_zone, apex_len),
	FIELD(stele_zone, apex_labels),
	FIELD(stele_zone, label_max),
	FIELD(stele_zone, flags),
	FIELD(stele_zone, zone_id),
	FIELD(stele_zone, serial),
	FIELD(stele_zone, size),
	FIELD(stele_zone, soa),
	FIELD(stele_zone, chain_kind),
	FIELD(stele_zone, chain_bits),
	FIELD(stele_zone, salt_len),
	FIELD(stele_zone, reserved),
	FIELD(stele_zone, iterations),
	FIELD(stele_zone, reserved1),
	FIELD(stele_zone, chain_first),
	FIELD(stele_zone, chain_cnt),
	FIELD(stele_zone, chain_off),
	FIELD(stele_zone, node_cnt),
	FIELD(stele_zone, rr_cnt),
	FIELD(stele_nsec3_block, size),
	FIELD(stele_nsec3_block, entry_cnt),
	FIELD(stele_nsec3_block, line_cnt),
	FIELD(stele_nsec3_block, lines_off),
	FIELD(stele_nsec3_block, marks_off),
	FIELD(stele_nsec3_block, entries_off),
	FIELD(stele_nsec3_block, skip_bits),
	FIELD(stele_nsec3_block, reserved),
	FIELD(stele_nsec3_line, before_off),
	FIELD(stele_nsec3_line, rest),
	FIELD(stele_nsec3_line, tags),
	FIELD(stele_nsec3_line, distances),
	FIELD(stele_nsec3_entry, hash),
	FIELD(stele_nsec3_entry, rrset),
	FIELD(stele_nsec_block, size),
	FIELD(stele_nsec_block, entry_cnt),
	FIELD(stele_nsec_block, common_len),
	FIELD(stele_nsec_block, reserved),
	FIELD(stele_nsec_block, tree_off),
	FIELD(stele_nsec_block, offsets_off),
	FIELD(stele_nsec_entry, key),
	FIELD(stele_nsec_entry, key_len),
	FIELD(stele_bounds, cnt),
};
#define FIELD_CNT (sizeof(fields) / sizeof(fields[0]))

/* "| offset | size | name | ..."; false if the first two are no numbers. */
static bool parse_row(const char *line, size_t *ret_offset, size_t *ret_size, char name[64])
{
	char *end;
	*ret_offset = strtoul(line + 1, &end, 10);
	if (end == line + 1 || *end != ' ' || end[1] != '|')
		return false;
	line = end + 2;
	*ret_size = strtoul(line, &end, 10);
	return end != line && sscanf(end, " | %63s |", name) == 1;
}

/* Every table under a heading "### struct NAME" has a row for each field, in order, and no other. */
static void test_tables(void **state)
{
	(void)state;
	FILE *file = fopen(STELE_SOURCE_DIR "/docs/image-format.md", "r");
	assert_non_null(file);
	char line[1024], of[64] = "", name[64];
	bool in_table = false;
	size_t next = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t offset, size;
		if (line[0] == '#' && sscanf(line, "### struct %63s", of) != 1)
			of[0] = '\0';
		if (strncmp(line, "| offset | size | field |", 25) == 0)
			in_table = of[0] != '\0';
		if (line[0] != '|')
			in_table = false;
		if (!in_table || !parse_row(line, &offset, &size, name))
			continue;
		assert_true(next < FIELD_CNT);
		assert_string_equal(of, fields[next].of);
		assert_string_equal(name, fields[next].name);
		assert_int_equal(offset, fields[next].offset);
		assert_int_equal(size, fields[next].size);
		next++;
	}
	fclose(file);
	assert_int_equal(next, FIELD_CNT);
}

/* ---- opening ---- */

/* An image without zones: superblock, one directory page of two absent shards, top, root. */
#define TOP_OFF 64
#define PAGE_OFF 128
#define ROOT_OFF 4096
#define IMAGE_SZ (ROOT_OFF + sizeof(struct stele_root))
#define SECOND_OFF 8192
#define SECOND_SZ (SECOND_OFF + sizeof(struct stele_root))

static void put_root(uint8_t *bytes, uint64_t off, uint64_t generation)
{
	struct stele_root *root = (void *)(bytes + off);
	*root = (struct stele_root){
		.shard_cnt = stele_to_le32(2),
		.self_off = stele_to_le64(off),
		.generation = stele_to_le64(generation),
		.top_off = stele_to_le64(TOP_OFF),
		.top_cnt = stele_to_le32(1),
		.zone_first = stele_to_le32(1),
		.live_sz = stele_to_le64(sizeof(struct stele_superblock) + sizeof(*root) +
					 sizeof(struct stele_dir_entry) +
					 2 * sizeof(struct stele_shard_ref)),
	};
	memcpy(root->magic, STELE_ROOT_MAGIC, 8);
	assert_true(image_seal(bytes, off + sizeof(*root)));
}

static void put_image(uint8_t *bytes)
{
	struct stele_superblock *sb = (void *)bytes;
	struct stele_dir_entry *top = (void *)(bytes + TOP_OFF);
	memset(bytes, 0, SECOND_SZ);
	memcpy(sb->magic, STELE_IMAGE_MAGIC, 8);
	sb->major = stele_to_le16(STELE_IMAGE_MAJOR);
	sb->seed[0] = stele_to_le64(1);
	sb->seed[1] = stele_to_le64(2);
	top->page_off = stele_to_le64(PAGE_OFF);
	top->ref_cnt = stele_to_le32(2);
	put_root(bytes, ROOT_OFF, 7);
}

static int open_bytes(const uint8_t *bytes, size_t size, struct stele_view *view)
{
	struct stele_error err;
	int rc = stele_view_open(bytes, size, view, &err);
	assert_true(rc == 0 || (rc == STELE_E_INPUT && err.text[0] != '\0'));
	return rc;
}

static void expect_open(const uint8_t *bytes, size_t size, uint64_t generation, size_t torn_sz)
{
	struct stele_view view;
	struct stele_error err;
	assert_int_equal(open_bytes(bytes, size, &view), 0);
	assert_int_equal(view.generation, generation);
	assert_int_equal(view.torn_sz, torn_sz);
	assert_int_equal(stele_view_verify(&view, &err), 0);
	assert_null(stele_view_find(stele_view_name_shard(&view, 5), 5));
	assert_null(stele_view_find(stele_view_zone_shard(&view, ~UINT64_C(0)), ~UINT64_C(0)));
	stele_view_close(&view);
	assert_null(view.shards);
}

static void expect_refused(const uint8_t *bytes, size_t size)
{
	struct stele_view view;
	assert_int_equal(open_bytes(bytes, size, &view), STELE_E_INPUT);
}

static void test_open_empty(void **state)
{
	uint8_t *bytes = *state;
	put_image(bytes);
	expect_open(bytes, IMAGE_SZ, 7, 0);
	for (size_t size = 0; size < IMAGE_SZ; size++)
		expect_refused(bytes, size);
}

static void test_open_version(void **state)
{
	uint8_t *bytes = *state;
	struct stele_superblock *sb = (void *)bytes;
	put_image(bytes);
	sb->minor = stele_to_le16(9);
	sb->compatible = stele_to_le32(0x80);
	image_seal(bytes, IMAGE_SZ);
	expect_open(bytes, IMAGE_SZ, 7, 0);
	sb->incompatible = stele_to_le32(1);
	image_seal(bytes, IMAGE_SZ);
	expect_refused(bytes, IMAGE_SZ);
	put_image(bytes);
	sb->major = stele_to_le16(STELE_IMAGE_MAJOR + 1);
	image_seal(bytes, IMAGE_SZ);
	expect_refused(bytes, IMAGE_SZ);
}

/* What was not appended to its end counts for nothing. */
static void test_open_torn_tail(void **state)
{
	uint8_t *bytes = *state;
	put_image(bytes);
	memset(bytes + IMAGE_SZ, 0xa5, SECOND_SZ - IMAGE_SZ);
	for (size_t size = IMAGE_SZ; size < SECOND_SZ; size++)
		expect_open(bytes, size, 7, size - IMAGE_SZ);
	put_root(bytes, SECOND_OFF, 8);
	for (size_t size = IMAGE_SZ; size < SECOND_SZ; size++)
		expect_open(bytes, size, 7, size - IMAGE_SZ);
	expect_open(bytes, SECOND_SZ, 8, 0);
}

/* Zone data can look like a root down to its checksum, but not like one of this image. */
static void test_open_foreign_root(void **state)
{
	uint8_t *bytes = *state;
	uint8_t foreign[sizeof(struct stele_root)];
	put_image(bytes);
	((struct stele_superblock *)(void *)bytes)->seed[1] = stele_to_le64(3);
	put_root(bytes, SECOND_OFF, 8);
	expect_open(bytes, SECOND_SZ, 8, 0);
	memcpy(foreign, bytes + SECOND_OFF, sizeof(foreign));

	put_image(bytes);
	memcpy(bytes + SECOND_OFF, foreign, sizeof(foreign));
	expect_open(bytes, SECOND_SZ, 7, SECOND_SZ - IMAGE_SZ);
}

/* A damaged root is not passed over for an older one. */
static void test_open_damaged_root(void **state)
{
	uint8_t *bytes = *state;
	put_image(bytes);
	put_root(bytes, SECOND_OFF, 8);
	for (size_t at = SECOND_OFF; at < SECOND_SZ; at++) {
		bytes[at] ^= 0x10;
		expect_refused(bytes, SECOND_SZ);
		bytes[at] ^= 0x10;
	}
	expect_open(bytes, SECOND_SZ, 8, 0);
}

/* Roots whose checksums are right and whose contents are not. */
static void test_open_hostile_root(void **state)
{
	uint8_t *bytes = *state;
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{offsetof(struct stele_root, name_bits), 1}, /* reaches over the zone shard */
		{offsetof(struct stele_root, name_bits), 33},
		{offsetof(struct stele_root, name_bits), 255},
		{offsetof(struct stele_root, zone_bits), 1},
		{offsetof(struct stele_root, zone_bits), 64},
		{offsetof(struct stele_root, zone_first), 0}, /* overlaps the name shard */
		{offsetof(struct stele_root, zone_first), 2},
		{offsetof(struct stele_root, zone_first) + 3, 0xff},
		{offsetof(struct stele_root, name_first) + 3, 0xff},
		{offsetof(struct stele_root, shard_cnt), 1},
		{offsetof(struct stele_root, shard_cnt), 3},
		{offsetof(struct stele_root, shard_cnt) + 3, 0xff},
		{offsetof(struct stele_root, top_cnt), 0},
		{offsetof(struct stele_root, top_cnt) + 3, 0xff},
		{offsetof(struct stele_root, top_off), 65},
		{offsetof(struct stele_root, top_off), 0},
		{offsetof(struct stele_root, top_off) + 7, 0xff},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_image(bytes);
		bytes[ROOT_OFF + cases[i].at] = cases[i].value;
		assert_true(image_seal(bytes, IMAGE_SZ));
		expect_refused(bytes, IMAGE_SZ);
	}
}

static void test_open_hostile_references(void **state)
{
	uint8_t *bytes = *state;
	static const struct {
		uint64_t off, size;
		uint8_t kind;
	} cases[] = {
		{0, 0, STELE_SHARD_NAMES},
		{128, 63, STELE_SHARD_NAMES},
		{129, 128, STELE_SHARD_NAMES},
		{192, 4096, STELE_SHARD_NAMES}, /* into the root */
		{~UINT64_C(63), 128, STELE_SHARD_NAMES},
		{128, ~UINT64_C(0), STELE_SHARD_NAMES},
		{256, 512, STELE_SHARD_NAMES}, /* a head of zeros */
		{256, 512, STELE_SHARD_ZONES},
		{256, 512, STELE_SHARD_NSEC3},
		{256, 512, STELE_SHARD_NSEC},
		{256, 512, 200},
		{256, 512, STELE_SHARD_NONE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_image(bytes);
		struct stele_shard_ref *ref = (void *)(bytes + PAGE_OFF);
		ref->off = stele_to_le64(cases[i].off);
		ref->size = stele_to_le64(cases[i].size);
		ref->kind = cases[i].kind;
		image_seal(bytes, IMAGE_SZ);
		expect_refused(bytes, IMAGE_SZ);
	}
}

/* Heads of name shards that lead outside, all else being right. */
static void test_open_hostile_shard(void **state)
{
	uint8_t *bytes = *state;
	static const struct stele_hash_shard good = {
		.key_cnt = {{1}},
		.block_cnt = {{1}},
		.size = {{128}},
	};
	static const struct {
		size_t at;
		uint8_t value;
		bool fits;
	} cases[] = {
		{offsetof(struct stele_hash_shard, seed), 9, true},
		{offsetof(struct stele_hash_shard, key_cnt), 0, false},
		{offsetof(struct stele_hash_shard, key_cnt), 3, false},
		{offsetof(struct stele_hash_shard, key_cnt) + 3, 0xff, false},
		{offsetof(struct stele_hash_shard, block_cnt), 0, false},
		{offsetof(struct stele_hash_shard, block_cnt), 2, false},
		{offsetof(struct stele_hash_shard, block_cnt) + 3, 0xff, false},
		{offsetof(struct stele_hash_shard, size), 127, false},
		{offsetof(struct stele_hash_shard, size) + 7, 0x80, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_image(bytes);
		struct stele_shard_ref *ref = (void *)(bytes + PAGE_OFF);
		ref->off = stele_to_le64(256);
		ref->size = stele_to_le64(128);
		ref->kind = STELE_SHARD_NAMES;
		ref->item_cnt = stele_to_le32(1);
		memcpy(bytes + 256, &good, sizeof(good));
		bytes[256 + cases[i].at] = cases[i].value;
		image_seal(bytes, IMAGE_SZ);
		struct stele_view view;
		struct stele_error err;
		assert_int_equal(open_bytes(bytes, IMAGE_SZ, &view),
				 cases[i].fits ? 0 : STELE_E_INPUT);
		if (!cases[i].fits)
			continue;
		for (uint64_t key = 0; key < 4096; key++)
			assert_null(stele_view_find(stele_view_name_shard(&view, key), key));
		assert_int_equal(stele_view_verify(&view, &err), STELE_E_INPUT);
		stele_view_close(&view);
	}
}

static int make_file(char *template)
{
	int fd = mkstemp(template);
	assert_true(fd >= 0);
	return fd;
}

static void put_image_file(int fd, uint8_t *bytes)
{
	put_image(bytes);
	assert_int_equal(write(fd, bytes, IMAGE_SZ), IMAGE_SZ);
	close(fd);
}

static void test_open_file(void **state)
{
	uint8_t *bytes = *state;
	struct stele_view view;
	struct stele_error err;
	char path[] = "/tmp/test_image.XXXXXX";
	int fd = make_file(path);
	assert_int_equal(stele_view_open_file(path, &view, &err), STELE_E_INPUT);
	put_image_file(fd, bytes);
	assert_int_equal(stele_view_open_file(path, &view, &err), 0);
	assert_true(view.mapped);
	stele_view_close(&view);
	remove(path);
	assert_int_equal(stele_view_open_file(path, &view, &err), STELE_E_INPUT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(stele_view_open_file("/tmp", &view, &err), STELE_E_INPUT);
}

/* Set: the next read behind the image finds the file cut there, which is longer than ever right after it. */
static const char *cut_path;

ssize_t __real_pread64(int fd, void *to, size_t size, off_t off);
ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t off);

ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t off)
{
	const char *path = cut_path;
	if (path == NULL || (size_t)off < IMAGE_SZ)
		return __real_pread64(fd, to, size, off);
	cut_path = NULL;
	assert_int_equal(truncate(path, IMAGE_SZ), 0);
	ssize_t got = __real_pread64(fd, to, size, off);
	assert_int_equal(truncate(path, IMAGE_SZ + 4 * STELE_IMAGE_ALIGN), 0);
	return got;
}

/* What tells of it is the read, not the size of the file by then. */
static void test_open_cut_and_appended(void **state)
{
	uint8_t *bytes = *state;
	struct stele_view view;
	struct stele_error err;
	char path[] = "/tmp/test_image.XXXXXX";
	put_image_file(make_file(path), bytes);
	assert_int_equal(truncate(path, IMAGE_SZ + 2 * STELE_IMAGE_ALIGN), 0);
	cut_path = path;
	assert_int_equal(stele_view_open_file(path, &view, &err), 0);
	assert_null(cut_path);
	assert_int_equal(view.torn_sz, 4 * STELE_IMAGE_ALIGN);
	stele_view_close(&view);
	remove(path);
}

static int make_bytes(void **state)
{
	*state = malloc(SECOND_SZ);
	return *state == NULL;
}

static int free_bytes(void **state)
{
	free(*state);
	return 0;
}

#define WITH_BYTES(test) cmocka_unit_test_setup_teardown(test, make_bytes, free_bytes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),          WITH_BYTES(test_open_empty),
		WITH_BYTES(test_open_version),          WITH_BYTES(test_open_torn_tail),
		WITH_BYTES(test_open_foreign_root),     WITH_BYTES(test_open_damaged_root),
		WITH_BYTES(test_open_hostile_root),     WITH_BYTES(test_open_hostile_references),
		WITH_BYTES(test_open_hostile_shard),    WITH_BYTES(test_open_file),
		WITH_BYTES(test_open_cut_and_appended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
