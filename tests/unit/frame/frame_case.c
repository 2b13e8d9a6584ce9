/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/frame/frame_case.h"

#include <stdlib.h>
#include <string.h>

struct stele_frame_settings settings;
struct stele_frame_port port;
uint8_t frame[FRAME_MODEL_MAX];

void configure(const struct stele_frame_settings *s)
{
	struct stele_error err = {""};
	settings = *s;
	if (stele_frame_port_init(&port, &settings, &err) != 0)
		fail_msg("%s", err.text);
}

int begin(void **state)
{
	(void)state;
	configure(&frame_model_settings);
	return 0;
}

uint32_t header_sz(unsigned family)
{
	return family == 4 ? 20 : 40;
}

void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct stele_frame parse(uint32_t len, uint32_t cap, uint32_t offload)
{
	struct stele_frame found = {0}, portable = {0}, expected = {0};
	uint8_t *exact = malloc(len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, frame, len);
	stele_frame_parse(&port, exact, len, cap, offload, &found);
	stele_frame_parse_portable(&port, exact, len, cap, offload, &portable);
	free(exact);
	assert_memory_equal(&portable, &found, sizeof(found));
	frame_model_parse(&settings, frame, len, cap, offload, &expected);
	if (memcmp(&found, &expected, sizeof(found)) != 0)
		fail_msg("verdict %d reason %d, the model says %d %d", found.verdict, found.reason,
			 expected.verdict, expected.reason);
	return found;
}

uint32_t make_reply(const struct stele_frame *f, const struct stele_reply *reply)
{
	uint8_t portable[sizeof(frame)];
	memcpy(portable, frame, sizeof(frame));
	struct stele_reply there = *reply;
	there.buf = portable + (reply->buf - frame);
	uint32_t len = stele_frame_reply(&port, f, frame, reply);
	assert_int_equal(stele_frame_reply_portable(&port, f, portable, &there), len);
	assert_memory_equal(portable, frame, sizeof(frame));
	return len;
}

void expect(uint32_t len, enum stele_frame_verdict verdict, unsigned reason)
{
	struct stele_frame f = parse(len, CAP, 0);
	if (f.verdict != verdict || f.reason != reason)
		fail_msg("verdict %d reason %d, expected %d %u", f.verdict, f.reason, verdict,
			 reason);
}

uint32_t query(unsigned family)
{
	struct frame_model_query q = frame_model_query(family);
	return frame_model_udp(frame, &q);
}

const unsigned families[2] = {4, 6};
