/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/rdata.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/rdata_fields.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/import/value.h"

#include <string.h>
#include <strings.h>

static int too_long(struct stele_cursor *c, const uint8_t *p)
{
	return stele_cursor_fail(c, p, "the data is too long (expected at most %d bytes)",
				 STELE_RDATA_MAX);
}

/* ---- text to wire ---- */

static int bad_field(const struct stele_cursor *c, const struct stele_token *token,
		     const char *what, const char *expected)
{
	char shown[STELE_SHOW_MAX];
	return stele_cursor_fail(c, token->p - token->quoted, "bad %s '%s' (expected %s)", what,
				 stele_cursor_show(token, shown), expected);
}

static int put_string(struct stele_cursor *c, const struct stele_token *token,
		      struct stele_rdata *rd)
{
	uint8_t string[255];
	int len = stele_cursor_unescape(c, token, string, sizeof(string), "string");
	if (len < 0)
		return len;
	if (rd->len + (size_t)len + 1 > STELE_RDATA_MAX)
		return too_long(c, token->p);
	rd->bytes[rd->len] = (uint8_t)len;
	memcpy(rd->bytes + rd->len + 1, string, (size_t)len);
	rd->len += (size_t)len + 1;
	return 0;
}

static int parse_string(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "a string");
	return status < 0 ? status : put_string(c, &token, rd);
}

/* The bytes of one string alone, which reach to the end of the data. */
static int parse_rest(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "a string");
	if (status == 0)
		status = stele_cursor_unescape(c, &token, rd->bytes + rd->len,
					       STELE_RDATA_MAX - rd->len, "string");
	if (status < 0)
		return status;
	rd->len += (size_t)status;
	return stele_cursor_expect_end(c, "the data");
}

static int parse_strings(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "a string");
	if (status < 0)
		return status;
	do {
		status = put_string(c, &token, rd);
		if (status < 0)
			return status;
	} while ((status = stele_cursor_token(c, &token)) > 0);
	return status;
}

/* Hex or base64 in one or more words up to the end of the entry; at least one byte. */
static int parse_encoded(struct stele_cursor *c, struct stele_rdata *rd, bool hex)
{
	struct stele_decoder decoder = {0};
	struct stele_token token;
	const char *what = hex ? "hexadecimal data" : "base64";
	const char *expected = hex ? "pairs of the digits 0-9 and a-f" :
				     "groups of four of A-Z, a-z, 0-9, + and /";
	int status = stele_cursor_need(c, &token, what);
	if (status < 0)
		return status;
	struct stele_cursor last;
	do {
		last = *c;
		size_t most = hex ? (token.len + 1) / 2 : (token.len + 3) / 4 * 3;
		if (rd->len + most > STELE_RDATA_MAX)
			return too_long(c, token.p);
		uint8_t *out = rd->bytes + rd->len;
		int len = hex ? stele_value_hex(&decoder, token.p, token.len, out) :
				stele_value_base64(&decoder, token.p, token.len, out);
		if (len < 0 || token.quoted)
			return bad_field(c, &token, what, expected);
		rd->len += (size_t)len;
	} while ((status = stele_cursor_token(c, &token)) > 0);
	if (status < 0)
		return status;
	if (!(hex ? stele_value_hex_ends(&decoder) : stele_value_base64_ends(&decoder)))
		return bad_field(&last, &token, what, expected);
	return 0;
}

/* As base64, but "-" stands for no bytes at all. */
static int parse_optional(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_cursor start = *c;
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "base64, or '-'");
	if (status < 0)
		return status;
	if (token.len == 1 && token.p[0] == '-' && !token.quoted)
		return stele_cursor_expect_end(c, "the data");
	*c = start;
	return parse_encoded(c, rd, false);
}

static int parse_bitmap(struct stele_cursor *c, struct stele_rdata *rd)
{
	uint8_t window[256][32]; /* cleared when first used */
	uint64_t used[4] = {0};
	struct stele_token token;
	int status;
	while ((status = stele_cursor_token(c, &token)) > 0) {
		int type = token.quoted ? -1 : stele_value_rrtype(token.p, token.len);
		if (type < 0)
			return bad_field(c, &token, "type", "a mnemonic or TYPE123");
		unsigned w = (unsigned)type >> 8;
		if (!(used[w / 64] >> w % 64 & 1)) {
			used[w / 64] |= UINT64_C(1) << w % 64;
			memset(window[w], 0, sizeof(window[w]));
		}
		window[w][(type & 255) / 8] |= (uint8_t)(0x80 >> (type & 7));
	}
	if (status < 0)
		return status;
	for (unsigned w = 0; w < 256; w++) {
		if (used[w / 64] == 0) {
			w |= 63;
			continue;
		}
		if (!(used[w / 64] >> w % 64 & 1))
			continue;
		unsigned len = 32;
		while (window[w][len - 1] == 0)
			len--;
		if (rd->len + len + 2 > STELE_RDATA_MAX)
			return too_long(c, c->p);
		uint8_t *out = rd->bytes + rd->len;
		out[0] = (uint8_t)w;
		out[1] = (uint8_t)len;
		memcpy(out + 2, window[w], len);
		rd->len += len + 2;
	}
	return 0;
}

/* One field that is a single word. */
static int parse_word(struct stele_cursor *c, char letter, struct stele_rdata *rd)
{
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "more fields");
	if (status < 0)
		return status;
	uint8_t *out = rd->bytes + rd->len;
	uint32_t number = 0;
	if (token.quoted)
		return bad_field(c, &token, "string", "a word without quotes");
	switch (letter) {
	case '1':
		if (!stele_value_number(token.p, token.len, 255, &number))
			return bad_field(c, &token, "number", "0 to 255");
		break;
	case '2':
		if (!stele_value_number(token.p, token.len, 65535, &number))
			return bad_field(c, &token, "number", "0 to 65535");
		break;
	case '3':
		if (!stele_value_number(token.p, token.len, UINT32_MAX, &number))
			return bad_field(c, &token, "number", "0 to 4294967295");
		break;
	case '8': {
		uint64_t wide;
		if (!stele_value_number64(token.p, token.len, &wide))
			return bad_field(c, &token, "number", "0 to 18446744073709551615");
		stele_put_be64(out, wide);
		rd->len += 8;
		return 0;
	}
	case 'D':
		if (!stele_value_duration(token.p, token.len, &number))
			return bad_field(c, &token, "time span", "seconds, or such as 1h30m");
		break;
	case 'E':
		if (!stele_value_time(token.p, token.len, &number))
			return bad_field(c, &token, "time", "YYYYMMDDHHmmSS, or seconds");
		break;
	case 'A':
		if (!stele_value_algorithm(token.p, token.len, &number))
			return bad_field(c, &token, "algorithm", "0 to 255, or a mnemonic");
		break;
	case 'C':
		if (token.len == 6 && strncasecmp((const char *)token.p, "NOTIFY", 6) == 0)
			number = 1;
		else if (!stele_value_number(token.p, token.len, 255, &number))
			return bad_field(c, &token, "scheme", "NOTIFY, or 0 to 255");
		break;
	case 'F':
		if (!stele_value_certificate_type(token.p, token.len, &number))
			return bad_field(c, &token, "certificate type",
					 "0 to 65535, or a mnemonic of RFC 4398");
		break;
	case 'I':
		if (!stele_value_locator(token.p, token.len, out))
			return bad_field(c, &token, "value",
					 "four groups of hexadecimal digits between colons");
		rd->len += 8;
		return 0;
	case 'P':
		if (!stele_value_tlsa(token.p, token.len, (unsigned)rd->len, &number))
			return bad_field(c, &token, "parameter",
					 "0 to 255, or an acronym of RFC 7218");
		break;
	case 'W':
		for (size_t i = 0; i < token.len; i++)
			if ((uint8_t)(token.p[i] - '0') > 9 &&
			    (uint8_t)((token.p[i] | 0x20) - 'a') > 25)
				number = 1;
		if (number != 0 || token.len > 255)
			return bad_field(c, &token, "tag", "at most 255 letters and digits");
		out[0] = (uint8_t)token.len;
		memcpy(out + 1, token.p, token.len);
		rd->len += token.len + 1;
		return 0;
	case 'R': {
		int type = stele_value_rrtype(token.p, token.len);
		if (type < 0)
			return bad_field(c, &token, "type", "a mnemonic or TYPE123");
		number = (uint32_t)type;
		break;
	}
	case '4':
		if (!stele_value_ipv4(token.p, token.len, out))
			return bad_field(c, &token, "IPv4 address",
					 "four numbers of 0 to 255 between dots");
		rd->len += 4;
		return 0;
	case '6':
		if (!stele_value_ipv6(token.p, token.len, out))
			return bad_field(c, &token, "IPv6 address",
					 "groups of hexadecimal digits between colons");
		rd->len += 16;
		return 0;
	case 'S': {
		struct stele_decoder decoder = {0};
		bool none = token.len == 1 && token.p[0] == '-';
		int len = 0;
		if (!none && token.len <= 510)
			len = stele_value_hex(&decoder, token.p, token.len, out + 1);
		if (len < 0 || (!none && (len == 0 || !stele_value_hex_ends(&decoder))))
			return bad_field(c, &token, "salt",
					 "'-', or at most 255 pairs of hexadecimal digits");
		out[0] = (uint8_t)len;
		rd->len += (size_t)len + 1;
		return 0;
	}
	case 'H': {
		int len = -1;
		if (token.len <= 408)
			len = stele_value_base32hex(token.p, token.len, out + 1);
		if (len <= 0)
			return bad_field(c, &token, "hash", "base32hex digits: 0-9 and a-v");
		out[0] = (uint8_t)len;
		rd->len += (size_t)len + 1;
		return 0;
	}
	default:
		return stele_cursor_fail(c, token.p, "no such field");
	}
	switch (letter) {
	case '1':
	case 'A':
	case 'C':
	case 'P':
		*out = (uint8_t)number;
		rd->len++;
		return 0;
	case '2':
	case 'F':
	case 'R':
		stele_put_be16(out, (uint16_t)number);
		rd->len += 2;
		return 0;
	default:
		stele_put_be32(out, number);
		rd->len += 4;
		return 0;
	}
}

static int parse_name(struct stele_cursor *c, struct stele_rdata *rd)
{
	int status = stele_cursor_next(c);
	if (status == 0)
		return stele_cursor_fail(c, c->p, "the record ends too early (expected a name)");
	if (status > 0)
		status =
			stele_cursor_name(c, rd->origin, rd->origin_len, NULL, rd->bytes + rd->len);
	if (status < 0)
		return status;
	rd->len += (size_t)status;
	return 0;
}

/* A relay of AMTRELAY or a gateway of IPSECKEY, by its type: for type 0 it is a dot and takes no bytes. */
static int parse_host(struct stele_cursor *c, struct stele_rdata *rd, unsigned type,
		      const char *what)
{
	struct stele_token token;
	if (type > 0)
		return type == 3 ? parse_name(c, rd) : parse_word(c, type == 1 ? '4' : '6', rd);
	int status = stele_cursor_need(c, &token, what);
	if (status < 0)
		return status;
	if (token.quoted || token.len != 1 || token.p[0] != '.')
		return bad_field(c, &token, what, "'.', as its type is 0");
	return 0;
}

/* D bit, type and relay (RFC 8777 section 4.3.1). */
static int parse_relay(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	uint32_t discovery, type;
	int status = stele_cursor_need(c, &token, "the D bit");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, 1, &discovery))
		return bad_field(c, &token, "D bit", "0 or 1");
	status = stele_cursor_need(c, &token, "the type of the relay");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, 3, &type))
		return bad_field(c, &token, "type of relay", "0 to 3");
	rd->bytes[rd->len++] = (uint8_t)(discovery << 7 | type);
	return parse_host(c, rd, type, "relay");
}

/* Type of the gateway, algorithm, gateway and key (RFC 4025 section 3.1), of which there is none for algorithm 0. */
static int parse_ipseckey(struct stele_cursor *c, struct stele_rdata *rd)
{
	struct stele_token token;
	uint32_t type, algorithm;
	int status = stele_cursor_need(c, &token, "the type of the gateway");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, 3, &type))
		return bad_field(c, &token, "type of gateway", "0 to 3");
	status = stele_cursor_need(c, &token, "an algorithm");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, 255, &algorithm))
		return bad_field(c, &token, "algorithm", "0 to 255");
	rd->bytes[rd->len++] = (uint8_t)type;
	rd->bytes[rd->len++] = (uint8_t)algorithm;
	status = parse_host(c, rd, type, "gateway");
	if (status < 0)
		return status;
	if (algorithm == 0 && (status = stele_cursor_next(c)) <= 0)
		return status;
	return parse_encoded(c, rd, false);
}

/* Fields of single words and names come before those up to the end, so they always have room. */
static int parse_described(struct stele_cursor *c, const char *letters, struct stele_rdata *rd)
{
	for (; *letters != '\0'; letters++) {
		int status;
		switch (*letters) {
		case 'N':
			status = parse_name(c, rd);
			break;
		case 'U':
			status = parse_string(c, rd);
			break;
		case 'Y':
			status = parse_relay(c, rd);
			break;
		case 'T':
			return parse_strings(c, rd);
		case 'Q':
			return parse_rest(c, rd);
		case 'K':
			return parse_ipseckey(c, rd);
		case 'G':
			return stele_rdata_parse_loc(c, rd);
		case 'V':
			return stele_rdata_parse_svc_params(c, rd);
		case 'M':
			return parse_bitmap(c, rd);
		case 'X':
			return parse_encoded(c, rd, true);
		case 'B':
		case 'Z':
			return parse_encoded(c, rd, false);
		case 'O':
			return parse_optional(c, rd);
		case 'a':
			return stele_rdata_parse_apl(c, rd);
		case 'h':
			return stele_rdata_parse_hip(c, rd);
		case 'o':
			status = stele_cursor_next(c);
			if (status > 0)
				status = parse_string(c, rd);
			break;
		case 'e':
		case 'f':
		case 'g':
		case 'n':
		case 'x':
			status = stele_rdata_parse_rare_word(c, *letters, rd);
			break;
		default:
			status = parse_word(c, *letters, rd);
			break;
		}
		if (status < 0)
			return status;
	}
	return stele_cursor_expect_end(c, "the data");
}

/* `\# LENGTH HEX`; the cursor is behind the `\#`, which began at `start`. */
static int parse_generic(struct stele_cursor *c, const uint8_t *start, uint16_t type,
			 struct stele_rdata *rd)
{
	struct stele_place place = stele_cursor_place(c, start);
	struct stele_token token;
	uint32_t len;
	int status = stele_cursor_need(c, &token, "the length of the data");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_number(token.p, token.len, STELE_RDATA_MAX, &len))
		return bad_field(c, &token, "length", "0 to 65535");
	if (len > 0) {
		status = parse_encoded(c, rd, true);
		if (status < 0)
			return status;
	}
	status = stele_cursor_expect_end(c, "the data");
	if (status < 0)
		return status;
	if (rd->len != len)
		return stele_report_error(c->report, place,
					  "%zu bytes of data (expected %u, as the length says)",
					  rd->len, (unsigned)len);
	char text[STELE_RRTYPE_TEXT_MAX];
	if (!stele_rdata_valid(type, rd->bytes, rd->len))
		return stele_report_error(c->report, place,
					  "the bytes are no data of type %s (expected what its "
					  "specification says)",
					  stele_rrtype_to_text(type, text));
	return 0;
}

const char *stele_rdata_letters(uint16_t type)
{
	const char *letters = stele_rdata_fields(type, STELE_RDATA_READ);
	if (letters == NULL)
		letters = stele_rdata_fields(type, STELE_RDATA_WRITTEN);
	if (letters != NULL)
		return letters;
	switch (type) {
	case 19: /* X25 */
		return "x";
	case 20: /* ISDN */
		return "Uo";
	case 22: /* NSAP */
		return "n";
	case 24: /* SIG */
		return stele_rdata_fields(STELE_TYPE_RRSIG, STELE_RDATA_READ);
	case 27: /* GPOS */
		return "ggg";
	case 42: /* APL */
		return "a";
	case 55: /* HIP */
		return "h";
	case 58: /* TALINK */
		return "NN";
	case 108: /* EUI48 */
		return "e";
	case 109: /* EUI64 */
		return "f";
	default:
		return NULL;
	}
}

int stele_rdata_parse(struct stele_cursor *c, uint16_t type, struct stele_rdata *rdata)
{
	rdata->len = 0;
	int status = stele_cursor_next(c);
	if (status < 0)
		return status;
	const uint8_t *start = c->p;
	if (start[0] == '\\' && start[1] == '#' && stele_char_kinds[start[2]] >= STELE_CHAR_BLANK) {
		c->p += 2;
		return parse_generic(c, start, type, rdata);
	}
	const char *letters = stele_rdata_letters(type);
	if (letters != NULL)
		return parse_described(c, letters, rdata);
	char text[STELE_RRTYPE_TEXT_MAX];
	return stele_cursor_fail(c, start,
				 "the data of type %s is not known in words (expected "
				 "\\# LENGTH HEX)",
				 stele_rrtype_to_text(type, text));
}
