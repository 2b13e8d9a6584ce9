/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/absent.h"

#include "lib/answer/chain.h"
#include "lib/answer/compose.h"
#include "lib/answer/lookup.h"
#include "lib/dns/nsec3.h"

static const struct stele_zone *zone_of(const struct work *w)
{
	return (const struct stele_zone *)(const void *)w->zone_record;
}

bool stele_absent_fits(const struct work *w)
{
	const struct stele_zone *zone = zone_of(w);
	if (zone == NULL || !w->edns.dnssec_ok || w->probe_depth != w->apex_depth + 1u ||
	    w->qclass != STELE_CLASS_IN || !stele_zone_has_nsec3(zone) ||
	    (zone->flags & STELE_ZONE_EXPIRED) != 0)
		return false;
	unsigned apex_at = w->sname.starts[w->sname.depth - w->apex_depth];
	if (zone->apex_len != w->sname.len - apex_at ||
	    !stele_equal((const uint8_t *)(zone + 1), w->sname.wire + apex_at, zone->apex_len))
		return false;
	const uint8_t *apex = lookup_apex_record(w);
	if (apex == NULL)
		return false;
	unsigned flags = ((const struct stele_name *)(const void *)apex)->flags;
	return (flags & (STELE_NAME_HAS_WILDCARD | STELE_NAME_HAS_DNAME)) == 0 &&
	       stele_memo_is_whole(stele_memo_at(w->shared->memos, zone));
}

static void hash_all(struct work **works, unsigned cnt)
{
	struct stele_nsec3_job jobs[STELE_BATCH_MAX];
	for (unsigned i = 0; i < cnt; i++) {
		struct work *w = works[i];
		w->zone = zone_of(w);
		w->fetches[0].hash = w->hashes[0];
		const uint8_t *next_closer = sname_suffix(w, w->probe_depth);
		jobs[i] = (struct stele_nsec3_job){
			.name = next_closer,
			.name_len = (uint8_t)(w->sname.wire + w->sname.len - next_closer),
			.salt = (const uint8_t *)(w->zone + 1) + w->zone->apex_len,
			.salt_len = w->zone->salt_len,
			.iterations = stele_le16(w->zone->iterations),
			.hash = w->hashes[0],
		};
	}
	stele_nsec3_hash_jobs(jobs, cnt);
}

/* False: nothing is written that the general way would not write again. */
static bool write_reply(struct work *w)
{
	const struct fetch *f = &w->fetches[0];
	/* Two batch mates may share a memo's place; the later one has it. */
	const struct memo *memo = stele_memo_at(w->shared->memos, w->zone);
	const struct stele_nsec3_entry *entry = (const void *)f->result;
	if (!stele_memo_is_whole(memo) || f->matched)
		return false;
	uint32_t question_end = w->pos;
	stele_work_begin_reply(w);
	w->rcode = STELE_RCODE_NXDOMAIN;
	w->aa = true;
	w->apex_at = (uint16_t)(STELE_HEADER_SZ + w->qname_len - w->zone->apex_len);
	w->reply->zone_id = stele_le32(w->zone->zone_id);
	bool known = memcmp(entry->hash, memo->encloser->hash, sizeof(entry->hash)) == 0 ||
		     memcmp(entry->hash, memo->star->hash, sizeof(entry->hash)) == 0;
	if (stele_memo_replay(w, memo) && (known || stele_compose_nsec3(w, entry))) {
		stele_reply_finish(w);
		return true;
	}
	w->pos = question_end;
	return false;
}

unsigned stele_absent_answer(struct work **works, unsigned cnt)
{
	hash_all(works, cnt);
	for (unsigned i = 0; i < cnt; i++)
		stele_nsec3_stage_table(works[i], &works[i]->fetches[0]);
	for (unsigned i = 0; i < cnt; i++)
		stele_nsec3_stage_prefixes(&works[i]->fetches[0]);
	for (unsigned i = 0; i < cnt; i++)
		stele_nsec3_stage_pick(&works[i]->fetches[0]);
	unsigned left = 0;
	for (unsigned i = 0; i < cnt; i++)
		if (!write_reply(works[i]))
			works[left++] = works[i];
	return left;
}
