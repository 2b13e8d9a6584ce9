/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/config/config_cases.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All of a file, with a NUL behind it. */
static char *read_file(const char *path, size_t *ret_sz)
{
	FILE *in = fopen(path, "rbe");
	char *text = calloc(1, 65536);
	if (in == NULL || text == NULL)
		fail_msg("%s cannot be read", path);
	*ret_sz = fread(text, 1, 65535, in);
	fclose(in);
	return text;
}

static void require_keys(const struct stele_config_option *options, const char *text)
{
	for (; options->name != NULL; options++) {
		char key[64];
		snprintf(key, sizeof(key), "%s:", options->name);
		if (strstr(text, key) == NULL)
			fail_msg("the example does not show '%s'", options->name);
		if (options->options != NULL)
			require_keys(options->options, text);
	}
}

char *config_cases_example(const char *path, const struct stele_config_option *options)
{
	size_t sz;
	char *text = read_file(path, &sz);
	require_keys(options, text);

	/* What is commented out has one word behind "# " and a colon. */
	char *to = text;
	bool changed = false;
	for (char *from = text; *from != 0;) {
		size_t indent = strspn(from, " ");
		const char *colon = strchr(from, ':');
		const char *end = from + strcspn(from, "\n");
		size_t word = strspn(from + indent + 2, "abcdefghijklmnopqrstuvwxyz_0123456789");
		if (strncmp(from + indent, "# ", 2) == 0 && word > 0 &&
		    colon == from + indent + 2 + word && colon[1] == ' ' && colon < end) {
			memset(to, ' ', indent);
			memmove(to + indent, from + indent + 2, (size_t)(end - from) - indent - 2);
			to += (end - from) - 2;
			changed = true;
		} else {
			memmove(to, from, (size_t)(end - from));
			to += end - from;
		}
		*to++ = '\n';
		from = (char *)end + (*end == '\n');
	}
	*to = 0;
	assert_true(changed && strlen(text) < sz);
	return text;
}

static void check_case(const char *dir, const char *name, const struct stele_config_schema *schema)
{
	static struct stele_config_faults faults;
	char path[8192];
	size_t sz, expected_sz;
	const char *dot = strrchr(name, '.');
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	char *text = read_file(path, &sz);
	snprintf(path, sizeof(path), "%s/%.*s.errors", dir, (int)(dot - name), name);
	char *expected = read_file(path, &expected_sz);

	struct stele_config *none;
	struct stele_error err;
	assert_int_equal(stele_config_parse(name, text, sz, schema, &none, &faults, &err),
			 STELE_E_INPUT);
	char *told = calloc(STELE_CONFIG_FAULTS_MAX + 1, sizeof(faults.items[0].text));
	assert_non_null(told);
	for (unsigned i = 0; i < faults.cnt; i++)
		sprintf(told + strlen(told), "%s\n", faults.items[i].text);
	if (faults.more_cnt > 0)
		sprintf(told + strlen(told), "and %u more\n", faults.more_cnt);
	assert_string_equal(told, expected);
	assert_int_equal(strncmp(err.text, told, strlen(err.text)), 0);
	free(told);
	free(expected);
	free(text);
}

unsigned config_cases_golden(const char *dir, const struct stele_config_schema *schema)
{
	struct dirent **entries;
	unsigned cnt = 0;
	int entry_cnt = scandir(dir, &entries, NULL, alphasort);
	assert_true(entry_cnt > 0);
	for (int i = 0; i < entry_cnt; i++) {
		const char *dot = strrchr(entries[i]->d_name, '.');
		if (dot != NULL && strcmp(dot, ".in") == 0) {
			check_case(dir, entries[i]->d_name, schema);
			cnt++;
		}
		free(entries[i]);
	}
	free(entries);
	return cnt;
}
