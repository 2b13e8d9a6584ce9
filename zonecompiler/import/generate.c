/* SPDX-License-Identifier: Apache-2.0 */
/*
 * $GENERATE, as BIND's manual has it: `$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA`.
 *
 * In owner and data, $ stands for the number, $$ and \$ for a dollar sign, and
 * ${OFFSET[,WIDTH[,BASE]]} for the number plus OFFSET with at least WIDTH digits in base d, o, x, X, or
 * n and N: hexadecimal digits from the last to the first between dots, as IPv6 reverse names need. The data may
 * stand in quotes as a whole (MX "0 mail$"), but for a type of which it begins with a string.
 */
#include "zonecompiler/import/scan_internal.h"

#include "zonecompiler/import/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A /8 of IPv4 addresses. More is a slip of the pen that would fill the memory. */
#define RECORD_MAX (1u << 24)
#define LINE_MAX_SZ 65536u
#define WIDTH_MAX 255u

struct range {
	uint32_t start, stop, step;
};

static bool parse_range(const struct stele_token *token, struct range *range)
{
	const uint8_t *end = token->p + token->len;
	const uint8_t *dash = memchr(token->p, '-', token->len);
	if (dash == NULL)
		return false;
	const uint8_t *slash = memchr(dash, '/', (size_t)(end - dash));
	const uint8_t *stop_end = slash != NULL ? slash : end;
	range->step = 1;
	if (slash != NULL &&
	    !stele_value_number(slash + 1, (size_t)(end - slash - 1), INT32_MAX, &range->step))
		return false;
	return stele_value_number(token->p, (size_t)(dash - token->p), INT32_MAX, &range->start) &&
	       stele_value_number(dash + 1, (size_t)(stop_end - dash - 1), INT32_MAX,
				  &range->stop) &&
	       range->start <= range->stop && range->step > 0;
}

/* A line under way. Once it is too long nothing more is added, and that is found at its end. */
struct line {
	uint8_t *p;
	size_t len;
	bool full;
};

static void put(struct line *line, const void *p, size_t len)
{
	if (len > LINE_MAX_SZ - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->p + line->len, p, len);
	line->len += len;
}

static void put_nibbles(struct line *line, uint32_t value, unsigned width, char base)
{
	const char *digits = base == 'n' ? "0123456789abcdef" : "0123456789ABCDEF";
	do {
		put(line, &digits[value & 15], 1);
		value >>= 4;
		if (width > 0)
			width--;
		if (width > 0 || value != 0) {
			put(line, ".", 1);
			if (width > 0)
				width--;
		}
	} while (value != 0 || width > 0);
}

/* What stands behind a $ in braces; `*p` is at the brace and moves behind the closing one. */
struct modifier {
	int32_t offset;
	uint32_t width;
	char base;
};

static bool parse_modifier(const uint8_t **p, const uint8_t *end, struct modifier *m)
{
	const uint8_t *close = memchr(*p, '}', (size_t)(end - *p));
	if (close == NULL)
		return false;
	const uint8_t *fields[3], *ends[3], *at = *p + 1;
	unsigned cnt = 0;
	for (;;) {
		const uint8_t *comma = memchr(at, ',', (size_t)(close - at));
		if (cnt == 3)
			return false;
		fields[cnt] = at;
		ends[cnt++] = comma != NULL ? comma : close;
		if (comma == NULL)
			break;
		at = comma + 1;
	}
	bool negative = fields[0] < ends[0] && *fields[0] == '-';
	uint32_t offset, width = 0;
	fields[0] += negative;
	if (!stele_value_number(fields[0], (size_t)(ends[0] - fields[0]), INT32_MAX, &offset) ||
	    (cnt > 1 &&
	     !stele_value_number(fields[1], (size_t)(ends[1] - fields[1]), WIDTH_MAX, &width)))
		return false;
	char base = 'd';
	if (cnt > 2) {
		base = (char)*fields[2];
		if (ends[2] - fields[2] != 1 || memchr("doxXnN", base, 6) == NULL)
			return false;
	}
	*m = (struct modifier){negative ? -(int32_t)offset : (int32_t)offset, width, base};
	*p = close + 1;
	return true;
}

/* False if the sum is more than a number may be. */
static bool put_number(struct line *line, uint32_t number, const struct modifier *m)
{
	char text[WIDTH_MAX + 16];
	int len = 0, width = (int)m->width;
	int64_t sum = (int64_t)number + m->offset;
	if (sum > INT32_MAX)
		return false;
	int32_t value = (int32_t)sum;
	switch (m->base) {
	case 'n':
	case 'N':
		put_nibbles(line, (uint32_t)value, m->width, m->base);
		return true;
	case 'o':
		len = snprintf(text, sizeof(text), "%0*o", width, (unsigned)value);
		break;
	case 'x':
		len = snprintf(text, sizeof(text), "%0*x", width, (unsigned)value);
		break;
	case 'X':
		len = snprintf(text, sizeof(text), "%0*X", width, (unsigned)value);
		break;
	default:
		len = snprintf(text, sizeof(text), "%0*d", width, (int)value);
		break;
	}
	put(line, text, (size_t)len);
	return true;
}

/* Copies `text` to the line with its dollars replaced. False if a modifier is wrong. */
static bool substitute(struct line *line, const struct stele_token *text, uint32_t number)
{
	static const struct modifier none = {0, 0, 'd'};
	const uint8_t *p = text->p, *end = p + text->len;
	while (p < end) {
		if (*p == '\\' && p + 1 < end) {
			put(line, p, 2);
			p += 2;
		} else if (*p != '$') {
			put(line, p++, 1);
		} else if (++p < end && *p == '$') {
			put(line, "\\$", 2);
			p++;
		} else {
			struct modifier m = none;
			if ((p < end && *p == '{' && !parse_modifier(&p, end, &m)) ||
			    !put_number(line, number, &m))
				return false;
		}
	}
	return true;
}

/* Whether no string belongs behind the type: one that is all of the data is only quoted then. */
static bool begins_with_word(int type)
{
	const char *letters = type < 0 ? NULL : stele_rdata_letters((uint16_t)type);
	return letters != NULL && strchr("TUQxg", *letters) == NULL;
}

/* The rest of the entry, field by field: without comments, parentheses and line feeds. */
static int take_rest(struct stele_cursor *c, struct line *rest)
{
	enum { BEFORE_TYPE = -1, BEHIND_TYPE = -2 };
	struct stele_token token;
	size_t quote_at = 0; /* of a string that is all of the data */
	int status, type = BEFORE_TYPE;
	while ((status = stele_cursor_token(c, &token)) > 0) {
		put(rest, " ", 1);
		quote_at = token.quoted && begins_with_word(type) ? rest->len : 0;
		put(rest, "\"", token.quoted);
		put(rest, token.p, token.len);
		put(rest, "\"", token.quoted);
		type = type == BEFORE_TYPE ? stele_value_rrtype(token.p, token.len) : BEHIND_TYPE;
	}
	if (quote_at > 0 && !rest->full)
		rest->p[quote_at] = rest->p[rest->len - 1] = ' ';
	return status;
}

int stele_scan_generate(struct stele_scan *s, struct stele_place place)
{
	struct stele_cursor *c = &s->cursor;
	struct stele_token range_token, owner;
	struct range range;
	char shown[STELE_SHOW_MAX];
	if (c->generated_at != NULL)
		return stele_cursor_fail(c, c->p, "$GENERATE inside $GENERATE (expected records)");
	int status = stele_cursor_need(c, &range_token, "a range such as 1-10");
	if (status < 0)
		return status;
	if (!parse_range(&range_token, &range))
		return stele_cursor_fail(c, range_token.p,
					 "bad range '%s' (expected START-STOP or START-STOP/STEP, "
					 "START not above STOP)",
					 stele_cursor_show(&range_token, shown));
	uint32_t most = s->is_restricted ? STELE_SCAN_GENERATE_RESTRICTED : RECORD_MAX;
	if ((range.stop - range.start) / range.step >= most)
		return stele_cursor_fail(c, range_token.p,
					 "range '%s' makes too many records (expected at most %u)",
					 stele_cursor_show(&range_token, shown), most);
	status = stele_cursor_need(c, &owner, "an owner name");
	if (status < 0)
		return status;
	struct line rest = {.p = malloc(LINE_MAX_SZ)};
	struct line line = {.p = malloc(LINE_MAX_SZ + STELE_CURSOR_SLACK)};
	if (rest.p == NULL || line.p == NULL)
		status = STELE_E_SYSTEM;
	if (status == 0)
		status = take_rest(c, &rest);
	if (status == 0 && rest.len == 0)
		status = stele_cursor_fail(c, c->p,
					   "$GENERATE without a record (expected type and data)");

	struct stele_cursor outer = *c;
	const struct stele_token text = {rest.p, rest.len, false};
	for (uint64_t number = range.start; number <= range.stop && status >= 0;
	     number += range.step) {
		line.len = 0;
		bool good = substitute(&line, &owner, (uint32_t)number);
		good = good && substitute(&line, &text, (uint32_t)number);
		if (!good || line.full || rest.full) {
			status = stele_cursor_fail(
				&outer, owner.p, "%s",
				good ? "the generated record is too long" :
				       "bad ${...} (expected ${OFFSET,WIDTH,BASE} with a base of "
				       "d, o, x, X, n or N, and a sum of at most 2147483647)");
			break;
		}
		memset(line.p + line.len, 0, STELE_CURSOR_SLACK);
		c->p = line.p;
		c->line_start = line.p;
		c->end = line.p + line.len;
		c->generated_at = &place;
		status = stele_scan_entry(s);
	}
	*c = outer;
	s->owner_text = NULL;
	free(line.p);
	free(rest.p);
	return status;
}
