/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: text, wire format and sort keys lead into one another and back, and the order of sort keys
 * is the canonical order as RFC 4034 section 6.1 words it.
 *
 * The input is taken as text, as a sort key, and as two names in wire format.
 */
#include "lib/dns/name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A name as text and back is the same name, byte for byte. */
static void check_text(const uint8_t *name, size_t len)
{
	char text[STELE_NAME_TEXT_MAX];
	uint8_t again[STELE_NAME_MAX];
	size_t text_len = stele_name_to_text(name, text);
	require(text_len == strlen(text) && text_len < sizeof(text));
	require(text[text_len - 1] == '.');
	int again_len = stele_name_from_text(text, text_len, again);
	require(again_len == (int)len && memcmp(again, name, len) == 0);
}

/* Canonical order, straight from its definition. */
static int compare_canonical(const uint8_t *a, const uint8_t *b)
{
	const uint8_t *labels[2][STELE_LABELS_MAX];
	const uint8_t *names[2] = {a, b};
	unsigned cnt[2] = {0, 0};
	for (unsigned i = 0; i < 2; i++)
		for (const uint8_t *p = names[i]; *p != 0; p += *p + 1)
			labels[i][cnt[i]++] = p;
	while (cnt[0] > 0 && cnt[1] > 0) {
		const uint8_t *x = labels[0][--cnt[0]], *y = labels[1][--cnt[1]];
		size_t shorter = *x < *y ? *x : *y;
		int c = memcmp(x + 1, y + 1, shorter);
		if (c == 0)
			c = *x - *y;
		if (c != 0)
			return c < 0 ? -1 : 1;
	}
	return (cnt[0] > cnt[1]) - (cnt[0] < cnt[1]);
}

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

struct keyed {
	uint8_t name[STELE_NAME_MAX];
	size_t len;
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
};

/* Reads a name from the front of the input; false if there is none. */
static bool take_name(const uint8_t **data, size_t *size, struct keyed *ret)
{
	size_t len = stele_name_length(*data, *size);
	if (len == 0)
		return false;
	require(len <= *size && len <= STELE_NAME_MAX && (*data)[len - 1] == 0);
	check_text(*data, len);

	ret->len = len;
	stele_name_lower(ret->name, *data, len);
	require(stele_name_equal_nocase(ret->name, *data, len));
	require(stele_name_length(ret->name, len) == len);
	require(stele_name_label_cnt(ret->name) <= STELE_LABELS_MAX);

	uint8_t back[STELE_NAME_MAX];
	ret->key_len = stele_sort_key(ret->name, len - 1, ret->key);
	require(ret->key_len <= sizeof(ret->key));
	int back_len = stele_sort_key_to_name(ret->key, ret->key_len, back);
	require(back_len == (int)len - 1 && memcmp(back, ret->name, len - 1) == 0);
	*data += len;
	*size -= len;
	return true;
}

static void check_order(const struct keyed *a, const struct keyed *b)
{
	int c = stele_sort_key_compare(a->key, a->key_len, b->key, b->key_len);
	require(sign(c) == compare_canonical(a->name, b->name));
	bool is_prefix = a->key_len <= b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
	require(is_prefix == stele_name_is_below(b->name, b->len, a->name, a->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text((const char *)data, size, name);
	if (len > 0) {
		require(stele_name_length(name, (size_t)len) == (size_t)len);
		check_text(name, (size_t)len);
	}

	if (size <= STELE_SORT_KEY_MAX) {
		len = stele_sort_key_to_name(data, size, name);
		if (len >= 0 && len < STELE_NAME_MAX) {
			uint8_t key[STELE_SORT_KEY_MAX];
			require(stele_sort_key(name, (size_t)len, key) == size &&
				memcmp(key, data, size) == 0);
		}
	}

	if (size >= STELE_NSEC3_LABEL_SZ) {
		uint8_t hash[STELE_NSEC3_HASH_SZ], digits[STELE_NSEC3_LABEL_SZ];
		if (stele_base32hex_decode(data, hash)) {
			stele_base32hex_encode(hash, digits);
			require(stele_name_equal_nocase(digits, data, sizeof(digits)));
		}
	}

	struct keyed a, b;
	if (take_name(&data, &size, &a) && take_name(&data, &size, &b)) {
		check_order(&a, &b);
		check_order(&b, &a);
		check_order(&a, &a);
	}
	return 0;
}
