/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_CURSOR_H
#define STELE_ZONECOMPILER_IMPORT_CURSOR_H

/*
 * A place in the text of a zone file, and how to get on from there (RFC 1035 section 5.1).
 *
 * The text is a run of *entries*, each closed by a line feed that stands outside parentheses. An
 * entry is a run of *fields* between blanks; comments, and inside parentheses line feeds too, count
 * as blanks. A field is a word or a quoted string. Names, which are most of all fields, are
 * parsed right here from the text without a look ahead; other fields are first cut out as a token.
 *
 * The text must be followed by STELE_CURSOR_SLACK readable bytes, the first of which is 0.
 */

#include "lib/dns/name.h"
#include "lib/zone/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_CURSOR_SLACK 16

/* Kinds of characters. Those from STELE_CHAR_BLANK on end a word. */
enum stele_char {
	STELE_CHAR_PLAIN,
	STELE_CHAR_DOT,
	STELE_CHAR_ESCAPE,
	STELE_CHAR_QUOTE, /* opens a string at the start of a field only */
	STELE_CHAR_BLANK, /* carriage return too, so that CR LF ends a line */
	STELE_CHAR_NEWLINE,
	STELE_CHAR_COMMENT,
	STELE_CHAR_OPEN,
	STELE_CHAR_CLOSE,
	STELE_CHAR_NUL, /* the end of the text, or a byte that has no place in it */
};

extern const uint8_t stele_char_kinds[256];
extern const uint8_t stele_char_lower[256];

struct stele_cursor {
	const uint8_t *p; /* what comes next */
	const uint8_t *end;
	const uint8_t *line_start; /* of the line in which `p` is */
	const char *file;
	struct stele_report *report;
	uint32_t line;
	uint16_t file_index;
	uint16_t paren_cnt;       /* open parentheses */
	struct stele_place paren; /* where the outermost open one is */
	/* Text that a $GENERATE made stands nowhere in the file: its errors are told from there. */
	const struct stele_place *generated_at;
};

/* A field: a word without its closing blank, or a string without its quotes. Escapes stay. */
struct stele_token {
	const uint8_t *p;
	size_t len;
	bool quoted;
};

/* The place of `p`, which is in the line under way. */
struct stele_place stele_cursor_place(const struct stele_cursor *c, const uint8_t *p);

/* Reports an error at `p` and returns STELE_E_INPUT. */
int stele_cursor_fail(const struct stele_cursor *c, const uint8_t *p, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Goes to the next field of the entry: 1 when one begins at `c->p`, 0 at the end of the entry (the
 * line feed is not consumed), negative after an error.
 */
int stele_cursor_next_slow(struct stele_cursor *c);

static inline int stele_cursor_next(struct stele_cursor *c)
{
	while (stele_char_kinds[*c->p] == STELE_CHAR_BLANK)
		c->p++;
	uint8_t kind = stele_char_kinds[*c->p];
	if (kind < STELE_CHAR_BLANK)
		return 1;
	if (kind == STELE_CHAR_NEWLINE && c->paren_cnt == 0)
		return 0;
	return stele_cursor_next_slow(c);
}

/* Cuts out the next field: 1, 0 at the end of the entry, negative after an error. */
int stele_cursor_token(struct stele_cursor *c, struct stele_token *ret_token);

/* As above, but fails with "the record ends too early (expected WHAT)" at the end of the entry. 0 when done. */
int stele_cursor_need(struct stele_cursor *c, struct stele_token *ret_token, const char *what);

/* 0 if the entry ends here, else fails with "'TOKEN' behind WHAT (expected the end of the line)". */
int stele_cursor_expect_end(struct stele_cursor *c, const char *what);

/* Moves to the start of the next entry, whatever stands before it. For use after an error. */
void stele_cursor_skip_entry(struct stele_cursor *c);

/* Consumes the line feed at the end of an entry; false at the end of the text. */
static inline bool stele_cursor_next_line(struct stele_cursor *c)
{
	if (*c->p != '\n')
		return false;
	c->line_start = ++c->p;
	c->line++;
	return true;
}

/*
 * Parses the name at `c->p`, where a field begins; `map` is the table
 * stele_char_lower to lower it, or NULL to keep the case. A name without a dot at its end gets the origin
 * appended, "@" is the origin; origin_len 0 means that there is none. Returns the length or a
 * negative stele_status. `out` has room for STELE_NAME_MAX bytes.
 */
int stele_cursor_name(struct stele_cursor *c, const uint8_t *origin, size_t origin_len,
		      const uint8_t *map, uint8_t *out);

/*
 * Copies a token while taking its escapes apart, at most `max` bytes: the number of bytes, or a
 * negative status after an error. `what` is named in it.
 */
int stele_cursor_unescape(const struct stele_cursor *c, const struct stele_token *token,
			  uint8_t *out, size_t max, const char *what);

/* A token for use in messages: cut to a readable length, unprintable bytes shown as '?'. */
#define STELE_SHOW_MAX 64
const char *stele_cursor_show(const struct stele_token *token, char text[STELE_SHOW_MAX]);

#endif
