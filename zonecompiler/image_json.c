/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/image_json.h"

#include "lib/base/hex.h"
#include "lib/base/shown.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* `text`, where each byte that belongs to no character is replaced. NULL: no memory. */
static json_t *readable(const char *text, size_t len)
{
	char *plain = malloc(len * strlen(REPLACEMENT) + 1);
	size_t plain_len = 0;
	if (plain == NULL)
		return NULL;
	for (size_t at = 0; at < len;) {
		size_t sz = stele_utf8_length(text + at, len - at);
		const char *from = sz > 0 ? text + at : REPLACEMENT;
		size_t from_sz = sz > 0 ? sz : strlen(REPLACEMENT);
		memcpy(plain + plain_len, from, from_sz);
		plain_len += from_sz;
		at += sz > 0 ? sz : 1;
	}
	json_t *string = json_stringn(plain, plain_len);
	free(plain);
	return string;
}

void stele_image_json_set(json_t *summary, const char *path)
{
	size_t len = strlen(path);
	json_t *string = json_string(path);
	if (string != NULL) {
		json_object_set_new(summary, "image", string);
		return;
	}
	char *hex = malloc(2 * len + 1);
	if (hex == NULL)
		return;
	stele_hex_encode((const uint8_t *)path, len, hex);
	json_object_set_new(summary, "image", readable(path, len));
	json_object_set_new(summary, "image_hex", json_string(hex));
	free(hex);
}
