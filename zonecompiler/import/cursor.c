/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/cursor.h"

#include "lib/base/error.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
const uint8_t stele_char_kinds[256] = {
	['.'] = STELE_CHAR_DOT,
	['\\'] = STELE_CHAR_ESCAPE,
	['"'] = STELE_CHAR_QUOTE,
	[' '] = STELE_CHAR_BLANK, ['\t'] = STELE_CHAR_BLANK, ['\r'] = STELE_CHAR_BLANK,
	['\n'] = STELE_CHAR_NEWLINE,
	[';'] = STELE_CHAR_COMMENT,
	['('] = STELE_CHAR_OPEN,
	[')'] = STELE_CHAR_CLOSE,
	[0] = STELE_CHAR_NUL,
};

#define ROW(a) a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7
#define ROWS(a) ROW(a), ROW(a + 8), ROW(a + 16), ROW(a + 24)
const uint8_t stele_char_lower[256] = {
	ROWS(0), ROWS(32),
	'@', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
	'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '[', '\\', ']', '^', '_',
	ROWS(96), ROWS(128), ROWS(160), ROWS(192), ROWS(224),
};
/* clang-format on */

struct stele_place stele_cursor_place(const struct stele_cursor *c, const uint8_t *p)
{
	if (c->generated_at != NULL)
		return *c->generated_at;
	return (struct stele_place){c->file, c->line, (uint32_t)(p - c->line_start) + 1};
}

int stele_cursor_fail(const struct stele_cursor *c, const uint8_t *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (c->generated_at == NULL) {
		stele_report_error_v(c->report, stele_cursor_place(c, p), format, args);
	} else {
		char text[STELE_ERROR_MAX / 2], shown[STELE_SHOW_MAX];
		vsnprintf(text, sizeof(text), format, args);
		struct stele_token line = {c->line_start, (size_t)(c->end - c->line_start), false};
		stele_report_error(c->report, *c->generated_at, "%s, in the generated '%s'", text,
				   stele_cursor_show(&line, shown));
	}
	va_end(args);
	return STELE_E_INPUT;
}

int stele_cursor_next_slow(struct stele_cursor *c)
{
	for (;;) {
		switch (stele_char_kinds[*c->p]) {
		case STELE_CHAR_BLANK:
			c->p++;
			break;
		case STELE_CHAR_NEWLINE:
			if (c->paren_cnt == 0)
				return 0;
			c->line_start = ++c->p;
			c->line++;
			break;
		case STELE_CHAR_COMMENT: {
			const uint8_t *newline = memchr(c->p, '\n', (size_t)(c->end - c->p));
			c->p = newline != NULL ? newline : c->end;
			break;
		}
		case STELE_CHAR_OPEN:
			if (c->paren_cnt == UINT16_MAX)
				return stele_cursor_fail(c, c->p, "too many open parentheses");
			if (c->paren_cnt++ == 0)
				c->paren = stele_cursor_place(c, c->p);
			c->p++;
			break;
		case STELE_CHAR_CLOSE:
			if (c->paren_cnt == 0)
				return stele_cursor_fail(c, c->p,
							 "')' without a '(' (expected a field)");
			c->paren_cnt--;
			c->p++;
			break;
		case STELE_CHAR_NUL:
			if (c->p != c->end)
				return stele_cursor_fail(c, c->p, "NUL byte (expected text)");
			if (c->paren_cnt > 0) {
				c->paren_cnt = 0;
				return stele_report_error(
					c->report, c->paren,
					"'(' is never closed (expected a ')' before the end)");
			}
			return 0;
		default:
			return 1;
		}
	}
}

static int quoted_token(struct stele_cursor *c, struct stele_token *ret_token)
{
	const uint8_t *open = c->p;
	const uint8_t *p = open + 1;
	for (;; p++) {
		if (*p == '"')
			break;
		if (*p == '\\')
			p++;
		if (*p == '\n' || (*p == 0 && p >= c->end)) {
			c->p = p < c->end ? p : c->end;
			return stele_cursor_fail(
				c, open, "string is not closed (expected '\"' in the same line)");
		}
		if (*p == 0) {
			c->p = p;
			return stele_cursor_fail(c, p, "NUL byte (expected text)");
		}
	}
	*ret_token = (struct stele_token){open + 1, (size_t)(p - open - 1), true};
	c->p = p + 1;
	return 1;
}

int stele_cursor_token(struct stele_cursor *c, struct stele_token *ret_token)
{
	int status = stele_cursor_next(c);
	if (status <= 0)
		return status;
	const uint8_t *start = c->p, *p = start;
	if (*p == '"')
		return quoted_token(c, ret_token);
	for (;;) {
		uint8_t kind = stele_char_kinds[*p];
		if (kind >= STELE_CHAR_BLANK)
			break;
		/* Some would begin a string here, others would take it as it is. */
		if (kind == STELE_CHAR_QUOTE)
			return stele_cursor_fail(
				c, p, "'\"' in a word (expected \\\" or a blank before it)");
		p++;
		if (kind == STELE_CHAR_ESCAPE) {
			if (*p == '\n' || *p == 0)
				return stele_cursor_fail(c, p - 1,
							 "'\\' at the end (expected a character)");
			p++;
		}
	}
	c->p = p;
	*ret_token = (struct stele_token){start, (size_t)(p - start), false};
	return 1;
}

int stele_cursor_need(struct stele_cursor *c, struct stele_token *ret_token, const char *what)
{
	int status = stele_cursor_token(c, ret_token);
	if (status == 0)
		return stele_cursor_fail(c, c->p, "the record ends too early (expected %s)", what);
	return status < 0 ? status : 0;
}

int stele_cursor_expect_end(struct stele_cursor *c, const char *what)
{
	int status = stele_cursor_next(c);
	if (status <= 0)
		return status;
	struct stele_token token = {0};
	char shown[STELE_SHOW_MAX];
	const uint8_t *start = c->p;
	if (stele_cursor_token(c, &token) < 0)
		return STELE_E_INPUT;
	return stele_cursor_fail(c, start, "'%s' behind %s (expected the end of the line)",
				 stele_cursor_show(&token, shown), what);
}

void stele_cursor_skip_entry(struct stele_cursor *c)
{
	bool quoted = false;
	while (c->p < c->end) {
		uint8_t ch = *c->p;
		if (ch == '\n') {
			quoted = false; /* a string ends in its line */
			if (c->paren_cnt == 0)
				break;
			stele_cursor_next_line(c);
			continue;
		}
		if (ch == '\\' && c->p + 1 < c->end && c->p[1] != '\n') {
			c->p += 2;
			continue;
		}
		if (ch == '"') {
			quoted = !quoted;
		} else if (ch == ';' && !quoted) {
			const uint8_t *newline = memchr(c->p, '\n', (size_t)(c->end - c->p));
			c->p = newline != NULL ? newline : c->end;
			continue;
		} else if (ch == '(' && !quoted && c->paren_cnt < UINT16_MAX) {
			c->paren_cnt++;
		} else if (ch == ')' && !quoted && c->paren_cnt > 0) {
			c->paren_cnt--;
		}
		c->p++;
	}
	c->paren_cnt = 0;
	stele_cursor_next_line(c);
}

const char *stele_cursor_show(const struct stele_token *token, char text[STELE_SHOW_MAX])
{
	size_t len = token->len, room = STELE_SHOW_MAX - 1;
	bool cut = len > room;
	if (cut)
		len = room - 3;
	for (size_t i = 0; i < len; i++) {
		uint8_t ch = token->p[i];
		text[i] = ch >= ' ' && ch < 0x7f ? (char)ch : '?';
	}
	memcpy(text + len, "...", cut ? 4 : 0);
	text[cut ? len + 3 : len] = '\0';
	return text;
}

/* Reads an escape; `*p` is at the backslash and moves behind it. -1 if it is none. */
static int take_escape(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p + 1;
	if (at >= end || *at == '\n' || *at == 0)
		return -1;
	if (*at < '0' || *at > '9') {
		*p = at + 1;
		return *at;
	}
	if (end - at < 3)
		return -1;
	unsigned tens = (unsigned)at[1] - '0', ones = (unsigned)at[2] - '0';
	unsigned value = ((unsigned)at[0] - '0') * 100 + tens * 10 + ones;
	if (tens > 9 || ones > 9 || value > 255)
		return -1;
	*p = at + 3;
	return (int)value;
}

#define BAD_ESCAPE "bad escape (expected \\DDD with a number of 0 to 255, or \\X)"

int stele_cursor_unescape(const struct stele_cursor *c, const struct stele_token *token,
			  uint8_t *out, size_t max, const char *what)
{
	const uint8_t *p = token->p, *end = p + token->len;
	size_t len = 0;
	while (p < end) {
		if (len == max)
			return stele_cursor_fail(c, token->p,
						 "%s is too long (expected at most %zu bytes)",
						 what, max);
		if (*p != '\\') {
			out[len++] = *p++;
			continue;
		}
		const uint8_t *escape = p;
		int value = take_escape(&p, end);
		if (value < 0)
			return stele_cursor_fail(c, escape, BAD_ESCAPE);
		out[len++] = (uint8_t)value;
	}
	return (int)len;
}

static int name_too_long(struct stele_cursor *c, const uint8_t *start)
{
	return stele_cursor_fail(c, start, "name is too long (expected at most %d bytes)",
				 STELE_NAME_MAX);
}

static int append_origin(struct stele_cursor *c, const uint8_t *start, const uint8_t *origin,
			 size_t origin_len, const uint8_t *map, uint8_t *out, size_t at)
{
	if (origin_len == 0)
		return stele_cursor_fail(
			c, start,
			"name without a dot at its end, and no origin is known (expected "
			"an absolute name, $ORIGIN or --zone)");
	if (at + origin_len > STELE_NAME_MAX)
		return name_too_long(c, start);
	memcpy(out + at, origin, origin_len);
	if (map != NULL)
		for (size_t i = at; i < at + origin_len; i++)
			out[i] = map[out[i]];
	return (int)(at + origin_len);
}

/*
 * `out[label]` is the length byte of the label under way, `at` where the next byte goes. A byte more
 * than fits is never written: `at` stops at the end of the buffer, and what is longer is refused.
 * Inlined twice, so that the choice of `map` is not made for each byte.
 */
static inline __attribute__((always_inline)) int parse_name(struct stele_cursor *c,
							    const uint8_t *origin,
							    size_t origin_len, const uint8_t *map,
							    uint8_t *out)
{
	const uint8_t *p = c->p, *start = p;
	unsigned label = 0, at = 1;
	if ((*p == '@' || *p == '.') && stele_char_kinds[p[1]] >= STELE_CHAR_BLANK) {
		c->p = p + 1;
		if (*p == '@')
			return append_origin(c, start, origin, origin_len, map, out, 0);
		out[0] = 0;
		return 1;
	}
	for (;;) {
		/* Where neither label nor name has room for a byte more. */
		unsigned limit = label + 1 + STELE_LABEL_MAX;
		if (limit > STELE_NAME_MAX)
			limit = STELE_NAME_MAX;
		uint8_t kind;
		while ((kind = stele_char_kinds[*p]) == STELE_CHAR_PLAIN && at < limit) {
			out[at++] = map != NULL ? map[*p] : *p;
			p++;
		}
		if (kind == STELE_CHAR_DOT) {
			if (at == label + 1)
				return stele_cursor_fail(
					c, p, "empty label (expected a character before the dot)");
			out[label] = (uint8_t)(at - label - 1);
			label = at++;
			p++;
			if (at > STELE_NAME_MAX)
				return name_too_long(c, start);
			continue;
		}
		if (kind >= STELE_CHAR_BLANK) {
			c->p = p;
			out[label] = (uint8_t)(at - label - 1);
			if (at > label + 1)
				return append_origin(c, start, origin, origin_len, map, out, at);
			return (int)at; /* the dot was the last character */
		}
		if (kind == STELE_CHAR_QUOTE)
			return stele_cursor_fail(c, p, "'\"' in a name (expected \\\")");
		if (at == limit) {
			if (at == label + 1 + STELE_LABEL_MAX)
				return stele_cursor_fail(
					c, start, "label is too long (expected at most %d bytes)",
					STELE_LABEL_MAX);
			return name_too_long(c, start);
		}
		const uint8_t *escape = p;
		int value = take_escape(&p, c->end);
		if (value < 0)
			return stele_cursor_fail(c, escape, BAD_ESCAPE);
		out[at++] = map != NULL ? map[value] : (uint8_t)value;
	}
}

int stele_cursor_name(struct stele_cursor *c, const uint8_t *origin, size_t origin_len,
		      const uint8_t *map, uint8_t *out)
{
	if (map == NULL)
		return parse_name(c, origin, origin_len, NULL, out);
	return parse_name(c, origin, origin_len, stele_char_lower, out);
}
