/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_FRAME_FRAME_CASE_H
#define STELE_TESTS_UNIT_FRAME_FRAME_CASE_H

/*
 * What the tests of frames share: one port, one frame, and what is expected of it. Every frame is parsed in memory of
 * exactly its size, by the portable code too, and by the slow reading of frame_model.c too, which has to agree.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "responder/frame/wire.h"
#include "tests/unit/frame/frame_model.h"

enum {
	CAP = 2048,
	L3 = 14, /* without a tag */
};

/* Of the test under way. begin() makes the port from frame_model_settings. */
extern struct stele_frame_settings settings;
extern struct stele_frame_port port;
extern uint8_t frame[FRAME_MODEL_MAX];

void configure(const struct stele_frame_settings *s);
int begin(void **state);

uint32_t header_sz(unsigned family);
void put16(uint8_t *p, unsigned v);
unsigned get16(const uint8_t *p);

/* What becomes of the first `len` bytes of `frame`. */
struct stele_frame parse(uint32_t len, uint32_t cap, uint32_t offload);
/* Of the query in `frame`, by the code of this processor and by the portable one. */
uint32_t make_reply(const struct stele_frame *f, const struct stele_reply *reply);
void expect(uint32_t len, enum stele_frame_verdict verdict, unsigned reason);

#define expect_query(len) expect(len, STELE_FRAME_QUERY, 0)
#define expect_drop(len, why) expect(len, STELE_FRAME_DROP, STELE_FRAME_DROP_##why)
#define expect_punt(len, why) expect(len, STELE_FRAME_PUNT, STELE_FRAME_PUNT_##why)
#define expect_local(len, what) expect(len, STELE_FRAME_LOCAL, STELE_FRAME_LOCAL_##what)

/* An ordinary query in `frame`; returns its length. */
uint32_t query(unsigned family);

extern const unsigned families[2];
#define FOR_BOTH(family)                                                                           \
	for (unsigned i_ = 0, family = families[0]; i_ < 2; i_++, family = families[i_ & 1])

#define TEST(name) cmocka_unit_test_setup(test_##name, begin)

#endif
