/* SPDX-License-Identifier: Apache-2.0 */
/* Names and sort keys: lib/dns/name.h. */
#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

/* ---- names ---- */

/* The longest name there is, in labels of `label` bytes; returns its length. */
static size_t long_name(uint8_t name[STELE_NAME_MAX], unsigned label, size_t len_max)
{
	size_t at = 0;
	while (at + 1 + label + 1 <= len_max) {
		name[at++] = (uint8_t)label;
		memset(name + at, 'a', label);
		at += label;
	}
	name[at++] = 0;
	return at;
}

static void test_name_length(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t avail, len;
	} cases[] = {
		{"", 1, 1},          {"\3www", 5, 5}, {"\3www", 4, 0}, /* no root label */
		{"\3ww", 3, 0},                                        /* label cut off */
		{"\3www\0\7", 6, 5}, /* what follows does not count */
		{"\300\14", 2, 0},   /* a pointer */
		{"\100a", 3, 0},     /* label types 01 and 10 */
		{"\200a", 3, 0},     {"", 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stele_name_length((const uint8_t *)cases[i].bytes, cases[i].avail),
				 cases[i].len);

	uint8_t name[300];
	assert_int_equal(long_name(name, 1, 255), 255);
	assert_int_equal(stele_name_length(name, 255), 255);
	assert_int_equal(stele_name_length(name, 300), 255);
	assert_int_equal(stele_name_label_cnt(name), 127);
	assert_int_equal(stele_name_length(name, 254), 0);
	assert_int_equal(long_name(name, 63, 255), 193);
	name[192] = 61;
	memset(name + 193, 'b', 61);
	name[254] = 0;
	assert_int_equal(stele_name_length(name, 300), 255);
	name[192] = 62; /* 256 bytes */
	name[254] = 'b';
	name[255] = 0;
	assert_int_equal(stele_name_length(name, 300), 0);
	name[0] = 64;
	assert_int_equal(stele_name_length(name, 300), 0);
}

static void test_name_case(void **state)
{
	(void)state;
	uint8_t all[256], low[256];
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	stele_name_lower(low, all, 256);
	for (int i = 0; i < 256; i++)
		assert_int_equal(low[i], i >= 'A' && i <= 'Z' ? i + 32 : i);
	assert_true(stele_name_equal_nocase(all, low, 256));
	assert_true(stele_name_equal_nocase((const uint8_t *)"aZ[", (const uint8_t *)"Az[", 3));
	assert_false(stele_name_equal_nocase((const uint8_t *)"@[", (const uint8_t *)"`{", 2));
}

static void test_name_is_below(void **state)
{
	(void)state;
#define BELOW(name, ancestor)                                                                      \
	stele_name_is_below((const uint8_t *)(name), sizeof(name), (const uint8_t *)(ancestor),    \
			    sizeof(ancestor))
	assert_true(BELOW("\3www\7example", "\7example"));
	assert_true(BELOW("\7example", "\7example"));
	assert_true(BELOW("\7example", ""));
	assert_true(BELOW("", ""));
	assert_false(BELOW("", "\7example"));
	assert_false(BELOW("\7example", "\3www\7example"));
	assert_false(BELOW("\10xexample", "\7example"));
	/* The ancestor's bytes at the end, but not at the border of a label. */
	assert_false(BELOW("\11x\7example", "\7example"));
	assert_false(BELOW("\3www\7exampl3", "\7example"));
#undef BELOW
}

static void test_name_text(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *name;
		size_t len;
		const char *back; /* NULL: the same text */
	} good[] = {
		{".", "", 1, NULL},
		{"com.", "\3com", 5, NULL},
		{"Www.Example.com", "\3Www\7Example\3com", 17, "Www.Example.com."},
		{"a\\.b.c.", "\3a.b\1c", 7, NULL},
		{"\\\\.\\\".\\;.\\(.\\).\\@.\\$.", "\1\\\1\"\1;\1(\1)\1@\1$", 15, NULL},
		{"\\000\\255\\032.", "\3\0\377 ", 5, NULL},
		{"~\\127.", "\2~\177", 4, NULL},
		{"\\097.", "\1a", 3, "a."},
		{"\\w.", "\1w", 3, "w."},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint8_t name[STELE_NAME_MAX];
		char text[STELE_NAME_TEXT_MAX];
		assert_int_equal(stele_name_from_text(good[i].text, strlen(good[i].text), name),
				 good[i].len);
		assert_memory_equal(name, good[i].name, good[i].len);
		const char *back = good[i].back != NULL ? good[i].back : good[i].text;
		assert_int_equal(stele_name_to_text(name, text), strlen(back));
		assert_string_equal(text, back);
	}
	static const char *const bad[] = {
		"",
		"..",
		".com",
		"a..b",
		"a.\\",
		"\\25",
		"\\256.",
		"\\2x5.",
		"a..",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", /* 64 */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t name[STELE_NAME_MAX];
		if (stele_name_from_text(bad[i], strlen(bad[i]), name) != STELE_E_INPUT)
			fail_msg("'%s' is taken as a name", bad[i]);
	}
}

static void test_name_text_limits(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX], back[STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX + 16];
	/* 255 bytes of unprintable characters: the longest text. */
	for (unsigned label = 1; label <= 63; label++) {
		size_t len = long_name(name, label, 255);
		for (size_t i = 0; i < len - 1; i++)
			if (i % (label + 1) != 0)
				name[i] = (uint8_t)(200 + i % 50);
		size_t text_len = stele_name_to_text(name, text);
		assert_int_equal(strlen(text), text_len);
		assert_int_equal(stele_name_from_text(text, text_len, back), len);
		assert_memory_equal(back, name, len);
		/* Without its last dot too. */
		assert_int_equal(stele_name_from_text(text, text_len - 1, back), len);
	}
	/* 127 labels fit, 128 do not. */
	for (int i = 0; i < 128; i++)
		memcpy(text + 2 * i, "a.", 2);
	assert_int_equal(stele_name_from_text(text, 254, back), 255);
	assert_int_equal(stele_name_from_text(text, 253, back), 255);
	assert_int_equal(stele_name_from_text(text, 255, back), STELE_E_INPUT);
	assert_int_equal(stele_name_from_text(text, 256, back), STELE_E_INPUT);
}

/* ---- sort keys ---- */

/* A random relative name; few different bytes, so that names have much in common. */
static size_t random_name(uint8_t *rel)
{
	static const uint8_t bytes[] = {0, 1, 2, 'a', 'a', 'b', 255, '.'};
	size_t at = 0;
	for (uint32_t labels = draw(6); labels > 0; labels--) {
		uint32_t len = draw(8) == 0 ? 1 + draw(63) : 1 + draw(3);
		if (at + 1 + len > STELE_NAME_MAX - 1)
			break;
		rel[at++] = (uint8_t)len;
		for (; len > 0; len--)
			rel[at++] = bytes[draw(sizeof(bytes))];
	}
	return at;
}

/* RFC 4034 section 6.1, word by word. */
static int compare_canonically(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	const uint8_t *a_labels[128] = {NULL}, *b_labels[128] = {NULL};
	int a_cnt = 0, b_cnt = 0;
	for (size_t at = 0; at < a_len; at += 1u + a[at])
		a_labels[a_cnt++] = a + at;
	for (size_t at = 0; at < b_len; at += 1u + b[at])
		b_labels[b_cnt++] = b + at;
	while (a_cnt > 0 && b_cnt > 0) {
		const uint8_t *x = a_labels[--a_cnt], *y = b_labels[--b_cnt];
		for (int i = 1; i <= x[0] && i <= y[0]; i++)
			if (x[i] != y[i])
				return x[i] < y[i] ? -1 : 1;
		if (x[0] != y[0])
			return x[0] < y[0] ? -1 : 1;
	}
	return a_cnt != b_cnt ? (a_cnt < b_cnt ? -1 : 1) : 0;
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_sort_key_order(void **state)
{
	(void)state;
	for (int i = 0; i < 300000; i++) {
		uint8_t a[STELE_NAME_MAX], b[STELE_NAME_MAX], back[STELE_NAME_MAX];
		uint8_t a_key[STELE_SORT_KEY_MAX], b_key[STELE_SORT_KEY_MAX];
		size_t a_len = random_name(a), b_len = random_name(b);
		size_t a_key_len = stele_sort_key(a, a_len, a_key);
		size_t b_key_len = stele_sort_key(b, b_len, b_key);
		int order = stele_sort_key_compare(a_key, a_key_len, b_key, b_key_len);
		assert_int_equal(sign(order), compare_canonically(a, a_len, b, b_len));
		assert_int_equal(stele_sort_key_to_name(a_key, a_key_len, back), a_len);
		assert_memory_equal(back, a, a_len);
		/* The key of a name is a prefix of the keys of the names below it, and of no other. */
		uint8_t full[2 * STELE_NAME_MAX] = {0};
		memcpy(full, b, b_len);
		bool prefix = a_key_len <= b_key_len && memcmp(a_key, b_key, a_key_len) == 0;
		a[a_len] = 0;
		assert_int_equal(stele_name_is_below(full, b_len + 1, a, a_len + 1), prefix);
	}
}

static void test_sort_key_limits(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX], back[STELE_NAME_MAX];
	for (unsigned label = 1; label <= 63; label++) {
		size_t len = long_name(name, label, 255);
		for (size_t i = 0; i < len - 1; i++)
			if (i % (label + 1) != 0)
				name[i] = (uint8_t)(i % 2);
		size_t key_len = stele_sort_key(name, len - 1, key);
		assert_in_range(key_len, 1, 504);
		assert_int_equal(stele_sort_key_to_name(key, key_len, back), len - 1);
		assert_memory_equal(back, name, len - 1);
	}
	assert_int_equal(stele_sort_key(name, 0, key), 0);
	assert_int_equal(stele_sort_key_to_name(key, 0, back), 0);
	static const struct {
		const char *key;
		size_t len;
	} bad[] = {
		{"a", 1},     /* not closed */
		{"a\0\0", 3}, /* an empty label */
		{"\0", 1},    {"\1", 1}, {"\1\0", 2}, {"\1\3\0", 3}, {"a\1", 2},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			stele_sort_key_to_name((const uint8_t *)bad[i].key, bad[i].len, back), -1);
	memset(key, 'a', sizeof(key));
	key[64] = 0; /* a label of 64 bytes */
	assert_int_equal(stele_sort_key_to_name(key, 65, back), -1);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 2 == 0 ? 'a' : 0; /* 255 labels */
	assert_int_equal(stele_sort_key_to_name(key, sizeof(key), back), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_length),      cmocka_unit_test(test_name_case),
		cmocka_unit_test(test_name_is_below),    cmocka_unit_test(test_name_text),
		cmocka_unit_test(test_name_text_limits), cmocka_unit_test(test_sort_key_order),
		cmocka_unit_test(test_sort_key_limits),
	};
	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
