/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_ANSWER_REQUEST_CASE_H
#define STELE_TESTS_UNIT_ANSWER_REQUEST_CASE_H

/*
 * What the parts of test_request share: messages put together by hand, one query at a time, and
 * what is expected of its reply. Every message is parsed twice, into a buffer of its own and in
 * place, from memory that ends with the message. Functions fail the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/plain.h"
#include "lib/base/bytes.h"

enum { FORMERR = STELE_RCODE_FORMERR, NOTIMP = STELE_RCODE_NOTIMP, REFUSED = STELE_RCODE_REFUSED };

struct msg {
	uint8_t bytes[70000];
	size_t len;
};

/* Begins the one message that there is, with these words of the header. */
struct msg *begin(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar);
void put(struct msg *m, const void *bytes, size_t len);
void put16(struct msg *m, unsigned v);
void put_question(struct msg *m, const char *name, unsigned type, unsigned class);
void put_rr(struct msg *m, const char *name, unsigned type, const void *rdata, size_t len);
/* `data` are the options; `lie` is added to their length. */
void put_opt(struct msg *m, unsigned size, unsigned version, unsigned flags, const void *data,
	     size_t len, int lie);

/* A query without EDNS, and one for www.example.com. A with it. */
struct msg *plain(const char *name, unsigned type, unsigned class);
struct msg *with_opt(unsigned size, unsigned version, unsigned flags, const void *data, size_t len);

/* Of the test under way. */
extern struct stele_answer_settings settings;
extern uint32_t now;
extern struct work *w;
extern struct stele_query query;
extern struct stele_reply reply;
extern uint8_t reply_buf[65535];
extern unsigned plain_cnt; /* messages that the short way could read */

bool ask_into(const uint8_t *msg, size_t len, uint8_t *buf, size_t cap);
/* The reply ends up in reply_buf. True if the query is one for the resolver. */
bool ask(const struct msg *m);
/* A word of the reply's header. */
unsigned word(unsigned i);

/* The query was decided: this rcode, the question echoed or not, an OPT or not, nothing else. */
void assert_error(const struct msg *m, unsigned rcode, bool question, bool opt);
void assert_punted(const struct msg *m);
void assert_dropped(const struct msg *m, enum stele_drop_reason reason);

int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The groups of the other files; 0 if nothing failed. */
int test_request_edns(void);
int test_request_reply(void);

#endif
