/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/rrl.h"

#include "lib/base/bytes.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
	COUNTER_CNT = 10, /* what fits into a line */
	LINE_CNT_MIN = 1 << 6,
	LINE_CNT_MAX = 1 << 24,
	BURST_MS_MIN = 10,
	BURST_MS_MAX = 60000,
	LINE_SZ = 64,
};

/*
 * Counters of the wide prefixes that hash here and of the narrow ones inside of these. A time is the
 * lower 32 bits of microseconds. It is in use while it is ahead of now, by no more than the longest
 * burst; anything else is past. (So a counter that nobody touched for 71 minutes may come
 * back to life for a burst, if the same prefix then comes in that very second.)
 */
struct line {
	uint16_t tags[COUNTER_CNT];
	uint32_t limited_cnt; /* replies that did not pass: which of them slip */
	uint32_t times[COUNTER_CNT];
};
_Static_assert(sizeof(struct line) == LINE_SZ, "a miss a reply");

enum { NARROW, WIDE, WIDTH_CNT };

/* What one class may have, in microseconds: a reply's price, and how far ahead a counter may be
 * for one more to pass. A price of 0: no limit. */
struct limit {
	uint32_t price;
	uint32_t slack;
};

/* A prefix as two words; IPv4 in the upper half of the first. */
struct prefix {
	uint64_t high, low;
};

struct exempt {
	struct prefix prefix, mask;
	uint8_t family;
};

struct stele_rrl {
	struct limit limits[STELE_REPLY_CLASS_CNT][WIDTH_CNT];
	struct prefix masks4[WIDTH_CNT], masks6[WIDTH_CNT];
	uint64_t seed[2];
	uint32_t now;
	uint32_t horizon; /* further ahead of now no counter in use can be */
	uint32_t slip;
	uint32_t line_mask;
	struct stele_rrl_counters counters;
	unsigned exempt_cnt;
	struct exempt exempt[STELE_RRL_EXEMPT_MAX];
	struct line lines[] __attribute__((aligned(LINE_SZ)));
};

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

static uint32_t rounded_line_cnt(const struct stele_rrl_settings *settings)
{
	uint32_t cnt = LINE_CNT_MIN;
	while (cnt < settings->line_cnt && cnt < LINE_CNT_MAX)
		cnt *= 2;
	return cnt;
}

size_t stele_rrl_sz(const struct stele_rrl_settings *settings)
{
	return sizeof(struct stele_rrl) + (size_t)rounded_line_cnt(settings) * LINE_SZ;
}

static int check_settings(const struct stele_rrl_settings *settings, struct stele_error *reterr)
{
	if (settings->worker_cnt == 0)
		return stele_fail(reterr, STELE_E_INPUT, "rate limits for no worker");
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++)
		if (settings->rates[i].narrow / settings->worker_cnt > STELE_RRL_RATE_MAX ||
		    settings->rates[i].wide / settings->worker_cnt > STELE_RRL_RATE_MAX)
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
	if (settings->burst_ms < BURST_MS_MIN || settings->burst_ms > BURST_MS_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "a burst of %u ms for rate limits (expected %d to %d)",
				  settings->burst_ms, BURST_MS_MIN, BURST_MS_MAX);
	if (settings->line_cnt < LINE_CNT_MIN || settings->line_cnt > LINE_CNT_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "a table of %u lines for rate limits (expected %d to %d)",
				  settings->line_cnt, LINE_CNT_MIN, LINE_CNT_MAX);
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
static struct limit make_limit(const struct stele_rrl_settings *settings, uint32_t rate)
{
	if (rate == 0)
		return (struct limit){0, 0};
	uint64_t price = (UINT64_C(1000000) * settings->worker_cnt + rate / 2) / rate;
	uint64_t burst = UINT64_C(1000) * settings->burst_ms;
	/* Rates so low that a burst holds not even one reply. */
	if (price > 1000 * BURST_MS_MAX)
		price = 1000 * BURST_MS_MAX;
	return (struct limit){(uint32_t)price, price < burst ? (uint32_t)(burst - price) : 0};
}

static struct prefix mask_of(unsigned len)
{
	struct prefix mask = {0, 0};
	if (len > 0)
		mask.high = UINT64_MAX << (len < 64 ? 64 - len : 0);
	if (len > 64)
		mask.low = UINT64_MAX << (128 - len);
	return mask;
}

static inline struct prefix prefix_of(const struct stele_client *client)
{
	if (client->family == 4)
		return (struct prefix){(uint64_t)stele_get_be32(client->addr) << 32, 0};
	return (struct prefix){stele_get_be64(client->addr), stele_get_be64(client->addr + 8)};
}

static inline struct prefix masked(struct prefix prefix, struct prefix mask)
{
	return (struct prefix){prefix.high & mask.high, prefix.low & mask.low};
}

int stele_rrl_init(void *memory, const struct stele_rrl_settings *settings,
		   struct stele_rrl **ret_rrl, struct stele_error *reterr)
{
	int status = check_settings(settings, reterr);
	if (status != 0)
		return status;
	struct stele_rrl *rrl = memory;
	memset(rrl, 0, stele_rrl_sz(settings));
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		rrl->limits[i][NARROW] = make_limit(settings, settings->rates[i].narrow);
		rrl->limits[i][WIDE] = make_limit(settings, settings->rates[i].wide);
		for (unsigned w = 0; w < WIDTH_CNT; w++) {
			uint32_t ahead = rrl->limits[i][w].slack + rrl->limits[i][w].price;
			if (ahead > rrl->horizon)
				rrl->horizon = ahead;
		}
	}
	rrl->masks4[NARROW] = mask_of(settings->narrow4);
	rrl->masks4[WIDE] = mask_of(settings->wide4);
	rrl->masks6[NARROW] = mask_of(settings->narrow6);
	rrl->masks6[WIDE] = mask_of(settings->wide6);
	/* A factor of 0 would send all to one line. */
	rrl->seed[0] = settings->seed[0] ^ UINT64_C(0x9e3779b97f4a7c15);
	rrl->seed[1] = settings->seed[1] ^ UINT64_C(0xd6e8feb86659fd93);
	rrl->slip = settings->slip;
	rrl->line_mask = rounded_line_cnt(settings) - 1;
	rrl->exempt_cnt = settings->exempt_cnt;
	for (unsigned i = 0; i < settings->exempt_cnt; i++) {
		struct exempt *exempt = &rrl->exempt[i];
		exempt->family = settings->exempt[i].address.family;
		exempt->mask = mask_of(settings->exempt[i].len);
		exempt->prefix = masked(prefix_of(&settings->exempt[i].address), exempt->mask);
	}
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

/* ---- Finding counters ---- */

/* Both halves of the product: without the seed, nobody knows which addresses meet. */
static inline uint64_t hash_of(const struct stele_rrl *rrl, struct prefix prefix, unsigned what)
{
	unsigned __int128 product = (unsigned __int128)(prefix.high ^ rrl->seed[0]) *
				    (prefix.low ^ rrl->seed[1] ^ what);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What tells the counters of a line apart. 0 is that of a line that was never written. */
static inline uint32_t tag_of(uint64_t hash, unsigned what)
{
	uint32_t tag = (uint32_t)((hash + what * UINT64_C(0xd6e8feb86659fd93)) >> 48);
	return tag != 0 ? tag : 1;
}

static inline uint64_t wide_hash(const struct stele_rrl *rrl, const struct stele_client *client,
				 struct prefix address)
{
	const struct prefix *masks = client->family == 4 ? rrl->masks4 : rrl->masks6;
	return hash_of(rrl, masked(address, masks[WIDE]), client->family);
}

uint64_t stele_rrl_prefetch(const struct stele_rrl *rrl, const struct stele_client *client)
{
	uint64_t hash = wide_hash(rrl, client, prefix_of(client));
	__builtin_prefetch(&rrl->lines[hash & rrl->line_mask], 1);
	return hash;
}

/* A bit for each counter with that tag. */
static inline unsigned with_tag(const struct line *line, uint32_t tag)
{
#if defined(__SSE2__)
	/* Eight tags, and two that have something else behind them. */
	__m128i wanted = _mm_set1_epi32((int)(tag | tag << 16));
	__m128i first = _mm_load_si128((const __m128i *)(const void *)line);
	__m128i second = _mm_load_si128((const __m128i *)(const void *)line + 1);
	__m128i equal =
		_mm_packs_epi16(_mm_cmpeq_epi16(first, wanted), _mm_cmpeq_epi16(second, wanted));
	return (unsigned)_mm_movemask_epi8(equal) & ((1u << COUNTER_CNT) - 1);
#else
	unsigned found = 0;
	for (unsigned i = 0; i < COUNTER_CNT; i++)
		found |= (unsigned)(line->tags[i] == tag) << i;
	return found;
#endif
}

/* How far a time is ahead of now; 0 if it is past. */
static inline uint32_t ahead_of(const struct stele_rrl *rrl, uint32_t time)
{
	uint32_t ahead = time - rrl->now;
	return ahead <= rrl->horizon ? ahead : 0;
}

/* A bit for each counter whose time is past. */
static inline unsigned past(const struct stele_rrl *rrl, const struct line *line)
{
#if defined(__SSE2__)
	/* Compares as signed: both sides shifted by half of the range. */
	const int half = INT32_MIN;
	__m128i now = _mm_set1_epi32((int)(rrl->now ^ 0x80000000u));
	__m128i horizon = _mm_set1_epi32((int)rrl->horizon ^ half);
	const uint8_t *times = (const uint8_t *)line->times;
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)times);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(times + 16));
	__m128i c = _mm_loadl_epi64((const __m128i *)(const void *)(times + 32));
	a = _mm_cmpgt_epi32(_mm_sub_epi32(a, now), horizon);
	b = _mm_cmpgt_epi32(_mm_sub_epi32(b, now), horizon);
	c = _mm_cmpgt_epi32(_mm_sub_epi32(c, now), horizon);
	__m128i all = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, c));
	return (unsigned)_mm_movemask_epi8(all) & ((1u << COUNTER_CNT) - 1);
#else
	unsigned found = 0;
	for (unsigned i = 0; i < COUNTER_CNT; i++)
		found |= (unsigned)(line->times[i] - rrl->now > rrl->horizon) << i;
	return found;
#endif
}

/* All ten are in use: the one that is nearest to having paid, but not `keep`. */
static __attribute__((noinline)) unsigned nearest(const struct stele_rrl *rrl,
						  const struct line *line, unsigned keep)
{
	unsigned best = keep == 0 ? 1 : 0;
	for (unsigned i = best + 1; i < COUNTER_CNT; i++)
		if (i != keep && ahead_of(rrl, line->times[i]) < ahead_of(rrl, line->times[best]))
			best = i;
	return best;
}

/* A counter on its way: where it is, if it is in the line, and how far ahead. */
struct counter {
	const struct limit *limit;
	unsigned at; /* COUNTER_CNT: not there */
	uint32_t ahead;
	uint32_t tag;
};

static inline struct counter look(const struct stele_rrl *rrl, const struct line *line,
				  const struct limit *limit, uint32_t tag)
{
	struct counter c = {.limit = limit, .at = COUNTER_CNT, .tag = tag};
	unsigned found = with_tag(line, tag);
	if (found != 0) {
		c.at = (unsigned)__builtin_ctz(found);
		c.ahead = ahead_of(rrl, line->times[c.at]);
	}
	return c;
}

/* Moves a counter on; one that is not in the line takes the place of one of `free_ones`, or if there is none, of
 * any but `keep`. Returns where it is. */
static inline unsigned charge(const struct stele_rrl *rrl, struct line *line,
			      const struct counter *c, unsigned free_ones, unsigned keep)
{
	unsigned at = c->at;
	if (at == COUNTER_CNT) {
		at = free_ones != 0 ? (unsigned)__builtin_ctz(free_ones) : nearest(rrl, line, keep);
		line->tags[at] = (uint16_t)c->tag;
	}
	line->times[at] = rrl->now + c->ahead + c->limit->price;
	return at;
}

/* ---- Verdicts ---- */

static bool is_exempt(const struct stele_rrl *rrl, unsigned family, struct prefix address)
{
	for (unsigned i = 0; i < rrl->exempt_cnt; i++) {
		const struct exempt *exempt = &rrl->exempt[i];
		struct prefix in = masked(address, exempt->mask);
		if (exempt->family == family && in.high == exempt->prefix.high &&
		    in.low == exempt->prefix.low)
			return true;
	}
	return false;
}

static __attribute__((noinline)) enum stele_policy_verdict
limited(struct stele_rrl *rrl, struct line *line, const struct stele_client *client,
	struct prefix address, enum stele_reply_class reply_class)
{
	/* Looked at only here: hardly anybody is limited, and of those hardly anybody is exempt. */
	if (is_exempt(rrl, client->family, address))
		return STELE_POLICY_PASS;
	line->limited_cnt++;
	if (rrl->slip > 0 && line->limited_cnt % rrl->slip == 0) {
		rrl->counters.truncated[reply_class]++;
		return STELE_POLICY_TRUNCATE;
	}
	rrl->counters.dropped[reply_class]++;
	return STELE_POLICY_DROP;
}

/* `hash` is that of the wide prefix, or 0 if it is yet to be made. */
static inline enum stele_policy_verdict check(struct stele_rrl *rrl,
					      const struct stele_client *client, uint64_t hash,
					      enum stele_reply_class reply_class)
{
	const struct limit *limits = rrl->limits[reply_class];
	if ((limits[NARROW].price | limits[WIDE].price) == 0)
		return STELE_POLICY_PASS;
	if (client->family != 4 && client->family != 6)
		return STELE_POLICY_PASS;

	const struct prefix *masks = client->family == 4 ? rrl->masks4 : rrl->masks6;
	struct prefix address = prefix_of(client);
	if (hash == 0)
		hash = wide_hash(rrl, client, address);
	struct line *line = &rrl->lines[hash & rrl->line_mask];
	uint64_t narrow = hash_of(rrl, masked(address, masks[NARROW]), client->family + 8u);

	/* A reply is charged to both prefixes or to none: what one of them holds back does not
	 * cost the other. */
	struct counter n = look(rrl, line, &limits[NARROW], tag_of(narrow, reply_class));
	struct counter w = look(rrl, line, &limits[WIDE], tag_of(hash, reply_class));
	if ((n.limit->price > 0 && n.ahead > n.limit->slack) ||
	    (w.limit->price > 0 && w.ahead > w.limit->slack))
		return limited(rrl, line, client, address, reply_class);
	unsigned free_ones = 0;
	if (n.at == COUNTER_CNT || w.at == COUNTER_CNT)
		free_ones = past(rrl, line) & ~(1u << n.at | 1u << w.at);
	unsigned keep = COUNTER_CNT;
	if (w.limit->price > 0)
		keep = charge(rrl, line, &w, free_ones, n.at);
	if (n.limit->price > 0)
		charge(rrl, line, &n, free_ones & ~(1u << keep), keep);
	return STELE_POLICY_PASS;
}

enum stele_policy_verdict stele_rrl_check(struct stele_rrl *rrl, const struct stele_client *client,
					  enum stele_reply_class reply_class)
{
	return check(rrl, client, 0, reply_class);
}

enum stele_policy_verdict stele_rrl_policy(void *rrl, const struct stele_query *query,
					   const struct stele_reply *reply)
{
	if (query->tcp || reply->cookie_valid)
		return STELE_POLICY_PASS;
	return check(rrl, &query->client, query->client_hash, reply->reply_class);
}
