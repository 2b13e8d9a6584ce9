/* SPDX-License-Identifier: Apache-2.0 */
/* Records as they come in messages: data with compressed names, and zones that were not files. */
#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"
#include "lib/zone/zone.h"
#include "tests/unit/store/store_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- data out of a message ---- */

/* A header, "a.Example." at 12 ("Example." at 14), "w." at 23 as "w" and a pointer to 14, then the data. */
#define HEAD                                                                                       \
	"\0\0\0\0\0\0\0\0\0\0\0\0"                                                                 \
	"\1a\7Example\0"                                                                           \
	"\1w\xc0\x0e"
enum { HEAD_SZ = 12 + 11 + 4, AT_A = 12, AT_EXAMPLE = 14, AT_W = 23 };

#define BYTES(text) text, sizeof(text) - 1
#define EX "\7Example\0"

static void test_expands(void **state)
{
	(void)state;
	static const struct {
		uint16_t type;
		const char *rdata;
		size_t len;
		const char *expected;
		size_t expected_len;
	} cases[] = {
		{STELE_TYPE_NS, BYTES("\xc0\x0c"), BYTES("\1a" EX)},
		{STELE_TYPE_NS, BYTES("\2NS\xc0\x17"), BYTES("\2NS\1w" EX)}, /* by way of two */
		{STELE_TYPE_NS, BYTES("\0"), BYTES("\0")},
		{STELE_TYPE_CNAME, BYTES("\1x\0"), BYTES("\1x\0")},
		{STELE_TYPE_PTR, BYTES("\xc0\x0e"), BYTES(EX)},
		{STELE_TYPE_MX, BYTES("\0\12\xc0\x0e"), BYTES("\0\12" EX)},
		{STELE_TYPE_MINFO, BYTES("\xc0\x0e\xc0\x0c"), BYTES(EX "\1a" EX)},
		{STELE_TYPE_SOA,
		 BYTES("\xc0\x0e\1h\xc0\x0e"
		       "1234567890abcdefghij"),
		 BYTES(EX "\1h" EX "1234567890abcdefghij")},
		/* A name of the data itself may be pointed to. */
		{STELE_TYPE_SOA,
		 BYTES("\1q\0\1h\xc0\x1b"
		       "1234567890abcdefghij"),
		 BYTES("\1q\0\1h\1q\0"
		       "1234567890abcdefghij")},
		{STELE_TYPE_SRV, BYTES("123456\xc0\x0e"), BYTES("123456" EX)},
		{17, BYTES("\xc0\x0e\xc0\x0c"), BYTES(EX "\1a" EX)},             /* RP */
		{35, BYTES("1234\1s\0\2ab\xc0\x0e"), BYTES("1234\1s\0\2ab" EX)}, /* NAPTR */
		{STELE_TYPE_A, BYTES("\1\2\3\4"), BYTES("\1\2\3\4")},
		{STELE_TYPE_TXT, BYTES("\2\xc0\x0e"), BYTES("\2\xc0\x0e")},
		{65280, BYTES("\xc0\x0e"), BYTES("\xc0\x0e")}, /* opaque */
		{65280, BYTES(""), BYTES("")},
		/* These must not be sent so, and are read as in transfers. */
		{STELE_TYPE_DNAME, BYTES("\xc0\x0e"), BYTES(EX)},
		{STELE_TYPE_RRSIG, BYTES("123456789012345678\xc0\x0esig"),
		 BYTES("123456789012345678" EX "sig")},
		/* Refused: */
		{STELE_TYPE_NS, BYTES(""), NULL, 0},
		{STELE_TYPE_NS, BYTES("\xc0"), NULL, 0},
		{STELE_TYPE_NS, BYTES("\xc0\x1b"), NULL, 0},     /* itself */
		{STELE_TYPE_NS, BYTES("\xc0\x1d\0\0"), NULL, 0}, /* forward */
		{STELE_TYPE_NS, BYTES("\1a\xc0\x1b"), NULL, 0},  /* a loop */
		{STELE_TYPE_NS, BYTES("\xc0\x0b"), NULL, 0},     /* into the header */
		{STELE_TYPE_NS, BYTES("\xff\xff"), NULL, 0},
		{STELE_TYPE_NS, BYTES("\x40\x0e"), NULL, 0}, /* label types of old */
		{STELE_TYPE_NS, BYTES("\x80\x0e"), NULL, 0},
		{STELE_TYPE_NS, BYTES("\xc0\x0e\0"), NULL, 0}, /* something behind it */
		{STELE_TYPE_NS, BYTES("\1a"), NULL, 0},        /* no end */
		{STELE_TYPE_NS, BYTES("\5abc\0"), NULL, 0},
		{STELE_TYPE_NSEC, BYTES("\xc0\x0e\0\1\x40"), NULL, 0},
		{STELE_TYPE_A, BYTES("\1\2\3"), NULL, 0},
		{STELE_TYPE_SOA,
		 BYTES("\xc0\x0e\1h\xc0\x0e"
		       "1234567890abcdefghi"),
		 NULL, 0},
		{35, BYTES("1234\1s\0\7ab\xc0\x0e"), NULL, 0},
		{35, BYTES("123"), NULL, 0},
		{35, BYTES("1234\1s"), NULL, 0},
		{0, BYTES("\1\2\3\4"), NULL, 0},
		{STELE_TYPE_OPT, BYTES(""), NULL, 0},
		{STELE_TYPE_TSIG, BYTES("\xc0\x0e"), NULL, 0},
		{STELE_TYPE_ANY, BYTES(""), NULL, 0},
	};
	static uint8_t out[STELE_RDATA_MAX];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = HEAD_SZ + cases[i].len;
		uint8_t *msg = malloc(len); /* so that a read behind the end is seen */
		memcpy(msg, HEAD, HEAD_SZ);
		memcpy(msg + HEAD_SZ, cases[i].rdata, cases[i].len);
		int got = stele_rdata_from_message(cases[i].type, msg, len, HEAD_SZ, cases[i].len,
						   out);
		if (cases[i].expected == NULL) {
			if (got >= 0)
				fail_msg("case %zu was taken", i);
		} else {
			if (got != (int)cases[i].expected_len)
				fail_msg("case %zu: %d", i, got);
			assert_memory_equal(out, cases[i].expected, cases[i].expected_len);
		}
		/* More than there is, and where nothing is. */
		assert_true(stele_rdata_from_message(cases[i].type, msg, len, HEAD_SZ,
						     cases[i].len + 1, out) < 0);
		assert_true(stele_rdata_from_message(cases[i].type, msg, len, len + 1, 0, out) < 0);
		assert_true(stele_rdata_from_message(cases[i].type, msg, len, SIZE_MAX, 2, out) <
			    0);
		free(msg);
	}
}

static void test_names(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX], msg[1024] = HEAD;
	size_t next = 0;
	assert_int_equal(stele_reader_name(msg, HEAD_SZ, AT_W, name, &next), 11);
	assert_memory_equal(name, "\1w" EX, 11);
	assert_int_equal(next, HEAD_SZ);
	/* 255 bytes, put together from pieces of which each points to the one before; one more is too many. */
	size_t at = 12, last = 0;
	for (unsigned i = 0; i < 4; i++) {
		size_t len = i == 3 ? 61 : 63;
		size_t begin = at;
		msg[at] = (uint8_t)len;
		memset(msg + at + 1, 'x', len);
		at += 1 + len;
		if (i == 0) {
			msg[at++] = 0;
		} else {
			stele_put_be16(msg + at, (uint16_t)(0xc000 | last));
			at += 2;
		}
		last = begin;
	}
	assert_int_equal(stele_reader_name(msg, at, last, name, &next), 255);
	assert_int_equal(stele_name_length(name, 255), 255);
	assert_int_equal(next, at);
	msg[at] = 1;
	msg[at + 1] = 'y';
	stele_put_be16(msg + at + 2, (uint16_t)(0xc000 | last));
	assert_int_equal(stele_reader_name(msg, at + 4, at, name, &next), STELE_E_INPUT);
	for (size_t cut = last; cut < at; cut++) {
		uint8_t *part = malloc(cut);
		memcpy(part, msg, cut);
		assert_int_equal(stele_reader_name(part, cut, last, name, &next), STELE_E_INPUT);
		free(part);
	}
}

static uint32_t random_state = 20401;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

/* Whatever the bytes: a result that is valid, or none. */
static void test_random_bytes(void **state)
{
	(void)state;
	static const uint16_t types[] = {1,  2,  5,  6,  12, 14, 15, 16, 17, 18,  24,
					 26, 30, 33, 35, 39, 46, 47, 50, 64, 257, 65280};
	static uint8_t out[STELE_RDATA_MAX];
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = 1 + draw(80);
		uint8_t *msg = malloc(len + 1);
		for (size_t k = 0; k < len; k++) {
			uint32_t kind = draw(4);
			msg[k] = (uint8_t)(kind == 0 ? 0xc0 : draw(kind == 1 ? 256 : 40));
		}
		uint16_t type = types[draw(sizeof(types) / sizeof(types[0]))];
		size_t off = draw((uint32_t)len + 2);
		size_t rdlen = len >= off ? draw((uint32_t)(len - off) + 2) : 0;
		uint8_t *exact = malloc(len);
		memcpy(exact, msg, len);
		int got = stele_rdata_from_message(type, exact, len, off, rdlen, out);
		if (got >= 0)
			assert_true(stele_rdata_valid(type, out, (size_t)got));
		free(exact);
		free(msg);
	}
}

/* ---- a zone that comes in messages ---- */

static char told[4096];

static void note_text(void *user, const char *text)
{
	(void)user;
	size_t len = strlen(told);
	snprintf(told + len, sizeof(told) - len, "%s\n", text);
}

static const char *source_name(const void *user, uint16_t file)
{
	(void)file;
	return user;
}

static const uint8_t apex[] = "\1e";

static void add(struct stele_zone_data *data, const char *owner, uint16_t type, const char *rdata,
		size_t len)
{
	uint8_t name[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
	int name_len = stele_name_from_text(owner, strlen(owner), name);
	assert_true(name_len > 0);
	struct stele_record record = {.type = type,
				      .rdata_len = (uint16_t)len,
				      .ttl = 60,
				      .rdata = (const uint8_t *)rdata};
	assert_true(stele_rdata_valid(type, record.rdata, len));
	assert_int_equal(stele_zone_data_add(data, key,
					     stele_sort_key(name, (size_t)name_len - 1, key), false,
					     0, &record),
			 0);
}

static void add_apex(struct stele_zone_data *data, char serial)
{
	char soa[22] = {0};
	soa[5] = serial;
	add(data, "e.", STELE_TYPE_SOA, soa, sizeof(soa));
	add(data, "e.", STELE_TYPE_NS, BYTES("\2ns\1f\0"));
}

static struct stele_error err;

static int write_zone(struct stele_store *store, struct stele_zone_data *data,
		      struct stele_zone_stats *ret_stats)
{
	struct stele_report report = {.emit = note_text};
	struct stele_zone_input input = {
		.data = data,
		.apex = apex,
		.apex_len = sizeof(apex),
		.now = 1700000000,
		.report = &report,
		.file_name = source_name,
		.user = "transfer of e. from 192.0.2.1",
	};
	struct stele_store_write *write;
	told[0] = '\0';
	assert_int_equal(stele_zone_data_sort(data, apex, sizeof(apex)), 0);
	assert_int_equal(stele_store_write_begin(store, &write, &err), 0);
	int status =
		stele_zone_write(&input, stele_store_write_view(write), write, ret_stats, &err);
	if (status == 0)
		assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	else
		stele_store_abort(write);
	stele_zone_data_clear(data);
	return status;
}

static void test_transfer(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-test-zone-XXXXXX";
	assert_non_null(mkdtemp(dir));
	struct stele_store *store;
	assert_int_equal(stele_store_open(dir, STELE_STORE_CREATE, &store, &err), 0);
	struct stele_zone_data data = {0};
	struct stele_zone_stats stats;

	add(&data, "www.e.", STELE_TYPE_A, BYTES("\1\2\3\4"));
	add_apex(&data, 1);
	add(&data, "www.e.", STELE_TYPE_A, BYTES("\1\2\3\3"));
	assert_int_equal(write_zone(store, &data, &stats), 0);
	assert_string_equal(told, "");
	assert_int_equal(stats.rr_cnt, 4);
	assert_int_equal(stats.owner_cnt, 2);
	assert_true(stats.changed);

	add_apex(&data, 1);
	add(&data, "mail.e.", STELE_TYPE_A, BYTES("\1\2\3\4"));
	assert_int_equal(write_zone(store, &data, &stats), 0);
	assert_string_equal(told, "warning: transfer of e. from 192.0.2.1: serial 1 does not "
				  "increase (expected more than the 1 of the store)\n");

	add_apex(&data, 3);
	add(&data, "www.e.", STELE_TYPE_CNAME, BYTES("\1x\0"));
	add(&data, "www.e.", STELE_TYPE_A, BYTES("\1\2\3\4"));
	add(&data, "www.other.", STELE_TYPE_A, BYTES("\1\2\3\4"));
	assert_int_equal(write_zone(store, &data, &stats), STELE_E_INPUT);
	assert_string_equal(err.text, "");
	assert_string_equal(told,
			    "transfer of e. from 192.0.2.1: CNAME beside A at www.e. (expected no "
			    "other data there)\n"
			    "transfer of e. from 192.0.2.1: www.other. is outside the zone "
			    "(expected names at or below e.)\n");
	stele_zone_data_free(&data);
	stele_store_close(store);
	store_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expands),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_transfer),
	};
	return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
