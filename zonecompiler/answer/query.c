/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile query: asks an image one question and prints the reply as dig prints it. */
#include "zonecompiler/answer/setup.h"

#include "lib/text/print.h"
#include "lib/text/question.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTION_JSON = 'j' };

static const struct stele_cmd_option options[] = {
	{"json", OPTION_JSON, NULL, "print JSON"},
	ANSWER_OPTIONS,
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "query",
	.synopsis = "IMAGE QNAME [QTYPE] [CLASS] [+FLAG...] [OPTION...]",
	.about =
		"Prints the reply that an image gives to a question, as dig prints it.\n\n" STELE_QUESTION_HELP,
	.options = options,
	.many = ANSWER_OPTION_COOKIE_SECRET,
};

/* The operands behind the image. 0, or the exit status after an error was printed. */
static int parse_operands(int cnt, char **operands, struct stele_question *q)
{
	struct stele_error err;
	for (int i = 0; i < cnt; i++)
		if (stele_question_word(q, operands[i], &err) != 0)
			return stele_cmd_usage(spec.name, "%s", err.text);
	return q->qname_len != 0 ? 0 : stele_cmd_usage(spec.name, "expected an image and a name");
}

/* False: no memory. What cannot be written is told when the output is closed. */
static bool put_json(json_t *object)
{
	bool done = object != NULL &&
		    (json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 ||
		     ferror(stdout) != 0);
	if (done)
		putchar('\n');
	json_decref(object);
	return done;
}

/* Why there is no reply, in words. */
static void print_no_reply(const struct stele_reply *reply, bool json)
{
	bool punted = reply->verdict == STELE_VERDICT_PUNT;
	if (json)
		put_json(json_pack("{s:s}", "verdict", punted ? "punt" : "drop"));
	else if (punted)
		puts(";; no reply from the image: this query is for the daemon");
	else
		puts(";; no reply: the query is dropped");
}

static int ask(const struct answer_setup *setup, const struct stele_question *q, bool json,
	       struct stele_error *reterr)
{
	uint8_t msg[STELE_QUESTION_QUERY_MAX];
	struct stele_query query = {.msg = msg,
				    .len = (uint32_t)stele_question_query(q, msg),
				    .tcp = q->tcp,
				    .client = setup->client};
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
	struct stele_message message;
	struct stele_error fault;
	status = stele_message_parse(reply.buf, reply.len, &message, &fault);
	if (status != 0) {
		stele_fail(reterr, status, "the reply does not parse: %s", fault.text);
		goto done;
	}
	if (!json)
		stele_print_message(stdout, &message, reply.cookie_valid);
	else if (!put_json(stele_message_json(&message, reply.cookie_valid)))
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	stele_message_free(&message);
done:
	free(reply.buf);
	stele_answerer_free(answerer);
	return status;
}

int stele_cmd_query(int argc, char **argv)
{
	struct answer_setup setup;
	struct stele_question q = stele_question_default;
	bool json = false;
	answer_setup_begin(&setup);
	const char *value;
	int exit_status, id;
	while ((id = answer_setup_next_option(&setup, &spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		json = true;
	}
	if (argc - optind < 2)
		return stele_cmd_usage(spec.name, "expected an image and a name");
	exit_status = parse_operands(argc - optind - 1, argv + optind + 1, &q);
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
