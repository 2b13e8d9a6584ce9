/* SPDX-License-Identifier: Apache-2.0 */
/* EDNS: OPT records and each option, what they change in replies, and how much room they leave. */
#include "tests/unit/answer/request_case.h"

#include <string.h>

static void test_opt(void **state)
{
	(void)state;
	struct msg *m = begin(0, 1, 0, 0, 2);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 1, 0, 0);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 0, 0, 1);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, "x.", STELE_TYPE_OPT, "", 0);
	assert_error(m, FORMERR, true, false);
	for (int lie = -3; lie <= 9; lie++) {
		m = begin(0, 1, 0, 0, 1);
		put_question(m, "www.example.com.", 1, 1);
		put_opt(m, 1232, 0, 0, "\0\3\0\0", 4, lie);
		if (lie == 0)
			assert_true(ask(m));
		else
			assert_error(m, FORMERR, true, false);
	}
	assert_error(with_opt(1232, 0, 0, "\0\3\0", 3), FORMERR, true, false);
	assert_error(with_opt(1232, 0, 0, "\0\3\0\1", 4), FORMERR, true, false);
	assert_error(with_opt(1232, 0, 0, "\0\3\377\377", 4), FORMERR, true, false);

	/* Unknown options and flags are ignored; only DO comes back. */
	assert_true(ask(with_opt(1232, 0, 0xffff, "\375\351\0\3abc", 7)));
	static const uint8_t expected[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 0, 0, 0x80, 0, 0, 0};
	assert_int_equal(reply.len, 12 + 21 + sizeof(expected));
	assert_memory_equal(reply_buf + 12 + 21, expected, sizeof(expected));
}

static void test_version(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 1, 0, 0x80, 0, 0, 0};
	static const unsigned versions[] = {1, 2, 255};
	for (size_t i = 0; i < 3; i++) {
		struct msg *m = with_opt(4096, versions[i], STELE_EDNS_FLAG_DO, "\0\3\0\77", 4);
		assert_error(m, STELE_RCODE_BADVERS, true, true);
		assert_memory_equal(reply_buf + 12 + 21, expected, sizeof(expected));
	}
}

static void test_limits(void **state)
{
	(void)state;
	static const struct {
		unsigned size;
		uint32_t limit;
	} cases[] = {{0, 501},     {511, 501},   {512, 501},   {513, 502},
		     {1232, 1221}, {1233, 1221}, {65535, 1221}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(ask(with_opt(cases[i].size, 0, 0, "", 0)));
		assert_int_equal(w->limit, cases[i].limit);
		assert_int_equal(w->opt_len, 11);
	}
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 512);
	query.tcp = true;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 65535);
	assert_true(ask(with_opt(512, 0, 0, "", 0)));
	assert_int_equal(w->limit, 65535 - 11);
	uint8_t small[600];
	const struct msg *m = plain("www.example.com.", 1, 1);
	assert_true(ask_into(m->bytes, m->len, small, sizeof(small)));
	assert_int_equal(w->limit, 600);
}

static void test_nsid(void **state)
{
	(void)state;
	assert_true(ask(with_opt(1232, 0, 0, "\0\3\0\0", 4)));
	assert_int_equal(w->opt_len, 11); /* none is configured */
	memcpy(settings.nsid, "edge7", 5);
	settings.nsid_len = 5;
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->opt_len, 11); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, "\0\3\0\0\0\3\0\0", 8)));
	assert_int_equal(w->opt_len, 20);
	assert_int_equal(w->limit, 1212);
	assert_int_equal(reply.len, 12 + 21 + 20);
	assert_memory_equal(reply_buf + 12 + 21 + 9, "\0\11\0\3\0\5edge7", 11);
}

static void test_keepalive(void **state)
{
	(void)state;
	/* Some clients send a time too (RFC 7828 section 3.2.1: they should not). */
	static const char options[] = "\0\13\0\0\0\13\0\2\0\1";
	settings.keepalive = 300;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(w->opt_len, 11); /* not over UDP */
	query.tcp = true;
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->opt_len, 11); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, options, 10)));
	assert_int_equal(w->opt_len, 17);
	assert_int_equal(reply.len, 12 + 21 + 17);
	assert_memory_equal(reply_buf + 12 + 21 + 9, "\0\6\0\13\0\2\1\54", 8);
	query.tcp = false;
	memcpy(settings.nsid, "edge7", 5);
	settings.nsid_len = 5;
	assert_true(ask(with_opt(1232, 0, 0, "\0\13\0\0\0\3\0\0", 8)));
	assert_int_equal(reply.len, 12 + 21 + 11 + 9); /* nor beside what is */
	query.tcp = true;
	settings.keepalive = 0;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(w->opt_len, 11);
}

static void test_padding(void **state)
{
	(void)state;
	/* What the padding of a query is does not matter. */
	static const char options[] = "\0\3\0\0\0\14\0\3abc";
	query.tcp = true;
	memcpy(settings.nsid, "edge7", 5);
	settings.nsid_len = 5;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 12 + 21 + 20); /* not on this transport */
	settings.pad_block = 468;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(reply.len, 12 + 21 + 20); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(w->opt_len, 24);
	assert_int_equal(reply.len, 468);
	const uint8_t *opt = reply_buf + 12 + 21;
	assert_int_equal(stele_get_be16(opt + 9), 468 - 12 - 21 - 11);
	assert_memory_equal(opt + 11 + 9, "\0\14", 2);
	assert_int_equal(stele_get_be16(opt + 11 + 11), 468 - 12 - 21 - 24);
	for (unsigned i = 12 + 21 + 24; i < 468; i++)
		assert_int_equal(reply_buf[i], 0);

	/* With what the caller appends, it is a block. */
	query.reserve = 61;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 468 - 61);
	query.reserve = 468 - 12 - 21 - 24;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 12 + 21 + 24);
	query.reserve++;
	uint8_t buf[1000];
	const struct msg *m = with_opt(1232, 0, 0, options, 11);
	assert_true(ask_into(m->bytes, m->len, buf, sizeof(buf)));
	assert_int_equal(reply.len + query.reserve, 2 * 468);

	/* No more than there is room for. */
	query.reserve = 0;
	query.tcp = false;
	settings.pad_block = 1000;
	assert_true(ask(with_opt(512, 0, 0, options, 11)));
	assert_int_equal(reply.len, 512);
}

static void test_reserve(void **state)
{
	(void)state;
	query.reserve = 100;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 412);
	assert_true(ask(with_opt(512, 0, 0, "", 0)));
	assert_int_equal(w->limit, 512 - 100 - 11);
	/* Header, question and OPT are always written. */
	query.reserve = 65535;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 12 + 21);
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->limit, 12 + 21);
	assert_int_equal(reply.len, 12 + 21 + 11);
}

static void test_cookies(void **state)
{
	(void)state;
	uint8_t option[4 + 64] = {0, 10};
	memset(option + 4, '1', 64);
	settings.cookie_secret_cnt = 1;
	for (unsigned on = 0; on < 2; on++) {
		settings.cookies = on == 1;
		for (uint8_t len = 0; len <= 45; len++) {
			option[3] = len;
			const struct msg *m = with_opt(1232, 0, 0, option, 4u + len);
			bool is_cookie = len == 8 || (len >= 16 && len <= 40);
			if (on && !is_cookie) {
				assert_error(m, FORMERR, true, true);
				continue;
			}
			/* Off, it is an option like others that nobody knows (RFC 6891 section 6.1.2). */
			assert_true(ask(m));
			assert_int_equal(w->opt_len, on ? 11 + 4 + 24 : 11);
			assert_false(reply.cookie_valid);
			assert_int_equal(reply.cookie_invalid, on && len > 8);
		}
	}
	/* A new cookie, which is then good. */
	option[3] = 8;
	assert_true(ask(with_opt(1232, 0, 0, option, 12)));
	assert_false(reply.cookie_invalid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	assert_memory_equal(reply_buf + 12 + 21 + 11,
			    "\0\12\0\30"
			    "11111111",
			    12);
	memcpy(option, reply_buf + 12 + 21 + 11, 28);
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(reply.cookie_valid && !reply.cookie_invalid);
	/* It comes back as it is while it is fresh; later another one does. */
	assert_memory_equal(reply_buf + 12 + 21 + 11, option, 28);
	now = 5000 + 1801;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(reply.cookie_valid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	assert_memory_not_equal(reply_buf + 12 + 21 + 11, option, 28);
	now = 5000;
	/* Only the first one counts. */
	uint8_t two[28 + 5];
	memcpy(two, option, 28);
	memcpy(two + 28, "\0\12\0\1x", 5);
	assert_true(ask(with_opt(1232, 0, 0, two, sizeof(two))));
	assert_true(reply.cookie_valid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	/* A good one behind it mends nothing. */
	memcpy(two, "\0\12\0\1x", 5);
	memcpy(two + 5, option, 28);
	assert_error(with_opt(1232, 0, 0, two, sizeof(two)), FORMERR, true, true);
	/* An error carries one too (RFC 7873 section 5.2). */
	query.client.addr[0]++;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(!reply.cookie_valid && reply.cookie_invalid);
	query.client.family = 0;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_int_equal(w->opt_len, 11);
	/* A cookie without a question (RFC 7873 section 5.4). */
	query.client.family = 4;
	struct msg *m = begin(0, 0, 0, 0, 1);
	put_opt(m, 1232, 0, 0, option, 28, 0);
	assert_error(m, STELE_RCODE_NOERROR, false, true);
	assert_int_equal(reply.len, 12 + 11 + 28);
	m = begin(0, 0, 0, 0, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, false, true);
}

int test_request_edns(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_opt),       TEST(test_version), TEST(test_limits),  TEST(test_nsid),
		TEST(test_keepalive), TEST(test_padding), TEST(test_reserve), TEST(test_cookies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
