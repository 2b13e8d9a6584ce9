/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image in the mapping of its file answers as one in the arena, and moves there; what is damaged is refused with
 * the same words, what is damaged later is found by the move. A stamp is kept of files that rest, and is
 * of no use when anything has changed.
 *
 * usage: test_serve_mapping TWO-ROOTS-IMAGE CHAINS-IMAGE VERSION...
 */
#include "responder/serve/internal.h"
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/serve/serve_versions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ARENA_SZ ((size_t)256 << 20)
#define IMAGES_MAX 32

static struct image_bytes images[IMAGES_MAX]; /* two roots, chains, versions */
static unsigned image_cnt;

static struct stele_serve *open_mapping(size_t arena_sz)
{
	struct stele_serve *serve = versions_open(arena_sz);
	stele_serve_map_first(serve, true);
	return serve;
}

static int file_of(unsigned i)
{
	return versions_file(images[i].bytes, images[i].size);
}

static void load(struct stele_serve *serve, int fd, struct stele_serve_load_info *ret_info)
{
	struct stele_error err;
	if (stele_serve_load(serve, fd, "the image", ret_info, &err) != 0)
		fail_msg("%s", err.text);
}

static int move(struct stele_serve *serve, int fd, struct stele_error *reterr)
{
	struct stele_serve_next *next;
	int rc = stele_serve_prepare_move(serve, fd, &next, reterr);
	if (rc != 0)
		return rc;
	stele_serve_publish(serve, next);
	return stele_serve_await(serve, reterr);
}

static uint64_t answers_of(const struct stele_serve *serve)
{
	return image_exercise(stele_serve_view(stele_serve_root(serve)), 300);
}

static uint64_t expected_answers(unsigned i)
{
	struct stele_view view;
	assert_int_equal(stele_view_open(images[i].bytes, images[i].size, &view, NULL), 0);
	uint64_t hash = image_exercise(&view, 300);
	stele_view_close(&view);
	return hash;
}

static void write_byte(int fd, size_t at, uint8_t byte)
{
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void test_mapped_then_moved(void **state)
{
	(void)state;
	for (unsigned i = 0; i < image_cnt; i++) {
		struct stele_serve *serve = open_mapping(ARENA_SZ);
		struct stele_serve_load_info info;
		struct stele_serve_status status;
		int fd = file_of(i);
		load(serve, fd, &info);
		assert_true(info.mapped && !info.known_file && !info.recalled);
		const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
		uint64_t serial = view->serial;
		assert_true(stele_serve_in_mapping(serve) &&
			    stele_serve_is_mapped(view->shards[0].base));
		stele_serve_status(serve, &status);
		assert_true(status.current.mapped && status.arena.used_sz == 0);
		assert_true(answers_of(serve) == expected_answers(i));

		assert_int_equal(move(serve, fd, NULL), 0);
		view = stele_serve_view(stele_serve_root(serve));
		assert_true(view->serial > serial);
		assert_false(stele_serve_in_mapping(serve) ||
			     stele_serve_is_mapped(view->shards[0].base));
		stele_serve_status(serve, &status);
		assert_true(!status.current.mapped &&
			    status.arena.used_sz >= status.current.shards_sz);
		assert_true(!status.has_previous && status.refused_cnt == 0);
		assert_true(answers_of(serve) == expected_answers(i));
		assert_int_equal(move(serve, fd, NULL), STELE_E_NOTFOUND);
		assert_int_equal(stele_serve_withdraw(serve, NULL), STELE_E_NOTFOUND);
		/* Only the first is mapped. */
		close(fd);
		fd = file_of((i + 1) % image_cnt);
		load(serve, fd, &info);
		assert_false(info.mapped);
		stele_serve_close(serve);
		close(fd);
	}
}

static void test_a_load_in_its_place(void **state)
{
	(void)state;
	struct stele_serve *serve = open_mapping(ARENA_SZ);
	struct stele_serve_load_info info;
	int first = file_of(2), second = file_of(3);
	load(serve, first, &info);
	load(serve, second, &info);
	assert_true(!info.mapped && info.shared_cnt == 0);
	assert_true(answers_of(serve) == expected_answers(3));
	assert_int_equal(stele_serve_rollback(serve, NULL, NULL), STELE_E_NOTFOUND);
	load(serve, first, &info);
	assert_true(!info.mapped && info.shared_cnt > 0);
	stele_serve_close(serve);
	close(first);
	close(second);
}

/* One verdict and one text, mapped or not. */
static void test_flips(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t at = (size_t)rand() % 97; at < images[i].size;
		     at += 1 + images[i].size / 150) {
			struct stele_serve *mapped = open_mapping(ARENA_SZ);
			struct stele_serve *plain = versions_open(ARENA_SZ);
			struct stele_error errors[2] = {{{0}}, {{0}}};
			int fd = file_of(i);
			write_byte(fd, at, images[i].bytes[at] ^ 4);
			int rc = stele_serve_load(mapped, fd, "the image", NULL, &errors[0]);
			assert_int_equal(rc, stele_serve_load(plain, fd, "the image", NULL,
							      &errors[1]));
			if (rc != 0)
				assert_string_equal(errors[0].text, errors[1].text);
			else
				assert_true(answers_of(mapped) == answers_of(plain));
			stele_serve_close(mapped);
			stele_serve_close(plain);
			close(fd);
		}
}

/* What is written into the file behind its verification does not come into the arena. */
static void test_changed_before_the_move(void **state)
{
	(void)state;
	struct stele_error err;
	for (unsigned seed = 0; seed < 20; seed++) {
		struct stele_serve *serve = open_mapping(ARENA_SZ);
		int fd = file_of(1);
		load(serve, fd, NULL);
		const struct serve_image *image = serve->current;
		uint32_t shard = image->view.name_first;
		while (image->shards[shard] == NULL)
			shard++;
		size_t at = stele_le64(stele_view_ref(&image->view, shard)->off) +
			    (size_t)rand() % image->shards[shard]->size;
		write_byte(fd, at, images[1].bytes[at] ^ 1);
		assert_int_equal(move(serve, fd, &err), STELE_E_INPUT);
		assert_non_null(strstr(err.text, "wrong digest"));
		assert_true(stele_serve_in_mapping(serve));
		assert_int_equal(stele_serve_withdraw(serve, &err), 0);
		assert_null(stele_serve_view(stele_serve_root(serve)));
		struct stele_serve_status status;
		stele_serve_status(serve, &status);
		assert_true(!status.has_current && !status.has_previous &&
			    status.arena.used_sz == 0);
		struct stele_serve_load_info info;
		assert_int_equal(stele_serve_load(serve, fd, "the image", NULL, &err),
				 STELE_E_INPUT);
		write_byte(fd, at, images[1].bytes[at]);
		load(serve, fd, &info);
		assert_true(!info.mapped && answers_of(serve) == expected_answers(1));
		stele_serve_close(serve);
		close(fd);
	}
}

/* Another whole image in the same file is not what is served. */
static void test_another_image_before_the_move(void **state)
{
	(void)state;
	struct stele_serve *serve = open_mapping(ARENA_SZ);
	struct stele_error err;
	int fd = file_of(1), other = file_of(0);
	load(serve, fd, NULL);
	assert_int_not_equal(move(serve, other, &err), 0);
	assert_true(stele_serve_in_mapping(serve));
	stele_serve_close(serve);
	close(fd);
	close(other);
}

static void test_given_up(void **state)
{
	(void)state;
	struct stele_serve *serve = open_mapping(ARENA_SZ);
	struct stele_error err;
	int fd = file_of(1);
	load(serve, fd, NULL);
	stele_serve_give_up(serve);
	assert_int_equal(move(serve, fd, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "given up"));
	assert_true(answers_of(serve) == expected_answers(1));
	stele_serve_close(serve);
	close(fd);
}

/* The same of a load, and nothing changes. */
static void test_a_load_given_up(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_error err;
	int fd = file_of(1), other = file_of(2);
	load(serve, fd, NULL);
	stele_serve_give_up(serve);
	assert_int_equal(stele_serve_load(serve, other, "the other", NULL, &err), STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "given up"));
	assert_true(answers_of(serve) == expected_answers(1));
	stele_serve_close(serve);
	close(fd);
	close(other);
}

/* And of a verification alone, with a base and without. */
static void test_a_verification_given_up(void **state)
{
	(void)state;
	struct stele_serve *serve = versions_open(ARENA_SZ);
	struct stele_error err;
	int fd = file_of(1);
	const bool given_up = true;
	load(serve, fd, NULL);
	const struct serve_image *image = serve->current;
	struct stele_verify_options options = {.digests_checked = true, .given_up = &given_up};
	for (options.threads = 1; options.threads < 4; options.threads++) {
		options.base = NULL;
		assert_int_equal(stele_view_verify_with(&image->view, &options, NULL, NULL, &err),
				 STELE_E_SYSTEM);
		assert_non_null(strstr(err.text, "given up"));
		options.base = &image->view;
		options.base_verified = image->verified;
		assert_int_equal(stele_view_verify_with(&image->view, &options, NULL, NULL, &err),
				 STELE_E_SYSTEM);
	}
	stele_serve_close(serve);
	close(fd);
}

/* What would not fit afterwards is refused at once. */
static void test_too_large_for_the_arena(void **state)
{
	(void)state;
	struct stele_serve *serve = open_mapping(4096);
	struct stele_error err;
	int fd = file_of(1);
	assert_int_equal(stele_serve_load(serve, fd, "the image", NULL, &err), STELE_E_SYSTEM);
	assert_null(stele_serve_view(stele_serve_root(serve)));
	stele_serve_close(serve);
	close(fd);
}

static void test_cut_while_it_is_read(void **state)
{
	(void)state;
	struct stele_error err;
	int fd = file_of(1);
	struct serve_mapping *mapping;
	assert_int_equal(serve_mapping_open(fd, images[1].size, &mapping, &err), 0);
	assert_int_equal(serve_mapping_populate(mapping->bytes + 5, images[1].size - 5, &err), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(serve_mapping_populate(mapping->bytes + 5, images[1].size - 5, &err),
			 STELE_E_INPUT);
	assert_true(stele_serve_is_mapped(mapping->bytes + images[1].size - 1));
	assert_false(stele_serve_is_mapped(mapping->bytes + images[1].size));
	const uint8_t *bytes = mapping->bytes;
	serve_mapping_drop(mapping);
	assert_false(stele_serve_is_mapped(bytes));
	close(fd);
}

/* ---- stamps ---- */

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
}

/* Loads and moves the first `size` bytes of an image, as a start does. */
static struct stele_serve *start(int fd, uint64_t end, const struct stele_findings *findings,
				 const struct stele_stamped *stamped,
				 struct stele_serve_load_info *ret_info)
{
	struct stele_serve *serve = open_mapping(ARENA_SZ);
	struct stele_error err;
	stele_serve_trust(serve, findings, stamped);
	if (stele_serve_load_until(serve, fd, end, "the image", ret_info, &err) != 0)
		fail_msg("%s", err.text);
	uint64_t answers = answers_of(serve);
	if (move(serve, fd, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(answers_of(serve) == answers);
	return serve;
}

static void test_stamped(void **state)
{
	(void)state;
	struct stele_findings findings;
	struct stele_stamped stamped, again;
	struct stele_serve_load_info info;
	struct stat before;
	int fd = file_of(0);

	/* A file that has just been written has no stamp. */
	struct stele_serve *serve = start(fd, 0, NULL, NULL, &info);
	assert_int_equal(stele_serve_stamped(serve, &stamped), STELE_E_NOTFOUND);
	stele_serve_close(serve);
	rest();
	serve = start(fd, 0, NULL, NULL, &info);
	assert_true(info.mapped && !info.recalled && !info.known_file);
	assert_int_equal(stele_serve_stamped(serve, &stamped), 0);
	assert_int_equal(stele_serve_findings(serve, &findings, NULL), 0);
	stele_serve_close(serve);

	serve = start(fd, 0, &findings, &stamped, &info);
	assert_true(info.mapped && info.recalled && info.known_file);
	assert_int_equal(stele_serve_stamped(serve, &again), 0);
	assert_memory_equal(&again, &stamped, sizeof(stamped));
	stele_serve_close(serve);

	/* Without findings the whole is verified, from a file that is known to be the same. */
	serve = start(fd, 0, NULL, &stamped, &info);
	assert_true(info.known_file && !info.recalled);
	stele_serve_close(serve);

	/* Another boot, another image, another device: each field counts. */
	for (size_t at = 0; at < sizeof(stamped.stamp) + STELE_FINDINGS_DIGEST_SZ; at++) {
		struct stele_stamped wrong = stamped;
		((uint8_t *)&wrong)[at] ^= 1;
		if (at % 8 != 0)
			continue;
		serve = start(fd, 0, &findings, &wrong, &info);
		assert_true(info.mapped && info.recalled && !info.known_file);
		stele_serve_close(serve);
	}

	/* A byte is changed and put back, and so is the time of it; ctime says so. */
	assert_int_equal(fstat(fd, &before), 0);
	write_byte(fd, 100, images[0].bytes[100] ^ 1);
	write_byte(fd, 100, images[0].bytes[100]);
	const struct timespec times[2] = {before.st_atim, before.st_mtim};
	assert_int_equal(futimens(fd, times), 0);
	serve = start(fd, 0, &findings, &stamped, &info);
	assert_true(info.mapped && info.recalled && !info.known_file);
	stele_serve_close(serve);
	stele_findings_close(&findings);
	close(fd);
}

/* Findings are on an older root of the file, which is the base of the newest in the mapping and in the arena. */
static void test_older_findings(void **state)
{
	(void)state;
	struct stele_findings findings;
	struct stele_stamped stamped;
	struct stele_serve_load_info info;
	const struct stele_root *root =
		(const void *)(images->bytes + images->size - sizeof(struct stele_root));
	uint64_t first_end = stele_le64(root->prev_root_off) + sizeof(*root);
	int fd = file_of(0);
	rest();
	struct stele_serve *serve = start(fd, first_end, NULL, NULL, &info);
	assert_int_equal(stele_serve_findings(serve, &findings, NULL), 0);
	stele_serve_close(serve);
	serve = start(fd, 0, &findings, NULL, &info);
	assert_true(info.mapped && info.recalled && !info.known_file);
	assert_true(answers_of(serve) == expected_answers(0));
	assert_int_equal(stele_serve_stamped(serve, &stamped), 0);
	stele_serve_close(serve);
	stele_findings_close(&findings);
	close(fd);
}

static void test_stamp_file(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-test-XXXXXX", path[64];
	struct stele_stamped stamped = {.image.digest = {1, 2, 3}}, loaded;
	struct stele_error err;
	int fd = file_of(0);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/stamp", dir);
	assert_int_equal(stele_stamp_load(dir, &loaded, &err), STELE_E_NOTFOUND);
	assert_int_equal(stele_stamp_take(fd, &stamped.stamp, &err), 0);
	assert_int_equal(stele_stamp_save(dir, &stamped, &err), 0);
	assert_int_equal(stele_stamp_load(dir, &loaded, &err), 0);
	assert_memory_equal(&loaded, &stamped, sizeof(loaded));
	struct image_bytes file = image_read(path);
	for (size_t at = 0; at <= file.size; at++) {
		FILE *damaged = fopen(path, "w");
		assert_non_null(damaged);
		if (at < file.size)
			file.bytes[at] ^= 16;
		assert_int_equal(fwrite(file.bytes, 1, at < file.size ? file.size : at - 1,
					damaged),
				 at < file.size ? file.size : at - 1);
		assert_int_equal(fclose(damaged), 0);
		if (at < file.size)
			file.bytes[at] ^= 16;
		assert_int_equal(stele_stamp_load(dir, &loaded, &err), STELE_E_INPUT);
	}
	free(file.bytes);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(stele_stamp_save(dir, &stamped, &err), STELE_E_SYSTEM);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 5 || argc > IMAGES_MAX) {
		fputs("usage: test_serve_mapping TWO-ROOTS-IMAGE CHAINS-IMAGE VERSION...\n",
		      stderr);
		return 2;
	}
	for (; image_cnt + 1 < (unsigned)argc; image_cnt++)
		images[image_cnt] = image_read(argv[image_cnt + 1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapped_then_moved),
		cmocka_unit_test(test_a_load_in_its_place),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_changed_before_the_move),
		cmocka_unit_test(test_another_image_before_the_move),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_a_load_given_up),
		cmocka_unit_test(test_a_verification_given_up),
		cmocka_unit_test(test_too_large_for_the_arena),
		cmocka_unit_test(test_cut_while_it_is_read),
		cmocka_unit_test(test_stamped),
		cmocka_unit_test(test_older_findings),
		cmocka_unit_test(test_stamp_file),
	};
	srand(7);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < image_cnt; i++)
		free(images[i].bytes);
	return failed;
}
