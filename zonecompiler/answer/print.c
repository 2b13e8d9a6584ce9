/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/answer/print.h"
#include "zonecompiler/rdata_text.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <ctype.h>
#include <jansson.h>
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

static const char *const section_names[MESSAGE_SECTION_CNT] = {"ANSWER", "AUTHORITY", "ADDITIONAL"};
static const char *const section_keys[MESSAGE_SECTION_CNT] = {"answer", "authority", "additional"};

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
static char *rdata_text(const struct message *message, const struct message_rr *rr)
{
	uint8_t *rdata = malloc(STELE_MESSAGE_MAX);
	char *text = malloc(STELE_RDATA_TEXT_MAX + 1);
	if (rdata != NULL && text != NULL) {
		long len = message_rdata(message, rr, rdata, STELE_MESSAGE_MAX);
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
static void pad(size_t len, size_t column)
{
	do {
		putchar('\t');
		len = len / 8 * 8 + 8;
	} while (len < column);
}

static void print_rr(const struct message *message, const struct message_rr *rr)
{
	char name[STELE_NAME_TEXT_MAX], class[16], type[STELE_RRTYPE_TEXT_MAX];
	size_t len = stele_name_to_text(rr->owner, name);
	char *rdata = rdata_text(message, rr);
	fputs(name, stdout);
	pad(len, 24);
	printf("%u\t%s\t%s\t%s\n", rr->ttl, class_text(rr->class, class),
	       stele_rrtype_to_text(rr->type, type), rdata != NULL ? rdata : "");
	free(rdata);
}

/* ---- options of the OPT ---- */

/* The option at `*at` of the rdata; false at the end. */
static bool next_option(const struct message *message, size_t *at, uint16_t *ret_code,
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

static void print_hex(const uint8_t *data, size_t len, const char *between)
{
	for (size_t i = 0; i < len; i++)
		printf("%s%02x", i > 0 ? between : "", data[i]);
}

static void print_option(uint16_t code, const uint8_t *data, size_t len,
			 const struct stele_reply *reply)
{
	switch (code) {
	case STELE_EDNS_NSID:
		printf("; NSID: ");
		print_hex(data, len, " ");
		printf(" (\"");
		for (size_t i = 0; i < len; i++)
			putchar(isprint(data[i]) ? data[i] : '.');
		printf("\")\n");
		return;
	case STELE_EDNS_COOKIE:
		printf("; COOKIE: ");
		print_hex(data, len, "");
		printf("%s\n", reply->cookie_valid ? " (good)" : "");
		return;
	case STELE_EDNS_EDE:
		if (len < 2)
			break;
		printf("; EDE: %u", stele_get_be16(data));
		if (ede_text(stele_get_be16(data)) != NULL)
			printf(" (%s)", ede_text(stele_get_be16(data)));
		if (len > 2)
			printf(": (%.*s)", (int)(len - 2), (const char *)data + 2);
		putchar('\n');
		return;
	default:
		break;
	}
	printf("; OPT=%u: ", code);
	print_hex(data, len, " ");
	putchar('\n');
}

static void print_opt(const struct message *message, const struct stele_reply *reply)
{
	const struct message_rr *opt = &message->opt;
	printf("\n;; OPT PSEUDOSECTION:\n; EDNS: version: %u, flags:%s; udp: %u\n",
	       opt->ttl >> 16 & 0xff, opt->ttl & STELE_EDNS_FLAG_DO ? " do" : "", opt->class);
	uint16_t code;
	const uint8_t *data;
	size_t at = 0, len;
	while (next_option(message, &at, &code, &data, &len))
		print_option(code, data, len, reply);
}

static unsigned whole_rcode(const struct message *message)
{
	unsigned rcode = message->flags & STELE_FLAG_RCODE;
	return message->has_opt ? rcode | (message->opt.ttl >> 24) << 4 : rcode;
}

void print_message(const struct message *message, const struct stele_reply *reply)
{
	char opcode[16], rcode[16], class[16], type[STELE_RRTYPE_TEXT_MAX];
	printf(";; Got answer:\n;; ->>HEADER<<- opcode: %s, status: %s, id: %u\n;; flags:",
	       opcode_text((message->flags & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT, opcode),
	       rcode_text(whole_rcode(message), rcode), message->id);
	for (size_t i = 0; i < FLAG_CNT; i++)
		if (message->flags & flag_names[i].bit)
			printf(" %s", flag_names[i].text);
	printf("; QUERY: %u, ANSWER: %zu, AUTHORITY: %zu, ADDITIONAL: %zu\n", message->question_cnt,
	       message->cnt[MESSAGE_ANSWER], message->cnt[MESSAGE_AUTHORITY],
	       message->cnt[MESSAGE_ADDITIONAL] + message->has_opt);
	if (message->has_opt)
		print_opt(message, reply);
	if (message->question_cnt > 0) {
		char name[STELE_NAME_TEXT_MAX];
		size_t len = stele_name_to_text(message->qname, name);
		printf("%s;; QUESTION SECTION:\n;%s", message->has_opt ? "" : "\n", name);
		pad(len + 1, 32);
		printf("%s\t%s\n", class_text(message->qclass, class),
		       stele_rrtype_to_text(message->qtype, type));
	}
	const struct message_rr *rr = message->rrs;
	for (unsigned s = 0; s < MESSAGE_SECTION_CNT; s++) {
		if (message->cnt[s] > 0)
			printf("\n;; %s SECTION:\n", section_names[s]);
		for (size_t i = 0; i < message->cnt[s]; i++)
			print_rr(message, rr++);
	}
	printf("\n;; MSG SIZE  rcvd: %zu\n", message->len);
}

/* ---- JSON ---- */

static json_t *rr_json(const struct message *message, const struct message_rr *rr)
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
	text[0] = '\0';
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	json_t *string = json_string(text);
	free(text);
	return string;
}

static json_t *opt_json(const struct message *message)
{
	const struct message_rr *opt = &message->opt;
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

static bool put_json(json_t *object)
{
	bool done = object != NULL &&
		    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0;
	if (done)
		putchar('\n');
	json_decref(object);
	return done;
}

bool print_message_json(const struct message *message, const struct stele_reply *reply)
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
		reply->cookie_valid, "size", (int)message->len);
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
	const struct message_rr *rr = message->rrs;
	for (unsigned s = 0; s < MESSAGE_SECTION_CNT; s++) {
		json_t *section = json_array();
		for (size_t i = 0; i < message->cnt[s]; i++)
			json_array_append_new(section, rr_json(message, rr++));
		json_object_set_new(object, section_keys[s], section);
	}
	return put_json(object);
}

void print_no_reply(const struct stele_reply *reply, bool json)
{
	bool punted = reply->verdict == STELE_VERDICT_PUNT;
	if (json)
		put_json(json_pack("{s:s}", "verdict", punted ? "punt" : "drop"));
	else if (punted)
		puts(";; no reply from the image: this query is for the daemon");
	else
		puts(";; no reply: the query is dropped");
}
