/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/stelectl/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *show_time(json_int_t seconds, char text[SHOW_TEXT_MAX])
{
	time_t at = (time_t)seconds;
	struct tm tm;
	if (localtime_r(&at, &tm) == NULL ||
	    strftime(text, SHOW_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, SHOW_TEXT_MAX, "%" PRId64, (int64_t)seconds);
	return text;
}

const char *show_duration(json_int_t s, char text[SHOW_TEXT_MAX])
{
	if (s >= 86400)
		snprintf(text, SHOW_TEXT_MAX, "%" PRId64 " d %" PRId64 " h", (int64_t)(s / 86400),
			 (int64_t)(s / 3600 % 24));
	else if (s >= 3600)
		snprintf(text, SHOW_TEXT_MAX, "%" PRId64 " h %" PRId64 " min", (int64_t)(s / 3600),
			 (int64_t)(s / 60 % 60));
	else if (s >= 60)
		snprintf(text, SHOW_TEXT_MAX, "%" PRId64 " min %" PRId64 " s", (int64_t)(s / 60),
			 (int64_t)(s % 60));
	else
		snprintf(text, SHOW_TEXT_MAX, "%" PRId64 " s", (int64_t)s);
	return text;
}

const char *show_when(const json_t *object, const char *member, char text[SHOW_TEXT_MAX + 8])
{
	char amount[SHOW_TEXT_MAX];
	const json_t *value = json_object_get(object, member);
	json_int_t seconds = json_integer_value(value) - (json_int_t)time(NULL);
	if (!json_is_integer(value)) {
		snprintf(text, SHOW_TEXT_MAX + 8, "-");
		return text;
	}
	if (seconds == 0)
		snprintf(text, SHOW_TEXT_MAX + 8,
			 "now"); /* it is, or just was: one second does not tell */
	else if (seconds > 0)
		snprintf(text, SHOW_TEXT_MAX + 8, "in %s", show_duration(seconds, amount));
	else
		snprintf(text, SHOW_TEXT_MAX + 8, "%s ago", show_duration(-seconds, amount));
	return text;
}

void show_number(struct table *table, const json_t *object, const char *member)
{
	if (json_is_integer(json_object_get(object, member)))
		table_add(table, "%" JSON_INTEGER_FORMAT, stelectl_number(object, member));
	else
		table_add(table, "-");
}
