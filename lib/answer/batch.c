/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/chain.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

/*
 * States of queries are an odd number of cache lines apart. At a power of two the hot first lines of
 * all of them would fall into the same few sets of the first-level cache and push each other out.
 */
#define WORK_LINES (((sizeof(struct work) + CACHE_LINE - 1) / CACHE_LINE) | 1)

struct stele_answerer {
	struct last_zone last_zone;
	uint8_t *works;
};

static struct work *work_at(const struct stele_answerer *a, unsigned i)
{
	return (struct work *)(void *)(a->works + i * WORK_LINES * CACHE_LINE);
}

struct stele_answerer *stele_answerer_new(void)
{
	struct stele_answerer *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->works = aligned_alloc(CACHE_LINE, STELE_BATCH_MAX * WORK_LINES * CACHE_LINE);
	if (a->works == NULL) {
		free(a);
		return NULL;
	}
	memset(a->works, 0, STELE_BATCH_MAX * WORK_LINES * CACHE_LINE);
	return a;
}

void stele_answerer_free(struct stele_answerer *answerer)
{
	if (answerer == NULL)
		return;
	free(answerer->works);
	free(answerer);
}

void stele_answer_settings_default(struct stele_answer_settings *settings)
{
	*settings = (struct stele_answer_settings){.udp_max = 1232, .any_minimal = true};
}

/* ---- the stages of a fetch; each prefetches what the next reads ---- */

static void stage_pilot(const struct work *w, struct fetch *f)
{
	if (f->kind == FETCH_NSEC3) {
		stele_nsec3_stage_table(w, f);
		return;
	}
	const struct stele_view_shard *shard = f->kind == FETCH_NAME ?
						       stele_view_name_shard(w->view, f->key) :
						       stele_view_zone_shard(w->view, f->key);
	f->at = shard;
	if (shard->bucket_cnt == 0)
		return;
	f->lo = stele_shard_bucket(stele_shard_mix(f->key, shard->seed), shard->bucket_cnt);
	__builtin_prefetch(shard->pilots + f->lo);
}

static void stage_slot(struct fetch *f)
{
	if (f->kind == FETCH_NSEC3) {
		stele_nsec3_stage_prefixes(f);
		return;
	}
	const struct stele_view_shard *shard = f->at;
	if (shard->bucket_cnt == 0)
		return;
	f->hi = stele_shard_slot(stele_shard_mix(f->key, shard->seed), shard->pilots[f->lo],
				 shard->slot_cnt);
	__builtin_prefetch(shard->slots + 8 * (size_t)f->hi);
}

static void stage_record(struct fetch *f)
{
	if (f->kind == FETCH_NSEC3) {
		stele_nsec3_stage_pick(f);
		return;
	}
	const struct stele_view_shard *shard = f->at;
	if (shard->bucket_cnt == 0)
		return;
	uint64_t slot = stele_get_le64(shard->slots + 8 * (size_t)f->hi);
	if (slot == 0 || slot >> STELE_SLOT_OFF_BITS != stele_key_fingerprint(f->key))
		return;
	f->result = shard->base + (slot & STELE_SLOT_OFF_MASK);
	__builtin_prefetch(f->result);
	__builtin_prefetch(f->result + CACHE_LINE);
	__builtin_prefetch(f->result + 2 * CACHE_LINE);
}

void stele_answer_batch(struct stele_answerer *answerer, const struct stele_view *view,
			const struct stele_answer_settings *settings, uint32_t now,
			const struct stele_query *queries, struct stele_reply *replies,
			unsigned cnt)
{
	struct work *active[STELE_BATCH_MAX];
	unsigned active_cnt = 0;

	if (answerer->last_zone.view_serial != view->serial)
		answerer->last_zone = (struct last_zone){.view_serial = view->serial};
	for (unsigned i = 0; i < cnt; i++) {
		struct work *w = work_at(answerer, i);
		w->view = view;
		w->settings = settings;
		w->query = &queries[i];
		w->reply = &replies[i];
		w->last_zone = &answerer->last_zone;
		w->now = now;
		if (stele_request_parse(w)) {
			stele_resolve_start(w);
			if (w->state != WORK_DONE)
				active[active_cnt++] = w;
			else
				stele_reply_finish(w);
		} else if (replies[i].verdict == STELE_VERDICT_REPLY) {
			stele_reply_finish(w);
		}
	}

	while (active_cnt > 0) {
		for (unsigned i = 0; i < active_cnt; i++)
			for (unsigned k = 0; k < active[i]->fetch_cnt; k++)
				stage_pilot(active[i], &active[i]->fetches[k]);
		for (unsigned i = 0; i < active_cnt; i++)
			for (unsigned k = 0; k < active[i]->fetch_cnt; k++)
				stage_slot(&active[i]->fetches[k]);
		for (unsigned i = 0; i < active_cnt; i++)
			for (unsigned k = 0; k < active[i]->fetch_cnt; k++)
				stage_record(&active[i]->fetches[k]);
		unsigned left = 0;
		for (unsigned i = 0; i < active_cnt; i++) {
			struct work *w = active[i];
			stele_resolve_step(w);
			if (w->state == WORK_DONE)
				stele_reply_finish(w);
			else
				active[left++] = w;
		}
		active_cnt = left;
	}
}
