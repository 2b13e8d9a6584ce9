/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, byte by byte. */
#include "tests/unit/compiler/carve_node.h"
#include "zonecompiler/carve/chain.h"

#include "lib/dns/rrtype.h"
#include "lib/image/view.h"

#include <stdio.h>

static uint64_t key_of(const struct stele_carve_zone *zone, const char *text)
{
	uint8_t name[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
	wire(text, name);
	return stele_key_name(zone->seed, stele_carve_hash(zone->seed, name), zone->apex_hash);
}

/* The parts of one carved RRset. */
struct carved {
	struct stele_carver carver;
	struct stele_buffer out;
	struct stele_rrset rrset;
	struct stele_rrset_trailer trailer;
};

static int carve(struct carved *c, const struct stele_carve_zone *zone, const char *owner,
		 bool is_cut, const struct node *node)
{
	static uint8_t name[STELE_NAME_MAX];
	size_t len = wire(owner, name);
	*c = (struct carved){0};
	stele_carve_owner(&c->carver, zone, name, (unsigned)len, owner[0] == '*', is_cut);
	struct stele_node_rrset set;
	size_t at = 0;
	assert_true(stele_node_check(node->bytes.data, node->bytes.len));
	assert_true(stele_node_next(node->bytes.data, node->bytes.len, &at, &set));
	struct stele_body_options options = {
		.with_sigs = true, .with_refs = true, .ttl_max = UINT32_MAX};
	int rc = stele_carve_body(&c->carver, &set, &options, &c->out, &c->rrset, &err);
	if (rc == 0) {
		c->trailer = stele_rrset_trailer(c->out.data, &c->rrset);
		assert_ptr_equal(c->trailer.end, c->out.data + c->out.len);
	}
	return rc;
}

static void drop(struct carved *c, struct node *node)
{
	stele_carver_free(&c->carver);
	stele_buffer_free(&c->out);
	stele_buffer_free(&node->bytes);
}

static void check_patches(const struct carved *c, unsigned cnt, const uint16_t *offsets)
{
	assert_int_equal(c->trailer.patch_cnt, cnt);
	for (unsigned i = 0; i < cnt && c->trailer.patches != NULL; i++)
		assert_int_equal(stele_get_le16(c->trailer.patches + 2 * i), offsets[i]);
}

static void test_referral(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_NS, 3600);
	add_name(&node, "", 0, "ns1.Foo.example.");
	add_name(&node, "", 0, "NS2.bar.example.");
	add_name(&node, "", 0, "ns.other.test.");
	assert_int_equal(carve(&c, &zone, "foo.example.", true, &node), 0);
	static const uint8_t golden[] = "\xc0\x0c\0\2\0\1\0\0\x0e\x10\0\6\3ns1\xc0\x0c"
					"\xc0\x0c\0\2\0\1\0\0\x0e\x10\0\x0a\3NS2\3bar\xc0\x10"
					"\xc0\x0c\0\2\0\1\0\0\x0e\x10\0\x0f\2ns\5other\4test";
	assert_int_equal(stele_le16(c.rrset.plain_len), sizeof(golden));
	assert_memory_equal(c.out.data, golden, sizeof(golden));
	check_patches(&c, 2, (const uint16_t[]){16, 38});
	assert_int_equal(c.rrset.flags, STELE_RRSET_HAS_PATCHES | STELE_RRSET_HAS_REFS);
	assert_int_equal(c.trailer.ref_cnt, 2);
	if (c.trailer.refs == NULL) /* what cmocka's asserts mean is not known to the linter */
		return;
	assert_int_equal(stele_le16(c.trailer.refs[0].name_off), 12 | STELE_REF_IN_DOMAIN);
	assert_int_equal(stele_le64(c.trailer.refs[0].key), key_of(&zone, "ns1.foo.example."));
	assert_int_equal(stele_le16(c.trailer.refs[1].name_off), 30);
	assert_int_equal(stele_le64(c.trailer.refs[1].key), key_of(&zone, "ns2.bar.example."));
	drop(&c, &node);
}

static void test_wildcard_and_own_names(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_MX, 1);
	add_name(&node, "\0\12", 2, "mail.foo.example.");
	add_name(&node, "\0\24", 2, "MAIL.foo.example.");
	add_sig(&node);
	assert_int_equal(carve(&c, &zone, "*.foo.example.", false, &node), 0);
	static const uint8_t golden[] = {
		0xc0,
		12,
		0,
		15,
		0,
		1,
		0,
		0,
		0,
		1,
		0,
		9,
		0,
		10,
		4,
		'm',
		'a',
		'i',
		'l',
		0xc0,
		14,
		0xc0,
		12,
		0,
		15,
		0,
		1,
		0,
		0,
		0,
		1,
		0,
		4,
		0,
		20,
		0xc0,
		12 + 15 + 4 + 14,
	};
	assert_int_equal(stele_le16(c.rrset.plain_len), sizeof(golden));
	assert_memory_equal(c.out.data, golden, sizeof(golden));
	assert_int_equal(stele_le16(c.rrset.sig_len), 12 + 24);
	assert_int_equal(c.rrset.sig_cnt, 1);
	check_patches(&c, 2, (const uint16_t[]){19, 35});
	assert_true(c.rrset.flags & STELE_RRSET_SELF_POINTERS);
	/* An odd number of bytes: the last word of the sum is padded. */
	assert_int_equal(stele_le16(c.rrset.sum_plain), stele_carve_sum(golden, sizeof(golden)));
	assert_int_equal(c.trailer.sum_full, stele_carve_sum(c.out.data, sizeof(golden) + 36));
	drop(&c, &node);
}

static void test_alias_points_to_the_apex_alone(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_CNAME, 1);
	add_name(&node, "", 0, "c.b.example.");
	assert_int_equal(carve(&c, &zone, "a.b.example.", false, &node), 0);
	static const uint8_t golden[] = {0xc0, 12, 0, 5, 0,   1, 0,   0,    0,
					 1,    0,  6, 1, 'c', 1, 'b', 0xc0, 16};
	assert_int_equal(stele_le16(c.rrset.plain_len), sizeof(golden));
	assert_memory_equal(c.out.data, golden, sizeof(golden));
	drop(&c, &node);
	node = (struct node){0};
	add_set(&node, STELE_TYPE_DNAME, 1);
	add_name(&node, "", 0, "c.b.example.");
	assert_int_equal(carve(&c, &zone, "a.b.example.", false, &node), 0);
	assert_int_equal(stele_le16(c.rrset.plain_len), 12 + 13);
	assert_int_equal(c.rrset.flags, 0);
	drop(&c, &node);
}

static void test_root_zone(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of(".", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_NS, 1);
	add_name(&node, "", 0, "a.root-servers.net.");
	add_name(&node, "", 0, "b.root-servers.net.");
	assert_int_equal(carve(&c, &zone, ".", false, &node), 0);
	assert_int_equal(stele_le16(c.rrset.plain_len), 12 + 20 + 12 + 4);
	check_patches(&c, 1, (const uint16_t[]){46});
	assert_int_equal(c.out.data[47], 12 + 1 + 4 + 14);
	assert_int_equal(c.trailer.ref_cnt, 2);
	if (c.trailer.refs == NULL) /* what cmocka's asserts mean is not known to the linter */
		return;
	drop(&c, &node);
}

/* Pointers must reach their target behind any query name: from some offset on there are none. */
static void test_far_names_are_not_pointed_to(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_NS, 1);
	for (unsigned i = 0; i < 900; i++) {
		char text[80];
		snprintf(text, sizeof(text), "ns.name-number-%04u.test.", i);
		add_name(&node, "", 0, text);
	}
	assert_int_equal(carve(&c, &zone, "foo.example.", true, &node), 0);
	for (unsigned i = 0; i < c.trailer.patch_cnt; i++) {
		unsigned off = stele_get_le16(c.trailer.patches + 2 * i);
		unsigned value = stele_get_be16(c.out.data + off) & 0x3fff;
		assert_true(value - (12 + 13 + 4) + 12 + 255 + 4 <= 0x3fff);
	}
	assert_true(c.trailer.patch_cnt > 800);
	drop(&c, &node);
}

static void test_too_large_is_an_error(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	static uint8_t rdata[32000];
	struct node node = {0};
	struct carved c;
	add_set(&node, STELE_TYPE_TXT, 1);
	add_rr(&node, rdata, sizeof(rdata));
	add_rr(&node, rdata, sizeof(rdata));
	assert_int_equal(carve(&c, &zone, "foo.example.", false, &node), 0);
	assert_int_equal(stele_le16(c.rrset.plain_len), 2 * (12 + sizeof(rdata)));
	drop(&c, &(struct node){0});
	add_rr(&node, rdata, 1600);
	assert_int_equal(carve(&c, &zone, "foo.example.", false, &node), STELE_E_INPUT);
	drop(&c, &node);
	node = (struct node){0};
	add_set(&node, STELE_TYPE_A, 1);
	add_rr(&node, rdata, 4);
	for (unsigned i = 0; i < 256; i++)
		add_sig(&node);
	assert_int_equal(carve(&c, &zone, "foo.example.", false, &node), STELE_E_INPUT);
	assert_string_equal(err.text, "foo.example. A: RRset with over 255 signatures");
	drop(&c, &node);
}

static void test_sums(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0x80};
	/* RFC 1071 section 3: ddf2 for the first eight. */
	assert_int_equal(stele_carve_sum(bytes, 8), 0xddf2);
	assert_int_equal(stele_carve_sum(bytes, 9), (0xddf2 + 0x8000 + 1) & 0xffff);
	assert_int_equal(stele_carve_sum(bytes, 0), 0);
	static const uint8_t ones[] = {0xff, 0xff};
	assert_int_equal(stele_carve_sum(ones, 2), 0xffff);
}

static void test_negative_soa(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NONE);
	struct node node = {0};
	uint8_t rdata[3 * STELE_NAME_MAX];
	size_t len = wire("ns.example.", rdata);
	len += wire("hostmaster.ns.example.", rdata + len);
	static const uint8_t numbers[] = {0, 0, 0, 42, 0, 0, 0, 1, 0, 0,
					  0, 2, 0, 0,  0, 3, 0, 0, 1, 44};
	memcpy(rdata + len, numbers, sizeof(numbers));
	add_set(&node, STELE_TYPE_SOA, 3600);
	add_rr(&node, rdata, len + sizeof(numbers));
	add_sig(&node);
	struct carved c = {0};
	uint32_t serial;
	assert_int_equal(stele_carve_negative_soa(&c.carver, &zone, node.bytes.data, node.bytes.len,
						  &c.out, &c.rrset, &serial, &err),
			 0);
	assert_int_equal(serial, 42);
	assert_int_equal(stele_get_be32(c.out.data + 6), 300);
	assert_int_equal(stele_le16(c.rrset.plain_len), 12 + 5 + 13 + 20);
	assert_int_equal(stele_get_be32(c.out.data + stele_le16(c.rrset.plain_len) + 6), 300);
	assert_false(c.rrset.flags & STELE_RRSET_HAS_REFS);
	drop(&c, &node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_referral),
		cmocka_unit_test(test_wildcard_and_own_names),
		cmocka_unit_test(test_alias_points_to_the_apex_alone),
		cmocka_unit_test(test_root_zone),
		cmocka_unit_test(test_far_names_are_not_pointed_to),
		cmocka_unit_test(test_too_large_is_an_error),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_negative_soa),
	};
	return cmocka_run_group_tests_name("carve", tests, NULL, NULL);
}
