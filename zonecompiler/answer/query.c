/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile query: asks an image one question and prints the reply as dig prints it. */
#include "zonecompiler/answer/print.h"
#include "zonecompiler/answer/setup.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_JSON = 'j',
	COOKIE_MAX = 64, /* more than any server takes, so that wrong ones can be tried */
	QUERY_MAX = 1024,
	ECS_CODE = 8,
};

static const struct stele_cmd_option options[] = {
	{"json", OPTION_JSON, NULL, "print JSON"},
	ANSWER_OPTIONS,
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "query",
	.synopsis = "IMAGE QNAME [QTYPE] [CLASS] [+FLAG...]",
	.about = "Prints the reply that an image gives to a question, as dig prints it.\n\n"
		 "  +dnssec          ask for signatures\n"
		 "  +bufsize=N       longest reply over UDP, in bytes (1232)\n"
		 "  +tcp             ask as over TCP\n"
		 "  +subnet=PREFIX   client subnet, as 192.0.2.0/24\n"
		 "  +nsid            ask for the server's identity\n"
		 "  +cookie[=HEX]    send a cookie\n"
		 "  +edns=N          EDNS version (0)\n"
		 "  +noedns          without EDNS\n"
		 "  +norec, +cd      RD clear, CD set\n"
		 "  +opcode=N        another opcode than QUERY (0)",
	.options = options,
};

struct question {
	uint8_t qname[STELE_NAME_MAX];
	size_t qname_len;
	uint16_t qtype, qclass;
	bool dnssec, tcp, nsid, recursion, checking_disabled, edns, cookie, subnet;
	uint8_t opcode, edns_version;
	uint16_t bufsize;
	uint8_t cookie_bytes[COOKIE_MAX];
	size_t cookie_len;
	struct stele_client subnet_addr;
	uint8_t subnet_bits;
};

/* ---- command line ---- */

static bool parse_subnet(const char *text, struct question *q)
{
	char addr[64];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (!answer_parse_address(addr, &q->subnet_addr))
		return false;
	uint64_t bits = q->subnet_addr.family == 4 ? 32 : 128;
	if (slash != NULL && !stele_cmd_number(slash + 1, 0, bits, &bits))
		return false;
	q->subnet_bits = (uint8_t)bits;
	q->subnet = true;
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
static bool parse_flag(const char *arg, struct question *q)
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
	uint64_t number;
	if (strcmp(arg, "cookie") == 0) {
		q->cookie = true;
		q->cookie_len = sizeof(client_cookie);
		memcpy(q->cookie_bytes, client_cookie, sizeof(client_cookie));
		return true;
	}
	if (has_value(arg, "cookie", &value)) {
		q->cookie = true;
		q->cookie_len = strlen(value) / 2;
		return q->cookie_len <= COOKIE_MAX &&
		       answer_parse_hex(value, q->cookie_bytes, q->cookie_len);
	}
	if (has_value(arg, "subnet", &value))
		return parse_subnet(value, q);
	if (has_value(arg, "bufsize", &value) && stele_cmd_number(value, 0, 65535, &number)) {
		q->bufsize = (uint16_t)number;
		return true;
	}
	if (has_value(arg, "edns", &value) && stele_cmd_number(value, 0, 255, &number)) {
		q->edns = true;
		q->edns_version = (uint8_t)number;
		return true;
	}
	if (has_value(arg, "opcode", &value) && stele_cmd_number(value, 0, 15, &number)) {
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
	uint64_t number;
	if (strncasecmp(text, "CLASS", 5) == 0 && stele_cmd_number(text + 5, 0, 65535, &number))
		return (int)number;
	return -1;
}

/* The operands behind the image. 0, or the exit status after an error was printed. */
static int parse_operands(int cnt, char **operands, struct question *q)
{
	bool has_name = false;
	for (int i = 0; i < cnt; i++) {
		const char *arg = operands[i];
		if (arg[0] == '+') {
			if (!parse_flag(arg + 1, q))
				return stele_cmd_usage(
					spec.name, "'%s' is no flag, or its value is wrong", arg);
			continue;
		}
		if (!has_name) {
			int len = stele_name_from_text(arg, strlen(arg), q->qname);
			if (len < 0)
				return stele_cmd_usage(spec.name, "'%s' is not a domain name", arg);
			q->qname_len = (size_t)len;
			has_name = true;
			continue;
		}
		int number = parse_class(arg);
		if (number >= 0) {
			q->qclass = (uint16_t)number;
			continue;
		}
		number = stele_rrtype_from_text(arg, strlen(arg));
		if (number < 0)
			return stele_cmd_usage(spec.name, "'%s' is not a record type", arg);
		q->qtype = (uint16_t)number;
	}
	return has_name ? 0 : stele_cmd_usage(spec.name, "expected an image and a name");
}

/* ---- the query ---- */

static uint8_t *put_option_head(uint8_t *p, uint16_t code, size_t len)
{
	stele_put_be16(p, code);
	stele_put_be16(p + 2, (uint16_t)len);
	return p + 4;
}

static uint8_t *put_opt(uint8_t *p, const struct question *q)
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
	if (q->subnet) {
		size_t len = (q->subnet_bits + 7u) / 8;
		end = put_option_head(end, ECS_CODE, 4 + len);
		stele_put_be16(end, q->subnet_addr.family == 4 ? 1 : 2);
		end[2] = q->subnet_bits;
		end[3] = 0;
		memcpy(end + 4, q->subnet_addr.addr, len);
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

static uint32_t make_query(const struct question *q, uint8_t msg[QUERY_MAX])
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
	return (uint32_t)(p - msg);
}

static int ask(const struct answer_setup *setup, const struct question *q, bool json,
	       struct stele_error *reterr)
{
	uint8_t msg[QUERY_MAX];
	struct stele_query query = {
		.msg = msg, .len = make_query(q, msg), .tcp = q->tcp, .client = setup->client};
	struct stele_answerer *answerer = stele_answerer_new();
	struct stele_reply reply = {.buf = malloc(STELE_MESSAGE_MAX), .cap = STELE_MESSAGE_MAX};
	int status = 0;
	if (answerer == NULL || reply.buf == NULL) {
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		goto done;
	}
	stele_answer_batch(answerer, &setup->view, &setup->settings, answer_setup_now(setup),
			   &query, &reply, 1);
	if (reply.verdict != STELE_VERDICT_REPLY) {
		print_no_reply(&reply, json);
		goto done;
	}
	struct message message;
	struct stele_error fault;
	status = message_parse(reply.buf, reply.len, &message, &fault);
	if (status != 0) {
		stele_fail(reterr, status, "the reply does not parse: %s", fault.text);
		goto done;
	}
	if (!json)
		print_message(&message, &reply);
	else if (!print_message_json(&message, &reply))
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	message_free(&message);
done:
	free(reply.buf);
	stele_answerer_free(answerer);
	return status;
}

int stele_cmd_query(int argc, char **argv)
{
	struct answer_setup setup;
	struct question q = {
		.qtype = STELE_TYPE_A,
		.qclass = STELE_CLASS_IN,
		.recursion = true,
		.edns = true,
		.bufsize = 1232,
	};
	bool json = false;
	answer_setup_begin(&setup);
	for (;;) {
		const char *value;
		int exit_status;
		int id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status);
		if (id == STELE_CMD_END)
			break;
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (id == OPTION_JSON) {
			json = true;
			continue;
		}
		exit_status = answer_setup_option(&setup, spec.name, id, value);
		if (exit_status != 0)
			return exit_status;
	}
	if (argc - optind < 2)
		return stele_cmd_usage(spec.name, "expected an image and a name");
	int exit_status = parse_operands(argc - optind - 1, argv + optind + 1, &q);
	if (exit_status != 0)
		return exit_status;
	struct stele_error err;
	int status = answer_setup_open(&setup, argv[optind], &err);
	if (status == 0) {
		status = ask(&setup, &q, json, &err);
		answer_setup_end(&setup);
	}
	return stele_cmd_close_output(status == 0 ? 0 : stele_cmd_fail(status, &err));
}
