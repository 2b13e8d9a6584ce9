/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_STORE_CASE_H
#define STELE_TESTS_UNIT_STORE_STORE_CASE_H

/*
 * What the parts of test_store share: zones that are put into a store, and what is expected of its
 * contents, its changes and its journals. Functions fail the test.
 */
#include "tests/unit/store/journal.h"
#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/store_model.h"

extern const uint8_t apex[13];      /* example.com. */
extern const uint8_t other_apex[5]; /* net. */
extern const uint8_t root[1];

/* Replaces the zone by the model in a transaction of its own; the new generation. */
uint64_t store_model(struct fixture *f, const uint8_t *zone, const struct model *model,
		     struct stele_zone_info *ret_info);
/* The zone holds exactly the model, and its counts are right. */
void check_zone(struct fixture *f, const uint8_t *zone, const struct model *model);

/* What the store told, as text. */
struct seen {
	char text[4096];
	size_t len;
};

/* For stele_store_changes(); `user` is a struct seen. */
int see_change(void *user, const struct stele_change *change);
void expect_changes(struct fixture *f, uint64_t since, const char *expected);
/* The steps of the journal from the serial `from` on, as "10-11 11-12 "; NULL: there is no way from there. */
void expect_steps(struct fixture *f, uint32_t zone_id, uint32_t from, const char *expected);
/* The journal leads from `old` to `new`, and says how long it is. */
void expect_journal(struct fixture *f, uint32_t zone_id, uint32_t from, const struct model *old,
		    const struct model *new);

/* The groups of the other files; 0 if nothing failed. */
int test_store_changes(void);
int test_store_random(void);

#endif
