/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/scan_internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/import/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TTL_MAX 2147483647u /* RFC 2181 section 8 */

/* So many bytes of text pass between two looks at progress and memory. */
#define STEP ((size_t)1 << 20)

int stele_scan_new(struct stele_report *report, stele_scan_sink sink, void *user,
		   struct stele_scan **ret_scan)
{
	struct stele_scan *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return STELE_E_SYSTEM;
	s->report = report;
	s->sink = sink;
	s->user = user;
	*ret_scan = s;
	return 0;
}

void stele_scan_free(struct stele_scan *scan)
{
	if (scan == NULL)
		return;
	stele_scan_reset(scan, NULL, 0);
	free(scan->files);
	free(scan);
}

void stele_scan_reset(struct stele_scan *scan, const uint8_t *origin, size_t origin_len)
{
	for (size_t i = 0; i < scan->file_cnt; i++)
		free(scan->files[i]);
	scan->file_cnt = 0;
	scan->has_owner = false;
	scan->owner_added = false;
	scan->owner_text = NULL;
	scan->has_default_ttl = false;
	scan->has_last_ttl = false;
	scan->open_cnt = 0;
	stele_scan_set_origin(scan, origin, origin_len);
}

void stele_scan_progress(struct stele_scan *scan, void (*progress)(void *user, uint64_t done),
			 void *user)
{
	scan->progress = progress;
	scan->progress_user = user;
}

void stele_scan_restrict(struct stele_scan *scan)
{
	scan->is_restricted = true;
}

const char *stele_scan_file_name(const struct stele_scan *scan, uint16_t file)
{
	return file < scan->file_cnt ? scan->files[file] : "?";
}

void stele_scan_set_origin(struct stele_scan *scan, const uint8_t *origin, size_t origin_len)
{
	scan->owner_text = NULL;
	scan->origin_len = origin_len;
	scan->rdata.origin = scan->origin;
	scan->rdata.origin_len = origin_len;
	if (origin_len == 0)
		return;
	memmove(scan->origin, origin, origin_len);
	stele_name_lower(scan->origin_lower, scan->origin, origin_len);
	scan->origin_key_len = stele_sort_key(scan->origin_lower, origin_len - 1, scan->origin_key);
}

/* ---- one entry ---- */

/* The usual owner: one label below the origin, without escapes. */
static bool parse_short_owner(struct stele_scan *s, const uint8_t *p, size_t *ret_text_len)
{
	if (s->origin_len == 0 || *p == '@')
		return false;
	uint8_t *label = s->owner_key + s->origin_key_len;
	size_t len = 0;
	while (len < STELE_LABEL_MAX && stele_char_kinds[p[len]] == STELE_CHAR_PLAIN &&
	       p[len] > 1) {
		label[len] = stele_char_lower[p[len]];
		len++;
	}
	if (len == 0 || stele_char_kinds[p[len]] < STELE_CHAR_BLANK ||
	    len + 1 + s->origin_len > STELE_NAME_MAX)
		return false;
	memcpy(s->owner_key, s->origin_key, s->origin_key_len);
	label[len] = 0;
	s->owner_key_len = s->origin_key_len + len + 1;
	*ret_text_len = len;
	return true;
}

static int parse_owner(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	const uint8_t *start = c->p;
	if (s->owner_text != NULL && (size_t)(c->end - start) > s->owner_text_len &&
	    memcmp(start, s->owner_text, s->owner_text_len) == 0 &&
	    stele_char_kinds[start[s->owner_text_len]] >= STELE_CHAR_BLANK) {
		c->p = start + s->owner_text_len;
		return 0;
	}
	s->owner_added = false;
	s->owner_text = NULL;
	size_t text_len;
	if (parse_short_owner(s, start, &text_len)) {
		c->p = start + text_len;
	} else {
		uint8_t name[STELE_NAME_MAX];
		int len = stele_cursor_name(c, s->origin_lower, s->origin_len, stele_char_lower,
					    name);
		if (len < 0)
			return len;
		s->owner_key_len = stele_sort_key(name, (size_t)len - 1, s->owner_key);
	}
	s->has_owner = true;
	if (c->generated_at == NULL) {
		s->owner_text = start;
		s->owner_text_len = (size_t)(c->p - start);
	}
	return 0;
}

static bool word_is(const struct stele_token *token, const char *word)
{
	return strlen(word) == token->len &&
	       strncasecmp((const char *)token->p, word, token->len) == 0;
}

/* True if the word is CLASS and a number (RFC 3597 section 5). */
static bool class_number(const struct stele_token *token, uint32_t *ret_number)
{
	return token->len > 5 && (token->p[0] | 0x20) == 'c' &&
	       strncasecmp((const char *)token->p, "CLASS", 5) == 0 &&
	       stele_value_number(token->p + 5, token->len - 5, 65535, ret_number);
}

static bool is_class_in(const struct stele_token *token)
{
	uint32_t number;
	if (token->len == 2)
		return (token->p[0] | 0x20) == 'i' && (token->p[1] | 0x20) == 'n';
	return class_number(token, &number) && number == STELE_CLASS_IN;
}

/* No word is the name of a type and of one of these classes. */
static bool is_other_class(const struct stele_token *token)
{
	uint32_t number;
	return word_is(token, "CH") || word_is(token, "HS") || word_is(token, "CS") ||
	       word_is(token, "CHAOS") || word_is(token, "HESIOD") || word_is(token, "NONE") ||
	       class_number(token, &number);
}

struct entry_head {
	bool has_ttl;
	uint32_t ttl, line;
	uint16_t type, column;
};

/* TTL and class, each at most once and in any order, then the type. The line of the entry is known. */
static int parse_head(struct stele_scan *s, struct entry_head *head)
{
	struct stele_cursor *c = &s->cursor;
	bool has_class = false;
	char shown[STELE_SHOW_MAX];
	head->has_ttl = false;
	for (;;) {
		struct stele_token token;
		int status = stele_cursor_token(c, &token);
		if (status < 0)
			return status;
		if (status == 0)
			return stele_cursor_fail(
				c, c->p, "the record ends too early (expected a record type)");
		if ((uint8_t)(token.p[0] - '0') <= 9 && !token.quoted && !head->has_ttl) {
			if (!stele_value_duration(token.p, token.len, &head->ttl) ||
			    head->ttl > TTL_MAX)
				return stele_cursor_fail(c, token.p,
							 "bad TTL '%s' (expected 0 to 2147483647 "
							 "seconds, or such as 1h30m)",
							 stele_cursor_show(&token, shown));
			head->has_ttl = true;
			continue;
		}
		if (token.quoted)
			return stele_cursor_fail(c, token.p - 1,
						 "a string (expected a record type)");
		if (!has_class && is_class_in(&token)) {
			has_class = true;
			continue;
		}
		int type = stele_value_rrtype(token.p, token.len);
		if (type < 0 && !has_class && is_other_class(&token))
			return stele_cursor_fail(c, token.p, "class '%s' (expected IN)",
						 stele_cursor_show(&token, shown));
		if (type < 0)
			return stele_cursor_fail(c, token.p,
						 "unknown record type '%s' (expected %s)",
						 stele_cursor_show(&token, shown),
						 has_class || head->has_ttl ?
							 "a mnemonic or TYPE123" :
							 "a TTL, IN, a mnemonic or TYPE123");
		if (!stele_rdata_type_is_data((uint16_t)type))
			return stele_cursor_fail(
				c, token.p, "type '%s' is for queries only (expected a data type)",
				stele_cursor_show(&token, shown));
		head->type = (uint16_t)type;
		size_t column = (size_t)(token.p - c->line_start) + 1;
		if (c->generated_at != NULL)
			head->column = (uint16_t)c->generated_at->column;
		else if (c->line != head->line || column > UINT16_MAX)
			head->column = 1;
		else
			head->column = (uint16_t)column;
		return 0;
	}
}

/* RFC 2308 section 4: $TTL, else RFC 1035: the last TTL, else for the SOA its minimum. */
static int settle_ttl(struct stele_scan *s, struct entry_head *head, struct stele_place place)
{
	if (head->has_ttl) {
		s->last_ttl = head->ttl;
		s->has_last_ttl = true;
	} else if (s->has_default_ttl) {
		head->ttl = s->default_ttl;
	} else if (s->has_last_ttl) {
		head->ttl = s->last_ttl;
	} else if (head->type == STELE_TYPE_SOA) {
		uint32_t minimum = stele_get_be32(s->rdata.bytes + s->rdata.len - 4);
		head->ttl = minimum <= TTL_MAX ? minimum : TTL_MAX;
		s->default_ttl = head->ttl;
		s->has_default_ttl = true;
	} else {
		return stele_report_error(
			s->report, place,
			"record without a TTL (expected one here, in an earlier record or in $TTL)");
	}
	return 0;
}

int stele_scan_entry(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	uint32_t line = c->line;
	if (c->generated_at != NULL)
		line = c->generated_at->line;
	int status;
	if (stele_char_kinds[*c->p] < STELE_CHAR_BLANK) {
		if (*c->p == '"')
			return stele_cursor_fail(c, c->p, "a string (expected an owner name)");
		status = parse_owner(s);
		if (status < 0)
			return status;
	} else {
		const uint8_t *start = c->p;
		bool open = stele_char_kinds[*start] == STELE_CHAR_OPEN;
		status = stele_cursor_next(c);
		if (status <= 0)
			return status; /* an empty line */
		if (open && start + 1 == c->p)
			return stele_cursor_fail(c, start,
						 "'(' before the owner (expected it behind)");
		if (!s->has_owner)
			return stele_cursor_fail(c, c->p,
						 "record without an owner (expected one, as no "
						 "record comes before it)");
		line = c->generated_at != NULL ? line : c->line;
	}

	struct entry_head head = {.line = line};
	status = parse_head(s, &head);
	if (status < 0)
		return status;
	status = stele_rdata_parse(c, head.type, &s->rdata);
	if (status < 0)
		return status;
	if (!head.has_ttl || head.ttl != s->last_ttl || !s->has_last_ttl) {
		status = settle_ttl(s, &head, (struct stele_place){c->file, line, head.column});
		if (status < 0)
			return status;
	}

	struct stele_scan_owner owner = {
		.key = s->owner_key,
		.key_len = s->owner_key_len,
		.same = s->owner_added,
		.file = c->file_index,
	};
	struct stele_record record = {
		.type = head.type,
		.rdata_len = (uint16_t)s->rdata.len,
		.ttl = head.ttl,
		.line = line,
		.column = head.column,
		.rdata = s->rdata.bytes,
	};
	status = s->sink(s->user, &owner, &record);
	s->owner_added = status >= 0;
	return status;
}

int stele_scan_entries(struct stele_scan *s)
{
	struct stele_cursor *c = &s->cursor;
	const uint8_t *start = c->p, *step_at = start;
	for (;;) {
		if ((size_t)(c->p - step_at) >= STEP) {
			stele_scan_passed(s, step_at, c->p);
			step_at = c->p;
			if (s->open_cnt <= 1 && s->progress != NULL)
				s->progress(s->progress_user, (uint64_t)(c->p - start));
		}
		int status;
		if (*c->p == '$')
			status = stele_scan_directive(s);
		else
			status = stele_scan_entry(s);
		if (status == STELE_E_INPUT) {
			if (stele_report_full(s->report))
				return 0;
			stele_cursor_skip_entry(c);
			if (c->p >= c->end)
				return 0;
			continue;
		}
		if (status < 0)
			return status;
		if (!stele_cursor_next_line(c) || stele_report_full(s->report))
			return 0;
	}
}
