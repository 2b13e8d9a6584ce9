/* SPDX-License-Identifier: Apache-2.0 */
/* Signed messages between a server and a client of our own: every way in which they can be wrong. */
#include "tests/unit/dns/tsig_case.h"

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

#include <string.h>

/* The same ids; other secrets, algorithms or sizes. */
static const char other_text[] =
	"keys:\n"
	"  - {id: k0, algorithm: hmac-sha1, secret: AAAAAAAAAAAAAAAAAAAAAA==}\n"
	"  - {id: k1, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: stranger, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: short, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: k2.example, algorithm: hmac-sha256, secret: " SECRET ", mac_size: 16}\n";

static void test_round(void **state)
{
	(void)state;
	for (size_t i = 0; i < ID_CNT; i++) {
		const struct stele_tsig_key *key = key_named(keys, ids[i]);
		struct stele_tsig client, server;
		uint8_t msg[1024], plain[1024], reply[1024];
		size_t plain_len = make_message(plain, sizeof(plain), 0x1234, 1);
		size_t len = make_request(key, msg, sizeof(msg), NOW, &client);
		assert_true(len <= plain_len + stele_tsig_key_room(key));

		assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW + 300, &server), 1);
		assert_ptr_equal(server.key, key);
		assert_int_equal(server.rcode, 0);
		assert_int_equal(server.peer_time, NOW);
		assert_int_equal(len, plain_len);
		assert_memory_equal(msg, plain, plain_len);

		/* A buffer that is too small by a byte is left alone. */
		size_t reply_len = make_message(reply, sizeof(reply), 0x1234, 2), room;
		plain_len = make_message(plain, sizeof(plain), 0x1234, 2);
		room = stele_tsig_room(&server);
		assert_true(room <= stele_tsig_key_room(key));
		assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len,
						       reply_len + room - 1, NOW),
				 STELE_E_USAGE);
		assert_int_equal(reply_len, plain_len);
		assert_memory_equal(reply, plain, plain_len);
		assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len, reply_len + room,
						       NOW),
				 0);
		assert_int_equal(reply_len, plain_len + room);
		assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, NULL), 1);
		assert_true(stele_tsig_is_closed(&client));
		assert_int_equal(reply_len, plain_len);
		assert_memory_equal(reply, plain, plain_len);
		stele_tsig_end(&client);
		stele_tsig_end(&server);
	}
}

/* Where a flip changes nothing that counts: the id, which may be changed on the way (RFC 8945 section
 * 5.3), and the case of the two names. */
static bool flip_is_free(size_t at, unsigned bit, size_t tsig_at, size_t name_len,
			 const uint8_t *msg)
{
	if (at < 2)
		return true;
	size_t algorithm_at = tsig_at + name_len + STELE_RR_FIXED_SZ;
	bool in_name = at >= tsig_at && at < tsig_at + name_len;
	bool in_algorithm = at >= algorithm_at && at < algorithm_at + 1 + msg[algorithm_at];
	uint8_t c = msg[at] | 0x20;
	return (in_name || in_algorithm) && bit == 0x20 && c >= 'a' && c <= 'z';
}

static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < ID_CNT; i++) {
		const struct stele_tsig_key *key = key_named(keys, ids[i]);
		struct stele_tsig client, server;
		uint8_t msg[1024], copy[1024];
		size_t plain_len = make_message(msg, sizeof(msg), 0x1234, 1), name_len;
		size_t len = make_request(key, msg, sizeof(msg), NOW, &client);
		stele_tsig_key_name(key, &name_len);
		for (size_t at = 0; at < len; at++)
			for (unsigned bit = 1; bit < 256; bit <<= 1) {
				size_t copy_len = len;
				memcpy(copy, msg, len);
				copy[at] ^= (uint8_t)bit;
				int status = stele_tsig_verify_request(keys, copy, &copy_len, NOW,
								       &server);
				bool is_free = flip_is_free(at, bit, plain_len, name_len, msg);
				if ((status == 1) != is_free)
					fail_msg("%s: byte %zu bit %u: %d", ids[i], at, bit,
						 status);
				stele_tsig_end(&server);
			}
		/* And of the reply. */
		assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW, &server), 1);
		len = make_message(msg, sizeof(msg), 0x1234, 2);
		assert_int_equal(stele_tsig_sign_reply(&server, msg, &len, sizeof(msg), NOW), 0);
		for (size_t at = 0; at < len; at++)
			for (unsigned bit = 1; bit < 256; bit <<= 1) {
				size_t copy_len = len;
				memcpy(copy, msg, len);
				copy[at] ^= (uint8_t)bit;
				if (flip_is_free(at, bit, plain_len, name_len, msg))
					continue;
				int status = stele_tsig_verify_reply(&client, copy, &copy_len, NOW,
								     NULL);
				if (status != STELE_E_INPUT)
					fail_msg("%s: byte %zu bit %u: %d", ids[i], at, bit,
						 status);
			}
		/* None of them kept the good one from being taken. */
		assert_int_equal(stele_tsig_verify_reply(&client, msg, &len, NOW, NULL), 1);
		stele_tsig_end(&client);
		stele_tsig_end(&server);
	}
}

/* Sends `msg` to a server, which refuses it; then its reply to the client. */
static void expect_refused(const struct stele_tsig_keys *set, uint8_t *msg, size_t len,
			   uint64_t now, uint16_t rcode, uint16_t error, struct stele_tsig *client,
			   bool is_signed)
{
	struct stele_tsig server;
	uint8_t reply[1024];
	struct stele_error err;
	assert_int_equal(stele_tsig_verify_request(set, msg, &len, now, &server), STELE_E_INPUT);
	assert_int_equal(server.rcode, rcode);
	assert_int_equal(server.error, error);
	size_t reply_len = make_message(reply, sizeof(reply), 0x1234, 2), plain_len = reply_len;
	size_t room = stele_tsig_room(&server);
	assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len, reply_len + room, now),
			 0);
	assert_int_equal(reply_len, plain_len + room);
	if (rcode == STELE_RCODE_FORMERR) {
		assert_int_equal(room, 0);
		return;
	}
	assert_int_equal(stele_tsig_verify_reply(client, reply, &reply_len, NOW, &err),
			 STELE_E_INPUT);
	assert_int_equal(client->error, error);
	assert_int_equal(strstr(err.text, "not signed") == NULL, is_signed);
	assert_non_null(strstr(err.text, stele_tsig_error_text(error)));
	stele_tsig_end(&server);
}

static void test_errors(void **state)
{
	(void)state;
	struct stele_tsig_keys *other = load(other_text);
	struct stele_tsig client;
	uint8_t msg[1024];
	size_t len = make_request(key_named(other, "k0"), msg, sizeof(msg), NOW, &client);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_NOTAUTH, STELE_TSIG_BADSIG, &client, false);
	len = make_request(key_named(other, "stranger"), msg, sizeof(msg), NOW, &client);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_NOTAUTH, STELE_TSIG_BADKEY, &client, false);
	len = make_request(key_named(other, "k1"), msg, sizeof(msg), NOW, &client);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_NOTAUTH, STELE_TSIG_BADKEY, &client, false);
	len = make_request(key_named(other, "k1"), msg, sizeof(msg), NOW, &client);
	expect_refused(NULL, msg, len, NOW, STELE_RCODE_NOTAUTH, STELE_TSIG_BADKEY, &client, false);
	/* Shorter than the server wants, though RFC 8945 would allow it. */
	len = make_request(key_named(other, "k2.example"), msg, sizeof(msg), NOW, &client);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_NOTAUTH, STELE_TSIG_BADTRUNC, &client,
		       true);
	/* The server's clock is wrong, one way and the other. */
	const uint64_t clocks[] = {NOW + 301, NOW - 301, 1, UINT64_C(1) << 47};
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		len = make_request(key_named(keys, "k2.example"), msg, sizeof(msg), NOW, &client);
		expect_refused(keys, msg, len, clocks[i], STELE_RCODE_NOTAUTH, STELE_TSIG_BADTIME,
			       &client, true);
		assert_int_equal(client.peer_time, clocks[i]);
	}
	stele_tsig_end(&client);
	stele_tsig_keys_unref(other);
}

/* More than is wanted, less than half, none; both ways. */
static void test_truncation(void **state)
{
	(void)state;
	struct stele_tsig_keys *other = load(other_text);
	struct stele_tsig client, server;
	uint8_t msg[1024], reply[1024];
	/* The client sends 32 bytes where 16 would do, and gets 32. */
	size_t len = make_request(key_named(other, "short"), msg, sizeof(msg), NOW, &client);
	assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW, &server), 1);
	size_t reply_len = make_message(reply, sizeof(reply), 0x1234, 2);
	assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len, sizeof(reply), NOW), 0);
	assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, NULL), 1);
	stele_tsig_end(&client);
	stele_tsig_end(&server);

	/* The client wants 32, the server sends 16. */
	len = make_request(key_named(keys, "short"), msg, sizeof(msg), NOW, &client);
	assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW, &server), 1);
	reply_len = make_message(reply, sizeof(reply), 0x1234, 2);
	assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len, sizeof(reply), NOW), 0);
	client.key = key_named(other, "short");
	assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, NULL),
			 STELE_E_INPUT);
	assert_int_equal(client.error, STELE_TSIG_BADTRUNC);
	stele_tsig_end(&client);
	stele_tsig_end(&server);

	/* Every length of a MAC: the bytes behind it are moved up. */
	for (size_t cut = 1; cut <= 32; cut++) {
		size_t plain_len = make_message(msg, sizeof(msg), 0x1234, 1);
		len = make_request(key_named(other, "short"), msg, sizeof(msg), NOW, &client);
		stele_tsig_end(&client);
		size_t mac_at = plain_len + 7 + 10 + 13 + 10;
		assert_int_equal(stele_get_be16(msg + mac_at - 2), 32);
		stele_put_be16(msg + mac_at - 2, (uint16_t)(32 - cut));
		stele_put_be16(msg + plain_len + 7 + 8,
			       (uint16_t)(stele_get_be16(msg + plain_len + 7 + 8) - cut));
		memmove(msg + mac_at + 32 - cut, msg + mac_at + 32, 6);
		len -= cut;
		int status = stele_tsig_verify_request(keys, msg, &len, NOW, &server);
		assert_int_equal(status, cut <= 16 ? 1 : STELE_E_INPUT);
		assert_int_equal(server.rcode, cut <= 16 ? 0 : STELE_RCODE_FORMERR);
		assert_int_equal(server.has_tsig, cut <= 16);
		stele_tsig_end(&server);
	}
	stele_tsig_keys_unref(other);
}

/* A signature on a bare message must be the last record, and one. */
static void test_place(void **state)
{
	(void)state;
	const struct stele_tsig_key *key = key_named(keys, "k2.example");
	struct stele_tsig client, server;
	uint8_t msg[1024];
	size_t len = make_message(msg, sizeof(msg), 7, 1), plain_len = len;
	assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW, &server), 0);
	assert_int_equal(stele_tsig_room(&server), 0);
	assert_int_equal(stele_tsig_sign_reply(&server, msg, &len, sizeof(msg), NOW), 0);
	assert_int_equal(len, plain_len);

	/* Twice. */
	len = make_request(key, msg, sizeof(msg), NOW, &client);
	stele_tsig_end(&client);
	assert_int_equal(stele_tsig_sign_request(key, msg, &len, sizeof(msg), NOW, &client), 0);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_FORMERR, 0, &client, false);
	stele_tsig_end(&client);
	/* Bytes behind it, and one too few. */
	for (int more = -1; more <= 1; more += 2) {
		len = make_request(key, msg, sizeof(msg), NOW, &client);
		msg[len] = 0;
		expect_refused(keys, msg, len + (size_t)more, NOW, STELE_RCODE_FORMERR, 0, &client,
			       false);
		stele_tsig_end(&client);
	}
	/* In another section: the two counts change places. */
	len = make_request(key, msg, sizeof(msg), NOW, &client);
	stele_put_be16(msg + 6, 2);
	stele_put_be16(msg + 10, 0);
	expect_refused(keys, msg, len, NOW, STELE_RCODE_FORMERR, 0, &client, false);
	stele_tsig_end(&client);
	/* No message at all. */
	len = 11;
	expect_refused(keys, msg, len, NOW, STELE_RCODE_FORMERR, 0, &client, false);
}

static void test_replay(void **state)
{
	(void)state;
	struct stele_tsig_keys *set = load(keys_text);
	const struct stele_tsig_key *key = key_named(set, "k4");
	struct stele_tsig client, server;
	uint8_t msg[1024];
	static const struct {
		uint64_t signed_at, clock;
		int status;
	} steps[] = {
		{NOW, NOW, 1},
		{NOW - 200, NOW, 1}, /* overtaken */
		{NOW + 250, NOW, 1}, /* a clock that is fast */
		{NOW - 49, NOW, 1},
		{NOW - 51, NOW, 1 - 2}, /* refused: 301 before the latest */
		{NOW - 10, NOW + 290, 1},
		{NOW, NOW - 5000, 1 - 2},
		{NOW - 5000, NOW - 5000, 1 - 2}, /* our clock was turned back */
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		size_t len = make_request(key, msg, sizeof(msg), steps[i].signed_at, &client);
		int status = stele_tsig_verify_request(set, msg, &len, steps[i].clock, &server);
		if (status != steps[i].status)
			fail_msg("step %zu: %d", i, status);
		assert_int_equal(server.error, status == 1 ? 0 : STELE_TSIG_BADTIME);
		stele_tsig_end(&client);
		stele_tsig_end(&server);
	}
	/* Another key does not know of it. */
	size_t len = make_request(key_named(set, "k6"), msg, sizeof(msg), NOW - 5000, &client);
	assert_int_equal(stele_tsig_verify_request(set, msg, &len, NOW - 5000, &server), 1);
	stele_tsig_end(&client);
	stele_tsig_end(&server);
	stele_tsig_keys_unref(set);
}

/* Messages that never were signed; the server makes a MAC for one that it then sends without. */
static void test_stream(void **state)
{
	(void)state;
	const struct stele_tsig_key *key = key_named(keys, "k2.example");
	struct stele_tsig client, server;
	uint8_t msg[1024], reply[1024], first[1024];
	struct stele_error err;
	size_t len = make_request(key, msg, sizeof(msg), NOW, &client), first_len = 0;
	assert_int_equal(stele_tsig_verify_request(keys, msg, &len, NOW, &server), 1);
	for (unsigned i = 0; i < 20; i++) {
		size_t reply_len = make_message(reply, sizeof(reply), 0x1234, i);
		assert_int_equal(
			stele_tsig_sign_reply(&server, reply, &reply_len, sizeof(reply), NOW), 0);
		if (i == 0) {
			first_len = reply_len;
			memcpy(first, reply, first_len);
		}
		if (i == 10) { /* a message is repeated, or lost */
			assert_int_equal(stele_tsig_verify_reply(&client, first, &first_len, NOW,
								 &err),
					 STELE_E_INPUT);
			assert_int_equal(client.error, STELE_TSIG_BADSIG);
		}
		assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, NULL), 1);
		assert_true(stele_tsig_is_closed(&client));
	}
	/* 99 without a signature are accepted, and open; one more is not. */
	for (unsigned i = 0; i < 100; i++) {
		size_t reply_len = make_message(reply, sizeof(reply), 0x1234, i);
		assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, &err),
				 i < 99 ? 0 : STELE_E_INPUT);
		assert_false(stele_tsig_is_closed(&client));
	}
	/* A signature that does not know of them is none. */
	size_t reply_len = make_message(reply, sizeof(reply), 0x1234, 9);
	assert_int_equal(stele_tsig_sign_reply(&server, reply, &reply_len, sizeof(reply), NOW), 0);
	assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, &err),
			 STELE_E_INPUT);
	assert_false(stele_tsig_is_closed(&client));
	stele_tsig_end(&client);
	stele_tsig_end(&server);

	/* The first one must be signed. */
	make_request(key, msg, sizeof(msg), NOW, &client);
	reply_len = make_message(reply, sizeof(reply), 0x1234, 1);
	assert_int_equal(stele_tsig_verify_reply(&client, reply, &reply_len, NOW, &err),
			 STELE_E_INPUT);
	stele_tsig_end(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),  cmocka_unit_test(test_flips),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_place),  cmocka_unit_test(test_replay),
		cmocka_unit_test(test_stream),
	};
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	failed |= test_tsig_keys();
	return failed;
}
