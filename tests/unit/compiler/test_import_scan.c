/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner: what text becomes which records, and where an error is said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/dns/rrtype.h"
#include "zonecompiler/import/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What came out: one line a record, "line owner TTL type hex", and one an error. */
static char out[1 << 20];
static size_t out_len;

static void put_line(const char *text)
{
	out_len += (size_t)snprintf(out + out_len, sizeof(out) - out_len, "%s\n", text);
	assert_true(out_len < sizeof(out));
}

static void note_error(void *user, const char *text)
{
	(void)user;
	/* Without what was expected: whole sentences would make the tests a copy of the code. */
	char line[512];
	const char *expected = strstr(text, " (expected");
	snprintf(line, sizeof(line), "%.*s", (int)(expected != NULL ? expected - text : 500), text);
	put_line(line);
}

static int note_record(void *user, const struct stele_scan_owner *owner,
		       const struct stele_record *record)
{
	(void)user;
	uint8_t name[STELE_NAME_MAX + 1];
	char text[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX], hex[64] = "", line[2048];
	int len = stele_sort_key_to_name(owner->key, owner->key_len, name);
	assert_true(len >= 0);
	name[len] = 0;
	stele_name_to_text(name, text);
	for (unsigned i = 0; i < record->rdata_len && i < 20; i++)
		sprintf(hex + 2 * i, "%02x", record->rdata[i]);
	snprintf(line, sizeof(line), "%u %s %u %s %s", record->line, text, record->ttl,
		 stele_rrtype_to_text(record->type, type), hex);
	put_line(line);
	return 0;
}

static void scan_bytes(const char *text, size_t len, const char *origin)
{
	struct stele_report report = {.emit = note_error};
	struct stele_scan *scan;
	uint8_t *copy = calloc(1, len + STELE_CURSOR_SLACK);
	uint8_t name[STELE_NAME_MAX];
	assert_non_null(copy);
	memcpy(copy, text, len);
	out_len = 0;
	out[0] = '\0';
	int origin_len = origin != NULL ? stele_name_from_text(origin, strlen(origin), name) : 0;
	assert_int_equal(stele_scan_new(&report, note_record, NULL, &scan), 0);
	stele_scan_reset(scan, name, (size_t)origin_len);
	stele_scan_restrict(scan);
	assert_int_equal(stele_scan_text(scan, "f", copy, len, NULL), 0);
	stele_scan_free(scan);
	free(copy);
}

static void expect(const char *text, const char *expected)
{
	scan_bytes(text, strlen(text), "E.");
	if (strcmp(out, expected) != 0)
		print_error("in:\n%s\nexpected:\n%s\ngot:\n%s\n", text, expected, out);
	assert_string_equal(out, expected);
}

static void test_fields(void **state)
{
	(void)state;
	/* TTL and class in any order, each or none, types and classes in any case. */
	expect("a 5 IN A 1.2.3.4\na IN 6 A 1.2.3.4\na A 1.2.3.4\n",
	       "1 a.e. 5 A 01020304\n2 a.e. 6 A 01020304\n3 a.e. 6 A 01020304\n");
	expect("a 5 class1 a 1.2.3.4\nB 5 type1 1.2.3.4\n",
	       "1 a.e. 5 A 01020304\n2 b.e. 5 A 01020304\n");
	expect("a 1h30m A 1.2.3.4\na 1W2D A 1.2.3.4\n", "1 a.e. 5400 A 01020304\n"
							"2 a.e. 777600 A 01020304\n");
	/* An owner may look like a type, a class or a TTL. */
	expect("IN 5 IN A 1.2.3.4\nA 5 A 1.2.3.4\n5 5 A 1.2.3.4\n",
	       "1 in.e. 5 A 01020304\n2 a.e. 5 A 01020304\n3 5.e. 5 A 01020304\n");
	/* Owners: origin, absolute, root, escaped, omitted. */
	expect("@ 5 A 1.2.3.4\n A 1.2.3.5\nX.y. A 1.2.3.6\n\tA 1.2.3.7\n. A 1.2.3.8\n",
	       "1 e. 5 A 01020304\n2 e. 5 A 01020305\n3 x.y. 5 A 01020306\n"
	       "4 x.y. 5 A 01020307\n5 . 5 A 01020308\n");
	expect("\\@ 5 A 1.2.3.4\na\\.b A 1.2.3.4\n\\065\\000 A 1.2.3.4\n\\$a A 1.2.3.4\n",
	       "1 \\@.e. 5 A 01020304\n2 a\\.b.e. 5 A 01020304\n3 a\\000.e. 5 A 01020304\n"
	       "4 \\$a.e. 5 A 01020304\n");
	/* Types that ldns does not know. */
	expect("a 5 DSYNC CDS NOTIFY 53 x.\na DSYNC TYPE1 200 53 .\n",
	       "1 a.e. 5 DSYNC 003b010035017800\n2 a.e. 5 DSYNC 0001c8003500\n");
	expect("a 5 AMTRELAY 10 0 0 .\na AMTRELAY 1 1 1 203.0.113.15\na AMTRELAY 2 0 2 2001:db8::15\n"
	       "a AMTRELAY 128 1 3 Amt\na AMTRELAY \\# 3 01 04 ff\n",
	       "1 a.e. 5 AMTRELAY 0a00\n2 a.e. 5 AMTRELAY 0181cb00710f\n"
	       "3 a.e. 5 AMTRELAY 020220010db8000000000000000000000015\n"
	       "4 a.e. 5 AMTRELAY 808303416d74014500\n5 a.e. 5 AMTRELAY 0104ff\n");
	expect("a 5 RESINFO qnamemin \"exterr=15\"\na WALLET BTC \"\"\na NINFO x\na AVC x y\na CLA z\n",
	       "1 a.e. 5 RESINFO 08716e616d656d696e096578746572723d3135\n"
	       "2 a.e. 5 WALLET 0342544300\n3 a.e. 5 NINFO 0178\n4 a.e. 5 AVC 01780179\n"
	       "5 a.e. 5 CLA 017a\n");
	expect("a 5 RKEY 0 3 RSASHA256 AA EC\na HHIT AAEC\na BRID AA==\na IPN 4294967296\n"
	       "a DOA 1 2 3 text AAEC\na DOA 0 0 0 \"\" -\na TA 1 8 2 ff\n",
	       "1 a.e. 5 RKEY 00000308000102\n2 a.e. 5 HHIT 000102\n3 a.e. 5 BRID 00\n"
	       "4 a.e. 5 IPN 0000000100000000\n"
	       "5 a.e. 5 DOA 0000000100000002030474657874000102\n"
	       "6 a.e. 5 DOA 00000000000000000000\n7 a.e. 5 TA 00010802ff\n");
	/* Names in data keep their case, and so does the origin. */
	expect("a 5 NS Ns\n", "1 a.e. 5 NS 024e73014500\n");
}

static void test_lines(void **state)
{
	(void)state;
	expect("a 5 A 1.2.3.4", "1 a.e. 5 A 01020304\n");
	expect("", "");
	expect("\n\n ; nothing\n\t\n;x\n", "");
	expect("a 5 A 1.2.3.4\r\n\r\n A 1.2.3.5 ; c\r\n",
	       "1 a.e. 5 A 01020304\n3 a.e. 5 A 01020305\n");
	expect("a 5 MX ( 1 ; one\n\n x. ) ; two\nb A 1.2.3.4\n",
	       "1 a.e. 5 MX 0001017800\n4 b.e. 5 A 01020304\n");
	expect("a ( 5\nIN\nA 1.2.3.4 )\n (\nA 1.2.3.5)\n",
	       "1 a.e. 5 A 01020304\n5 a.e. 5 A 01020305\n");
	expect("a 5 TXT \"x;(\" y\n", "1 a.e. 5 TXT 03783b280179\n");
	expect("\xef\xbb\xbf"
	       "a 5 A 1.2.3.4\n",
	       "1 a.e. 5 A 01020304\n");
}

static void test_ttls(void **state)
{
	(void)state;
	expect("$TTL 1h\na A 1.2.3.4\na 5 A 1.2.3.5\na A 1.2.3.6\n$TTL 7\na A 1.2.3.7\n",
	       "2 a.e. 3600 A 01020304\n3 a.e. 5 A 01020305\n4 a.e. 3600 A 01020306\n"
	       "6 a.e. 7 A 01020307\n");
	/* Without anything the SOA's minimum. */
	expect("@ SOA . . 1 2 3 4 99\na A 1.2.3.4\n",
	       "1 e. 99 SOA 0000000000010000000200000003000000040000\n2 a.e. 99 A 01020304\n");
	expect("a A 1.2.3.4\n", "f:1:3: record without a TTL\n");
	expect("a 2147483648 A 1.2.3.4\n", "f:1:3: bad TTL '2147483648'\n");
	expect("$TTL x\n", "f:1:6: bad TTL 'x'\n");
}

static void test_directives(void **state)
{
	(void)state;
	expect("$ORIGIN B\na 5 A 1.2.3.4\n$origin c.\na 5 NS x\n",
	       "2 a.b.e. 5 A 01020304\n4 a.c. 5 NS 0178016300\n");
	expect("$ORIGIN\n$FOO 1\n$TTL 1 2\n", "f:1:8: $ORIGIN without a name\n"
					      "f:2:1: unknown directive '$FOO'\n"
					      "f:3:8: '2' behind the TTL\n");
	expect("$INCLUDE x\n", "f:1:10: $INCLUDE is not allowed here\n");
}

static void test_generate(void **state)
{
	(void)state;
	expect("$TTL 5\n$GENERATE 1-3 h$ A 10.0.0.$ ; c\na A 1.2.3.4\n",
	       "2 h1.e. 5 A 0a000001\n2 h2.e. 5 A 0a000002\n2 h3.e. 5 A 0a000003\n"
	       "3 a.e. 5 A 01020304\n");
	expect("$GENERATE 8-10/2 ${-8,3,d} 7 IN A 10.0.0.${1}\n",
	       "1 000.e. 7 A 0a000009\n1 002.e. 7 A 0a00000b\n");
	expect("$GENERATE 255-255 ${0,4,x}-${0,0,X}-${0,5,o} 7 NS $$.\\$.$.\n",
	       "1 00ff-ff-00377.e. 7 NS 012401240332353500\n");
}

static void test_generate_fields(void **state)
{
	(void)state;
	expect("$GENERATE 1-1 h$ 7 ( A\n 10.0.0.$ ; c\n )\na 7 A 1.2.3.4\n",
	       "1 h1.e. 7 A 0a000001\n4 a.e. 7 A 01020304\n");
	expect("$GENERATE ( 1-1 h$ 7 TXT $ \"(;$\" \\; )\n", "1 h1.e. 7 TXT 013103283b31013b\n");
	expect("$GENERATE 1-1 h$ 7 A ( 10.0.0.$\n", "f:1:22: '(' is never closed\n");
	/* The data as one string, as BIND's manual has it; of a type that begins with a string it is that. */
	expect("$GENERATE 1-1 h$ 7 IN MX \"$ m$\"\n", "1 h1.e. 7 MX 0001026d31014500\n");
	expect("$GENERATE 1-1 h$ 7 TXT \"$ m\"\n", "1 h1.e. 7 TXT 0331206d\n");
	expect("$GENERATE 1-1 h$ 7 MX \"1\" m\n", "f:1:1: bad string '1'\n");
	expect("$GENERATE 1-1 h$ 7 ; MX 1 m\n", "f:1:1: the record ends too early\n");
	expect("$GENERATE 1-1 h$ ( )\n", "f:1:21: $GENERATE without a record\n");
}

static void test_generate_nibbles(void **state)
{
	(void)state;
	expect("$GENERATE 171-171 ${0,7,n} 7 A 1.2.3.4\n", "1 b.a.0.0.e. 7 A 01020304\n");
	expect("$GENERATE 2147483646-2147483647/2147483647 ${1} 7 A 1.2.3.4\n",
	       "1 2147483647.e. 7 A 01020304\n");
	expect("$GENERATE 2147483647-2147483647 a${2147483647,0,d} 7 A 1.2.3.4\n",
	       "f:1:33: bad ${...}\n");
	expect("$GENERATE 2147483647-2147483647 ${-2147483647,2,d} 7 A 1.2.3.4\n",
	       "1 00.e. 7 A 01020304\n");
	expect("$GENERATE 171-171 ${0,1,N} 7 A 1.2.3.4\n", "1 b.a.e. 7 A 01020304\n");
	expect("$GENERATE 2-1 a 7 A 1.2.3.4\n$GENERATE 1-2 a${0,1,q} 7 A 1.2.3.4\n"
	       "$GENERATE 1-999999 a A 1.2.3.4\n$GENERATE 1-2 a$ 7 A 1.2.3\n",
	       "f:1:11: bad range '2-1'\n"
	       "f:2:15: bad ${...}\n"
	       "f:3:11: range '1-999999' makes too many records\n"
	       "f:4:1: bad IPv4 address '1.2.3'\n");
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{" A 1.2.3.4\n", "f:1:2: record without an owner"},
		{"a 5 FOO x\n", "f:1:5: unknown record type 'FOO'"},
		{"a 5 CH A 1.2.3.4\n", "f:1:5: class 'CH'"},
		{"a 5 CLASS3 A 1.2.3.4\n", "f:1:5: class 'CLASS3'"},
		{"a 5 IN IN A 1.2.3.4\n", "f:1:8: unknown record type 'IN'"},
		{"a 5 6 A 1.2.3.4\n", "f:1:5: unknown record type '6'"},
		{"a 5 ANY x\n", "f:1:5: type 'ANY' is for queries only"},
		{"a 5\n", "f:1:4: the record ends too early"},
		{"a 5 AMTRELAY 1 2 0 .\n", "f:1:16: bad D bit '2'"},
		{"a 5 AMTRELAY 1 0 4 .\n", "f:1:18: bad type of relay '4'"},
		{"a 5 AMTRELAY 1 0 0 a\n", "f:1:20: bad relay 'a'"},
		{"a 5 AMTRELAY 1 0 1 ::1\n", "f:1:20: bad IPv4 address '::1'"},
		{"a 5 AMTRELAY 1 0 3\n", "f:1:19: the record ends too early"},
		{"a 5 AMTRELAY 1 0 0 . .\n", "f:1:22: '.' behind the data"},
		{"a 5 AMTRELAY \\# 3 01 00 00\n", "f:1:14: the bytes are no data"},
		{"a 5 IPN 18446744073709551616\n", "f:1:9: bad number '18446744073709551616'"},
		{"a 5 DOA 1 2 3 x - -\n", "f:1:19: '-' behind the data"},
		{"a 5 DOA 1 2 3 x\n", "f:1:16: the record ends too early"},
		{"a 5 MX 1\n", "f:1:9: the record ends too early"},
		{"a 5 A 1.2.3.4 x\n", "f:1:15: 'x' behind the data"},
		{"a..b 5 A 1.2.3.4\n", "f:1:3: empty label"},
		{"a\\999 5 A 1.2.3.4\n", "f:1:2: bad escape"},
		{"a 5 NS b\\1\n", "f:1:9: bad escape"},
		{"a 5 NS \"b\"\n", "f:1:8: '\"' in a name"},
		{"\"a\" 5 NS b\n", "f:1:1: a string"},
		{"a 5 TXT \"b\n", "f:1:9: string is not closed"},
		{"a 5 TXT b)\n", "f:1:10: ')' without a '('"},
		{"a 5 TXT (\nb\n\n", "f:1:9: '(' is never closed"},
		{"a 5 TXT \\", "f:1:9: '\\' at the end"},
		{"(a 5 A 1.2.3.4)\n", "f:1:1: '(' before the owner"},
		{"a 5 DNSKEY 256 3 13 (AAEC\n A*=)\n", "f:2:2: bad base64 'A*='"},
		{"a 5 DNSKEY 256 3 13 (AAEC\n AA)\n", "f:2:2: bad base64 'AA'"},
		{"a 5 TYPE9999 \\# 2 ab\n", "f:1:14: 1 bytes of data"},
		{"a 5 TYPE9999 ab\n", "f:1:14: the data of type TYPE9999 is not known in words"},
		{"a 5 A \\# 3 abcdef\n", "f:1:7: the bytes are no data of type A"},
		{"a 5 EUI48 x\n", "f:1:11: bad EUI-48"},
		{"a 5 HTTPS 1 . ipv4hint=x\n", "f:1:15: bad value of 'ipv4hint'"},
		{"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234 5 A 1.1.1.1\n",
		 "f:1:1: label is too long"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scan_bytes(cases[i].text, strlen(cases[i].text), "e.");
		if (strncmp(out, cases[i].expected, strlen(cases[i].expected)) != 0)
			print_error("%s: expected %s, got %s\n", cases[i].text, cases[i].expected,
				    out);
		assert_memory_equal(out, cases[i].expected, strlen(cases[i].expected));
	}
	/* After an error the scan goes on with the next entry, also behind parentheses. */
	expect("a 5 A ( 1.2.3\n x\n )\nb 5 A 1.2.3.4\n", "f:1:9: bad IPv4 address '1.2.3'\n"
							 "4 b.e. 5 A 01020304\n");
	/* A NUL byte is no text; in a comment nobody minds. */
	static const char nul[] = "a 5 A 1.2\0.3.4\nb 5 A 1.2.3.4 ;\0\n";
	scan_bytes(nul, sizeof(nul) - 1, "e.");
	assert_string_equal(out, "f:1:7: bad IPv4 address '1.2'\n"
				 "2 b.e. 5 A 01020304\n");
	/* Without an origin. */
	scan_bytes("a 5 A 1.2.3.4\n", 14, NULL);
	assert_memory_equal(out, "f:1:1: name without a dot", 25);
}

static void test_error_limit(void **state)
{
	(void)state;
	char text[1000] = "";
	for (unsigned i = 0; i < 50; i++)
		memcpy(text + 8 * (size_t)i, "a 5 A x\n", 9);
	scan_bytes(text, strlen(text), "e.");
	unsigned lines = 0;
	for (const char *p = out; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, STELE_REPORT_ERROR_MAX);
}

/* The longest name and the longest owner: 255 bytes are a name, 256 are none. */
static void test_name_limits(void **state)
{
	(void)state;
	char label[64], text[600];
	memset(label, 'a', 63);
	label[63] = '\0';
	/* 3 * 64 + 60 + 1 + "e" 2 + root 1 = 255 */
	snprintf(text, sizeof(text), "%s.%s.%s.%.59s 5 NS %s.%s.%s.%.61s.\n", label, label, label,
		 label, label, label, label, label);
	scan_bytes(text, strlen(text), "e.");
	assert_memory_equal(out, "1 aaaa", 6);
	snprintf(text, sizeof(text), "%s.%s.%s.%.60s 5 A 1.2.3.4\n", label, label, label, label);
	scan_bytes(text, strlen(text), "e.");
	assert_memory_equal(out, "f:1:1: name is too long", 23);
	snprintf(text, sizeof(text), "a 5 NS %s.%s.%s.%.62s.\n", label, label, label, label);
	scan_bytes(text, strlen(text), "e.");
	assert_memory_equal(out, "f:1:8: name is too long", 23);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_ttls),
		cmocka_unit_test(test_directives),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_generate_fields),
		cmocka_unit_test(test_generate_nibbles),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_error_limit),
		cmocka_unit_test(test_name_limits),
	};
	return cmocka_run_group_tests_name("import-scan", tests, NULL, NULL);
}
