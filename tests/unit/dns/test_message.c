/* SPDX-License-Identifier: Apache-2.0 */
/* Messages read from hostile bytes, and messages built with compressed names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/dns/rdata.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stele_writer writer;
static uint8_t buffer[STELE_MESSAGE_MAX];

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t len = strlen(hex) / 2;
	assert_true(stele_hex_decode(hex, bytes, len));
	return len;
}

static size_t wire(const char *text, uint8_t name[STELE_NAME_MAX])
{
	int len = stele_name_from_text(text, strlen(text), name);
	assert_true(len > 0);
	return (size_t)len;
}

static int add(enum stele_rr_section section, const char *owner, uint16_t type,
	       const uint8_t *rdata, size_t rdlen)
{
	uint8_t name[STELE_NAME_MAX];
	size_t len = wire(owner, name);
	return stele_writer_record(&writer, section, name, len, type, STELE_CLASS_IN, 300, rdata,
				   rdlen);
}

static int add_name(enum stele_rr_section section, const char *owner, uint16_t type,
		    const char *target)
{
	uint8_t rdata[STELE_NAME_MAX];
	return add(section, owner, type, rdata, wire(target, rdata));
}

static void expect_owner(const struct stele_rr *rr, const char *text)
{
	char shown[STELE_NAME_TEXT_MAX];
	stele_name_to_text(rr->owner, shown);
	assert_string_equal(shown, text);
}

static void test_read(void **state)
{
	(void)state;
	uint8_t msg[512];
	/* A response for a.Test MX: 10 m.a.Test, and 3 bytes of garbage. */
	size_t len = from_hex("abcd85000001000100000001"
			      "0161045465737400000f0001"
			      "c00c000f00010000012c0006000a016dc00c"
			      "016dc00c00010001000000010004c0000201"
			      "aabbcc",
			      msg);
	struct stele_reader reader;
	struct stele_rr rr;
	assert_int_equal(stele_reader_init(&reader, msg, len), 0);
	assert_int_equal(reader.id, 0xabcd);
	assert_int_equal(reader.flags, 0x8500);
	assert_int_equal(reader.cnt[STELE_RR_ANSWER], 1);

	assert_int_equal(stele_reader_next(&reader, &rr), 1);
	assert_int_equal(rr.section, STELE_RR_QUESTION);
	expect_owner(&rr, "a.Test.");
	assert_int_equal(rr.owner_len, 8);
	assert_int_equal(rr.type, STELE_TYPE_MX);
	assert_int_equal(rr.class_, STELE_CLASS_IN);
	assert_int_equal(rr.at_off, 12);

	assert_int_equal(stele_reader_next(&reader, &rr), 1);
	assert_int_equal(rr.section, STELE_RR_ANSWER);
	expect_owner(&rr, "a.Test.");
	assert_int_equal(rr.ttl, 300);
	assert_int_equal(rr.at_off, 24);
	assert_int_equal(rr.rdata_off, 36);
	assert_int_equal(rr.rdlen, 6);
	uint8_t rdata[300], expected[16];
	size_t expected_len = from_hex("000a016d0161045465737400", expected);
	assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata)), expected_len);
	assert_memory_equal(rdata, expected, expected_len);
	assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, expected_len - 1), STELE_E_INPUT);

	assert_int_equal(stele_reader_next(&reader, &rr), 1);
	assert_int_equal(rr.section, STELE_RR_ADDITIONAL);
	expect_owner(&rr, "m.a.Test.");
	assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata)), 4);
	assert_int_equal(stele_reader_next(&reader, &rr), 0);
	assert_int_equal(stele_reader_next(&reader, &rr), 0);
	assert_int_equal(stele_reader_left(&reader), 3);

	/* Cut anywhere, it is no message; the buffer ends there for ASan too. */
	for (size_t cut = 0; cut < len - 3; cut++) {
		uint8_t *part = malloc(cut > 0 ? cut : 1);
		assert_non_null(part);
		memcpy(part, msg, cut);
		int status = stele_reader_init(&reader, part, cut);
		while (status == 0 && (status = stele_reader_next(&reader, &rr)) == 1)
			status = 0;
		assert_int_equal(status, STELE_E_INPUT);
		assert_int_equal(cut < 12 || stele_reader_next(&reader, &rr) == STELE_E_INPUT, 1);
		free(part);
	}
}

static void test_bad_names(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",         /* nothing */
		"0161",     /* no end */
		"c0",       /* half a pointer */
		"c00c",     /* to itself */
		"0161c00c", /* to its own run */
		"c00e00",   /* forward */
		"c000",     /* into the header */
		"c00b",     /* the same */
		"4000",     /* label types that are none */
		"8000",     "40616263", "056162",
	};
	uint8_t msg[600] = {0}, name[STELE_NAME_MAX];
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = STELE_HEADER_SZ + from_hex(wrong[i], msg + STELE_HEADER_SZ), end;
		assert_int_equal(stele_reader_name(msg, len, STELE_HEADER_SZ, name, &end),
				 STELE_E_INPUT);
	}
	/* Back to a run that goes on forward, though not as far as where it all began. */
	size_t back = STELE_HEADER_SZ + from_hex("0161c010016200c00c", msg + STELE_HEADER_SZ), to;
	assert_int_equal(stele_reader_name(msg, back, back - 2, name, &to), STELE_E_INPUT);
	/* 127 labels of one byte are a name; one more is not, reached by a pointer or not. */
	size_t at = STELE_HEADER_SZ, end;
	for (unsigned i = 0; i < 127; i++) {
		msg[at++] = 1;
		msg[at++] = 'x';
	}
	msg[at++] = 0;
	assert_int_equal(stele_reader_name(msg, at, STELE_HEADER_SZ, name, &end), 255);
	assert_int_equal(end, at);
	size_t more = at + from_hex("0179c00c", msg + at);
	assert_int_equal(stele_reader_name(msg, more, at, name, &end), STELE_E_INPUT);
	more = at + from_hex("0179c00e", msg + at);
	assert_int_equal(stele_reader_name(msg, more, at, name, &end), 255);
	assert_int_equal(end, more);
	/* Pointers one behind another, each a step back: bounded by the message, and fine. */
	at = STELE_HEADER_SZ;
	msg[at++] = 0;
	for (unsigned i = 0; i < 100; i++, at += 2)
		stele_put_be16(msg + at, (uint16_t)(0xc000 | (i == 0 ? at - 1 : at - 2)));
	assert_int_equal(stele_reader_name(msg, at, at - 2, name, &end), 1);
	assert_int_equal(end, at);
}

/* rdata of types with names, which leave it, break off, or have too much behind them. */
static void test_bad_rdata(void **state)
{
	(void)state;
	static const struct {
		uint16_t type;
		const char *rdata;
		int len;
	} cases[] = {
		{STELE_TYPE_NS, "0161c00c", 10},
		{STELE_TYPE_NS, "0161", STELE_E_INPUT},
		{STELE_TYPE_NS, "", STELE_E_INPUT},
		{STELE_TYPE_NS, "016100ff", STELE_E_INPUT},
		{STELE_TYPE_MX, "00", STELE_E_INPUT},
		{STELE_TYPE_MX, "0000", STELE_E_INPUT},
		{STELE_TYPE_MX, "0000c00c", 10},
		{STELE_TYPE_SOA, "c00cc00c0000000100000002000000030000000400000005", 36},
		{STELE_TYPE_SOA, "c00cc00c00000001000000020000000300000004000000", STELE_E_INPUT},
		{STELE_TYPE_SOA, "c00cc00c000000010000000200000003000000040000000500",
		 STELE_E_INPUT},
		{STELE_TYPE_SRV, "000100020003c00c", 14},
		{35, "00010002000173c00c", STELE_E_INPUT},
		{35, "00010002000173027878c00c", 18},
		{35, "0001000200ff", STELE_E_INPUT},
		{STELE_TYPE_RRSIG, "000f0802000000000000000000000000abcdc00cffee", 28},
		{STELE_TYPE_NSEC, "c00c", 2}, /* not ours to expand */
		{STELE_TYPE_A, "", 0},
		{65280, "c00c", 2},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t msg[256];
		size_t at = from_hex("000000000001000100000000"
				     "0474657374016100"
				     "00010001"
				     "c00c"
				     "0000"
				     "000100000000"
				     "0000",
				     msg);
		stele_put_be16(msg + at - 10, cases[i].type);
		stele_put_be16(msg + at - 2, (uint16_t)(strlen(cases[i].rdata) / 2));
		at += from_hex(cases[i].rdata, msg + at);
		memcpy(msg + at, "\1b\0", 3); /* behind the record: a name must not go on here */
		struct stele_reader reader;
		struct stele_rr rr;
		uint8_t rdata[512];
		assert_int_equal(stele_reader_init(&reader, msg, at + 3), 0);
		assert_int_equal(stele_reader_next(&reader, &rr), 1);
		assert_int_equal(stele_reader_next(&reader, &rr), 1);
		/* test.a. is 8 bytes long */
		int len = stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata));
		if (len != (cases[i].len))
			fail_msg("case %zu: %d", i, len);
		if (len > 0)
			assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, (size_t)len - 1),
					 STELE_E_INPUT);
		/* In an UPDATE, that there is none says something (RFC 2136 section 2.4). */
		static const uint16_t classes[] = {STELE_CLASS_ANY, STELE_CLASS_NONE};
		for (unsigned k = 0; rr.rdlen == 0 && k < 2; k++) {
			rr.class_ = classes[k];
			assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, 0), 0);
		}
	}
}

static void test_write(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX];
	stele_writer_init(&writer, buffer, sizeof(buffer));
	stele_writer_begin(&writer, 0x1234, STELE_FLAG_QR | STELE_FLAG_AA);
	size_t len = wire("www.Example.test", name);
	assert_int_equal(stele_writer_question(&writer, name, len, STELE_TYPE_A, STELE_CLASS_IN),
			 1);
	assert_int_equal(add_name(STELE_RR_ANSWER, "www.Example.test", STELE_TYPE_CNAME,
				  "a.www.Example.test"),
			 1);
	/* Another case is another name: nothing but `test` is shared. */
	assert_int_equal(add_name(STELE_RR_ANSWER, "a.www.Example.test", STELE_TYPE_NS,
				  "A.example.test"),
			 1);
	/* No compression in SRV, though what it holds is there; and its name is not pointed to. */
	uint8_t srv[6 + STELE_NAME_MAX] = {0, 1, 0, 2, 0, 3};
	size_t srv_len = 6 + wire("new.example.test", srv + 6);
	assert_int_equal(add(STELE_RR_ANSWER, ".", STELE_TYPE_SRV, srv, srv_len), 1);
	assert_int_equal(add(STELE_RR_ADDITIONAL, "new.example.test", STELE_TYPE_A,
			     (const uint8_t *)"\1\2\3\4", 4),
			 1);
	assert_int_equal(add(STELE_RR_ANSWER, "x.test", STELE_TYPE_A, NULL, 0), STELE_E_USAGE);
	assert_int_equal(stele_writer_question(&writer, name, len, 1, 1), STELE_E_USAGE);
	uint8_t expected[512];
	size_t expected_len = from_hex("123484000001000300000001"
				       "0377777707457861"
				       "6d706c65047465737400"
				       "00010001"
				       "c00c"
				       "00050001"
				       "0000012c"
				       "0004"
				       "0161c00c"
				       "c02e"
				       "00020001"
				       "0000012c"
				       "000c"
				       "0141076578616d706c65c018"
				       "00"
				       "00210001"
				       "0000012c"
				       "0018"
				       "000100020003"
				       "036e6577076578616d706c65047465737400"
				       "036e6577c040"
				       "00010001"
				       "0000012c"
				       "0004"
				       "01020304",
				       expected);
	assert_int_equal(stele_writer_end(&writer), expected_len);
	assert_memory_equal(buffer, expected, expected_len);

	/* The same writer again knows nothing of what was. */
	stele_writer_begin(&writer, 1, 0);
	assert_int_equal(add(STELE_RR_ANSWER, "www.Example.test", STELE_TYPE_A, NULL, 0), 1);
	assert_int_equal(stele_writer_end(&writer), 12 + 18 + 10);
	/* rdata that is none where names would be compressed. */
	assert_int_equal(add(STELE_RR_ANSWER, "y.test", STELE_TYPE_NS, (const uint8_t *)"\1a", 2),
			 STELE_E_INPUT);
	assert_int_equal(add(STELE_RR_ANSWER, "y.test", STELE_TYPE_SOA, (const uint8_t *)"\0", 1),
			 STELE_E_INPUT);
	assert_int_equal(add(STELE_RR_ANSWER, "y.test", STELE_TYPE_MX, (const uint8_t *)"\0", 1),
			 STELE_E_INPUT);
	assert_int_equal(stele_writer_end(&writer), 12 + 18 + 10);
}

/* With each limit: what does not fit leaves no trace, and what was known of it is not pointed to. */
static void test_limit(void **state)
{
	(void)state;
	for (size_t limit = 0; limit < 80; limit++) {
		uint8_t *small = malloc(limit + 12); /* exactly: ASan sees a byte too many */
		assert_non_null(small);
		stele_writer_init(&writer, small, limit + 12);
		stele_writer_limit(&writer, limit + 22, 10);
		int first = add_name(STELE_RR_ANSWER, "a.b.test", STELE_TYPE_NS, "ns.c.test");
		assert_int_equal(first, 12 + limit >= 12 + 20 + 7 + 10);
		stele_writer_limit(&writer, limit + 12, 0);
		int second = add(STELE_RR_AUTHORITY, "ns.c.test", STELE_TYPE_A, NULL, 0);
		assert_int_equal(second, limit >= (first ? 27u + 12 : 11 + 10) ? 1 : 0);
		size_t len = stele_writer_end(&writer);
		assert_true(len <= limit + 12);
		struct stele_reader reader;
		struct stele_rr rr;
		assert_int_equal(stele_reader_init(&reader, small, len), 0);
		if (first) {
			assert_int_equal(stele_reader_next(&reader, &rr), 1);
			expect_owner(&rr, "a.b.test.");
		}
		if (second) {
			assert_int_equal(stele_reader_next(&reader, &rr), 1);
			expect_owner(&rr, "ns.c.test.");
			assert_int_equal(rr.section, STELE_RR_AUTHORITY);
		}
		assert_int_equal(stele_reader_next(&reader, &rr), 0);
		assert_int_equal(stele_reader_left(&reader), 0);
		free(small);
	}
	/* More kept free than there is, and more room than a message has. */
	stele_writer_init(&writer, buffer, sizeof(buffer));
	stele_writer_limit(&writer, 100, 101);
	assert_int_equal(add(STELE_RR_ANSWER, "a.test", STELE_TYPE_A, NULL, 0), 0);
	stele_writer_init(&writer, buffer, sizeof(buffer) + 1);
	assert_int_equal(writer.max, STELE_MESSAGE_MAX);
}

static void test_rollback(void **state)
{
	(void)state;
	stele_writer_init(&writer, buffer, sizeof(buffer));
	assert_int_equal(add(STELE_RR_ANSWER, "a.test", STELE_TYPE_A, NULL, 0), 1);
	struct stele_writer_mark mark = stele_writer_mark(&writer);
	size_t len = stele_writer_end(&writer);
	assert_int_equal(add(STELE_RR_ADDITIONAL, "b.a.test", STELE_TYPE_A, NULL, 0), 1);
	assert_int_equal(add_name(STELE_RR_ADDITIONAL, "c.b.a.test", STELE_TYPE_NS, "d.b.a.test"),
			 1);
	stele_writer_rollback(&writer, &mark);
	assert_int_equal(stele_writer_end(&writer), len);
	/* b.a.test is not there any more: written in full, in a section that was over. */
	assert_int_equal(add(STELE_RR_AUTHORITY, "c.b.a.test", STELE_TYPE_A, NULL, 0), 1);
	assert_int_equal(stele_writer_end(&writer), len + 4 + 2 + 10);
}

/* More names than fit the table, or few and long ones, in a message longer than pointers reach: all come back. */
static void check_many(int width, unsigned cnt_min)
{
	stele_writer_init(&writer, buffer, sizeof(buffer));
	char text[96];
	unsigned cnt = 0, i = 0;
	for (;; cnt++) {
		snprintf(text, sizeof(text), "%0*u.s%u.Example.test", width, cnt % 1300, cnt / 3);
		if (add_name(STELE_RR_ANSWER, text, STELE_TYPE_NS, "ns.Example.test") == 0)
			break;
	}
	size_t len = stele_writer_end(&writer);
	assert_true(cnt > cnt_min && sizeof(buffer) - len < 96);
	assert_true(writer.label_cnt <= STELE_WRITER_LABELS_MAX);
	struct stele_reader reader;
	struct stele_rr rr;
	assert_int_equal(stele_reader_init(&reader, buffer, len), 0);
	for (; stele_reader_next(&reader, &rr) == 1; i++) {
		uint8_t rdata[STELE_NAME_MAX], ns[STELE_NAME_MAX];
		snprintf(text, sizeof(text), "%0*u.s%u.Example.test.", width, i % 1300, i / 3);
		expect_owner(&rr, text);
		int rdlen = stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata));
		assert_int_equal(rdlen, wire("ns.Example.test", ns));
		assert_memory_equal(rdata, ns, (size_t)rdlen);
	}
	assert_int_equal(i, cnt);
	assert_int_equal(stele_reader_left(&reader), 0);
}

static void test_many(void **state)
{
	(void)state;
	check_many(1, 2000);
	check_many(63, 500);
}

/* RFC 4034 section 5.4, and sums by hand. */
static void test_key_tag(void **state)
{
	(void)state;
	static const char hex[] =
		"0100030501039e8a247418e318903b215a848acfd5f37f026bd4062db26c774c690968d5d56df8bf"
		"da91e6f36d9a279888f41333357c5e6029990d10fdf5663062a512763326980a615ddbf17a05ddfc"
		"ce7e5fb3abcca05a31b0957452d4521e83870789063115bf97f6c308ccf57cdc9ce7fe10f6ed1bd0"
		"cc0660038c50dcdb0feb963c2f17";
	uint8_t rdata[(sizeof(hex) - 1) / 2];
	from_hex(hex, rdata);
	assert_int_equal(stele_rdata_key_tag(rdata, sizeof(rdata)), 60485);
	assert_int_equal(stele_rdata_key_tag(rdata, 4), 0x0100 + 0x0305);
	assert_int_equal(stele_rdata_key_tag((const uint8_t *)"\1\0\3\x0d\xff", 5), 0x030e);
	assert_int_equal(stele_rdata_key_tag(rdata, 0), 0);
}

static void test_canonical(void **state)
{
	(void)state;
	static const struct {
		uint16_t type;
		const char *rdata, *canonical; /* NULL: wrong */
	} cases[] = {
		{STELE_TYPE_NS, "014100", "016100"},
		{STELE_TYPE_NS, "01410041", NULL},
		{STELE_TYPE_NS, "0141", NULL},
		{STELE_TYPE_MX, "4142014100", "4142016100"},
		{STELE_TYPE_SRV, "414243444546014100", "414243444546016100"},
		{STELE_TYPE_TXT, "0141", "0141"},
		{STELE_TYPE_NSEC, "014100", "014100"}, /* RFC 6840 section 5.1 */
		{STELE_TYPE_HINFO, "01410142", "01410142"},
		{35, "414243440141014201430144", NULL},
		{35, "41424344014101420143014400", "41424344014101420143016400"},
		{STELE_TYPE_RRSIG, "4142434445464748494a4b4c4d4e4f505152014100414243",
		 "4142434445464748494a4b4c4d4e4f505152016100414243"},
		{17, "014100014200", "016100016200"},
		{17, "014100", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t rdata[64], canonical[64], expected[64];
		size_t len = from_hex(cases[i].rdata, rdata);
		bool done = stele_rdata_canonical(cases[i].type, rdata, len, canonical);
		if (cases[i].canonical == NULL) {
			assert_false(done);
			continue;
		}
		assert_true(done);
		from_hex(cases[i].canonical, expected);
		assert_memory_equal(canonical, expected, len);
		assert_true(stele_rdata_canonical(cases[i].type, rdata, len, rdata));
		assert_memory_equal(rdata, expected, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),      cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_bad_rdata), cmocka_unit_test(test_write),
		cmocka_unit_test(test_limit),     cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_many),      cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_key_tag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
