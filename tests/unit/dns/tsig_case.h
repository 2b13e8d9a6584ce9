/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_DNS_TSIG_CASE_H
#define STELE_TESTS_UNIT_DNS_TSIG_CASE_H

/* What the parts of test_tsig share: a set of keys, and messages. Functions fail the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/tsig/tsig.h"

#define NOW UINT64_C(1700000000)
#define SECRET "MDEyMzQ1Njc4OWFiY2RlZg=="

/* One key of each algorithm; k2short asks for less, k2 for all. */
extern const char keys_text[];
/* The set of them; set_up() makes it. */
extern struct stele_tsig_keys *keys;

#define ID_CNT 9
extern const char *const ids[ID_CNT]; /* of these keys */

struct stele_tsig_keys *load(const char *text);
const struct stele_tsig_key *key_named(const struct stele_tsig_keys *set, const char *id);

/* A message with a record in the additional section; a request or a reply is the same to TSIG. */
size_t make_message(uint8_t *msg, size_t max, uint16_t id, unsigned no);
/* A message of ours, signed by a client. */
size_t make_request(const struct stele_tsig_key *key, uint8_t *msg, size_t max, uint64_t now,
		    struct stele_tsig *client);

int set_up(void **state);
int tear_down(void **state);

/* The group of the other file; 0 if nothing failed. */
int test_tsig_keys(void);

#endif
