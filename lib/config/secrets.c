/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/secrets.h"

#include "lib/base/hex.h"
#include "lib/config/private.h"

#include <stdbool.h>
#include <string.h>

/* Two lines and much comment. */
#define FILE_MAX 4096

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Digits read before the first fault; 2 * STELE_SECRET_SZ if it is a secret. */
static size_t parse_hex(const char *text, size_t len, uint8_t secret[STELE_SECRET_SZ])
{
	size_t i = 0;
	while (i < len && i < (size_t)2 * STELE_SECRET_SZ) {
		int digit = stele_hex_digit(text[i]);
		if (digit < 0)
			break;
		secret[i / 2] = (uint8_t)(secret[i / 2] << 4 | digit);
		i++;
	}
	return i;
}

int stele_secrets_parse(const char *name, const char *text, size_t text_sz,
			struct stele_secrets *ret_secrets, struct stele_error *reterr)
{
	struct stele_secrets secrets = {0};
	size_t line_no = 0, begin = 0;
	int status = 0;
	while (begin < text_sz && status == 0) {
		const char *newline = memchr(text + begin, '\n', text_sz - begin);
		size_t end = newline != NULL ? (size_t)(newline - text) : text_sz;
		size_t next = end + 1, first = begin;
		line_no++;
		while (first < end && is_space(text[first]))
			first++;
		while (end > first && is_space(text[end - 1]))
			end--;
		size_t column = first - begin + 1, len = end - first;
		begin = next;
		if (len == 0 || text[first] == '#')
			continue;
		if (secrets.cnt == STELE_SECRETS_MAX) {
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: one secret too many (expected at most %d)",
					    name, line_no, column, STELE_SECRETS_MAX);
			break;
		}
		uint8_t *secret = secrets.secrets[secrets.cnt];
		size_t digits = parse_hex(text + first, len, secret);
		if (digits != len || len != (size_t)2 * STELE_SECRET_SZ)
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: %s (expected %d hexadecimal digits)", name,
					    line_no, column + digits,
					    digits == len ? "too few digits" :
					    digits == (size_t)2 * STELE_SECRET_SZ ?
							    "more than a secret" :
							    "not a hexadecimal digit",
					    2 * STELE_SECRET_SZ);
		else if (secrets.cnt == 1 &&
			 memcmp(secret, secrets.secrets[0], STELE_SECRET_SZ) == 0)
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: the first secret once more (expected "
					    "another one)",
					    name, line_no, column);
		else
			secrets.cnt++;
	}
	if (status == 0 && secrets.cnt == 0)
		status = stele_fail(reterr, STELE_E_INPUT,
				    "%s:1:1: no secret (expected a line of %d hexadecimal digits)",
				    name, 2 * STELE_SECRET_SZ);
	if (status == 0)
		*ret_secrets = secrets;
	stele_secrets_wipe(&secrets);
	return status;
}

int stele_secrets_load(const char *path, struct stele_secrets *ret_secrets,
		       struct stele_error *reterr)
{
	struct stele_private_text text;
	int status = stele_private_read(path, FILE_MAX, &text, reterr);
	if (status < 0)
		return status;
	status = stele_secrets_parse(path, text.bytes, text.sz, ret_secrets, reterr);
	stele_private_wipe(&text);
	return status;
}

void stele_secrets_wipe(struct stele_secrets *secrets)
{
	explicit_bzero(secrets, sizeof(*secrets));
}
