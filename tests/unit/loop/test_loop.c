/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks of the whole loop hold for a right reply: they must see wrong ones. */
#include "benchmarks/loop/check.h"
#include "benchmarks/loop/queries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *image_path;

static void test_case_names(void **state)
{
	(void)state;
	struct loop_case c;

	assert_true(loop_case_parse("hot positive", &c));
	assert_true(c.hot && !c.dnssec_ok && !c.cookie);
	assert_int_equal(c.kind, SAMPLE_POSITIVE);
	assert_true(loop_case_parse("random NXDOMAIN DO cookie", &c));
	assert_true(!c.hot && c.dnssec_ok && c.cookie);
	assert_int_equal(c.kind, SAMPLE_NXDOMAIN);
	const char *const wrong[] = {"",
				     "hot",
				     "positive",
				     "hot  positive",
				     "hot positive D",
				     "random positive cookie DO",
				     "lukewarm positive",
				     "hot positive NODATA"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(loop_case_parse(wrong[i], &c));
}

static void test_sum(void **state)
{
	(void)state;
	/* RFC 1071 section 3 has this example; 0xddf2 in the order of the bytes. */
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint16_t sum = loop_sum(bytes, sizeof(bytes), 0);
	assert_memory_equal(&sum, "\xdd\xf2", 2);
	sum = loop_sum((const uint8_t *)"\x01\x02\x03", 3, 0);
	assert_memory_equal(&sum, "\x04\x02", 2);
}

static void test_frame_is_checked(void **state)
{
	(void)state;
	/* 192.0.2.53:53 to 10.0.0.1:1024, payload "abc"; sums by hand. */
	static const uint8_t good[] = {
		2,  0, 0,  0, 0, 1,    2, 0,  0,  0,    0,    0x53, 0x08, 0x00, 0x45,
		0,  0, 31, 0, 0, 0x40, 0, 64, 17, 0x6e, 0x98, 192,  0,    2,    53,
		10, 0, 0,  1, 0, 53,   4, 0,  0,  11,   0x6b, 0x0a, 'a',  'b',  'c',
	};
	uint8_t frame[sizeof(good)];

	assert_true(loop_check_frame(good, sizeof(good)));
	assert_false(loop_check_frame(good, sizeof(good) - 1));
	/* From the IP header on, a sum or a length covers each byte. */
	for (size_t i = 14; i < sizeof(good); i++) {
		memcpy(frame, good, sizeof(good));
		frame[i] ^= 0x10;
		assert_false(loop_check_frame(frame, sizeof(frame)));
	}
}

static void test_message_is_checked(void **state)
{
	(void)state;
	struct stele_view view;
	struct stele_error error;
	struct loop_queries queries;
	struct loop_case what;
	const struct stele_client client = {.family = 4, .addr = {10, 0, 0, 1}};
	struct loop_checker checker = {.answerer = stele_answerer_new(), .view_cnt = 1};

	assert_non_null(checker.answerer);
	assert_int_equal(stele_view_open_file(image_path, &view, &error), 0);
	checker.views[0] = &view;
	stele_answer_settings_default(&checker.settings);
	assert_true(loop_case_parse("random positive DO", &what));
	assert_true(loop_queries_make(&view, &what, 1, 100, &queries));
	assert_true(queries.cnt > 50);
	for (size_t i = 0; i < queries.cnt; i++) {
		const struct loop_query *query = &queries.items[i];
		uint8_t bytes[1472];
		const struct stele_query direct = {
			.msg = query->msg, .len = query->len, .client = client};
		struct stele_reply reply = {.buf = bytes, .cap = sizeof(bytes)};

		stele_answer_batch(checker.answerer, &view, &checker.settings, 0, &direct, &reply,
				   1);
		assert_true(loop_check_message(&checker, &client, query->msg, query->len, bytes,
					       reply.len));
		assert_false(loop_check_message(&checker, &client, query->msg, query->len, bytes,
						reply.len - 1));
		bytes[i % reply.len] ^= 1;
		assert_false(loop_check_message(&checker, &client, query->msg, query->len, bytes,
						reply.len));
	}
	free(queries.items);
	stele_view_close(&view);
	stele_answerer_free(checker.answerer);
}

static void test_cookies_are_carried(void **state)
{
	(void)state;
	struct stele_view view;
	struct stele_error error;
	struct loop_queries queries;
	struct loop_case what;

	assert_int_equal(stele_view_open_file(image_path, &view, &error), 0);
	assert_true(loop_case_parse("hot positive cookie", &what));
	assert_true(loop_queries_make(&view, &what, 1, 1, &queries));
	for (size_t i = 0; i < queries.cnt; i++) {
		const struct loop_query *query = &queries.items[i];
		const uint8_t *option = query->msg + query->len - 12;

		/* OPT's length, COOKIE, 8 bytes. */
		assert_memory_equal(option - 2, "\0\x0c\0\x0a\0\x08", 6);
		assert_int_equal(query->sum, loop_sum(query->msg, query->len, 0));
	}
	free(queries.items);
	stele_view_close(&view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_case_names),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_frame_is_checked),
		cmocka_unit_test(test_message_is_checked),
		cmocka_unit_test(test_cookies_are_carried),
	};

	if (argc != 2)
		return 2;
	image_path = argv[1];
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
