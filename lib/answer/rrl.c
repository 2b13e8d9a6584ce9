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
 * for one more to pass. A price of 0: no limit, however far it is. */
struct limit {
	uint32_t price;
	uint32_t slack;
};

/* What one class may have of both prefixes, and what its tags differ by from those of other classes. */
struct class_limits {
	struct limit widths[WIDTH_CNT];
	uint64_t mix;
};

/* A prefix or mask as two words in the order of the packet; IPv4 is the first four bytes. */
struct prefix {
	uint64_t high, low;
};

struct exempt {
	struct prefix prefix, mask;
	uint8_t family;
};

struct stele_rrl {
	struct class_limits classes[STELE_REPLY_CLASS_CNT];
	struct prefix wide4, wide6; /* masks */
	struct prefix between4,
		between6; /* of the bits that the narrow prefix has and the wide one not */
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
		return (struct limit){0, UINT32_MAX};
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
	uint8_t bytes[16];
	stele_put_be64(bytes, mask.high);
	stele_put_be64(bytes + 8, mask.low);
	return (struct prefix){stele_get_le64(bytes), stele_get_le64(bytes + 8)};
}

static struct prefix mask_between(unsigned wide, unsigned narrow)
{
	struct prefix outer = mask_of(wide), inner = mask_of(narrow);
	return (struct prefix){inner.high & ~outer.high, inner.low & ~outer.low};
}

static inline struct prefix prefix_of(const struct stele_client *client)
{
	if (client->family == 4)
		return (struct prefix){stele_get_le32(client->addr), 0};
	return (struct prefix){stele_get_le64(client->addr), stele_get_le64(client->addr + 8)};
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
		struct limit *limits = rrl->classes[i].widths;
		rrl->classes[i].mix = i * UINT64_C(0xd6e8feb86659fd93);
		limits[NARROW] = make_limit(settings, settings->rates[i].narrow);
		limits[WIDE] = make_limit(settings, settings->rates[i].wide);
		for (unsigned w = 0; w < WIDTH_CNT; w++) {
			uint32_t ahead = limits[w].slack + limits[w].price;
			if (limits[w].price > 0 && ahead > rrl->horizon)
				rrl->horizon = ahead;
		}
	}
	rrl->wide4 = mask_of(settings->wide4);
	rrl->wide6 = mask_of(settings->wide6);
	rrl->between4 = mask_between(settings->wide4, settings->narrow4);
	rrl->between6 = mask_between(settings->wide6, settings->narrow6);
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
static inline uint64_t wide_hash(const struct stele_rrl *rrl, unsigned family,
				 struct prefix address)
{
	struct prefix wide = masked(address, family == 4 ? rrl->wide4 : rrl->wide6);
	unsigned __int128 product =
		(unsigned __int128)(wide.high ^ rrl->seed[0]) * (wide.low ^ rrl->seed[1] ^ family);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of the narrow prefix, from that of the wide one: nothing but the line's own tags have to differ. */
static inline uint64_t narrow_hash(const struct stele_rrl *rrl, unsigned family,
				   struct prefix address, uint64_t wide)
{
	struct prefix rest = masked(address, family == 4 ? rrl->between4 : rrl->between6);
	return wide + UINT64_C(0xa0761d6478bd642f) + rest.high * UINT64_C(0x9e3779b97f4a7c15) +
	       rest.low * UINT64_C(0xe7037ed1a0b428db);
}

/* What tells the counters of a line apart. 0 is that of a line that was never written. */
static inline uint32_t tag_of(uint64_t hash, const struct class_limits *limits)
{
	uint32_t tag = (uint32_t)((hash + limits->mix) >> 48);
	return tag + (tag == 0);
}

uint64_t stele_rrl_prefetch(const struct stele_rrl *rrl, const struct stele_client *client)
{
	uint64_t hash = wide_hash(rrl, client->family, prefix_of(client));
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
	/* No branch: whether it is past is what no predictor knows. */
	uint32_t ahead = time - rrl->now;
	return ahead & -(uint32_t)(ahead <= rrl->horizon);
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

/* Where a counter is that is not there yet: in the place of one of `free_ones`, or if there is none, of any but
 * `keep`. */
static inline unsigned place(const struct stele_rrl *rrl, struct line *line, uint32_t tag,
			     unsigned free_ones, unsigned keep)
{
	unsigned at = free_ones != 0 ? (unsigned)__builtin_ctz(free_ones) :
				       nearest(rrl, line, keep);
	line->tags[at] = (uint16_t)tag;
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
	const struct class_limits *class = &rrl->classes[reply_class];
	const struct limit *narrow = &class->widths[NARROW], *wide = &class->widths[WIDE];
	if ((narrow->price | wide->price) == 0)
		return STELE_POLICY_PASS;
	unsigned family = client->family;
	if (family != 4 && family != 6)
		return STELE_POLICY_PASS;

	struct prefix address = prefix_of(client);
	if (hash == 0)
		hash = wide_hash(rrl, family, address);
	struct line *line = &rrl->lines[hash & rrl->line_mask];
	uint32_t narrow_tag = tag_of(narrow_hash(rrl, family, address, hash), class);
	uint32_t wide_tag = tag_of(hash, class);
	/* A bit where each of them is, if it is there. A prefix without a limit has no counter. */
	unsigned narrows = with_tag(line, narrow_tag), wides = with_tag(line, wide_tag);
	uint32_t narrow_ahead = narrows ? ahead_of(rrl, line->times[__builtin_ctz(narrows)]) : 0;
	uint32_t wide_ahead = wides ? ahead_of(rrl, line->times[__builtin_ctz(wides)]) : 0;
	/* A reply is charged to both prefixes or to none: what one of them holds back does not cost the
	 * other. */
	if (narrow_ahead > narrow->slack || wide_ahead > wide->slack)
		return limited(rrl, line, client, address, reply_class);
	uint32_t narrow_time = rrl->now + narrow_ahead + narrow->price;
	uint32_t wide_time = rrl->now + wide_ahead + wide->price;
	unsigned free_ones = 0;
	if (narrows == 0 || wides == 0)
		free_ones = past(rrl, line) & ~(narrows | wides);
	unsigned keep = narrows ? (unsigned)__builtin_ctz(narrows) : COUNTER_CNT;
	if (wide->price > 0) {
		unsigned at = wides ? (unsigned)__builtin_ctz(wides) :
				      place(rrl, line, wide_tag, free_ones, keep);
		line->times[at] = wide_time;
		free_ones &= ~(1u << at);
		keep = at;
	}
	if (narrow->price > 0) {
		unsigned at = narrows ? (unsigned)__builtin_ctz(narrows) :
					place(rrl, line, narrow_tag, free_ones, keep);
		line->times[at] = narrow_time;
	}
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
