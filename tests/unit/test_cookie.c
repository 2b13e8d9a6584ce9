/* SPDX-License-Identifier: Apache-2.0 */
/* Server cookies against the test vectors of RFC 9018 appendix A, and when they expire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/work.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static void from_hex(const char *text, uint8_t *bytes)
{
	for (size_t i = 0; text[2 * i] != '\0'; i++) {
		char digits[] = {text[2 * i], text[2 * i + 1], '\0'}, *end;
		bytes[i] = (uint8_t)strtoul(digits, &end, 16);
		assert_ptr_equal(end, digits + 2);
	}
}

static struct stele_client client_of(const char *text)
{
	struct stele_client client = {.family = strchr(text, ':') != NULL ? 6 : 4};
	assert_int_equal(inet_pton(client.family == 6 ? AF_INET6 : AF_INET, text, client.addr), 1);
	return client;
}

static const struct vector {
	const char *secret, *address, *client_cookie, *server_cookie;
	uint32_t made; /* its timestamp */
	bool reserved_zero;
} vectors[] = {
	/* A.1 and A.2: a new cookie, and its renewal */
	{"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957",
	 "010000005cf79f111f8130c3eee29480", 0x5cf79f11, true},
	{"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957",
	 "010000005cf7a871d4a564a1442aca77", 0x5cf7a871, true},
	/* A.3: reserved bytes that are not zero count, but none are sent */
	{"e5e973e5a6b2a43f48e7dc849e37bfcf", "203.0.113.203", "fc93fc62807ddb86",
	 "01abcdef5cf78f71a314227b6679ebf5", 0x5cf78f71, false},
	{"e5e973e5a6b2a43f48e7dc849e37bfcf", "203.0.113.203", "fc93fc62807ddb86",
	 "010000005cf7a9acf73a7810aca2381e", 0x5cf7a9ac, true},
	/* A.4: IPv6, and a secret that is replaced */
	{"dd3bdf9344b678b185a6f5cb60fca715", "2001:db8:220:1:59de:d0f4:8769:82b8",
	 "22681ab97d52c298", "010000005cf7c57926556bd0934c72f8", 0x5cf7c579, true},
	{"445536bcd2513298075a5d379663c962", "2001:db8:220:1:59de:d0f4:8769:82b8",
	 "22681ab97d52c298", "010000005cf7c609a6bb79d16625507a", 0x5cf7c609, true},
};
#define VECTOR_CNT (sizeof(vectors) / sizeof(vectors[0]))

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTOR_CNT; i++) {
		const struct vector *v = &vectors[i];
		struct stele_client client = client_of(v->address);
		struct stele_answer_settings settings = {.cookies = true, .cookie_secret_cnt = 1};
		uint8_t client_cookie[8], expected[16], made[16];
		from_hex(v->secret, settings.cookie_secrets[0]);
		from_hex(v->client_cookie, client_cookie);
		from_hex(v->server_cookie, expected);
		stele_cookie_make(settings.cookie_secrets[0], client_cookie, v->made, &client,
				  made);
		assert_int_equal(memcmp(made, expected, 16) == 0, v->reserved_zero);
		assert_true(stele_cookie_check(&settings, client_cookie, expected, 16, v->made + 60,
					       &client));
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		uint32_t made;
		uint32_t now;
		enum stele_cookie_state state;
	} cases[] = {
		{1000000, 1000000, STELE_COOKIE_FRESH},
		{1000000, 1001800, STELE_COOKIE_FRESH},
		{1000000, 1001801, STELE_COOKIE_VALID},
		{1000000, 1003600, STELE_COOKIE_VALID},
		{1000000, 1003601, STELE_COOKIE_NONE},
		{1000000, 999700, STELE_COOKIE_FRESH},
		{1000000, 999699, STELE_COOKIE_NONE},
		{0xffffff00, 0x00000100, STELE_COOKIE_FRESH},
		{0x00000010, 0xfffffff0, STELE_COOKIE_FRESH},
		{0x80000000, 0, STELE_COOKIE_NONE},
		{0, 0x80000000, STELE_COOKIE_NONE},
	};
	struct stele_client client = client_of("192.0.2.1");
	struct stele_answer_settings settings = {.cookie_secret_cnt = 1};
	uint8_t client_cookie[8] = "abcdefg", made[16];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stele_cookie_make(settings.cookie_secrets[0], client_cookie, cases[i].made, &client,
				  made);
		assert_int_equal(stele_cookie_check(&settings, client_cookie, made, 16,
						    cases[i].now, &client),
				 cases[i].state);
	}
}

/* Nothing but the very same cookie of the very same client is accepted. */
static void test_forged(void **state)
{
	(void)state;
	struct stele_client client = client_of("2001:db8::1");
	struct stele_answer_settings settings = {
		.cookie_secrets = {"0123456789abcde", "fedcba987654321"},
		.cookie_secret_cnt = 2,
	};
	uint8_t client_cookie[8] = "abcdefg", made[16];
	for (unsigned secret = 0; secret < 2; secret++) {
		stele_cookie_make(settings.cookie_secrets[secret], client_cookie, 5000, &client,
				  made);
		assert_int_equal(stele_cookie_check(&settings, client_cookie, made, 16, 5000,
						    &client),
				 secret == 0 ? STELE_COOKIE_FRESH : STELE_COOKIE_VALID);
		for (unsigned bit = 0; bit < 128; bit++) {
			made[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(stele_cookie_check(&settings, client_cookie, made, 16, 5000,
							&client));
			made[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (unsigned bit = 0; bit < 64; bit++) {
			client_cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(stele_cookie_check(&settings, client_cookie, made, 16, 5000,
							&client));
			client_cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		struct stele_client other = client;
		other.addr[15] ^= 1;
		assert_false(stele_cookie_check(&settings, client_cookie, made, 16, 5000, &other));
		other = client;
		other.family = 4;
		assert_false(stele_cookie_check(&settings, client_cookie, made, 16, 5000, &other));
		assert_false(stele_cookie_check(&settings, client_cookie, made, 15, 5000, &client));
		assert_false(stele_cookie_check(&settings, client_cookie, made, 0, 5000, &client));
	}
	settings.cookie_secret_cnt = 1;
	assert_false(stele_cookie_check(&settings, client_cookie, made, 16, 5000, &client));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_forged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
