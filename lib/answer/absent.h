/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ABSENT_H
#define STELE_LIB_ANSWER_ABSENT_H

/*
 * The short way for what is not there: a type that a name lacks, and a name one label below the apex of a zone that
 * was met lately, which is what a flood of random names is made of. Without DO, or in a zone without signatures, the
 * reply is the zone's SOA. In a zone with NSEC3 one search is left to do, for the record that says so, with a
 * hash before it if it is a name; in one with NSEC, for the name that is before it, and then for that name's record.
 * batch.c takes all through its stages. Whatever does not fit is left to the general way.
 */

#include "lib/answer/chain.h"
#include "lib/answer/compose.h"
#include "lib/answer/lookup.h"
#include "lib/answer/probe.h"
#include "lib/answer/reply.h"
#include "lib/answer/work.h"
#include "lib/dns/nsec3.h"

#define ABSENT_INLINE static inline __attribute__((always_inline))

enum absent_way {
	ABSENT_GENERAL,  /* the general one; nothing is done */
	ABSENT_SEARCHED, /* a search has been added to those of the batch */
	ABSENT_ANSWERED,
};

/* Searches of a batch, in the order in which they were found out. */
struct absent {
	unsigned cnt;
	struct work *works[STELE_BATCH_MAX];
	/* `hash` is NULL until it is computed; with NSEC, always. */
	struct fetch searches[STELE_BATCH_MAX];
	uint8_t hashes[STELE_BATCH_MAX][STELE_NSEC3_HASH_SZ];
	struct probe owners[STELE_BATCH_MAX]; /* with NSEC: whose record covers the name */
};

ABSENT_INLINE void absent_put(struct work *w, const struct stele_zone *zone, uint32_t end,
			      unsigned authority_cnt, enum stele_rcode rcode)
{
	stele_reply_put_authoritative(w, zone, end, 0, authority_cnt, rcode,
				      rcode == STELE_RCODE_NXDOMAIN ? STELE_CLASS_NXDOMAIN :
								      STELE_CLASS_NODATA);
	w->reply->body_off = 0;
	w->reply->body_len = 0;
	w->reply->body_sum = 0;
}

/* The zone's SOA behind the question, if it is remembered: where it ends. 0: nothing is done. */
ABSENT_INLINE uint32_t absent_put_soa(struct work *w, const struct stele_zone *zone,
				      uint16_t *ret_cnt)
{
	const struct memo *memo =
		stele_memo_find(&w->shared->memos, stele_memo_soa(zone, w->edns.dnssec_ok));
	if (memo == NULL || memo->body_len == 0 || w->pos + memo->body_len > w->limit)
		return 0;
	stele_memo_put(memo, w->reply->buf + w->pos, w->qname_len);
	*ret_cnt = memo->rr_cnt;
	return w->pos + memo->body_len;
}

/* The SOA, and `proof_len` bytes with `proof_cnt` records behind it, are all that there is to say. */
ABSENT_INLINE enum absent_way absent_answer(struct work *w, const struct stele_zone *zone,
					    enum stele_rcode rcode, const uint8_t *proof,
					    uint32_t proof_len, unsigned proof_cnt)
{
	uint16_t soa_cnt;
	uint32_t proof_at = absent_put_soa(w, zone, &soa_cnt);
	if (proof_at == 0 || proof_at + proof_len > w->limit)
		return ABSENT_GENERAL;
	if (proof != NULL)
		stele_copy(w->reply->buf + proof_at, proof, proof_len);
	absent_put(w, zone, proof_at + proof_len, soa_cnt + proof_cnt, rcode);
	return ABSENT_ANSWERED;
}

ABSENT_INLINE enum absent_way absent_search(struct absent *all, struct work *w,
					    const struct stele_zone *zone, const uint8_t *record,
					    const uint8_t *hash)
{
	w->zone = zone;
	w->record = record;
	/* It stands at the end of its record, where nothing else was read. */
	if (hash != NULL) {
		__builtin_prefetch(hash);
		__builtin_prefetch(hash + STELE_NSEC3_HASH_SZ - 1);
	}
	all->searches[all->cnt].hash = hash;
	all->works[all->cnt++] = w;
	return ABSENT_SEARCHED;
}

/*
 * `record` is the name's, which is compared; it has neither the type nor a CNAME. `hash` is where its bodies
 * end.
 */
ABSENT_INLINE enum absent_way absent_type(struct absent *all, struct work *w,
					  const struct stele_zone *zone, const uint8_t *record,
					  const uint8_t *hash)
{
	if (!w->edns.dnssec_ok || zone->chain_kind == STELE_CHAIN_NONE)
		return absent_answer(w, zone, STELE_RCODE_NOERROR, NULL, 0, 0);
	struct stele_name_parts name = stele_name_parts(record);
	if (stele_zone_has_nsec3(zone))
		return (name.head->flags & STELE_NAME_HAS_HASH) != 0 ?
			       absent_search(all, w, zone, record, hash) :
			       ABSENT_GENERAL;
	/* The name's own record says which types it has. Nothing in it depends on where it stands. */
	const struct stele_rrset *nsec = stele_name_rrset(&name, STELE_TYPE_NSEC);
	if (nsec == NULL || (nsec->flags & STELE_RRSET_HAS_PATCHES) != 0)
		return ABSENT_GENERAL;
	return absent_answer(w, zone, STELE_RCODE_NOERROR, stele_name_body(&name, nsec),
			     (uint32_t)stele_le16(nsec->plain_len) + stele_le16(nsec->sig_len),
			     (unsigned)stele_le16(nsec->rr_cnt) + nsec->sig_cnt);
}

/* The name of `w` was looked up and not found. */
ABSENT_INLINE enum absent_way absent_name(struct absent *all, struct work *w)
{
	const struct stele_zone *zone = (const void *)w->zone_record;
	if (zone == NULL || w->probe_depth != w->apex_depth + 1u || w->qclass != STELE_CLASS_IN ||
	    (zone->flags & STELE_ZONE_EXPIRED) != 0)
		return ABSENT_GENERAL;
	unsigned apex_at = w->sname.starts[w->sname.depth - w->apex_depth];
	if (zone->apex_len != w->sname.len - apex_at ||
	    !stele_equal_apex((const uint8_t *)(zone + 1), w->sname.wire + apex_at, zone->apex_len))
		return ABSENT_GENERAL;
	const uint8_t *apex = lookup_apex_record(w);
	if (apex == NULL)
		return ABSENT_GENERAL;
	unsigned flags = ((const struct stele_name *)(const void *)apex)->flags;
	if ((flags & (STELE_NAME_HAS_WILDCARD | STELE_NAME_HAS_DNAME)) != 0)
		return ABSENT_GENERAL;
	if (!w->edns.dnssec_ok || zone->chain_kind == STELE_CHAIN_NONE)
		return absent_answer(w, zone, STELE_RCODE_NXDOMAIN, NULL, 0, 0);
	const struct memo *memo = stele_memo_at(&w->shared->memos, zone);
	if (stele_zone_has_nsec3(zone) ? !stele_memo_is_whole(memo) :
					 !stele_memo_is_whole_nsec(memo))
		return ABSENT_GENERAL;
	return absent_search(all, w, zone, NULL, NULL);
}

/* Nothing is there at the next closer name nor below it, so what covers the one covers the other. */
ABSENT_INLINE void absent_begin_owner(const struct work *w, struct probe *owner)
{
	uint8_t sort_key[STELE_SORT_KEY_MAX];
	const uint8_t *label = sname_suffix(w, w->probe_depth);
	uint64_t key = stele_nsec_search(w, sort_key, stele_sort_key(label, *label + 1u, sort_key));
	probe_shard(owner, stele_view_name_shard(w->shared->view, key), key, 0, 0);
	probe_block(owner);
}

/* Begins the searches of number `from` up to `to`: for what covers the next closer names of those that are
 * not there. */
ABSENT_INLINE void absent_begin_names(struct absent *all, unsigned from, unsigned to)
{
	struct stele_nsec3_job jobs[STELE_BATCH_MAX];
	unsigned job_cnt = 0;
	for (unsigned i = from; i < to; i++) {
		struct work *w = all->works[i];
		const struct stele_zone *zone = w->zone;
		if (w->record != NULL)
			continue;
		if (stele_zone_has_nsec(zone)) {
			absent_begin_owner(w, &all->owners[i]);
			continue;
		}
		all->searches[i].hash = all->hashes[i];
		const uint8_t *next_closer = sname_suffix(w, w->probe_depth);
		_Static_assert(STELE_NSEC3_JOB_SLACK <= NAME_SLACK, "behind sname");
		jobs[job_cnt++] = (struct stele_nsec3_job){
			.name = next_closer,
			.name_len = (uint8_t)(w->sname.wire + w->sname.len - next_closer),
			.salt = (const uint8_t *)(zone + 1) + zone->apex_len,
			.salt_len = zone->salt_len,
			.iterations = stele_le16(zone->iterations),
			.hash = all->hashes[i],
		};
	}
	if (job_cnt == 0)
		return;
	stele_nsec3_hash_jobs(jobs, job_cnt);
	for (unsigned i = from; i < to; i++)
		if (all->works[i]->record == NULL && all->searches[i].hash != NULL)
			stele_nsec3_begin(all->works[i], &all->searches[i]);
}

/* The same for what matches those that are there, whose hashes are on their way since absent_type(). */
ABSENT_INLINE void absent_begin_types(struct absent *all, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (all->works[i]->record != NULL)
			stele_nsec3_begin(all->works[i], &all->searches[i]);
}

ABSENT_INLINE void absent_pick(struct absent *all, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct fetch *search = &all->searches[i];
		if (search->hash != NULL) {
			stele_nsec3_pick(search);
			continue;
		}
		search->result = probe_record(&all->owners[i]);
		if (search->result != NULL)
			probe_prefetch_record(search->result, true);
	}
}

/* What all denials below the zone's apex have in common, but for `entry`. As absent_put_soa(). */
ABSENT_INLINE uint32_t absent_put_encloser(struct work *w, const struct stele_zone *zone,
					   const struct stele_nsec3_entry *entry, uint16_t *ret_cnt,
					   bool *ret_has_entry)
{
	/* Two batch mates may share a memo's place; the later one has it. */
	const struct memo *memo = stele_memo_at(&w->shared->memos, zone);
	uint32_t end = w->pos + memo->body_len;
	if (!stele_memo_is_whole(memo) || end > w->limit)
		return 0;
	stele_memo_put(memo, w->reply->buf + w->pos, w->qname_len);
	*ret_cnt = memo->rr_cnt;
	*ret_has_entry = stele_nsec3_is_same(entry, memo->encloser) ||
			 stele_nsec3_is_same(entry, memo->star);
	return end;
}

/* A name that is not there in a zone with NSEC: `record` is that of the name before it. As absent_write(). */
ABSENT_INLINE bool absent_write_nsec(struct work *w, const uint8_t *record)
{
	const struct stele_zone *zone = w->zone;
	const struct memo *memo = stele_memo_at(&w->shared->memos, zone);
	uint32_t end = w->pos + memo->body_len;
	if (record == NULL || !stele_memo_is_whole_nsec(memo) || end > w->limit)
		return false;
	unsigned authority_cnt = memo->rr_cnt;
	uint8_t *buf = w->reply->buf;
	if (record != memo->star_owner) {
		struct stele_name_parts name = stele_name_parts(record);
		const struct stele_rrset *nsec = stele_name_rrset(&name, STELE_TYPE_NSEC);
		if (nsec == NULL || (nsec->flags & STELE_RRSET_HAS_PATCHES) != 0)
			return false;
		uint32_t owner_at = end;
		unsigned rel_len = name.head->rel_len;
		end += rel_len + stele_le16(nsec->plain_len) + stele_le16(nsec->sig_len);
		if (end > w->limit || owner_at > STELE_POINTER_MAX)
			return false;
		stele_copy(buf + owner_at, name.rel, rel_len);
		authority_cnt += stele_compose_put_proof(
			buf, owner_at, rel_len, stele_name_body(&name, nsec), nsec,
			STELE_HEADER_SZ + w->qname_len - zone->apex_len);
	}
	stele_memo_put(memo, buf + w->pos, w->qname_len);
	absent_put(w, zone, end, authority_cnt, STELE_RCODE_NXDOMAIN);
	return true;
}

/* The search is at its end. False: nothing is written that the general way would not write again. */
ABSENT_INLINE bool absent_write(struct work *w, struct fetch *search)
{
	const struct stele_zone *zone = w->zone;
	if (search->hash == NULL)
		return absent_write_nsec(w, search->result);
	stele_nsec3_settle(search);
	const struct stele_nsec3_entry *entry = (const void *)search->result;
	bool exists = w->record != NULL, has_entry = false;
	if (search->matched != exists)
		return false;
	uint16_t cnt;
	uint32_t end = exists ? absent_put_soa(w, zone, &cnt) :
				absent_put_encloser(w, zone, entry, &cnt, &has_entry);
	if (end == 0)
		return false;
	unsigned authority_cnt = cnt;
	if (!has_entry) {
		uint32_t entry_at = end;
		end += stele_compose_nsec3_sz(entry);
		if (end > w->limit || entry_at > STELE_POINTER_MAX)
			return false;
		unsigned apex_at = STELE_HEADER_SZ + w->qname_len - zone->apex_len;
		authority_cnt += stele_compose_put_nsec3(w->reply->buf, entry_at, entry, apex_at);
	}
	absent_put(w, zone, end, authority_cnt,
		   exists ? STELE_RCODE_NOERROR : STELE_RCODE_NXDOMAIN);
	return true;
}

#endif
