/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_RRL_H
#define STELE_LIB_ANSWER_RRL_H

/*
 * Response rate limiting: what a forged source address can make this server send to its victim.
 *
 * Replies are counted by prefix of the client and class of the reply, not by name: a flood of random
 * names below one zone, or of all, is one. Two prefix lengths count side by side, so that neither one
 * host of a network nor all of its hosts together exceed their rate.
 *
 * A counter is one 32-bit time, the moment at which its prefix will have paid for all that it got (GCRA, the
 * "virtual scheduling" of ITU-T I.371): a reply moves it on by 1/rate, and passes while it is less than a burst
 * ahead of now. A counter whose time has come is as good as none; nothing has to decay. Ten
 * counters share a cache line, found by the wider prefix, so that a reply costs one cache miss and the
 * line can be fetched before the class is known. When all ten are in use, the one that is nearest to
 * having paid makes room: who is over a rate is never the one to be forgotten.
 *
 * One table per worker, written by it alone. TCP, valid cookies and clients of unknown address are
 * never limited.
 */

#include "lib/answer/answer.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_RRL_EXEMPT_MAX 64

/* Of one worker. Beyond, 1/rate is less than ten of the microseconds that times are counted in, and
 * rounding makes rates wrong by more than 5 %. */
#define STELE_RRL_RATE_MAX 100000

#define STELE_RRL_BURST_MS_MIN 10
#define STELE_RRL_BURST_MS_MAX 60000

/* A line is one of the cache, its place in the table an offset of 32 bits. */
#define STELE_RRL_LINE_SZ 64
#define STELE_RRL_LINES_MIN (1u << 6)
#define STELE_RRL_LINES_MAX (1u << 24)

/* Replies a second to one prefix; 0: no limit. */
struct stele_rrl_rate {
	uint32_t narrow;
	uint32_t wide;
};

struct stele_rrl_prefix {
	struct stele_client address;
	uint8_t len;
};

struct stele_rrl_settings {
	/* By enum stele_reply_class, for all workers together; stele_rrl_rate_max(). Too low hurts resolvers
	 * with many users behind one address, too high lets more through to a victim; see
	 * stele_rrl_settings_default(). */
	struct stele_rrl_rate rates[STELE_REPLY_CLASS_CNT];
	uint8_t narrow4, wide4; /* prefix lengths, 1 … 32, narrow4 >= wide4 */
	uint8_t narrow6, wide6; /* 1 … 128 */
	/* How far ahead of its rate a prefix may get, STELE_RRL_BURST_MS_MIN … _MAX. Too short limits a
	 * resolver that starts with an empty cache, too long is what a victim gets at once. */
	uint32_t burst_ms;
	/* Of the replies that are limited, each slip-th is sent empty with TC set, so that an honest client
	 * in the prefix comes by TCP. 1: all of them (nothing is amplified), 0: none. */
	uint32_t slip;
	/* The NIC spreads the flows of a prefix over the workers: each holds its share of the rates. */
	uint32_t worker_cnt;
	/* STELE_RRL_LINES_MIN … _MAX, rounded up to a power of two. Less than the number of wide prefixes that are
	 * near a limit at once makes them evict one another; more than fits into the cache costs a miss. */
	uint32_t line_cnt;
	uint32_t exempt_cnt;
	uint64_t seed[2]; /* random, so that nobody can aim at the line of another */
	struct stele_rrl_prefix exempt[STELE_RRL_EXEMPT_MAX]; /* never limited */
};

/*
 * Prefixes of 32 and 24 bits, 64 and 48. Answers and referrals 2000 and 10000 a second, the other
 * classes a tenth; burst 1 s, slip 2, one worker, 65536 lines (4 MiB), no exemptions. The seed is
 * zero and has to be set.
 */
void stele_rrl_settings_default(struct stele_rrl_settings *settings);

struct stele_rrl;

/* The highest rate that as many workers may share. */
static inline uint64_t stele_rrl_rate_max(uint32_t worker_cnt)
{
	return (uint64_t)STELE_RRL_RATE_MAX * worker_cnt;
}

/* STELE_E_INPUT: a setting is out of its range, for which stele_rrl_init() would refuse it. */
int stele_rrl_settings_check(const struct stele_rrl_settings *settings, struct stele_error *reterr);

/* Whether both limit the same, but for the seed, of which each is as good: a table need not be made anew then, and who is
 * over a rate stays so. */
bool stele_rrl_settings_equal(const struct stele_rrl_settings *a,
			      const struct stele_rrl_settings *b);

/* Memory for a table of these settings, in bytes. */
size_t stele_rrl_sz(const struct stele_rrl_settings *settings);

/*
 * Makes a table in `memory` (stele_rrl_sz() bytes, at a multiple of 64, which the table owns until nobody uses it
 * any more). STELE_E_INPUT: a setting is out of its range. `memory` is all that there is to free.
 */
int stele_rrl_init(void *memory, const struct stele_rrl_settings *settings,
		   struct stele_rrl **ret_rrl, struct stele_error *reterr);

/* Takes monotonic time in microseconds, whatever its origin; once a burst will do. */
void stele_rrl_tick(struct stele_rrl *rrl, uint64_t now_us);

/* Counts a reply of this class to this client and says what becomes of it: PASS, DROP or TRUNCATE. */
enum stele_policy_verdict stele_rrl_check(struct stele_rrl *rrl, const struct stele_client *client,
					  enum stele_reply_class reply_class);

/* stele_rrl_check() as a `stele_policy` whose user is the table; lets TCP and valid cookies pass. */
bool stele_rrl_policy(void *rrl, const struct stele_query *queries,
		      const struct stele_reply *replies, unsigned cnt,
		      enum stele_policy_verdict *ret_verdicts);

/* Replies that did not pass, by class, since the table was made. */
struct stele_rrl_counters {
	uint64_t dropped[STELE_REPLY_CLASS_CNT];
	uint64_t truncated[STELE_REPLY_CLASS_CNT];
};
const struct stele_rrl_counters *stele_rrl_counters(const struct stele_rrl *rrl);

#endif
