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

#endif
