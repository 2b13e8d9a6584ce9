/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/daemon/log.h"

#include "lib/base/shown.h"

#include <jansson.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A line of text. What does not fit is cut: a log is no place for more. */
#define LINE_MAX_SZ 8192

static struct {
	const char *program;
	atomic_int level;
	atomic_bool json, audit;
	bool journal;
} logger = {.program = "stele", .level = STELE_LOG_INFO, .audit = true};

/* The journal says which file it reads; standard error may have been sent elsewhere since. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}

void stele_log_open(const char *program, enum stele_log_level level, bool json)
{
	logger.program = program;
	atomic_store(&logger.level, (int)level);
	stele_log_set_json(json);
	logger.journal = is_journal();
}

void stele_log_set_json(bool json)
{
	atomic_store_explicit(&logger.json, json, memory_order_relaxed);
}

void stele_log_set_audit(bool audit)
{
	atomic_store_explicit(&logger.audit, audit, memory_order_relaxed);
}

static bool is_json(void)
{
	return atomic_load_explicit(&logger.json, memory_order_relaxed);
}

enum stele_log_level stele_log_level(void)
{
	return (enum stele_log_level)atomic_load_explicit(&logger.level, memory_order_relaxed);
}

static bool is_left_out(enum stele_log_level level)
{
	return level > stele_log_level();
}

/* ---- a line of text ---- */

struct line {
	size_t len; /* below LINE_MAX_SZ - 1: there is always room for the newline */
	char bytes[LINE_MAX_SZ];
};

static void add(struct line *line, const char *text, size_t len)
{
	size_t room = LINE_MAX_SZ - 1 - line->len;

	if (len > room)
		len = room;
	memcpy(line->bytes + line->len, text, len);
	line->len += len;
}

static void add_text(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

static void add_shown(struct line *line, const char *text, bool quoted)
{
	for (size_t len = strlen(text); len > 0;) {
		char one[STELE_SHOWN_ONE_MAX];
		size_t cnt = stele_shown_one(text, len, one);

		if (quoted && (*text == '"' || *text == '\\'))
			add_text(line, "\\");
		add_text(line, one);
		text += cnt;
		len -= cnt;
	}
}

static void begin_line(struct line *line, enum stele_log_level level)
{
	line->len = 0;
	if (logger.journal) {
		add(line, (char[]){'<', (char)('0' + level), '>'}, 3);
	} else {
		add_text(line, logger.program);
		add_text(line, ": ");
	}
}

static void end_line(struct line *line)
{
	line->bytes[line->len] = '\n';
	/* Whoever reads standard error may be gone; there is nobody else to tell. */
	(void)!write(STDERR_FILENO, line->bytes, line->len + 1);
}

static bool wants_quotes(const char *text)
{
	if (!*text)
		return true;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f ||
		    strchr("\"=\\", *text))
			return true;
	return false;
}

static void add_field(struct line *line, const struct stele_log_field *field)
{
	char number[24];

	add_text(line, " ");
	add_text(line, field->key);
	add_text(line, "=");
	if (field->is_number) {
		snprintf(number, sizeof(number), "%lld", (long long)field->number);
		add_text(line, number);
	} else if (wants_quotes(field->text)) {
		add_text(line, "\"");
		add_shown(line, field->text, true);
		add_text(line, "\"");
	} else {
		add_text(line, field->text);
	}
}

static void put_text(enum stele_log_level level, const char *event,
		     const struct stele_log_field *fields)
{
	struct line line;

	begin_line(&line, level);
	add_text(&line, event);
	for (const struct stele_log_field *field = fields; field->key; field++)
		if (field->is_number || field->text)
			add_field(&line, field);
	end_line(&line);
}

/* ---- a line of JSON ---- */

static json_t *json_of_text(const char *text)
{
	json_t *string = json_string(text);

	if (string)
		return string;
	char *shown = stele_shown_new(text); /* not UTF-8 */
	string = json_string(shown);         /* NULL of NULL */
	free(shown);
	return string;
}

static json_t *head_of_json(enum stele_log_level level, const char *event)
{
	static const char *const names[] = {[STELE_LOG_ERROR] = "error",
					    [STELE_LOG_WARNING] = "warning",
					    [STELE_LOG_NOTICE] = "notice",
					    [STELE_LOG_INFO] = "info",
					    [STELE_LOG_DEBUG] = "debug"};
	struct timespec now;
	struct tm parts;
	char day[32], stamp[56];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(stamp, sizeof(stamp), "%s.%06ldZ", day, now.tv_nsec / 1000);
	return json_pack("{s:s, s:s, s:s, s:s}", "time", stamp, "level", names[level], "program",
			 logger.program, "event", event);
}

/* False if memory is out. */
static bool put_json(enum stele_log_level level, const char *event,
		     const struct stele_log_field *fields)
{
	json_t *object = head_of_json(level, event);
	char *bytes = NULL;

	for (const struct stele_log_field *field = fields; field->key; field++)
		if (field->is_number)
			json_object_set_new(object, field->key, json_integer(field->number));
		else if (field->text)
			json_object_set_new(object, field->key, json_of_text(field->text));
	if (object)
		bytes = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!bytes)
		return false;
	char severity[] = {'<', (char)('0' + level), '>'};
	struct iovec parts[] = {{severity, logger.journal ? sizeof(severity) : 0},
				{bytes, strlen(bytes)},
				{(char[]){'\n'}, 1}};
	(void)!writev(STDERR_FILENO, parts, 3);
	free(bytes);
	return true;
}

/* ---- what is called ---- */

static void put_fields(enum stele_log_level level, const char *event,
		       const struct stele_log_field *fields)
{
	if (!is_json() || !put_json(level, event, fields))
		put_text(level, event, fields);
}

void stele_log(enum stele_log_level level, const char *format, ...)
{
	char text[4096];
	va_list args;

	if (is_left_out(level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	const struct stele_log_field fields[] = {STELE_LOG_TEXT("text", text), {.key = NULL}};
	if (is_json() && put_json(level, "message", fields))
		return;
	struct line line;
	begin_line(&line, level);
	add_shown(&line, text, false);
	end_line(&line);
}

void stele_log_fields(enum stele_log_level level, const char *event,
		      const struct stele_log_field *fields)
{
	if (!is_left_out(level))
		put_fields(level, event, fields);
}

/* True if a line may be written now. At the change of a minute a few more may be: that does no harm. */
static bool take_turn(struct stele_log_limit *limit)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	long long minute = now.tv_sec / 60;
	if (atomic_exchange(&limit->minute, minute) != minute)
		atomic_store(&limit->written_cnt, 0);
	if (atomic_fetch_add(&limit->written_cnt, 1) < STELE_LOG_A_MINUTE)
		return true;
	atomic_fetch_add(&limit->left_out_cnt, 1);
	return false;
}

void stele_log_limited(struct stele_log_limit *limit, enum stele_log_level level, const char *event,
		       const struct stele_log_field *fields)
{
	struct stele_log_field all[STELE_LOG_LIMITED_MAX + 2]; /* `left_out` and the end */
	unsigned cnt = 0;

	if (is_left_out(level) || !take_turn(limit))
		return;
	for (; cnt < STELE_LOG_LIMITED_MAX && fields[cnt].key; cnt++)
		all[cnt] = fields[cnt];
	unsigned left_out = atomic_exchange(&limit->left_out_cnt, 0);
	if (left_out > 0)
		all[cnt++] = STELE_LOG_NUMBER("left_out", left_out);
	all[cnt] = (struct stele_log_field){.key = NULL};
	put_fields(level, event, all);
}

void stele_log_audit(const struct stele_log_audit *audit)
{
	struct stele_log_field fields[8];
	unsigned cnt = 0;

	if (!atomic_load_explicit(&logger.audit, memory_order_relaxed))
		return;
	fields[cnt++] = STELE_LOG_TEXT("what", audit->what);
	fields[cnt++] = STELE_LOG_ZONE(audit->zone);
	fields[cnt++] = STELE_LOG_PEER(audit->peer);
	fields[cnt++] = STELE_LOG_KEY(audit->key);
	if (audit->has_from)
		fields[cnt++] = STELE_LOG_NUMBER("from_serial", audit->from_serial);
	if (audit->has_to)
		fields[cnt++] = STELE_LOG_NUMBER("to_serial", audit->to_serial);
	fields[cnt++] = STELE_LOG_TEXT("detail", audit->detail);
	fields[cnt] = (struct stele_log_field){.key = NULL};
	put_fields(STELE_LOG_NOTICE, "audit", fields);
}
