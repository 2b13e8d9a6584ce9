/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/print.h"

#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/dns/rrtype.h"
#include "lib/text/rdata_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint16_t bit;
	const char *text;
} flag_names[] = {
	{STELE_FLAG_QR, "qr"}, {STELE_FLAG_AA, "aa"}, {STELE_FLAG_TC, "tc"}, {STELE_FLAG_RD, "rd"},
	{STELE_FLAG_RA, "ra"}, {STELE_FLAG_AD, "ad"}, {STELE_FLAG_CD, "cd"},
};
#define FLAG_CNT (sizeof(flag_names) / sizeof(flag_names[0]))

static const char *const section_names[STELE_MESSAGE_SECTION_CNT] = {"ANSWER", "AUTHORITY",
								     "ADDITIONAL"};
static const char *const section_keys[STELE_MESSAGE_SECTION_CNT] = {"answer", "authority",
								    "additional"};

static const char *number_text(char text[16], const char *prefix, unsigned number)
{
	snprintf(text, 16, "%s%u", prefix, number);
	return text;
}

static const char *opcode_text(unsigned opcode, char text[16])
{
	static const char *const names[] = {"QUERY",  "IQUERY", "STATUS", NULL,
					    "NOTIFY", "UPDATE", "DSO"};
	if (opcode < sizeof(names) / sizeof(names[0]) && names[opcode] != NULL)
		return names[opcode];
	return number_text(text, "RESERVED", opcode);
}

static const char *rcode_text(unsigned rcode, char text[16])
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
					    "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
					    "NXRRSET", "NOTAUTH", "NOTZONE"};
	if (rcode < sizeof(names) / sizeof(names[0]))
		return names[rcode];
	if (rcode == STELE_RCODE_BADVERS)
		return "BADVERS";
	if (rcode == STELE_RCODE_BADCOOKIE)
		return "BADCOOKIE";
	return number_text(text, "RESERVED", rcode);
}

static const char *class_text(unsigned class, char text[16])
{
	switch (class) {
	case STELE_CLASS_IN:
		return "IN";
	case STELE_CLASS_CH:
		return "CH";
	case STELE_CLASS_HS:
		return "HS";
	case STELE_CLASS_NONE:
		return "NONE";
	case STELE_CLASS_ANY:
		return "ANY";
	default:
		return number_text(text, "CLASS", class);
	}
}

static const char *ede_text(unsigned code)
{
	switch (code) {
	case STELE_EDE_NOT_READY:
		return "Not Ready";
	case STELE_EDE_PROHIBITED:
		return "Prohibited";
	case STELE_EDE_NOT_AUTHORITATIVE:
		return "Not Authoritative";
	case STELE_EDE_NOT_SUPPORTED:
		return "Not Supported";
	case STELE_EDE_INVALID_DATA:
		return "Invalid Data";
	default:
		return NULL;
	}
}

/* The rdata in presentation format, malloc'ed; NULL when memory is out. */
static char *rdata_text(const struct stele_message *message, const struct stele_message_rr *rr)
{
	uint8_t *rdata = malloc(STELE_MESSAGE_MAX);
	char *text = malloc(STELE_RDATA_TEXT_MAX + 1);
	if (rdata != NULL && text != NULL) {
		long len = stele_message_rdata(message, rr, rdata, STELE_MESSAGE_MAX);
		if (len < 0) /* it parses as a record only: as opaque bytes, whatever the type */
			text[stele_rdata_to_text(0, message->bytes + rr->rdata_off, rr->rdata_len,
						 text)] = '\0';
		else
			text[stele_rdata_to_text(rr->type, rdata, (size_t)len, text)] = '\0';
	} else {
		free(text);
		text = NULL;
	}
	free(rdata);
	return text;
}

/* Tabs up to a column, at least one, counted from where `len` characters stand already. */
static void pad(FILE *out, size_t len, size_t column)
{
	do {
		putc('\t', out);
		len = len / 8 * 8 + 8;
	} while (len < column);
}

static void print_rr(FILE *out, const struct stele_message *message,
		     const struct stele_message_rr *rr)
{
	char name[STELE_NAME_TEXT_MAX], class[16], type[STELE_RRTYPE_TEXT_MAX];
	size_t len = stele_name_to_text(rr->owner, name);
	char *rdata = rdata_text(message, rr);
	fputs(name, out);
	pad(out, len, 24);
	fprintf(out, "%u\t%s\t%s\t%s\n", rr->ttl, class_text(rr->class, class),
		stele_rrtype_to_text(rr->type, type), rdata != NULL ? rdata : "");
	free(rdata);
}

/* ---- options of the OPT ---- */

/* The option at `*at` of the rdata; false at the end. */
static bool next_option(const struct stele_message *message, size_t *at, uint16_t *ret_code,
			const uint8_t **ret_data, size_t *ret_len)
{
	const uint8_t *rdata = message->bytes + message->opt.rdata_off;
	size_t left = message->opt.rdata_len - *at;
	if (left < 4 || left - 4 < stele_get_be16(rdata + *at + 2))
		return false;
	*ret_code = stele_get_be16(rdata + *at);
	*ret_len = stele_get_be16(rdata + *at + 2);
	*ret_data = rdata + *at + 4;
	*at += 4 + *ret_len;
	return true;
}

static void print_hex(FILE *out, const uint8_t *data, size_t len, const char *between)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%s%02x", i > 0 ? between : "", data[i]);
}

static void print_option(FILE *out, uint16_t code, const uint8_t *data, size_t len,
			 bool cookie_valid)
{
	switch (code) {
	case STELE_EDNS_NSID:
		fprintf(out, "; NSID: ");
		print_hex(out, data, len, " ");
		fprintf(out, " (\"");
		for (size_t i = 0; i < len; i++)
			putc(isprint(data[i]) ? data[i] : '.', out);
		fprintf(out, "\")\n");
		return;
	case STELE_EDNS_COOKIE:
		fprintf(out, "; COOKIE: ");
		print_hex(out, data, len, "");
		fprintf(out, "%s\n", cookie_valid ? " (good)" : "");
		return;
	case STELE_EDNS_EDE:
		if (len < 2)
			break;
		fprintf(out, "; EDE: %u", stele_get_be16(data));
		if (ede_text(stele_get_be16(data)) != NULL)
			fprintf(out, " (%s)", ede_text(stele_get_be16(data)));
		if (len > 2)
			fprintf(out, ": (%.*s)", (int)(len - 2), (const char *)data + 2);
		putc('\n', out);
		return;
	default:
		break;
	}
	fprintf(out, "; OPT=%u: ", code);
	print_hex(out, data, len, " ");
	putc('\n', out);
}

static void print_opt(FILE *out, const struct stele_message *message, bool cookie_valid)
{
	const struct stele_message_rr *opt = &message->opt;
	fprintf(out, "\n;; OPT PSEUDOSECTION:\n; EDNS: version: %u, flags:%s; udp: %u\n",
		opt->ttl >> 16 & 0xff, opt->ttl & STELE_EDNS_FLAG_DO ? " do" : "", opt->class);
	uint16_t code;
	const uint8_t *data;
	size_t at = 0, len;
	while (next_option(message, &at, &code, &data, &len))
		print_option(out, code, data, len, cookie_valid);
}

static unsigned whole_rcode(const struct stele_message *message)
{
	unsigned rcode = message->flags & STELE_FLAG_RCODE;
	return message->has_opt ? rcode | (message->opt.ttl >> 24) << 4 : rcode;
}

void stele_print_message(FILE *out, const struct stele_message *message, bool cookie_valid)
{
	char opcode[16], rcode[16], class[16], type[STELE_RRTYPE_TEXT_MAX];
	fprintf(out, ";; Got answer:\n;; ->>HEADER<<- opcode: %s, status: %s, id: %u\n;; flags:",
		opcode_text((message->flags & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT, opcode),
		rcode_text(whole_rcode(message), rcode), message->id);
	for (size_t i = 0; i < FLAG_CNT; i++)
		if (message->flags & flag_names[i].bit)
			fprintf(out, " %s", flag_names[i].text);
	fprintf(out, "; QUERY: %u, ANSWER: %zu, AUTHORITY: %zu, ADDITIONAL: %zu\n",
		message->question_cnt, message->cnt[STELE_MESSAGE_ANSWER],
		message->cnt[STELE_MESSAGE_AUTHORITY],
		message->cnt[STELE_MESSAGE_ADDITIONAL] + message->has_opt);
	if (message->has_opt)
		print_opt(out, message, cookie_valid);
	if (message->question_cnt > 0) {
		char name[STELE_NAME_TEXT_MAX];
		size_t len = stele_name_to_text(message->qname, name);
		fprintf(out, "%s;; QUESTION SECTION:\n;%s", message->has_opt ? "" : "\n", name);
		pad(out, len + 1, 32);
		fprintf(out, "%s\t%s\n", class_text(message->qclass, class),
			stele_rrtype_to_text(message->qtype, type));
	}
	const struct stele_message_rr *rr = message->rrs;
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++) {
		if (message->cnt[s] > 0)
			fprintf(out, "\n;; %s SECTION:\n", section_names[s]);
		for (size_t i = 0; i < message->cnt[s]; i++)
			print_rr(out, message, rr++);
	}
	fprintf(out, "\n;; MSG SIZE  rcvd: %zu\n", message->len);
}

/* ---- JSON ---- */

static json_t *rr_json(const struct stele_message *message, const struct stele_message_rr *rr)
{
	char name[STELE_NAME_TEXT_MAX], class[16], type[STELE_RRTYPE_TEXT_MAX];
	stele_name_to_text(rr->owner, name);
	char *rdata = rdata_text(message, rr);
	json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:s}", "name", name, "ttl",
				   (json_int_t)rr->ttl, "class", class_text(rr->class, class),
				   "type", stele_rrtype_to_text(rr->type, type), "rdata",
				   rdata != NULL ? rdata : "");
	free(rdata);
	return object;
}

static json_t *hex_json(const uint8_t *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	if (text == NULL)
		return NULL;
	stele_hex_encode(data, len, text);
	json_t *string = json_string(text);
	free(text);
	return string;
}

static json_t *opt_json(const struct stele_message *message)
{
	const struct stele_message_rr *opt = &message->opt;
	json_t *options = json_array();
	uint16_t code;
	const uint8_t *data;
	size_t at = 0, len;
	while (next_option(message, &at, &code, &data, &len))
		json_array_append_new(options, json_pack("{s:i, s:o}", "code", (int)code, "data",
							 hex_json(data, len)));
	return json_pack("{s:i, s:b, s:i, s:o}", "version", (int)(opt->ttl >> 16 & 0xff), "do",
			 (opt->ttl & STELE_EDNS_FLAG_DO) != 0, "udp", (int)opt->class, "options",
			 options);
}

json_t *stele_message_json(const struct stele_message *message, bool cookie_valid)
{
	char opcode[16], rcode[16], class[16], type[STELE_RRTYPE_TEXT_MAX];
	json_t *flags = json_array();
	for (size_t i = 0; i < FLAG_CNT; i++)
		if (message->flags & flag_names[i].bit)
			json_array_append_new(flags, json_string(flag_names[i].text));
	json_t *object = json_pack(
		"{s:s, s:i, s:s, s:s, s:o, s:b, s:i}", "verdict", "reply", "id", (int)message->id,
		"opcode",
		opcode_text((message->flags & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT, opcode),
		"status", rcode_text(whole_rcode(message), rcode), "flags", flags, "cookie_valid",
		cookie_valid, "size", (int)message->len);
	if (message->has_opt)
		json_object_set_new(object, "edns", opt_json(message));
	if (message->question_cnt > 0) {
		char name[STELE_NAME_TEXT_MAX];
		stele_name_to_text(message->qname, name);
		json_object_set_new(object, "question",
				    json_pack("{s:s, s:s, s:s}", "name", name, "class",
					      class_text(message->qclass, class), "type",
					      stele_rrtype_to_text(message->qtype, type)));
	}
	const struct stele_message_rr *rr = message->rrs;
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++) {
		json_t *section = json_array();
		for (size_t i = 0; i < message->cnt[s]; i++)
			json_array_append_new(section, rr_json(message, rr++));
		json_object_set_new(object, section_keys[s], section);
	}
	return object;
}
