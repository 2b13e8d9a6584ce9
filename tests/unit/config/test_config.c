/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and what comes of them: faults and their places, bounds of files, bad tables, the page of
 * options.
 */
#include "tests/unit/config/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),      cmocka_unit_test(test_many_faults),
		cmocka_unit_test(test_suggestions), cmocka_unit_test(test_file_bounds),
		cmocka_unit_test(test_files),       cmocka_unit_test(test_bad_tables),
		cmocka_unit_test(test_reference),
	};
	int failed = cmocka_run_group_tests(tests, NULL, free_config);
	failed |= test_config_values();
	failed |= test_config_secrets();
	return failed;
}
