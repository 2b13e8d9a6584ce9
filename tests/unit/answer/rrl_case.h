/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_ANSWER_RRL_CASE_H
#define STELE_TESTS_UNIT_ANSWER_RRL_CASE_H

/*
 * What the parts of test_rrl share: one limiter at a time, its settings, and clients. Functions
 * fail the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/rrl_internal.h"

enum { SECOND = 1000000 };

extern struct stele_rrl *rrl;

/* Makes the limiter, in place of the one before it. */
void make(struct stele_rrl_settings *settings);
/* At the end of a group: frees what make() has left. */
int end(void **state);
/* All classes alike. */
struct stele_rrl_settings settings_of(uint32_t narrow, uint32_t wide);
struct stele_client client4(uint32_t address);
struct stele_client client6(uint64_t high, uint64_t low);

/* The group of the other file; 0 if nothing failed. */
int test_rrl_model(void);

#endif
