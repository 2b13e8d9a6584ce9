/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/cookie.h"
#include "lib/answer/question.h"

#include <string.h>

enum {
	COOKIE_SERVER_MIN = 8,
	COOKIE_SERVER_MAX = 32,
};

static bool drop(struct work *w, enum stele_drop_reason reason)
{
	w->reply->verdict = STELE_VERDICT_DROP;
	w->reply->drop_reason = reason;
	return false;
}

static bool punt(struct work *w)
{
	w->reply->verdict = STELE_VERDICT_PUNT;
	return false;
}

static bool decide(struct work *w, uint16_t rcode)
{
	w->rcode = rcode;
	return false;
}

/* Just what the contract asks for: clearing all of `w` would cost more than the query. */
static void begin(struct work *w)
{
	w->id = 0;
	w->flags_in = 0;
	w->qtype = 0;
	w->qclass = 0;
	w->has_question = false;
	w->qname_len = 0;
	w->edns = (struct edns){0};
	w->limit = 0;
	w->opt_len = 0;
	w->pos = STELE_HEADER_SZ;
	stele_work_begin_reply(w);
}

/* NOERROR, or FORMERR if it is none of the sizes that RFC 7873 section 4 allows; where cookies are off, it is an option
 * like others that nobody knows (RFC 6891 section 6.1.2). */
static uint16_t read_cookie(struct work *w, const uint8_t *data, size_t len)
{
	if (w->edns.has_cookie) /* only the first one counts (RFC 7873 section 5.2) */
		return STELE_RCODE_NOERROR;
	if (len != COOKIE_CLIENT_SZ && (len < COOKIE_CLIENT_SZ + COOKIE_SERVER_MIN ||
					len > COOKIE_CLIENT_SZ + COOKIE_SERVER_MAX))
		return w->shared->cookies ? STELE_RCODE_FORMERR : STELE_RCODE_NOERROR;
	w->edns.has_cookie = true;
	stele_cookie_read(w, data, len - COOKIE_CLIENT_SZ);
	return STELE_RCODE_NOERROR;
}

static uint16_t read_options(struct work *w, const uint8_t *data, size_t len)
{
	uint16_t rcode = STELE_RCODE_NOERROR;
	while (len > 0) {
		if (len < 4 || len - 4 < stele_get_be16(data + 2)) {
			w->edns.present =
				false; /* what it wants is not known: no OPT in the reply */
			return STELE_RCODE_FORMERR;
		}
		uint16_t code = stele_get_be16(data), option_len = stele_get_be16(data + 2);
		if (code == STELE_EDNS_NSID)
			w->edns.want_nsid = true;
		else if (code == STELE_EDNS_TCP_KEEPALIVE)
			w->edns.want_keepalive = true;
		else if (code == STELE_EDNS_PADDING)
			w->edns.want_padding = true;
		else if (code == STELE_EDNS_COOKIE && rcode == STELE_RCODE_NOERROR)
			rcode = read_cookie(w, data + 4, option_len);
		data += 4 + option_len;
		len -= 4u + option_len;
	}
	return rcode;
}

/* The OPT at `opt`, whose fixed part and rdata lie inside the message. */
static uint16_t read_opt(struct work *w, const uint8_t *opt)
{
	struct edns *edns = &w->edns;
	edns->present = true;
	edns->dnssec_ok = (opt[7] & (STELE_EDNS_FLAG_DO >> 8)) != 0;
	edns->udp_size = stele_question_udp_size(w, opt);
	/* Another version may have other options: they are not looked at (RFC 6891 section 6.1.3). */
	if (opt[6] != 0)
		return STELE_RCODE_BADVERS;
	uint16_t rdata_len = stele_get_be16(opt + 9);
	return rdata_len == 0 ? STELE_RCODE_NOERROR :
				read_options(w, opt + OPT_FIXED_SZ, rdata_len);
}

/* The offset behind the name at `at`, which may end in a pointer; 0 if it does not fit. */
static uint32_t skip_name(const uint8_t *msg, uint32_t len, uint32_t at)
{
	while (at < len) {
		uint8_t label = msg[at];
		if (label == 0)
			return at + 1;
		if (label >= 0xc0)
			return at + 2;
		if (label > STELE_LABEL_MAX)
			return 0;
		at += label + 1u;
	}
	return 0;
}

enum { RECORDS_SIGNED = 0xffff }; /* the message has TSIG or SIG(0): no rcode has this value */

/*
 * Records behind the question, in whatever number. Those that a query has no use for must be whole
 * and are ignored. NOERROR, FORMERR, BADVERS or RECORDS_SIGNED.
 */
static uint16_t read_records(struct work *w, uint32_t at)
{
	const uint8_t *msg = w->query->msg;
	uint32_t len = w->query->len;
	unsigned before = (unsigned)stele_get_be16(msg + 6) + stele_get_be16(msg + 8);
	unsigned cnt = before + stele_get_be16(msg + 10);
	const uint8_t *opt = NULL;
	bool is_signed = false;
	for (unsigned i = 0; i < cnt; i++) {
		const uint8_t *owner = msg + at;
		at = skip_name(msg, len, at);
		if (at == 0 || at > len || len - at < STELE_RR_FIXED_SZ || is_signed)
			return STELE_RCODE_FORMERR;
		uint16_t type = stele_get_be16(msg + at);
		uint16_t rdata_len = stele_get_be16(msg + at + 8);
		at += STELE_RR_FIXED_SZ;
		if (len - at < rdata_len)
			return STELE_RCODE_FORMERR;
		if (type == STELE_TYPE_OPT) {
			/* One, in the additional section, at the root (RFC 6891 section 6.1). */
			if (i < before || opt != NULL || *owner != 0)
				return STELE_RCODE_FORMERR;
			opt = owner;
		} else if (type == STELE_TYPE_TSIG) {
			if (i < before)
				return STELE_RCODE_FORMERR;
			is_signed = true; /* nothing may follow (RFC 8945 section 5.1) */
		} else if (type == STELE_TYPE_SIG && i + 1 == cnt && i >= before &&
			   rdata_len >= 2 && stele_get_be16(msg + at) == 0) {
			is_signed = true; /* SIG(0) covers type 0 (RFC 2931) */
		}
		at += rdata_len;
	}
	if (at != len)
		return STELE_RCODE_FORMERR;
	if (is_signed)
		return RECORDS_SIGNED;
	return opt != NULL ? read_opt(w, opt) : STELE_RCODE_NOERROR;
}

/* Of the OPT in the reply. */
static unsigned opt_reply_len(const struct work *w)
{
	const struct edns *edns = &w->edns;
	if (!edns->present)
		return 0;
	unsigned len = OPT_FIXED_SZ;
	if (edns->want_nsid && w->shared->settings->nsid_len > 0)
		len += 4u + w->shared->settings->nsid_len;
	if (edns->cookie != COOKIE_NONE)
		len += COOKIE_OPTION_SZ;
	if (edns->want_keepalive && w->query->tcp && w->shared->settings->keepalive > 0)
		len += 4u + 2u;
	if (edns->want_padding && w->shared->settings->pad_block > 0)
		len += 4u; /* and what is left of a block */
	return len;
}

bool stele_request_read_options(struct work *w, const uint8_t *data, size_t len)
{
	if (read_options(w, data, len) != STELE_RCODE_NOERROR)
		return false;
	w->opt_len = (uint16_t)opt_reply_len(w);
	return true;
}

static void set_limit(struct work *w)
{
	const struct edns *edns = &w->edns;
	uint32_t max = edns->present ? edns->udp_size : UDP_MIN;
	if (w->query->tcp)
		max = STELE_MESSAGE_MAX;
	if (max > w->reply->cap)
		max = w->reply->cap;
	w->opt_len = (uint16_t)opt_reply_len(w);
	w->limit = stele_question_limit(w, max);
}

/* A message that is whole but not one question about the Internet class: false, decided. */
static bool decide_other(struct work *w)
{
	if (!w->has_question)
		/* A client may ask for a cookie alone (RFC 7873 section 5.4). */
		return decide(w, w->edns.cookie != COOKIE_NONE ? STELE_RCODE_NOERROR :
								 STELE_RCODE_FORMERR);
	if (w->qclass == STELE_CLASS_CH) {
		stele_chaos_answer(w);
		return false;
	}
	return decide(w, STELE_RCODE_REFUSED);
}

/* Another opcode than QUERY: the daemon's, or nobody's. What follows the header may be anything. */
static bool decide_opcode(struct work *w)
{
	unsigned opcode = (w->flags_in & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT;
	if (opcode == STELE_OPCODE_NOTIFY || opcode == STELE_OPCODE_UPDATE)
		return punt(w);
	uint16_t rcode = STELE_RCODE_NOERROR;
	if (stele_get_be16(w->query->msg + 4) == 1 && stele_question_read(w))
		rcode = read_records(w, w->pos);
	set_limit(w);
	if (rcode == RECORDS_SIGNED)
		return punt(w);
	return decide(w, rcode == STELE_RCODE_BADVERS ? rcode : STELE_RCODE_NOTIMP);
}

bool stele_request_parse(struct work *w)
{
	const uint8_t *msg = w->query->msg;
	begin(w);
	if (w->query->len < STELE_HEADER_SZ)
		return drop(w, STELE_DROP_SHORT);
	w->id = stele_get_be16(msg);
	w->flags_in = stele_get_be16(msg + 2);
	if (w->flags_in & STELE_FLAG_QR)
		return drop(w, STELE_DROP_RESPONSE);
	if (w->flags_in & STELE_FLAG_OPCODE)
		return decide_opcode(w);

	uint16_t question_cnt = stele_get_be16(msg + 4);
	if (question_cnt > 1 || (question_cnt == 1 && !stele_question_read(w))) {
		set_limit(w);
		return decide(w, STELE_RCODE_FORMERR);
	}
	uint16_t rcode = read_records(w, w->pos);
	set_limit(w);
	if (rcode != STELE_RCODE_NOERROR)
		return rcode == RECORDS_SIGNED ? punt(w) : decide(w, rcode);
	/* 0 is no class, so this also finds the message without a question. */
	if (w->qclass != STELE_CLASS_IN && w->qclass != STELE_CLASS_ANY)
		return decide_other(w);
	if (w->qtype == STELE_TYPE_AXFR || w->qtype == STELE_TYPE_IXFR)
		return punt(w);
	return true;
}
