/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of SVCB and HTTPS records: `key` or `key=value`, in any order (RFC 9460 section 2.1 and appendix A). */
#include "zonecompiler/import/rdata.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/svcb.h"
#include "zonecompiler/import/value.h"

#include <stdlib.h>
#include <string.h>

#define PARAM_HEAD_SZ 4 /* key and length */

static const char *const key_names[] = {
	[STELE_SVC_MANDATORY] = "mandatory",
	[STELE_SVC_ALPN] = "alpn",
	[STELE_SVC_NO_DEFAULT_ALPN] = "no-default-alpn",
	[STELE_SVC_PORT] = "port",
	[STELE_SVC_IPV4HINT] = "ipv4hint",
	[STELE_SVC_ECH] = "ech",
	[STELE_SVC_IPV6HINT] = "ipv6hint",
	[STELE_SVC_DOHPATH] = "dohpath",
	[STELE_SVC_OHTTP] = "ohttp",
};

/* A key by its name or as key123, whose value is what it is in the record: `*ret_opaque`. */
static bool parse_key(const uint8_t *p, size_t len, uint16_t *ret_key, bool *ret_opaque)
{
	uint32_t number;
	for (size_t i = 0; i < sizeof(key_names) / sizeof(key_names[0]); i++) {
		if (strlen(key_names[i]) == len && memcmp(key_names[i], p, len) == 0) {
			*ret_key = (uint16_t)i;
			*ret_opaque = i == STELE_SVC_DOHPATH;
			return true;
		}
	}
	if (len < 4 || memcmp(p, "key", 3) != 0 || (p[3] == '0' && len > 4) ||
	    !stele_value_number(p + 3, len - 3, UINT16_MAX, &number))
		return false;
	*ret_key = (uint16_t)number;
	*ret_opaque = true;
	return true;
}

/* One parameter on its way. */
struct param {
	uint16_t key;
	bool opaque;
	size_t text_len; /* of the value without its escapes, in `text` */
	uint8_t *text;   /* STELE_RDATA_MAX bytes each */
	uint8_t *value;
	size_t len;
};

/* Items between commas: the next one, which ends at `*ret_end`. */
static const uint8_t *next_item(const struct param *param, const uint8_t *p,
				const uint8_t **ret_end)
{
	const uint8_t *end = param->text + param->text_len;
	const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
	*ret_end = comma != NULL ? comma : end;
	return comma != NULL ? comma + 1 : NULL;
}

/* A list of addresses or of keys, each of `sz` bytes. */
static bool put_list(struct param *param, size_t sz)
{
	const uint8_t *end;
	for (const uint8_t *p = param->text, *next; p != NULL; p = next) {
		next = next_item(param, p, &end);
		uint8_t *out = param->value + param->len;
		uint16_t key = 0;
		bool opaque, good;
		if (param->len + sz > STELE_RDATA_MAX)
			return false;
		if (sz == 2)
			good = parse_key(p, (size_t)(end - p), &key, &opaque);
		else
			good = sz == 4 ? stele_value_ipv4(p, (size_t)(end - p), out) :
					 stele_value_ipv6(p, (size_t)(end - p), out);
		if (!good)
			return false;
		if (sz == 2)
			stele_put_be16(out, key);
		param->len += sz;
	}
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	return (int)stele_get_be16(a) - (int)stele_get_be16(b);
}

/* In a list of protocols a comma or a backslash of an item has a backslash before it. */
static bool put_protocols(struct param *param)
{
	const uint8_t *p = param->text, *end = p + param->text_len;
	size_t begin = param->len++;
	for (;; p++) {
		bool ends = p == end || *p == ',';
		if (ends) {
			size_t len = param->len - begin - 1;
			if (len == 0 || len > 255)
				return false;
			param->value[begin] = (uint8_t)len;
			if (p == end)
				return true;
			begin = param->len;
		} else if (*p == '\\' && (++p == end || (*p != ',' && *p != '\\'))) {
			return false;
		}
		if (param->len == STELE_RDATA_MAX)
			return false;
		param->value[param->len++] = ends ? 0 : *p;
	}
}

/* The value from its text. False if it is none; stele_svc_fault() looks at the whole. */
static bool put_value(struct param *param)
{
	uint32_t number;
	struct stele_decoder decoder = {0};
	int len;
	if (!param->opaque) {
		switch (param->key) {
		case STELE_SVC_MANDATORY:
			if (!put_list(param, 2))
				return false;
			qsort(param->value, param->len / 2, 2, compare_keys);
			return true;
		case STELE_SVC_ALPN:
			return put_protocols(param);
		case STELE_SVC_PORT:
			if (!stele_value_number(param->text, param->text_len, UINT16_MAX, &number))
				return false;
			stele_put_be16(param->value, (uint16_t)number);
			param->len = 2;
			return true;
		case STELE_SVC_IPV4HINT:
			return put_list(param, 4);
		case STELE_SVC_IPV6HINT:
			return put_list(param, 16);
		case STELE_SVC_ECH:
			len = stele_value_base64(&decoder, param->text, param->text_len,
						 param->value);
			param->len = len > 0 ? (size_t)len : 0;
			return len > 0 && stele_value_base64_ends(&decoder);
		default:
			break;
		}
	}
	memcpy(param->value, param->text, param->text_len);
	param->len = param->text_len;
	return true;
}

/* The value behind '=': a string with quotes, or a word, or nothing. */
static int read_value(struct stele_cursor *c, struct param *param)
{
	struct stele_token token = {.p = c->p};
	int status = 0;
	if (stele_char_kinds[*c->p] < STELE_CHAR_BLANK)
		status = stele_cursor_token(c, &token);
	if (status < 0)
		return status;
	if (stele_char_kinds[*c->p] < STELE_CHAR_BLANK)
		return stele_cursor_fail(c, c->p, "more behind the string (expected a blank)");
	int len = stele_cursor_unescape(c, &token, param->text, STELE_RDATA_MAX, "value");
	param->text_len = len > 0 ? (size_t)len : 0;
	return len < 0 ? len : 0;
}

/* Puts the parameter where its key belongs. */
static int insert(struct stele_cursor *c, const uint8_t *start, const struct param *param,
		  size_t first, struct stele_rdata *rd)
{
	size_t at = first, sz = PARAM_HEAD_SZ + param->len;
	while (at < rd->len && stele_get_be16(rd->bytes + at) < param->key)
		at += (size_t)PARAM_HEAD_SZ + stele_get_be16(rd->bytes + at + 2);
	if (at < rd->len && stele_get_be16(rd->bytes + at) == param->key)
		return stele_cursor_fail(c, start,
					 "a key for the second time (expected each once)");
	if (sz > STELE_RDATA_MAX - rd->len)
		return stele_cursor_fail(c, start,
					 "the data is too long (expected at most %d bytes)",
					 STELE_RDATA_MAX);
	memmove(rd->bytes + at + sz, rd->bytes + at, rd->len - at);
	stele_put_be16(rd->bytes + at, param->key);
	stele_put_be16(rd->bytes + at + 2, (uint16_t)param->len);
	memcpy(rd->bytes + at + PARAM_HEAD_SZ, param->value, param->len);
	rd->len += sz;
	return 0;
}

static int parse_param(struct stele_cursor *c, struct param *param, size_t first,
		       struct stele_rdata *rd)
{
	const uint8_t *start = c->p, *p = start;
	while ((uint8_t)(*p - 'a') < 26 || (uint8_t)(*p - '0') <= 9 || *p == '-')
		p++;
	param->text_len = param->len = 0;
	bool ends = stele_char_kinds[*p] >= STELE_CHAR_BLANK;
	struct stele_token token = {start, (size_t)(p - start), false};
	char shown[STELE_SHOW_MAX];
	if ((!ends && *p != '=') || !parse_key(start, token.len, &param->key, &param->opaque))
		return stele_cursor_fail(
			c, start, "bad parameter '%s' (expected a key such as alpn or key123)",
			stele_cursor_show(&token, shown));
	c->p = ends ? p : p + 1;
	int status = ends ? 0 : read_value(c, param);
	if (status < 0)
		return status;
	if (!put_value(param))
		return stele_cursor_fail(c, start,
					 "bad value of '%s' (expected what RFC 9460 says)",
					 stele_cursor_show(&token, shown));
	return insert(c, start, param, first, rd);
}

int stele_rdata_parse_svc_params(struct stele_cursor *c, struct stele_rdata *rdata)
{
	struct stele_place place = stele_cursor_place(c, c->p);
	struct param param = {.text = calloc(2, STELE_RDATA_MAX)};
	size_t first = rdata->len;
	int status;
	if (param.text == NULL)
		return STELE_E_SYSTEM;
	param.value = param.text + STELE_RDATA_MAX;
	while ((status = stele_cursor_next(c)) > 0 &&
	       (status = parse_param(c, &param, first, rdata)) == 0)
		;
	free(param.text);
	const char *fault =
		status == 0 ? stele_svc_fault(rdata->bytes + first, rdata->len - first) : NULL;
	if (fault != NULL)
		return stele_report_error(c->report, place, "%s (expected what RFC 9460 says)",
					  fault);
	return status;
}
