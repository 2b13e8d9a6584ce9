/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOC (RFC 1876 section 3): `d [m [s]] N|S  d [m [s]] E|W  altitude [size [horizontal [vertical]]]`, lengths in metres
 * with an m or without. What is not said of an angle is 0.
 */
#include "zonecompiler/import/rdata.h"

#include "lib/base/bytes.h"
#include "zonecompiler/import/value.h"

#include <string.h>

#define EQUATOR (UINT32_C(1) << 31)
#define BELOW_MAX                                                                                  \
	UINT32_C(10000000) /* centimetres from the zero of altitudes to that of the datum */
#define LENGTH_MAX UINT64_C(9000000000)

static int bad(const struct stele_cursor *c, const struct stele_token *token, const char *expected)
{
	char shown[STELE_SHOW_MAX];
	return stele_cursor_fail(c, token->p - token->quoted, "bad location '%s' (expected %s)",
				 stele_cursor_show(token, shown), expected);
}

/* A number with at most `places` digits behind its point, times 10^places. */
static bool parse_decimal(const uint8_t *p, size_t len, unsigned places, uint64_t *ret_number)
{
	const uint8_t *point = memchr(p, '.', len);
	size_t whole_len = point != NULL ? (size_t)(point - p) : len;
	size_t part_len = point != NULL ? len - whole_len - 1 : 0;
	uint32_t whole, part = 0;
	if (!stele_value_number(p, whole_len, UINT32_MAX, &whole) || part_len > places ||
	    (point != NULL && !stele_value_number(point + 1, part_len, UINT32_MAX, &part)))
		return false;
	uint64_t number = whole;
	for (unsigned i = 0; i < places; i++)
		number *= 10;
	for (size_t i = part_len; i < places; i++)
		part *= 10;
	*ret_number = number + part;
	return true;
}

/* Degrees, minutes, seconds up to the letter: thousandths of a second from the equator or the prime meridian. */
static int parse_angle(struct stele_cursor *c, const char *letters, uint32_t degrees_max,
		       uint8_t *out)
{
	/* Times 1000 as seconds are, so that all are of one kind. */
	static const uint32_t weights[] = {3600, 60, 1};
	const uint64_t maxima[] = {degrees_max * UINT64_C(1000), 59000, 59999};
	uint64_t angle = 0;
	struct stele_token token = {.p = c->p};
	for (unsigned i = 0; i <= 3; i++) {
		int status = stele_cursor_need(c, &token, "a location");
		if (status < 0)
			return status;
		bool is_letter =
			token.len == 1 && !token.quoted &&
			(token.p[0] == (uint8_t)letters[0] || token.p[0] == (uint8_t)letters[1]);
		if (is_letter && i > 0)
			break;
		uint64_t number;
		if (i == 3 || token.quoted ||
		    !parse_decimal(token.p, token.len, i == 2 ? 3 : 0, &number))
			return bad(c, &token,
				   "degrees, minutes and seconds, then N or S, or E or W");
		number *= i == 2 ? 1 : 1000;
		angle += number * weights[i];
		if (number > maxima[i] || angle > maxima[0] * weights[0])
			return bad(c, &token, "at most 90 degrees to N or S, 180 to E or W");
	}
	bool is_positive = token.p[0] == (uint8_t)letters[0];
	stele_put_be32(out, is_positive ? EQUATOR + (uint32_t)angle : EQUATOR - (uint32_t)angle);
	return 0;
}

/* Centimetres; false if the token is no length. */
static bool parse_length(const struct stele_token *token, bool may_be_negative, uint64_t max,
			 int64_t *ret_length)
{
	const uint8_t *p = token->p;
	size_t len = token->len;
	bool negative = may_be_negative && len > 0 && *p == '-';
	p += negative;
	len -= negative;
	len -= len > 0 && p[len - 1] == 'm';
	uint64_t number;
	if (token->quoted || !parse_decimal(p, len, 2, &number) ||
	    number > (negative ? BELOW_MAX : max))
		return false;
	*ret_length = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* One digit and a power of ten, which the length is not less than. */
static uint8_t to_power(uint64_t length)
{
	unsigned exponent = 0;
	for (; length > 9; length /= 10)
		exponent++;
	return (uint8_t)(length << 4 | exponent);
}

int stele_rdata_parse_loc(struct stele_cursor *c, struct stele_rdata *rdata)
{
	/* Version 0; 1 m, 10 km and 10 m where nothing is said. */
	uint8_t *out = rdata->bytes;
	memcpy(out, "\x00\x12\x16\x13", 4);
	struct stele_token token = {.p = c->p};
	int64_t length;
	int status = parse_angle(c, "NS", 90, out + 4);
	if (status == 0)
		status = parse_angle(c, "EW", 180, out + 8);
	if (status == 0)
		status = stele_cursor_need(c, &token, "an altitude");
	if (status < 0)
		return status;
	if (!parse_length(&token, true, UINT32_MAX - BELOW_MAX, &length))
		return bad(c, &token, "an altitude of -100000.00m to 42849672.95m");
	stele_put_be32(out + 12, (uint32_t)(BELOW_MAX + length));
	for (unsigned i = 1; i <= 3 && (status = stele_cursor_token(c, &token)) > 0; i++) {
		if (!parse_length(&token, false, LENGTH_MAX, &length))
			return bad(c, &token, "0 to 90000000.00m");
		out[i] = to_power((uint64_t)length);
	}
	rdata->len = 16;
	return status < 0 ? status : stele_cursor_expect_end(c, "the location");
}
