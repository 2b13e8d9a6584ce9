/* SPDX-License-Identifier: Apache-2.0 */
/* Values of every type: what is read, what is refused, and what stands where nothing is given. */
#include "tests/unit/config/config_table.h"

#include <string.h>

static void test_defaults(void **state)
{
	(void)state;
	const struct outer *outer = parse("");
	assert_false(outer->flag);
	assert_int_equal(outer->u16, 0);
	assert_null(outer->text);
	assert_string_equal(outer->word, "given");
	assert_int_equal(outer->choice, 1);
	assert_int_equal(outer->address.family, 0);
	assert_int_equal(outer->inner.small, 7);
	assert_string_equal(outer->inner.text, "inside");
	assert_int_equal(outer->numbers.cnt, 3);
	assert_int_equal(outer->numbers.items[0], 3);
	assert_int_equal(outer->numbers.items[2], 2);
	assert_int_equal(outer->texts.cnt, 0);
	assert_string_equal(outer->derived, "own");

	/* A heading whose options are all commented out. */
	outer = parse("inner:\n  # small: 9\nu8: 1\n");
	assert_int_equal(outer->inner.small, 7);
	assert_int_equal(outer->u8, 1);
	assert_int_equal(parse("---\n# nothing\n")->inner.small, 7);
	assert_int_equal(parse("\xef\xbb\xbfu8: 3\n")->u8, 3);
}

static void test_integers(void **state)
{
	(void)state;
	assert_int_equal(parse("u8: 0")->u8, 0);
	assert_int_equal(parse("u8: 255")->u8, 255);
	assert_int_equal(parse("u16: 10")->u16, 10);
	assert_int_equal(parse("u16: 20")->u16, 20);
	assert_int_equal(parse("u32: 4294967295")->u32, UINT32_MAX);
	assert_true(parse("u64: 18446744073709551615")->u64 == UINT64_MAX);
	assert_true(parse("u64: all")->u64 == UINT64_MAX);
	/* Neighbours stay as they are. */
	assert_int_equal(parse("u8: 255")->u16, 0);

	refuse("u8: 256", "t:1:5: u8 is '256' (expected a whole number from 0 to 255)");
	refuse("u16: 9", "t:1:6: u16 is '9' (expected a whole number from 10 to 20)");
	refuse("u16: 21", "t:1:6: u16 is '21' (expected a whole number from 10 to 20)");
	refuse("u8: 1K", "t:1:5: u8 is '1K' (expected a whole number from 0 to 255)");
	refuse("u8: +1", "t:1:5: u8 is '+1' (expected a whole number from 0 to 255)");
	refuse("u8: 1_0", "t:1:5: u8 is '1_0' (expected a whole number from 0 to 255)");
	refuse("u8: 0x1", "t:1:5: u8 is '0x1' (expected a whole number from 0 to 255)");
	refuse("u8: ~", "t:1:5: u8 is '~' (expected a whole number from 0 to 255)");
	refuse("u64: 18446744073709551616",
	       "t:1:6: u64 is '18446744073709551616' (expected a whole number from 0 to "
	       "18446744073709551615, or 'all')");
	refuse("u64: 'all'", "t:1:6: u64 is 'all' in quotes (expected a whole number from 0 to "
			     "18446744073709551615, or 'all')");
}

static void test_amounts(void **state)
{
	(void)state;
	assert_true(parse("size: 0")->size == 0);
	assert_true(parse("size: 1")->size == 1);
	assert_true(parse("size: 3K")->size == 3 << 10);
	assert_true(parse("size: 3M")->size == 3 << 20);
	assert_true(parse("size: 3G")->size == UINT64_C(3) << 30);
	assert_true(parse("size: 16777215T")->size == UINT64_C(16777215) << 40);
	assert_true(parse("duration: 0")->duration == 0);
	assert_true(parse("duration: 1ns")->duration == 1);
	assert_true(parse("duration: 2us")->duration == 2000);
	assert_true(parse("duration: 2ms")->duration == 2000000);
	assert_true(parse("duration: 2s")->duration == 2000000000);
	assert_true(parse("duration: 2m")->duration == UINT64_C(120000000000));
	assert_true(parse("duration: 2h")->duration == UINT64_C(7200000000000));
	assert_true(parse("duration: 2d")->duration == UINT64_C(172800000000000));

	const char *expected = "t:1:7: size is '16777216T' (expected a size from 0 to "
			       "18446744073709551615, in K, M, G or T)";
	refuse("size: 16777216T", expected);
	const char *const wrong[] = {"size: 1k",    "size: 1KB",      "size: K",
				     "size: 1 K",   "size: 1.5K",     "size: -1",
				     "duration: 1", "duration: 1M",   "duration: 1 s",
				     "duration: s", "duration: 1d2h", "duration: 213504d"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct stele_config *none = NULL;
		assert_int_equal(stele_config_parse("t", wrong[i], strlen(wrong[i]), &schema, &none,
						    NULL, NULL),
				 STELE_E_INPUT);
	}
}

static void test_bools_and_enums(void **state)
{
	(void)state;
	assert_true(parse("flag: true")->flag);
	assert_true(parse("flag: yes")->flag);
	assert_true(parse("flag: on")->flag);
	assert_false(parse("flag: false")->flag);
	assert_false(parse("flag: no")->flag);
	assert_false(parse("flag: off")->flag);
	refuse("flag: 1", "t:1:7: flag is '1' (expected true or false)");
	refuse("flag: tru", "t:1:7: flag is 'tru' (expected true or false)");
	refuse("flag: 'true'", "t:1:7: flag is 'true' in quotes (expected true or false)");
	refuse("flag:", "t:1:6: flag has no value (expected true or false)");

	assert_int_equal(parse("choice: red")->choice, 0);
	assert_int_equal(parse("choice: \"blue\"")->choice, 2);
	refuse("choice: gree", "t:1:9: choice is 'gree' (expected one of: red, green, blue)");
	refuse("choice: ''", "t:1:9: choice is '' in quotes (expected one of: red, green, blue)");
}

static void test_texts(void **state)
{
	(void)state;
	assert_string_equal(parse("text: no")->text, "no");
	assert_string_equal(parse("text: 010")->text, "010");
	assert_string_equal(parse("text: ''")->text, "");
	assert_string_equal(parse("text: ~")->text, "~");
	assert_string_equal(parse("text: \"\\u00e9\"")->text, "\xc3\xa9");
	assert_string_equal(parse("text: >-\n  a\n  b")->text, "a b");
	assert_string_equal(parse("path: /a b")->path, "/a b");
	assert_null(parse("word: none")->word);
	assert_string_equal(parse("word: 'none'")->word, "none");
	assert_string_equal(parse("inner: {text: 12345678}")->inner.text, "12345678");

	refuse("inner: {text: 123456789}",
	       "t:1:15: text is '123456789' (expected a text of at most 8 bytes, or \"\")");
	refuse("path: a", "t:1:7: path is 'a' (expected an absolute path of at most 4095 bytes)");
	refuse("text: \"a\\nb\"", "t:1:7: text is 'a\\nb' in quotes (expected a text of at most "
				  "4095 bytes, or \"\")");
	refuse("text: |\n  a\n", "t:1:7: text is 'a\\n' in quotes (expected a text of at most "
				 "4095 bytes, or \"\")");
	/* Long values are cut between characters. */
	char text[512] = "flag: ";
	for (size_t len = strlen(text), end = len + 300; len < end; len += 3)
		memcpy(text + len, "\xe2\x82\xac", 4);
	struct stele_error err;
	struct stele_config *none;
	assert_int_equal(stele_config_parse("t", text, strlen(text), &schema, &none, NULL, &err),
			 STELE_E_INPUT);
	assert_non_null(strstr(err.text, "\xe2\x82\xac...' (expected"));
}

static void test_addresses(void **state)
{
	(void)state;
	static const uint8_t four[16] = {192, 0, 2, 1};
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	const struct outer *outer = parse("address: 192.0.2.1");
	assert_int_equal(outer->address.family, 4);
	assert_memory_equal(outer->address.addr, four, 16);
	outer = parse("address: 2001:db8::1");
	assert_int_equal(outer->address.family, 6);
	assert_memory_equal(outer->address.addr, six, 16);

	outer = parse("prefix: 192.0.2.1\ninterface: 192.0.2.1/24");
	assert_int_equal(outer->prefix.len, 32);
	assert_int_equal(outer->interface.len, 24);
	assert_memory_equal(outer->interface.addr, four, 16);
	outer = parse("prefix: '2001:db8::1'\ninterface: 2001:db8::1/64");
	assert_int_equal(outer->prefix.len, 128);
	assert_int_equal(outer->interface.len, 64);
	assert_memory_equal(outer->interface.addr, six, 16);
	outer = parse("prefix: 0.0.0.0/0");
	assert_int_equal(outer->prefix.family, 4);
	assert_int_equal(outer->prefix.len, 0);
	assert_int_equal(parse("prefix: 10.0.0.0/7")->prefix.len, 7);
	assert_int_equal(parse("prefix: ::/0")->prefix.family, 6);

	refuse("prefix: 11.0.0.0/7",
	       "t:1:9: prefix is '11.0.0.0/7', which has bits set behind its length (expected a "
	       "prefix such as 192.0.2.0/24 or 2001:db8::/32)");
	refuse("address: 192.0.2", "t:1:10: address is '192.0.2' (expected an address such as "
				   "192.0.2.1 or 2001:db8::1)");
	refuse("address: 192.0.2.1/32", "t:1:10: address is '192.0.2.1/32' (expected an address "
					"such as 192.0.2.1 or 2001:db8::1)");
	/* A NUL must not hide what stands behind it. */
	refuse("address: \"192.0.2.1\\0x\"", "t:1:10: address is '192.0.2.1\\x00x' in quotes "
					     "(expected an address such as 192.0.2.1 or "
					     "2001:db8::1)");
}

static void test_macs(void **state)
{
	(void)state;
	static const uint8_t addr[6] = {2, 0, 0x5e, 0x10, 0xAB, 0xcd};
	const struct outer *outer = parse("mac: 02:00:5e:10:aB:Cd");
	assert_true(outer->mac.set);
	assert_memory_equal(outer->mac.addr, addr, 6);
	assert_false(parse("")->mac.set);
	refuse("mac: 02:00:5e:10:aB:C", "t:1:6: mac is '02:00:5e:10:aB:C' (expected a MAC address "
					"such as 02:00:5e:10:00:01)");
	refuse("mac: 02-00-5e-10-00-01", "t:1:6: mac is '02-00-5e-10-00-01' (expected a MAC "
					 "address such as 02:00:5e:10:00:01)");
}

static void test_lists_and_maps(void **state)
{
	(void)state;
	const struct outer *outer = parse("numbers: [9]\n"
					  "texts:\n- a\n- ''\n"
					  "inners: [{small: 1}, {text: b}, {}]\n"
					  "pairs: {one: 1, two: , three: '3,'}\n");
	assert_int_equal(outer->numbers.cnt, 1);
	assert_int_equal(outer->numbers.items[0], 9);
	assert_int_equal(outer->texts.cnt, 2);
	assert_string_equal(outer->texts.items[0], "a");
	assert_string_equal(outer->texts.items[1], "");
	assert_int_equal(outer->inners.cnt, 3);
	assert_int_equal(outer->inners.items[0].small, 1);
	assert_string_equal(outer->inners.items[0].text, "inside");
	assert_int_equal(outer->inners.items[1].small, 7);
	assert_string_equal(outer->inners.items[1].text, "b");
	assert_int_equal(outer->pairs.cnt, 3);
	assert_string_equal(outer->pairs.items[0].key, "one");
	assert_string_equal(outer->pairs.items[0].value, "1");
	assert_string_equal(outer->pairs.items[1].value, "");
	assert_string_equal(outer->pairs.items[2].value, "3,");

	refuse("numbers: []", "t:1:10: numbers has 0 elements (expected 1 to 4)");
	refuse("numbers: [1, 2, 3, 4, 5]", "t:1:10: numbers has 5 elements (expected 1 to 4)");
	refuse("numbers: [1, 2, 1]",
	       "t:1:17: '1' stands in numbers twice (expected different ones)");
	refuse("inner: []", "t:1:8: inner is a list (expected a map, lines of 'key: value')");
	refuse("inners: [1]",
	       "t:1:10: an element of inners is '1' (expected a map, lines of 'key: value')");
	refuse("pairs: {a: 1, b: 2, c: 3, d: 4}",
	       "t:1:8: pairs is too long (expected a map of at most 3 names to values)");
	refuse("pairs: {a: [1]}",
	       "t:1:12: a is a list (expected a text of at most 4095 bytes, or \"\")");
	refuse("inners:\n  - small: 3\n  - text: x\n    small: 4\n",
	       "t:4:12: small is 4 (expected an odd number)");
}

int test_config_values(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_integers),
		cmocka_unit_test(test_amounts),  cmocka_unit_test(test_bools_and_enums),
		cmocka_unit_test(test_texts),    cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_macs),     cmocka_unit_test(test_lists_and_maps),
	};
	return cmocka_run_group_tests(tests, NULL, free_config);
}
