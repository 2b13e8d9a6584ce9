/* SPDX-License-Identifier: Apache-2.0 */
/* What a walk says about the names of a small zone, and the hashes of names. */
#include "tests/unit/compiler/carve_node.h"
#include "zonecompiler/carve/chain.h"
#include "zonecompiler/carve/walk.h"

#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"
#include "lib/image/view.h"

#include <stdio.h>
#include <stdlib.h>

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
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_plain_seeds),
		cmocka_unit_test(test_hashes),
	};
	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
