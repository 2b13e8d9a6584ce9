/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_SERVE_SERVE_CASE_H
#define STELE_TESTS_UNIT_SERVE_SERVE_CASE_H

/*
 * What the parts of test_serve share: the images that its command line names, loading them, and
 * what is expected to be served afterwards. Functions fail the test.
 */
#include "responder/serve/internal.h"
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/image/image_seal.h"
#include "tests/unit/serve/serve_versions.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ARENA_SZ ((size_t)256 << 20)
#define VERSIONS_MAX 32
#define PAIRS 3

/* An apex that every version has, in wire format. */
extern const uint8_t plain_zone[12];

extern struct image_bytes small, other, versions[VERSIONS_MAX], pairs[PAIRS];
extern int fds[VERSIONS_MAX]; /* of the versions */
extern unsigned version_cnt;
extern struct stele_answerer *answerer;

void load(struct stele_serve *serve, int fd, struct stele_serve_load_info *ret_info);
/* The version counts from 1. */
void expect_version(const struct stele_serve *serve, unsigned version);
/* Many answers are those of the file of version `i`, which counts from 0. */
void expect_answers(const struct stele_serve *serve, unsigned i);

/* Tries to load; what is served must be as it was. True if it was accepted (and then rolled back). */
bool try_load(struct stele_serve *serve, const uint8_t *bytes, size_t size);
/* Whether the image is accepted as a whole. */
bool verifies(const uint8_t *bytes, size_t size);

/* The groups of the other files; 0 if nothing failed. */
int test_serve_refused(void);
int test_serve_mixed(void);
int test_serve_grace(void);

#endif
