/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of types that are rare by now: APL (RFC 3123), HIP (RFC 8005), EUI48 and EUI64 (RFC 7043), NSAP (RFC 1706),
 * X25 (RFC 1183), GPOS (RFC 1712).
 */
#include "zonecompiler/import/rdata.h"

#include "lib/base/bytes.h"
#include "zonecompiler/import/value.h"

#include <string.h>

static int bad(const struct stele_cursor *c, const struct stele_token *token, const char *what,
	       const char *expected)
{
	char shown[STELE_SHOW_MAX];
	return stele_cursor_fail(c, token->p - token->quoted, "bad %s '%s' (expected %s)", what,
				 stele_cursor_show(token, shown), expected);
}

static int too_long(const struct stele_cursor *c, const uint8_t *p)
{
	return stele_cursor_fail(c, p, "the data is too long (expected at most %d bytes)",
				 STELE_RDATA_MAX);
}

/* ---- APL ---- */

/* [!]FAMILY:ADDRESS/PREFIX; bytes of zero at the end of the address are not sent. False: it is none. */
static bool put_prefix(const struct stele_token *token, struct stele_rdata *rd)
{
	const uint8_t *p = token->p, *end = p + token->len;
	bool is_negated = p < end && *p == '!';
	p += is_negated;
	const uint8_t *colon = memchr(p, ':', (size_t)(end - p));
	const uint8_t *slash = memchr(p, '/', (size_t)(end - p));
	uint32_t family, bits;
	uint8_t address[16] = {0};
	if (token->quoted || colon == NULL || slash == NULL || slash < colon ||
	    !stele_value_number(p, (size_t)(colon - p), 2, &family) || family == 0 ||
	    !stele_value_number(slash + 1, (size_t)(end - slash - 1), family == 1 ? 32 : 128,
				&bits))
		return false;
	size_t text_len = (size_t)(slash - colon - 1);
	if (!(family == 1 ? stele_value_ipv4(colon + 1, text_len, address) :
			    stele_value_ipv6(colon + 1, text_len, address)))
		return false;
	size_t len = sizeof(address);
	while (len > 0 && address[len - 1] == 0)
		len--;
	uint8_t *out = rd->bytes + rd->len;
	stele_put_be16(out, (uint16_t)family);
	out[2] = (uint8_t)bits;
	out[3] = (uint8_t)(is_negated << 7 | len);
	memcpy(out + 4, address, len);
	rd->len += 4 + len;
	return true;
}

int stele_rdata_parse_apl(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	int status;
	while ((status = stele_cursor_token(c, &token)) > 0) {
		if (rd->len + 4 + 16 > STELE_RDATA_MAX)
			return too_long(c, token.p);
		if (!put_prefix(&token, rd))
			return bad(c, &token, "prefix",
				   "1:IPV4/0 to 32 or 2:IPV6/0 to 128, with ! in front or not");
	}
	return status;
}

/* ---- HIP ---- */

/* Algorithm, HIT, public key, names of rendezvous servers. The lengths of HIT and key go before both. */
int stele_rdata_parse_hip(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	struct stele_decoder hit = {0}, key = {0};
	uint32_t algorithm;
	int status = stele_cursor_need(c, &token, "an algorithm");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, 255, &algorithm))
		return bad(c, &token, "algorithm", "0 to 255");
	status = stele_cursor_need(c, &token, "a HIT");
	if (status < 0)
		return status;
	uint8_t *out = rd->bytes + rd->len;
	int len = -1;
	if (!token.quoted && token.len <= 510)
		len = stele_value_hex(&hit, token.p, token.len, out + 4);
	if (len <= 0 || !stele_value_hex_ends(&hit))
		return bad(c, &token, "HIT", "at most 255 pairs of hexadecimal digits");
	out[0] = (uint8_t)len;
	out[1] = (uint8_t)algorithm;
	rd->len += 4 + (size_t)len;

	status = stele_cursor_need(c, &token, "a public key");
	if (status < 0)
		return status;
	if ((token.len + 3) / 4 * 3 > STELE_RDATA_MAX - rd->len)
		return too_long(c, token.p);
	len = stele_value_base64(&key, token.p, token.len, rd->bytes + rd->len);
	if (token.quoted || len <= 0 || !stele_value_base64_ends(&key))
		return bad(c, &token, "public key", "base64 without blanks");
	stele_put_be16(out + 2, (uint16_t)len);
	rd->len += (size_t)len;

	while ((status = stele_cursor_next(c)) > 0) {
		if (rd->len + STELE_NAME_MAX > STELE_RDATA_MAX)
			return too_long(c, c->p);
		status =
			stele_cursor_name(c, rd->origin, rd->origin_len, NULL, rd->bytes + rd->len);
		if (status < 0)
			return status;
		rd->len += (size_t)status;
	}
	return status;
}

/* ---- single words ---- */

/* `cnt` pairs of digits between hyphens. */
static bool put_eui(const struct stele_token *token, size_t cnt, struct stele_rdata *rd)
{
	struct stele_decoder decoder = {0};
	if (token->quoted || token->len != 3 * cnt - 1)
		return false;
	for (size_t i = 0; i < cnt; i++) {
		const uint8_t *pair = token->p + 3 * i;
		if ((i > 0 && pair[-1] != '-') ||
		    stele_value_hex(&decoder, pair, 2, rd->bytes + rd->len + i) != 1)
			return false;
	}
	rd->len += cnt;
	return true;
}

/* 0x and pairs of digits, with dots anywhere behind. */
static bool put_nsap(const struct stele_token *token, struct stele_rdata *rd)
{
	struct stele_decoder decoder = {0};
	size_t start = rd->len;
	if (token->quoted || token->len < 2 || token->p[0] != '0' || (token->p[1] | 0x20) != 'x')
		return false;
	for (size_t i = 2; i < token->len; i++) {
		if (token->p[i] == '.')
			continue;
		int len = rd->len < STELE_RDATA_MAX ?
				  stele_value_hex(&decoder, token->p + i, 1, rd->bytes + rd->len) :
				  -1;
		if (len < 0)
			return false;
		rd->len += (size_t)len;
	}
	return rd->len > start && stele_value_hex_ends(&decoder);
}

static size_t skip_digits(const uint8_t *p, size_t len, size_t at)
{
	while (at < len && (uint8_t)(p[at] - '0') <= 9)
		at++;
	return at;
}

/* RFC 1183 section 3.1: an address of X.121, which begins with four digits for the network. */
static bool is_x121(const uint8_t *p, size_t len)
{
	return len >= 4 && skip_digits(p, len, 0) == len;
}

/* RFC 1712 section 3: digits with a point and a sign, or without. */
static bool is_real(const uint8_t *p, size_t len)
{
	size_t sign = len > 0 && (*p == '-' || *p == '+');
	size_t at = skip_digits(p, len, sign);
	size_t point = at < len && p[at] == '.';
	size_t end = skip_digits(p, len, at + point);
	return end == len && end > sign + point;
}

int stele_rdata_parse_rare_word(struct stele_cursor *c, char letter, struct stele_rdata *rd)
{
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "more fields");
	if (status < 0)
		return status;
	switch (letter) {
	case 'e':
		return put_eui(&token, 6, rd) ? 0 :
						bad(c, &token, "EUI-48", "six pairs as 00-00-5e");
	case 'f':
		return put_eui(&token, 8, rd) ? 0 :
						bad(c, &token, "EUI-64", "eight pairs as 00-00-5e");
	case 'n':
		return put_nsap(&token, rd) ?
			       0 :
			       bad(c, &token, "NSAP", "0x and pairs of hexadecimal digits");
	default:
		break;
	}
	uint8_t *out = rd->bytes + rd->len;
	int len = stele_cursor_unescape(c, &token, out + 1, 255, "string");
	if (len < 0)
		return len;
	if (letter == 'x' && !is_x121(out + 1, (size_t)len))
		return bad(c, &token, "X.121 address", "four digits or more");
	if (letter == 'g' && !is_real(out + 1, (size_t)len))
		return bad(c, &token, "number", "one such as -32.6882");
	out[0] = (uint8_t)len;
	rd->len += 1 + (size_t)len;
	return 0;
}
