/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/value.h"

#include "lib/base/hex.h"
#include "lib/dns/rrtype.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

bool stele_value_number(const uint8_t *p, size_t len, uint32_t max, uint32_t *ret_number)
{
	if (len == 0 || len > 10)
		return false;
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)p[i] - '0';
		if (digit > 9)
			return false;
		number = number * 10 + digit;
	}
	if (number > max)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

bool stele_value_number64(const uint8_t *p, size_t len, uint64_t *ret_number)
{
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)p[i] - '0';
		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return len > 0;
}

bool stele_value_duration(const uint8_t *p, size_t len, uint32_t *ret_seconds)
{
	uint64_t sum = 0, number = 0;
	bool digits = false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)p[i] - '0';
		if (digit <= 9) {
			number = number * 10 + digit;
			digits = true;
			if (number > UINT32_MAX)
				return false;
			continue;
		}
		uint32_t unit;
		switch (p[i] | 0x20) {
		case 's':
			unit = 1;
			break;
		case 'm':
			unit = 60;
			break;
		case 'h':
			unit = 3600;
			break;
		case 'd':
			unit = 86400;
			break;
		case 'w':
			unit = 604800;
			break;
		default:
			return false;
		}
		if (!digits)
			return false;
		sum += number * unit;
		if (sum > UINT32_MAX)
			return false;
		number = 0;
		digits = false;
	}
	sum += number;
	if (len == 0 || sum > UINT32_MAX)
		return false;
	*ret_seconds = (uint32_t)sum;
	return true;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar, years counted from March. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

bool stele_value_time(const uint8_t *p, size_t len, uint32_t *ret_time)
{
	if (len != 14)
		return stele_value_number(p, len, UINT32_MAX, ret_time);
	unsigned d[14];
	for (unsigned i = 0; i < 14; i++) {
		d[i] = (unsigned)p[i] - '0';
		if (d[i] > 9)
			return false;
	}
	unsigned year = d[0] * 1000 + d[1] * 100 + d[2] * 10 + d[3];
	unsigned month = d[4] * 10 + d[5], day = d[6] * 10 + d[7];
	unsigned hour = d[8] * 10 + d[9], minute = d[10] * 10 + d[11], second = d[12] * 10 + d[13];
	static const uint8_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
	    hour > 23 || minute > 59 || second > 59)
		return false;
	int64_t time =
		days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	*ret_time = (uint32_t)time; /* modulo 2^32: RFC 4034 section 3.1.5 */
	return true;
}

bool stele_value_ipv4(const uint8_t *p, size_t len, uint8_t address[4])
{
	const uint8_t *end = p + len;
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && (p == end || *p++ != '.'))
			return false;
		const uint8_t *start = p;
		unsigned number = 0;
		while (p < end && (uint8_t)(*p - '0') <= 9 && p - start < 4)
			number = number * 10 + (unsigned)(*p++ - '0');
		if (p == start || number > 255 || (*start == '0' && p - start > 1))
			return false;
		address[i] = (uint8_t)number;
	}
	return p == end;
}

bool stele_value_ipv6(const uint8_t *p, size_t len, uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];
	if (len >= sizeof(text))
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, address) == 1;
}

/* A word of up to eight characters as one number, so that a switch can tell mnemonics apart. */
#define W(a, b, c, d, e, f, g, h)                                                                  \
	((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 |          \
	 (uint64_t)(e) << 32 | (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)

static uint8_t upper(uint8_t c)
{
	return (uint8_t)(c - 'a') < 26 ? c & (uint8_t)~0x20 : c;
}

int stele_value_rrtype(const uint8_t *p, size_t len)
{
	if (len > 0 && len <= 8) {
		uint64_t word = 0;
		for (size_t i = len; i-- > 0;)
			word = word << 8 | upper(p[i]);
		switch (word) {
		case W('A', 0, 0, 0, 0, 0, 0, 0):
			return STELE_TYPE_A;
		case W('N', 'S', 0, 0, 0, 0, 0, 0):
			return STELE_TYPE_NS;
		case W('D', 'S', 0, 0, 0, 0, 0, 0):
			return STELE_TYPE_DS;
		case W('A', 'A', 'A', 'A', 0, 0, 0, 0):
			return STELE_TYPE_AAAA;
		case W('R', 'R', 'S', 'I', 'G', 0, 0, 0):
			return STELE_TYPE_RRSIG;
		case W('N', 'S', 'E', 'C', 0, 0, 0, 0):
			return STELE_TYPE_NSEC;
		case W('N', 'S', 'E', 'C', '3', 0, 0, 0):
			return STELE_TYPE_NSEC3;
		case W('C', 'N', 'A', 'M', 'E', 0, 0, 0):
			return STELE_TYPE_CNAME;
		case W('M', 'X', 0, 0, 0, 0, 0, 0):
			return STELE_TYPE_MX;
		case W('T', 'X', 'T', 0, 0, 0, 0, 0):
			return STELE_TYPE_TXT;
		case W('S', 'O', 'A', 0, 0, 0, 0, 0):
			return STELE_TYPE_SOA;
		case W('P', 'T', 'R', 0, 0, 0, 0, 0):
			return STELE_TYPE_PTR;
		case W('S', 'R', 'V', 0, 0, 0, 0, 0):
			return STELE_TYPE_SRV;
		case W('D', 'N', 'S', 'K', 'E', 'Y', 0, 0):
			return STELE_TYPE_DNSKEY;
		default:
			break;
		}
	}
	return stele_rrtype_from_text((const char *)p, len);
}

bool stele_value_algorithm(const uint8_t *p, size_t len, uint32_t *ret_algorithm)
{
	static const struct {
		uint8_t number;
		const char *text;
	} mnemonics[] = {
		{1, "RSAMD5"},
		{2, "DH"},
		{3, "DSA"},
		{5, "RSASHA1"},
		{6, "DSA-NSEC3-SHA1"},
		{7, "RSASHA1-NSEC3-SHA1"},
		{8, "RSASHA256"},
		{10, "RSASHA512"},
		{12, "ECC-GOST"},
		{13, "ECDSAP256SHA256"},
		{14, "ECDSAP384SHA384"},
		{15, "ED25519"},
		{16, "ED448"},
		{252, "INDIRECT"},
		{253, "PRIVATEDNS"},
		{254, "PRIVATEOID"},
	};
	if (len > 0 && (uint8_t)(*p - '0') <= 9)
		return stele_value_number(p, len, 255, ret_algorithm);
	for (size_t i = 0; i < sizeof(mnemonics) / sizeof(mnemonics[0]); i++) {
		if (strlen(mnemonics[i].text) == len &&
		    strncasecmp(mnemonics[i].text, (const char *)p, len) == 0) {
			*ret_algorithm = mnemonics[i].number;
			return true;
		}
	}
	return false;
}

bool stele_value_certificate_type(const uint8_t *p, size_t len, uint32_t *ret_number)
{
	static const struct {
		uint8_t number;
		const char *text;
	} mnemonics[] = {
		{1, "PKIX"}, {2, "SPKI"},   {3, "PGP"},     {4, "IPKIX"}, {5, "ISPKI"},
		{6, "IPGP"}, {7, "ACPKIX"}, {8, "IACPKIX"}, {253, "URI"}, {254, "OID"},
	};
	if (len > 0 && (uint8_t)(*p - '0') <= 9)
		return stele_value_number(p, len, 65535, ret_number);
	for (size_t i = 0; i < sizeof(mnemonics) / sizeof(mnemonics[0]); i++) {
		if (strlen(mnemonics[i].text) == len &&
		    strncasecmp(mnemonics[i].text, (const char *)p, len) == 0) {
			*ret_number = mnemonics[i].number;
			return true;
		}
	}
	return false;
}

bool stele_value_locator(const uint8_t *p, size_t len, uint8_t locator[8])
{
	unsigned group = 0, digit_cnt = 0, value = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || p[i] == ':') {
			if (digit_cnt == 0 || group == 4)
				return false;
			locator[2 * group] = (uint8_t)(value >> 8);
			locator[2 * group + 1] = (uint8_t)value;
			group++;
			digit_cnt = value = 0;
			continue;
		}
		unsigned digit = (uint8_t)(p[i] - '0'), letter = (uint8_t)((p[i] | 0x20) - 'a');
		if (++digit_cnt > 4 || (digit > 9 && letter > 5))
			return false;
		value = value << 4 | (digit <= 9 ? digit : letter + 10);
	}
	return group == 4;
}

bool stele_value_tlsa(const uint8_t *p, size_t len, unsigned field, uint32_t *ret_number)
{
	static const struct {
		uint8_t field, number;
		const char *text;
	} acronyms[] = {
		{0, 0, "PKIX-TA"},    {0, 1, "PKIX-EE"},  {0, 2, "DANE-TA"},  {0, 3, "DANE-EE"},
		{0, 255, "PrivCert"}, {1, 0, "Cert"},     {1, 1, "SPKI"},     {1, 255, "PrivSel"},
		{2, 0, "Full"},       {2, 1, "SHA2-256"}, {2, 2, "SHA2-512"}, {2, 255, "PrivMatch"},
	};
	if (len > 0 && (uint8_t)(*p - '0') <= 9)
		return stele_value_number(p, len, 255, ret_number);
	for (size_t i = 0; i < sizeof(acronyms) / sizeof(acronyms[0]); i++) {
		if (acronyms[i].field == field && strlen(acronyms[i].text) == len &&
		    strncasecmp(acronyms[i].text, (const char *)p, len) == 0) {
			*ret_number = acronyms[i].number;
			return true;
		}
	}
	return false;
}

/* ---- encodings ---- */

int stele_value_hex(struct stele_decoder *d, const uint8_t *p, size_t len, uint8_t *out)
{
	uint8_t *start = out;
	for (size_t i = 0; i < len; i++) {
		int digit = stele_hex_digit((char)p[i]);
		if (digit < 0)
			return -1;
		if (d->bit_cnt == 0) {
			d->bits = digit;
			d->bit_cnt = 4;
		} else {
			*out++ = (uint8_t)(d->bits << 4 | digit);
			d->bit_cnt = 0;
		}
	}
	return (int)(out - start);
}

bool stele_value_hex_ends(const struct stele_decoder *d)
{
	return d->bit_cnt == 0;
}

/* The value of a digit; 0xff for characters that are none. */
/* clang-format off */
#define X 0xff
static const uint8_t base64_digits[256] = {
	X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
	X,X,X,X,X,X,X,X,X,X,X,62,X,X,X,63, 52,53,54,55,56,57,58,59,60,61,X,X,X,X,X,X,
	X,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14, 15,16,17,18,19,20,21,22,23,24,25,X,X,X,X,X,
	X,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40, 41,42,43,44,45,46,47,48,49,50,51,X,X,X,X,X,
	X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
	X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
	X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
	X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
};
#undef X
/* clang-format on */

int stele_value_base64(struct stele_decoder *d, const uint8_t *p, size_t len, uint8_t *out)
{
	uint8_t *start = out;
	size_t i = 0;
	while (i < len) {
		/* Four whole digits at once, as long as there are. */
		if (d->bit_cnt == 0 && d->padding == 0) {
			for (; i + 4 <= len; i += 4) {
				uint8_t a = base64_digits[p[i]], b = base64_digits[p[i + 1]];
				uint8_t c = base64_digits[p[i + 2]], e = base64_digits[p[i + 3]];
				if ((a | b | c | e) & 0x80)
					break;
				*out++ = (uint8_t)(a << 2 | b >> 4);
				*out++ = (uint8_t)(b << 4 | c >> 2);
				*out++ = (uint8_t)(c << 6 | e);
			}
			if (i == len)
				break;
		}
		uint8_t ch = p[i++];
		if (ch == '=') {
			/* After two digits of a group two '=', after three one. */
			if (d->bit_cnt != 12 && d->bit_cnt != 18)
				return -1;
			if (++d->padding > (d->bit_cnt == 12 ? 2u : 1u))
				return -1;
			continue;
		}
		uint8_t digit = base64_digits[ch];
		if (digit == 0xff || d->padding > 0)
			return -1;
		d->bits = d->bits << 6 | digit;
		d->bit_cnt += 6;
		if (d->bit_cnt == 12) {
			*out++ = (uint8_t)(d->bits >> 4);
		} else if (d->bit_cnt == 18) {
			*out++ = (uint8_t)(d->bits >> 2);
		} else if (d->bit_cnt == 24) {
			*out++ = (uint8_t)d->bits;
			d->bit_cnt = 0;
		}
	}
	return (int)(out - start);
}

bool stele_value_base64_ends(const struct stele_decoder *d)
{
	if (d->bit_cnt == 0)
		return true;
	if (d->bit_cnt == 12)
		return d->padding == 2 && (d->bits & 15) == 0;
	return d->bit_cnt == 18 && d->padding == 1 && (d->bits & 3) == 0;
}

int stele_value_base32hex(const uint8_t *p, size_t len, uint8_t *out)
{
	uint8_t *start = out;
	uint32_t bits = 0;
	unsigned bit_cnt = 0;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i] | 0x20, digit;
		if ((uint8_t)(p[i] - '0') <= 9)
			digit = (uint8_t)(p[i] - '0');
		else if ((uint8_t)(c - 'a') < 22)
			digit = (uint8_t)(c - 'a' + 10);
		else
			return -1;
		bits = bits << 5 | digit;
		bit_cnt += 5;
		if (bit_cnt >= 8) {
			bit_cnt -= 8;
			*out++ = (uint8_t)(bits >> bit_cnt);
		}
	}
	/* Digits that add no byte, and bits that are left over, must be none. */
	if (bit_cnt >= 5 || (bits & ((1u << bit_cnt) - 1)) != 0)
		return -1;
	return (int)(out - start);
}
