/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_PLAIN_H
#define STELE_LIB_ANSWER_PLAIN_H

/*
 * The short way: a plain query for a name that is there.
 *
 * Nearly all messages are one question of class IN with no more than an OPT, and most of those are
 * answered by copying one carved body. Both halves are here, to be inlined into the loop of batch.c: they
 * cost a third of what the general way (request.c, resolve.c, compose.c, finish.c) does, and whatever
 * they cannot do they leave to it, untouched.
 */

#include "lib/answer/absent.h"
#include "lib/answer/lookup.h"
#include "lib/answer/question.h"
#include "lib/answer/reply.h"

#define PLAIN_INLINE static inline __attribute__((always_inline))

/* The options of a plain query, mostly a cookie and nothing else. False: for stele_request_parse() to refuse. */
PLAIN_INLINE bool plain_options(struct work *w, const uint8_t *data, uint32_t len)
{
	enum { MADE = 4 + COOKIE_CLIENT_SZ, HELD = MADE + COOKIE_SERVER_SZ };
	if ((len != MADE && len != HELD) ||
	    stele_get_be32(data) != (STELE_EDNS_COOKIE << 16 | (len - 4)))
		return stele_request_read_options(w, data, len);
	w->edns.has_cookie = true;
	stele_cookie_read(w, data + 4, len - MADE);
	if (w->edns.cookie != COOKIE_NONE)
		w->opt_len = OPT_FIXED_SZ + COOKIE_OPTION_SZ;
	return true;
}

/*
 * Reads the message if it is plain: true, and `w` is as after stele_request_parse(). It is told
 * apart by a few whole words. False: stele_request_parse() has to read it from its beginning.
 */
PLAIN_INLINE bool plain_parse(struct work *w)
{
	const struct stele_query *query = w->query;
	const uint8_t *msg = query->msg;
	uint32_t len = query->len;
	if (len < STELE_HEADER_SZ)
		return false;
	uint64_t head = stele_get_be64(msg);     /* id, flags, QDCOUNT, ANCOUNT */
	uint32_t tail = stele_get_be32(msg + 8); /* NSCOUNT, ARCOUNT */
	uint64_t odd = (uint64_t)(STELE_FLAG_QR | STELE_FLAG_OPCODE) << 32 | UINT32_MAX;
	if ((head & odd) != 1 << 16 || tail > 1 || !stele_question_read(w))
		return false;
	uint32_t rest = len - w->pos;
	if (w->qclass != STELE_CLASS_IN || w->qtype == STELE_TYPE_AXFR ||
	    w->qtype == STELE_TYPE_IXFR)
		return false;

	uint32_t limit = UDP_MIN;
	w->opt_len = 0;
	if (tail == 0) {
		if (rest != 0)
			return false;
		w->edns = (struct edns){.udp_size = UDP_MIN};
	} else {
		/* Owner and type; version; nothing behind it. */
		const uint8_t *opt = msg + w->pos;
		if (rest < OPT_FIXED_SZ || stele_get_be32(opt) >> 8 != STELE_TYPE_OPT ||
		    opt[6] != 0 || stele_get_be16(opt + 9) != rest - OPT_FIXED_SZ)
			return false;
		limit = stele_question_udp_size(w, opt);
		w->edns = (struct edns){.present = true,
					.dnssec_ok = (opt[7] & (STELE_EDNS_FLAG_DO >> 8)) != 0,
					.udp_size = (uint16_t)limit};
		w->opt_len = OPT_FIXED_SZ;
		if (rest > OPT_FIXED_SZ &&
		    !plain_options(w, opt + OPT_FIXED_SZ, rest - OPT_FIXED_SZ))
			return false;
	}
	if (query->tcp)
		limit = STELE_MESSAGE_MAX;
	if (limit > w->reply->cap)
		limit = w->reply->cap;
	w->id = (uint16_t)(head >> 48);
	w->flags_in = (uint16_t)(head >> 32);
	w->limit = stele_question_limit(w, limit);
	return true;
}

/*
 * Answers from w->zone_record and the `record` of the name, neither of which is compared yet, if
 * the name is theirs and an RRset of the type can be copied as it stands, or neither the type nor a CNAME is
 * there (which may take a search, for `absent`). False: nothing is done.
 */
PLAIN_INLINE bool plain_answer(struct work *w, const uint8_t *record, struct absent *absent)
{
	if (record == NULL || w->zone_record == NULL || w->probe_depth != w->sname.depth)
		return false;
	const struct stele_zone *zone = (const void *)w->zone_record;
	const struct stele_name *name = (const void *)record;
	const struct search_name *sname = &w->sname;
	unsigned rel_len = name->rel_len, apex_len = zone->apex_len;
	/* DS at an apex may be the parent's to answer; in class ANY, nothing is authoritative. */
	if (rel_len + apex_len != sname->len || name->kind != STELE_NAME_AUTHORITATIVE ||
	    (zone->flags & STELE_ZONE_EXPIRED) != 0 || w->qtype == STELE_TYPE_DS ||
	    w->qclass != STELE_CLASS_IN ||
	    !stele_equal_apex(w->zone_record + sizeof(*zone), sname->wire + rel_len, apex_len) ||
	    !stele_equal(record + sizeof(*name), sname->wire, rel_len) ||
	    stele_le32(name->zone_id) != stele_le32(zone->zone_id))
		return false;

	lookup_remember_zone(w);
	const struct stele_rrset *rrset = (const void *)(record + sizeof(*name) + rel_len);
	const struct stele_rrset *end = rrset + stele_le16(name->rrset_cnt);
	const uint8_t *body = (const uint8_t *)end;
	for (; rrset < end && stele_le16(rrset->type) != w->qtype; rrset++)
		body = stele_rrset_end(body, rrset);
	if (rrset == end) {
		/* A CNAME to follow; types that no RRset has. */
		if ((name->flags & STELE_NAME_HAS_CNAME) != 0 || w->qtype == STELE_TYPE_ANY ||
		    w->qtype == STELE_TYPE_RRSIG)
			return false;
		return absent_type(absent, w, zone, record, body) != ABSENT_GENERAL;
	}
	if ((rrset->flags & STELE_RRSET_HAS_REFS) != 0) /* hosts to look up */
		return false;

	bool signatures = w->edns.dnssec_ok;
	uint32_t plain_len = stele_le16(rrset->plain_len), sig_len = stele_le16(rrset->sig_len);
	uint32_t len = plain_len + (signatures ? sig_len : 0);
	unsigned rr_cnt = stele_le16(rrset->rr_cnt) + (signatures ? rrset->sig_cnt : 0u);
	uint32_t pos = w->pos, opt_at = pos + len;
	if (opt_at > w->limit)
		return false;
	struct stele_reply *reply = w->reply;
	stele_copy(reply->buf + pos, body, len);
	stele_reply_put_authoritative(w, zone, opt_at, rr_cnt, 0, STELE_RCODE_NOERROR,
				      STELE_CLASS_ANSWER);
	reply->body_off = (uint16_t)pos;
	reply->body_len = (uint16_t)len;
	reply->body_sum = signatures && sig_len > 0 ? stele_get_le16(body + plain_len + sig_len) :
						      stele_le16(rrset->sum_plain);
	return true;
}

#endif
