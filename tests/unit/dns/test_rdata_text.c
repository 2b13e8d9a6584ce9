/* SPDX-License-Identifier: Apache-2.0 */
/* Rdata as text: fixed cases, and that the parser of zone files gets the same bytes from it. */
#include "lib/base/error.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/import/rdata.h"
#include "lib/text/rdata_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stele_rdata parsed; /* too large for a stack, like the text */
static char text[STELE_RDATA_TEXT_MAX + STELE_CURSOR_SLACK];
static char last_error[STELE_ERROR_MAX];

static void note_error(void *user, const char *error)
{
	(void)user;
	snprintf(last_error, sizeof(last_error), "%s", error);
}

/* Parses the first `len` bytes of `text` into `parsed`. */
static bool parse(uint16_t type, size_t len)
{
	struct stele_report report = {.emit = note_error};
	memset(text + len, 0, STELE_CURSOR_SLACK);
	struct stele_cursor c = {
		.p = (uint8_t *)text,
		.end = (uint8_t *)text + len,
		.line_start = (uint8_t *)text,
		.file = "text",
		.report = &report,
		.line = 1,
	};
	return stele_rdata_parse(&c, type, &parsed) == 0;
}

static const struct {
	const char *type;
	const char *text; /* as it is written, too */
} cases[] = {
	{"A", "192.0.2.1"},
	{"NS", "ns1.Example.COM."},
	{"CNAME", "\\000a\\.b.\\@.c\\\\\\\".example."},
	{"SOA", ". host.example. 4294967295 1 2 3 4"},
	{"PTR", "."},
	{"HINFO", "\"PC\" \"a \\\"b\\\" \\\\ \\000\\255\""},
	{"MX", "65535 mail.example."},
	{"TXT", "\"\""},
	{"TXT", "\"v=spf1 -all\" \"; not a comment ( nor a bracket\" \"$\""},
	{"RP", "a. b."},
	{"AFSDB", "1 a."},
	{"AAAA", "2001:db8::1"},
	{"AAAA", "::ffff:192.0.2.1"},
	{"LOC", "42 21 54.000 N 71 6 18.050 W -24.05m 30.00m 10000.00m 0.05m"},
	{"LOC", "0 0 0.000 N 0 0 0.000 E 0.00m 0.00m 90000000.00m 10.00m"},
	{"IPSECKEY", "10 3 2 Gate.example. AQID"},
	{"SRV", "0 5 80 a."},
	{"NAPTR", "1 2 \"u\" \"\" \"!^.*$!sip:a@b!\" ."},
	{"KX", "1 a."},
	{"DNAME", "a."},
	{"DS", "1 8 2 00ff"},
	{"SSHFP", "1 2 0a"},
	{"RRSIG", "A 13 2 3600 21060207062815 19700101000000 65535 example. AA=="},
	{"RRSIG", "TYPE65280 255 0 0 20261221205552 20261123205552 0 . AAE="},
	{"NSEC", "\\000.example. A NS SOA MX RRSIG NSEC DNSKEY CAA TYPE65280"},
	{"DNSKEY", "257 3 13 AAEC"},
	{"NSEC3", "1 1 65535 aabbccdd 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A RRSIG"},
	{"NSEC3", "1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
	{"NSEC3PARAM", "1 0 0 -"},
	{"TLSA", "3 1 1 00"},
	{"CDS", "0 0 0 00"},
	{"CDNSKEY", "0 3 0 AA=="},
	{"OPENPGPKEY", "AAEC"},
	{"CSYNC", "66 3 A NS AAAA"},
	{"ZONEMD", "1 1 1 000102030405060708090a0b0c0d0e0f1011121314151617"
		   "18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"},
	{"SVCB", "1 a. alpn=h2,h3 port=8443 ipv4hint=192.0.2.1"},
	{"HTTPS", "0 a."},
	{"SVCB", "\\# 15 000100000300020001000300020001"}, /* a key twice */
	{"SVCB", "\\# 9 000100000000020003"},
	{"SVCB", "\\# 7 00010000060000"}, /* hints of no address */
	{"NINFO", "\"a\" \"\""},
	{"RKEY", "0 3 13 AAEC"},
	{"DSYNC", "CDS NOTIFY 5359 scanner.example."},
	{"DSYNC", "TYPE65280 2 0 ."},
	{"HHIT", "AAEC"},
	{"BRID", "AA=="},
	{"AVC", "\"app-name:A|app-class:B\""},
	{"DOA", "4294967295 1 2 \"text/plain\" AAEC"},
	{"DOA", "0 0 0 \"\" -"},
	{"AMTRELAY", "10 0 0 ."},
	{"AMTRELAY", "255 1 1 203.0.113.15"},
	{"AMTRELAY", "0 0 2 2001:db8::15"},
	{"AMTRELAY", "10 1 3 amt.Example."},
	{"RESINFO", "\"qnamemin\" \"exterr=15-17\" \"infourl=https://resolver.example\""},
	{"WALLET", "\"BTC\" \"1A1zP1\""},
	{"CLA", "\"TCP-v4-v6\""},
	{"IPN", "18446744073709551615"},
	{"IPN", "0"},
	{"TA", "1 8 2 00ff"},
	{"DLV", "1 8 2 00ff"},
	{"NSEC", "\\000.a. A NXNAME"},
	{"URI", "10 1 \"ftp://a.example/\\\"\""},
	{"CAA", "128 issue \"ca.example; a=b\""},
	{"CAA", "0 issue \"\""},
	{"EUI48", "00-00-5e-00-53-2a"},
	{"EUI64", "00-00-5e-ef-10-00-00-2a"},
	{"APL", "1:192.168.32.0/21 !1:192.168.38.0/28"},
	{"APL", "2:ff00:0000:0000:0000:0000:0000:0000:0000/8"},
	{"APL", "\\# 0"},
	{"APL", "\\# 8 0001210401020304"}, /* 33 bits of 32 */
	{"HIP", "2 2001 AQID a. b."},
	{"NSAP", "0x47000580"},
	{"SIG", "NXT 1 3 3600 20260101000000 20250101000000 2143 foo.example. AQID"},
	{"TALINK", "a. b."},
	{"X25", "\\# 5 0431323334"},
	{"ISDN", "\\# 4 01310132"},
	{"GPOS", "\\# 6 013101320133"},
	/* Not in words, which another program or machine may take for something else. */
	{"WKS", "\\# 9 0a0000010600000040"},
	{"NXT", "\\# 4 00000140"},
	{"EID", "\\# 2 abcd"},
	{"NIMLOC", "\\# 2 12ab"},
	{"ATMA", "\\# 3 003924"},
	{"A6", "\\# 1 80"},
	{"SINK", "\\# 6 010203010203"},
	{"TYPE65280", "\\# 0"},
	{"TYPE65280", "\\# 3 00ff10"},
};

static void test_fixed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int type = stele_rrtype_from_text(cases[i].type, strlen(cases[i].type));
		assert_true(type > 0);
		snprintf(text, sizeof(text), "%s", cases[i].text);
		if (!parse((uint16_t)type, strlen(text)))
			fail_msg("%s %s: %s", cases[i].type, text, last_error);
		size_t len = stele_rdata_to_text((uint16_t)type, parsed.bytes, parsed.len, text);
		text[len] = '\0';
		assert_string_equal(text, cases[i].text);
	}
}

static uint32_t random_state = 7;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

/* Takes bytes away, puts some in, changes some. */
static size_t mutate(uint8_t *bytes, size_t len)
{
	for (uint32_t n = 1 + draw(3); n > 0; n--) {
		size_t at = draw((uint32_t)len + 1);
		switch (draw(3)) {
		case 0:
			if (at < len)
				memmove(bytes + at, bytes + at + 1, --len - at);
			break;
		case 1:
			memmove(bytes + at + 1, bytes + at, len++ - at);
			bytes[at] = (uint8_t)draw(256);
			break;
		default:
			if (at < len)
				bytes[at] = (uint8_t)(draw(2) == 0 ? draw(256) : bytes[at] + 1u);
		}
	}
	return len;
}

/* Whatever the store may hold comes back as it was; and nothing runs over, valid or not. */
static void test_mutated(void **state)
{
	(void)state;
	const char *seed = getenv("STELE_SEED");
	if (seed != NULL)
		random_state = (uint32_t)strtoul(seed, NULL, 10);
	size_t valid_cnt = 0;
	static uint8_t bytes[STELE_RDATA_MAX];
	for (uint32_t i = 0; i < 40000; i++) {
		size_t k = draw(sizeof(cases) / sizeof(cases[0]));
		uint16_t type =
			(uint16_t)stele_rrtype_from_text(cases[k].type, strlen(cases[k].type));
		snprintf(text, sizeof(text), "%s", cases[k].text);
		assert_true(parse(type, strlen(text)));
		memcpy(bytes, parsed.bytes, parsed.len);
		size_t len = mutate(bytes, parsed.len);
		size_t text_len = stele_rdata_to_text(type, bytes, len, text);
		assert_in_range(text_len, 1, STELE_RDATA_TEXT_MAX);
		if (!stele_rdata_valid(type, bytes, len))
			continue;
		valid_cnt++;
		bool same = parse(type, text_len) && parsed.len == len &&
			    memcmp(parsed.bytes, bytes, len) == 0;
		if (!same) {
			text[text_len] = '\0';
			for (size_t n = 0; n < len; n++)
				print_error("%02x%s", bytes[n], n + 1 < len ? "" : " in\n");
			for (size_t n = 0; n < parsed.len; n++)
				print_error("%02x%s", parsed.bytes[n],
					    n + 1 < parsed.len ? "" : " out\n");
			fail_msg("%s %s: %s", cases[k].type, text, last_error);
		}
	}
	assert_in_range(valid_cnt, 8000, 40000);
}

/* The longest texts there are. */
static void test_longest(void **state)
{
	(void)state;
	static uint8_t bytes[STELE_RDATA_MAX];
	/* All types in one bitmap. */
	size_t len = 1;
	for (unsigned window = 0; window < 256; window++) {
		bytes[len++] = (uint8_t)window;
		bytes[len++] = 32;
		memset(bytes + len, 0xff, 32);
		len += 32;
	}
	size_t text_len = stele_rdata_to_text(STELE_TYPE_NSEC, bytes, len, text);
	assert_in_range(text_len, 500000, STELE_RDATA_TEXT_MAX);
	/* 65,535 bytes of everything. */
	memset(bytes, 0xff, sizeof(bytes));
	for (uint32_t type = 1; type < 300; type++) {
		text_len = stele_rdata_to_text((uint16_t)type, bytes, sizeof(bytes), text);
		assert_in_range(text_len, 1, STELE_RDATA_TEXT_MAX);
	}
	memset(bytes, 0, sizeof(bytes)); /* empty character strings */
	text_len = stele_rdata_to_text(STELE_TYPE_TXT, bytes, sizeof(bytes), text);
	assert_int_equal(text_len, 3 * sizeof(bytes) - 1);
	for (size_t at = 0; at < sizeof(bytes); at += 256)
		bytes[at] = at + 256 <= sizeof(bytes) ? 255 : 254;
	text_len = stele_rdata_to_text(STELE_TYPE_TXT, bytes, sizeof(bytes), text);
	assert_in_range(text_len, 4 * 65000, STELE_RDATA_TEXT_MAX);
	assert_true(parse(STELE_TYPE_TXT, text_len));
	assert_int_equal(parsed.len, sizeof(bytes));
	assert_memory_equal(parsed.bytes, bytes, sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_longest),
	};
	return cmocka_run_group_tests_name("rdata text", tests, NULL, NULL);
}
