/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TSIG: what is verified from hostile bytes is either good or answered as RFC 8945 says, and whatever
 * bytes a signed message has, they come back as they were.
 *
 * The first byte chooses: a request to a server, a reply to a client, or a file of keys; in the middle
 * ones the rest is a message. Its time of day is NOW, which is that of signatures in the corpus.
 */
#include "lib/base/bytes.h"
#include "lib/tsig/tsig.h"

#include <stdlib.h>
#include <string.h>

#define NOW UINT64_C(1700000000)
#define ROOM 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct stele_tsig_keys *load(void)
{
	static const char text[] =
		"keys:\n"
		"- {id: k, algorithm: hmac-sha256, secret: MDEyMzQ1Njc4OWFiY2RlZg==}\n"
		"- {id: s, algorithm: hmac-sha1, secret: MDEyMzQ1Njc4OWFiY2RlZg==, "
		"mac_size: 10}\n";
	struct stele_tsig_keys *keys;
	require(stele_tsig_keys_parse("keys", text, sizeof(text) - 1, &keys, NULL) == 0);
	return keys;
}

/* Exactly as long as it is said to be, so that a byte too many is seen. */
static uint8_t *copy_of(const uint8_t *data, size_t size, size_t room)
{
	uint8_t *copy = malloc(size + room + 1);
	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

static void run_request(const struct stele_tsig_keys *keys, const uint8_t *data, size_t size)
{
	struct stele_tsig server, client;
	uint8_t *msg = copy_of(data, size, 0);
	size_t len = size;
	int status = stele_tsig_verify_request(keys, msg, &len, NOW, &server);
	size_t room = stele_tsig_room(&server);
	require(len <= size);
	if (status == 1)
		require(server.key != NULL && server.rcode == 0 && len < size);
	else if (status == 0)
		require(len == size && memcmp(msg, data, size) == 0 && room == 0);
	else
		require(status == STELE_E_INPUT &&
			(server.rcode == STELE_RCODE_NOTAUTH ||
			 (server.rcode == STELE_RCODE_FORMERR && len == size && room == 0)));
	free(msg);

	uint8_t *reply = copy_of((const uint8_t[STELE_HEADER_SZ]){0}, STELE_HEADER_SZ, room);
	size_t reply_len = STELE_HEADER_SZ;
	require(stele_tsig_sign_reply(&server, reply, &reply_len, STELE_HEADER_SZ + room, NOW) ==
		0);
	require(reply_len == STELE_HEADER_SZ + room);
	free(reply);
	stele_tsig_end(&server);

	/* Signed by us, any message is good as long as it can be read. */
	msg = copy_of(data, size, ROOM);
	len = size;
	if (status == 0 && stele_tsig_sign_request(stele_tsig_keys_find_text(keys, "s"), msg, &len,
						   size + ROOM, NOW, &client) == 0) {
		/* The original may have ended with garbage; then nobody can tell where its end is. */
		status = stele_tsig_verify_request(keys, msg, &len, NOW, &server);
		require(status != 1 || (len == size && memcmp(msg, data, size) == 0));
		stele_tsig_end(&server);
		stele_tsig_end(&client);
	}
	free(msg);
}

/* The client's request is always the same, so that a corpus may have good replies. */
static void run_reply(const struct stele_tsig_keys *keys, const uint8_t *data, size_t size)
{
	struct stele_tsig client;
	uint8_t request[STELE_HEADER_SZ + ROOM] = {0};
	size_t len = STELE_HEADER_SZ;
	require(stele_tsig_sign_request(stele_tsig_keys_find_text(keys, "k"), request, &len,
					sizeof(request), NOW, &client) == 0);
	/* Messages with their lengths before them, as over TCP. */
	bool is_first = true;
	while (size >= 2) {
		size_t msg_len = stele_get_be16(data);
		data += 2;
		size -= 2;
		if (msg_len > size)
			msg_len = size;
		uint8_t *msg = copy_of(data, msg_len, 0);
		size_t left = msg_len;
		int status = stele_tsig_verify_reply(&client, msg, &left, NOW, NULL);
		require(status == 1 || status == 0 || status == STELE_E_INPUT);
		require(status == 1 ? left < msg_len : left == msg_len);
		require(status == 1 || memcmp(msg, data, msg_len) == 0);
		require(status != 0 || !is_first);
		require(status != 1 || stele_tsig_is_closed(&client));
		is_first &= status != 1;
		free(msg);
		data += msg_len;
		size -= msg_len;
	}
	stele_tsig_end(&client);
}

static void run_keys(const uint8_t *data, size_t size)
{
	struct stele_tsig_keys *keys;
	struct stele_error err;
	int status = stele_tsig_keys_parse("f", (const char *)data, size, &keys, &err);
	require(status == 0 || status == STELE_E_INPUT);
	if (status == 0)
		stele_tsig_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > STELE_MESSAGE_MAX)
		return 0;
	struct stele_tsig_keys *keys = load();
	switch (data[0]) {
	case 'q':
		run_request(keys, data + 1, size - 1);
		break;
	case 'r':
		run_reply(keys, data + 1, size - 1);
		break;
	case 'k':
		run_keys(data + 1, size - 1);
		break;
	default:
		break;
	}
	stele_tsig_keys_unref(keys);
	return 0;
}
