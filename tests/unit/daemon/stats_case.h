/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_DAEMON_STATS_CASE_H
#define STELE_TESTS_UNIT_DAEMON_STATS_CASE_H

/* What the parts of test_stats share: one file of counters at a time. Functions fail the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/stats/layout.h"

extern char path[64]; /* of the file */
extern const struct stele_stats_place place;

struct stele_stats *create(uint32_t worker_cnt, uint32_t slot_cnt);
struct stele_stats_reader *open_reader(void);
struct stele_stats_snapshot take(const struct stele_stats_reader *reader, bool zones);

/* The groups of the other files, which need a tmpfs; 0 if nothing failed. */
int test_stats_file(void);
int test_stats_zones(void);

#endif
