/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server cookies against the test vectors of RFC 9018 appendix A, when they expire, and what becomes of those that
 * clients bring: with the code for any processor and with that for this one. OpenSSL has a SipHash too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/cookie.h"

#include "lib/base/cpu.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
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

/* ---- a batch ---- */

static struct stele_answer_settings settings;
static struct stele_answerer shared;
static struct work *works[STELE_BATCH_MAX];
static struct stele_query queries[STELE_BATCH_MAX];
static struct stele_reply replies[STELE_BATCH_MAX];
static uint8_t options[STELE_BATCH_MAX][COOKIE_OPTION_SZ]; /* of the replies */

typedef void (*macs_function)(struct work *const *works, unsigned cnt, uint64_t *ret_macs);

static macs_function functions[] = {
	stele_cookie_macs_portable,
#if defined(__x86_64__)
	stele_cookie_macs_avx2,
	stele_cookie_macs_avx512,
#endif
};

static unsigned function_cnt(void)
{
	return stele_cpu_has_avx512() ? 3 : stele_cpu_has_avx2() ? 2 : 1;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STELE_BATCH_MAX; i++) {
		works[i] = malloc(sizeof(*works[i]));
		if (works[i] == NULL)
			return 1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STELE_BATCH_MAX; i++)
		free(works[i]);
	return 0;
}

static void begin(uint32_t now)
{
	memset(&settings, 0, sizeof(settings));
	settings.cookies = true;
	settings.cookie_secret_cnt = 1;
	shared = (struct stele_answerer){
		.settings = &settings,
		.now = now,
		.cookie_macs = functions[0],
	};
}

/* A query whose reply stands but for the server cookie. */
static void bring(unsigned i, const struct stele_client *client, const uint8_t client_cookie[8],
		  const uint8_t *server_cookie, size_t server_len)
{
	struct work *w = works[i];
	uint8_t data[COOKIE_CLIENT_SZ + 32];
	memset(w, 0xa5, sizeof(*w));
	memset(options[i], 0xa5, sizeof(options[i]));
	queries[i] = (struct stele_query){.client = *client};
	replies[i] = (struct stele_reply){.verdict = STELE_VERDICT_REPLY};
	w->shared = &shared;
	w->query = &queries[i];
	w->reply = &replies[i];
	w->edns = (struct edns){.present = true};
	memcpy(data, client_cookie, COOKIE_CLIENT_SZ);
	if (server_len > 0)
		memcpy(data + COOKIE_CLIENT_SZ, server_cookie, server_len);
	stele_cookie_begin(&shared);
	stele_cookie_read(w, data, server_len);
	if (w->edns.cookie != COOKIE_NONE)
		assert_ptr_equal(stele_cookie_put_option(w, options[i]), options[i + 1]);
}

/* What a cookie that came is worth. */
enum worth { NONE, VALID, FRESH };

static enum worth worth_of(unsigned i, const uint8_t server_cookie[16])
{
	bool back = memcmp(options[i] + 12, server_cookie, 16) == 0;
	assert_int_not_equal(replies[i].cookie_valid, replies[i].cookie_invalid);
	assert_true(!back || replies[i].cookie_valid);
	return replies[i].cookie_valid ? (back ? FRESH : VALID) : NONE;
}

static enum worth ask(const struct stele_client *client, const uint8_t client_cookie[8],
		      const uint8_t *server_cookie, size_t server_len, uint32_t now)
{
	struct work *list[COOKIE_LANES];
	shared.now = now;
	bring(0, client, client_cookie, server_cookie, server_len);
	list[0] = works[0];
	stele_cookie_settle(list, 1);
	uint8_t compared[16] = {0};
	if (server_len > 0)
		memcpy(compared, server_cookie, server_len < 16 ? server_len : 16);
	return worth_of(0, compared);
}

/* A new one. */
static void make(const struct stele_client *client, const uint8_t client_cookie[8], uint32_t now,
		 uint8_t server_cookie[16])
{
	struct work *list[COOKIE_LANES];
	shared.now = now;
	bring(0, client, client_cookie, NULL, 0);
	list[0] = works[0];
	stele_cookie_settle(list, 1);
	assert_false(replies[0].cookie_valid || replies[0].cookie_invalid);
	assert_memory_equal(options[0], "\0\12\0\30", 4);
	assert_memory_equal(options[0] + 4, client_cookie, 8);
	memcpy(server_cookie, options[0] + 12, 16);
}

/* ---- tests ---- */

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < function_cnt() * VECTOR_CNT; i++) {
		const struct vector *v = &vectors[i % VECTOR_CNT];
		struct stele_client client = client_of(v->address);
		uint8_t client_cookie[8], expected[16], made[16];
		begin(0);
		shared.cookie_macs = functions[i / VECTOR_CNT];
		from_hex(v->secret, settings.cookie_secrets[0]);
		from_hex(v->client_cookie, client_cookie);
		from_hex(v->server_cookie, expected);
		make(&client, client_cookie, v->made, made);
		assert_int_equal(memcmp(made, expected, 16) == 0, v->reserved_zero);
		assert_int_equal(ask(&client, client_cookie, expected, 16, v->made + 60), FRESH);
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		uint32_t made;
		uint32_t now;
		enum worth worth;
	} cases[] = {
		{1000000, 1000000, FRESH},       {1000000, 1001800, FRESH},
		{1000000, 1001801, VALID},       {1000000, 1003600, VALID},
		{1000000, 1003601, NONE},        {1000000, 999700, FRESH},
		{1000000, 999699, NONE},         {0xffffff00, 0x00000100, FRESH},
		{0x00000010, 0xfffffff0, FRESH}, {0x80000000, 0, NONE},
		{0, 0x80000000, NONE},
	};
	struct stele_client client = client_of("192.0.2.1");
	uint8_t client_cookie[8] = "abcdefg", made[16];
	begin(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(&client, client_cookie, cases[i].made, made);
		assert_int_equal(ask(&client, client_cookie, made, 16, cases[i].now),
				 cases[i].worth);
	}
}

/* Nothing but the very same cookie of the very same client is accepted. */
static void test_forged(void **state)
{
	(void)state;
	struct stele_client client = client_of("2001:db8::1");
	static const uint8_t secrets[2][16] = {"0123456789abcde", "fedcba987654321"};
	uint8_t client_cookie[8] = "abcdefg", made[16];
	begin(5000);
	for (unsigned secret = 0; secret < 2; secret++) {
		memcpy(settings.cookie_secrets[0], secrets[secret], 16);
		make(&client, client_cookie, 5000, made);
		memcpy(settings.cookie_secrets, secrets, sizeof(secrets));
		settings.cookie_secret_cnt = 2;
		assert_int_equal(ask(&client, client_cookie, made, 16, 5000),
				 secret == 0 ? FRESH : VALID);
		for (unsigned bit = 0; bit < 128; bit++) {
			made[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(ask(&client, client_cookie, made, 16, 5000), NONE);
			made[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (unsigned bit = 0; bit < 64; bit++) {
			client_cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(ask(&client, client_cookie, made, 16, 5000), NONE);
			client_cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		struct stele_client other = client;
		other.addr[15] ^= 1;
		assert_int_equal(ask(&other, client_cookie, made, 16, 5000), NONE);
		other = client;
		other.family = 4;
		assert_int_equal(ask(&other, client_cookie, made, 16, 5000), NONE);
		assert_int_equal(ask(&client, client_cookie, made, 15, 5000), NONE);
		assert_int_equal(ask(&client, client_cookie, made, 8, 5000), NONE);
	}
	settings.cookie_secret_cnt = 1;
	assert_int_equal(ask(&client, client_cookie, made, 16, 5000), NONE);
}

/* No cookie is put aside, and the reply has no room for one. */
static void test_off(void **state)
{
	(void)state;
	struct stele_client client = client_of("192.0.2.1"), unknown = {0};
	uint8_t client_cookie[8] = "abcdefg";
	begin(5000);
	bring(0, &unknown, client_cookie, NULL, 0);
	assert_int_equal(works[0]->edns.cookie, COOKIE_NONE);
	settings.cookies = false;
	bring(0, &client, client_cookie, NULL, 0);
	assert_int_equal(works[0]->edns.cookie, COOKIE_NONE);
	settings.cookies = true;
	settings.cookie_secret_cnt = 0;
	bring(0, &client, client_cookie, NULL, 0);
	assert_int_equal(works[0]->edns.cookie, COOKIE_NONE);
}

/* ---- many at once ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void random_bytes(void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)(random_word() >> 32);
}

static struct stele_client random_client(uint8_t family)
{
	struct stele_client client = {.family = family};
	/* What is behind an IPv4 address must not count. */
	random_bytes(client.addr, sizeof(client.addr));
	return client;
}

/* What RFC 9018 section 4.4 says, by somebody else. */
static void reference_mac(const uint8_t secret[16], const uint8_t client_cookie[8],
			  const uint8_t head[8], const struct stele_client *client, uint8_t mac[8])
{
	unsigned size = 8;
	size_t len = 0;
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
				     OSSL_PARAM_construct_end()};
	EVP_MAC *algorithm = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_SIPHASH, NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);
	assert_int_equal(EVP_MAC_init(context, secret, 16, params), 1);
	assert_int_equal(EVP_MAC_update(context, client_cookie, 8), 1);
	assert_int_equal(EVP_MAC_update(context, head, 8), 1);
	assert_int_equal(EVP_MAC_update(context, client->addr, client->family == 6 ? 16 : 4), 1);
	assert_int_equal(EVP_MAC_final(context, mac, &len, 8), 1);
	assert_int_equal(len, 8);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(algorithm);
}

static void test_macs(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		uint8_t family = round % 2 ? 6 : 4, head[8], expected[8];
		unsigned cnt = COOKIE_LANES * (1 + round / 2 % (STELE_BATCH_MAX / COOKIE_LANES));
		begin(0);
		random_bytes(settings.cookie_secrets[0], 16);
		for (unsigned i = 0; i < cnt; i++) {
			struct stele_client client = random_client(family);
			uint64_t client_cookie = random_word();
			bring(i, &client, (const uint8_t *)&client_cookie, NULL, 0);
			works[i]->cookie.head = random_word();
		}
		for (unsigned k = 0; k < function_cnt(); k++) {
			uint64_t macs[STELE_BATCH_MAX];
			functions[k](works, cnt, macs);
			for (unsigned i = 0; i < cnt; i++) {
				const struct cookie *cookie = &works[i]->cookie;
				const struct stele_client *client = &queries[i].client;
				uint8_t client_cookie[8];
				stele_put_le64(client_cookie, cookie->client);
				stele_put_le64(head, cookie->head);
				reference_mac(settings.cookie_secrets[0], client_cookie, head,
					      client, expected);
				assert_true(macs[i] == stele_get_le64(expected));
				assert_true(stele_cookie_mac(settings.cookie_secrets[0],
							     cookie->client, cookie->head,
							     client) == macs[i]);
			}
		}
	}
}

/* What a client may bring, and what has to come back. */
struct brought {
	struct stele_client client;
	uint8_t client_cookie[8], server_cookie[32], expected[16];
	size_t server_len;
	bool valid, drops;
};

static void put_cookie(const struct brought *b, const uint8_t secret[16], uint32_t made,
		       uint8_t cookie[16])
{
	memset(cookie, 0, 4);
	cookie[0] = 1;
	stele_put_be32(cookie + 4, made);
	reference_mac(secret, b->client_cookie, cookie, &b->client, cookie + 8);
}

static struct brought random_brought(uint8_t family, uint32_t now)
{
	struct brought b = {.client = random_client(family), .drops = random_word() % 8 == 0};
	uint32_t age = (uint32_t)(random_word() % 4400);
	unsigned secret = (unsigned)(random_word() % 3); /* the third is nobody's */
	static const uint8_t other[16] = "another";
	random_bytes(b.client_cookie, 8);
	put_cookie(&b, settings.cookie_secrets[0], now, b.expected);
	unsigned kind = random_word() % 4;
	if (kind == 0)
		return b;
	b.server_len = 16;
	age -= 400;
	put_cookie(&b, secret < 2 ? settings.cookie_secrets[secret] : other, now - age,
		   b.server_cookie);
	if (kind == 1) {
		b.server_len = 8 + random_word() % 25;
		random_bytes(b.server_cookie + 16, 16);
	}
	bool in_time = (int32_t)age <= 3600 && (int32_t)age >= -300;
	b.valid = in_time && b.server_len == 16 && secret < settings.cookie_secret_cnt;
	if (b.valid && secret == 0 && (int32_t)age <= 1800)
		memcpy(b.expected, b.server_cookie, 16);
	return b;
}

static void test_batches(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20 * STELE_BATCH_MAX; round++) {
		unsigned cnt = 1 + round % STELE_BATCH_MAX;
		uint8_t family = round % 3 ? 4 : 6;
		uint32_t now = (uint32_t)random_word();
		struct work *list[STELE_BATCH_MAX];
		struct brought brought[STELE_BATCH_MAX];
		struct stele_cookie_counts counts = {0, 0};
		begin(now);
		random_bytes(settings.cookie_secrets, sizeof(settings.cookie_secrets));
		settings.cookie_secret_cnt = 1 + round / 64 % 2;
		shared.cookie_macs = functions[round / STELE_BATCH_MAX % function_cnt()];
		for (unsigned i = 0; i < cnt; i++) {
			brought[i] = random_brought(family, now);
			const struct brought *b = &brought[i];
			bring(i, &b->client, b->client_cookie, b->server_cookie, b->server_len);
			if (b->drops) {
				replies[i].verdict = STELE_VERDICT_DROP;
				works[i]->cookie.at = NULL;
			}
			list[i] = works[i];
		}
		stele_cookie_settle(list, cnt);
		for (unsigned i = 0; i < cnt; i++) {
			counts.valid -= replies[i].cookie_valid;
			counts.invalid -= replies[i].cookie_invalid;
		}
		counts.valid += shared.cookie_counts.valid;
		counts.invalid += shared.cookie_counts.invalid;
		assert_true(counts.valid == 0 && counts.invalid == 0);
		for (unsigned i = 0; i < cnt; i++) {
			const struct brought *b = &brought[i];
			assert_int_equal(replies[i].cookie_valid, b->valid && !b->drops);
			assert_int_equal(replies[i].cookie_invalid,
					 !b->valid && b->server_len > 0 && !b->drops);
			if (!b->drops)
				assert_memory_equal(options[i] + 12, b->expected, 16);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_time),
		cmocka_unit_test(test_forged),  cmocka_unit_test(test_off),
		cmocka_unit_test(test_macs),    cmocka_unit_test(test_batches),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
