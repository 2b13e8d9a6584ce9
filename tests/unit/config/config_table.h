/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_CONFIG_CONFIG_TABLE_H
#define STELE_TESTS_UNIT_CONFIG_CONFIG_TABLE_H

/*
 * What the parts of test_config share: a table with every type, what comes of texts by it, and
 * what they are told. Functions fail the test.
 */
#include "lib/config/config.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct inner {
	uint8_t small;
	const char *text;
};

struct outer {
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	uint64_t size, duration;
	const char *text, *path, *word;
	int choice;
	struct stele_config_address address;
	struct stele_config_prefix prefix, interface;
	struct stele_config_mac mac;
	struct stele_config_pairs pairs;
	struct inner inner;
	STELE_CONFIG_LIST(uint16_t) numbers;
	STELE_CONFIG_LIST(const char *) texts;
	STELE_CONFIG_LIST(struct inner) inners;
	char *derived;
};

extern const char *const choices[4]; /* of `choice` */
extern const struct stele_config_schema schema;
extern struct stele_config_faults faults; /* of the text before now */

/* A check of an option: the number is odd. */
int check_odd(const void *value, struct stele_error *reterr);

#define OUTER(field) STELE_CONFIG_AT(outer, field), .help = "Help."

/* The struct that `text` gives; it lives until the next call or the end of the test. */
const struct outer *parse(const char *text);
/* `text` has exactly one fault, that one. */
void refuse(const char *text, const char *expected);
/* At the end of a group: frees what parse() has left. */
int free_config(void **state);

/* The groups of the other files; 0 if nothing failed. */
int test_config_values(void);
int test_config_secrets(void);

#endif
