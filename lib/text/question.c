/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/question.h"

#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ECS_CODE = 8 };

/* Header, question, and OPT with NSID, subnet and cookie. */
_Static_assert(STELE_HEADER_SZ + STELE_NAME_MAX + 4 + 11 + 4 + 8 + 16 + 4 +
			       STELE_QUESTION_COOKIE_MAX <=
		       STELE_QUESTION_QUERY_MAX,
	       "the longest query fits");

const struct stele_question stele_question_default = {
	.qtype = STELE_TYPE_A,
	.qclass = STELE_CLASS_IN,
	.recursion = true,
	.edns = true,
	.bufsize = 1232,
};

/* ---- words ---- */

static bool parse_number(const char *text, unsigned max, unsigned *ret_number)
{
	if (*text < '0' || *text > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || number > max)
		return false;
	*ret_number = (unsigned)number;
	return true;
}

static bool parse_subnet(const char *text, struct stele_question *q)
{
	char addr[64];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, q->subnet_addr) == 1)
		q->subnet_family = 4;
	else if (inet_pton(AF_INET6, addr, q->subnet_addr) == 1)
		q->subnet_family = 6;
	else
		return false;
	unsigned bits = q->subnet_family == 4 ? 32 : 128;
	if (slash != NULL && !parse_number(slash + 1, bits, &bits))
		return false;
	q->subnet_bits = (uint8_t)bits;
	return true;
}

/* True if `arg` is NAME=VALUE; `*ret_value` gets the value. */
static bool has_value(const char *arg, const char *name, const char **ret_value)
{
	size_t len = strlen(name);
	if (strncmp(arg, name, len) != 0 || arg[len] != '=')
		return false;
	*ret_value = arg + len + 1;
	return true;
}

/* +NAME, without the plus. False if there is no such flag or its value is wrong. */
static bool parse_flag(const char *arg, struct stele_question *q)
{
	const struct {
		const char *name;
		bool *to;
		bool value;
	} switches[] = {
		{"dnssec", &q->dnssec, true},
		{"do", &q->dnssec, true},
		{"nodnssec", &q->dnssec, false},
		{"tcp", &q->tcp, true},
		{"vc", &q->tcp, true},
		{"notcp", &q->tcp, false},
		{"nsid", &q->nsid, true},
		{"nonsid", &q->nsid, false},
		{"edns", &q->edns, true},
		{"noedns", &q->edns, false},
		{"rec", &q->recursion, true},
		{"norec", &q->recursion, false},
		{"recurse", &q->recursion, true},
		{"norecurse", &q->recursion, false},
		{"cd", &q->checking_disabled, true},
		{"cdflag", &q->checking_disabled, true},
		{"nocd", &q->checking_disabled, false},
		{"nocookie", &q->cookie, false},
	};
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (strcmp(arg, switches[i].name) == 0) {
			*switches[i].to = switches[i].value;
			return true;
		}

	static const uint8_t client_cookie[] = {0x53, 0x74, 0x65, 0x6c, 0x65, 0x00, 0x00, 0x01};
	const char *value;
	unsigned number;
	if (strcmp(arg, "cookie") == 0) {
		q->cookie = true;
		q->cookie_len = sizeof(client_cookie);
		memcpy(q->cookie_bytes, client_cookie, sizeof(client_cookie));
		return true;
	}
	if (has_value(arg, "cookie", &value)) {
		q->cookie = true;
		q->cookie_len = strlen(value) / 2;
		return q->cookie_len <= STELE_QUESTION_COOKIE_MAX &&
		       stele_hex_decode(value, q->cookie_bytes, q->cookie_len);
	}
	if (has_value(arg, "subnet", &value))
		return parse_subnet(value, q);
	if (has_value(arg, "bufsize", &value) && parse_number(value, 65535, &number)) {
		q->bufsize = (uint16_t)number;
		return true;
	}
	if (has_value(arg, "edns", &value) && parse_number(value, 255, &number)) {
		q->edns = true;
		q->edns_version = (uint8_t)number;
		return true;
	}
	if (has_value(arg, "opcode", &value) && parse_number(value, 15, &number)) {
		q->opcode = (uint8_t)number;
		return true;
	}
	return false;
}

static int parse_class(const char *text)
{
	static const struct {
		const char *text;
		int class;
	} classes[] = {{"IN", STELE_CLASS_IN},
		       {"CH", STELE_CLASS_CH},
		       {"CHAOS", STELE_CLASS_CH},
		       {"HS", STELE_CLASS_HS}};
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcasecmp(text, classes[i].text) == 0)
			return classes[i].class;
	unsigned number;
	if (strncasecmp(text, "CLASS", 5) == 0 && parse_number(text + 5, 65535, &number))
		return (int)number;
	return -1;
}

int stele_question_word(struct stele_question *q, const char *word, struct stele_error *reterr)
{
	if (word[0] == '+') {
		if (!parse_flag(word + 1, q))
			return stele_fail(reterr, STELE_E_USAGE,
					  "'%s' is no flag, or its value is wrong", word);
		return 0;
	}
	if (q->qname_len == 0) {
		int len = stele_name_from_text(word, strlen(word), q->qname);
		if (len < 0)
			return stele_fail(reterr, STELE_E_USAGE, "'%s' is not a domain name", word);
		q->qname_len = (uint8_t)len;
		return 0;
	}
	int number = parse_class(word);
	bool is_class = number >= 0;
	if (is_class ? q->has_class :
		       q->has_type && stele_rrtype_from_text(word, strlen(word)) >= 0)
		return stele_fail(reterr, STELE_E_USAGE, "'%s' is a second %s", word,
				  is_class ? "class" : "type");
	if (is_class) {
		q->qclass = (uint16_t)number;
		q->has_class = true;
		return 0;
	}
	number = stele_rrtype_from_text(word, strlen(word));
	if (number < 0)
		return stele_fail(reterr, STELE_E_USAGE, "'%s' is not a record type", word);
	q->qtype = (uint16_t)number;
	q->has_type = true;
	return 0;
}

/* ---- the query ---- */

static uint8_t *put_option_head(uint8_t *p, uint16_t code, size_t len)
{
	stele_put_be16(p, code);
	stele_put_be16(p + 2, (uint16_t)len);
	return p + 4;
}

static uint8_t *put_opt(uint8_t *p, const struct stele_question *q)
{
	*p = 0;
	stele_put_be16(p + 1, STELE_TYPE_OPT);
	stele_put_be16(p + 3, q->bufsize);
	p[5] = 0;
	p[6] = q->edns_version;
	stele_put_be16(p + 7, q->dnssec ? STELE_EDNS_FLAG_DO : 0);
	uint8_t *rdata = p + 11, *end = rdata;
	if (q->nsid)
		end = put_option_head(end, STELE_EDNS_NSID, 0);
	if (q->subnet_family != 0) {
		size_t len = (q->subnet_bits + 7u) / 8;
		end = put_option_head(end, ECS_CODE, 4 + len);
		stele_put_be16(end, q->subnet_family == 4 ? 1 : 2);
		end[2] = q->subnet_bits;
		end[3] = 0;
		memcpy(end + 4, q->subnet_addr, len);
		if (q->subnet_bits % 8 != 0)
			end[4 + len - 1] &= (uint8_t)(0xff00 >> q->subnet_bits % 8);
		end += 4 + len;
	}
	if (q->cookie) {
		end = put_option_head(end, STELE_EDNS_COOKIE, q->cookie_len);
		memcpy(end, q->cookie_bytes, q->cookie_len);
		end += q->cookie_len;
	}
	stele_put_be16(p + 9, (uint16_t)(end - rdata));
	return end;
}

size_t stele_question_query(const struct stele_question *q, uint8_t msg[STELE_QUESTION_QUERY_MAX])
{
	memset(msg, 0, STELE_HEADER_SZ);
	unsigned flags = (unsigned)q->opcode << STELE_OPCODE_SHIFT;
	if (q->recursion)
		flags |= STELE_FLAG_RD;
	if (q->checking_disabled)
		flags |= STELE_FLAG_CD;
	stele_put_be16(msg + 2, (uint16_t)flags);
	stele_put_be16(msg + 4, 1);
	uint8_t *p = msg + STELE_HEADER_SZ;
	memcpy(p, q->qname, q->qname_len);
	p += q->qname_len;
	stele_put_be16(p, q->qtype);
	stele_put_be16(p + 2, q->qclass);
	p += 4;
	if (q->edns) {
		stele_put_be16(msg + 10, 1);
		p = put_opt(p, q);
	}
	return (size_t)(p - msg);
}
