/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/shown.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t stele_utf8_length(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xbf; /* of the second byte: keeps out overlong forms */
	size_t cnt;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		cnt = 2;
	} else if ((p[0] & 0xf0) == 0xe0) {
		cnt = 3;
		if (p[0] == 0xe0)
			low = 0xa0;
		else if (p[0] == 0xed)
			high = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		cnt = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (len < cnt || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < cnt; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return cnt;
}

/* U+0080 to U+009F drive terminals too: one of them begins what ESC [ does. */
static bool is_control(const uint8_t *p, size_t cnt)
{
	return cnt == 1 ? p[0] < 0x20 || p[0] == 0x7f : cnt == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

size_t stele_shown_one(const char *text, size_t len, char one[STELE_SHOWN_ONE_MAX])
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = (const uint8_t *)text;
	size_t cnt = stele_utf8_length(text, len);
	if (cnt > 0 && !is_control(p, cnt)) {
		memcpy(one, text, cnt);
		one[cnt] = '\0';
		return cnt;
	}
	if (cnt == 0)
		cnt = 1;
	if (*text == '\n') {
		memcpy(one, "\\n", sizeof("\\n"));
		return cnt;
	}
	for (size_t i = 0; i < cnt; i++) {
		*one++ = '\\';
		*one++ = 'x';
		*one++ = digits[p[i] >> 4];
		*one++ = digits[p[i] & 15];
	}
	*one = '\0';
	return cnt;
}

const char *stele_shown(const char *text, char *shown, size_t room)
{
	char *out = shown;
	for (size_t len = strlen(text); len > 0;) {
		char one[STELE_SHOWN_ONE_MAX];
		size_t cnt = stele_shown_one(text, len, one), one_len = strlen(one);
		if (one_len >= room - (size_t)(out - shown))
			break;
		memcpy(out, one, one_len);
		out += one_len;
		text += cnt;
		len -= cnt;
	}
	*out = '\0';
	return shown;
}

char *stele_shown_new(const char *text)
{
	size_t room = STELE_SHOWN_FACTOR * strlen(text) + 1;
	char *shown = malloc(room);
	if (shown != NULL)
		stele_shown(text, shown, room);
	return shown;
}
