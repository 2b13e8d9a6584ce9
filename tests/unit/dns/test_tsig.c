/* SPDX-License-Identifier: Apache-2.0 */
/* Signed messages between a server and a client of our own: every way in which they can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "lib/tsig/tsig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW UINT64_C(1700000000)
#define SECRET "MDEyMzQ1Njc4OWFiY2RlZg=="

static struct stele_writer writer;
static struct stele_tsig_keys *keys;

/* One key of each algorithm; k2short asks for less, k2 for all. */
static const char keys_text[] =
	"keys:\n"
	"  - {id: k0, algorithm: hmac-sha1, secret: " SECRET "}\n"
	"  - {id: k1, algorithm: hmac-sha224, secret: " SECRET "}\n"
	"  - {id: K2.example., algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: k3, algorithm: hmac-sha256-128, secret: " SECRET "}\n"
	"  - {id: k4, algorithm: hmac-sha384, secret: " SECRET "}\n"
	"  - {id: k5, algorithm: hmac-sha384-192, secret: " SECRET "}\n"
	"  - {id: k6, algorithm: hmac-sha512, secret: " SECRET "}\n"
	"  - {id: k7, algorithm: hmac-sha512-256, secret: " SECRET "}\n"
	"  - {id: short, algorithm: hmac-sha256, secret: " SECRET ", mac_size: 16}\n";

/* The same ids; other secrets, algorithms or sizes. */
static const char other_text[] =
	"keys:\n"
	"  - {id: k0, algorithm: hmac-sha1, secret: AAAAAAAAAAAAAAAAAAAAAA==}\n"
	"  - {id: k1, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: stranger, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: short, algorithm: hmac-sha256, secret: " SECRET "}\n"
	"  - {id: k2.example, algorithm: hmac-sha256, secret: " SECRET ", mac_size: 16}\n";

static struct stele_tsig_keys *load(const char *text)
{
	struct stele_tsig_keys *loaded;
	struct stele_error err;
	if (stele_tsig_keys_parse("keys.yaml", text, strlen(text), &loaded, &err) != 0)
		fail_msg("%s", err.text);
	return loaded;
}

static int set_up(void **state)
{
	(void)state;
	keys = load(keys_text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stele_tsig_keys_unref(keys);
	return 0;
}

static const struct stele_tsig_key *key_named(const struct stele_tsig_keys *set, const char *id)
{
	const struct stele_tsig_key *key = stele_tsig_keys_find_text(set, id);
	assert_non_null(key);
	return key;
}

/* A message with a record in the additional section; a request or a reply is the same to TSIG. */
static size_t make_message(uint8_t *msg, size_t max, uint16_t id, unsigned no)
{
	uint8_t name[STELE_NAME_MAX], address[4];
	int len = stele_name_from_text("www.example.test", 16, name);
	stele_put_be32(address, no);
	stele_writer_init(&writer, msg, max);
	stele_writer_begin(&writer, id, STELE_FLAG_AA);
	stele_writer_question(&writer, name, (size_t)len, STELE_TYPE_A, STELE_CLASS_IN);
	stele_writer_record(&writer, STELE_RR_ADDITIONAL, name, (size_t)len, STELE_TYPE_A,
			    STELE_CLASS_IN, 300, address, 4);
	return stele_writer_end(&writer);
}

/* A message of ours, signed by a client. */
static size_t make_request(const struct stele_tsig_key *key, uint8_t *msg, size_t max, uint64_t now,
			   struct stele_tsig *client)
{
	size_t len = make_message(msg, max, 0x1234, 1);
	assert_int_equal(stele_tsig_sign_request(key, msg, &len, max, now, client), 0);
	return len;
}

static const char *const ids[] = {"k0", "k1", "k2.example", "k3", "k4", "k5", "k6", "k7", "short"};
#define ID_CNT (sizeof(ids) / sizeof(ids[0]))

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

/* ---- keys ---- */

static void test_find(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX];
	size_t len;
	const struct stele_tsig_key *key = key_named(keys, "k2.EXAMPLE.");
	/* What a signature with it says. */
	uint8_t msg[512];
	struct stele_tsig client;
	size_t msg_len = make_request(key, msg, sizeof(msg), NOW, &client);
	assert_non_null(memmem(msg, msg_len, "\13hmac-sha256", 13));
	stele_tsig_end(&client);
	assert_memory_equal(stele_tsig_key_name(key, &len), "\2k2\7example", 12);
	assert_int_equal(len, 12);
	len = (size_t)stele_name_from_text("K2.Example", 10, name);
	assert_ptr_equal(stele_tsig_keys_find(keys, name, len), key);
	assert_null(stele_tsig_keys_find_text(keys, "k2"));
	assert_null(stele_tsig_keys_find_text(keys, ".."));
	assert_null(stele_tsig_keys_find_text(keys, "."));
	assert_null(stele_tsig_keys_find(NULL, name, len));
	assert_ptr_equal(stele_tsig_keys_ref(keys), keys);
	stele_tsig_keys_unref(keys);
	assert_null(stele_tsig_keys_ref(NULL));
	stele_tsig_keys_unref(NULL);
	struct stele_tsig_keys *none = load("keys: []");
	assert_null(stele_tsig_keys_find_text(none, "k0"));
	stele_tsig_keys_unref(none);
}

#define KEY(id, algorithm, secret)                                                                 \
	"keys:\n- {id: " id ", algorithm: " algorithm ", secret: " secret "}\n"

static void test_wrong_files(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "'f':1:1: "},
		{"keys: topsecret", "'f':1:7: keys is not what belongs here (expected a list of"},
		{"topsecret", "'f':1:1: the file is not what belongs here (expected a map"},
		{KEY("a..b", "hmac-sha256", SECRET),
		 "'f':2:8: id is no domain name (expected such as transfer.example.)"},
		{KEY("a", "topsecret", SECRET),
		 "'f':2:22: algorithm is not what belongs here (expected one of: hmac-sha1,"},
		{KEY("a", "hmac-md5", SECRET), "'f':2:22: "},
		{KEY("a", "hmac-sha256", "topsecret"), "'f':2:43: secret is no base64"},
		{KEY("a", "hmac-sha256", "topsecret!=="), "'f':2:43: secret is no base64"},
		{KEY("a", "hmac-sha256", "topsecre=AAA"), "'f':2:43: secret is no base64"},
		{KEY("a", "hmac-sha256", "topsecretB=="), "'f':2:43: secret is no base64"},
		{KEY("a", "hmac-sha256", "topsecre"), "'f':2:43: secret has a wrong length"},
		{KEY("a", "hmac-sha256", SECRET ", topsecret: 1"),
		 "'f':2:69: unknown key not what belongs here"},
		{KEY("a", "hmac-sha256", SECRET ", mac_size: topsecret"), "'f':2:"},
		{KEY("a", "hmac-sha256", SECRET ", mac_size: 15"),
		 "'f':2:79: mac_size is 15 (expected 16 to 32 with hmac-sha256)"},
		{KEY("a", "hmac-sha256", SECRET ", mac_size: 33"), "'f':2:79: mac_size is 33"},
		{KEY("a", "hmac-sha1", SECRET ", mac_size: 9"), "'f':2:"},
		{KEY("a", "hmac-sha1", SECRET) "- {id: A., algorithm: hmac-sha1, secret: " SECRET
					       "}\n",
		 "'f':3:8: id is that of another key (expected a new one; see line 2)"},
		{"keys: [{id: a, secret: topsecret, secret: topsecret}]", "'f':1:"},
		{"keys: [{id: a, secret: 'topsecret]", "'f':1:"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stele_tsig_keys *loaded = NULL;
		struct stele_error err;
		assert_int_equal(stele_tsig_keys_parse("'f'", cases[i].text, strlen(cases[i].text),
						       &loaded, &err),
				 STELE_E_INPUT);
		if (strncmp(err.text, cases[i].message, strlen(cases[i].message)) != 0 ||
		    strstr(err.text, "topsecr") != NULL || strstr(err.text, SECRET) != NULL)
			fail_msg("case %zu: %s", i, err.text);
		assert_null(loaded);
	}
}

static void test_permission(void **state)
{
	(void)state;
	char path[] = "/tmp/stele-tsig-XXXXXX";
	struct stele_tsig_keys *loaded = NULL;
	struct stele_error err;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, keys_text, sizeof(keys_text) - 1), sizeof(keys_text) - 1);
	static const struct {
		mode_t mode;
		int status;
	} cases[] = {
		{0600, 0},
		{0400, 0},
		{0640, STELE_E_INPUT},
		{0604, STELE_E_INPUT},
		{0620, STELE_E_INPUT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(fchmod(fd, cases[i].mode), 0);
		assert_int_equal(stele_tsig_keys_load(path, &loaded, &err), cases[i].status);
		if (cases[i].status == 0) {
			for (size_t k = 0; k < ID_CNT; k++)
				key_named(loaded, ids[k]);
			stele_tsig_keys_unref(loaded);
		} else {
			assert_non_null(strstr(err.text, "lets others in"));
		}
	}
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(stele_tsig_keys_load(path, &loaded, &err), STELE_E_INPUT);
	assert_int_equal(stele_tsig_keys_load("/tmp", &loaded, &err), STELE_E_INPUT);
	assert_int_equal(stele_tsig_keys_load("/dev/null", &loaded, &err), STELE_E_INPUT);
}

/* Threads share a set, and the last of them frees it. */
static void *exchange(void *arg)
{
	struct stele_tsig_keys *mine = arg;
	const struct stele_tsig_key *key = stele_tsig_keys_find_text(mine, "k4");
	uintptr_t good_cnt = 0;
	for (unsigned i = 0; key != NULL && i < 200; i++) {
		struct stele_tsig client, server;
		/* A bare header will do. */
		uint8_t msg[512] = {0};
		size_t len = STELE_HEADER_SZ;
		if (stele_tsig_sign_request(key, msg, &len, sizeof(msg), NOW + i, &client) == 0 &&
		    stele_tsig_verify_request(mine, msg, &len, NOW + i, &server) == 1 &&
		    stele_tsig_sign_reply(&server, msg, &len, sizeof(msg), NOW + i) == 0 &&
		    stele_tsig_verify_reply(&client, msg, &len, NOW + i, NULL) == 1)
			good_cnt++;
		stele_tsig_end(&client);
		stele_tsig_end(&server);
	}
	stele_tsig_keys_unref(mine);
	return (void *)good_cnt;
}

static void test_threads(void **state)
{
	(void)state;
	struct stele_tsig_keys *shared = load(keys_text);
	pthread_t threads[4];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exchange,
						stele_tsig_keys_ref(shared)),
				 0);
	stele_tsig_keys_unref(shared);
	for (unsigned i = 0; i < 4; i++) {
		void *good_cnt;
		assert_int_equal(pthread_join(threads[i], &good_cnt), 0);
		assert_int_equal((uintptr_t)good_cnt, 200);
	}
}

static void test_table(void **state)
{
	(void)state;
	struct stele_error err;
	if (stele_config_check_schema(&stele_tsig_keys_schema, &err) != 0)
		fail_msg("%s", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),       cmocka_unit_test(test_find),
		cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_round),
		cmocka_unit_test(test_flips),       cmocka_unit_test(test_errors),
		cmocka_unit_test(test_truncation),  cmocka_unit_test(test_place),
		cmocka_unit_test(test_permission),  cmocka_unit_test(test_threads),
		cmocka_unit_test(test_replay),      cmocka_unit_test(test_stream),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
