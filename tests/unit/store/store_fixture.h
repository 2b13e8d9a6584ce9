/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_STORE_FIXTURE_H
#define STELE_TESTS_UNIT_STORE_STORE_FIXTURE_H

/* An empty store in a folder of its own, for each test. */
#include "lib/store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct stele_store *store;
	struct stele_error err;
};

/* Fails the test with the text of the error. */
void ok(const struct fixture *f, int status);

/* Of cmocka: `*state` is a struct fixture. */
int setup(void **state);
int teardown(void **state);
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
