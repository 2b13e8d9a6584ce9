/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void shows(const char *text, const char *expected)
{
	char shown[256];
	assert_string_equal(stele_shown(text, shown, sizeof(shown)), expected);
	char again[256];
	assert_string_equal(stele_shown(shown, again, sizeof(again)), expected);
	char *whole = stele_shown_new(text);
	assert_string_equal(whole, expected);
	free(whole);
}

static void test_as_it_is(void **state)
{
	(void)state;
	shows("", "");
	shows("/var/lib/stele \"a\" \\ b~", "/var/lib/stele \"a\" \\ b~");
	shows("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0 \xf4\x8f\xbf\xbf",
	      "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0 \xf4\x8f\xbf\xbf");
}

static void test_control_characters(void **state)
{
	(void)state;
	shows("zone\x1b[31mX", "zone\\x1b[31mX");
	shows("a\nb\r\tc\a\x7f\n", "a\\nb\\x0d\\x09c\\x07\\x7f\\n");
	for (unsigned byte = 1; byte < 0x20; byte++) {
		char text[2] = {(char)byte, '\0'}, escaped[8];
		snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
		shows(text, byte == '\n' ? "\\n" : escaped);
	}
	shows("\xc2\x80 \xc2\x9b[31m \xc2\x9f", "\\xc2\\x80 \\xc2\\x9b[31m \\xc2\\x9f");
}

static void test_not_utf8(void **state)
{
	(void)state;
	shows("\x9b[31m", "\\x9b[31m");
	shows("\xff\xfe.", "\\xff\\xfe.");
	shows("\xc3", "\\xc3");
	shows("\xc3(", "\\xc3(");
	shows("\xe2\x82", "\\xe2\\x82");
	shows("\xe2\x82z", "\\xe2\\x82z");
	shows("\xc0\x9b", "\\xc0\\x9b");                   /* too long a form */
	shows("\xe0\x82\x9b", "\\xe0\\x82\\x9b");          /* the same */
	shows("\xf0\x80\x82\x9b", "\\xf0\\x80\\x82\\x9b"); /* the same */
	shows("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* half a pair */
	shows("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last */
}

/* Whole characters, and never more than there is room for. */
static void test_room(void **state)
{
	(void)state;
	static const char text[] = "a\x1b\xe2\x82\xac\n", *const forms[] = {
								  "", "a", "a\\x1b",
								  "a\\x1b\xe2\x82\xac",
								  "a\\x1b\xe2\x82\xac\\n"};
	for (size_t room = 1; room <= sizeof(text) * STELE_SHOWN_FACTOR; room++) {
		char *shown = malloc(room);
		stele_shown(text, shown, room);
		const char *longest = "";
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
			if (strlen(forms[i]) < room)
				longest = forms[i];
		assert_string_equal(shown, longest);
		free(shown);
	}
}

static void test_one(void **state)
{
	(void)state;
	char one[STELE_SHOWN_ONE_MAX];
	assert_int_equal(stele_shown_one("\0x", 2, one), 1);
	assert_string_equal(one, "\\x00");
	assert_int_equal(stele_shown_one("\xe2\x82\xac", 2, one), 1);
	assert_string_equal(one, "\\xe2");
	assert_int_equal(stele_shown_one("\xe2\x82\xac", 3, one), 3);
	assert_string_equal(one, "\xe2\x82\xac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_it_is), cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_not_utf8), cmocka_unit_test(test_room),
		cmocka_unit_test(test_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
