/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/work.h"

#include "lib/base/bytes.h"

#include <string.h>

enum {
	OPT_FIXED_SZ = 11, /* with the root as its owner */
	OPTION_HEAD_SZ = 4,
	EDE_OPTION_SZ = OPTION_HEAD_SZ + 2,
};

static inline uint8_t *put_option(uint8_t *p, uint16_t code, unsigned len)
{
	stele_put_be32(p, (uint32_t)code << 16 | len);
	return p + OPTION_HEAD_SZ;
}

static uint8_t *put_cookie(const struct work *w, uint8_t *p)
{
	const struct edns *edns = &w->edns;
	uint8_t server_cookie[16];
	stele_cookie_make(w->settings->cookie_secrets[0], edns->client_cookie, w->now,
			  &w->query->client, server_cookie);
	p = put_option(p, STELE_EDNS_COOKIE, edns->cookie_reply_len);
	memcpy(p, edns->client_cookie, sizeof(edns->client_cookie));
	memcpy(p + sizeof(edns->client_cookie), server_cookie, sizeof(server_cookie));
	return p + sizeof(edns->client_cookie) + sizeof(server_cookie);
}

/* The options of the OPT at `opt`. Returns their length. */
static __attribute__((noinline)) uint32_t put_options(const struct work *w, uint8_t *opt)
{
	const struct stele_answer_settings *settings = w->settings;
	uint8_t *rdata = opt + OPT_FIXED_SZ, *p = rdata;
	if (w->edns.want_nsid && settings->nsid_len > 0) {
		p = put_option(p, STELE_EDNS_NSID, settings->nsid_len);
		memcpy(p, settings->nsid, settings->nsid_len);
		p += settings->nsid_len;
	}
	if (w->edns.cookie_reply_len > 0)
		p = put_cookie(w, p);
	if (w->ede != STELE_EDE_NONE && w->pos + EDE_OPTION_SZ <= w->limit) {
		p = put_option(p, STELE_EDNS_EDE, 2);
		stele_put_be16(p, (uint16_t)w->ede);
		p += 2;
	}
	stele_put_be16(opt + 9, (uint16_t)(p - rdata));
	return (uint32_t)(p - rdata);
}

/* The OPT at w->pos. Returns where it ends. */
static inline uint32_t put_opt(const struct work *w)
{
	uint8_t *opt = w->reply->buf + w->pos;
	/* Owner, type, size, upper bits of the rcode, version 0, half of the flags. */
	stele_put_be64(opt, (uint64_t)STELE_TYPE_OPT << 40 | (uint64_t)w->settings->udp_max << 24 |
				    (uint64_t)(w->rcode >> 4) << 16 |
				    (w->edns.dnssec_ok ? STELE_EDNS_FLAG_DO >> 8 : 0u));
	opt[8] = 0;
	stele_put_be16(opt + 9, 0);
	uint32_t end = w->pos + OPT_FIXED_SZ;
	if (w->opt_len > OPT_FIXED_SZ || w->ede != STELE_EDE_NONE)
		end += put_options(w, opt);
	return end;
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
	reply->len = w->edns.present ? put_opt(w) : w->pos;
	put_header(w);
}

/* Back to header and question. */
static void empty(struct work *w, uint16_t rcode)
{
	w->pos = STELE_HEADER_SZ;
	if (w->has_question)
		w->pos += w->qname_len + 4u;
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

static __attribute__((noinline)) void ask_policy(struct work *w)
{
	struct stele_reply *reply = w->reply;
	switch (w->settings->policy(w->settings->policy_user, w->query, reply)) {
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
}

void stele_reply_finish(struct work *w)
{
	struct stele_reply *reply = w->reply;
	if (reply->verdict != STELE_VERDICT_REPLY)
		return;
	reply->reply_class = class_of(w);
	put_all(w);
	if (w->settings->policy != NULL)
		ask_policy(w);
}
