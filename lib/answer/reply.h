/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_REPLY_H
#define STELE_LIB_ANSWER_REPLY_H

#include "lib/answer/question.h"

/* The OPT of the reply, at message offset `at`. Returns where it ends. */
static inline uint32_t stele_reply_put_opt(const struct work *w, uint32_t at, uint16_t rcode,
					   int ede)
{
	uint8_t *opt = w->reply->buf + at;
	/* Owner, type, size, upper bits of the rcode, version 0, half of the flags. */
	stele_put_be64(opt, (uint64_t)STELE_TYPE_OPT << 40 |
				    (uint64_t)w->shared->settings->udp_max << 24 |
				    (uint64_t)(rcode >> 4) << 16 |
				    (w->edns.dnssec_ok ? STELE_EDNS_FLAG_DO >> 8 : 0u));
	opt[8] = 0;
	stele_put_be16(opt + 9, 0);
	uint32_t end = at + OPT_FIXED_SZ;
	if (w->opt_len > OPT_FIXED_SZ || ede != STELE_EDE_NONE)
		end += stele_reply_put_options(w, opt, ede);
	return end;
}

#endif
