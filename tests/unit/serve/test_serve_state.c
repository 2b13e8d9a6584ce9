/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last image is found again: newer roots of its file, files replaced, removed or damaged, rollbacks,
 * and a program killed at any moment.
 *
 * usage: test_serve_state SMALL-IMAGE OTHER-IMAGE       (SMALL has two roots)
 */
#include "responder/serve/state.h"
#include "tests/unit/serve/serve_versions.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct image_bytes small, other;
static uint64_t first_end; /* behind the first root of `small` */
static uint64_t first_generation, small_generation, other_generation;

struct place {
	char dir[64];   /* the state directory */
	char image[80]; /* the configured image */
};

static void put(const char *path, const uint8_t *bytes, size_t size)
{
	char temporary[100];
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	FILE *file = fopen(temporary, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temporary, path), 0);
}

static struct place make_place(void)
{
	struct place place = {.dir = "/tmp/stele-state-XXXXXX"};
	assert_non_null(mkdtemp(place.dir));
	snprintf(place.image, sizeof(place.image), "%s/zones", place.dir);
	return place;
}

static void remove_place(const struct place *place)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", place->dir);
	assert_int_equal(system(command), 0);
}

/* Serves what a program would at its start; the generation of that, 0: nothing. */
static uint64_t restore(const struct place *place, const char *configured, const char **ret_why)
{
	struct stele_state_candidates candidates;
	struct stele_error err;
	struct stele_serve_load_info info = {0};
	struct stele_serve *serve = versions_open(16 << 20);
	*ret_why = "";
	stele_state_recall(place->dir, configured, &candidates, &err);
	for (unsigned i = 0; i < candidates.cnt && info.generation == 0; i++) {
		const struct stele_state_candidate *c = candidates.all + i;
		if (stele_serve_load_until(serve, c->fd, c->end, c->name, &info, &err) == 0)
			*ret_why = c->why;
	}
	stele_state_candidates_close(&candidates);
	stele_serve_close(serve);
	return info.generation;
}

static void remember(const struct place *place, const char *path, uint64_t end, bool exact)
{
	struct stele_error err;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (stele_state_remember(place->dir, fd, path, end - sizeof(struct stele_root), exact, -1,
				 &err) != 0)
		fail_msg("%s", err.text);
	close(fd);
}

static unsigned count_links(const struct place *place)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < 200; i++) {
		char path[100];
		snprintf(path, sizeof(path), "%s/image.%u", place->dir, i);
		cnt += access(path, F_OK) == 0;
	}
	return cnt;
}

static void test_nothing(void **state)
{
	(void)state;
	const char *why;
	struct place place = make_place();
	assert_int_equal(restore(&place, NULL, &why), 0);
	assert_int_equal(restore(&place, place.image, &why), 0);
	put(place.image, small.bytes, small.size);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_string_equal(why, "the configured image");
	remove_place(&place);
}

static void test_newer_root(void **state)
{
	(void)state;
	const char *why;
	struct place place = make_place();
	put(place.image, small.bytes, first_end);
	remember(&place, place.image, first_end, false);
	assert_int_equal(restore(&place, place.image, &why), first_generation);
	/* The compiler appends while nobody serves. */
	int fd = open(place.image, O_WRONLY | O_APPEND);
	size_t rest = small.size - first_end;
	assert_int_equal(write(fd, small.bytes + first_end, rest), rest);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_int_equal(restore(&place, NULL, &why), small_generation);
	/* ... and what it appended is damaged: what was served is there still. */
	close(fd);
	fd = open(place.image, O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, (off_t)small.size - 30), 1);
	close(fd);
	assert_int_equal(restore(&place, place.image, &why), first_generation);
	assert_string_equal(why, "the very image that was served last");
	remove_place(&place);
}

/* After a rollback, the newer root of the same file stays away. */
static void test_exact(void **state)
{
	(void)state;
	const char *why;
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, first_end, true);
	assert_int_equal(restore(&place, place.image, &why), first_generation);
	remember(&place, place.image, small.size, false);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_int_equal(count_links(&place), 1);
	remove_place(&place);
}

static void test_replaced(void **state)
{
	(void)state;
	const char *why;
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, small.size, false);
	/* By a good image, by a bad one, by nothing. */
	put(place.image, other.bytes, other.size);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	put(place.image, other.bytes, other.size / 2);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_string_equal(why, "the file that was served last");
	assert_int_equal(unlink(place.image), 0);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_int_equal(restore(&place, NULL, &why), small_generation);
	/* The old file goes when another is remembered. */
	put(place.image, other.bytes, other.size);
	remember(&place, place.image, other.size, false);
	assert_int_equal(count_links(&place), 1);
	assert_int_equal(unlink(place.image), 0);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	remove_place(&place);
}

/* Rolled back to an image of which another one has the name: our name for it is the last, and was kept. */
static void test_rolled_back(void **state)
{
	(void)state;
	const char *why;
	struct stele_error err;
	struct place place = make_place();
	uint64_t small_root = small.size - sizeof(struct stele_root);
	uint64_t other_root = other.size - sizeof(struct stele_root);
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, small.size, false);
	int old_fd = open(place.image, O_RDONLY | O_CLOEXEC);
	put(place.image, other.bytes, other.size);
	int new_fd = open(place.image, O_RDONLY | O_CLOEXEC);
	assert_int_equal(stele_state_remember(place.dir, new_fd, place.image, other_root, false,
					      old_fd, &err),
			 0);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	assert_int_equal(stele_state_remember(place.dir, old_fd, place.image, small_root, true,
					      new_fd, &err),
			 0);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_string_equal(why, "the very image that was served last");
	/* Without a name, it is not to be found, and that is said. */
	remember(&place, place.image, other.size, false);
	assert_int_equal(count_links(&place), 1);
	assert_int_equal(stele_state_remember(place.dir, old_fd, place.image, small_root, true,
					      new_fd, &err),
			 STELE_E_SYSTEM);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	close(old_fd);
	close(new_fd);
	remove_place(&place);
}

/* An image that was loaded by hand comes before the configured one. */
static void test_other_path(void **state)
{
	(void)state;
	const char *why;
	char path[100];
	struct place place = make_place();
	snprintf(path, sizeof(path), "%s/by-hand", place.dir);
	put(place.image, small.bytes, small.size);
	put(path, other.bytes, other.size);
	remember(&place, path, other.size, false);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	assert_string_equal(why, "the image served last");
	put(path, (const uint8_t *)"x", 1);
	assert_int_equal(restore(&place, place.image, &why), other_generation);
	/* Nothing of it is left. */
	snprintf(path, sizeof(path), "%s/image.0", place.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	assert_string_equal(why, "the configured image");
	remove_place(&place);
}

/* Neither to be linked nor seen by its name, as a service sees nothing of /tmp and /home: what was remembered stays. */
static void test_out_of_sight(void **state)
{
	(void)state;
	const char *why;
	struct stele_error err;
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, small.size, false);
	int fd = memfd_create("elsewhere", MFD_CLOEXEC);
	assert_int_equal(write(fd, other.bytes, other.size), other.size);
	assert_int_equal(stele_state_remember(place.dir, fd, "/nowhere/at/all",
					      other.size - sizeof(struct stele_root), false, -1,
					      &err),
			 STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	assert_non_null(strstr(err.text, strerror(ENOENT)));
	assert_int_equal(unlink(place.image), 0);
	assert_int_equal(restore(&place, NULL, &why), small_generation);
	close(fd);
	remove_place(&place);
}

static void test_damaged_memory(void **state)
{
	(void)state;
	struct stele_state_candidates candidates;
	struct stele_error err;
	char path[100], text[2000];
	const char *why;
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, small.size, false);
	snprintf(path, sizeof(path), "%s/last-image.json", place.dir);
	FILE *file = fopen(path, "r");
	size_t len = fread(text, 1, sizeof(text), file);
	fclose(file);
	for (size_t at = 0; at <= len; at++) {
		put(path, (const uint8_t *)text, at);
		assert_int_equal(restore(&place, place.image, &why), small_generation);
	}
	for (size_t at = 0; at < len; at++) {
		text[at] ^= 1;
		put(path, (const uint8_t *)text, len);
		assert_int_equal(restore(&place, place.image, &why), small_generation);
		text[at] ^= 1;
	}
	put(path, (const uint8_t *)"{}", 2);
	stele_state_recall(place.dir, NULL, &candidates, &err);
	assert_int_equal(candidates.cnt, 0);
	assert_non_null(strstr(err.text, "last-image.json"));
	remove_place(&place);
}

static void test_no_directory(void **state)
{
	(void)state;
	struct stele_state_candidates candidates;
	struct stele_error err;
	assert_int_equal(stele_state_remember("/nowhere/at/all", 0, "x", 0, false, -1, &err),
			 STELE_E_SYSTEM);
	stele_state_recall("/nowhere/at/all", NULL, &candidates, &err);
	assert_int_equal(candidates.cnt, 0);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	stele_state_recall(NULL, NULL, &candidates, &err);
	assert_int_equal(candidates.cnt, 0);
	assert_string_equal(err.text, "");
}

/* Files of the state directory that are under way. */
static unsigned count_new(const struct place *place)
{
	unsigned cnt = 0;
	DIR *dir = opendir(place->dir);
	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		cnt += strstr(entry->d_name, ".new") != NULL;
	closedir(dir);
	return cnt;
}

/* A disk without room for it leaves what was remembered, and nothing of its own. */
static void test_no_room(void **state)
{
	(void)state;
	const char *why;
	struct stele_error err;
	struct rlimit before, none = {.rlim_cur = 10};
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, first_end, true);
	int fd = open(place.image, O_RDONLY | O_CLOEXEC);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int rc = stele_state_remember(place.dir, fd, place.image,
				      small.size - sizeof(struct stele_root), true, -1, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rc, STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, strerror(EFBIG)));
	assert_int_equal(count_new(&place), 0);
	assert_int_equal(restore(&place, place.image, &why), first_generation);
	remember(&place, place.image, small.size, true);
	assert_int_equal(restore(&place, place.image, &why), small_generation);
	close(fd);
	remove_place(&place);
}

/* Remembers one image and the other in turn, as the configured file is replaced, until it is killed. */
static void remember_on(const struct place *place)
{
	for (unsigned i = 0;; i++) {
		const struct image_bytes *image = i % 2 == 0 ? &small : &other;
		put(place->image, image->bytes, image->size);
		int fd = open(place->image, O_RDONLY | O_CLOEXEC);
		stele_state_remember(place->dir, fd, place->image,
				     image->size - sizeof(struct stele_root), i % 3 == 0, -1, NULL);
		close(fd);
	}
}

static void test_killed(void **state)
{
	(void)state;
	const char *why;
	struct place place = make_place();
	put(place.image, small.bytes, small.size);
	remember(&place, place.image, small.size, false);
	srand(17);
	for (unsigned i = 0; i < 60; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			remember_on(&place);
		usleep((useconds_t)(rand() % 12000));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		/* With the configured image, and without it: by what is remembered alone. */
		uint64_t generation = restore(&place, place.image, &why);
		assert_true(generation == small_generation || generation == other_generation);
		assert_int_equal(unlink(place.image), 0);
		generation = restore(&place, place.image, &why);
		assert_true(generation == small_generation || generation == other_generation);
		put(place.image, small.bytes, small.size);
	}
	remember(&place, place.image, small.size, false);
	assert_int_equal(count_links(&place), 1);
	remove_place(&place);
}

static uint64_t generation_of(const struct image_bytes *image, uint64_t size)
{
	struct stele_view view;
	if (stele_view_open(image->bytes, size, &view, NULL) != 0)
		abort();
	uint64_t generation = view.generation;
	stele_view_close(&view);
	return generation;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: test_serve_state SMALL-IMAGE OTHER-IMAGE\n", stderr);
		return 2;
	}
	small = image_read(argv[1]);
	other = image_read(argv[2]);
	const struct stele_root *root =
		(const void *)(small.bytes + small.size - sizeof(struct stele_root));
	first_end = stele_le64(root->prev_root_off) + sizeof(*root);
	first_generation = generation_of(&small, first_end);
	small_generation = generation_of(&small, small.size);
	other_generation = generation_of(&other, other.size);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),      cmocka_unit_test(test_newer_root),
		cmocka_unit_test(test_exact),        cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_other_path),   cmocka_unit_test(test_damaged_memory),
		cmocka_unit_test(test_no_directory), cmocka_unit_test(test_killed),
		cmocka_unit_test(test_rolled_back),  cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_out_of_sight),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(small.bytes);
	free(other.bytes);
	return failed;
}
