/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_COMPILER_BUILD_CASE_H
#define STELE_TESTS_UNIT_COMPILER_BUILD_CASE_H

/* What the parts of test_build share: zones that are put into a store, images made of it, and what an image must be
 * equal to. Functions fail the test. */
#include "tests/unit/compiler/build_place.h"
#include "zonecompiler/build/build.h"
#include "zonecompiler/update/update.h"

#include "lib/image/view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Of the last call in OK(). */
extern struct stele_error err;

#define OK(call)                                                                                   \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

/*
 * Makes the zone hold `cnt` names beside the apex; 0 removes it. Every third name is a cut with an address below, every
 * seventh has an empty non-terminal above it.
 */
void set_zone(struct stele_store *store, const char *apex, uint32_t cnt, uint32_t serial);

struct stele_build_stats build(struct place *p, const char *image, unsigned jobs);
struct stele_update_stats update(struct place *p);
/* Updates, which does not build the image anew. */
void update_by_shards(struct place *p);

/* Close it with stele_view_close(). */
struct stele_view open_verified(const char *image);

/* The place's image holds, byte for byte, the records of one that is built now. */
void check_like_new(struct place *p);

#define TEST(function)                                                                             \
	cmocka_unit_test_setup_teardown(function, build_place_open, build_place_close)

/* The groups of the other files; 0 if nothing failed. */
int test_build_flags(void);
int test_build_compact(void);
int test_build_damage(void);
int test_build_end(void);
int test_build_limits(void);
int test_build_moved(void);

#endif
