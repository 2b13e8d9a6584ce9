/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: the file that they are in, what is wrong with it, and sets that threads share. */
#include "tests/unit/dns/tsig_case.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	assert_int_equal(write(fd, keys_text, strlen(keys_text)), strlen(keys_text));
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

int test_tsig_keys(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),       cmocka_unit_test(test_find),
		cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_permission),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
