/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that are queries, and which they are not: addresses, ports, room for replies; links, VLAN tags and sizes;
 * and what the kernel gets. */
#include "tests/unit/frame/frame_case.h"

#include <stdlib.h>
#include <string.h>

/* ---- Queries ---- */

static void test_plain_query(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		uint32_t len = frame_model_udp(frame, &q);
		struct stele_frame f = parse(len, CAP, 0);
		assert_int_equal(f.verdict, STELE_FRAME_QUERY);
		assert_int_equal(f.payload_off, L3 + header_sz(family) + 8);
		assert_int_equal(f.payload_len, q.payload_len);
		assert_int_equal(f.payload_max, 1500 - header_sz(family) - 8);
		assert_int_equal(f.client_port, 40000);
		struct stele_query out;
		struct stele_reply reply;
		stele_frame_query(&f, frame, &out, &reply);
		assert_int_equal(out.client.family, family);
		assert_memory_equal(out.client.addr, q.source, family == 4 ? 4 : 16);
		assert_memory_equal(out.msg, q.payload, q.payload_len);
		assert_int_equal(out.len, q.payload_len);
		assert_false(out.tcp);
		assert_ptr_equal(reply.buf, out.msg);
		assert_int_equal(reply.cap, f.payload_max);
	}
}

static void test_empty_payload(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		q.payload_len = 0;
		expect_query(frame_model_udp(frame, &q));
	}
}

static void test_room_for_replies(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		assert_int_equal(parse(len, 1000, 0).payload_max,
				 1000 - L3 - header_sz(family) - 8);
		assert_true(parse(len, STELE_FRAME_CAP_MIN, 0).payload_max >= 512);
		struct stele_frame_settings narrow = frame_model_settings;
		narrow.mtu = 1280;
		configure(&narrow);
		assert_int_equal(parse(len, CAP, 0).payload_max, 1280 - header_sz(family) - 8);
		configure(&frame_model_settings);
	}
}

static void test_udp_ports(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		q.destination_port = 5353;
		expect_query(frame_model_udp(frame, &q));
		q.destination_port = 54;
		expect_punt(frame_model_udp(frame, &q), UDP_PORT);
		q.destination_port = 0;
		expect_punt(frame_model_udp(frame, &q), UDP_PORT);
	}
}

static void test_many_addresses(void **state)
{
	(void)state;
	static struct stele_frame_address many[STELE_FRAME_ADDRESSES_MAX];
	for (unsigned i = 0; i < STELE_FRAME_ADDRESSES_MAX; i++) {
		struct stele_client *a = &many[i].address;
		memset(a, 0, sizeof(*a));
		a->family = i % 2 == 0 ? 4 : 6;
		a->addr[0] = i % 2 == 0 ? 203 : 0x20;
		a->addr[1] = (uint8_t)(i / 2);
		a->addr[i % 2 == 0 ? 3 : 15] = 1;
	}
	struct stele_frame_settings s = frame_model_settings;
	s.addresses = many;
	s.address_cnt = STELE_FRAME_ADDRESSES_MAX;
	configure(&s);
	for (unsigned i = 0; i < STELE_FRAME_ADDRESSES_MAX; i++) {
		struct frame_model_query q = frame_model_query(many[i].address.family);
		memcpy(q.destination, many[i].address.addr, 16);
		expect_query(frame_model_udp(frame, &q));
		q.destination[q.family == 4 ? 3 : 15] = 2;
		expect_punt(frame_model_udp(frame, &q), ADDRESS);
	}
}

/* ---- The link ---- */

static void test_short_ethernet_frame(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		query(family);
		for (uint32_t len = 0; len < L3; len++)
			expect_drop(len, SHORT);
	}
}

static void test_mac_addresses(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		memset(frame + 6, 0xff, 6); /* from everybody */
		expect_drop(len, SOURCE_MAC);
		len = query(family);
		frame[6] |= 1; /* from a group */
		expect_drop(len, SOURCE_MAC);
		len = query(family);
		memcpy(frame + 6, frame_model_mac, 6); /* from ourselves */
		expect_drop(len, SOURCE_MAC);
		for (unsigned i = 0; i < 6; i++) {
			len = query(family);
			frame[i] ^= 2; /* a switch floods, or the port is promiscuous */
			expect_drop(len, OTHER_HOST);
		}
		len = query(family);
		memset(frame, 0xff, 6);
		expect_drop(len, LINK_GROUP);
		len = query(family);
		frame[0] = 0x33;
		frame[1] = 0x33;
		expect_drop(len, LINK_GROUP);
	}
}

static void test_group_addresses(void **state)
{
	(void)state;
	static const uint8_t groups4[][4] = {
		{224, 0, 0, 251}, {255, 255, 255, 255}, {10, 53, 0, 255}};
	for (size_t i = 0; i < 3; i++) {
		struct frame_model_query q = frame_model_query(4);
		memcpy(q.destination, groups4[i], 4);
		expect_punt(frame_model_udp(frame, &q), GROUP);
	}
	struct frame_model_query q = frame_model_query(6);
	memcpy(q.destination, (uint8_t[16]){0xff, 2, [15] = 0xfb}, 16);
	expect_punt(frame_model_udp(frame, &q), GROUP);
	expect_punt(frame_model_ip(frame, &q, 58, (uint8_t[8]){134}, 8), GROUP);
	expect_punt(frame_model_ip(frame, &q, 58, (uint8_t[8]){128}, 8), GROUP);
	expect_punt(frame_model_ip(frame, &q, 58, (uint8_t[1]){135}, 1), GROUP);
	expect_punt(frame_model_ip(frame, &q, 0, (uint8_t[8]){58}, 8), GROUP);
}

static void test_one_vlan_tag(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		q.tag = 0xe000; /* a priority and no VLAN */
		expect_query(frame_model_udp(frame, &q));
		q.tag = 7;
		uint32_t len = frame_model_udp(frame, &q);
		expect_punt(len, VLAN);
		struct stele_frame_settings s = frame_model_settings;
		s.vlan_id = 7;
		configure(&s);
		expect_query(len);
		assert_int_equal(parse(len, CAP, 0).payload_off, 18 + header_sz(family) + 8);
		frame[15] ^= 1;
		expect_drop(len, VLAN);
		frame[15] ^= 1;
		frame[14] |= 0xf0; /* priority and drop eligibility do not matter */
		expect_query(len);
		len = query(family);
		expect_drop(len, VLAN);
		/* A tag that the NIC took out. */
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 0xa007u << 16).verdict,
				 STELE_FRAME_QUERY);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 8u << 16).verdict,
				 STELE_FRAME_DROP);
		configure(&frame_model_settings);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 7u << 16).verdict,
				 STELE_FRAME_PUNT);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN).verdict, STELE_FRAME_QUERY);
	}
}

/* What another VLAN's hosts would tell the kernel of their neighbours, or ask of its services, on a port in VLAN 7. */
static void test_other_vlans(void **state)
{
	(void)state;
	static const uint8_t segment[20], all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct stele_frame_settings s = frame_model_settings;
	s.vlan_id = 7;
	configure(&s);
	for (unsigned type = 0x0800; type <= 0x86dd; type += 0x86dd - 0x0800) {
		struct frame_model_query q = frame_model_query(type == 0x0800 ? 4 : 6);
		for (q.tag = 6; q.tag <= 8; q.tag += 2)
			expect_drop(frame_model_ip(frame, &q, 6, segment, 20), VLAN);
		q.tag = 0xe000; /* a priority: of the network without a tag */
		expect_drop(frame_model_ip(frame, &q, 6, segment, 20), VLAN);
		q.tag = -1;
		expect_drop(frame_model_ip(frame, &q, 6, segment, 20), VLAN);
	}
	memcpy(frame, all, 6);
	put16(frame + 12, 0x0806);
	expect_drop(60, VLAN);
	put16(frame + 12, 0x8100);
	put16(frame + 14, 8);
	put16(frame + 16, 0x0806);
	expect_drop(60, VLAN);
	put16(frame + 16, 0x88cc);
	expect_drop(60, VLAN);
	put16(frame + 12, 0x88a8);
	put16(frame + 14, 7);
	expect_drop(60, VLAN);
}

/* Of the link and not of a VLAN: they never have a tag. Not so what only has such a destination. */
static void test_link_protocols_in_vlan(void **state)
{
	(void)state;
	static const uint8_t link[6] = {0x01, 0x80, 0xc2};
	static const unsigned types[] = {0x88cc, 0x8809, 38}, others[] = {0x0800, 0x0806, 0x86dd};
	struct stele_frame_settings s = frame_model_settings;
	s.vlan_id = 7;
	configure(&s);
	query(4);
	for (unsigned i = 0; i < 3; i++) {
		memcpy(frame, link, 6);
		for (unsigned last = 0; last < 16; last++) {
			frame[5] = (uint8_t)last;
			put16(frame + 12, types[i]);
			expect_punt(60, ETHERTYPE);
			put16(frame + 12, others[i]);
			expect_drop(60, VLAN);
		}
		put16(frame + 12, types[i]);
		frame[5] = 16;
		expect_drop(60, VLAN);
		put16(frame + 16, types[i]);
		put16(frame + 12, 0x8100);
		put16(frame + 14, 0);
		frame[5] = 14;
		expect_drop(60, VLAN);
	}
}

static void test_double_vlan(void **state)
{
	(void)state;
	static const unsigned types[] = {0x8100, 0x88a8, 0x9100};
	FOR_BOTH(family)
	{
		for (unsigned outer = 0; outer < 3; outer++) {
			for (unsigned inner = 0; inner < 3; inner++) {
				struct frame_model_query q = frame_model_query(family);
				q.tag = 0;
				uint32_t len = frame_model_udp(frame, &q);
				memmove(frame + 18, frame + 14, len - 14);
				put16(frame + 12, types[outer]);
				put16(frame + 16, types[inner]);
				expect_drop(len + 4, VLAN_NESTED);
			}
		}
		struct frame_model_query q = frame_model_query(family);
		q.tag = 0;
		uint32_t len = frame_model_udp(frame, &q);
		struct stele_frame f = parse(len, CAP, STELE_FRAME_RX_VLAN);
		assert_int_equal(f.verdict, STELE_FRAME_DROP);
		assert_int_equal(f.reason, STELE_FRAME_DROP_VLAN_NESTED);
		put16(frame + 12, 0x88a8);
		expect_punt(len, VLAN);
	}
}

static void test_jumbo(void **state)
{
	(void)state;
	static uint8_t large[9000];
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		q.payload = large;
		q.payload_len = 1500 - header_sz(family) - 8;
		expect_query(frame_model_udp(frame, &q));
		q.payload_len++;
		expect_drop(frame_model_udp(frame, &q), TOO_LONG);
		q.payload_len = 9000 - header_sz(family) - 8;
		uint32_t len = frame_model_udp(frame, &q);
		expect_drop(len, TOO_LONG);
		struct stele_frame_settings s = frame_model_settings;
		s.mtu = 9000;
		configure(&s);
		struct stele_frame f = parse(len, sizeof(frame), 0);
		assert_int_equal(f.verdict, STELE_FRAME_QUERY);
		assert_int_equal(f.payload_max, q.payload_len);
		configure(&frame_model_settings);
	}
}

/* ---- What the kernel gets ---- */

static void test_for_the_kernel(void **state)
{
	(void)state;
	static const uint8_t nothing[40];
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		expect_punt(frame_model_ip(frame, &q, 6, nothing, 20), TCP);
		expect_punt(frame_model_ip(frame, &q, 89, nothing, 20), PROTOCOL);
		unsigned icmp = family == 4 ? 1 : 58;
		uint8_t unreachable[8] = {family == 4 ? 3 : 1};
		expect_punt(frame_model_ip(frame, &q, icmp, unreachable, 8), ICMP);
		expect_punt(frame_model_ip(frame, &q, icmp, nothing, 0), ICMP);
		q.destination[family == 4 ? 3 : 15] ^= 0x40;
		expect_punt(frame_model_udp(frame, &q), ADDRESS);
		expect_punt(frame_model_ip(frame, &q, 6, nothing, 20), ADDRESS);
	}
	static const uint8_t lldp[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	uint32_t len = query(4);
	memcpy(frame, lldp, 6);
	put16(frame + 12, 0x88cc);
	expect_punt(len, ETHERTYPE);
	put16(frame + 12, 38); /* 802.3 */
	expect_punt(len, ETHERTYPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_query),   TEST(empty_payload),   TEST(room_for_replies),
		TEST(udp_ports),     TEST(many_addresses),  TEST(short_ethernet_frame),
		TEST(mac_addresses), TEST(group_addresses), TEST(one_vlan_tag),
		TEST(double_vlan),   TEST(other_vlans),     TEST(link_protocols_in_vlan),
		TEST(jumbo),         TEST(for_the_kernel),
	};
	return cmocka_run_group_tests_name("frame-query", tests, NULL, NULL);
}
