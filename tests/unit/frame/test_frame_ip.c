/* SPDX-License-Identifier: Apache-2.0 */
/* What an attacker may write into the headers of IP and UDP. */
#include "tests/unit/frame/frame_case.h"

#include <stdlib.h>
#include <string.h>

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
	/* AH counts its length in words of four bytes (RFC 4302 section 2.2). */
	uint8_t ah[24] = {17, 4};
	expect_punt(frame_model_ip(frame, &q, 51, ah, sizeof(ah)), EXTENSION);
	ah[1] = 5;
	expect_drop(frame_model_ip(frame, &q, 51, ah, sizeof(ah)), EXTENSION);
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
	assert_int_equal(parse(len, CAP, STELE_FRAME_RX_UDP_GOOD).verdict, STELE_FRAME_QUERY);
	len = query(6);
	put16(frame + L3 + 40 + 6, 0);
	expect_drop(len, UDP_CHECKSUM);
	/* A card finds nothing wrong with a sum that is not there. */
	assert_int_equal(parse(len, CAP, STELE_FRAME_RX_UDP_GOOD).verdict, STELE_FRAME_DROP);
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

/* RFC 3021: neither address of a link of two is for broadcast. */
static void test_link_of_two(void **state)
{
	(void)state;
	static const struct stele_frame_address two = {{4, {10, 53, 0, 2}}, 31};
	struct stele_frame_settings s = frame_model_settings;
	s.addresses = &two;
	s.address_cnt = 1;
	configure(&s);
	uint32_t len = query(4);
	memcpy(frame + L3 + 12, ((uint8_t[4]){10, 53, 0, 3}), 4);
	frame_model_seal(frame, L3);
	expect_query(len);
}

static void test_source_port(void **state)
{
	(void)state;
	static const uint16_t reflecting[] = {0, 7, 13, 17, 19, 37}, listed[] = {65535, 53};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(link_of_two),
		TEST(source_port),
	};
	return cmocka_run_group_tests_name("frame-ip", tests, NULL, NULL);
}
