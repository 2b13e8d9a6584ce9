/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/reference/reference.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"
#include "lib/text/rdata_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const section_names[STELE_MESSAGE_SECTION_CNT] = {"answer", "authority",
								     "additional"};

/* ---- the differences as text ---- */

struct diff {
	struct stele_error text;
	size_t len;
};

static void diff_add(struct diff *diff, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void diff_add(struct diff *diff, const char *format, ...)
{
	size_t room = sizeof(diff->text.text) - diff->len;
	va_list args;
	va_start(args, format);
	int len = vsnprintf(diff->text.text + diff->len, room, format, args);
	va_end(args);
	if (len > 0)
		diff->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void diff_add_rr(struct diff *diff, const char *what, unsigned section,
			const struct reference_rr *rr)
{
	char owner[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
	char *rdata = malloc(STELE_RDATA_TEXT_MAX + 1);
	stele_name_to_text(rr->owner, owner);
	if (rdata != NULL)
		rdata[stele_rdata_to_text(rr->type, rr->rdata, rr->rdata_len, rdata)] = '\0';
	diff_add(diff, "%s: %s: %s %u %s %.200s\n", section_names[section], what, owner, rr->ttl,
		 stele_rrtype_to_text(rr->type, type), rdata != NULL ? rdata : "");
	free(rdata);
}

/* ---- records ---- */

/* Lowers the names of which compression may have changed the case. */
static void lower_names(uint16_t type, uint8_t *rdata, size_t len)
{
	uint16_t pos[2];
	unsigned cnt = stele_rdata_compressible_names(type, rdata, len, pos);
	for (unsigned i = 0; i < cnt; i++) {
		size_t name_len = stele_name_length(rdata + pos[i], len - pos[i]);
		stele_name_lower(rdata + pos[i], rdata + pos[i], name_len);
	}
}

static bool is_equal(const struct reference_rr *a, const struct reference_rr *b)
{
	if (a->type != b->type || a->ttl != b->ttl || a->owner_len != b->owner_len ||
	    a->rdata_len != b->rdata_len || memcmp(a->owner, b->owner, a->owner_len) != 0)
		return false;
	if (memcmp(a->rdata, b->rdata, a->rdata_len) == 0)
		return true;
	uint8_t *rdata = malloc(2 * (size_t)a->rdata_len);
	if (rdata == NULL)
		return false;
	memcpy(rdata, a->rdata, a->rdata_len);
	memcpy(rdata + a->rdata_len, b->rdata, b->rdata_len);
	lower_names(a->type, rdata, a->rdata_len);
	lower_names(a->type, rdata + a->rdata_len, b->rdata_len);
	bool equal = memcmp(rdata, rdata + a->rdata_len, a->rdata_len) == 0;
	free(rdata);
	return equal;
}

static bool has(const struct reference_section *section, const struct reference_rr *rr)
{
	for (size_t i = 0; i < section->cnt; i++)
		if (is_equal(&section->rrs[i], rr))
			return true;
	return false;
}

/* Bytes that the RRset of a record, with its signatures, needs at the least. */
static size_t rrset_size(const struct reference_section *section, const struct reference_rr *rr)
{
	size_t sz = 0;
	for (size_t i = 0; i < section->cnt; i++) {
		const struct reference_rr *other = &section->rrs[i];
		uint16_t type = other->type;
		if (type == STELE_TYPE_RRSIG)
			type = stele_get_be16(other->rdata);
		if (type == (rr->type == STELE_TYPE_RRSIG ? stele_get_be16(rr->rdata) : rr->type) &&
		    other->owner_len == rr->owner_len &&
		    memcmp(other->owner, rr->owner, rr->owner_len) == 0)
			sz += 2u + STELE_RR_FIXED_SZ + other->rdata_len;
	}
	return sz;
}

/* The section of a message in the form of what is expected. False when memory is out or the section
 * is faulty, which is told. */
static bool read_section(const struct stele_message *message, unsigned section,
			 struct reference_section *ret, struct diff *diff)
{
	const struct stele_message_rr *rr = message->rrs;
	for (unsigned s = 0; s < section; s++)
		rr += message->cnt[s];
	*ret = (struct reference_section){
		.rrs = calloc(message->cnt[section] + 1, sizeof(*ret->rrs))};
	uint8_t *rdata = malloc(STELE_MESSAGE_MAX);
	bool done = rdata != NULL && ret->rrs != NULL;
	for (size_t i = 0; done && i < message->cnt[section]; i++, rr++) {
		long len = stele_message_rdata(message, rr, rdata, STELE_MESSAGE_MAX);
		if (len < 0 || rr->class != STELE_CLASS_IN) {
			diff_add(diff, "%s: record %zu is faulty\n", section_names[section], i + 1);
			done = false;
			break;
		}
		uint8_t *bytes = malloc(rr->owner_len + (size_t)len);
		if (bytes == NULL) {
			done = false;
			break;
		}
		stele_name_lower(bytes, rr->owner, rr->owner_len);
		memcpy(bytes + rr->owner_len, rdata, (size_t)len);
		struct reference_rr found = {
			.owner = bytes,
			.owner_len = rr->owner_len,
			.rdata = bytes + rr->owner_len,
			.rdata_len = (uint16_t)len,
			.type = rr->type,
			.ttl = rr->ttl,
		};
		if (has(ret, &found))
			diff_add_rr(diff, "twice", section, &found);
		ret->rrs[ret->cnt++] = found;
	}
	free(rdata);
	return done;
}

static void compare_section(const struct stele_message *message, unsigned section,
			    const struct reference_section *expected, size_t limit,
			    struct diff *diff)
{
	struct reference_section found;
	if (read_section(message, section, &found, diff)) {
		for (size_t i = 0; i < found.cnt; i++)
			if (!has(expected, &found.rrs[i]))
				diff_add_rr(diff, "not expected", section, &found.rrs[i]);
		for (size_t i = 0; i < expected->cnt; i++) {
			const struct reference_rr *rr = &expected->rrs[i];
			if (has(&found, rr))
				continue;
			if (section != STELE_MESSAGE_ADDITIONAL || rr->required ||
			    message->len + rrset_size(expected, rr) <= limit)
				diff_add_rr(diff, "missing", section, rr);
		}
	}
	for (size_t i = 0; i < found.cnt; i++)
		free(found.rrs[i].owner);
	free(found.rrs);
}

/* What the message takes if no name is compressed. */
static size_t size_at_most(const struct reference_reply *expected)
{
	enum { OPT_MAX = 128 }; /* with a cookie, an extended error, an identifier */
	size_t sz = STELE_HEADER_SZ + STELE_NAME_MAX + 4 + OPT_MAX;
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++)
		for (size_t i = 0; i < expected->sections[s].cnt; i++)
			sz += expected->sections[s].rrs[i].owner_len + STELE_RR_FIXED_SZ +
			      expected->sections[s].rrs[i].rdata_len;
	return sz;
}

/*
 * Compares a reply with what is expected: rcode, AA and the three sections as sets, names without
 * regard to case. A truncated reply is not looked at; additional records that are not required may
 * be missing where they would not fit into `limit` bytes. Returns 0, or STELE_E_INPUT with all
 * differences in `reterr`, one a line.
 */
static int compare_replies(const struct stele_message *reply,
			   const struct reference_reply *expected, size_t limit,
			   struct stele_error *reterr)
{
	struct diff diff = {.len = 0};
	unsigned rcode = reply->flags & STELE_FLAG_RCODE;
	bool aa = (reply->flags & STELE_FLAG_AA) != 0;
	if (expected->undefined)
		return 0;
	bool truncated = (reply->flags & STELE_FLAG_TC) != 0;
	if (truncated && size_at_most(expected) <= limit)
		diff_add(&diff, "TC, and all of it fits\n");
	/* Where an alias is cut off, nobody has looked at what it leads to. */
	bool is_open = truncated && rcode == STELE_RCODE_NOERROR &&
		       reply->cnt[STELE_MESSAGE_ANSWER] <
			       expected->sections[STELE_MESSAGE_ANSWER].cnt;
	if (rcode != expected->rcode && !is_open)
		diff_add(&diff, "rcode %u (expected %u)\n", rcode, expected->rcode);
	if (aa != (expected->aa && reply->qclass != STELE_CLASS_ANY))
		diff_add(&diff, "AA is %u\n", aa);
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT && !truncated; s++)
		compare_section(reply, s, &expected->sections[s], limit, &diff);
	if (diff.len == 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "%s", diff.text.text);
}

/* ---- a query as it came ---- */

static bool is_for_a_zone(const struct stele_message *query)
{
	return (query->flags & (STELE_FLAG_QR | STELE_FLAG_OPCODE)) == 0 &&
	       query->question_cnt == 1 &&
	       (query->qclass == STELE_CLASS_IN || query->qclass == STELE_CLASS_ANY) &&
	       query->qtype != STELE_TYPE_AXFR && query->qtype != STELE_TYPE_IXFR &&
	       (!query->has_opt || (query->opt.ttl >> 16 & 0xff) == 0);
}

static size_t limit_of(const struct reference_check *check, const struct stele_message *query)
{
	size_t limit = query->has_opt ? query->opt.class : 0;
	if (limit > check->udp_max)
		limit = check->udp_max;
	if (limit < 512)
		limit = 512;
	return check->tcp || limit > check->cap ? check->cap : limit;
}

int reference_check(const struct reference_check *check, const uint8_t *query, size_t query_len,
		    const uint8_t *reply, size_t reply_len, struct stele_error *reterr)
{
	struct stele_message asked, replied;
	struct stele_error ignored, fault;
	if (stele_message_parse(query, query_len, &asked, &ignored) != 0)
		return 0;
	if (!is_for_a_zone(&asked)) {
		stele_message_free(&asked);
		return 0;
	}
	struct reference_question question = {
		.qname_len = asked.qname_len,
		.qtype = asked.qtype,
		.dnssec_ok = asked.has_opt && (asked.opt.ttl & STELE_EDNS_FLAG_DO) != 0,
		.any_minimal = check->any_minimal && !check->tcp,
	};
	stele_name_lower(question.qname, asked.qname, asked.qname_len);
	size_t limit = limit_of(check, &asked);
	stele_message_free(&asked);

	char name[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
	stele_name_to_text(question.qname, name);
	stele_rrtype_to_text(question.qtype, type);
	int status = stele_message_parse(reply, reply_len, &replied, &fault);
	if (status != 0)
		return stele_fail(reterr, status, "%s %s: the reply does not parse: %s", name, type,
				  fault.text);
	/* A query may be malformed in ways that are no matter of zones, such as a cookie's length. */
	if ((replied.flags & STELE_FLAG_RCODE) == STELE_RCODE_FORMERR)
		goto done;
	if (reply_len > limit) {
		status = stele_fail(reterr, STELE_E_INPUT,
				    "%s %s: %zu bytes (expected at most %zu)", name, type,
				    reply_len, limit);
		goto done;
	}
	struct reference_reply expected;
	status = reference_answer(check->read, &question, &expected, reterr);
	if (status != 0)
		goto done;
	status = compare_replies(&replied, &expected, limit, &fault);
	if (status != 0)
		stele_fail(reterr, status, "%s %s%s: the reply differs from the store\n%s", name,
			   type, question.dnssec_ok ? " +dnssec" : "", fault.text);
	reference_reply_free(&expected);
done:
	stele_message_free(&replied);
	return status;
}
