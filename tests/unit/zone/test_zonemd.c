/* SPDX-License-Identifier: Apache-2.0 */
/* Digests over zones: RFC 8976 appendix A.1, what does not count, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/hex.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"
#include "lib/zonemd/zonemd.h"

#include <stdlib.h>
#include <string.h>

#define SERIAL 2018031900u
#define BOTH (1u << STELE_ZONEMD_SHA384 | 1u << STELE_ZONEMD_SHA512)
#define DIGEST                                                                                     \
	"c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9"                         \
	"a9713b3c9ae5cc27777f98b8e730044c"
#define HEAD                                                                                       \
	"7848b91c"                                                                                 \
	"01"                                                                                       \
	"01"

struct line {
	const char *owner;
	uint16_t type;
	uint32_t ttl;
	const char *rdata; /* hex */
};

static int add(struct stele_zonemd *zonemd, const struct line *line)
{
	uint8_t owner[STELE_NAME_MAX], rdata[512];
	int owner_len = stele_name_from_text(line->owner, strlen(line->owner), owner);
	size_t rdlen = strlen(line->rdata) / 2;
	assert_true(owner_len > 0);
	assert_true(stele_hex_decode(line->rdata, rdata, rdlen));
	return stele_zonemd_add(zonemd, owner, (size_t)owner_len, line->type, line->ttl, rdata,
				rdlen);
}

static struct stele_zonemd *begin(unsigned algorithms)
{
	struct stele_zonemd *zonemd;
	uint8_t apex[STELE_NAME_MAX];
	int len = stele_name_from_text("Example", 7, apex);
	assert_int_equal(stele_zonemd_begin(apex, (size_t)len, algorithms, &zonemd, NULL), 0);
	return zonemd;
}

#define NAME "076578616d706c6500"
static const struct line zone[] = {
	{"example", STELE_TYPE_NS, 86400, "036e7331" NAME},
	/* The same in another case. */
	{"EXAMPLE", STELE_TYPE_NS, 86400,
	 "034e5332"
	 "074558414d504c4500"},
	{"example", STELE_TYPE_SOA, 86400,
	 "036e7331" NAME "0561646d696e" NAME "7848b91c"
	 "00000708"
	 "00000384"
	 "00093a80"
	 "00015180"},
	{"ns1.example", STELE_TYPE_A, 3600, "cb00713f"},
	{"ns2.example", STELE_TYPE_AAAA, 3600, "20010db8000000000000000000000063"},
};

static void test_example(void **state)
{
	(void)state;
	struct stele_zonemd *zonemd = begin(1u << STELE_ZONEMD_SHA384);
	/* What does not count, between what does. */
	static const struct line outside = {"example.test", STELE_TYPE_A, 1, "cb00713f"};
	static const struct line seal = {"example", STELE_TYPE_ZONEMD, 1, HEAD DIGEST};
	static const struct line signature = {"Example", STELE_TYPE_RRSIG, 1,
					      "003f0d010000000000000000000000000001" NAME "00"};
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++) {
		struct line line = zone[i];
		assert_int_equal(add(zonemd, &line), 1);
		line.ttl++;
		assert_int_equal(add(zonemd, &line), 0); /* the same once more */
		assert_int_equal(add(zonemd, &outside), 0);
		assert_int_equal(add(zonemd, &seal), 0);
		assert_int_equal(add(zonemd, &signature), 0);
	}
	uint8_t digest[STELE_ZONEMD_DIGEST_MAX], rdata[64];
	assert_int_equal(stele_zonemd_digest(zonemd, STELE_ZONEMD_SHA384, digest), 0);
	assert_int_equal(stele_zonemd_finish(zonemd), 0);
	assert_int_equal(stele_zonemd_finish(zonemd), STELE_E_USAGE);
	char text[2 * STELE_ZONEMD_DIGEST_MAX + 1];
	assert_int_equal(stele_zonemd_digest(zonemd, STELE_ZONEMD_SHA384, digest), 48);
	stele_hex_encode(digest, 48, text);
	assert_string_equal(text, DIGEST);
	assert_int_equal(stele_zonemd_digest(zonemd, STELE_ZONEMD_SHA512, digest), 0);

	assert_true(stele_hex_decode(HEAD DIGEST, rdata, 54));
	struct stele_zonemd_rr rr = {rdata, 54};
	struct stele_error err;
	assert_int_equal(stele_zonemd_usable(&rr, 1, SERIAL, &err), 1u << STELE_ZONEMD_SHA384);
	assert_true(stele_zonemd_matches(zonemd, &rr, 1, SERIAL));
	assert_false(stele_zonemd_matches(zonemd, &rr, 1, SERIAL + 1));
	assert_false(stele_zonemd_matches(zonemd, NULL, 0, SERIAL));
	rdata[53] ^= 1;
	assert_false(stele_zonemd_matches(zonemd, &rr, 1, SERIAL));
	stele_zonemd_free(zonemd);
}

static void test_usable(void **state)
{
	(void)state;
	static const struct {
		const char *rdata;
		uint32_t serial;
		unsigned usable;
		const char *why;
	} cases[] = {
		{HEAD DIGEST, SERIAL, 1u << STELE_ZONEMD_SHA384, NULL},
		{HEAD DIGEST, SERIAL + 1, 0, "serial"},
		{"7848b91c"
		 "02"
		 "01" DIGEST,
		 SERIAL, 0, "scheme"},
		{"7848b91c"
		 "01"
		 "03" DIGEST,
		 SERIAL, 0, "algorithm"},
		{"7848b91c"
		 "01"
		 "02" DIGEST,
		 SERIAL, 0, "length"},
		{"7848b91c"
		 "01"
		 "00" DIGEST,
		 SERIAL, 0, "algorithm"},
		{HEAD DIGEST "00", SERIAL, 0, "length"},
		{HEAD, SERIAL, 0, "short"},
		{"7848b91c01", SERIAL, 0, "short"},
		{"", SERIAL, 0, "short"},
	};
	struct stele_error err;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].rdata) / 2;
		uint8_t *rdata = malloc(len > 0 ? len : 1); /* exactly: ASan sees a byte too many */
		assert_non_null(rdata);
		assert_true(stele_hex_decode(cases[i].rdata, rdata, len));
		struct stele_zonemd_rr rrs[2] = {{rdata, len}, {rdata, len}};
		assert_int_equal(stele_zonemd_usable(rrs, 1, cases[i].serial, &err),
				 cases[i].usable);
		if (cases[i].why != NULL)
			assert_non_null(strstr(err.text, cases[i].why));
		assert_int_equal(stele_zonemd_usable(rrs, 2, cases[i].serial, &err), 0);
		free(rdata);
	}
	assert_int_equal(stele_zonemd_usable(NULL, 0, SERIAL, &err), 0);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		struct line lines[2];
		int status;
	} cases[] = {
		{{{"b.example", 1, 1, "01020304"}, {"a.example", 1, 1, "01020304"}}, STELE_E_USAGE},
		{{{"a.example", 1, 1, "01020304"}, {"example", 1, 1, "01020304"}}, STELE_E_USAGE},
		{{{"a.example", 2, 1, "00"}, {"A.example", 1, 1, "01020304"}}, STELE_E_USAGE},
		{{{"a.example", 1, 1, "01020304"}, {"a.example", 1, 1, "01020303"}}, STELE_E_USAGE},
		{{{"a.example", 65280, 1, "0102"}, {"a.example", 65280, 1, "01"}}, STELE_E_USAGE},
		/* In order as bytes, but not in lower case: b before Z. */
		{{{"a.example", 2, 1, "015a00"}, {"a.example", 2, 1, "016200"}}, STELE_E_USAGE},
		{{{"a.example", 2, 1, "016200"}, {"a.example", 2, 1, "015a00"}}, 1},
		{{{"a.example", 2, 1, "016200"}, {"a.example", 2, 1, "014200"}}, 0},
		{{{"a.example", 65280, 1, ""}, {"a.example", 65280, 1, "00"}}, 1},
		{{{"a.example", 65280, 1, ""}, {"a.example", 65280, 1, ""}}, 0},
		{{{"a.example", 65280, 1, ""}, {"a.example", 65281, 1, ""}}, 1},
		{{{"a.example", 1, 1, "01020304"}, {"b.example", 2, 1, "0161"}}, STELE_E_INPUT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stele_zonemd *zonemd = begin(BOTH);
		assert_int_equal(add(zonemd, &cases[i].lines[0]), 1);
		int status = add(zonemd, &cases[i].lines[1]);
		if (status != cases[i].status)
			fail_msg("case %zu: %d", i, status);
		/* What went wrong once cannot be finished. */
		if (status < 0)
			assert_int_equal(add(zonemd, &zone[4]), STELE_E_USAGE);
		assert_int_equal(stele_zonemd_finish(zonemd), status < 0 ? STELE_E_USAGE : 0);
		stele_zonemd_free(zonemd);
	}
	struct stele_zonemd *zonemd = NULL;
	assert_int_equal(stele_zonemd_begin((const uint8_t *)"", 1, 0, &zonemd, NULL),
			 STELE_E_USAGE);
	assert_int_equal(stele_zonemd_begin((const uint8_t *)"", 1, 1, &zonemd, NULL),
			 STELE_E_USAGE);
	assert_int_equal(stele_zonemd_begin((const uint8_t *)"", 1, 9, &zonemd, NULL),
			 STELE_E_USAGE);
	assert_null(zonemd);
	stele_zonemd_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_usable),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
