/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered in place: ARP, neighbour discovery, echo; and announcements. */
#include "tests/unit/frame/frame_case.h"

#include <stdlib.h>
#include <string.h>

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
	for (unsigned at = 13; at < 16; at++) {
		frame_model_solicitation(frame, unspecified, ours6);
		frame[L3 + 24 + at] ^= 1;
		frame_model_seal(frame, L3);
		expect_drop(len, ICMP);
	}
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
		if (family == 4) {
			/* Don't fragment stays, the reserved bit does not. */
			frame[L3 + 6] = 0xc0;
			frame_model_seal(frame, L3);
			answer(len);
			assert_int_equal(frame[L3 + 6], 0x40);
			frame_model_echo(frame, family, 4);
		}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(arp),
		TEST(solicitation),
		TEST(duplicate_address_detection),
		TEST(bad_solicitation),
		TEST(echo),
		TEST(local_in_vlan),
		TEST(kernel_owns_local),
		TEST(announcements),
	};
	return cmocka_run_group_tests_name("frame-local", tests, NULL, NULL);
}
