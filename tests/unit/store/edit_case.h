/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_EDIT_CASE_H
#define STELE_TESTS_UNIT_STORE_EDIT_CASE_H

/* What the parts of test_store_edit share: a zone that is edited in a store, and compared with its twin. Functions
 * fail the test. */
#include "tests/unit/store/journal.h"
#include "tests/unit/store/store_dump.h"
#include "tests/unit/store/store_model.h"
#include "tests/unit/store/two_stores.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const uint8_t apex[13];      /* example.com. */
extern const uint8_t other_apex[5]; /* net. */

struct stele_store_write *begin(struct two_stores *f, struct stele_store *store);
void commit(struct two_stores *f, struct stele_store_write *write);

/* Edits the zone so that it becomes `new` instead of `old`; what stele_store_zone_edit() returns. */
int apply(struct stele_store_write *write, const uint8_t *zone, const struct model *old,
	  const struct model *new, struct stele_zone_info *ret_info, struct stele_error *err);

/* As dump_read(); the caller frees the bytes, or has expect_same() do it. */
struct dump dump_store(struct two_stores *f, struct stele_store *store, uint64_t since,
		       uint32_t from_serial);
/* Frees both. */
void expect_same(struct dump a, struct dump b);

/* For journal_walk(); `user` is an unsigned. */
void count_step(void *user, const struct stele_journal_step *step);

#define TEST(function)                                                                             \
	cmocka_unit_test_setup_teardown(function, two_stores_setup, two_stores_teardown)

/* The groups of the other files; 0 if nothing failed. */
int test_store_nests(void);
int test_store_flags(void);

#endif
