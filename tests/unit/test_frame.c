/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: each that an attacker may send, over IPv4 and IPv6; what is answered here; and that replies are
 * sound. Every frame is parsed in memory of exactly its size, and by the slow reading of
 * frame_model.c too, which has to agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/frame_model.h"

#include <stdlib.h>
#include <string.h>

enum {
	CAP = 2048,
	L3 = 14, /* without a tag */
};

static struct stele_frame_settings settings;
static struct stele_frame_port port;
static uint8_t frame[FRAME_MODEL_MAX];

static void configure(const struct stele_frame_settings *s)
{
	struct stele_error err = {""};
	settings = *s;
	if (stele_frame_port_init(&port, &settings, &err) != 0)
		fail_msg("%s", err.text);
}

static int begin(void **state)
{
	(void)state;
	configure(&frame_model_settings);
	return 0;
}

static uint32_t header_sz(unsigned family)
{
	return family == 4 ? 20 : 40;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static struct stele_frame parse(uint32_t len, uint32_t cap, uint32_t offload)
{
	struct stele_frame found = {0}, expected = {0};
	uint8_t *exact = malloc(len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, frame, len);
	stele_frame_parse(&port, exact, len, cap, offload, &found);
	free(exact);
	frame_model_parse(&settings, frame, len, cap, offload, &expected);
	if (memcmp(&found, &expected, sizeof(found)) != 0)
		fail_msg("verdict %d reason %d, the model says %d %d", found.verdict, found.reason,
			 expected.verdict, expected.reason);
	return found;
}

static void expect(uint32_t len, enum stele_frame_verdict verdict, unsigned reason)
{
	struct stele_frame f = parse(len, CAP, 0);
	if (f.verdict != verdict || f.reason != reason)
		fail_msg("verdict %d reason %d, expected %d %u", f.verdict, f.reason, verdict,
			 reason);
}

#define expect_query(len) expect(len, STELE_FRAME_QUERY, 0)
#define expect_drop(len, why) expect(len, STELE_FRAME_DROP, STELE_FRAME_DROP_##why)
#define expect_punt(len, why) expect(len, STELE_FRAME_PUNT, STELE_FRAME_PUNT_##why)
#define expect_local(len, what) expect(len, STELE_FRAME_LOCAL, STELE_FRAME_LOCAL_##what)

/* An ordinary query in `frame`; returns its length. */
static uint32_t query(unsigned family)
{
	struct frame_model_query q = frame_model_query(family);
	return frame_model_udp(frame, &q);
}

static const unsigned families[2] = {4, 6};
#define FOR_BOTH(family)                                                                           \
	for (unsigned i_ = 0, family = families[0]; i_ < 2; i_++, family = families[i_ & 1])

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

/* ---- The network's part of hostile input ---- */

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

static void test_every_truncation(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		for (int tag = -1; tag <= 0; tag++) {
			struct frame_model_query q = frame_model_query(family);
			q.tag = tag;
			uint32_t len = frame_model_udp(frame, &q);
			for (uint32_t cut = 0; cut < len; cut++)
				assert_int_equal(parse(cut, CAP, 0).verdict, STELE_FRAME_DROP);
			expect_query(len);
		}
		uint32_t len = frame_model_echo(frame, family, 56);
		for (uint32_t cut = 0; cut < len; cut++)
			assert_int_equal(parse(cut, CAP, 0).verdict, STELE_FRAME_DROP);
	}
	uint32_t len = frame_model_arp(frame, 1, frame_model_peer, (uint8_t[4]){10, 53, 0, 9},
				       (uint8_t[4]){10, 53, 0, 2});
	for (uint32_t cut = 0; cut < len; cut++)
		expect_drop(cut, SHORT);
}

static void test_ihl_below_5(void **state)
{
	(void)state;
	for (unsigned ihl = 0; ihl < 5; ihl++) {
		uint32_t len = query(4);
		frame[L3] = (uint8_t)(0x40 | ihl);
		expect_drop(len, IP_HEADER);
	}
}

static void test_ihl_above_5_and_options(void **state)
{
	(void)state;
	for (unsigned ihl = 6; ihl < 16; ihl++) {
		/* Options of no-operation, then the datagram. */
		struct frame_model_query q = frame_model_query(4);
		uint8_t payload[100];
		memset(payload, 1, sizeof(payload));
		uint32_t len = frame_model_ip(frame, &q, 17, payload, sizeof(payload));
		frame[L3] = (uint8_t)(0x40 | ihl);
		expect_punt(len, OPTIONS);
		/* A header longer than the packet, and than the frame. */
		put16(frame + L3 + 2, 4 * ihl - 1);
		expect_drop(len, IP_LENGTH);
		put16(frame + L3 + 2, 4 * ihl);
		expect_drop(L3 + 4 * ihl - 1, IP_LENGTH);
		expect_punt(L3 + 4 * ihl, OPTIONS);
	}
}

static void test_wrong_version(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		for (unsigned version = 0; version < 16; version++) {
			uint32_t len = query(family);
			frame[L3] = (uint8_t)(version << 4 | (frame[L3] & 15));
			if (version == family)
				expect_query(len);
			else
				expect_drop(len, IP_HEADER);
		}
	}
}

static void test_total_length(void **state)
{
	(void)state;
	/* Padding behind the packet is fine: Ethernet's frames have 60 bytes at least. */
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		memset(frame + len, 0xee, 400);
		expect_query(len + 1);
		expect_query(len + 400);
	}
	uint32_t len = query(4);
	put16(frame + L3 + 2, len - L3 + 1);
	expect_drop(len, IP_LENGTH);
	put16(frame + L3 + 2, 0xffff);
	expect_drop(len, IP_LENGTH);
	put16(frame + L3 + 2, 19);
	expect_drop(len, IP_LENGTH);
	put16(frame + L3 + 2, 0);
	expect_drop(len, IP_LENGTH);
	len = query(6);
	put16(frame + L3 + 4, len - L3 - 40 + 1);
	expect_drop(len, IP_LENGTH);
	put16(frame + L3 + 4, 0xffff);
	expect_drop(len, IP_LENGTH);
	/* Smaller than what UDP says. */
	FOR_BOTH(family)
	{
		len = query(family);
		uint8_t *total = frame + L3 + (family == 4 ? 2 : 4);
		put16(total, get16(total) - 1);
		if (family == 4) {
			put16(frame + L3 + 10, 0);
			put16(frame + L3 + 10, ~frame_model_sum(0, frame + L3, 20));
		}
		expect_drop(len, UDP_LENGTH);
	}
}

static void test_no_room_for_udp(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		uint8_t udp[8] = {0x99, 0x99, 0, 53, 0, 8};
		for (uint32_t room = 0; room < 8; room++)
			expect_drop(frame_model_ip(frame, &q, 17, udp, room), UDP_LENGTH);
	}
}

static void test_ipv4_fragments(void **state)
{
	(void)state;
	static const struct {
		unsigned flags;
		bool is_fragment;
	} cases[] = {
		{0x2000, true},                  /* first */
		{0x2001, true},                  /* one in between */
		{0x0001, true},                  /* last */
		{0x1fff, true},  {0x6000, true}, /* first, with DF */
		{0x4000, false},                 /* DF */
		{0x8000, false},                 /* the reserved bit */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t len = query(4);
		put16(frame + L3 + 6, cases[i].flags);
		frame_model_seal(frame, L3);
		if (cases[i].is_fragment)
			expect_drop(len, FRAGMENT);
		else
			expect_query(len);
		/* Of other protocols the kernel collects fragments; of ICMP nobody does. */
		frame[L3 + 9] = 6;
		expect_punt(len, TCP);
		frame[L3 + 9] = 47;
		expect_punt(len, PROTOCOL);
		len = frame_model_echo(frame, 4, 10);
		put16(frame + L3 + 6, cases[i].flags);
		frame_model_seal(frame, L3);
		if (cases[i].is_fragment)
			expect_drop(len, FRAGMENT);
		else
			expect_local(len, ECHO4);
	}
}

/* A query behind extension headers: `cnt` of them, of the types given, each of 8 bytes. */
static uint32_t chained(const uint8_t *types, unsigned cnt)
{
	static uint8_t datagram[FRAME_MODEL_MAX], payload[FRAME_MODEL_MAX];
	struct frame_model_query q = frame_model_query(6);
	uint32_t len = frame_model_udp(datagram, &q) - L3 - 40;
	memset(payload, 0, 8 * cnt);
	for (unsigned i = 0; i < cnt; i++)
		payload[8 * i] = i + 1 < cnt ? types[i + 1] : 17;
	memcpy(payload + 8 * cnt, datagram + L3 + 40, len);
	return frame_model_ip(frame, &q, types[0], payload, 8 * cnt + len);
}

static void test_ipv6_extension_headers(void **state)
{
	(void)state;
	static const uint8_t hop_by_hop[] = {0}, routing[] = {43}, destination[] = {60};
	static const uint8_t chain[] = {0, 60, 43, 51, 60, 135, 139, 140, 60};
	expect_punt(chained(hop_by_hop, 1), EXTENSION);
	expect_punt(chained(routing, 1), EXTENSION);
	expect_punt(chained(destination, 1), EXTENSION);
	for (unsigned cnt = 1; cnt <= 8; cnt++)
		expect_punt(chained(chain, cnt), EXTENSION);
	expect_drop(chained(chain, 9), EXTENSION);
	/* Hop-by-hop options stand first or nowhere. */
	static const uint8_t late[] = {60, 0};
	expect_drop(chained(late, 2), EXTENSION);
	/* A header that reaches past the packet; then one that is cut off. */
	uint32_t len = chained(destination, 1);
	frame[L3 + 40 + 1] = 255;
	expect_drop(len, EXTENSION);
	struct frame_model_query q = frame_model_query(6);
	uint8_t nothing[8] = {17};
	for (uint32_t room = 0; room < 8; room++)
		expect_drop(frame_model_ip(frame, &q, 60, nothing, room), EXTENSION);
	/* No next header. */
	expect_punt(frame_model_ip(frame, &q, 59, nothing, 8), PROTOCOL);
}

static void test_ipv6_fragments(void **state)
{
	(void)state;
	static const uint8_t alone[] = {44}, behind[] = {0, 60, 44}, before[] = {44, 60};
	static const struct {
		const uint8_t *types;
		unsigned cnt, at;
	} chains[] = {{alone, 1, 0}, {behind, 3, 2}, {before, 2, 0}};
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		uint32_t len = chained(chains[i].types, chains[i].cnt);
		uint8_t *fragment = frame + L3 + 40 + 8 * chains[i].at;
		put16(fragment + 2, 0x0001); /* first */
		expect_drop(len, FRAGMENT);
		put16(fragment + 2, 0x0009); /* in between */
		expect_drop(len, FRAGMENT);
		put16(fragment + 2, 0x0008); /* last */
		expect_drop(len, FRAGMENT);
		/* A whole packet that only looks like one (RFC 6946); reserved bits are ignored. */
		put16(fragment + 2, 0x0006);
		expect_punt(len, EXTENSION);
	}
	/* Of TCP the kernel collects fragments. */
	uint32_t len = chained(alone, 1);
	frame[L3 + 40] = 6;
	put16(frame + L3 + 42, 0x0008);
	expect_punt(len, EXTENSION);
	frame[L3 + 40] = 58;
	expect_drop(len, FRAGMENT);
}

static void test_udp_length_lies(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		static const unsigned lies[] = {0, 1, 7, 38, 0x8000, 0xffff};
		for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			uint32_t len = query(family);
			put16(frame + L3 + header_sz(family) + 4, lies[i]);
			expect_drop(len, UDP_LENGTH);
		}
		/* A datagram shorter than what IP carries: the rest is not part of it. */
		uint32_t len = query(family);
		put16(frame + L3 + header_sz(family) + 4, 20);
		frame_model_seal(frame, L3);
		struct stele_frame f = parse(len, CAP, 0);
		assert_int_equal(f.verdict, STELE_FRAME_QUERY);
		assert_int_equal(f.payload_len, 12);
	}
}

static void test_udp_checksum_zero(void **state)
{
	(void)state;
	uint32_t len = query(4);
	put16(frame + L3 + 20 + 6, 0);
	expect_query(len);
	len = query(6);
	put16(frame + L3 + 40 + 6, 0);
	expect_drop(len, UDP_CHECKSUM);
}

static void test_udp_checksum_wrong(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		/* Each bit of what it covers: addresses, ports, length, checksum, payload. */
		uint32_t from = L3 + (family == 4 ? 12 : 8);
		for (uint32_t bit = 8 * (L3 + header_sz(family)); bit < 8 * len; bit++) {
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			struct stele_frame f = parse(len, CAP, 0);
			assert_int_not_equal(f.verdict, STELE_FRAME_QUERY);
			if (bit >= 8 * (L3 + header_sz(family) + 6))
				expect_drop(len, UDP_CHECKSUM);
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		frame[from] ^= 4;
		if (family == 4) {
			put16(frame + L3 + 10, 0);
			put16(frame + L3 + 10, ~frame_model_sum(0, frame + L3, 20));
		}
		expect_drop(len, UDP_CHECKSUM);
	}
}

static void test_ip_checksum_wrong(void **state)
{
	(void)state;
	uint32_t len = query(4);
	for (uint32_t i = 0; i < 16; i++) {
		frame[L3 + 10 + i / 8] ^= (uint8_t)(1 << i % 8);
		expect_drop(len, IP_CHECKSUM);
		frame[L3 + 10 + i / 8] ^= (uint8_t)(1 << i % 8);
	}
	frame_model_echo(frame, 4, 1);
	frame[L3 + 11] ^= 1;
	expect_drop(len, IP_CHECKSUM);
}

/* What the NIC has checked is not checked again, and only that. */
static void test_checksum_offload(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		uint32_t len = query(family);
		frame[len - 1] ^= 1;
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_UDP_GOOD).verdict,
				 STELE_FRAME_QUERY);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_IP_GOOD).verdict, STELE_FRAME_DROP);
	}
	uint32_t len = query(4);
	frame[L3 + 10] ^= 1;
	assert_int_equal(parse(len, CAP, STELE_FRAME_RX_IP_GOOD).verdict, STELE_FRAME_QUERY);
	assert_int_equal(parse(len, CAP, STELE_FRAME_RX_UDP_GOOD).verdict, STELE_FRAME_DROP);
}

static void test_source_address(void **state)
{
	(void)state;
	static const struct {
		uint8_t address[4];
		bool fine;
	} cases4[] = {
		{{10, 53, 0, 2}, false},   /* that of the destination */
		{{192, 0, 2, 1}, false},   /* another of ours */
		{{10, 53, 0, 255}, false}, /* broadcast address of the link */
		{{192, 0, 2, 255}, true},  /* no broadcast address without a prefix length */
		{{255, 255, 255, 255}, false}, {{240, 0, 0, 1}, false},
		{{224, 0, 0, 1}, false},       {{239, 255, 255, 255}, false},
		{{127, 0, 0, 1}, false},       {{0, 0, 0, 0}, false},
		{{0, 1, 2, 3}, false},         {{223, 255, 255, 254}, true},
		{{10, 53, 0, 254}, true},      {{169, 254, 1, 1}, true},
		{{1, 0, 0, 0}, true},
	};
	for (size_t i = 0; i < sizeof(cases4) / sizeof(cases4[0]); i++) {
		struct frame_model_query q = frame_model_query(4);
		memcpy(q.source, cases4[i].address, 4);
		uint32_t len = frame_model_udp(frame, &q);
		if (cases4[i].fine)
			expect_query(len);
		else
			expect_drop(len, SOURCE_ADDRESS);
	}
	static const struct {
		uint8_t address[16];
		bool fine;
	} cases6[] = {
		{{0xfd, 0x53, [15] = 2}, false},
		{{0x20, 1, 0x0d, 0xb8, [15] = 1}, false},
		{{0}, false},
		{{[15] = 1}, false},
		{{[10] = 0xff, 0xff, 192, 0, 2, 77}, false},
		{{0xff, 2, [15] = 1}, false},
		{{0xff, 0x0e, [15] = 1}, false},
		{{0xfe, 0x80, [15] = 1}, true},
		{{0xfd, 0x53, [15] = 3}, true},
		{{0, 0x64, 0xff, 0x9b, [15] = 9}, true}, /* NAT64 */
	};
	for (size_t i = 0; i < sizeof(cases6) / sizeof(cases6[0]); i++) {
		struct frame_model_query q = frame_model_query(6);
		memcpy(q.source, cases6[i].address, 16);
		uint32_t len = frame_model_udp(frame, &q);
		if (cases6[i].fine)
			expect_query(len);
		else
			expect_drop(len, SOURCE_ADDRESS);
	}
	FOR_BOTH(family)
	{
		uint32_t len = frame_model_echo(frame, family, 8);
		memcpy(frame + L3 + (family == 4 ? 12 : 8), frame + L3 + (family == 4 ? 16 : 24),
		       family == 4 ? 4 : 16);
		frame_model_seal(frame, L3);
		expect_drop(len, SOURCE_ADDRESS);
	}
}

static void test_source_port(void **state)
{
	(void)state;
	static const uint16_t reflecting[] = {0, 7, 13, 17, 19, 37}, listed[] = {53, 65535};
	static const uint16_t fine[] = {1, 18, 20, 53, 63, 64, 65535};
	FOR_BOTH(family)
	{
		struct frame_model_query q = frame_model_query(family);
		for (size_t i = 0; i < sizeof(reflecting) / sizeof(reflecting[0]); i++) {
			q.source_port = reflecting[i];
			expect_drop(frame_model_udp(frame, &q), SOURCE_PORT);
		}
		for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
			q.source_port = fine[i];
			expect_query(frame_model_udp(frame, &q));
		}
		struct stele_frame_settings s = frame_model_settings;
		s.reflector_ports = listed;
		s.reflector_port_cnt = 2;
		configure(&s);
		for (size_t i = 0; i < 2; i++) {
			q.source_port = listed[i];
			expect_drop(frame_model_udp(frame, &q), SOURCE_PORT);
		}
		q.source_port = 0;
		expect_drop(frame_model_udp(frame, &q), SOURCE_PORT);
		q.source_port = 19;
		expect_query(frame_model_udp(frame, &q));
		configure(&frame_model_settings);
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
		expect_punt(len, VLAN);
		frame[15] ^= 1;
		frame[14] |= 0xf0; /* priority and drop eligibility do not matter */
		expect_query(len);
		len = query(family);
		expect_punt(len, VLAN);
		/* A tag that the NIC took out. */
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 0xa007u << 16).verdict,
				 STELE_FRAME_QUERY);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 8u << 16).verdict,
				 STELE_FRAME_PUNT);
		configure(&frame_model_settings);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN | 7u << 16).verdict,
				 STELE_FRAME_PUNT);
		assert_int_equal(parse(len, CAP, STELE_FRAME_RX_VLAN).verdict, STELE_FRAME_QUERY);
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

/* ---- What is answered here ---- */

static const uint8_t asker4[4] = {10, 53, 0, 9}, ours4[4] = {10, 53, 0, 2}, any4[4];
static const uint8_t asker6[16] = {0xfe, 0x80, [15] = 9}, ours6[16] = {0xfd, 0x53, [15] = 2};
static const uint8_t unspecified[16], all_nodes[16] = {0xff, 2, [15] = 1};

/* Answers the frame in place. Returns the length of the reply. */
static uint32_t answer(uint32_t len)
{
	struct stele_frame f = parse(len, CAP, 0);
	assert_int_equal(f.verdict, STELE_FRAME_LOCAL);
	uint32_t reply_len = stele_frame_local_reply(&port, &f, frame);
	const char *fault = frame_model_fault(&settings, frame, reply_len);
	if (fault != NULL)
		fail_msg("%s", fault);
	return reply_len;
}

static void test_arp(void **state)
{
	(void)state;
	/* A request, and a probe of whether the address is free. */
	for (int probe = 0; probe < 2; probe++) {
		const uint8_t *sender = probe ? any4 : asker4;
		uint32_t len = frame_model_arp(frame, 1, frame_model_peer, sender, ours4);
		expect_local(len, ARP);
		expect_local(60, ARP);
		assert_int_equal(answer(len), 42);
		assert_memory_equal(frame, frame_model_peer, 6);
		assert_int_equal(get16(frame + 20), 2);
		assert_memory_equal(frame + 22, frame_model_mac, 6);
		assert_memory_equal(frame + 28, ours4, 4);
		assert_memory_equal(frame + 32, frame_model_peer, 6);
		assert_memory_equal(frame + 38, sender, 4);
	}
	/* Replies, foreign targets, and who claims our address are the kernel's. */
	expect_punt(frame_model_arp(frame, 2, frame_model_peer, asker4, ours4), ARP);
	expect_punt(frame_model_arp(frame, 1, frame_model_peer, asker4, asker4), ARP);
	expect_punt(frame_model_arp(frame, 1, frame_model_peer, ours4, ours4), ARP);
	uint8_t broadcast4[4] = {10, 53, 0, 255};
	expect_punt(frame_model_arp(frame, 1, frame_model_peer, asker4, broadcast4), ARP);
	for (unsigned i = 14; i < 20; i++) {
		uint32_t len = frame_model_arp(frame, 1, frame_model_peer, asker4, ours4);
		frame[i] ^= 1;
		expect_punt(len, ARP);
	}
	expect_drop(frame_model_arp(frame, 1, (uint8_t[6]){1}, asker4, ours4), ARP);
	expect_drop(frame_model_arp(frame, 1, frame_model_mac, asker4, ours4), ARP);
	expect_drop(frame_model_arp(frame, 1, frame_model_peer, broadcast4, ours4), ARP);
}

static void test_solicitation(void **state)
{
	(void)state;
	uint32_t len = frame_model_solicitation(frame, asker6, ours6);
	expect_local(len, NS);
	assert_int_equal(answer(len), 86);
	assert_memory_equal(frame, frame_model_peer, 6);
	const uint8_t *ip = frame + L3, *nd = ip + 40;
	assert_int_equal(ip[7], 255);
	assert_memory_equal(ip + 8, ours6, 16);
	assert_memory_equal(ip + 24, asker6, 16);
	assert_int_equal(nd[0], 136);
	assert_int_equal(nd[4], 0x60); /* solicited, override; no router */
	assert_memory_equal(nd + 8, ours6, 16);
	assert_memory_equal(nd + 24, ((uint8_t[2]){2, 1}), 2);
	assert_memory_equal(nd + 26, frame_model_mac, 6);
	/* Straight to the address, without an option, in a frame to us: a check of reachability. */
	len = frame_model_solicitation(frame, asker6, ours6);
	memcpy(frame, frame_model_mac, 6);
	memcpy(frame + L3 + 24, ours6, 16);
	put16(frame + L3 + 4, 24);
	frame_model_seal(frame, L3);
	expect_local(len, NS);
	assert_int_equal(answer(len), 86);
}

static void test_duplicate_address_detection(void **state)
{
	(void)state;
	uint32_t len = frame_model_solicitation(frame, unspecified, ours6);
	expect_local(len, NS);
	assert_int_equal(answer(len), 86);
	assert_memory_equal(frame, ((uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}), 6);
	assert_memory_equal(frame + L3 + 24, all_nodes, 16);
	assert_int_equal(frame[L3 + 44], 0x20); /* not solicited */
	/* Not to the solicited-node group; with a source option. */
	len = frame_model_solicitation(frame, unspecified, ours6);
	memcpy(frame + L3 + 24, all_nodes, 16);
	frame_model_seal(frame, L3);
	expect_drop(len, ICMP);
	frame_model_solicitation(frame, asker6, ours6);
	memset(frame + L3 + 8, 0, 16);
	frame_model_seal(frame, L3);
	expect_drop(len + 8, ICMP);
}

static void test_bad_solicitation(void **state)
{
	(void)state;
	uint32_t len = frame_model_solicitation(frame, asker6, asker6);
	expect_punt(len, ICMP);
	frame_model_solicitation(frame, asker6, ours6);
	frame[L3 + 7] = 254; /* came over a router */
	expect_drop(len, ICMP);
	frame_model_solicitation(frame, asker6, ours6);
	frame[L3 + 41] = 1; /* code */
	frame_model_seal(frame, L3);
	expect_drop(len, ICMP);
	frame_model_solicitation(frame, asker6, ours6);
	frame[L3 + 43] ^= 1; /* checksum */
	expect_drop(len, ICMP);
	for (unsigned option_len = 0; option_len < 4; option_len += 2) {
		frame_model_solicitation(frame, asker6, ours6);
		frame[L3 + 40 + 25] = (uint8_t)option_len; /* endless; past the end */
		frame_model_seal(frame, L3);
		expect_drop(len, ICMP);
	}
	frame_model_solicitation(frame, all_nodes, ours6);
	expect_drop(len, ICMP);
	/* Cut inside the target, and inside an option. */
	for (unsigned nd_len = 2; nd_len < 32; nd_len++) {
		frame_model_solicitation(frame, asker6, ours6);
		put16(frame + L3 + 4, nd_len);
		if (nd_len >= 4)
			frame_model_seal(frame, L3);
		if (nd_len < 24)
			expect_punt(len, ICMP);
		else if (nd_len > 24)
			expect_drop(len, ICMP);
		else
			expect_local(len, NS);
	}
}

static void test_echo(void **state)
{
	(void)state;
	FOR_BOTH(family)
	{
		for (uint32_t data_len = 0; data_len < 1500 - header_sz(family) - 8;
		     data_len += data_len < 70 ? 1 : 131) {
			static uint8_t asked[FRAME_MODEL_MAX];
			uint32_t len = frame_model_echo(frame, family, data_len);
			memcpy(asked, frame, len);
			assert_int_equal(answer(len), len);
			uint32_t icmp = L3 + header_sz(family);
			assert_int_equal(frame[icmp], family == 4 ? 0 : 129);
			assert_memory_equal(frame + icmp + 4, asked + icmp + 4, data_len + 4);
			assert_memory_equal(frame, frame_model_peer, 6);
			/* A padded request gets a reply without padding. */
			memcpy(frame, asked, len);
			assert_int_equal(answer(len + 3), len);
			memcpy(frame, asked, len);
			frame[len - 1] ^= 1;
			expect_drop(len, ICMP);
		}
		/* All checksums: the step of one must carry around the end. */
		for (unsigned id = 0; id < 65536; id++) {
			uint32_t len = frame_model_echo(frame, family, 0);
			put16(frame + L3 + header_sz(family) + 4, id);
			frame_model_seal(frame, L3);
			answer(len);
		}
		uint32_t len = frame_model_echo(frame, family, 4);
		frame[L3 + header_sz(family) + 1] = 1; /* code */
		expect_punt(len, ICMP);
		/* Less than an echo's header. */
		for (unsigned icmp_len = 4; icmp_len < 8; icmp_len++) {
			len = frame_model_echo(frame, family, 4);
			put16(frame + L3 + (family == 4 ? 2 : 4),
			      family == 4 ? 20 + icmp_len : icmp_len);
			frame_model_seal(frame, L3);
			expect_drop(len, ICMP);
		}
	}
}

static void test_local_in_vlan(void **state)
{
	(void)state;
	struct stele_frame_settings s = frame_model_settings;
	s.vlan_id = 7;
	configure(&s);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t len = i == 0 ? frame_model_arp(frame, 1, frame_model_peer, asker4, ours4) :
			       i == 1 ? frame_model_solicitation(frame, asker6, ours6) :
					frame_model_echo(frame, i == 2 ? 4 : 6, 11);
		memmove(frame + 16, frame + 12, len - 12);
		put16(frame + 12, 0x8100);
		put16(frame + 14, 0xa007);
		assert_in_range(answer(len + 4), 46, 90);
		assert_int_equal(get16(frame + 14), 0xa007);
	}
}

static void test_kernel_owns_local(void **state)
{
	(void)state;
	struct stele_frame_settings s = frame_model_settings;
	s.flags = STELE_FRAME_KERNEL_LOCAL;
	configure(&s);
	expect_punt(frame_model_arp(frame, 1, frame_model_peer, asker4, ours4), ARP);
	expect_punt(frame_model_solicitation(frame, asker6, ours6), GROUP);
	expect_punt(frame_model_echo(frame, 4, 9), ICMP);
	expect_punt(frame_model_echo(frame, 6, 9), ICMP);
	expect_query(query(4));
}

static void test_announcements(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 3; mode++) {
		struct stele_frame_settings s = frame_model_settings;
		s.vlan_id = mode == 0 ? 0 : 7;
		s.flags = mode == 2 ? STELE_FRAME_TX_VLAN : 0;
		configure(&s);
		uint32_t l3 = mode == 1 ? 18 : 14;
		assert_int_equal(port.address_cnt, settings.address_cnt);
		for (unsigned i = 0; i < port.address_cnt; i++) {
			memset(frame, 0xa5, CAP);
			const uint8_t *address = settings.addresses[i].address.addr;
			bool is_ipv4 = settings.addresses[i].address.family == 4;
			uint32_t len = stele_frame_announce(&port, i, frame);
			assert_null(frame_model_fault(&settings, frame, len));
			if (mode == 1)
				assert_int_equal(stele_get_be32(frame + 12), 0x81000007);
			if (is_ipv4) {
				assert_int_equal(stele_get_be64(frame), 0xffffffffffff0253);
				assert_int_equal(get16(frame + l3 + 6), 1);
				assert_memory_equal(frame + l3 + 14, address, 4);
				assert_memory_equal(frame + l3 + 18, ((uint8_t[6]){0}), 6);
				assert_memory_equal(frame + l3 + 24, address, 4);
			} else {
				assert_memory_equal(frame + l3 + 24, all_nodes, 16);
				assert_memory_equal(frame + l3 + 48, address, 16);
				assert_int_equal(frame[l3 + 40], 136);
				assert_int_equal(frame[l3 + 44], 0x20);
			}
		}
	}
}

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
			reply.body_len = (uint16_t)random_below(reply.len - reply.body_off + 1);
			reply.body_sum = (uint16_t)frame_model_sum(0, reply.buf + reply.body_off,
								   reply.body_len);
		}
		uint32_t reply_len = stele_frame_reply(&port, &f, frame, &reply);
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
			len = stele_frame_reply(&port, &f, frame, &reply);
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
		len = stele_frame_reply(&port, &f, frame, &reply);
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
	/* Without IPv6 less will do. */
	s = frame_model_settings;
	s.mtu = STELE_FRAME_MTU_MIN;
	s.address_cnt = 2;
	configure(&s);
	uint32_t len = query(4);
	assert_int_equal(parse(len, CAP, 0).payload_max, STELE_FRAME_MTU_MIN - 28);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_query),
		TEST(empty_payload),
		TEST(room_for_replies),
		TEST(udp_ports),
		TEST(many_addresses),
		TEST(short_ethernet_frame),
		TEST(every_truncation),
		TEST(ihl_below_5),
		TEST(ihl_above_5_and_options),
		TEST(wrong_version),
		TEST(total_length),
		TEST(no_room_for_udp),
		TEST(ipv4_fragments),
		TEST(ipv6_extension_headers),
		TEST(ipv6_fragments),
		TEST(udp_length_lies),
		TEST(udp_checksum_zero),
		TEST(udp_checksum_wrong),
		TEST(ip_checksum_wrong),
		TEST(checksum_offload),
		TEST(source_address),
		TEST(source_port),
		TEST(mac_addresses),
		TEST(group_addresses),
		TEST(one_vlan_tag),
		TEST(double_vlan),
		TEST(jumbo),
		TEST(for_the_kernel),
		TEST(arp),
		TEST(solicitation),
		TEST(duplicate_address_detection),
		TEST(bad_solicitation),
		TEST(echo),
		TEST(local_in_vlan),
		TEST(kernel_owns_local),
		TEST(announcements),
		TEST(random_replies),
		TEST(reply_checksum_never_zero),
		TEST(reply_offload),
		TEST(settings),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
