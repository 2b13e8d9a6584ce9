/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs and verifies what another implementation of TSIG made, for tests/integration/libraries/test_tsig.py.
 *
 * usage: tsig_tool KEYS NOW
 *
 * Reads commands, one a line, and answers each with a line; messages are in hex:
 *   request MESSAGE       verifies a request:  STATUS RCODE ERROR KEY MESSAGE
 *   reply MESSAGE         signs a reply to it: MESSAGE
 *   sign KEY MESSAGE      signs a request:     MESSAGE
 *   verify MESSAGE        verifies a reply to it: STATUS ERROR PEER-TIME CLOSED MESSAGE
 */
#include "lib/base/hex.h"
#include "lib/tsig/tsig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 1024

static uint8_t msg[STELE_MESSAGE_MAX + ROOM];
static size_t msg_len;

static bool read_message(const char *hex)
{
	msg_len = strlen(hex) / 2;
	return msg_len <= STELE_MESSAGE_MAX && stele_hex_decode(hex, msg, msg_len);
}

static void print_message(void)
{
	static char hex[2 * sizeof(msg) + 1];
	stele_hex_encode(msg, msg_len, hex);
	printf("%s\n", hex);
}

static void print_key(const struct stele_tsig_key *key)
{
	char text[STELE_NAME_TEXT_MAX] = "-";
	size_t len;
	if (key != NULL)
		stele_name_to_text(stele_tsig_key_name(key, &len), text);
	printf("%s ", text);
}

/* Does what one line says; false if it says nothing that we know. */
static bool do_line(char *line, const struct stele_tsig_keys *keys, uint64_t now)
{
	static struct stele_tsig client, server;
	char *save, *words[3] = {NULL};
	unsigned cnt = 0;
	for (char *word = strtok_r(line, " \n", &save); word != NULL && cnt < 3;
	     word = strtok_r(NULL, " \n", &save))
		words[cnt++] = word;
	if (cnt < 2 || !read_message(words[cnt - 1]))
		return false;
	int status;
	if (strcmp(words[0], "request") == 0) {
		stele_tsig_end(&server);
		status = stele_tsig_verify_request(keys, msg, &msg_len, now, &server);
		printf("%d %u %u ", status, server.rcode, server.error);
		print_key(server.key);
	} else if (strcmp(words[0], "reply") == 0) {
		status = stele_tsig_sign_reply(&server, msg, &msg_len, sizeof(msg), now);
		if (status != 0)
			return false;
	} else if (strcmp(words[0], "sign") == 0 && cnt == 3) {
		const struct stele_tsig_key *key = stele_tsig_keys_find_text(keys, words[1]);
		stele_tsig_end(&client);
		if (key == NULL ||
		    stele_tsig_sign_request(key, msg, &msg_len, sizeof(msg), now, &client) != 0)
			return false;
	} else if (strcmp(words[0], "verify") == 0) {
		status = stele_tsig_verify_reply(&client, msg, &msg_len, now, NULL);
		printf("%d %u %llu %d ", status, client.error, (unsigned long long)client.peer_time,
		       stele_tsig_is_closed(&client));
	} else {
		return false;
	}
	print_message();
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	struct stele_tsig_keys *keys;
	struct stele_error err;
	char *line = NULL;
	size_t cap = 0;
	bool fine = true;
	if (argc != 3)
		return 2;
	if (stele_tsig_keys_load(argv[1], &keys, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	while (fine && getline(&line, &cap, stdin) >= 0)
		fine = do_line(line, keys, strtoull(argv[2], NULL, 10));
	free(line);
	stele_tsig_keys_unref(keys);
	return fine ? 0 : 2;
}
