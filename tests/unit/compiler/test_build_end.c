/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a build: what is said where they fail, and what is left where they are interrupted. */
#include "tests/unit/compiler/build_case.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fsync_fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* Of a folder: files are synced by fdatasync(). */
int __wrap_fsync(int fd)
{
	if (!fsync_fails)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

/* The image is there, as the message says. */
static void test_folder_cannot_be_synced(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "a.test.", 5, 1);
	struct stele_build_options options = {.image = p->image, .jobs = 1};
	struct stele_build_stats stats;
	fsync_fails = true;
	int rc = stele_build(p->store, &options, &stats, &err);
	fsync_fails = false;
	assert_int_equal(rc, STELE_E_SYSTEM);
	assert_non_null(strstr(err.text, "is in place, but a crash of the machine may undo that"));
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.generation, 1);
	stele_view_close(&view);
}

int test_build_end(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_folder_cannot_be_synced),
	};
	return cmocka_run_group_tests_name("build-end", tests, NULL, NULL);
}
