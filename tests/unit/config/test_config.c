/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and what comes of them: values by type, bounds, defaults, places, memory; and the file of
 * cookie secrets.
 */
#include "lib/config/config.h"
#include "lib/config/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a table with every type ---- */

struct inner {
	uint8_t small;
	const char *text;
};

struct outer {
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	uint64_t size, duration;
	const char *text, *path, *word;
	int choice;
	struct stele_config_address address;
	struct stele_config_prefix prefix, interface;
	struct stele_config_mac mac;
	struct stele_config_pairs pairs;
	struct inner inner;
	STELE_CONFIG_LIST(uint16_t) numbers;
	STELE_CONFIG_LIST(const char *) texts;
	STELE_CONFIG_LIST(struct inner) inners;
	char *derived;
};

static const char *const choices[] = {"red", "green", "blue", NULL};

static int check_odd(const void *value, struct stele_error *reterr)
{
	uint8_t number = *(const uint8_t *)value;
	if (number % 2 == 1)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %u (expected an odd number)", number);
}

#define INNER(field) STELE_CONFIG_AT(inner, field), .help = "Help."
#define OUTER(field) STELE_CONFIG_AT(outer, field), .help = "Help."
#define OUTER_LIST(field, flags) STELE_CONFIG_LIST_AT(outer, field, flags), .help = "Help."

static const struct stele_config_option inner_options[] = {
	{.name = "small",
	 .type = STELE_CONFIG_INTEGER,
	 INNER(small),
	 .def = "7",
	 .check = check_odd},
	{.name = "text", .type = STELE_CONFIG_STRING, INNER(text), .max = 8, .def = "inside"},
	{0},
};

static const struct stele_config_option outer_options[] = {
	{.name = "flag", .type = STELE_CONFIG_BOOL, OUTER(flag)},
	{.name = "u8", .type = STELE_CONFIG_INTEGER, OUTER(u8)},
	{.name = "u16", .type = STELE_CONFIG_INTEGER, OUTER(u16), .min = 10, .max = 20},
	{.name = "u32", .type = STELE_CONFIG_INTEGER, OUTER(u32)},
	{.name = "u64",
	 .type = STELE_CONFIG_INTEGER,
	 OUTER(u64),
	 .word = "all",
	 .word_value = UINT64_MAX},
	{.name = "size", .type = STELE_CONFIG_SIZE, OUTER(size)},
	{.name = "duration", .type = STELE_CONFIG_DURATION, OUTER(duration)},
	{.name = "text", .type = STELE_CONFIG_STRING, OUTER(text)},
	{.name = "path", .type = STELE_CONFIG_PATH, OUTER(path)},
	{.name = "word", .type = STELE_CONFIG_STRING, OUTER(word), .word = "none", .def = "given"},
	{.name = "choice",
	 .type = STELE_CONFIG_ENUM,
	 .words = choices,
	 OUTER(choice),
	 .def = "green"},
	{.name = "address", .type = STELE_CONFIG_ADDRESS, OUTER(address)},
	{.name = "prefix", .type = STELE_CONFIG_PREFIX, OUTER(prefix)},
	{.name = "interface", .type = STELE_CONFIG_INTERFACE, OUTER(interface)},
	{.name = "mac", .type = STELE_CONFIG_MAC, OUTER(mac)},
	{.name = "pairs", .type = STELE_CONFIG_PAIRS, OUTER(pairs), .max = 3},
	{.name = "inner", .type = STELE_CONFIG_MAP, OUTER(inner), .options = inner_options},
	{.name = "numbers",
	 .type = STELE_CONFIG_INTEGER,
	 OUTER_LIST(numbers, STELE_CONFIG_UNIQUE),
	 .list_min = 1,
	 .list_max = 4,
	 .def = "[3, 1, 2]"},
	{.name = "texts", .type = STELE_CONFIG_STRING, OUTER_LIST(texts, 0), .list_max = 4},
	{.name = "inners",
	 .type = STELE_CONFIG_MAP,
	 OUTER_LIST(inners, 0),
	 .list_max = 4,
	 .options = inner_options},
	{0},
};

static void finish(struct stele_config *config, void *root)
{
	struct outer *outer = root;
	outer->derived = stele_config_alloc(config, 4);
	if (outer->derived != NULL)
		memcpy(outer->derived, "own", 4);
	if (outer->u8 == 99)
		stele_config_fault(config, &outer->u8, "u8 is 99");
	if (outer->u32 == 99) {
		stele_config_fault(config, &outer->size, "size at the root");
		stele_config_fault(config, &outer->inner.small, "small at inner");
		stele_config_fault(config, &outer->numbers.items[0], "first number at the root");
		for (size_t i = 0; i < outer->inners.cnt; i++)
			stele_config_fault(config, &outer->inners.items[i].text, "text %zu", i);
		for (size_t i = 0; i < outer->texts.cnt; i++)
			stele_config_fault(config, &outer->texts.items[i], "element %zu, line %u",
					   i, stele_config_line(config, &outer->texts.items[i]));
	}
}

static const struct stele_config_schema schema = {
	.program = "test",
	.about = "About.",
	.options = outer_options,
	.root_sz = sizeof(struct outer),
	.finish = finish,
};

static struct stele_config *config;
static struct stele_config_faults faults;

/* The struct that `text` gives; it lives until the next call or the end of the test. */
static const struct outer *parse(const char *text)
{
	struct stele_error err = {""};
	stele_config_free(config);
	config = NULL;
	int status = stele_config_parse("t", text, strlen(text), &schema, &config, &faults, &err);
	if (status < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(faults.cnt, 0);
	return stele_config_root(config);
}

static int free_config(void **state)
{
	(void)state;
	stele_config_free(config);
	config = NULL;
	return 0;
}

/* `text` has exactly one fault, that one. */
static void refuse(const char *text, const char *expected)
{
	struct stele_error err = {""};
	struct stele_config *untouched = (struct stele_config *)&err;
	int status =
		stele_config_parse("t", text, strlen(text), &schema, &untouched, &faults, &err);
	assert_int_equal(status, STELE_E_INPUT);
	assert_ptr_equal(untouched, &err);
	assert_string_equal(faults.items[0].text, expected);
	assert_string_equal(err.text, expected);
	assert_int_equal(faults.cnt, 1);
	assert_int_equal(faults.more_cnt, 0);
}

/* ---- values ---- */

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
	refuse("text: \"a\\nb\"", "t:1:7: text is 'a\\x0ab' in quotes (expected a text of at most "
				  "4095 bytes, or \"\")");
	refuse("text: |\n  a\n", "t:1:7: text is 'a\\x0a' in quotes (expected a text of at most "
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

/* ---- faults and places ---- */

static void test_places(void **state)
{
	(void)state;
	const char *text = "u32: 99\n"
			   "inner:\n"
			   "  text: x\n"
			   "inners:\n"
			   "  - small: 1\n"
			   "    text: y\n"
			   "  - small: 1\n"
			   "texts: [a,\n"
			   "   b]\n";
	static const char *const expected[] = {
		"t:1:1: size at the root",
		"t:1:1: first number at the root",
		"t:3:3: small at inner",
		"t:6:11: text 0",
		"t:7:5: text 1",
		"t:8:9: element 0, line 8",
		"t:9:4: element 1, line 9",
	};
	struct stele_error err;
	struct stele_config *none;
	assert_int_equal(stele_config_parse("t", text, strlen(text), &schema, &none, &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, 7);
	for (unsigned i = 0; i < faults.cnt; i++)
		assert_string_equal(faults.items[i].text, expected[i]);
	assert_int_equal(faults.items[3].line, 6);
	assert_int_equal(faults.items[3].column, 11);
	refuse("u8: 99", "t:1:5: u8 is 99");
	/* Columns count characters, not bytes. */
	refuse("{text: \xc3\xa9\xe2\x82\xac, u8: x}",
	       "t:1:16: u8 is 'x' (expected a whole number from 0 to 255)");
	refuse("text: a\r\nu8: x\r\n", "t:2:5: u8 is 'x' (expected a whole number from 0 to 255)");
}

/* The first ones by place, whatever the order in which they are found; the others are counted. */
static void test_many_faults(void **state)
{
	(void)state;
	char text[4096] = "";
	for (unsigned i = 0; i < 40; i++)
		sprintf(text + strlen(text), "k%u: 1\n", i);
	sprintf(text + strlen(text), "u8: x\n");
	struct stele_error err;
	struct stele_config *none;
	assert_int_equal(stele_config_parse("t", text, strlen(text), &schema, &none, &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, STELE_CONFIG_FAULTS_MAX);
	assert_int_equal(faults.more_cnt, 41 - STELE_CONFIG_FAULTS_MAX);
	for (unsigned i = 0; i < faults.cnt; i++)
		assert_int_equal(faults.items[i].line, i + 1);
}

static void test_suggestions(void **state)
{
	(void)state;
	refuse("flga: true", "t:1:1: unknown key 'flga' (expected 'flag'?)");
	refuse("innner: {}", "t:1:1: unknown key 'innner' (expected 'inner'?)");
	refuse("Size: 1", "t:1:1: unknown key 'Size' (expected 'size'?)");
	refuse("small: 1", "t:1:1: unknown key 'small' here (expected below 'inner')");
	refuse("inner: {smal: 1}", "t:1:9: unknown key 'smal' (expected 'small'?)");
	refuse("inner: {zone: 1}", "t:1:9: unknown key 'zone' (expected one of: small, text)");
}

/* ---- bounds ---- */

static void test_file_bounds(void **state)
{
	(void)state;
	size_t sz = STELE_CONFIG_FILE_MAX + 1;
	char *text = malloc(sz);
	struct stele_error err;
	struct stele_config *none = NULL;
	assert_non_null(text);
	memset(text, '#', sz);
	assert_int_equal(stele_config_parse("t", text, sz, &schema, &none, NULL, &err),
			 STELE_E_INPUT);
	assert_string_equal(err.text,
			    "t:1:1: the file is too large (expected at most 16777216 bytes)");
	/* As many values as fit it: "- " each. */
	for (size_t i = 0; i < sz - 1; i++)
		text[i] = "- \n"[i % 3];
	assert_int_equal(stele_config_parse("t", text, sz - 1, &schema, &none, NULL, &err),
			 STELE_E_INPUT);
	assert_non_null(strstr(err.text, ": too many values (expected at most 1048576)"));
	/* As many keys. */
	size_t n = 0;
	for (unsigned i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "key%u: 1\n", i);
	assert_int_equal(stele_config_parse("t", text, n, &schema, &none, &faults, &err),
			 STELE_E_INPUT);
	assert_string_equal(err.text, "t:257:1: too many keys in one map (expected at most 256)");
	free(text);
}

static void test_files(void **state)
{
	(void)state;
	struct stele_error err;
	struct stele_config *none = NULL;
	assert_int_equal(stele_config_load("/nonexistent/file", &schema, &none, &faults, &err),
			 STELE_E_INPUT);
	assert_string_equal(err.text, "/nonexistent/file: No such file or directory");
	assert_int_equal(faults.cnt, 0);
	assert_int_equal(stele_config_load("/", &schema, &none, NULL, &err), STELE_E_INPUT);
	assert_string_equal(err.text, "/: Is a directory");
	/* Nothing to end it. */
	assert_int_equal(stele_config_load("/dev/zero", &schema, &none, NULL, &err), STELE_E_INPUT);
	assert_string_equal(
		err.text, "/dev/zero:1:1: the file is too large (expected at most 16777216 bytes)");
	assert_null(none);
}

/* ---- tables ---- */

static void test_bad_tables(void **state)
{
	(void)state;
	struct stele_error err;
	assert_int_equal(stele_config_check_schema(&schema, &err), 0);

	struct stele_config_option options[] = {
		{.name = "u8", .type = STELE_CONFIG_INTEGER, OUTER(u8)}, {0}, {0}};
	const struct stele_config_schema bad = {
		.program = "p", .options = options, .root_sz = sizeof(struct outer)};
	const struct stele_config_option good = options[0];
	assert_int_equal(stele_config_check_schema(&bad, &err), 0);

#define REFUSED(change, fault)                                                                     \
	do {                                                                                       \
		options[0] = good;                                                                 \
		change;                                                                            \
		assert_int_equal(stele_config_check_schema(&bad, &err), STELE_E_USAGE);            \
		assert_string_equal(err.text, "p: option 'u8' " fault);                            \
	} while (0)
	REFUSED(options[0].help = NULL, "has no help");
	REFUSED(options[0].help = "a|b", "has a help with '|' or a line break");
	REFUSED(options[0].max = 256, "has bounds that its field cannot hold");
	REFUSED(options[0].min = 256, "has bounds without anything between them");
	REFUSED(options[0].type = STELE_CONFIG_SIZE, "has a field of another size than its type");
	REFUSED(options[0].off = sizeof(struct outer), "lies outside of its struct");
	REFUSED(options[0].flags = STELE_CONFIG_IS_LIST, "is a list that cannot have elements");
	REFUSED((options[0].flags = STELE_CONFIG_REQUIRED, options[0].def = "1"),
		"has a default and cannot have one");
	REFUSED(options[0].words = choices, "is an enum without words, or no enum with them");
	REFUSED(options[0].def = "256",
		"has a bad default: default:1:1: u8 is '256' (expected a whole number from 0 to "
		"255)");
	REFUSED((options[0].def = "2", options[0].check = check_odd),
		"has a bad default: default:1:1: u8 is 2 (expected an odd number)");
	REFUSED((options[0].word = "all", options[0].word_value = 256),
		"has bounds that its field cannot hold");
	REFUSED(options[1] = good, "stands in the table twice");
#undef REFUSED
}

static void test_reference(void **state)
{
	(void)state;
	char *page;
	size_t sz;
	FILE *out = open_memstream(&page, &sz);
	const struct stele_config_schema *const schemas[] = {&schema};
	assert_non_null(out);
	assert_int_equal(stele_config_reference(out, schemas, 1, NULL), 0);
	fclose(out);
	assert_non_null(strstr(page, "\n## test\n\nAbout.\n\n| option |"));
	assert_non_null(strstr(page, "\n| `u16` | a whole number from 10 to 20 | | Help. |\n"));
	assert_non_null(strstr(page, "\n| `numbers` | a list of 1 to 4: a whole number from 0 to "
				     "65535 | `[3, 1, 2]` | Help. |\n"));
	assert_non_null(strstr(page, "\n### `inner`\n"));
	assert_non_null(strstr(page, "\n### `inners[]`\n"));
	free(page);
}

/* ---- secrets ---- */

#define ONE "00112233445566778899aAbBcCdDeEfF"
#define TWO "ffeeddccbbaa99887766554433221100"

static void refuse_secrets(const char *text, const char *expected)
{
	struct stele_error err = {""};
	struct stele_secrets secrets = {.cnt = 77};
	assert_int_equal(stele_secrets_parse("s", text, strlen(text), &secrets, &err),
			 STELE_E_INPUT);
	assert_string_equal(err.text, expected);
	assert_int_equal(secrets.cnt, 77);
}

static void test_secrets(void **state)
{
	(void)state;
	static const uint8_t one[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct stele_error err;
	struct stele_secrets secrets;
	const char *text = "# now\n" ONE "\n\n  # next\n \t" TWO " \r\n";
	assert_int_equal(stele_secrets_parse("s", text, strlen(text), &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 2);
	assert_memory_equal(secrets.secrets[0], one, 16);
	assert_int_equal(secrets.secrets[1][0], 0xff);
	assert_int_equal(stele_secrets_parse("s", ONE, strlen(ONE), &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 1);
	assert_memory_equal(secrets.secrets[0], one, 16);
	stele_secrets_wipe(&secrets);
	assert_int_equal(secrets.cnt, 0);
	assert_int_equal(secrets.secrets[0][1], 0);

	refuse_secrets("", "s:1:1: no secret (expected a line of 32 hexadecimal digits)");
	refuse_secrets("# none\n", "s:1:1: no secret (expected a line of 32 hexadecimal digits)");
	refuse_secrets("\n " ONE "0\n",
		       "s:2:34: more than a secret (expected 32 hexadecimal digits)");
	refuse_secrets("0011\n", "s:1:5: too few digits (expected 32 hexadecimal digits)");
	refuse_secrets("00x1\n", "s:1:3: not a hexadecimal digit (expected 32 hexadecimal digits)");
	refuse_secrets(ONE " " TWO "\n",
		       "s:1:33: more than a secret (expected 32 hexadecimal digits)");
	refuse_secrets(ONE "\n" TWO "\n" ONE "\n",
		       "s:3:1: one secret too many (expected at most 2)");
	refuse_secrets(ONE "\n" ONE "\n",
		       "s:2:1: the first secret once more (expected another one)");
}

static void test_secret_files(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-secrets-XXXXXX";
	char path[64], expected[256];
	struct stele_error err;
	struct stele_secrets secrets = {.cnt = 77};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);

	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
	assert_string_equal(err.text, expected);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: not a regular file (expected one)", path);
	assert_string_equal(err.text, expected);
	unlink(path);

	FILE *out = fopen(path, "we");
	assert_non_null(out);
	fputs(ONE "\n", out);
	fclose(out);
	static const mode_t open_modes[] = {0640, 0604, 0620, 0610, 0644};
	for (unsigned i = 0; i < 5; i++) {
		chmod(path, open_modes[i]);
		assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
		snprintf(expected, sizeof(expected),
			 "%s: mode %04o lets others in (expected 0600: its owner only)", path,
			 open_modes[i]);
		assert_string_equal(err.text, expected);
	}
	assert_int_equal(secrets.cnt, 77);
	chmod(path, 0600);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 1);

	out = fopen(path, "we");
	assert_non_null(out);
	for (unsigned i = 0; i < 5000; i++)
		fputc('#', out);
	fclose(out);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: too large (expected at most 4096 bytes)", path);
	assert_string_equal(err.text, expected);
	unlink(path);
	rmdir(dir);

	/* It has another size than it says, as one has that somebody writes to meanwhile. */
	assert_int_equal(stele_secrets_load("/proc/self/auxv", &secrets, &err), STELE_E_SYSTEM);
	assert_string_equal(err.text, "/proc/self/auxv: changed while it was read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_integers),
		cmocka_unit_test(test_amounts),      cmocka_unit_test(test_bools_and_enums),
		cmocka_unit_test(test_texts),        cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_macs),         cmocka_unit_test(test_lists_and_maps),
		cmocka_unit_test(test_places),       cmocka_unit_test(test_many_faults),
		cmocka_unit_test(test_suggestions),  cmocka_unit_test(test_file_bounds),
		cmocka_unit_test(test_files),        cmocka_unit_test(test_bad_tables),
		cmocka_unit_test(test_reference),    cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_secret_files),
	};
	return cmocka_run_group_tests(tests, NULL, free_config);
}
