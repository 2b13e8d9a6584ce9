/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/scan_internal.h"

#include "zonecompiler/import/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A name in the arguments of a directive: 0 with the name, STELE_E_INPUT. */
static int parse_name(struct stele_scan *s, const char *what, uint8_t *name, size_t *ret_len)
{
	struct stele_cursor *c = &s->cursor;
	int status = stele_cursor_next(c);
	if (status == 0)
		return stele_cursor_fail(c, c->p, "%s without a name (expected a domain name)",
					 what);
	if (status < 0)
		return status;
	int len = stele_cursor_name(c, s->origin, s->origin_len, NULL, name);
	if (len < 0)
		return len;
	*ret_len = (size_t)len;
	return 0;
}

static int scan_origin(struct stele_scan *s)
{
	uint8_t name[STELE_NAME_MAX];
	size_t len = 0;
	int status = parse_name(s, "$ORIGIN", name, &len);
	if (status == 0)
		status = stele_cursor_expect_end(&s->cursor, "the name");
	if (status == 0)
		stele_scan_set_origin(s, name, len);
	return status;
}

static int scan_ttl(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	struct stele_token token;
	uint32_t ttl;
	char shown[STELE_SHOW_MAX];
	int status = stele_cursor_need(c, &token, "a TTL");
	if (status < 0)
		return status;
	if (token.quoted || !stele_value_duration(token.p, token.len, &ttl) || ttl > INT32_MAX)
		return stele_cursor_fail(c, token.p,
					 "bad TTL '%s' (expected 0 to 2147483647 seconds, or such "
					 "as 1h30m)",
					 stele_cursor_show(&token, shown));
	status = stele_cursor_expect_end(c, "the TTL");
	if (status < 0)
		return status;
	s->default_ttl = ttl;
	s->has_default_ttl = true;
	return 0;
}

/* The path as the including file means it, malloc'ed: relative to the folder of that file. */
static char *resolve_path(const char *from, const char *name)
{
	const char *slash = strrchr(from, '/');
	size_t folder_len = slash == NULL || *name == '/' ? 0 : (size_t)(slash - from) + 1;
	char *path;
	if (asprintf(&path, "%.*s%s", (int)folder_len, from, name) < 0)
		return NULL;
	return path;
}

static int scan_include(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	struct stele_token token;
	int status = stele_cursor_need(c, &token, "a file name");
	if (status < 0)
		return status;
	struct stele_place place = stele_cursor_place(c, token.p - token.quoted);
	char name[4096];
	int name_len =
		stele_cursor_unescape(c, &token, (uint8_t *)name, sizeof(name) - 1, "file name");
	if (name_len < 0)
		return name_len;
	name[name_len] = '\0';
	if (name_len == 0 || strlen(name) != (size_t)name_len)
		return stele_report_error(s->report, place, "bad file name (expected a path)");

	status = stele_cursor_next(c);
	if (status < 0)
		return status;
	uint8_t origin[STELE_NAME_MAX];
	size_t origin_len = s->origin_len;
	memcpy(origin, s->origin, origin_len);
	if (status > 0) {
		status = parse_name(s, "$INCLUDE", origin, &origin_len);
		if (status == 0)
			status = stele_cursor_expect_end(c, "the origin");
		if (status < 0)
			return status;
	}
	if (s->is_restricted)
		return stele_report_error(s->report, place,
					  "$INCLUDE is not allowed here (expected records)");
	char *path = resolve_path(c->file, name);
	if (path == NULL)
		return STELE_E_SYSTEM;

	/* RFC 1035 section 5.1: the origin of the including file stays what it was; so does the
	 * owner. The TTLs pass over, as RFC 2308 knows no file of its own for $TTL. */
	uint8_t outer_origin[STELE_NAME_MAX], outer_key[STELE_SORT_KEY_MAX];
	size_t outer_origin_len = s->origin_len, outer_key_len = s->owner_key_len;
	bool has_owner = s->has_owner;
	memcpy(outer_origin, s->origin, sizeof(outer_origin));
	memcpy(outer_key, s->owner_key, sizeof(outer_key));

	stele_scan_set_origin(s, origin, origin_len);
	s->owner_added = false;
	status = stele_scan_include(s, path, place);

	stele_scan_set_origin(s, outer_origin, outer_origin_len);
	memcpy(s->owner_key, outer_key, sizeof(outer_key));
	s->owner_key_len = outer_key_len;
	s->has_owner = has_owner;
	s->owner_added = false;
	free(path);
	return status;
}

int stele_scan_directive(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	const uint8_t *start = c->p;
	struct stele_place place = stele_cursor_place(c, start);
	struct stele_token token;
	int status = stele_cursor_token(c, &token);
	if (status < 0)
		return status;
	if (token.len == 7 && strncasecmp((const char *)token.p, "$ORIGIN", 7) == 0)
		return scan_origin(s);
	if (token.len == 4 && strncasecmp((const char *)token.p, "$TTL", 4) == 0)
		return scan_ttl(s);
	if (token.len == 8 && strncasecmp((const char *)token.p, "$INCLUDE", 8) == 0)
		return scan_include(s);
	if (token.len == 9 && strncasecmp((const char *)token.p, "$GENERATE", 9) == 0)
		return stele_scan_generate(s, place);
	char shown[STELE_SHOW_MAX];
	return stele_cursor_fail(c, start,
				 "unknown directive '%s' (expected $ORIGIN, $TTL, $INCLUDE or "
				 "$GENERATE; an owner starts with \\$)",
				 stele_cursor_show(&token, shown));
}
