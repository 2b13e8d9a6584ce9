/* SPDX-License-Identifier: Apache-2.0 */
/* Replies are sound, whatever they are made of; settings of a port. */
#include "tests/unit/frame/frame_case.h"

#include <stdlib.h>
#include <string.h>

/* ---- Replies ---- */

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * bound >> 32);
}

/* Random queries and replies, with every kind of body: even, odd, empty, at either end. */
static void test_random_replies(void **state)
{
	(void)state;
	static uint8_t payload[FRAME_MODEL_MAX], asked[FRAME_MODEL_MAX];
	for (unsigned round = 0; round < 60000; round++) {
		struct frame_model_query q = frame_model_query(families[random_below(2)]);
		for (unsigned i = 1; i < 16; i++)
			q.source[i] = (uint8_t)random_below(256);
		q.source[0] = q.family == 4 ? 100 : 0x2a;
		q.source_port = (uint16_t)(1024 + random_below(60000));
		q.tag = random_below(3) == 0 ? (int)random_below(8) << 13 : -1;
		q.payload = payload;
		q.payload_len = random_below(120);
		for (uint32_t i = 0; i < sizeof(payload) && round % 64 == 0; i++)
			payload[i] = round % 128 == 0 ? 0xff : (uint8_t)random_below(256);
		uint32_t len = frame_model_udp(frame, &q);
		memcpy(asked, frame, len);
		struct stele_frame f = parse(len, CAP, 0);
		assert_int_equal(f.verdict, STELE_FRAME_QUERY);

		struct stele_query query;
		struct stele_reply reply = {0};
		stele_frame_query(&f, frame, &query, &reply);
		reply.len = random_below(4) == 0 ? random_below(24) : random_below(reply.cap + 1u);
		memcpy(reply.buf, payload + random_below(5000), reply.len);
		if (reply.len > 0 && random_below(5) != 0) {
			reply.body_off = (uint16_t)random_below(reply.len);
			uint32_t behind = reply.len - reply.body_off;
			/* Few bytes behind the body, as an OPT is, have a way of their own. */
			reply.body_len =
				(uint16_t)(random_below(2) == 0 ?
						   random_below(behind + 1) :
						   behind -
							   random_below(behind < 36 ? behind : 36));
			reply.body_sum = (uint16_t)frame_model_sum(0, reply.buf + reply.body_off,
								   reply.body_len);
		}
		uint32_t reply_len = make_reply(&f, &reply);
		const char *fault = frame_model_fault(&settings, frame, reply_len);
		if (fault != NULL)
			fail_msg("%s (reply %u, body %u at %u)", fault, reply.len, reply.body_len,
				 reply.body_off);
		const uint8_t *ip = frame + f.l3_off, *was = asked + f.l3_off;
		uint32_t at = q.family == 4 ? 12 : 8, sz = q.family == 4 ? 4 : 16;
		assert_memory_equal(frame, frame_model_peer, 6);
		assert_memory_equal(frame + 12, asked + 12, f.l3_off - 12);
		assert_memory_equal(ip + at, was + at + sz, sz);
		assert_memory_equal(ip + at + sz, was + at, sz);
		assert_memory_equal(ip + at + 2 * sz, was + at + 2 * sz + 2, 2);
		assert_memory_equal(ip + at + 2 * sz + 2, was + at + 2 * sz, 2);
		assert_int_equal(reply_len, f.payload_off + reply.len);
	}
}

/* A checksum that comes out as 0 is sent as its other form. */
static void test_reply_checksum_never_zero(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		unsigned seen = 0;
		for (unsigned v = 0; v < 65536; v++) {
			uint32_t len = query(family);
			struct stele_frame f = parse(len, CAP, STELE_FRAME_RX_UDP_GOOD);
			struct stele_query query;
			struct stele_reply reply = {0};
			stele_frame_query(&f, frame, &query, &reply);
			reply.len = 12;
			memset(reply.buf, 0, 12);
			put16(reply.buf, v);
			len = make_reply(&f, &reply);
			assert_null(frame_model_fault(&settings, frame, len));
			seen += get16(frame + L3 + header_sz(family) + 6) == 0xffff;
		}
		assert_int_equal(seen, 1);
	}
}

/* What the NIC completes: the pseudo-header's sum, not complemented; and no checksum of IPv4. */
static void test_reply_offload(void **state)
{
	(void)state;
	struct stele_frame_settings s = frame_model_settings;
	s.flags = STELE_FRAME_TX_IP_CKSUM | STELE_FRAME_TX_UDP_CKSUM;
	configure(&s);
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		struct stele_frame f = parse(len, CAP, 0);
		struct stele_query query;
		struct stele_reply reply = {0};
		stele_frame_query(&f, frame, &query, &reply);
		reply.len = 33;
		len = make_reply(&f, &reply);
		uint8_t *ip = frame + L3, *udp = ip + header_sz(family);
		uint32_t pseudo =
			frame_model_sum(17 + 41, ip + (family == 4 ? 12 : 8), family == 4 ? 8 : 32);
		assert_int_equal(get16(udp + 6), pseudo);
		if (family == 4)
			assert_int_equal(get16(ip + 10), 0);
		/* What the NIC then does makes it sound. */
		put16(udp + 6, ~frame_model_sum(0, udp, 41));
		if (family == 4)
			put16(ip + 10, ~frame_model_sum(0, ip, 20));
		assert_null(frame_model_fault(&settings, frame, len));
	}
}

/* ---- Settings ---- */

static void refused(const struct stele_frame_settings *s)
{
	struct stele_error err = {""};
	static struct stele_frame_port other;
	assert_int_equal(stele_frame_port_init(&other, s, &err), STELE_E_INPUT);
	assert_int_not_equal(err.text[0], '\0');
}

static void test_settings(void **state)
{
	(void)state;
	struct stele_frame_settings s;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		s = frame_model_settings;                                                          \
		change;                                                                            \
		refused(&s);                                                                       \
	} while (0)
	REFUSED(s.mac[0] = 1);
	REFUSED(memset(s.mac, 0, 6));
	REFUSED(s.mtu = STELE_FRAME_MTU_MIN - 1);
	REFUSED(s.mtu = STELE_FRAME_MTU_MAX + 1);
	REFUSED(s.mtu = STELE_FRAME_MTU_IPV6_MIN - 1);
	REFUSED(s.vlan_id = 4095);
	REFUSED(s.address_cnt = 0);
	REFUSED(s.address_cnt = STELE_FRAME_ADDRESSES_MAX + 1);
	REFUSED(s.udp_port_cnt = 0);
	REFUSED(s.udp_port_cnt = STELE_FRAME_UDP_PORTS_MAX + 1);
	REFUSED(s.udp_ports[1] = 0);
	static const struct stele_frame_address wrong[][2] = {
		{{{4, {10, 0, 0, 1}}, 0}, {{4, {10, 0, 0, 1}}, 24}},
		{{{4, {10, 0, 0, 1}}, 24}, {{4, {10, 0, 0, 255}}, 0}},
		{{{4, {10, 0, 0, 255}}, 0}, {{4, {10, 0, 0, 1}}, 24}},
		{{{4, {10, 0, 0, 1}}, 24}, {{4, {224, 0, 0, 1}}, 24}},
		{{{4, {0}}, 24}, {{4, {10, 0, 0, 1}}, 24}},
		{{{4, {127, 0, 0, 1}}, 24}, {{4, {10, 0, 0, 1}}, 24}},
		{{{5, {10, 0, 0, 1}}, 24}, {{4, {10, 0, 0, 2}}, 24}},
		{{{6, {0xff, 2}}, 64}, {{4, {10, 0, 0, 2}}, 24}},
		{{{6, {[15] = 1}}, 64}, {{4, {10, 0, 0, 2}}, 24}},
		{{{6, {0xfd, [15] = 1}}, 64}, {{6, {0xfd, [15] = 1}}, 64}},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		REFUSED(s.addresses = wrong[i]; s.address_cnt = 2);
	static const struct stele_frame_address one6 = {{6, {0xfd, [15] = 1}}, 64};
	REFUSED(s.addresses = &one6; s.address_cnt = 1; s.mtu = STELE_FRAME_MTU_IPV6_MIN - 1);
	/* Without IPv6 less will do. */
	s = frame_model_settings;
	s.mtu = STELE_FRAME_MTU_MIN;
	s.address_cnt = 2;
	configure(&s);
	uint32_t len = query(4);
	assert_int_equal(parse(len, CAP, 0).payload_max, STELE_FRAME_MTU_MIN - 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_replies),
		TEST(reply_checksum_never_zero),
		TEST(reply_offload),
		TEST(settings),
	};
	return cmocka_run_group_tests_name("frame-reply", tests, NULL, NULL);
}
