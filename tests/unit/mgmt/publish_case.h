/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_MGMT_PUBLISH_CASE_H
#define STELE_TESTS_UNIT_MGMT_PUBLISH_CASE_H

/*
 * What the parts of test_mgmt_publish share: one world at a time, compilers that fail while a flag
 * is set, and what to wait for. Functions fail the test.
 */
#include "tests/unit/mgmt/publish_world.h"

#include <sys/types.h>

extern const char *real_compiler;
extern struct publish_world w;

/* A script that does `first` as long as the flag is set, else what is asked for. */
const char *script_until_flag(const char *first);
void set_flag(bool set);

/* Runs until `cnt` rounds more have failed, without the pauses between them. */
void run_failures(unsigned cnt);

/* Writes over `size` bytes of the image, at most 64. */
void damage(off_t at, size_t size);
/* Whether the mark is there that says in which boot the image was written. */
bool has_mark(void);

/* For world_run_until(). What is served may be waiting for the disk when it is quiet. */
bool has_compile_trouble(struct publish_world *world);
bool has_responder_trouble(struct publish_world *world);
bool has_image(struct publish_world *world);
bool is_quiet(struct publish_world *world);

/* The groups of the other files; 0 if nothing failed. */
int test_publish_compilers(void);
int test_publish_images(void);
int test_publish_crashes(void);

#endif
