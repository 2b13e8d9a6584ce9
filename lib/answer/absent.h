/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ABSENT_H
#define STELE_LIB_ANSWER_ABSENT_H

/*
 * The short way for names that are not there: nothing exists one label below the apex of a zone with
 * NSEC3, DO is set, and the apex was met lately. That is what a flood of random names is made of. All that is left to do is
 * one hash and one search for the record that covers it; batch.c takes both through its stages. Whatever
 * does not fit is left to the general way.
 */

#include "lib/answer/chain.h"
#include "lib/answer/compose.h"
#include "lib/answer/lookup.h"
#include "lib/answer/reply.h"
#include "lib/answer/work.h"
#include "lib/dns/nsec3.h"

#define ABSENT_INLINE static inline __attribute__((always_inline))

/* Those of a batch, in the order in which they were found out. */
struct absent {
	unsigned cnt;
	struct work *works[STELE_BATCH_MAX];
	struct fetch searches[STELE_BATCH_MAX];
	uint8_t hashes[STELE_BATCH_MAX][STELE_NSEC3_HASH_SZ];
};

/* True if `w`, whose name was looked up and not found, can go this way. */
ABSENT_INLINE bool absent_fits(const struct work *w)
{
	const struct stele_zone *zone = (const struct stele_zone *)(const void *)w->zone_record;
	if (zone == NULL || !w->edns.dnssec_ok || w->probe_depth != w->apex_depth + 1u ||
	    w->qclass != STELE_CLASS_IN || !stele_zone_has_nsec3(zone) ||
	    (zone->flags & STELE_ZONE_EXPIRED) != 0)
		return false;
	unsigned apex_at = w->sname.starts[w->sname.depth - w->apex_depth];
	if (zone->apex_len != w->sname.len - apex_at ||
	    !stele_equal_apex((const uint8_t *)(zone + 1), w->sname.wire + apex_at, zone->apex_len))
		return false;
	const uint8_t *apex = lookup_apex_record(w);
	if (apex == NULL)
		return false;
	unsigned flags = ((const struct stele_name *)(const void *)apex)->flags;
	return (flags & (STELE_NAME_HAS_WILDCARD | STELE_NAME_HAS_DNAME)) == 0 &&
	       stele_memo_is_whole(stele_memo_at(&w->shared->memos, zone));
}

/* Begins the searches of number `from` up to `to`: for what covers the next closer names. */
ABSENT_INLINE void absent_begin(struct absent *all, unsigned from, unsigned to)
{
	struct stele_nsec3_job jobs[STELE_BATCH_MAX];
	if (from == to)
		return;
	for (unsigned i = from; i < to; i++) {
		struct work *w = all->works[i];
		const struct stele_zone *zone = (const void *)w->zone_record;
		const uint8_t *next_closer = sname_suffix(w, w->probe_depth);
		w->zone = zone;
		_Static_assert(STELE_NSEC3_JOB_SLACK <= NAME_SLACK, "behind sname");
		jobs[i - from] = (struct stele_nsec3_job){
			.name = next_closer,
			.name_len = (uint8_t)(w->sname.wire + w->sname.len - next_closer),
			.salt = (const uint8_t *)(zone + 1) + zone->apex_len,
			.salt_len = zone->salt_len,
			.iterations = stele_le16(zone->iterations),
			.hash = all->hashes[i],
		};
	}
	stele_nsec3_hash_jobs(jobs, to - from);
	for (unsigned i = from; i < to; i++) {
		all->searches[i].hash = all->hashes[i];
		stele_nsec3_begin(all->works[i], &all->searches[i]);
	}
}

ABSENT_INLINE void absent_pick(struct absent *all, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		stele_nsec3_pick(&all->searches[i]);
}

ABSENT_INLINE bool absent_is_same(const struct stele_nsec3_entry *a,
				  const struct stele_nsec3_entry *b)
{
	/* Eight bytes nearly always tell. */
	return stele_get_be64(a->hash) == stele_get_be64(b->hash) &&
	       memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

/* False: nothing is written that the general way would not write again. */
ABSENT_INLINE bool absent_write(struct work *w, struct fetch *search)
{
	/* Two batch mates may share a memo's place; the later one has it. */
	const struct stele_zone *zone = w->zone;
	const struct memo *memo = stele_memo_at(&w->shared->memos, zone);
	stele_nsec3_settle(search);
	if (!stele_memo_is_whole(memo) || search->matched)
		return false;
	const struct stele_nsec3_entry *entry = (const void *)search->result;
	bool known = absent_is_same(entry, memo->encloser) || absent_is_same(entry, memo->star);
	uint32_t pos = w->pos, end = pos + memo->body_len;
	uint32_t nsec3_sz = known ? 0 : stele_compose_nsec3_sz(entry);
	if (end + nsec3_sz > w->limit)
		return false;

	struct stele_reply *reply = w->reply;
	uint8_t *buf = reply->buf;
	unsigned authority_cnt = memo->rr_cnt;
	stele_memo_put(memo, buf + pos, w->qname_len);
	if (!known) {
		_Static_assert(STELE_HEADER_SZ + STELE_NAME_MAX + 4 + MEMO_BODY_MAX <=
				       STELE_POINTER_MAX,
			       "the owner is in reach");
		unsigned apex_at = STELE_HEADER_SZ + w->qname_len - zone->apex_len;
		authority_cnt += stele_compose_put_nsec3(buf, end, entry, apex_at);
	}
	end += nsec3_sz;

	unsigned flags = STELE_FLAG_QR | STELE_FLAG_AA | STELE_RCODE_NXDOMAIN |
			 (w->flags_in & STELE_FLAG_RD);
	stele_put_be64(buf, (uint64_t)w->id << 48 | (uint64_t)flags << 32 | 1 << 16);
	stele_put_be32(buf + 8, authority_cnt << 16 | 1); /* the OPT: DO is set */
	reply->len = stele_reply_put_opt(w, end, STELE_RCODE_NXDOMAIN, STELE_EDE_NONE);
	reply->verdict = STELE_VERDICT_REPLY;
	reply->drop_reason = STELE_DROP_NONE;
	reply->reply_class = STELE_CLASS_NXDOMAIN;
	reply->rcode = STELE_RCODE_NXDOMAIN;
	reply->cookie_valid = false;
	reply->cookie_invalid = false;
	reply->zone_id = stele_le32(zone->zone_id);
	reply->body_off = 0;
	reply->body_len = 0;
	reply->body_sum = 0;
	return true;
}

#endif
