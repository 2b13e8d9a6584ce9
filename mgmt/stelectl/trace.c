/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl trace: one question, answered by the server's own image and settings, and explained. */
#include "mgmt/stelectl/stelectl.h"

#include "lib/base/hex.h"
#include "lib/dns/message.h"
#include "lib/text/print.h"
#include "lib/text/question.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_CLIENT = 'c' };

static const struct stele_cmd_option options[] = {
	STELECTL_COMMON_OPTIONS("the responder's"),
	{"client", OPTION_CLIENT, "ADDR", "address that the query comes from (127.0.0.1)"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "trace",
	.synopsis = "QNAME [QTYPE] [CLASS] [+FLAG...] [--client ADDR]",
	.about =
		"Has the server answer a question from what it serves, as a worker would, and prints\n"
		"the steps to the reply and the reply as dig prints it. Nothing is counted.\n\n" STELE_QUESTION_HELP,
	.options = options,
};

static int parse_arguments(int argc, char **argv, struct stelectl_common *common,
			   struct stele_question *q, const char **ret_client)
{
	struct stele_error err;
	const char *value;
	int exit_status, id;
	while ((id = stelectl_next_option(&spec, argc, argv, common, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		*ret_client = value;
	}
	for (int i = optind; i < argc; i++)
		if (stele_question_word(q, argv[i], &err) != 0)
			return stele_cmd_usage(spec.name, "%s", err.text);
	return q->qname_len != 0 ? -1 : stele_cmd_usage(spec.name, "expected a name");
}

static void print_steps(const json_t *response)
{
	const char *zone = stelectl_text(response, "zone");
	printf(";; generation %" JSON_INTEGER_FORMAT ", %s%s\n",
	       stelectl_number(response, "generation"), *zone != '\0' ? "zone " : "no zone", zone);
	const json_t *steps = json_object_get(response, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		printf(";; %zu. %s\n", i + 1, json_string_value(json_array_get(steps, i)));
}

/* The reply, parsed; its bytes stand in `bytes`. */
static int read_reply(const json_t *response, uint8_t bytes[STELE_MESSAGE_MAX],
		      struct stele_message *ret_message, struct stele_error *reterr)
{
	const char *hex = stelectl_text(response, "reply");
	size_t len = strlen(hex) / 2;
	struct stele_error fault = {.text = "no hexadecimal digits"};
	if (len > STELE_MESSAGE_MAX || !stele_hex_decode(hex, bytes, len) ||
	    stele_message_parse(bytes, len, ret_message, &fault) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "the reply does not parse: %s",
				  fault.text);
	return 0;
}

static int print_trace(json_t *response, bool json, struct stele_error *reterr)
{
	static uint8_t bytes[STELE_MESSAGE_MAX];
	if (!json)
		stelectl_make_shown(response);
	const char *verdict = stelectl_text(response, "verdict");
	bool cookie_valid = json_is_true(json_object_get(response, "cookie_valid"));
	struct stele_message message;
	if (strcmp(verdict, "reply") != 0) {
		if (json) {
			stelectl_print_json(response);
			return 0;
		}
		print_steps(response);
		puts(strcmp(verdict, "punt") == 0 ?
			     ";; no reply from the image: this query is for the daemon" :
			     ";; no reply: the query is dropped");
		return 0;
	}
	int status = read_reply(response, bytes, &message, reterr);
	if (status != 0)
		return status;
	if (json) {
		json_object_set_new(response, "message",
				    stele_message_json(&message, cookie_valid));
		stelectl_print_json(response);
	} else {
		print_steps(response);
		stele_print_message(stdout, &message, cookie_valid);
	}
	stele_message_free(&message);
	return 0;
}

int stelectl_trace(int argc, char **argv)
{
	struct stelectl_common common = {0};
	struct stele_question q = stele_question_default;
	const char *client = "127.0.0.1";
	int exit_status = parse_arguments(argc, argv, &common, &q, &client);
	if (exit_status >= 0)
		return exit_status;
	uint8_t query[STELE_QUESTION_QUERY_MAX];
	char hex[2 * STELE_QUESTION_QUERY_MAX + 1];
	stele_hex_encode(query, stele_question_query(&q, query), hex);
	struct stele_error err;
	json_t *response;
	json_t *request = json_pack("{s:s, s:s, s:o, s:b}", "op", "trace", "query", hex, "client",
				    stele_ctl_text(client), "tcp", q.tcp);
	stelectl_choose(&common, STELECTL_RESPONDER);
	int status = stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, &response, &err);
	if (status == 0) {
		status = print_trace(response, common.json, &err);
		json_decref(response);
	}
	return stelectl_end(status, &err);
}
