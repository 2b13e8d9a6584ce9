/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies byte by byte, and what a walk says about the names of a small zone. */
#include "zonecompiler/carve/chain.h"
#include "zonecompiler/carve/walk.h"

#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"
#include "lib/image/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- nodes ---- */

static struct stele_error err;

static size_t wire(const char *text, uint8_t name[STELE_NAME_MAX])
{
	int len = stele_name_from_text(text, strlen(text), name);
	assert_true(len > 0);
	return (size_t)len;
}

struct node {
	struct stele_buffer bytes;
	size_t head; /* of the RRset under way */
};

static void add_set(struct node *node, uint16_t type, uint32_t ttl)
{
	uint8_t head[STELE_NODE_RRSET_HEAD_SZ] = {0};
	stele_put_le16(head, type);
	stele_put_le32(head + 4, ttl);
	node->head = node->bytes.len;
	if (stele_buffer_add(&node->bytes, head, sizeof(head), &err) != 0)
		abort();
}

static void raise(uint8_t *p)
{
	stele_put_le16(p, (uint16_t)(stele_get_le16(p) + 1));
}

static void add_bytes(struct node *node, size_t count_at, const void *rdata, size_t len)
{
	uint8_t le[2];
	stele_put_le16(le, (uint16_t)len);
	stele_buffer_add(&node->bytes, le, 2, &err);
	stele_buffer_add(&node->bytes, rdata, len, &err);
	if (node->bytes.data == NULL)
		abort();
	uint8_t *head = node->bytes.data + node->head;
	raise(head + count_at);
	stele_put_le32(head + 12, (uint32_t)(node->bytes.len - node->head - sizeof(uint64_t) * 2));
}

static void add_rr(struct node *node, const void *rdata, size_t len)
{
	add_bytes(node, 2, rdata, len);
}

static void add_sig(struct node *node)
{
	add_bytes(node, 8, "a signature of 24 bytes.", 24);
}

static void add_name(struct node *node, const char *prefix, size_t prefix_len, const char *text)
{
	uint8_t rdata[8 + STELE_NAME_MAX];
	memcpy(rdata, prefix, prefix_len);
	size_t len = wire(text, rdata + prefix_len);
	add_rr(node, rdata, prefix_len + len);
}

static struct stele_carve_zone zone_of(const char *text, enum stele_chain chain)
{
	struct stele_carve_zone zone = {.id = 1, .chain = chain, .seed = stele_hash_seed(11, 22)};
	zone.apex_len = (uint8_t)wire(text, zone.apex);
	zone.apex_labels = (uint8_t)stele_name_label_cnt(zone.apex);
	zone.apex_hash = stele_carve_hash(zone.seed, zone.apex);
	return zone;
}

static uint64_t key_of(const struct stele_carve_zone *zone, const char *text)
{
	uint8_t name[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
	wire(text, name);
	return stele_key_name(zone->seed, stele_carve_hash(zone->seed, name), zone->apex_hash);
}

/* ---- bodies ---- */

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

/* ---- names ---- */

struct listing {
	char text[4096];
	unsigned nsec_cnt;
};

static int list_name(void *user, uint64_t key, const uint8_t *record, size_t record_sz,
		     struct stele_error *reterr)
{
	(void)reterr;
	assert_true(key != 0 && record_sz > 0);
	struct listing *listing = user;
	static const char kinds[] = "?ACOE";
	struct stele_name_parts parts = stele_name_parts(record);
	uint8_t name[STELE_NAME_MAX + 1];
	memcpy(name, parts.rel, parts.head->rel_len);
	name[parts.head->rel_len] = 0;
	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(name, text);
	size_t len = strlen(listing->text);
	len += (size_t)snprintf(listing->text + len, sizeof(listing->text) - len, "%s %c%s%s", text,
				kinds[parts.head->kind],
				parts.head->flags & STELE_NAME_HAS_CHILDREN ? "c" : "",
				parts.head->flags & STELE_NAME_HAS_WILDCARD ? "w" : "");
	for (unsigned i = 0; i < parts.rrset_cnt; i++)
		len += (size_t)snprintf(listing->text + len, sizeof(listing->text) - len, " %u%s",
					stele_le16(parts.rrsets[i].type),
					parts.rrsets[i].sig_cnt > 0 ? "s" : "");
	snprintf(listing->text + len, sizeof(listing->text) - len, "\n");
	return 0;
}

static int count_nsec(void *user, uint64_t key, const uint8_t *sort_key, size_t sort_key_len,
		      struct stele_error *reterr)
{
	(void)key;
	(void)sort_key;
	(void)sort_key_len;
	(void)reterr;
	((struct listing *)user)->nsec_cnt++;
	return 0;
}

/* A node with these types, each of one record with one signature. */
static struct node types(const uint16_t *list)
{
	struct node node = {0};
	for (; *list != 0; list++) {
		add_set(&node, *list, 1);
		if (*list == STELE_TYPE_NS || *list == STELE_TYPE_CNAME)
			add_name(&node, "", 0, "ns.example.");
		else
			add_rr(&node, "\1\2\3\4", 4);
		add_sig(&node);
	}
	return node;
}

static const struct {
	const char *rel; /* in canonical order */
	uint16_t types[6];
} zone_nodes[] = {
	{"", {STELE_TYPE_NS, STELE_TYPE_NSEC}},
	{"b.a.", {STELE_TYPE_A, STELE_TYPE_NSEC}},
	{"cut.", {STELE_TYPE_NS, STELE_TYPE_TXT, STELE_TYPE_AAAA, STELE_TYPE_DS, STELE_TYPE_NSEC}},
	{"*.cut.", {STELE_TYPE_A, STELE_TYPE_NSEC}},
	{"x.y.cut.", {STELE_TYPE_NS, STELE_TYPE_TXT, STELE_TYPE_AAAA}},
	{"z.x.y.cut.", {STELE_TYPE_TXT}},
	{"d.", {STELE_TYPE_CNAME}},
	{"*.e.", {STELE_TYPE_TXT}},
	{"f.*.e.", {STELE_TYPE_TXT}},
};

static void test_walk(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NSEC);
	struct listing listing = {0};
	struct stele_carver carver = {0};
	struct stele_walk walk = {
		.zone = &zone,
		.carver = &carver,
		.take_name = list_name,
		.take_nsec = count_nsec,
		.user = &listing,
	};
	stele_walk_begin(&walk);
	enum { CNT = sizeof(zone_nodes) / sizeof(zone_nodes[0]) };
	struct node nodes[CNT];
	for (unsigned i = 0; i < CNT; i++) {
		uint8_t name[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
		size_t rel_len = *zone_nodes[i].rel != 0 ? wire(zone_nodes[i].rel, name) - 1 : 0;
		size_t key_len = stele_sort_key(name, rel_len, key);
		nodes[i] = types(zone_nodes[i].types);
		assert_int_equal(stele_walk_add(&walk, key, key_len, nodes[i].bytes.data,
						nodes[i].bytes.len, &err),
				 0);
	}
	assert_int_equal(stele_walk_end(&walk, &err), 0);
	assert_string_equal(listing.text, "b.a. A 1s 47s\n"
					  "a. Ec\n"
					  "*.cut. O 1\n"
					  "z.x.y.cut. O\n"
					  "x.y.cut. Oc 28\n"
					  "y.cut. Oc\n"
					  "cut. Ccw 2 28 43s 47s\n"
					  "d. A 5s\n"
					  "f.*.e. A 16s\n"
					  "*.e. Ac 16s\n"
					  "e. Ecw\n"
					  ". Ac 2s 47s\n");
	assert_int_equal(listing.nsec_cnt, 3);
	assert_int_equal(walk.totals.name_cnt, 12);
	assert_int_equal(walk.totals.label_max, 5);
	assert_int_equal(walk.totals.rr_cnt, 4 + 1 + 1 + 6 + 2 + 2 + 2 + 4);
	for (unsigned i = 0; i < CNT; i++)
		stele_buffer_free(&nodes[i].bytes);
	stele_walk_free(&walk);
	stele_carver_free(&carver);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Seeds that a person types are no worse than random ones: 40,000 names have 40,000 hashes. */
static void test_plain_seeds(void **state)
{
	(void)state;
	enum { CNT = 40000 };
	static uint64_t hashes[CNT];
	static const uint64_t seeds[][2] = {
		{0, 0},
		{1, 1},
		{UINT64_MAX, UINT64_MAX},
		{UINT64_C(0x0707070707070707), UINT64_C(0x0707070707070707)},
		{UINT64_C(0x1111111111111111), UINT64_C(0x2222222222222222)},
	};
	for (unsigned k = 0; k < sizeof(seeds) / sizeof(seeds[0]); k++) {
		struct stele_hash_seed seed = stele_hash_seed(seeds[k][0], seeds[k][1]);
		for (unsigned i = 0; i < CNT; i++) {
			uint8_t name[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
			unsigned len =
				(unsigned)sprintf((char *)name, "%cwww%u%cexample", 'x', i, 7);
			name[0] = (uint8_t)(len - 9);
			hashes[i] = stele_carve_hash(seed, name);
		}
		qsort(hashes, CNT, sizeof(hashes[0]), compare_numbers);
		for (unsigned i = 1; i < CNT; i++)
			assert_int_not_equal(hashes[i - 1], hashes[i]);
	}
}

static void test_hashes(void **state)
{
	(void)state;
	struct stele_carve_zone zone = zone_of("example.", STELE_CHAIN_OF_NSEC3);
	zone.iterations = 12;
	zone.salt_len = 4;
	memcpy(zone.salt, "\xaa\xbb\xcc\xdd", 4);
	uint8_t owner[STELE_NAME_MAX + STELE_HASH_SLACK];
	struct stele_carve_name name = {
		.owner = owner,
		.owner_len = (uint8_t)wire("example.", owner),
		.has_children = true,
	};
	struct stele_carver carver = {0};
	struct stele_buffer out = {0};
	struct stele_carve_result result;
	assert_int_equal(stele_carve_name(&carver, &zone, &name, &out, &result, &err), 0);
	struct stele_name_parts parts = stele_name_parts(out.data);
	uint8_t digits[STELE_NSEC3_LABEL_SZ];
	/* RFC 5155 appendix A */
	stele_base32hex_encode(stele_name_hash(&parts), digits);
	assert_memory_equal(digits, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", 32);
	uint8_t wildcard[STELE_NAME_MAX], hash[STELE_NSEC3_HASH_SZ];
	size_t len = wire("*.example.", wildcard);
	stele_nsec3_hash(wildcard, len, zone.salt, 4, 12, hash);
	assert_memory_equal(stele_name_wildcard_hash(&parts), hash, sizeof(hash));
	stele_buffer_free(&out);
	stele_carver_free(&carver);
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
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_plain_seeds),
		cmocka_unit_test(test_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
