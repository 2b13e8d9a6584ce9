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
 *   TCP, buffer   only queries over UDP, with room for a reply of `udp_max`
 *
 * Kept are replies of a zone to queries without EDNS options and not of type ANY, which the settings may have
 * answered otherwise.
 *
 * Not all traffic repeats itself: in a flood of random names every look is in vain. So a query is missed
 * twice before its reply is kept, and where few looks find something, most batches are not looked up at all.
 *
 * A cache belongs to one answerer, and so to one thread.
 */

#include "lib/answer/work.h"

enum {
	PACKET_WAYS = 4,
	PACKET_SETS = 512,
	PACKET_MISSED = 6,     /* as many queries as may take turns and still be known again */
	PACKET_QUERY_MIN = 18, /* bytes, of which the last 16 do not reach the ID */
	PACKET_QUERY_MAX = 128,
	PACKET_REPLY_MAX = 896, /* bytes; most signed replies have fewer */
	PACKET_PIECE_SZ = 64,   /* by which replies are copied */
	PACKET_PERIOD = 2048,   /* looks, after which it is decided whether they go on */
	PACKET_WORTH = 5,       /* they do if one of so many found something */
	PACKET_PAUSE = 24,      /* periods that are left out if not */
};
_Static_assert(PACKET_REPLY_MAX % PACKET_PIECE_SZ == 0, "is copied whole");
_Static_assert(STELE_BATCH_MAX <= 32, "a bit for each");

/* A query and its reply. An odd number of cache lines: at a power of two, all first lines would fall into a few sets of the
 * processor's caches. */
struct packet {
	struct stele_reply reply; /* but for its buffer; len = 0: nothing is kept yet */
	uint16_t query_len;       /* with its ID, which is not in `query` */
	uint8_t planned_by; /* the last query of its batch that wants to keep its reply here */
	uint8_t query[PACKET_QUERY_MAX];
	uint8_t bytes[PACKET_REPLY_MAX] __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct packet) / 64 % 2 == 1, "lib/answer/packet_cache.h");

/* Where packets of some hashes are, and what was missed lately. Half a cache line. */
struct packet_set {
	uint32_t tags[PACKET_WAYS];     /* 0: none */
	uint16_t missed[PACKET_MISSED]; /* upper halves of the tags of the last misses */
	uint8_t next_way, next_missed;  /* whose turn it is to be given away */
};
_Static_assert(PACKET_MISSED > PACKET_WAYS && sizeof(struct packet_set) == 32, "half a line");

/* What came of the look for one query. */
struct packet_look {
	struct packet *packet; /* that has its tag, or where its reply is to be kept; NULL: neither */
	uint32_t set, tag;
	bool is_found;
};

struct packet_cache {
	struct packet_set sets[PACKET_SETS];
	struct packet *packets; /* PACKET_WAYS for each set */
	uint64_t view_serial;
	uint16_t udp_max;
	uint32_t looks, hits; /* since it was decided last */
	uint32_t pause;       /* queries that are not looked for, from now on */
	uint32_t (*answer)(struct packet_cache *cache, struct stele_hash_seed seed,
			   const struct stele_query *queries, struct stele_reply *replies,
			   unsigned cnt);

	/* ---- the batch under way ---- */
	unsigned planned_cnt; /* replies that are to be kept */
	struct packet_look batch[STELE_BATCH_MAX];
};

struct packet_cache *stele_packet_cache_new(void);        /* NULL: there is no memory */
void stele_packet_cache_free(struct packet_cache *cache); /* NULL is fine */

/* Begins a batch: answers what queries it can. Returns their bits. */
uint32_t stele_packet_cache_answer(struct packet_cache *cache, const struct stele_view *view,
				   const struct stele_answer_settings *settings,
				   const struct stele_query *queries, struct stele_reply *replies,
				   unsigned cnt);

/* A place for the reply of the batch's i-th query, or NULL if it is missed for the first time. */
struct packet *stele_packet_cache_plan(struct packet_cache *cache, uint32_t set, uint32_t tag,
				       const struct stele_query *query, unsigned i);

/* Keeps the reply of the batch's i-th query if a place was planned for it and it is one of those above. To be
 * called before it is made somebody's own, and only where cache->planned_cnt is not 0. */
void stele_packet_cache_keep(struct packet_cache *cache, unsigned i, const struct work *w);

/* Sets `w` to what it would be had this query, which was answered from here, been read and answered. */
void stele_packet_cache_reread(struct work *w, const struct stele_query *query,
			       struct stele_reply *reply);

#endif
