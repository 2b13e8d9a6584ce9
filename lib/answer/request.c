/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/work.h"

#include "lib/base/bytes.h"

#include <string.h>

enum {
	QUESTION_FIXED_SZ = 4, /* type and class */
	OPT_FIXED_SZ = 11,     /* with the root as its owner */
	UDP_MIN = 512,         /* what every client takes (RFC 1035 section 4.2.1) */
	COOKIE_CLIENT_SZ = 8,
	COOKIE_SERVER_SZ = 16,
	COOKIE_SERVER_MIN = 8,
	COOKIE_SERVER_MAX = 32,
};

/* 16 bytes at a time: one register on every machine that matters. */
typedef uint8_t vector __attribute__((vector_size(16)));

static inline vector load(const uint8_t *from)
{
	vector v;
	memcpy(&v, from, sizeof(v));
	return v;
}

static inline void store(uint8_t *to, vector v)
{
	memcpy(to, &v, sizeof(v));
}

/* A-Z to a-z. Length bytes are below 'A' and stay. */
static inline vector lower(vector v)
{
	vector is_upper = (vector)((v - 'A') < 26);
	return v | (is_upper & 0x20);
}

/* Drops the first `cnt` bytes, at most 15. */
static inline vector shift_down(vector v, unsigned cnt)
{
	unsigned __int128 bits;
	memcpy(&bits, &v, sizeof(bits));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	bits >>= 8 * cnt;
#else
	bits <<= 8 * cnt;
#endif
	memcpy(&v, &bits, sizeof(v));
	return v;
}

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

/*
 * Just what the contract asks for: clearing all of `w` would cost more than the query. The part that
 * does not depend on the message.
 */
static inline void begin_reply(struct work *w)
{
	w->rcode = STELE_RCODE_NOERROR;
	w->ede = STELE_EDE_NONE;
	w->aa = false;
	w->tc = false;
	w->answer_cnt = 0;
	w->authority_cnt = 0;
	w->additional_cnt = 0;

	w->state = WORK_DONE; /* until stele_resolve_start() */
	w->fetch_cnt = 0;

	struct stele_reply *reply = w->reply;
	reply->len = 0;
	reply->verdict = STELE_VERDICT_REPLY;
	reply->drop_reason = STELE_DROP_NONE;
	reply->reply_class = STELE_CLASS_ERROR;
	reply->rcode = STELE_RCODE_NOERROR;
	reply->cookie_valid = false;
	reply->zone_id = UINT32_MAX;
	reply->body_off = 0;
	reply->body_len = 0;
	reply->body_sum = 0;
}

static inline void begin(struct work *w)
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
	begin_reply(w);
}

/*
 * The question into `w`, and into the reply if that is elsewhere. False if it does not parse: no
 * compression, since there is nothing in front of it to point to.
 *
 * The message goes on for type and class behind the name, and the header stands before it. So every
 * run of 16 bytes below lies inside the message, whatever its length, and the last one, which ends
 * with the question, always exists.
 */
static inline bool read_question(struct work *w)
{
	const uint8_t *msg = w->query->msg;
	const uint8_t *qname = msg + STELE_HEADER_SZ;
	uint32_t len = w->query->len;
	if (len < STELE_HEADER_SZ + 1 + QUESTION_FIXED_SZ)
		return false;
	uint32_t max = len - STELE_HEADER_SZ - QUESTION_FIXED_SZ;
	if (max > STELE_NAME_MAX)
		max = STELE_NAME_MAX;

	struct search_name *sname = &w->sname;
	uint32_t at = 0;
	unsigned depth = 0;
	for (;;) {
		sname->starts[depth] = (uint8_t)at;
		uint8_t label = qname[at];
		if (label == 0)
			break;
		at += label + 1u;
		if (label > STELE_LABEL_MAX || at >= max)
			return false;
		depth++;
	}
	uint32_t name_len = at + 1;
	sname->len = (uint8_t)name_len;
	sname->depth = (uint8_t)depth;
	sname->at = STELE_HEADER_SZ;
	w->qname_len = (uint8_t)name_len;
	w->has_question = true;
	w->pos = STELE_HEADER_SZ + name_len + QUESTION_FIXED_SZ;

	uint8_t *out = w->reply->buf;
	enum { TAIL_SZ = sizeof(vector) - QUESTION_FIXED_SZ }; /* of the name, in the last run */
	vector tail = load(msg + name_len);
	if (out != msg) {
		for (uint32_t i = 0; i + TAIL_SZ < name_len; i += sizeof(vector))
			store(out + STELE_HEADER_SZ + i, load(qname + i));
		store(out + name_len, tail);
	}
	tail = lower(tail);
	for (uint32_t i = 0; i + TAIL_SZ < name_len; i += sizeof(vector))
		store(sname->wire + i, lower(load(qname + i)));
	if (name_len >= TAIL_SZ)
		store(sname->wire + name_len - TAIL_SZ, tail);
	else
		store(sname->wire, shift_down(tail, TAIL_SZ - name_len));
	w->qtype = stele_get_be16(qname + name_len);
	w->qclass = stele_get_be16(qname + name_len + 2);
	return true;
}

/* NOERROR, or FORMERR if it is none of the sizes that RFC 7873 section 4 allows. */
static uint16_t read_cookie(struct work *w, const uint8_t *data, size_t len)
{
	struct edns *edns = &w->edns;
	if (edns->has_cookie) /* only the first one counts (RFC 7873 section 5.2) */
		return STELE_RCODE_NOERROR;
	size_t server_len = len - COOKIE_CLIENT_SZ;
	if (len != COOKIE_CLIENT_SZ &&
	    (len < COOKIE_CLIENT_SZ + COOKIE_SERVER_MIN || server_len > COOKIE_SERVER_MAX))
		return STELE_RCODE_FORMERR;
	edns->has_cookie = true;
	const struct stele_answer_settings *settings = w->settings;
	const struct stele_client *client = &w->query->client;
	if (!settings->cookies || settings->cookie_secret_cnt == 0 || client->family == 0)
		return STELE_RCODE_NOERROR;
	memcpy(edns->client_cookie, data, COOKIE_CLIENT_SZ);
	edns->cookie_reply_len = COOKIE_CLIENT_SZ + COOKIE_SERVER_SZ;
	w->reply->cookie_valid = stele_cookie_check(
		settings, edns->client_cookie, data + COOKIE_CLIENT_SZ, server_len, w->now, client);
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
		else if (code == STELE_EDNS_COOKIE && rcode == STELE_RCODE_NOERROR)
			rcode = read_cookie(w, data + 4, option_len);
		data += 4 + option_len;
		len -= 4u + option_len;
	}
	return rcode;
}

/* What the client takes, kept between what it must take and what we send. */
static inline uint16_t udp_size(const struct work *w, const uint8_t *opt)
{
	uint16_t size = stele_get_be16(opt + 3);
	if (size > w->settings->udp_max)
		size = w->settings->udp_max;
	return size < UDP_MIN ? UDP_MIN : size;
}

/* The OPT at `opt`, whose fixed part and rdata lie inside the message. */
static uint16_t read_opt(struct work *w, const uint8_t *opt)
{
	struct edns *edns = &w->edns;
	edns->present = true;
	edns->dnssec_ok = (opt[7] & (STELE_EDNS_FLAG_DO >> 8)) != 0;
	edns->udp_size = udp_size(w, opt);
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

static void set_limit(struct work *w)
{
	const struct edns *edns = &w->edns;
	uint32_t max = edns->present ? edns->udp_size : UDP_MIN;
	if (w->query->tcp)
		max = STELE_MESSAGE_MAX;
	if (max > w->reply->cap)
		max = w->reply->cap;
	unsigned opt_len = 0;
	if (edns->present) {
		opt_len = OPT_FIXED_SZ;
		if (edns->want_nsid && w->settings->nsid_len > 0)
			opt_len += 4u + w->settings->nsid_len;
		if (edns->cookie_reply_len > 0)
			opt_len += 4u + edns->cookie_reply_len;
	}
	w->opt_len = (uint16_t)opt_len;
	w->limit = max - opt_len;
}

/* A message that is whole but not one question about the Internet class: false, decided. */
static bool decide_other(struct work *w)
{
	if (!w->has_question)
		/* A client may ask for a cookie alone (RFC 7873 section 5.4). */
		return decide(w, w->edns.cookie_reply_len > 0 ? STELE_RCODE_NOERROR :
								STELE_RCODE_FORMERR);
	if (w->qclass == STELE_CLASS_CH) {
		stele_chaos_answer(w);
		return false;
	}
	return decide(w, STELE_RCODE_REFUSED);
}

/* An opcode that nobody here implements. What follows the header may be anything. */
static bool decide_opcode(struct work *w)
{
	unsigned opcode = (w->flags_in & STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT;
	if (opcode == STELE_OPCODE_NOTIFY || opcode == STELE_OPCODE_UPDATE)
		return punt(w);
	uint16_t rcode = STELE_RCODE_NOERROR;
	if (stele_get_be16(w->query->msg + 4) == 1 && read_question(w))
		rcode = read_records(w, w->pos);
	set_limit(w);
	if (rcode == RECORDS_SIGNED)
		return punt(w);
	return decide(w, rcode == STELE_RCODE_BADVERS ? rcode : STELE_RCODE_NOTIMP);
}

/* Any message at all. */
static __attribute__((noinline)) bool parse_any(struct work *w)
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
	if (question_cnt > 1 || (question_cnt == 1 && !read_question(w))) {
		set_limit(w);
		return decide(w, STELE_RCODE_FORMERR);
	}
	uint16_t rcode = read_records(w, w->pos);
	set_limit(w);
	if (rcode != STELE_RCODE_NOERROR)
		return rcode == RECORDS_SIGNED ? punt(w) : decide(w, rcode);
	/* Type 0 is no class, so this also finds the message without a question. */
	if (w->qclass != STELE_CLASS_IN && w->qclass != STELE_CLASS_ANY)
		return decide_other(w);
	if (w->qtype == STELE_TYPE_AXFR || w->qtype == STELE_TYPE_IXFR)
		return punt(w);
	return true;
}

/*
 * The message that nearly all are: one question of class IN, no more or an OPT without options. It
 * is told apart by a few whole words; anything else is parsed from its beginning by parse_any().
 */
bool stele_request_parse(struct work *w)
{
	const struct stele_query *query = w->query;
	const uint8_t *msg = query->msg;
	uint32_t len = query->len;
	if (len < STELE_HEADER_SZ)
		return parse_any(w);
	uint64_t head = stele_get_be64(msg);     /* id, flags, QDCOUNT, ANCOUNT */
	uint32_t tail = stele_get_be32(msg + 8); /* NSCOUNT, ARCOUNT */
	uint64_t odd = (uint64_t)(STELE_FLAG_QR | STELE_FLAG_OPCODE) << 32 | UINT32_MAX;
	if ((head & odd) != 1 << 16 || tail > 1 || !read_question(w))
		return parse_any(w);

	const uint8_t *opt = msg + w->pos;
	struct edns edns = {.udp_size = UDP_MIN};
	uint32_t limit = UDP_MIN;
	if (len - w->pos != tail * OPT_FIXED_SZ)
		return parse_any(w);
	if (tail != 0) {
		/* Owner and type; version; length of the options. */
		if (stele_get_be32(opt) >> 8 != STELE_TYPE_OPT || opt[6] != 0 ||
		    stele_get_be16(opt + 9) != 0)
			return parse_any(w);
		edns.present = true;
		edns.dnssec_ok = (opt[7] & (STELE_EDNS_FLAG_DO >> 8)) != 0;
		edns.udp_size = udp_size(w, opt);
		limit = edns.udp_size;
	}
	if (w->qclass != STELE_CLASS_IN || w->qtype == STELE_TYPE_AXFR ||
	    w->qtype == STELE_TYPE_IXFR)
		return parse_any(w);

	struct stele_reply *reply = w->reply;
	if (query->tcp)
		limit = STELE_MESSAGE_MAX;
	if (limit > reply->cap)
		limit = reply->cap;
	w->id = (uint16_t)(head >> 48);
	w->flags_in = (uint16_t)(head >> 32);
	w->edns = edns;
	w->opt_len = (uint16_t)(tail * OPT_FIXED_SZ);
	w->limit = limit - tail * OPT_FIXED_SZ;
	begin_reply(w);
	return true;
}
