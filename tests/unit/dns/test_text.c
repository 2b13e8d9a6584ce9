/* SPDX-License-Identifier: Apache-2.0 */
/* Questions as people type them, and messages as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/hex.h"
#include "lib/text/print.h"
#include "lib/text/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_hex(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {0x00, 0x9a, 0xbc, 0xff};
	uint8_t back[4] = {0};
	char text[9];
	stele_hex_encode(bytes, 4, text);
	assert_string_equal(text, "009abcff");
	assert_true(stele_hex_decode("009AbcfF", back, 4));
	assert_memory_equal(bytes, back, 4);
	stele_hex_encode(bytes, 0, text);
	assert_string_equal(text, "");
	assert_true(stele_hex_decode("", back, 0));
	static const char *const wrong[] = {"",           "0",        "0011223",  "001122334",
					    "0011223344", "0011223g", "001122 3", "@0112233"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(stele_hex_decode(wrong[i], back, 4));
}

/* The query of some words, as hex. */
static const char *query_of(const char *words)
{
	static char text[2 * STELE_QUESTION_QUERY_MAX + 1];
	char copy[2048];
	struct stele_question q = stele_question_default;
	struct stele_error err;
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		if (stele_question_word(&q, word, &err) != 0)
			fail_msg("%s: %s", words, err.text);
	uint8_t msg[STELE_QUESTION_QUERY_MAX];
	size_t len = stele_question_query(&q, msg);
	stele_hex_encode(msg, len, text);
	return text;
}

#define HEAD(flags, opts) "0000" flags "000100000000" opts

static void test_queries(void **state)
{
	(void)state;
	static const char *const name = "0171047465737400";
	static const struct {
		const char *words, *head, *behind;
	} cases[] = {
		{"q.test", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d0000000000000"},
		{"q.test. AAAA", HEAD("0100", "0001"),
		 "001c0001"
		 "00002904d0000000000000"},
		{"q.test CH TXT", HEAD("0100", "0001"),
		 "00100003"
		 "00002904d0000000000000"},
		{"q.test TXT CLASS4", HEAD("0100", "0001"),
		 "00100004"
		 "00002904d0000000000000"},
		{"q.test TYPE65280 +noedns", HEAD("0100", "0000"), "ff000001"},
		{"+dnssec q.test", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d0000080000000"},
		{"q.test +norec +cd +opcode=5", HEAD("2810", "0001"),
		 "00010001"
		 "00002904d0000000000000"},
		{"q.test +bufsize=512 +edns=3", HEAD("0100", "0001"),
		 "00010001"
		 "0000290200000300000000"},
		{"q.test +nsid +cookie=0102030405060708", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d0000000000010"
		 "00030000"
		 "000a00080102030405060708"},
		{"q.test +subnet=192.0.2.255/23", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d000000000000b"
		 "00080007"
		 "00011700"
		 "c00002"},
		{"q.test +subnet=2001:db8::/33", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d000000000000d"
		 "00080009"
		 "00022100"
		 "20010db800"},
		{"q.test +cookie +nocookie", HEAD("0100", "0001"),
		 "00010001"
		 "00002904d0000000000000"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[512];
		snprintf(expected, sizeof(expected), "%s%s%s", cases[i].head, name,
			 cases[i].behind);
		assert_string_equal(query_of(cases[i].words), expected);
	}
}

static void test_bad_words(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"NOTYPE",
		"TYPE65536",
		"CLASS65536",
		"+nothing",
		"+",
		"+bufsize",
		"+bufsize=",
		"+bufsize=65536",
		"+bufsize=-1",
		"+bufsize=0x10",
		"+edns=256",
		"+opcode=16",
		"+cookie=1",
		"+cookie=0g",
		"+subnet=1",
		"+subnet=1.2.3.4/33",
		"+subnet=::1/129",
		"+subnet=1.2.3.4/",
		"+subnet=1.2.3.4/x",
	};
	struct stele_error err;
	struct stele_question q = stele_question_default;
	assert_int_equal(stele_question_word(&q, "a..b", &err), STELE_E_USAGE);
	assert_int_equal(q.qname_len, 0);
	assert_int_equal(stele_question_word(&q, "a.b", &err), 0);
	struct stele_question before = q;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(stele_question_word(&q, wrong[i], &err), STELE_E_USAGE);
		assert_non_null(strstr(err.text, wrong[i]));
	}
	assert_int_equal(q.qtype, before.qtype);
	assert_int_equal(q.qname_len, before.qname_len);
	char cookie[8 + 2 * (STELE_QUESTION_COOKIE_MAX + 1) + 1] = "+cookie=";
	memset(cookie + 8, '0', 2 * (STELE_QUESTION_COOKIE_MAX + 1));
	assert_int_equal(stele_question_word(&q, cookie, &err), STELE_E_USAGE);
	cookie[8 + 2 * STELE_QUESTION_COOKIE_MAX] = '\0';
	assert_int_equal(stele_question_word(&q, cookie, &err), 0);
}

/* q.test MX, one answer, OPT with a cookie and an extended error. */
static const char reply_hex[] = "1234"
				"8500"
				"0001"
				"0001"
				"0000"
				"0001"
				"0171047465737400"
				"000f0001"
				"c00c"
				"000f0001"
				"00000e10"
				"0006"
				"000a"
				"016d"
				"c00e"
				"00"
				"0029"
				"04d0"
				"00008000"
				"0014"
				"000a0008"
				"0102030405060708"
				"000f0004"
				"0014"
				"6869";

static struct stele_message parse_reply(uint8_t *bytes)
{
	size_t len = strlen(reply_hex) / 2;
	struct stele_message message;
	struct stele_error err;
	assert_true(stele_hex_decode(reply_hex, bytes, len));
	if (stele_message_parse(bytes, len, &message, &err) != 0)
		fail_msg("%s", err.text);
	return message;
}

static void test_print(void **state)
{
	(void)state;
	uint8_t bytes[512];
	struct stele_message message = parse_reply(bytes);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	stele_print_message(out, &message, true);
	fclose(out);
	assert_string_equal(text, ";; Got answer:\n"
				  ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4660\n"
				  ";; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, "
				  "ADDITIONAL: 1\n\n"
				  ";; OPT PSEUDOSECTION:\n"
				  "; EDNS: version: 0, flags: do; udp: 1232\n"
				  "; COOKIE: 0102030405060708 (good)\n"
				  "; EDE: 20 (Not Authoritative): (hi)\n"
				  ";; QUESTION SECTION:\n"
				  ";q.test.\t\t\tIN\tMX\n\n"
				  ";; ANSWER SECTION:\n"
				  "q.test.\t\t\t3600\tIN\tMX\t10 m.test.\n\n"
				  ";; MSG SIZE  rcvd: 73\n");
	free(text);
	stele_message_free(&message);
}

static void test_json(void **state)
{
	(void)state;
	uint8_t bytes[512];
	struct stele_message message = parse_reply(bytes);
	json_t *object = stele_message_json(&message, false);
	const char *status, *name, *rdata, *cookie;
	int size, udp, ttl;
	assert_int_equal(json_unpack(object, "{s:s, s:i, s:{s:i, s:[{s:s}]}, s:[{s:s, s:i, s:s}]}",
				     "status", &status, "size", &size, "edns", "udp", &udp,
				     "options", "data", &cookie, "answer", "name", &name, "ttl",
				     &ttl, "rdata", &rdata),
			 0);
	assert_string_equal(status, "NOERROR");
	assert_int_equal(size, 73);
	assert_int_equal(udp, 1232);
	assert_int_equal(ttl, 3600);
	assert_string_equal(name, "q.test.");
	assert_string_equal(rdata, "10 m.test.");
	assert_string_equal(cookie, "0102030405060708");
	assert_true(json_is_false(json_object_get(object, "cookie_valid")));
	json_decref(object);
	stele_message_free(&message);
}

/* A reply cut anywhere is refused, or (there is none here) reads within its bytes. */
static void test_cut(void **state)
{
	(void)state;
	size_t len = strlen(reply_hex) / 2;
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t whole[512], *bytes = malloc(cut > 0 ? cut : 1);
		assert_true(stele_hex_decode(reply_hex, whole, len));
		memcpy(bytes, whole, cut);
		struct stele_message message;
		struct stele_error err;
		assert_int_equal(stele_message_parse(bytes, cut, &message, &err), STELE_E_INPUT);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),       cmocka_unit_test(test_queries),
		cmocka_unit_test(test_bad_words), cmocka_unit_test(test_print),
		cmocka_unit_test(test_json),      cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
