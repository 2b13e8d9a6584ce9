/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/rrl_internal.h"

#include "lib/base/cpu.h"

#include <string.h>

enum {
	/* What stands in front of the lines. */
	HEAD_SZ = (sizeof(struct stele_rrl) + RRL_LINE_SZ - 1) / RRL_LINE_SZ * RRL_LINE_SZ,
};
_Static_assert((uint64_t)STELE_RRL_LINES_MAX *RRL_LINE_SZ <= UINT32_MAX, "offsets have 32 bits");

/* ---- Settings ---- */

void stele_rrl_settings_default(struct stele_rrl_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		bool common = i == STELE_CLASS_ANSWER || i == STELE_CLASS_REFERRAL;
		settings->rates[i].narrow = common ? 2000 : 200;
		settings->rates[i].wide = common ? 10000 : 1000;
	}
	settings->narrow4 = 32;
	settings->wide4 = 24;
	settings->narrow6 = 64;
	settings->wide6 = 48;
	settings->burst_ms = 1000;
	settings->slip = 2;
	settings->worker_cnt = 1;
	settings->line_cnt = 1 << 16;
}

bool stele_rrl_settings_equal(const struct stele_rrl_settings *a,
			      const struct stele_rrl_settings *b)
{
	_Static_assert(sizeof(*a) == 8 * STELE_REPLY_CLASS_CNT + 4 + 5 * 4 + 16 +
					     sizeof(struct stele_rrl_prefix) * STELE_RRL_EXEMPT_MAX,
		       "no padding");
	struct stele_rrl_settings copy;

	memcpy(&copy, b, sizeof(copy));
	memcpy(copy.seed, a->seed, sizeof(copy.seed));
	return memcmp(a, &copy, sizeof(copy)) == 0;
}

static uint32_t rounded_line_cnt(const struct stele_rrl_settings *settings)
{
	uint32_t cnt = STELE_RRL_LINES_MIN;
	while (cnt < settings->line_cnt && cnt < STELE_RRL_LINES_MAX)
		cnt *= 2;
	return cnt;
}

size_t stele_rrl_sz(const struct stele_rrl_settings *settings)
{
	return HEAD_SZ + (size_t)rounded_line_cnt(settings) * RRL_LINE_SZ;
}

int stele_rrl_settings_check(const struct stele_rrl_settings *settings, struct stele_error *reterr)
{
	if (settings->worker_cnt == 0)
		return stele_fail(reterr, STELE_E_INPUT, "rate limits for no worker");
	uint64_t rate_max = stele_rrl_rate_max(settings->worker_cnt);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++)
		if (settings->rates[i].narrow > rate_max || settings->rates[i].wide > rate_max)
			return stele_fail(reterr, STELE_E_INPUT,
					  "a rate limit is above %d a worker (0 stands for none)",
					  STELE_RRL_RATE_MAX);
	if (settings->wide4 == 0 || settings->narrow4 > 32 || settings->wide4 > settings->narrow4)
		return stele_fail(
			reterr, STELE_E_INPUT,
			"IPv4 prefixes of %u and %u bits for rate limits (expected 1 to 32, "
			"the narrow one first)",
			settings->narrow4, settings->wide4);
	if (settings->wide6 == 0 || settings->narrow6 > 128 || settings->wide6 > settings->narrow6)
		return stele_fail(reterr, STELE_E_INPUT,
				  "IPv6 prefixes of %u and %u bits for rate limits (expected 1 to "
				  "128, the narrow one first)",
				  settings->narrow6, settings->wide6);
	if (settings->burst_ms < STELE_RRL_BURST_MS_MIN ||
	    settings->burst_ms > STELE_RRL_BURST_MS_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "a burst of %u ms for rate limits (expected %d to %d)",
				  settings->burst_ms, STELE_RRL_BURST_MS_MIN,
				  STELE_RRL_BURST_MS_MAX);
	if (settings->line_cnt < STELE_RRL_LINES_MIN || settings->line_cnt > STELE_RRL_LINES_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "a table of %u lines for rate limits (expected %u to %u)",
				  settings->line_cnt, STELE_RRL_LINES_MIN, STELE_RRL_LINES_MAX);
	if (settings->exempt_cnt > STELE_RRL_EXEMPT_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%u prefixes without rate limits (expected at most %d)",
				  settings->exempt_cnt, STELE_RRL_EXEMPT_MAX);
	for (unsigned i = 0; i < settings->exempt_cnt; i++) {
		const struct stele_rrl_prefix *prefix = &settings->exempt[i];
		if ((prefix->address.family != 4 || prefix->len > 32) &&
		    (prefix->address.family != 6 || prefix->len > 128))
			return stele_fail(
				reterr, STELE_E_INPUT,
				"prefix %u without rate limits has no family or a length of "
				"%u (expected up to 32 or 128)",
				i + 1, prefix->len);
	}
	return 0;
}

/* `rate` a second over all workers. */
static struct rrl_limit make_limit(const struct stele_rrl_settings *settings, uint32_t rate)
{
	if (rate == 0)
		return (struct rrl_limit){0, UINT32_MAX};
	uint64_t price = (UINT64_C(1000000) * settings->worker_cnt + rate / 2) / rate;
	uint64_t burst = UINT64_C(1000) * settings->burst_ms;
	/* Rates so low that a burst holds not even one reply. */
	if (price > 1000 * STELE_RRL_BURST_MS_MAX)
		price = 1000 * STELE_RRL_BURST_MS_MAX;
	return (struct rrl_limit){(uint32_t)price, price < burst ? (uint32_t)(burst - price) : 0};
}

static struct rrl_prefix mask_of(unsigned len)
{
	struct rrl_prefix mask = {0, 0};
	if (len > 0)
		mask.high = UINT64_MAX << (len < 64 ? 64 - len : 0);
	if (len > 64)
		mask.low = UINT64_MAX << (128 - len);
	uint8_t bytes[16];
	stele_put_be64(bytes, mask.high);
	stele_put_be64(bytes + 8, mask.low);
	return (struct rrl_prefix){stele_get_le64(bytes), stele_get_le64(bytes + 8)};
}

static struct rrl_prefix mask_between(unsigned wide, unsigned narrow)
{
	struct rrl_prefix outer = mask_of(wide), inner = mask_of(narrow);
	return (struct rrl_prefix){inner.high & ~outer.high, inner.low & ~outer.low};
}

int stele_rrl_init(void *memory, const struct stele_rrl_settings *settings,
		   struct stele_rrl **ret_rrl, struct stele_error *reterr)
{
	int status = stele_rrl_settings_check(settings, reterr);
	if (status != 0)
		return status;
	struct stele_rrl *rrl = memory;
	memset(rrl, 0, stele_rrl_sz(settings));
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		struct rrl_limit *limits = rrl->classes[i].widths;
		unsigned limit_cnt = 0;
		limits[RRL_NARROW] = make_limit(settings, settings->rates[i].narrow);
		limits[RRL_WIDE] = make_limit(settings, settings->rates[i].wide);
		for (unsigned w = 0; w < RRL_WIDTH_CNT; w++) {
			uint32_t ahead = limits[w].slack + limits[w].price;
			limit_cnt += limits[w].price > 0;
			if (limits[w].price > 0 && ahead > rrl->horizon)
				rrl->horizon = ahead;
		}
		rrl->classes[i].one_limit = limit_cnt == 1;
		if (limit_cnt > 0)
			rrl->mixes[i] = (i + 1) * (UINT64_C(0xd6e8d6e8) << 32);
	}
	rrl->wide4 = mask_of(settings->wide4);
	rrl->wide6 = mask_of(settings->wide6);
	rrl->between4 = mask_between(settings->wide4, settings->narrow4);
	rrl->between6 = mask_between(settings->wide6, settings->narrow6);
	/* A factor of 0 would send all to one line. */
	rrl->seed[0] = settings->seed[0] ^ UINT64_C(0x9e3779b97f4a7c15);
	rrl->seed[1] = settings->seed[1] ^ UINT64_C(0xd6e8feb86659fd93);
	rrl->factor4 = rrl->seed[1] ^ 4;
	rrl->slip = settings->slip;
	rrl->lines = (uint8_t *)memory + HEAD_SZ;
	rrl->place_mask = UINT64_MAX << 32 |
			  (uint64_t)(rounded_line_cnt(settings) - 1) * RRL_LINE_SZ;
	rrl->exempt_cnt = settings->exempt_cnt;
	for (unsigned i = 0; i < settings->exempt_cnt; i++) {
		struct rrl_exempt *exempt = &rrl->exempt[i];
		exempt->family = settings->exempt[i].address.family;
		exempt->mask = mask_of(settings->exempt[i].len);
		exempt->prefix =
			rrl_masked(rrl_prefix_of(&settings->exempt[i].address), exempt->mask);
	}
	rrl->policy = stele_rrl_policy_portable;
#if defined(__x86_64__)
	if (stele_cpu_has_avx2())
		rrl->policy = stele_rrl_policy_avx2;
#endif
	*ret_rrl = rrl;
	return 0;
}

void stele_rrl_tick(struct stele_rrl *rrl, uint64_t now_us)
{
	rrl->now = (uint32_t)now_us;
}

const struct stele_rrl_counters *stele_rrl_counters(const struct stele_rrl *rrl)
{
	return &rrl->counters;
}

bool stele_rrl_policy(void *rrl, const struct stele_query *queries,
		      const struct stele_reply *replies, unsigned cnt,
		      enum stele_policy_verdict *ret_verdicts)
{
	return ((struct stele_rrl *)rrl)->policy(rrl, queries, replies, cnt, ret_verdicts);
}
