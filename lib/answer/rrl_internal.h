/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_RRL_INTERNAL_H
#define STELE_LIB_ANSWER_RRL_INTERNAL_H

/* The table of rate limits: rrl.c makes it, rrl_check.c counts in it. */

#include "lib/answer/rrl.h"

#include "lib/base/bytes.h"

enum {
	RRL_COUNTER_CNT = 10, /* what fits into a line */
	RRL_LINE_SZ = STELE_RRL_LINE_SZ,
};

/*
 * Counters of the wide prefixes that hash here and of the narrow ones inside of these. A time is the
 * lower 32 bits of microseconds. It is in use while it is ahead of now, by no more than the longest
 * burst; anything else is past. (So a counter that nobody touched for 71 minutes may come
 * back to life for a burst, if the same prefix then comes in that very second.)
 */
struct rrl_line {
	uint16_t tags[RRL_COUNTER_CNT];
	uint32_t limited_cnt; /* replies that did not pass: which of them slip */
	uint32_t times[RRL_COUNTER_CNT];
};
_Static_assert(sizeof(struct rrl_line) == RRL_LINE_SZ, "a miss a reply");

enum { RRL_NARROW, RRL_WIDE, RRL_WIDTH_CNT };

/* What one class may have, in microseconds: a reply's price, and how far ahead a counter may be
 * for one more to pass. A price of 0: no limit, however far it is. */
struct rrl_limit {
	uint32_t price;
	uint32_t slack;
};

/* What one class may have of both prefixes. */
struct rrl_class {
	struct rrl_limit widths[RRL_WIDTH_CNT];
	bool one_limit; /* one of the prefixes has none */
} __attribute__((aligned(32)));

/* A prefix or mask as two words in the order of the packet; IPv4 is the first four bytes. */
struct rrl_prefix {
	uint64_t high, low;
};

struct rrl_exempt {
	struct rrl_prefix prefix, mask;
	uint8_t family;
};

struct stele_rrl {
	uint32_t now;
	uint32_t horizon; /* further ahead of now no counter in use can be */
	uint64_t place_mask; /* what counts of a place: offsets of the lines that there are, and tags */
	uint8_t *lines;
	uint32_t slip;
	/* What the tags of a class differ by from those of others, where places have them; 0: there is no limit. */
	uint64_t mixes[STELE_REPLY_CLASS_CNT];
	struct rrl_class classes[STELE_REPLY_CLASS_CNT];
	struct rrl_prefix wide4, wide6; /* masks */
	/* Of the bits that the narrow prefix has and the wide one not. */
	struct rrl_prefix between4, between6;
	uint64_t seed[2];
	uint64_t factor4; /* of IPv4, made of the seed */
	struct stele_rrl_counters counters;
	stele_policy policy; /* for this processor */
	unsigned exempt_cnt;
	struct rrl_exempt exempt[STELE_RRL_EXEMPT_MAX];
};

static inline struct rrl_prefix rrl_prefix_of(const struct stele_client *client)
{
	if (client->family == 4)
		return (struct rrl_prefix){stele_get_le32(client->addr), 0};
	return (struct rrl_prefix){stele_get_le64(client->addr), stele_get_le64(client->addr + 8)};
}

static inline struct rrl_prefix rrl_masked(struct rrl_prefix prefix, struct rrl_prefix mask)
{
	return (struct rrl_prefix){prefix.high & mask.high, prefix.low & mask.low};
}

/* stele_rrl_policy(), the same for any processor and for AVX2. */
bool stele_rrl_policy_portable(void *rrl, const struct stele_query *queries,
			       const struct stele_reply *replies, unsigned cnt,
			       enum stele_policy_verdict *ret_verdicts);
#if defined(__x86_64__)
bool stele_rrl_policy_avx2(void *rrl, const struct stele_query *queries,
			   const struct stele_reply *replies, unsigned cnt,
			   enum stele_policy_verdict *ret_verdicts);
#endif

#endif
