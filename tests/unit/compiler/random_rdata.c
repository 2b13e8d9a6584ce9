/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compiler/random_rdata.h"

#include "lib/dns/rrtype.h"

#include <ldns/ldns.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t seed = 1;

unsigned roll(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % below);
}

static char *put_random_name(char *out)
{
	unsigned labels = roll(5);
	if (labels == 0) {
		*out++ = roll(2) ? '@' : '.';
		return out;
	}
	for (unsigned i = 0; i < labels; i++) {
		if (i > 0)
			*out++ = '.';
		for (unsigned n = 1 + roll(roll(20) ? 12 : 63); n > 0; n--) {
			unsigned kind = roll(40);
			if (kind == 0)
				out += sprintf(out, "\\%03u", roll(256));
			else if (kind == 1)
				out += sprintf(out, "\\%c", ".;\\()\"@ $-"[roll(10)]);
			else
				*out++ = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_*"[roll(45)];
		}
	}
	if (roll(2))
		*out++ = '.';
	return out;
}

static char *put_random_digits(char *out, const char *digits, unsigned cnt)
{
	unsigned base = (unsigned)strlen(digits);
	while (cnt-- > 0)
		*out++ = digits[roll(base)];
	return out;
}

static char *put_random_base64(char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	out = put_random_digits(out, digits, 4 * (1 + roll(60)));
	switch (roll(4)) {
	case 0:
		*out++ = digits[roll(64)];
		*out++ = digits[16 * roll(4)];
		*out++ = '=';
		*out++ = '=';
		break;
	case 1:
		out = put_random_digits(out, digits, 2);
		*out++ = digits[4 * roll(16)];
		*out++ = '=';
		break;
	default:
		break;
	}
	return out;
}

static char *put_random_types(char *out)
{
	for (unsigned n = roll(8); n > 0; n--) {
		char text[STELE_RRTYPE_TEXT_MAX];
		unsigned type = roll(3) ? 1 + roll(64) : roll(65536);
		stele_rrtype_to_text((uint16_t)type, text);
		if (ldns_get_rr_type_by_name(text) != (ldns_rr_type)type)
			snprintf(text, sizeof(text), "TYPE%u", type);
		out += sprintf(out, " %s", text);
	}
	return out;
}

/* The letters are those of the parser's own descriptions. */
static const struct {
	const char *type, *letters;
} random_types[] = {
	{"A", "4"},         {"AAAA", "6"},       {"NS", "N"},
	{"CNAME", "N"},     {"PTR", "N"},        {"DNAME", "N"},
	{"MX", "2N"},       {"SRV", "222N"},     {"SOA", "NN3DDDD"},
	{"TXT", "T"},       {"DS", "211X"},      {"CDS", "211X"},
	{"DNSKEY", "211B"}, {"CDNSKEY", "211B"}, {"RRSIG", "R11DEE2NB"},
	{"NSEC", "NM"},     {"NSEC3", "112SHM"}, {"NSEC3PARAM", "112S"},
};

static void random_text(const char *letters, char *out)
{
	for (const char *l = letters; *l != '\0'; l++) {
		if (l > letters)
			*out++ = ' ';
		switch (*l) {
		case 'N':
			out = put_random_name(out);
			break;
		case '4':
			out += sprintf(out, "%u.%u.%u.%u", roll(256), roll(256), roll(256),
				       roll(256));
			break;
		case '6':
			for (unsigned i = 0; i < 8; i++)
				out += sprintf(out, i < 7 ? "%x:" : "%x", roll(65536));
			break;
		case '1':
			out += sprintf(out, "%u", roll(256));
			break;
		case '2':
			out += sprintf(out, "%u", roll(65536));
			break;
		case '3':
		case 'D':
			out += sprintf(out, "%u", roll(2147483647));
			break;
		case 'E':
			if (roll(4) == 0)
				out += sprintf(out, "%u", roll(2147483647));
			else
				out += sprintf(out, "%04u%02u%02u%02u%02u%02u", 1970 + roll(130),
					       1 + roll(12), 1 + roll(28), roll(24), roll(60),
					       roll(60));
			break;
		case 'R':
			out += sprintf(out, "TYPE%u", roll(65536));
			break;
		case 'S':
			out = roll(3) ? put_random_digits(out, "0123456789abcdefABCDEF",
							  2 * (1 + roll(16))) :
					stpcpy(out, "-");
			break;
		case 'H':
			out = put_random_digits(out, "0123456789abcdefghijklmnopqrstuvABCUV", 32);
			break;
		case 'T':
			for (unsigned n = 1 + roll(4); n > 0; n--) {
				*out++ = ' ';
				*out++ = '"';
				out = put_random_name(out);
				*out++ = '"';
			}
			break;
		case 'M':
			out = put_random_types(out);
			break;
		case 'X':
			out = put_random_digits(out, "0123456789abcdefABCDEF", 2 * (1 + roll(40)));
			break;
		default:
			out = put_random_base64(out);
			break;
		}
	}
	*out = '\0';
}

const char *random_rdata(char *out)
{
	unsigned which = roll(sizeof(random_types) / sizeof(random_types[0]));
	random_text(random_types[which].letters, out);
	return random_types[which].type;
}

size_t spoil(char *text, size_t len)
{
	static const char insert[] = "0123456789abcXYZ.\\\"@-=+/ \t#_*:$%";
	for (unsigned n = 1 + roll(3); n > 0 && len > 1; n--) {
		size_t at = roll((unsigned)len);
		switch (roll(3)) {
		case 0:
			text[at] = insert[roll(sizeof(insert) - 1)];
			break;
		case 1:
			memmove(text + at, text + at + 1, len-- - at);
			break;
		default:
			memmove(text + at + 1, text + at, ++len - at);
			text[at] = insert[roll(sizeof(insert) - 1)];
			break;
		}
	}
	return len;
}
