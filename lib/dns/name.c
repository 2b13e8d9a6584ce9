/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/name.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"

#include <string.h>

size_t stele_name_length(const uint8_t *p, size_t avail)
{
	size_t at = 0;
	while (at < avail && at < STELE_NAME_MAX) {
		if (p[at] == 0)
			return at + 1;
		if (p[at] > STELE_LABEL_MAX)
			return 0;
		at += (size_t)p[at] + 1;
	}
	return 0;
}

unsigned stele_name_label_cnt(const uint8_t *name)
{
	unsigned cnt = 0;
	for (; *name != 0; name += *name + 1)
		cnt++;
	return cnt;
}

static inline uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

void stele_name_lower(uint8_t *to, const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = lower(from[i]);
}

bool stele_name_equal_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool stele_name_is_below(const uint8_t *name, size_t name_len, const uint8_t *ancestor,
			 size_t ancestor_len)
{
	if (name_len < ancestor_len)
		return false;
	size_t at = 0;
	while (name_len - at > ancestor_len)
		at += (size_t)name[at] + 1;
	return name_len - at == ancestor_len && memcmp(name + at, ancestor, ancestor_len) == 0;
}

size_t stele_sort_key(const uint8_t *rel, size_t rel_len, uint8_t *key)
{
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	for (size_t at = 0; at < rel_len; at += (size_t)rel[at] + 1)
		starts[cnt++] = (uint8_t)at;

	uint8_t *out = key;
	while (cnt > 0) {
		const uint8_t *label = rel + starts[--cnt];
		for (unsigned i = 1; i <= label[0]; i++) {
			if (label[i] > 1) {
				*out++ = label[i];
			} else {
				*out++ = 1;
				*out++ = (uint8_t)(label[i] + 1);
			}
		}
		*out++ = 0;
	}
	return (size_t)(out - key);
}

int stele_sort_key_to_name(const uint8_t *key, size_t key_len, uint8_t rel[STELE_NAME_MAX])
{
	uint8_t reversed[STELE_NAME_MAX];
	size_t end = STELE_NAME_MAX; /* labels are laid from the end towards the front */
	for (size_t at = 0; at < key_len;) {
		uint8_t label[STELE_LABEL_MAX];
		unsigned len = 0;
		while (at < key_len && key[at] != 0) {
			uint8_t c = key[at++];
			if (c == 1) {
				if (at >= key_len || key[at] < 1 || key[at] > 2)
					return -1;
				c = (uint8_t)(key[at++] - 1);
			}
			if (len >= STELE_LABEL_MAX)
				return -1;
			label[len++] = c;
		}
		if (at >= key_len || len == 0 || end < len + 1u)
			return -1;
		at++;
		end -= len + 1;
		reversed[end] = (uint8_t)len;
		memcpy(reversed + end + 1, label, len);
	}
	size_t rel_len = STELE_NAME_MAX - end;
	memcpy(rel, reversed + end, rel_len);
	return (int)rel_len;
}

int stele_sort_key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

size_t stele_name_to_text(const uint8_t *name, char text[STELE_NAME_TEXT_MAX])
{
	char *out = text;
	if (*name == 0)
		*out++ = '.';
	for (; *name != 0; name += *name + 1) {
		for (unsigned i = 1; i <= name[0]; i++) {
			uint8_t c = name[i];
			if (c <= ' ' || c >= 0x7f) {
				*out++ = '\\';
				*out++ = (char)('0' + c / 100);
				*out++ = (char)('0' + c / 10 % 10);
				*out++ = (char)('0' + c % 10);
				continue;
			}
			if (strchr(".\\\"();@$", c) != NULL)
				*out++ = '\\';
			*out++ = (char)c;
		}
		*out++ = '.';
	}
	*out = '\0';
	return (size_t)(out - text);
}

int stele_name_from_text(const char *text, size_t text_len, uint8_t name[STELE_NAME_MAX])
{
	if (text_len == 0)
		return STELE_E_INPUT;
	if (text_len == 1 && text[0] == '.') {
		name[0] = 0;
		return 1;
	}
	uint8_t out[STELE_NAME_MAX];
	size_t label = 0; /* where the length byte of the label under way stands */
	size_t at = 1;
	for (size_t i = 0; i < text_len; i++) {
		unsigned c = (uint8_t)text[i];
		if (c == '.') {
			if (at - label - 1 == 0 || at >= STELE_NAME_MAX)
				return STELE_E_INPUT;
			out[label] = (uint8_t)(at - label - 1);
			label = at++;
			continue;
		}
		if (c == '\\') {
			if (++i >= text_len)
				return STELE_E_INPUT;
			c = (uint8_t)text[i];
			if (c >= '0' && c <= '9') {
				if (i + 2 >= text_len)
					return STELE_E_INPUT;
				unsigned tens = (unsigned)text[i + 1] - '0';
				unsigned ones = (unsigned)text[i + 2] - '0';
				c = (c - '0') * 100 + tens * 10 + ones;
				if (tens > 9 || ones > 9 || c > 255)
					return STELE_E_INPUT;
				i += 2;
			}
		}
		if (at - label - 1 >= STELE_LABEL_MAX || at >= STELE_NAME_MAX - 1)
			return STELE_E_INPUT;
		out[at++] = (uint8_t)c;
	}
	if (at - label - 1 > 0) {
		out[label] = (uint8_t)(at - label - 1);
		label = at++;
	}
	if (at > STELE_NAME_MAX)
		return STELE_E_INPUT;
	out[label] = 0;
	memcpy(name, out, at);
	return (int)at;
}
