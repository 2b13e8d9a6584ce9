/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stele-compile answer: a server on standard input and output.
 *
 * Messages are framed as over TCP (RFC 1035 section 4.2.2). What one read brings is answered in
 * batches and written before the next read, which may block: so nobody waits for a batch to fill.
 */
#include "zonecompiler/answer/setup.h"
#include "zonecompiler/reference/reference.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FRAME_HEAD_SZ = 2,
	FRAME_MAX = FRAME_HEAD_SZ + STELE_MESSAGE_MAX,
	INPUT_SZ = 1 << 20,
	OUTPUT_SZ = 1 << 20,
	OPTION_TCP = 't',
	OPTION_CHECK_STORE = 'c',
};
_Static_assert(INPUT_SZ >= FRAME_MAX && OUTPUT_SZ >= FRAME_MAX, "a whole message fits");

static const struct stele_cmd_option options[] = {
	{"tcp", OPTION_TCP, NULL, "answer as over TCP: no limit but 65535 bytes"},
	{"check-store", OPTION_CHECK_STORE, "DIR", "compare each reply with the store; slow"},
	ANSWER_OPTIONS,
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "answer",
	.synopsis = "IMAGE [OPTION...]",
	.about =
		"Answers the queries on standard input from an image. Each message, in and out, stands\n"
		"behind its length as two bytes, the higher first; length 0 means that no reply is sent.",
	.options = options,
	.many = ANSWER_OPTION_COOKIE_SECRET,
};

struct server {
	struct answer_setup setup;
	bool tcp;
	struct stele_answerer *answerer;
	const char *check_dir;           /* NULL: no checks */
	struct stele_store *check_store; /* what replies are compared with */
	struct reference_check check;
	bool differs;     /* a reply from the store: the error has a line for each difference */
	uint8_t *input;   /* INPUT_SZ */
	uint8_t *output;  /* OUTPUT_SZ */
	uint8_t *replies; /* STELE_BATCH_MAX times STELE_MESSAGE_MAX */
	size_t input_len, output_len;
};

static int flush(struct server *server, struct stele_error *reterr)
{
	const uint8_t *p = server->output;
	size_t left = server->output_len;
	while (left > 0) {
		ssize_t done = write(STDOUT_FILENO, p, left);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return stele_fail_errno(reterr, errno, "standard output");
		p += done;
		left -= (size_t)done;
	}
	server->output_len = 0;
	return 0;
}

static int put_reply(struct server *server, const struct stele_reply *reply,
		     struct stele_error *reterr)
{
	uint32_t len = reply->verdict == STELE_VERDICT_REPLY ? reply->len : 0;
	if (OUTPUT_SZ - server->output_len < FRAME_HEAD_SZ + len) {
		int status = flush(server, reterr);
		if (status != 0)
			return status;
	}
	uint8_t *p = server->output + server->output_len;
	stele_put_be16(p, (uint16_t)len);
	if (len > 0)
		memcpy(p + FRAME_HEAD_SZ, reply->buf, len);
	server->output_len += FRAME_HEAD_SZ + len;
	return 0;
}

static int check_reply(struct server *server, const struct stele_query *query,
		       const struct stele_reply *reply, struct stele_error *reterr)
{
	if (server->check_dir == NULL || reply->verdict != STELE_VERDICT_REPLY)
		return 0;
	int status = reference_check(&server->check, query->msg, query->len, reply->buf, reply->len,
				     reterr);
	server->differs = status == STELE_E_INPUT;
	return status;
}

/* Answers every whole message of the input and keeps the rest of it. */
static int answer_input(struct server *server, struct stele_error *reterr)
{
	size_t at = 0;
	for (;;) {
		struct stele_query queries[STELE_BATCH_MAX];
		struct stele_reply replies[STELE_BATCH_MAX];
		unsigned cnt = 0;
		while (cnt < STELE_BATCH_MAX && server->input_len - at >= FRAME_HEAD_SZ) {
			const uint8_t *frame = server->input + at;
			size_t len = stele_get_be16(frame);
			if (server->input_len - at - FRAME_HEAD_SZ < len)
				break;
			queries[cnt] = (struct stele_query){
				.msg = frame + FRAME_HEAD_SZ,
				.len = (uint32_t)len,
				.tcp = server->tcp,
				.client = server->setup.client,
			};
			replies[cnt] = (struct stele_reply){
				.buf = server->replies + (size_t)cnt * STELE_MESSAGE_MAX,
				.cap = STELE_MESSAGE_MAX,
			};
			at += FRAME_HEAD_SZ + len;
			cnt++;
		}
		if (cnt == 0)
			break;
		stele_answer_batch(server->answerer, &server->setup.view, &server->setup.settings,
				   answer_setup_now(&server->setup), queries, replies, cnt);
		for (unsigned i = 0; i < cnt; i++) {
			int status = check_reply(server, &queries[i], &replies[i], reterr);
			if (status == 0)
				status = put_reply(server, &replies[i], reterr);
			if (status != 0)
				return status;
		}
	}
	server->input_len -= at;
	memmove(server->input, server->input + at, server->input_len);
	return 0;
}

static int serve(struct server *server, struct stele_error *reterr)
{
	for (;;) {
		ssize_t got = read(STDIN_FILENO, server->input + server->input_len,
				   INPUT_SZ - server->input_len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return stele_fail_errno(reterr, errno, "standard input");
		if (got == 0)
			break;
		server->input_len += (size_t)got;
		int status = answer_input(server, reterr);
		if (status == 0)
			status = flush(server, reterr);
		if (status != 0)
			return status;
	}
	if (server->input_len > 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "standard input: ends within a message (expected %s)",
				  server->input_len < FRAME_HEAD_SZ ? "its length" : "all of it");
	return 0;
}

/* Opens what replies are compared with: the store in the state that the image was made from. */
static int open_check(struct server *server, struct stele_error *reterr)
{
	if (server->check_dir == NULL)
		return 0;
	int status =
		stele_store_open(server->check_dir, STELE_STORE_READ, &server->check_store, reterr);
	if (status == 0)
		status = stele_store_read_begin(server->check_store, &server->check.read, reterr);
	if (status != 0)
		return status;
	const struct stele_superblock *sb = (const void *)server->setup.view.bytes;
	if (stele_le64(sb->store_id) != stele_get_le64(stele_store_identity(server->check_store)))
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: is not the store that the image was made from",
				  server->check_dir);
	uint64_t generation = stele_store_generation(server->check.read);
	if (generation != server->setup.view.generation)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: is at generation %" PRIu64 " (expected %" PRIu64
				  ", as the image)",
				  server->check_dir, generation, server->setup.view.generation);
	server->check.any_minimal = server->setup.settings.any_minimal;
	server->check.udp_max = server->setup.settings.udp_max;
	server->check.tcp = server->tcp;
	server->check.cap = STELE_MESSAGE_MAX;
	return 0;
}

static void close_check(struct server *server)
{
	if (server->check.read != NULL)
		stele_store_read_end(server->check.read);
	stele_store_close(server->check_store);
}

static int run(struct server *server, const char *path, struct stele_error *reterr)
{
	int status = answer_setup_open(&server->setup, path, reterr);
	if (status != 0)
		return status;
	server->answerer = stele_answerer_new();
	server->input = malloc(INPUT_SZ);
	server->output = malloc(OUTPUT_SZ);
	server->replies = malloc((size_t)STELE_BATCH_MAX * STELE_MESSAGE_MAX);
	if (server->answerer == NULL || server->input == NULL || server->output == NULL ||
	    server->replies == NULL)
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	else
		status = open_check(server, reterr);
	if (status == 0)
		status = serve(server, reterr);
	close_check(server);
	free(server->replies);
	free(server->output);
	free(server->input);
	stele_answerer_free(server->answerer);
	answer_setup_end(&server->setup);
	return status;
}

/* Line by line: as one text, line feeds would be shown as \\n. */
static int fail_lines(int status, struct stele_error *err)
{
	char *rest = err->text;
	for (const char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0')
			stele_cmd_say("%s", line);
	return stele_exit_status(status);
}

int stele_cmd_answer(int argc, char **argv)
{
	struct server server = {0};
	answer_setup_begin(&server.setup);
	const char *value;
	int exit_status, id;
	while ((id = answer_setup_next_option(&server.setup, &spec, argc, argv, &value,
					      &exit_status)) != STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (id == OPTION_TCP)
			server.tcp = true;
		else
			server.check_dir = value;
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "expected one image");
	struct stele_error err;
	int status = run(&server, argv[optind], &err);
	if (status == 0)
		return 0;
	return server.differs ? fail_lines(status, &err) : stele_cmd_fail(status, &err);
}
