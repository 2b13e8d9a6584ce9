/* SPDX-License-Identifier: Apache-2.0 */
/* Logs: text and JSON, hostile values, the journal's severities, lines of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/daemon/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int real_stderr, file;
static char written[1 << 20];

static void begin(enum stele_log_level level, bool json)
{
	fflush(stderr);
	assert_int_equal(ftruncate(file, 0), 0);
	lseek(file, 0, SEEK_SET);
	dup2(file, STDERR_FILENO);
	stele_log_open("stele-test", level, json);
}

static const char *end(void)
{
	dup2(real_stderr, STDERR_FILENO);
	ssize_t len = pread(file, written, sizeof(written) - 1, 0);
	assert_true(len >= 0);
	written[len] = '\0';
	return written;
}

static void test_text(void **state)
{
	(void)state;
	begin(STELE_LOG_INFO, false);
	stele_log(STELE_LOG_INFO, "serves %d zones", 3);
	stele_log(STELE_LOG_DEBUG, "left out");
	stele_log_event(STELE_LOG_NOTICE, "refreshed", STELE_LOG_ZONE("example.org."),
			STELE_LOG_SERIAL(4294967295u), STELE_LOG_PEER("192.0.2.1#53"),
			STELE_LOG_KEY(NULL), STELE_LOG_REASON("no route to host"));
	stele_log_event(STELE_LOG_DEBUG, "left-out", STELE_LOG_SERIAL(1));
	stele_log_fields(STELE_LOG_WARNING, "alone", &(const struct stele_log_field){.key = NULL});
	assert_string_equal(end(), "stele-test: serves 3 zones\n"
				   "stele-test: refreshed zone=example.org. serial=4294967295 "
				   "peer=192.0.2.1#53 error=\"no route to host\"\n"
				   "stele-test: alone\n");
}

/* Nothing from outside makes a line or a field. */
static void test_hostile_text(void **state)
{
	(void)state;
	begin(STELE_LOG_INFO, false);
	stele_log(STELE_LOG_INFO, "%s", "a\nstele-test: forged\x1b[2J");
	stele_log_event(STELE_LOG_INFO, "e", STELE_LOG_TEXT("a", ""),
			STELE_LOG_TEXT("b", "x zone=evil."), STELE_LOG_TEXT("c", "x\" d=1"),
			STELE_LOG_TEXT("e", "back\\slash\n\x7f"), STELE_LOG_TEXT("f", "a=b"),
			STELE_LOG_TEXT("g", "\x9b\xc2\x9b\xc3\xa9"));
	stele_log(STELE_LOG_INFO, "%s", "\x9b[2J\xc2\x9b[2J\xc3\xa9");
	assert_string_equal(end(),
			    "stele-test: a\\nstele-test: forged\\x1b[2J\n"
			    "stele-test: e a=\"\" b=\"x zone=evil.\" c=\"x\\\" d=1\" "
			    "e=\"back\\\\slash\\n\\x7f\" f=\"a=b\" g=\"\\x9b\\xc2\\x9b\xc3\xa9\"\n"
			    "stele-test: \\x9b[2J\\xc2\\x9b[2J\xc3\xa9\n");
}

static void test_long(void **state)
{
	(void)state;
	char *text = malloc(20001);
	memset(text, 'x', 20000);
	text[20000] = '\0';
	begin(STELE_LOG_INFO, false);
	stele_log(STELE_LOG_INFO, "%s", text);
	stele_log_event(STELE_LOG_INFO, "long", STELE_LOG_REASON(text));
	stele_log(STELE_LOG_INFO, "after");
	const char *out = end();
	const char *second = strchr(out, '\n') + 1;
	assert_int_equal(second - out, (ptrdiff_t)strlen("stele-test: ") + 4095 + 1);
	const char *third = strchr(second, '\n') + 1;
	assert_int_equal(third - second, 8192);
	assert_string_equal(third, "stele-test: after\n");
	free(text);
}

static void fail_often(unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		stele_log_some(STELE_LOG_ERROR, "store-failed", STELE_LOG_REASON("disk full"));
}

/* What comes again and again does not fill the log. */
static void test_limit(void **state)
{
	(void)state;
	begin(STELE_LOG_INFO, false);
	fail_often(100);
	unsigned cnt = 0;
	for (const char *at = end(); (at = strchr(at, '\n')) != NULL; at++)
		cnt++;
	/* Twice as many where a minute ends meanwhile. */
	assert_in_range(cnt, STELE_LOG_A_MINUTE, 2 * STELE_LOG_A_MINUTE);

	struct stele_log_limit limit = {.minute = -1, .left_out_cnt = 95};
	const struct stele_log_field fields[] = {STELE_LOG_SERIAL(7), {.key = NULL}};
	begin(STELE_LOG_INFO, false);
	stele_log_limited(&limit, STELE_LOG_DEBUG, "left-out", fields);
	stele_log_limited(&limit, STELE_LOG_INFO, "again", fields);
	stele_log_limited(&limit, STELE_LOG_INFO, "again", fields);
	assert_string_equal(end(), "stele-test: again serial=7 left_out=95\n"
				   "stele-test: again serial=7\n");
}

static json_t *parse(const char *line)
{
	json_error_t error;
	json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %s", error.text, line);
	return object;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_json(void **state)
{
	(void)state;
	begin(STELE_LOG_INFO, true);
	stele_log_event(STELE_LOG_ERROR, "failed", STELE_LOG_ZONE("example.org."),
			STELE_LOG_SERIAL(7), STELE_LOG_REASON("a\n\"\\ \x01 line"));
	stele_log(STELE_LOG_INFO, "not UTF-8: %s", "\xff\xfe.\xc3\xa9");
	const char *out = end();
	json_t *first = parse(out);
	assert_string_equal(text_of(first, "level"), "error");
	assert_string_equal(text_of(first, "program"), "stele-test");
	assert_string_equal(text_of(first, "event"), "failed");
	assert_string_equal(text_of(first, "zone"), "example.org.");
	assert_int_equal(json_integer_value(json_object_get(first, "serial")), 7);
	assert_string_equal(text_of(first, "error"), "a\n\"\\ \x01 line");
	assert_int_equal(strlen(text_of(first, "time")), strlen("2026-01-01T00:00:00.000000Z"));
	json_t *second = parse(strchr(out, '\n') + 1);
	assert_string_equal(text_of(second, "event"), "message");
	assert_string_equal(text_of(second, "text"), "not UTF-8: \\xff\\xfe.\xc3\xa9");
	assert_string_equal(strchr(strchr(out, '\n') + 1, '\n'), "\n");
	json_decref(first);
	json_decref(second);
}

static void test_audit(void **state)
{
	(void)state;
	struct stele_log_audit audit = {.what = "update",
					.zone = "example.org.",
					.peer = "192.0.2.1#4000",
					.key = "acme.",
					.has_from = true,
					.has_to = true,
					.from_serial = 1,
					.to_serial = 2};
	struct stele_log_audit fresh = {.what = "transfer", .zone = "new.", .has_to = true};
	begin(STELE_LOG_ERROR, false); /* told all the same */
	stele_log_audit(&audit);
	stele_log_audit(&fresh);
	assert_string_equal(end(), "stele-test: audit what=update zone=example.org. "
				   "peer=192.0.2.1#4000 key=acme. from_serial=1 to_serial=2\n"
				   "stele-test: audit what=transfer zone=new. to_serial=0\n");
	begin(STELE_LOG_DEBUG, false);
	stele_log_set_audit(false);
	stele_log_audit(&audit);
	stele_log_set_audit(true);
	stele_log_audit(&fresh);
	assert_string_equal(end(), "stele-test: audit what=transfer zone=new. to_serial=0\n");
}

/* Severities are for the journal's own file only. */
static void test_journal(void **state)
{
	(void)state;
	char stream[64];
	struct stat st;
	fstat(file, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	begin(STELE_LOG_INFO, false);
	stele_log(STELE_LOG_WARNING, "text");
	assert_string_equal(end(), "<4>text\n");
	begin(STELE_LOG_INFO, true);
	stele_log(STELE_LOG_ERROR, "text");
	assert_memory_equal(end(), "<3>{", 4);
	setenv("JOURNAL_STREAM", "1:1", 1);
	begin(STELE_LOG_INFO, false);
	stele_log(STELE_LOG_WARNING, "text");
	assert_string_equal(end(), "stele-test: text\n");
	unsetenv("JOURNAL_STREAM");
}

#define THREAD_CNT 4
#define LINE_CNT 500

static void *log_lines(void *user)
{
	for (int i = 0; i < LINE_CNT; i++)
		stele_log_event(STELE_LOG_INFO, "line", STELE_LOG_NUMBER("thread", *(int *)user),
				STELE_LOG_NUMBER("i", i));
	return NULL;
}

static void log_by_threads(bool json)
{
	pthread_t threads[THREAD_CNT];
	int numbers[THREAD_CNT], next[THREAD_CNT] = {0};
	begin(STELE_LOG_INFO, json);
	for (int i = 0; i < THREAD_CNT; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, log_lines, &numbers[i]);
	}
	for (int i = 0; i < THREAD_CNT; i++)
		pthread_join(threads[i], NULL);
	const char *line = end();
	for (int cnt = 0; cnt < THREAD_CNT * LINE_CNT; cnt++) {
		int thread, i;
		const char *found = strstr(line, json ? "\"thread\":" : "thread=");
		assert_non_null(found);
		assert_int_equal(sscanf(found,
					json ? "\"thread\":%d,\"i\":%d}\n" : "thread=%d i=%d\n",
					&thread, &i),
				 2);
		assert_int_equal(i, next[thread]++);
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");
}

static void test_threads(void **state)
{
	(void)state;
	log_by_threads(false);
	log_by_threads(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),    cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_long),    cmocka_unit_test(test_json),
		cmocka_unit_test(test_audit),   cmocka_unit_test(test_journal),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_limit),
	};
	unsetenv("JOURNAL_STREAM");
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	FILE *temporary = tmpfile();
	file = fileno(temporary);
	fcntl(file, F_SETFL, O_APPEND | O_RDWR);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fclose(temporary);
	return failed;
}
