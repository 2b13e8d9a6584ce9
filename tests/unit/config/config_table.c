/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/config/config_table.h"

#include <string.h>

const char *const choices[4] = {"red", "green", "blue", NULL};

int check_odd(const void *value, struct stele_error *reterr)
{
	uint8_t number = *(const uint8_t *)value;
	if (number % 2 == 1)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %u (expected an odd number)", number);
}

#define INNER(field) STELE_CONFIG_AT(inner, field), .help = "Help."
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

const struct stele_config_schema schema = {
	.program = "test",
	.about = "About.",
	.options = outer_options,
	.root_sz = sizeof(struct outer),
	.finish = finish,
};

static struct stele_config *config;
struct stele_config_faults faults;

const struct outer *parse(const char *text)
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

int free_config(void **state)
{
	(void)state;
	stele_config_free(config);
	config = NULL;
	return 0;
}

void refuse(const char *text, const char *expected)
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
