/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good image, damaged: every byte changed, every truncation. Verify refuses it, or the byte is one
 * that nobody reads. And with checksums made right again: verify refuses it, or it can be asked
 * anything without harm.
 *
 * usage: test_image_flips IMAGE...
 */
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/image/image_seal.h"

#include "lib/image/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *const *paths;
static int path_cnt;

struct image {
	uint8_t *bytes;
	size_t size;
};

static struct image load(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	struct image image = {malloc((size_t)st.st_size), (size_t)st.st_size};
	assert_non_null(image.bytes);
	assert_int_equal(fread(image.bytes, 1, image.size, file), image.size);
	fclose(file);
	return image;
}

/* Opens and verifies; true if both are content, and then the view is open. */
static bool accepts(const uint8_t *bytes, size_t size, struct stele_view *view)
{
	struct stele_error err;
	int rc = stele_view_open(bytes, size, view, &err);
	if (rc != 0) {
		assert_int_equal(rc, STELE_E_INPUT);
		return false;
	}
	rc = stele_view_verify(view, &err);
	if (rc == 0)
		return true;
	assert_int_equal(rc, STELE_E_INPUT);
	stele_view_close(view);
	return false;
}

static void expect_good(struct image image)
{
	struct stele_view view;
	struct stele_error err;
	assert_int_equal(stele_view_open(image.bytes, image.size, &view, &err), 0);
	if (stele_view_verify(&view, &err) != 0)
		fail_msg("%s", err.text);
	stele_view_close(&view);
}

static void flip_all(struct image image)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	struct stele_view view;
	expect_good(image);
	for (size_t at = 0; at < image.size; at++) {
		bool reached = image_reaches(image.bytes, image.size, at);
		for (unsigned m = 0; m < sizeof(masks); m++) {
			image.bytes[at] ^= masks[m];
			bool accepted = accepts(image.bytes, image.size, &view);
			image.bytes[at] ^= masks[m];
			if (accepted)
				stele_view_close(&view);
			if (accepted != !reached)
				fail_msg("byte %zu changed by %#x: %s", at, masks[m],
					 accepted ? "accepted" : "refused");
		}
	}
}

/* Where the image ends that was there before the last update; its own end if there was none. */
static size_t end_before(struct image image)
{
	const struct stele_root *root =
		(const void *)(image.bytes + image.size - sizeof(struct stele_root));
	uint64_t prev_root_off = stele_le64(root->prev_root_off);
	return prev_root_off == 0 ? image.size : prev_root_off + sizeof(struct stele_root);
}

static void truncate_all(struct image image)
{
	struct stele_view view;
	size_t before = end_before(image);
	for (size_t size = 0; size < image.size; size++) {
		/* In a block of its own, so that sanitizers see the first byte behind it. */
		uint8_t *bytes = malloc(size > 0 ? size : 1);
		assert_non_null(bytes);
		memcpy(bytes, image.bytes, size);
		bool accepted = accepts(bytes, size, &view);
		assert_int_equal(accepted, size >= before);
		if (accepted) {
			assert_int_equal(view.torn_sz, size - before);
			stele_view_close(&view);
		}
		free(bytes);
	}
}

static void flip_and_seal(struct image image, bool with_bodies)
{
	struct stele_view view;
	uint8_t *bytes = malloc(image.size);
	size_t accepted_cnt = 0, tried_cnt = 0;
	assert_non_null(bytes);
	for (size_t at = 0; at < image.size; at++) {
		if (!image_reaches(image.bytes, image.size, at))
			continue;
		memcpy(bytes, image.bytes, image.size);
		bytes[at] ^= (uint8_t)(1u << at % 8);
		if (with_bodies)
			image_seal_bodies(bytes, image.size);
		image_seal(bytes, image.size);
		tried_cnt++;
		if (!accepts(bytes, image.size, &view))
			continue;
		accepted_cnt++;
		if (getenv("STELE_TEST_VERBOSE") != NULL)
			print_message("accepted: byte %zu\n", at);
		image_exercise(&view, 1);
		stele_view_close(&view);
	}
	free(bytes);
	print_message("%zu of %zu changes with right checksums accepted\n", accepted_cnt,
		      tried_cnt);
	/* Reserved fields, what lies between parts, numbers that nothing else says; and with their sums
	 * right, most bytes of rdata and signatures. */
	assert_true(accepted_cnt < tried_cnt / (with_bodies ? 1 : 10));
}

static void flip_and_seal_all(struct image image)
{
	flip_and_seal(image, false);
	flip_and_seal(image, true);
}

static void for_all(void (*check)(struct image image))
{
	for (int i = 0; i < path_cnt; i++) {
		struct image image = load(paths[i]);
		check(image);
		free(image.bytes);
	}
}

static void test_flips(void **state)
{
	(void)state;
	for_all(flip_all);
}

static void test_truncations(void **state)
{
	(void)state;
	for_all(truncate_all);
}

static void test_sealed_flips(void **state)
{
	(void)state;
	for_all(flip_and_seal_all);
}

int main(int argc, char **argv)
{
	paths = (const char *const *)argv + 1;
	path_cnt = argc - 1;
	if (path_cnt == 0) {
		fputs("usage: test_image_flips IMAGE...\n", stderr);
		return 2;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_sealed_flips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
