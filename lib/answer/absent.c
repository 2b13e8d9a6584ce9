/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/absent.h"

#include "lib/answer/chain.h"
#include "lib/answer/compose.h"
#include "lib/answer/lookup.h"
#include "lib/dns/nsec3.h"

/* Asks for what covers the next closer names. The hashes stay the caller's. */
static void begin_searches(struct work **works, unsigned cnt, struct fetch *fetches,
			   uint8_t hashes[][STELE_NSEC3_HASH_SZ])
{
	struct stele_nsec3_job jobs[STELE_BATCH_MAX];
	if (cnt == 0)
		return;
	for (unsigned i = 0; i < cnt; i++) {
		struct work *w = works[i];
		const struct stele_zone *zone = (const void *)w->zone_record;
		const uint8_t *next_closer = sname_suffix(w, w->probe_depth);
		w->zone = zone;
		_Static_assert(STELE_NSEC3_JOB_SLACK <= NAME_SLACK, "behind sname");
		jobs[i] = (struct stele_nsec3_job){
			.name = next_closer,
			.name_len = (uint8_t)(w->sname.wire + w->sname.len - next_closer),
			.salt = (const uint8_t *)(zone + 1) + zone->apex_len,
			.salt_len = zone->salt_len,
			.iterations = stele_le16(zone->iterations),
			.hash = hashes[i],
		};
	}
	stele_nsec3_hash_jobs(jobs, cnt);
	for (unsigned i = 0; i < cnt; i++) {
		fetches[i].hash = hashes[i];
		stele_nsec3_begin(works[i], &fetches[i]);
	}
}

/* False: nothing is written that the general way would not write again. */
static bool write_reply(struct work *w, const struct fetch *f)
{
	/* Two batch mates may share a memo's place; the later one has it. */
	const struct memo *memo = stele_memo_at(&w->shared->memos, w->zone);
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
	struct fetch fetches[STELE_BATCH_MAX];
	uint8_t hashes[STELE_BATCH_MAX][STELE_NSEC3_HASH_SZ];
	begin_searches(works, cnt, fetches, hashes);
	for (unsigned i = 0; i < cnt; i++)
		stele_nsec3_pick(&fetches[i]);
	for (unsigned i = 0; i < cnt; i++)
		stele_nsec3_settle(&fetches[i]);
	unsigned left = 0;
	for (unsigned i = 0; i < cnt; i++)
		if (!write_reply(works[i], &fetches[i]))
			works[left++] = works[i];
	return left;
}
