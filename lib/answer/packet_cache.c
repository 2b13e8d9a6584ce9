/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/packet_cache.h"

#include "lib/answer/plain.h"

#include <stdlib.h>

struct packet_cache *stele_packet_cache_new(void)
{
	struct packet_cache *cache = aligned_alloc(64, sizeof(*cache));
	if (cache == NULL)
		return NULL;
	memset(cache, 0, sizeof(*cache)); /* which is no view's serial */
	/* What is never kept takes no memory. */
	cache->packets = aligned_alloc(64, sizeof(struct packet) * PACKET_SETS * PACKET_WAYS);
	if (cache->packets == NULL) {
		free(cache);
		return NULL;
	}
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

bool stele_packet_cache_begin(struct packet_cache *cache, const struct stele_view *view,
			      const struct stele_answer_settings *settings, unsigned cnt)
{
	if (cache->view_serial != view->serial || cache->udp_max != settings->udp_max) {
		cache->view_serial = view->serial;
		cache->udp_max = settings->udp_max;
		memset(cache->sets, 0, sizeof(cache->sets));
	}
	if (cache->pause > 0) {
		cache->pause -= cache->pause < cnt ? cache->pause : cnt;
		return false;
	}
	if (cache->looks >= PACKET_PERIOD)
		decide(cache);
	return true;
}

struct packet *stele_packet_cache_plan(struct packet_cache *cache, uint32_t set, uint32_t tag,
				       const struct stele_query *query, unsigned by)
{
	struct packet_set *s = &cache->sets[set];
	bool again = false;
	for (unsigned i = 0; i < PACKET_WAYS - 1; i++)
		again |= s->missed[i] == tag;
	if (!again) {
		s->missed[s->next_missed] = tag;
		s->next_missed = (uint8_t)((s->next_missed + 1) % (PACKET_WAYS - 1));
		return NULL;
	}
	unsigned way = s->next_way;
	s->next_way = (uint8_t)((way + 1) % PACKET_WAYS);
	s->tags[way] = 0;
	struct packet *packet = &cache->packets[set * PACKET_WAYS + way];
	packet->reply.len = 0;
	packet->planned_by = (uint8_t)by;
	packet->query_len = (uint16_t)query->len;
	/* The reply goes where the query is. */
	memcpy(packet->query, query->msg + 2, query->len - 2);
	return packet;
}

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

void stele_packet_cache_keep(struct packet_cache *cache, const struct packet_look *look,
			     const struct work *w, unsigned by)
{
	struct packet *packet = look->packet;
	struct packet_set *set = &cache->sets[look->set];
	if (packet->planned_by != by || !is_kept(w))
		return;
	/* The same query may stand in a batch more than once. */
	for (unsigned i = 0; i < PACKET_WAYS; i++)
		if (set->tags[i] == look->tag)
			return;
	packet->reply = *w->reply;
	packet->qname_len = w->qname_len;
	memcpy(packet->bytes, w->reply->buf, w->reply->len);
	set->tags[packet - &cache->packets[look->set * PACKET_WAYS]] = look->tag;
}

void stele_packet_cache_reread(struct work *w)
{
	const struct stele_query *query = w->query;
	struct stele_reply *reply = w->reply, told = *reply;
	uint8_t msg[PACKET_QUERY_MAX + 2 * sizeof(stele_vector)];
	uint32_t question_end = work_question_end(w), len = question_end;
	bool has_opt = query->len > question_end;
	unsigned flags = stele_get_be16(reply->buf + 2) & STELE_FLAG_RD;
	memcpy(msg, reply->buf, question_end);
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
	stele_request_parse(w);
	w->query = query;
	*reply = told;
}
