/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/reply.h"

#include <string.h>

enum {
	OPTION_HEAD_SZ = 4,
	EDE_OPTION_SZ = OPTION_HEAD_SZ + 2,
};

static inline uint8_t *put_option(uint8_t *p, uint16_t code, unsigned len)
{
	stele_put_be32(p, (uint32_t)code << 16 | len);
	return p + OPTION_HEAD_SZ;
}

/* Comes last: it knows how long the message is. As much as fits, where a whole block does not. */
static uint8_t *put_padding(const struct work *w, uint8_t *p)
{
	uint32_t block = w->shared->settings->pad_block;
	uint32_t len = (uint32_t)(p - w->reply->buf) + OPTION_HEAD_SZ + w->query->reserve;
	uint32_t max = w->limit + w->opt_len + w->query->reserve;
	uint32_t padded = (len + block - 1) / block * block;
	if (padded > max)
		padded = max;
	uint32_t pad_len = padded > len ? padded - len : 0;
	p = put_option(p, STELE_EDNS_PADDING, pad_len);
	memset(p, 0, pad_len);
	return p + pad_len;
}

uint32_t stele_reply_put_options(struct work *w, uint8_t *opt, int ede)
{
	const struct stele_answer_settings *settings = w->shared->settings;
	uint8_t *rdata = opt + OPT_FIXED_SZ, *p = rdata;
	if (w->edns.want_nsid && settings->nsid_len > 0) {
		p = put_option(p, STELE_EDNS_NSID, settings->nsid_len);
		memcpy(p, settings->nsid, settings->nsid_len);
		p += settings->nsid_len;
	}
	if (w->edns.cookie != COOKIE_NONE)
		p = stele_cookie_put_option(w, p);
	if (ede != STELE_EDE_NONE && w->pos + EDE_OPTION_SZ <= w->limit) {
		p = put_option(p, STELE_EDNS_EDE, 2);
		stele_put_be16(p, (uint16_t)ede);
		p += 2;
	}
	if (w->edns.want_keepalive && w->query->tcp && settings->keepalive > 0) {
		p = put_option(p, STELE_EDNS_TCP_KEEPALIVE, 2);
		stele_put_be16(p, settings->keepalive);
		p += 2;
	}
	if (w->edns.want_padding && settings->pad_block > 0)
		p = put_padding(w, p);
	stele_put_be16(opt + 9, (uint16_t)(p - rdata));
	return (uint32_t)(p - rdata);
}

static inline void put_header(const struct work *w)
{
	unsigned flags = STELE_FLAG_QR | (w->rcode & STELE_FLAG_RCODE);
	flags |= w->flags_in & (STELE_FLAG_OPCODE | STELE_FLAG_RD);
	/* An answer for all classes would have to cover all of them to be authoritative (RFC 1035
	 * section 6.2). */
	if (w->aa && w->qclass != STELE_CLASS_ANY)
		flags |= STELE_FLAG_AA;
	if (w->tc)
		flags |= STELE_FLAG_TC;
	unsigned additional_cnt = w->additional_cnt + (unsigned)w->edns.present;
	uint8_t *buf = w->reply->buf;
	stele_put_be64(buf, (uint64_t)w->id << 48 | (uint64_t)flags << 32 |
				    (uint64_t)w->has_question << 16 | w->answer_cnt);
	stele_put_be32(buf + 8, (uint32_t)w->authority_cnt << 16 | additional_cnt);
}

static inline enum stele_reply_class class_of(const struct work *w)
{
	if (w->rcode == STELE_RCODE_NXDOMAIN)
		return STELE_CLASS_NXDOMAIN;
	if (w->rcode != STELE_RCODE_NOERROR)
		return STELE_CLASS_ERROR;
	if (w->answer_cnt > 0)
		return STELE_CLASS_ANSWER;
	if (!w->aa && w->authority_cnt > 0)
		return STELE_CLASS_REFERRAL;
	return w->tc ? STELE_CLASS_ANSWER : STELE_CLASS_NODATA;
}

static inline void put_all(struct work *w)
{
	struct stele_reply *reply = w->reply;
	reply->rcode = w->rcode;
	reply->len = w->pos;
	if (w->edns.present)
		reply->len = stele_reply_put_opt(w, w->pos, w->rcode, w->ede);
	put_header(w);
}

/* Back to header and question. */
static void empty(struct work *w, uint16_t rcode)
{
	w->pos = w->has_question ? work_question_end(w) : STELE_HEADER_SZ;
	w->answer_cnt = 0;
	w->authority_cnt = 0;
	w->additional_cnt = 0;
	w->aa = false;
	w->rcode = rcode;
	w->ede = STELE_EDE_NONE;
	w->reply->body_off = 0;
	w->reply->body_len = 0;
	w->reply->body_sum = 0;
}

void stele_reply_apply_policy(struct work *w, enum stele_policy_verdict verdict)
{
	struct stele_reply *reply = w->reply;
	switch (verdict) {
	case STELE_POLICY_PASS:
		return;
	case STELE_POLICY_DROP:
		reply->verdict = STELE_VERDICT_DROP;
		reply->drop_reason = STELE_DROP_POLICY;
		reply->len = 0;
		return;
	case STELE_POLICY_TRUNCATE:
		empty(w, STELE_RCODE_NOERROR);
		w->tc = true;
		break;
	case STELE_POLICY_REFUSE:
		empty(w, STELE_RCODE_REFUSED);
		w->tc = false;
		w->ede = STELE_EDE_PROHIBITED;
		reply->reply_class = STELE_CLASS_ERROR;
		break;
	}
	put_all(w);
	if (w->edns.cookie != COOKIE_NONE)
		stele_cookie_write(w);
}

void stele_reply_finish(struct work *w)
{
	if (w->reply->verdict != STELE_VERDICT_REPLY)
		return;
	w->reply->reply_class = class_of(w);
	put_all(w);
}
