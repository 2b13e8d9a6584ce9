/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_PACKET_CACHE_H
#define STELE_LIB_ANSWER_PACKET_CACHE_H

/*
 * Replies sent lately, whole, for queries that are the same in every byte but the ID.
 *
 * What is asked most is asked again and again, by resolvers that write one question in one way. Such a query
 * needs no parsing, no lookup and no composing: its reply is one copy and an ID. All bytes of the query are
 * compared, so a hash can mistake nothing for it.
 *
 * What a reply depends on besides the query, and how it stays true:
 *
 *   view          another view empties the cache; an image never changes
 *   settings      so does another `udp_max`; what else they say is about queries that are not kept (below)
 *   who asks      cookies are options; rate limits are told of a reply from here as of any other
 *   TCP, buffer   only queries over UDP that are answered in place, with room for all of `udp_max`
 *
 * Kept are replies of a zone to queries without EDNS options and not of type ANY, which the settings may have
 * answered otherwise.
 *
 * Not all traffic repeats itself: in a flood of random names every look is in vain. So a query is missed
 * twice before its reply is kept, and where few looks find something, most batches are not looked up at all.
 *
 * A cache belongs to one answerer, and so to one thread.
 */

#include "lib/answer/equal.h"
#include "lib/answer/work.h"
#include "lib/base/bytes.h"
#include "lib/image/hash.h"

enum {
	PACKET_WAYS = 4,
	PACKET_SETS = 512,
	PACKET_QUERY_MIN = 18, /* bytes, of which the last 16 do not reach the ID */
	PACKET_QUERY_MAX = 128,
	PACKET_REPLY_MAX = 896, /* bytes; most signed replies have fewer */
	PACKET_PIECE_SZ = 64,   /* replies are copied by these */
	PACKET_PERIOD = 4096,   /* looks, after which it is decided whether they go on */
	PACKET_WORTH = 4,       /* they do if one of so many found something */
	PACKET_PAUSE = 12,      /* periods that are left out if not */
};
_Static_assert(PACKET_REPLY_MAX % PACKET_PIECE_SZ == 0, "is copied whole");

/* A query and its reply. An odd number of cache lines: at a power of two, all first lines would fall into a few sets
 * of the processor's caches. */
struct packet {
	struct stele_reply reply; /* but for its buffer; len = 0: nothing is kept yet */
	uint16_t query_len;       /* with its ID, which is not in `query` */
	uint8_t qname_len;
	uint8_t planned_by; /* the last query of its batch that wants to keep its reply here */
	uint8_t query[PACKET_QUERY_MAX] __attribute__((aligned(64)));
	uint8_t bytes[PACKET_REPLY_MAX] __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct packet) / 64 % 2 == 1, "lib/answer/packet_cache.h");

/* Where packets of some hashes are, and what was missed lately. Half a cache line. */
struct packet_set {
	uint32_t tags[PACKET_WAYS];       /* 0: none */
	uint32_t missed[PACKET_WAYS - 1]; /* tags of the last misses */
	uint8_t next_way, next_missed;    /* whose turn it is to be given away */
};
_Static_assert(sizeof(struct packet_set) == 32, "does not straddle cache lines");

struct packet_cache {
	struct packet_set sets[PACKET_SETS];
	struct packet *packets; /* PACKET_WAYS for each set */
	uint64_t view_serial;
	uint16_t udp_max;
	uint32_t looks, hits; /* since it was decided last */
	uint32_t pause;       /* queries that are not looked for, from now on */
};

/* What came of the look for one query. */
struct packet_look {
	struct packet *packet; /* that has its tag, or where its reply is to be kept; NULL: neither */
	uint32_t set, tag;
	bool is_found;
};

/* Pieces of 16 bytes that overlap where the query is shorter, so that nothing depends on its length. Of one of more than
 * 66 bytes some in the middle do not count, which costs no more than a place in the cache. */
static inline __attribute__((always_inline)) uint64_t packet_hash(struct stele_hash_seed seed,
								  const uint8_t *msg, uint32_t len)
{
	uint64_t hash = len;
	uint32_t last = len - 16;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t at = i < 3 && 2 + 16 * i < last ? 2 + 16 * i : last;
		hash += stele_fold(seed.start ^ stele_get_le64(msg + at),
				   (seed.multiplier + 2 * i) ^ stele_get_le64(msg + at + 8));
	}
	return stele_hash_spread(hash);
}

struct packet_cache *stele_packet_cache_new(void);        /* NULL: there is no memory */
void stele_packet_cache_free(struct packet_cache *cache); /* NULL is fine */

/* Begins a batch of `cnt`. True if its queries are to be looked for. */
bool stele_packet_cache_begin(struct packet_cache *cache, const struct stele_view *view,
			      const struct stele_answer_settings *settings, unsigned cnt);

/* A place for the reply of the `by`-th query of the batch, or NULL if it is missed for the first time. */
struct packet *stele_packet_cache_plan(struct packet_cache *cache, uint32_t set, uint32_t tag,
				       const struct stele_query *query, unsigned by);

/* Keeps the reply of the `by`-th query, for which `look` has a place, if it is one of those above. */
void stele_packet_cache_keep(struct packet_cache *cache, const struct packet_look *look,
			     const struct work *w, unsigned by);

/* Sets `w` to what it would be had its query, which was answered from here, been read. Its reply loses no more than
 * what stands behind the question. */
void stele_packet_cache_reread(struct work *w);

/* Looks for the `by`-th query of a batch. What is found is on its way from memory afterwards. False: for this one nobody
 * would look. */
static inline __attribute__((always_inline)) bool
packet_cache_look(struct packet_cache *cache, struct stele_hash_seed seed,
		  const struct stele_query *query, const struct stele_reply *reply, unsigned by,
		  struct packet_look *ret)
{
	ret->packet = NULL;
	ret->is_found = false;
	uint32_t len = query->len, room = reply->cap;
	if (query->tcp || query->reserve != 0 || query->msg != reply->buf ||
	    len < PACKET_QUERY_MIN || len > PACKET_QUERY_MAX || room < PACKET_REPLY_MAX ||
	    room < cache->udp_max)
		return false;
	uint64_t hash = packet_hash(seed, query->msg, len);
	uint32_t at = (uint32_t)hash % PACKET_SETS, tag = (uint32_t)(hash >> 32) | 1;
	struct packet_set *set = &cache->sets[at];
	/* No branch on which of them it is, which nothing could predict. A tag is there once. */
	unsigned way = (set->tags[1] == tag) * 1u | (set->tags[2] == tag) * 2u |
		       (set->tags[3] == tag) * 3u;
	_Static_assert(PACKET_WAYS == 4, "the line above");
	ret->set = at;
	ret->tag = tag;
	if (set->tags[way] != tag) {
		ret->packet = stele_packet_cache_plan(cache, at, tag, query, by);
		return true;
	}
	struct packet *packet = &cache->packets[at * PACKET_WAYS + way];
	__builtin_prefetch(packet);
	__builtin_prefetch(packet->query);
	__builtin_prefetch(packet->bytes);
	__builtin_prefetch(packet->bytes + PACKET_PIECE_SZ);
	ret->packet = packet;
	ret->is_found = true;
	return true;
}

/* Answers the query of `w` with what was found for it. False: it is another's, and nothing is done. */
static inline __attribute__((always_inline)) bool packet_cache_put(const struct packet *packet,
								   struct work *w)
{
	const struct stele_query *query = w->query;
	struct stele_reply *reply = w->reply;
	uint8_t *buf = reply->buf;
	if (packet->query_len != query->len || packet->reply.len == 0 ||
	    !stele_equal(packet->query, buf + 2, query->len - 2))
		return false;
	uint16_t id;
	memcpy(&id, buf, sizeof(id));
	for (uint32_t i = 0; i < packet->reply.len; i += PACKET_PIECE_SZ)
		memcpy(buf + i, packet->bytes + i, PACKET_PIECE_SZ);
	memcpy(buf, &id, sizeof(id));
	uint32_t cap = reply->cap;
	*reply = packet->reply;
	reply->buf = buf;
	reply->cap = cap;
	w->qname_len = packet->qname_len;
	return true;
}

#endif
