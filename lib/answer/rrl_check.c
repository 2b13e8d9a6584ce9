/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/rrl_internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define COLD static __attribute__((cold, noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { ALL_COUNTERS = (1 << RRL_COUNTER_CNT) - 1 };

/* ---- Places ---- */

/*
 * Where the counters of a reply are. From the lower end: its class in six bits; the offset of the line, by the wide
 * prefix, up to bit 31; then what the tags of the wide and of the narrow prefix are made of, 16 bits each.
 */
enum { CLASS_MASK = RRL_LINE_SZ - 1 };
#define NARROW_TAG_MASK (UINT64_C(0xffff) << 48)

/*
 * Both halves of the product: without the seed, nobody knows which addresses meet. In the tag of the narrow prefix
 * nothing but the bits behind the wide one have to differ.
 */
INLINE uint64_t make_place(const struct stele_rrl *rrl, uint64_t factor, uint64_t other_factor,
			   uint64_t narrow)
{
	unsigned __int128 product = (unsigned __int128)factor * other_factor;
	uint64_t hash = (uint64_t)product ^ (uint64_t)(product >> 64);
	return (hash ^ (narrow & NARROW_TAG_MASK)) & rrl->place_mask;
}

#define FACTOR_HIGH UINT64_C(0x9e3779b97f4a7c15)
#define FACTOR_LOW UINT64_C(0xe7037ed1a0b428db)

INLINE uint64_t place4(const struct stele_rrl *rrl, const uint8_t address[4])
{
	uint64_t high = stele_get_le32(address);
	return make_place(rrl, (high & rrl->wide4.high) ^ rrl->seed[0], rrl->factor4,
			  (high & rrl->between4.high) * FACTOR_HIGH);
}

INLINE uint64_t place6(const struct stele_rrl *rrl, const uint8_t address[16])
{
	uint64_t high = stele_get_le64(address), low = stele_get_le64(address + 8);
	return make_place(rrl, (high & rrl->wide6.high) ^ rrl->seed[0],
			  (low & rrl->wide6.low) ^ rrl->seed[1] ^ 6,
			  (high & rrl->between6.high) * FACTOR_HIGH +
				  (low & rrl->between6.low) * FACTOR_LOW);
}

/* Where the counters for replies of a class to this client are. False: there is no limit, or the client is unknown. */
INLINE bool find_place(const struct stele_rrl *rrl, const struct stele_client *client,
		       enum stele_reply_class reply_class, uint64_t *ret_place)
{
	uint64_t place;
	uint64_t mix = rrl->mixes[reply_class];
	if (UNLIKELY(mix == 0))
		return false;
	if (LIKELY(client->family == 4))
		place = place4(rrl, client->addr);
	else if (client->family == 6)
		place = place6(rrl, client->addr);
	else
		return false;
	*ret_place = (place ^ mix) | reply_class;
	return true;
}

INLINE struct rrl_line *line_at(struct stele_rrl *rrl, uint64_t place)
{
	return (struct rrl_line *)(void *)(rrl->lines + ((uint32_t)place & ~CLASS_MASK));
}

#if defined(__SSE2__)
typedef __m128i rrl_tag; /* eight times the same */
#else
typedef uint16_t rrl_tag;
#endif

/* Of both prefixes. What finds a counter that was never written, since its own tag is 0, finds one that is past. */
struct tags {
	rrl_tag narrow, wide;
};

#if defined(__SSE2__)
INLINE struct tags tags_of(uint64_t place)
{
	return (struct tags){_mm_set1_epi16((short)(place >> 48)),
			     _mm_set1_epi16((short)(place >> 32))};
}

/* A bit for each counter with that tag. */
INLINE unsigned with_tag(const struct rrl_line *line, rrl_tag tag)
{
	/* Eight tags, and two that have something else behind them. */
	__m128i first = _mm_load_si128((const __m128i *)(const void *)line);
	__m128i second = _mm_load_si128((const __m128i *)(const void *)line + 1);
	__m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(first, tag), _mm_cmpeq_epi16(second, tag));
	return (unsigned)_mm_movemask_epi8(equal) & ALL_COUNTERS;
}

INLINE uint16_t tag_value(rrl_tag tag)
{
	return (uint16_t)_mm_cvtsi128_si32(tag);
}
#else
INLINE struct tags tags_of(uint64_t place)
{
	return (struct tags){(uint16_t)(place >> 48), (uint16_t)(place >> 32)};
}

INLINE unsigned with_tag(const struct rrl_line *line, rrl_tag tag)
{
	unsigned found = 0;
	for (unsigned i = 0; i < RRL_COUNTER_CNT; i++)
		found |= (unsigned)(line->tags[i] == tag) << i;
	return found;
}

INLINE uint16_t tag_value(rrl_tag tag)
{
	return tag;
}
#endif

/* ---- Time ---- */

/* What "in use" means during a batch. */
struct moment {
	uint32_t now;
	uint32_t beyond; /* so far ahead of now, and further, no counter in use can be */
#if defined(__SSE2__)
	/* To add to a time, and the furthest: both shifted by half of the range, since vectors compare as signed. */
	__m128i shift4, furthest4;
#endif
};

INLINE void begin(struct moment *moment, const struct stele_rrl *rrl)
{
	moment->now = rrl->now;
	moment->beyond = rrl->horizon + 1;
#if defined(__SSE2__)
	moment->shift4 = _mm_set1_epi32((int)(UINT32_C(0x80000000) - rrl->now));
	moment->furthest4 = _mm_set1_epi32((int)(rrl->horizon ^ UINT32_C(0x80000000)));
#endif
}

/* How far a time is ahead; 0 if it is past. No branch: whether it is past is what no predictor knows. */
INLINE uint32_t ahead_of(const struct moment *moment, uint32_t time)
{
	uint32_t ahead = time - moment->now;
	return ahead & -(uint32_t)(ahead < moment->beyond);
}

/* A bit for each counter whose time is past. */
INLINE unsigned past(const struct moment *moment, const struct rrl_line *line)
{
#if defined(__SSE2__)
	const uint8_t *times = (const uint8_t *)line->times;
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)times);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(times + 16));
	__m128i c = _mm_loadl_epi64((const __m128i *)(const void *)(times + 32));
	a = _mm_cmpgt_epi32(_mm_add_epi32(a, moment->shift4), moment->furthest4);
	b = _mm_cmpgt_epi32(_mm_add_epi32(b, moment->shift4), moment->furthest4);
	c = _mm_cmpgt_epi32(_mm_add_epi32(c, moment->shift4), moment->furthest4);
	__m128i all = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, c));
	return (unsigned)_mm_movemask_epi8(all) & ALL_COUNTERS;
#else
	unsigned found = 0;
	for (unsigned i = 0; i < RRL_COUNTER_CNT; i++)
		found |= (unsigned)(line->times[i] - moment->now >= moment->beyond) << i;
	return found;
#endif
}

/* ---- Counters that are not there yet ---- */

/* All ten are in use: the one that is nearest to having paid, but not `keep`. */
static unsigned nearest(const struct moment *moment, const struct rrl_line *line, unsigned keep)
{
	unsigned best = keep == 0 ? 1 : 0;
	for (unsigned i = best + 1; i < RRL_COUNTER_CNT; i++)
		if (i != keep &&
		    ahead_of(moment, line->times[i]) < ahead_of(moment, line->times[best]))
			best = i;
	return best;
}

/* One of `free_ones`, or if there is none, any but `keep`. */
static unsigned place(const struct moment *moment, const struct rrl_line *line, unsigned free_ones,
		      unsigned keep)
{
	return free_ones != 0 ? (unsigned)__builtin_ctz(free_ones) : nearest(moment, line, keep);
}

INLINE void put(struct rrl_line *line, unsigned at, rrl_tag tag, uint32_t time)
{
	line->tags[at] = tag_value(tag);
	line->times[at] = time;
}

/* What a reply that passes does to both counters: bits for those that are there, tags, new times. */
struct charge {
	unsigned narrows, wides;
	struct tags tags;
	uint32_t narrow_time, wide_time;
};

/* In whatever state the line is, and for whatever has a limit: a prefix without one has no counter. */
COLD void charge_anyhow(struct rrl_line *line, const struct moment *moment,
			const struct rrl_class *class, struct charge charge)
{
	unsigned narrows = charge.narrows, wides = charge.wides;
	unsigned free_ones = past(moment, line) & ~(narrows | wides);
	unsigned keep = narrows ? (unsigned)__builtin_ctz(narrows) : RRL_COUNTER_CNT;
	if (class->widths[RRL_WIDE].price > 0) {
		unsigned at = wides ? (unsigned)__builtin_ctz(wides) :
				      place(moment, line, free_ones, keep);
		put(line, at, charge.tags.wide, charge.wide_time);
		free_ones &= ~(1u << at);
		keep = at;
	}
	if (class->widths[RRL_NARROW].price > 0) {
		unsigned at = narrows ? (unsigned)__builtin_ctz(narrows) :
					place(moment, line, free_ones, keep);
		put(line, at, charge.tags.narrow, charge.narrow_time);
	}
}

/* Who is not there yet gets the first of those that are past; the wide prefix before the narrow one. */
INLINE void charge(struct rrl_line *line, const struct moment *moment,
		   const struct rrl_class *class, const struct charge *what)
{
	unsigned narrows = what->narrows, wides = what->wides, free_ones = 0;
	if (narrows == 0 || wides == 0)
		free_ones = past(moment, line) & ~(narrows | wides);
	unsigned others = wides == 0 ? free_ones & (free_ones - 1) : free_ones;
	if (UNLIKELY((narrows | others) == 0 || (wides | free_ones) == 0 || class->one_limit))
		return charge_anyhow(line, moment, class, *what);
	if (wides != 0)
		line->times[__builtin_ctz(wides)] = what->wide_time;
	else
		put(line, (unsigned)__builtin_ctz(free_ones), what->tags.wide, what->wide_time);
	if (narrows != 0)
		line->times[__builtin_ctz(narrows)] = what->narrow_time;
	else
		put(line, (unsigned)__builtin_ctz(others), what->tags.narrow, what->narrow_time);
}

/* ---- Verdicts ---- */

static bool is_exempt(const struct stele_rrl *rrl, const struct stele_client *client)
{
	struct rrl_prefix address = rrl_prefix_of(client);
	for (unsigned i = 0; i < rrl->exempt_cnt; i++) {
		const struct rrl_exempt *exempt = &rrl->exempt[i];
		struct rrl_prefix in = rrl_masked(address, exempt->mask);
		if (exempt->family == client->family && in.high == exempt->prefix.high &&
		    in.low == exempt->prefix.low)
			return true;
	}
	return false;
}

static __attribute__((noinline)) enum stele_policy_verdict
limited(struct stele_rrl *rrl, struct rrl_line *line, const struct stele_client *client,
	enum stele_reply_class reply_class)
{
	/* Looked at only here: hardly anybody is limited, and of those hardly anybody is exempt. */
	if (is_exempt(rrl, client))
		return STELE_POLICY_PASS;
	line->limited_cnt++;
	if (rrl->slip > 0 && line->limited_cnt % rrl->slip == 0) {
		rrl->counters.truncated[reply_class]++;
		return STELE_POLICY_TRUNCATE;
	}
	rrl->counters.dropped[reply_class]++;
	return STELE_POLICY_DROP;
}

/* False if the reply is not to be sent as it is: it is over a limit. */
INLINE bool passes(struct stele_rrl *rrl, const struct moment *moment, uint64_t place)
{
	const struct rrl_class *class = &rrl->classes[place & CLASS_MASK];
	const struct rrl_limit *narrow = &class->widths[RRL_NARROW];
	const struct rrl_limit *wide = &class->widths[RRL_WIDE];
	struct rrl_line *line = line_at(rrl, place);
	struct tags tags = tags_of(place);
	struct charge what = {
		.narrows = with_tag(line, tags.narrow),
		.wides = with_tag(line, tags.wide),
		.tags = tags,
		.narrow_time = moment->now + narrow->price,
		.wide_time = moment->now + wide->price,
	};
	/* A reply is charged to both prefixes or to none: what one of them holds back does not cost the
	 * other. */
	if (what.wides != 0) {
		uint32_t ahead = ahead_of(moment, line->times[__builtin_ctz(what.wides)]);
		if (UNLIKELY(ahead > wide->slack))
			return false;
		what.wide_time += ahead;
	}
	if (what.narrows != 0) {
		uint32_t ahead = ahead_of(moment, line->times[__builtin_ctz(what.narrows)]);
		if (UNLIKELY(ahead > narrow->slack))
			return false;
		what.narrow_time += ahead;
	}
	charge(line, moment, class, &what);
	return true;
}

enum stele_policy_verdict stele_rrl_check(struct stele_rrl *rrl, const struct stele_client *client,
					  enum stele_reply_class reply_class)
{
	struct moment moment;
	uint64_t place;
	begin(&moment, rrl);
	if (!find_place(rrl, client, reply_class, &place) || passes(rrl, &moment, place))
		return STELE_POLICY_PASS;
	return limited(rrl, line_at(rrl, place), client, reply_class);
}

/* First all lines are fetched, then looked at. */
INLINE bool check_all(struct stele_rrl *rrl, const struct stele_query *queries,
		      const struct stele_reply *replies, unsigned cnt,
		      enum stele_policy_verdict *ret_verdicts)
{
	uint64_t places[STELE_BATCH_MAX];
	uint8_t which[STELE_BATCH_MAX];
	unsigned place_cnt = 0;
	for (unsigned i = 0; i < cnt; i++) {
		const struct stele_query *query = &queries[i];
		const struct stele_reply *reply = &replies[i];
		if (reply->verdict != STELE_VERDICT_REPLY || query->tcp || reply->cookie_valid ||
		    !find_place(rrl, &query->client, reply->reply_class, &places[place_cnt]))
			continue;
		__builtin_prefetch(line_at(rrl, places[place_cnt]), 1);
		which[place_cnt++] = (uint8_t)i;
	}
	struct moment moment;
	begin(&moment, rrl);
	bool all_pass = true;
	for (unsigned i = 0; i < place_cnt; i++) {
		if (LIKELY(passes(rrl, &moment, places[i])))
			continue;
		unsigned at = which[i];
		ret_verdicts[at] = limited(rrl, line_at(rrl, places[i]), &queries[at].client,
					   replies[at].reply_class);
		all_pass = false;
	}
	return !all_pass;
}

bool stele_rrl_policy_portable(void *rrl, const struct stele_query *queries,
			       const struct stele_reply *replies, unsigned cnt,
			       enum stele_policy_verdict *ret_verdicts)
{
	return check_all(rrl, queries, replies, cnt, ret_verdicts);
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt"))) bool
stele_rrl_policy_avx2(void *rrl, const struct stele_query *queries,
		      const struct stele_reply *replies, unsigned cnt,
		      enum stele_policy_verdict *ret_verdicts)
{
	return check_all(rrl, queries, replies, cnt, ret_verdicts);
}
#endif
