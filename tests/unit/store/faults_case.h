/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_FAULTS_CASE_H
#define STELE_TESTS_UNIT_STORE_FAULTS_CASE_H

/*
 * What the parts of test_store_faults share: a folder for a store, large commits, children. These open the store
 * themselves, because what LMDB has open does not survive a fork.
 */
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

/* Works in a child and in the test itself: prints and ends the process. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__,            \
				#condition, err.text);                                             \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

extern const uint8_t apex[13]; /* example.com. */
extern char dir[64];

/* These work in a child too. */
struct stele_store *open_store(enum stele_store_mode mode);
void commit_bulk(struct stele_store *store, uint32_t serial, uint32_t cnt);
/* Every owner holds the serial as its text; the serial. check_store() begins a read for that. */
uint32_t check_bulk(struct stele_store_read *read);
uint32_t check_store(struct stele_store *store);

/* Runs `body` in a child, which ends with the test. */
pid_t start(void (*body)(int fd), int fd);
/* Waits; the child has ended well. */
void expect_done(pid_t pid);
void kill_child(pid_t pid);

int setup(void **state);
int teardown(void **state);
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* The group of the other file; 0 if nothing failed. */
int test_store_processes(void);

#endif
