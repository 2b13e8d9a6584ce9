/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/serve/serve_case.h"

#include <unistd.h>

const uint8_t plain_zone[12] = "\5plain\4test";
static const uint8_t nsec_zone[] = "\4nsec\4test";
static const uint8_t nsec3_zone[] = "\5nsec3\4test";
static const uint8_t small_zone[] = "\5small\4test";

struct image_bytes small, other, versions[VERSIONS_MAX], pairs[PAIRS];
int fds[VERSIONS_MAX];
unsigned version_cnt;
struct stele_answerer *answerer;

void load(struct stele_serve *serve, int fd, struct stele_serve_load_info *ret_info)
{
	struct stele_error err;
	if (stele_serve_load(serve, fd, "the image", ret_info, &err) != 0)
		fail_msg("%s", err.text);
}

void expect_version(const struct stele_serve *serve, unsigned version)
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

void expect_answers(const struct stele_serve *serve, unsigned i)
{
	const struct stele_view *view = stele_serve_view(stele_serve_root(serve));
	assert_true(image_exercise(view, 300) == answers_of(versions + i));
}

bool try_load(struct stele_serve *serve, const uint8_t *bytes, size_t size)
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

bool verifies(const uint8_t *bytes, size_t size)
{
	struct stele_view view;
	if (stele_view_open(bytes, size, &view, NULL) != 0)
		return false;
	int rc = stele_view_verify(&view, NULL);
	stele_view_close(&view);
	return rc == 0;
}
