/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_REPLY_H
#define STELE_LIB_ANSWER_REPLY_H

#include "lib/answer/cookie.h"
#include "lib/answer/question.h"

/* The OPT of the reply, at message offset `at`. Returns where it ends. */
static inline uint32_t stele_reply_put_opt(struct work *w, uint32_t at, uint16_t rcode, int ede)
{
	uint8_t *opt = w->reply->buf + at;
	/* Owner, type, size, upper bits of the rcode, version 0, half of the flags. */
	stele_put_be64(opt, (uint64_t)STELE_TYPE_OPT << 40 |
				    (uint64_t)w->shared->settings->udp_max << 24 |
				    (uint64_t)(rcode >> 4) << 16 |
				    (w->edns.dnssec_ok ? STELE_EDNS_FLAG_DO >> 8 : 0u));
	opt[8] = 0;
	uint32_t options_len = w->opt_len - OPT_FIXED_SZ;
	if (options_len == 0 && ede == STELE_EDE_NONE) {
		stele_put_be16(opt + 9, 0);
	} else if (w->edns.cookie != COOKIE_NONE && options_len == COOKIE_OPTION_SZ &&
		   ede == STELE_EDE_NONE) {
		stele_put_be16(opt + 9, COOKIE_OPTION_SZ);
		stele_cookie_put_option(w, opt + OPT_FIXED_SZ);
	} else {
		options_len = stele_reply_put_options(w, opt, ede);
	}
	return at + OPT_FIXED_SZ + options_len;
}

/*
 * Makes a reply of the records that stand behind the question up to `end`: with AA, without EDE. What is
 * known of its body is left to whoever knows one.
 */
static inline __attribute__((always_inline)) void
stele_reply_put_authoritative(struct work *w, const struct stele_zone *zone, uint32_t end,
			      unsigned answer_cnt, unsigned authority_cnt, enum stele_rcode rcode,
			      enum stele_reply_class reply_class)
{
	struct stele_reply *reply = w->reply;
	unsigned flags = STELE_FLAG_QR | STELE_FLAG_AA | rcode | (w->flags_in & STELE_FLAG_RD);
	stele_put_be64(reply->buf,
		       (uint64_t)w->id << 48 | (uint64_t)flags << 32 | 1 << 16 | answer_cnt);
	stele_put_be32(reply->buf + 8, authority_cnt << 16 | w->edns.present);
	reply->len = end;
	if (w->edns.present)
		reply->len = stele_reply_put_opt(w, end, (uint16_t)rcode, STELE_EDE_NONE);
	reply->verdict = STELE_VERDICT_REPLY;
	reply->drop_reason = STELE_DROP_NONE;
	reply->reply_class = reply_class;
	reply->rcode = (uint16_t)rcode;
	reply->cookie_valid = false;
	reply->cookie_invalid = false;
	reply->zone_id = stele_le32(zone->zone_id);
}

#endif
