/* SPDX-License-Identifier: Apache-2.0 */
/* The file of cookie secrets: its lines, and who may read it. */
#include "tests/unit/config/config_table.h"

#include "lib/config/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "00112233445566778899aAbBcCdDeEfF"
#define TWO "ffeeddccbbaa99887766554433221100"

static void refuse_secrets(const char *text, const char *expected)
{
	struct stele_error err = {""};
	struct stele_secrets secrets = {.cnt = 77};
	assert_int_equal(stele_secrets_parse("s", text, strlen(text), &secrets, &err),
			 STELE_E_INPUT);
	assert_string_equal(err.text, expected);
	assert_int_equal(secrets.cnt, 77);
}

static void test_secrets(void **state)
{
	(void)state;
	static const uint8_t one[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct stele_error err;
	struct stele_secrets secrets;
	const char *text = "# now\n" ONE "\n\n  # next\n \t" TWO " \r\n";
	assert_int_equal(stele_secrets_parse("s", text, strlen(text), &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 2);
	assert_memory_equal(secrets.secrets[0], one, 16);
	assert_int_equal(secrets.secrets[1][0], 0xff);
	assert_int_equal(stele_secrets_parse("s", ONE, strlen(ONE), &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 1);
	assert_memory_equal(secrets.secrets[0], one, 16);
	stele_secrets_wipe(&secrets);
	assert_int_equal(secrets.cnt, 0);
	assert_int_equal(secrets.secrets[0][1], 0);

	refuse_secrets("", "s:1:1: no secret (expected a line of 32 hexadecimal digits)");
	refuse_secrets("# none\n", "s:1:1: no secret (expected a line of 32 hexadecimal digits)");
	refuse_secrets("\n " ONE "0\n",
		       "s:2:34: more than a secret (expected 32 hexadecimal digits)");
	refuse_secrets("0011\n", "s:1:5: too few digits (expected 32 hexadecimal digits)");
	refuse_secrets("00x1\n", "s:1:3: not a hexadecimal digit (expected 32 hexadecimal digits)");
	refuse_secrets(ONE " " TWO "\n",
		       "s:1:33: more than a secret (expected 32 hexadecimal digits)");
	refuse_secrets(ONE "\n" TWO "\n" ONE "\n",
		       "s:3:1: one secret too many (expected at most 2)");
	refuse_secrets(ONE "\n" ONE "\n",
		       "s:2:1: the first secret once more (expected another one)");
}

static void test_secret_files(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-secrets-XXXXXX";
	char path[64], expected[256];
	struct stele_error err;
	struct stele_secrets secrets = {.cnt = 77};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);

	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
	assert_string_equal(err.text, expected);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: not a regular file (expected one)", path);
	assert_string_equal(err.text, expected);
	unlink(path);

	FILE *out = fopen(path, "we");
	assert_non_null(out);
	fputs(ONE "\n", out);
	fclose(out);
	static const mode_t open_modes[] = {0640, 0604, 0620, 0610, 0644};
	for (unsigned i = 0; i < 5; i++) {
		chmod(path, open_modes[i]);
		assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
		snprintf(expected, sizeof(expected),
			 "%s: mode %04o lets others in (expected 0600: its owner only)", path,
			 open_modes[i]);
		assert_string_equal(err.text, expected);
	}
	assert_int_equal(secrets.cnt, 77);
	chmod(path, 0600);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), 0);
	assert_int_equal(secrets.cnt, 1);

	out = fopen(path, "we");
	assert_non_null(out);
	for (unsigned i = 0; i < 5000; i++)
		fputc('#', out);
	fclose(out);
	assert_int_equal(stele_secrets_load(path, &secrets, &err), STELE_E_INPUT);
	snprintf(expected, sizeof(expected), "%s: too large (expected at most 4096 bytes)", path);
	assert_string_equal(err.text, expected);
	unlink(path);
	rmdir(dir);

	/* It has another size than it says, as one has that somebody writes to meanwhile. */
	assert_int_equal(stele_secrets_load("/proc/self/auxv", &secrets, &err), STELE_E_SYSTEM);
	assert_string_equal(err.text, "/proc/self/auxv: changed while it was read");
}

int test_config_secrets(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_secret_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
