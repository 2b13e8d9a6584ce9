/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/rdata_layout.h"

#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What is left to read, and where the text goes. */
struct work {
	const uint8_t *p, *end;
	char *out;
};

static char *put_hex(char *out, const uint8_t *p, size_t len)
{
	stele_hex_encode(p, len, out);
	return out + 2 * len;
}

static char *put_base64(char *out, const uint8_t *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (; len >= 3; len -= 3, p += 3) {
		unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = digits[v >> 6 & 63];
		*out++ = digits[v & 63];
	}
	if (len > 0) {
		unsigned v = (unsigned)p[0] << 16 | (len == 2 ? (unsigned)p[1] << 8 : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = len == 2 ? digits[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	return out;
}

static char *put_number(char *out, uint32_t number)
{
	return out + sprintf(out, "%u", number);
}

/* Text of a type in a bitmap or a signature. */
static char *put_type(char *out, uint16_t type)
{
	char text[STELE_RRTYPE_TEXT_MAX];
	return stpcpy(out, stele_rrtype_to_text(type, text));
}

static void put_quoted(struct work *w, size_t len)
{
	*w->out++ = '"';
	for (; len > 0; len--) {
		uint8_t c = *w->p++;
		if (c < ' ' || c >= 0x7f) {
			w->out += sprintf(w->out, "\\%03u", c);
			continue;
		}
		if (c == '"' || c == '\\')
			*w->out++ = '\\';
		*w->out++ = (char)c;
	}
	*w->out++ = '"';
}

static bool put_string(struct work *w)
{
	if (w->p == w->end || w->end - w->p - 1 < *w->p)
		return false;
	unsigned len = *w->p++;
	put_quoted(w, len);
	return true;
}

/* The tag of a CAA record stands without quotes (RFC 8659 section 4.1.1). */
static bool put_tag(struct work *w)
{
	if (w->p == w->end || w->end - w->p - 1 < *w->p || *w->p == 0)
		return false;
	for (unsigned len = *w->p++; len > 0; len--) {
		uint8_t c = *w->p++;
		if (!((c >= '0' && c <= '9') || (uint8_t)((c | 0x20) - 'a') < 26))
			return false;
		*w->out++ = (char)c;
	}
	return true;
}

/* Refuses what does not come out of a list of types again: RFC 4034 section 4.1.2. */
static bool put_bitmap(struct work *w)
{
	int last_window = -1;
	while (w->p < w->end) {
		if (w->end - w->p < 3)
			return false;
		unsigned window = w->p[0], len = w->p[1];
		const uint8_t *bits = w->p + 2;
		if ((int)window <= last_window || len == 0 || len > 32 ||
		    w->end - bits < (int)len || bits[len - 1] == 0)
			return false;
		last_window = (int)window;
		for (unsigned i = 0; i < 8 * len; i++) {
			if ((bits[i / 8] >> (7 - i % 8) & 1) == 0)
				continue;
			*w->out++ = ' ';
			w->out = put_type(w->out, (uint16_t)(window << 8 | i));
		}
		w->p = bits + len;
	}
	return true;
}

static bool put_name(struct work *w)
{
	size_t len = stele_name_length(w->p, (size_t)(w->end - w->p));
	if (len == 0)
		return false;
	char text[STELE_NAME_TEXT_MAX];
	size_t text_len = stele_name_to_text(w->p, text);
	memcpy(w->out, text, text_len);
	w->out += text_len;
	w->p += len;
	return true;
}

static bool put_address(struct work *w, int family)
{
	size_t len = family == AF_INET ? 4 : 16;
	if ((size_t)(w->end - w->p) < len)
		return false;
	char text[INET6_ADDRSTRLEN];
	inet_ntop(family, w->p, text, sizeof(text));
	w->out = stpcpy(w->out, text);
	w->p += len;
	return true;
}

static bool put_time(struct work *w)
{
	if (w->end - w->p < 4)
		return false;
	time_t seconds = (time_t)stele_get_be32(w->p);
	struct tm t;
	gmtime_r(&seconds, &t);
	w->out += strftime(w->out, 32, "%Y%m%d%H%M%S", &t);
	w->p += 4;
	return true;
}

/* Length byte and that many bytes, as salt in hex or as a hash in base32hex. */
static bool put_counted(struct work *w, char field)
{
	if (w->p == w->end || w->end - w->p - 1 < *w->p)
		return false;
	unsigned len = *w->p++;
	if (field == 'S') {
		if (len == 0)
			*w->out++ = '-';
		w->out = put_hex(w->out, w->p, len);
	} else {
		if (len != STELE_NSEC3_HASH_SZ)
			return false;
		stele_base32hex_encode(w->p, (uint8_t *)w->out);
		w->out += STELE_NSEC3_LABEL_SZ;
	}
	w->p += len;
	return true;
}

/* RFC 8777 section 4.3.1. */
static bool put_relay(struct work *w)
{
	if (w->p == w->end)
		return false;
	unsigned discovery = *w->p >> 7, type = *w->p & 0x7f;
	w->p++;
	w->out += sprintf(w->out, "%u %u ", discovery, type);
	switch (type) {
	case 0:
		*w->out++ = '.';
		return true;
	case 1:
		return put_address(w, AF_INET);
	case 2:
		return put_address(w, AF_INET6);
	case 3:
		return put_name(w);
	default:
		return false;
	}
}

/* An angle of LOC as degrees, minutes and seconds; false if it is none. */
static bool put_angle(struct work *w, uint32_t angle, uint32_t degrees_max, const char *letters)
{
	bool is_negative = angle < UINT32_C(1) << 31;
	uint32_t n = is_negative ? (UINT32_C(1) << 31) - angle : angle - (UINT32_C(1) << 31);
	if (n > degrees_max * 3600000)
		return false;
	w->out += sprintf(w->out, "%u %u %u.%03u %c ", n / 3600000, n / 60000 % 60, n / 1000 % 60,
			  n % 1000, letters[is_negative]);
	return true;
}

/* RFC 1876 section 2, for version 0. */
static bool put_location(struct work *w)
{
	const uint8_t *p = w->p;
	if (w->end - p != 16 || p[0] != 0 || !put_angle(w, stele_get_be32(p + 4), 90, "NS") ||
	    !put_angle(w, stele_get_be32(p + 8), 180, "EW"))
		return false;
	int64_t altitude = (int64_t)stele_get_be32(p + 12) - 10000000;
	uint32_t height = (uint32_t)(altitude < 0 ? -altitude : altitude);
	w->out +=
		sprintf(w->out, "%s%u.%02um", altitude < 0 ? "-" : "", height / 100, height % 100);
	for (unsigned i = 1; i <= 3; i++) {
		uint64_t length = p[i] >> 4;
		unsigned exponent = p[i] & 15;
		/* One that is written in another way does not come out of its length again. */
		if (length > 9 || exponent > 9 || (length == 0 && exponent > 0))
			return false;
		for (; exponent > 0; exponent--)
			length *= 10;
		w->out += sprintf(w->out, " %u.%02um", (unsigned)(length / 100),
				  (unsigned)(length % 100));
	}
	w->p = w->end;
	return true;
}

/* RFC 9859 section 2.1.1. */
static bool put_scheme(struct work *w)
{
	if (w->p == w->end)
		return false;
	w->out = *w->p == 1 ? stpcpy(w->out, "NOTIFY") : put_number(w->out, *w->p);
	w->p++;
	return true;
}

static bool put_integer(struct work *w, size_t sz, bool is_type)
{
	if ((size_t)(w->end - w->p) < sz)
		return false;
	if (sz == 8) {
		w->out += sprintf(w->out, "%" PRIu64, stele_get_be64(w->p));
		w->p += 8;
		return true;
	}
	uint32_t number = sz == 1 ? w->p[0] : sz == 2 ? stele_get_be16(w->p) : stele_get_be32(w->p);
	w->out = is_type ? put_type(w->out, (uint16_t)number) : put_number(w->out, number);
	w->p += sz;
	return true;
}

/* What is left, of which there must be something. */
static bool put_rest(struct work *w, char field)
{
	size_t left = (size_t)(w->end - w->p);
	if (field == 'Q') {
		put_quoted(w, left);
		return true;
	}
	if (left == 0) {
		*w->out++ = '-';
		return field == 'O';
	}
	if (field == 'T') {
		bool done = put_string(w);
		while (done && w->p < w->end) {
			*w->out++ = ' ';
			done = put_string(w);
		}
		return done;
	}
	w->out = field == 'X' ? put_hex(w->out, w->p, left) : put_base64(w->out, w->p, left);
	w->p = w->end;
	return true;
}

static bool put_field(struct work *w, char field)
{
	switch (field) {
	case '1':
	case 'A':
	case 'P':
		return put_integer(w, 1, false);
	case '2':
		return put_integer(w, 2, false);
	case 'R':
		return put_integer(w, 2, true);
	case '3':
	case 'D':
		return put_integer(w, 4, false);
	case '8':
		return put_integer(w, 8, false);
	case 'N':
		return put_name(w);
	case 'C':
		return put_scheme(w);
	case 'Y':
		return put_relay(w);
	case 'G':
		return put_location(w);
	case '4':
		return put_address(w, AF_INET);
	case '6':
		return put_address(w, AF_INET6);
	case 'E':
		return put_time(w);
	case 'S':
	case 'H':
		return put_counted(w, field);
	case 'U':
		return put_string(w);
	case 'W':
		return put_tag(w);
	case 'M':
		return put_bitmap(w);
	case 'T':
	case 'X':
	case 'B':
	case 'O':
	case 'Q':
		return put_rest(w, field);
	default: /* of types that are not written here */
		return false;
	}
}

size_t rdata_layout_put(const char *fields, const uint8_t *rdata, size_t rdata_len, char *text)
{
	struct work w = {rdata, rdata + rdata_len, text};
	for (const char *field = fields; *field != '\0'; field++) {
		if (field != fields && *field != 'M')
			*w.out++ = ' ';
		if (!put_field(&w, *field))
			return 0;
	}
	return w.p == w.end ? (size_t)(w.out - text) : 0;
}
