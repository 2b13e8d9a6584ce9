/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/packet_cache.h"

#include "lib/answer/equal.h"
#include "lib/answer/question.h"
#include "lib/base/bytes.h"
#include "lib/base/cpu.h"
#include "lib/image/hash.h"

#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- Looking ---- */

/* Pieces of 16 bytes that overlap where the query is shorter, so that nothing depends on its length. Of one of more than
 * 66 bytes some in the middle do not count, which costs no more than a place in the cache. */
INLINE uint64_t hash_of(struct stele_hash_seed seed, const uint8_t *msg, uint32_t len)
{
	uint64_t hash = len;
	uint32_t last = len - 16;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t at = i < 3 && 2 + 16 * i < last ? 2 + 16 * i : last;
		hash += stele_fold(seed.start ^ stele_get_le64(msg + at),
				   (seed.multiplier + 2 * i) ^ stele_get_le64(msg + at + 8));
	}
	return hash;
}

INLINE bool is_looked_for(const struct packet_cache *cache, const struct stele_query *query,
			  const struct stele_reply *reply)
{
	return !query->tcp && query->reserve == 0 && query->len >= PACKET_QUERY_MIN &&
	       query->len <= PACKET_QUERY_MAX && reply->cap >= PACKET_REPLY_MAX &&
	       reply->cap >= cache->udp_max;
}

/* Looks for the i-th query of the batch. What is found is on its way from memory afterwards. */
INLINE void look(struct packet_cache *cache, struct stele_hash_seed seed,
		 const struct stele_query *query, const struct stele_reply *reply, unsigned i)
{
	struct packet_look *look = &cache->batch[i];
	look->packet = NULL;
	look->is_found = false;
	if (!is_looked_for(cache, query, reply))
		return;
	cache->looks++;
	uint64_t hash = hash_of(seed, query->msg, query->len);
	uint32_t at = (uint32_t)hash % PACKET_SETS, tag = (uint32_t)(hash >> 32) | 1;
	const struct packet_set *set = &cache->sets[at];
	/* No branch on which of them it is, which nothing could predict. A tag is there once. */
	unsigned way = (set->tags[1] == tag) * 1u | (set->tags[2] == tag) * 2u |
		       (set->tags[3] == tag) * 3u;
	_Static_assert(PACKET_WAYS == 4, "the line above");
	look->set = at;
	look->tag = tag;
	if (set->tags[way] != tag) {
		look->packet = stele_packet_cache_plan(cache, at, tag, query, i);
		return;
	}
	struct packet *packet = &cache->packets[at * PACKET_WAYS + way];
	__builtin_prefetch(packet);
	__builtin_prefetch(packet->query + 32);
	__builtin_prefetch(packet->bytes);
	__builtin_prefetch(packet->bytes + 64);
	look->packet = packet;
	look->is_found = true;
}

struct packet *stele_packet_cache_plan(struct packet_cache *cache, uint32_t set, uint32_t tag,
				       const struct stele_query *query, unsigned i)
{
	struct packet_set *s = &cache->sets[set];
	uint16_t half = (uint16_t)(tag >> 16);
	bool again = false;
	for (unsigned k = 0; k < PACKET_MISSED; k++)
		again |= s->missed[k] == half;
	if (!again) {
		s->missed[s->next_missed] = half;
		s->next_missed = (uint8_t)((s->next_missed + 1) % PACKET_MISSED);
		return NULL;
	}
	unsigned way = s->next_way;
	s->next_way = (uint8_t)((way + 1) % PACKET_WAYS);
	s->tags[way] = 0;
	struct packet *packet = &cache->packets[set * PACKET_WAYS + way];
	packet->reply.len = 0;
	packet->planned_by = (uint8_t)i;
	packet->query_len = (uint16_t)query->len;
	/* The reply may go where the query is. */
	memcpy(packet->query, query->msg + 2, query->len - 2);
	cache->planned_cnt++;
	return packet;
}

/* ---- Answering ---- */

/* Whether it is the packet's. Pieces that overlap, as above. */
INLINE bool is_query_of(const struct packet *packet, const struct stele_query *query)
{
	uint32_t len = query->len;
	const uint8_t *bytes = query->msg + 2;
	if (packet->query_len != len || packet->reply.len == 0)
		return false;
	len -= 2;
	if (len < STELE_PIECE_SZ)
		return memcmp(packet->query, bytes, len) == 0;
	stele_piece difference = {0};
	uint32_t last = len - STELE_PIECE_SZ;
	for (uint32_t at = 0; at < PACKET_QUERY_MAX; at += STELE_PIECE_SZ) {
		uint32_t from = at < last ? at : last;
		stele_piece_compare(&difference, packet->query + from, bytes + from,
				    STELE_PIECE_SZ);
	}
	return stele_piece_is_zero(&difference);
}

INLINE void answer(const struct packet *packet, const struct stele_query *query,
		   struct stele_reply *reply)
{
	uint8_t *buf = reply->buf; /* which may be the query's */
	uint32_t cap = reply->cap, len = packet->reply.len;
	uint16_t id;
	memcpy(&id, query->msg, sizeof(id));
	for (uint32_t at = 0; at < len; at += PACKET_PIECE_SZ) {
		stele_piece first, second;
		memcpy(&first, packet->bytes + at, sizeof(first));
		memcpy(&second, packet->bytes + at + sizeof(first), sizeof(second));
		memcpy(buf + at, &first, sizeof(first));
		memcpy(buf + at + sizeof(first), &second, sizeof(second));
	}
	memcpy(buf, &id, sizeof(id));
	*reply = packet->reply;
	reply->buf = buf;
	reply->cap = cap;
}

/* So many are looked for before the first of them is answered. */
#define GROUP 8

INLINE uint32_t answer_all(struct packet_cache *cache, struct stele_hash_seed seed,
			   const struct stele_query *queries, struct stele_reply *replies,
			   unsigned cnt)
{
	uint32_t bits = 0;
	for (unsigned from = 0; from < cnt; from += GROUP) {
		unsigned to = from + GROUP < cnt ? from + GROUP : cnt;
		for (unsigned i = from; i < to; i++)
			look(cache, seed, &queries[i], &replies[i], i);
		for (unsigned i = from; i < to; i++) {
			const struct packet *packet = cache->batch[i].packet;
			if (!cache->batch[i].is_found || !is_query_of(packet, &queries[i]))
				continue;
			answer(packet, &queries[i], &replies[i]);
			bits |= UINT32_C(1) << i;
		}
	}
	return bits;
}

static uint32_t answer_portable(struct packet_cache *cache, struct stele_hash_seed seed,
				const struct stele_query *queries, struct stele_reply *replies,
				unsigned cnt)
{
	return answer_all(cache, seed, queries, replies, cnt);
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,movbe,lzcnt"))) static uint32_t
answer_avx2(struct packet_cache *cache, struct stele_hash_seed seed,
	    const struct stele_query *queries, struct stele_reply *replies, unsigned cnt)
{
	return answer_all(cache, seed, queries, replies, cnt);
}
#endif

/* ---- Keeping ---- */

/* Whether a reply to this query would be the same for whoever asks. */
static bool is_kept(const struct work *w)
{
	const struct stele_reply *reply = w->reply;
	if (reply->verdict != STELE_VERDICT_REPLY || reply->zone_id == UINT32_MAX ||
	    reply->len > PACKET_REPLY_MAX || w->qtype == STELE_TYPE_ANY)
		return false;
	uint32_t question_end = work_question_end(w);
	if (!w->edns.present)
		return w->query->len == question_end;
	/* Without options; nor has the reply one, such as an extended error. */
	const uint8_t *opt = reply->buf + reply->len - OPT_FIXED_SZ;
	return w->query->len == question_end + OPT_FIXED_SZ &&
	       reply->len >= question_end + OPT_FIXED_SZ &&
	       stele_get_be32(opt) >> 8 == STELE_TYPE_OPT && stele_get_be16(opt + 9) == 0;
}

void stele_packet_cache_keep(struct packet_cache *cache, unsigned i, const struct work *w)
{
	const struct packet_look *look = &cache->batch[i];
	struct packet *packet = look->packet;
	struct packet_set *set = &cache->sets[look->set];
	if (look->is_found || packet == NULL || packet->planned_by != i || !is_kept(w))
		return;
	/* The same query may stand in a batch more than once. */
	for (unsigned way = 0; way < PACKET_WAYS; way++)
		if (set->tags[way] == look->tag)
			return;
	packet->reply = *w->reply;
	memcpy(packet->bytes, w->reply->buf, w->reply->len);
	set->tags[packet - &cache->packets[look->set * PACKET_WAYS]] = look->tag;
}

/* ---- All of it ---- */

struct packet_cache *stele_packet_cache_new(void)
{
	struct packet_cache *cache = aligned_alloc(64, (sizeof(*cache) + 63) / 64 * 64);
	if (cache == NULL)
		return NULL;
	memset(cache, 0, sizeof(*cache)); /* which is no view's serial */
	/* What is never kept takes no memory. */
	cache->packets = aligned_alloc(64, sizeof(struct packet) * PACKET_SETS * PACKET_WAYS);
	if (cache->packets == NULL) {
		free(cache);
		return NULL;
	}
	cache->answer = answer_portable;
#if defined(__x86_64__)
	if (stele_cpu_has_avx2())
		cache->answer = answer_avx2;
#endif
	return cache;
}

void stele_packet_cache_free(struct packet_cache *cache)
{
	if (cache == NULL)
		return;
	free(cache->packets);
	free(cache);
}

/* Whether to go on looking, once a period is over. */
static void decide(struct packet_cache *cache)
{
	if (cache->hits < cache->looks / PACKET_WORTH)
		cache->pause = PACKET_PAUSE * PACKET_PERIOD;
	cache->looks = 0;
	cache->hits = 0;
}

uint32_t stele_packet_cache_answer(struct packet_cache *cache, const struct stele_view *view,
				   const struct stele_answer_settings *settings,
				   const struct stele_query *queries, struct stele_reply *replies,
				   unsigned cnt)
{
	if (cache->view_serial != view->serial || cache->udp_max != settings->udp_max) {
		cache->view_serial = view->serial;
		cache->udp_max = settings->udp_max;
		memset(cache->sets, 0, sizeof(cache->sets));
	}
	cache->planned_cnt = 0;
	if (!settings->packet_cache)
		return 0;
	if (cache->pause > 0) {
		cache->pause -= cache->pause < cnt ? cache->pause : cnt;
		return 0;
	}
	if (cache->looks >= PACKET_PERIOD)
		decide(cache);
	uint32_t bits = cache->answer(cache, view->seed, queries, replies, cnt);
	cache->hits += (unsigned)__builtin_popcount(bits);
	return bits;
}

void stele_packet_cache_reread(struct work *w, const struct stele_query *query,
			       struct stele_reply *reply)
{
	struct stele_reply told = *reply;
	uint8_t msg[PACKET_QUERY_MAX + sizeof(stele_vector)];
	const uint8_t *qname = reply->buf + STELE_HEADER_SZ;
	uint32_t len = STELE_HEADER_SZ + (uint32_t)stele_name_length(qname, STELE_NAME_MAX) +
		       QUESTION_FIXED_SZ;
	bool has_opt = query->len > len;
	unsigned flags = stele_get_be16(reply->buf + 2) & STELE_FLAG_RD;
	memcpy(msg, reply->buf, len);
	stele_put_be64(msg, (uint64_t)stele_get_be16(reply->buf) << 48 | (uint64_t)flags << 32 |
				    1 << 16);
	stele_put_be32(msg + 8, has_opt);
	if (has_opt) { /* what it says of the client is DO */
		memcpy(msg + len, reply->buf + reply->len - OPT_FIXED_SZ, OPT_FIXED_SZ);
		len += OPT_FIXED_SZ;
	}
	struct stele_query again = *query;
	again.msg = msg;
	again.len = len;
	w->query = &again;
	w->reply = reply;
	stele_request_parse(w);
	w->query = query;
	*reply = told;
}
