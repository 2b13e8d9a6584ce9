/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verification found out is as good as another verification: images loaded by findings answer
 * and are updated like others, damaged images are refused all the same, and damaged or foreign
 * findings count for nothing.
 *
 * usage: test_findings TWO-ROOTS-IMAGE CHAINS-IMAGE VERSION...
 */
#include "lib/image/findings_file.h"
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/serve/serve_versions.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ARENA_SZ ((size_t)256 << 20)
#define SMALL_ARENA_SZ ((size_t)4 << 20) /* enough for the first two images */
#define IMAGES_MAX 32

static struct image_bytes images[IMAGES_MAX]; /* two roots, chains, versions */
static unsigned image_cnt;
static uint64_t first_end; /* behind the first root of images[0] */

static int load(struct stele_serve *serve, const uint8_t *bytes, size_t size,
		struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	int fd = versions_file(bytes, size);
	int rc = stele_serve_load(serve, fd, "the image", ret_info, reterr);
	close(fd);
	return rc;
}

static void load_well(struct stele_serve *serve, const struct image_bytes *image,
		      struct stele_serve_load_info *ret_info)
{
	struct stele_error err;
	if (load(serve, image->bytes, image->size, ret_info, &err) != 0)
		fail_msg("%s", err.text);
}

static struct stele_findings findings_of(const struct stele_serve *serve)
{
	struct stele_findings findings;
	assert_int_equal(stele_serve_findings(serve, &findings, NULL), 0);
	return findings;
}

/* As a process leaves them that has loaded the first `size` bytes of an image. */
static struct stele_findings make_findings(const struct image_bytes *image, size_t size)
{
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info info;
	struct image_bytes part = {image->bytes, size};
	load_well(serve, &part, &info);
	assert_false(info.recalled);
	struct stele_findings findings = findings_of(serve);
	stele_serve_close(serve);
	return findings;
}

static uint64_t answers_of(const struct stele_serve *serve)
{
	return image_exercise(stele_serve_view(stele_serve_root(serve)), 300);
}

static void seal(struct stele_findings *findings)
{
	size_t end = findings->sz - STELE_FINDINGS_DIGEST_SZ;
	assert_int_equal(EVP_Digest(findings->bytes, end, findings->bytes + end, NULL, EVP_sha256(),
				    NULL),
			 1);
}

static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return copy;
}

/* By findings, an image is the same in every respect, and leaves the same findings. */
static void test_recalled(void **state)
{
	(void)state;
	for (unsigned i = 0; i < image_cnt && i < 5; i++) {
		struct stele_findings findings = make_findings(images + i, images[i].size);
		struct stele_findings opened;
		uint8_t *bytes = copy_of(findings.bytes, findings.sz);
		assert_int_equal(stele_findings_open(bytes, findings.sz, &opened, NULL), 0);
		assert_memory_equal(&opened.image, &findings.image, sizeof(opened.image));

		struct stele_serve *plain = versions_open(ARENA_SZ);
		struct stele_serve *serve = versions_open(ARENA_SZ);
		struct stele_serve_load_info info;
		load_well(plain, images + i, &info);
		stele_serve_trust(serve, &opened, NULL);
		load_well(serve, images + i, &info);
		assert_true(info.recalled);
		assert_false(info.unchanged);
		assert_int_equal(info.copied_cnt, info.shard_cnt);
		assert_true(answers_of(serve) == answers_of(plain));
		struct stele_findings again = findings_of(serve);
		assert_int_equal(again.sz, findings.sz);
		assert_memory_equal(again.bytes, findings.bytes, again.sz);
		stele_findings_close(&again);
		stele_findings_close(&opened);
		stele_findings_close(&findings);
		stele_serve_close(serve);
		stele_serve_close(plain);
	}
}

/* Findings are what later images are judged from. */
static void test_updates_after(void **state)
{
	(void)state;
	for (unsigned i = 2; i < 5; i += 2) {
		struct stele_findings findings = make_findings(images + i, images[i].size);
		for (unsigned next = 2; next < image_cnt; next += 3) {
			struct stele_serve *serve = versions_open(ARENA_SZ);
			struct stele_serve *plain = versions_open(ARENA_SZ);
			struct stele_serve_load_info info;
			stele_serve_trust(serve, &findings, NULL);
			load_well(serve, images + i, &info);
			assert_true(info.recalled);
			stele_serve_trust(serve, NULL, NULL);
			load_well(serve, images + next, &info);
			assert_true(info.unchanged || info.incremental);
			assert_false(info.recalled);
			load_well(plain, images + next, NULL);
			assert_true(answers_of(serve) == answers_of(plain));
			stele_serve_close(plain);
			stele_serve_close(serve);
		}
		stele_findings_close(&findings);
	}
}

/* The compiler has appended since, or an older root is wanted: what differs is judged. */
static void test_other_root(void **state)
{
	(void)state;
	const struct image_bytes *image = images;
	size_t ends[2] = {first_end, image->size};
	for (unsigned i = 0; i < 2; i++) {
		struct stele_findings findings = make_findings(image, ends[i]);
		struct stele_serve *serve = versions_open(ARENA_SZ);
		struct stele_serve *plain = versions_open(ARENA_SZ);
		struct stele_serve_load_info info, plain_info;
		struct stele_serve_status status, plain_status;
		int fd = versions_file(image->bytes, image->size);
		stele_serve_trust(serve, &findings, NULL);
		assert_int_equal(stele_serve_load_until(serve, fd, ends[1 - i], "x", &info, NULL),
				 0);
		assert_int_equal(
			stele_serve_load_until(plain, fd, ends[1 - i], "x", &plain_info, NULL), 0);
		assert_true(info.recalled && info.incremental);
		assert_int_equal(info.generation, plain_info.generation);
		assert_true(answers_of(serve) == answers_of(plain));
		/* Nothing is left of the other root. */
		stele_serve_status(serve, &status);
		stele_serve_status(plain, &plain_status);
		assert_false(status.has_previous);
		assert_int_equal(status.arena.used_sz, plain_status.arena.used_sz);
		stele_findings_close(&findings);
		stele_serve_close(plain);
		stele_serve_close(serve);
		close(fd);
	}
}

/* Findings of another image change nothing. */
static void test_other_image(void **state)
{
	(void)state;
	struct stele_findings findings = make_findings(images + 1, images[1].size);
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_serve_load_info info;
	stele_serve_trust(serve, &findings, NULL);
	load_well(serve, images, &info);
	assert_false(info.recalled || info.incremental);
	/* ... and neither do fitting ones, once something is served. */
	load_well(serve, images + 1, &info);
	assert_false(info.recalled);
	stele_findings_close(&findings);
	stele_serve_close(serve);
}

/* Findings do not make a damaged image pass: same verdict, same text. */
static void test_damaged_image(void **state)
{
	(void)state;
	const struct image_bytes *image = images;
	struct stele_findings findings = make_findings(image, image->size);
	struct stele_serve *serve = versions_open(SMALL_ARENA_SZ);
	struct stele_serve *plain = versions_open(SMALL_ARENA_SZ);
	uint8_t *bytes = copy_of(image->bytes, image->size);
	unsigned refused = 0;
	stele_serve_trust(serve, &findings, NULL);
	for (size_t at = 0; at < image->size; at += 1 + (size_t)rand() % 199) {
		struct stele_error err = {{0}}, plain_err = {{0}};
		bytes[at] ^= (uint8_t)(1u << rand() % 8);
		int rc = load(serve, bytes, image->size, NULL, &err);
		assert_int_equal(rc, load(plain, bytes, image->size, NULL, &plain_err));
		assert_string_equal(err.text, plain_err.text);
		refused += rc != 0;
		bytes[at] = image->bytes[at];
		if (rc != 0)
			continue;
		assert_true(answers_of(serve) == answers_of(plain));
		stele_serve_close(serve);
		stele_serve_close(plain);
		serve = versions_open(SMALL_ARENA_SZ);
		plain = versions_open(SMALL_ARENA_SZ);
		stele_serve_trust(serve, &findings, NULL);
	}
	assert_true(refused > 50);
	free(bytes);
	stele_findings_close(&findings);
	stele_serve_close(plain);
	stele_serve_close(serve);
}

static void test_damaged_findings(void **state)
{
	(void)state;
	struct stele_findings findings = make_findings(images, images->size), opened;
	struct stele_error err;
	for (size_t at = 0; at < findings.sz; at++) {
		findings.bytes[at] ^= 1;
		assert_int_equal(stele_findings_open(findings.bytes, findings.sz, &opened, &err),
				 STELE_E_INPUT);
		findings.bytes[at] ^= 1;
	}
	for (size_t size = 0; size < findings.sz; size++) {
		uint8_t *cut = copy_of(findings.bytes, size);
		assert_int_equal(stele_findings_open(cut, size, &opened, &err), STELE_E_INPUT);
		free(cut);
	}
	stele_findings_close(&findings);
}

/* Another version of the verifier may have overlooked what this one would find. */
static void test_other_verifier(void **state)
{
	(void)state;
	struct stele_findings findings = make_findings(images, images->size), opened;
	struct stele_error err;
	for (size_t at = 8; at < 40; at++) {
		findings.bytes[at] ^= 0x10;
		seal(&findings);
		assert_int_equal(stele_findings_open(findings.bytes, findings.sz, &opened, &err),
				 STELE_E_STALE);
		findings.bytes[at] ^= 0x10;
	}
	stele_findings_close(&findings);
}

/*
 * Whatever they say, with a right digest: nothing is read outside of what is there, and what is served
 * is what has its digests.
 */
static void test_sealed_findings(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct stele_findings findings = make_findings(images + i, images[i].size);
		struct stele_serve *plain = versions_open(SMALL_ARENA_SZ);
		load_well(plain, images + i, NULL);
		uint64_t answers = answers_of(plain);
		unsigned fitting = 0, unfitting = 0;
		for (size_t at = 72; at < findings.sz - STELE_FINDINGS_DIGEST_SZ; at++) {
			struct stele_serve *serve = versions_open(SMALL_ARENA_SZ);
			struct stele_serve_load_info info;
			uint8_t before = findings.bytes[at];
			findings.bytes[at] ^= (uint8_t)(1u << rand() % 8);
			seal(&findings);
			stele_serve_trust(serve, &findings, NULL);
			load_well(serve, images + i, &info);
			if (at % 16 == 0)
				assert_true(answers_of(serve) == answers);
			fitting += info.recalled;
			unfitting += !info.recalled;
			findings.bytes[at] = before;
			stele_serve_close(serve);
		}
		assert_true(fitting > 0 && unfitting > 0);
		stele_findings_close(&findings);
		stele_serve_close(plain);
	}
}

/* ---- the file ---- */

static int try_load(const char *dir)
{
	struct stele_findings findings;
	struct stele_error err;
	int rc = stele_findings_load(dir, &findings, &err);
	if (rc == 0)
		stele_findings_close(&findings);
	else
		assert_non_null(strstr(err.text, dir));
	return rc;
}

static void flip(const char *path, long at)
{
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	int byte = fgetc(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	fputc(byte ^ 4, file);
	assert_int_equal(fclose(file), 0);
}

static void test_file(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-findings-XXXXXX", path[64], other[64];
	struct stele_findings findings = make_findings(images, images->size), loaded;
	struct stele_error err;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/verified", dir);
	snprintf(other, sizeof(other), "%s/verified.new", dir);
	assert_int_equal(try_load(dir), STELE_E_NOTFOUND);
	/* A program that was killed left this long ago. */
	static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	FILE *file = fopen(other, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(chmod(other, 0666), 0);
	assert_int_equal(utimensat(AT_FDCWD, other, long_ago, 0), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(stele_findings_save(dir, &findings, &err), 0);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(stele_findings_load(dir, &loaded, &err), 0);
	assert_int_equal(loaded.sz, findings.sz);
	assert_memory_equal(loaded.bytes, findings.bytes, loaded.sz);
	stele_findings_close(&loaded);

	flip(path, 90);
	assert_int_equal(try_load(dir), STELE_E_INPUT);
	flip(path, 90);
	assert_int_equal(try_load(dir), 0);
	/* Others could have written it. */
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(try_load(dir), STELE_E_INPUT);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(try_load(dir), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(try_load(dir), STELE_E_INPUT);
	assert_int_equal(chmod(dir, 0700), 0);
	/* It is somewhere else. */
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(try_load(dir), STELE_E_SYSTEM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(truncate(other, 0), 0);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(try_load(dir), STELE_E_INPUT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(try_load(dir), STELE_E_SYSTEM);
	assert_int_equal(stele_findings_save(dir, &findings, &err), STELE_E_SYSTEM);
	stele_findings_close(&findings);
}

int main(int argc, char **argv)
{
	if (argc < 5 || argc > IMAGES_MAX) {
		fputs("usage: test_findings TWO-ROOTS-IMAGE CHAINS-IMAGE VERSION...\n", stderr);
		return 2;
	}
	for (; image_cnt + 1 < (unsigned)argc; image_cnt++)
		images[image_cnt] = image_read(argv[image_cnt + 1]);
	const struct stele_root *root =
		(const void *)(images->bytes + images->size - sizeof(struct stele_root));
	first_end = stele_le64(root->prev_root_off) + sizeof(*root);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recalled),       cmocka_unit_test(test_updates_after),
		cmocka_unit_test(test_other_root),     cmocka_unit_test(test_other_image),
		cmocka_unit_test(test_damaged_image),  cmocka_unit_test(test_damaged_findings),
		cmocka_unit_test(test_other_verifier), cmocka_unit_test(test_sealed_findings),
		cmocka_unit_test(test_file),
	};
	srand(11);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < image_cnt; i++)
		free(images[i].bytes);
	return failed;
}
