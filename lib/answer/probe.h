/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_PROBE_H
#define STELE_LIB_ANSWER_PROBE_H

/*
 * Looking keys up in a row: an array of probes goes through four stages, each of which prefetches what
 * the next one reads. What nearly all queries need goes this way: their names and zones (batch.c), the
 * hosts of referrals (cut.c). What is left over becomes a struct fetch.
 */

#include "lib/answer/work.h"

#define PROBE_INLINE static inline __attribute__((always_inline))
#define CACHE_LINE 64

struct probe {
	uint64_t key;
	const struct stele_view_shard *shard;
	uint32_t at;   /* bucket, then slot */
	uint8_t query; /* of whoever asks: whose it is … */
	uint8_t what;  /* … and which of its */
};

PROBE_INLINE void probe_shard(struct probe *probe, const struct stele_view_shard *shard,
			      uint64_t key, unsigned query, unsigned what)
{
	*probe = (struct probe){
		.key = key, .shard = shard, .query = (uint8_t)query, .what = (uint8_t)what};
	__builtin_prefetch(shard);
}

PROBE_INLINE void probe_pilot(struct probe *probe)
{
	const struct stele_view_shard *shard = probe->shard;
	/* An absent shard has no buckets: then this is nobody's address, and never read. */
	probe->at = stele_shard_bucket(stele_shard_mix(probe->key, shard->seed), shard->bucket_cnt);
	__builtin_prefetch(shard->pilots + probe->at);
}

PROBE_INLINE void probe_slot(struct probe *probe)
{
	const struct stele_view_shard *shard = probe->shard;
	if (shard->bucket_cnt == 0)
		return;
	probe->at = stele_shard_slot(stele_shard_mix(probe->key, shard->seed),
				     shard->pilots[probe->at], shard->slot_cnt);
	__builtin_prefetch(shard->slots + 8 * (size_t)probe->at);
}

PROBE_INLINE const uint8_t *probe_record(const struct probe *probe)
{
	const struct stele_view_shard *shard = probe->shard;
	if (shard->bucket_cnt == 0)
		return NULL;
	uint64_t slot = stele_get_le64(shard->slots + 8 * (size_t)probe->at);
	if (slot == 0 || slot >> STELE_SLOT_OFF_BITS != stele_key_fingerprint(probe->key))
		return NULL;
	const uint8_t *record = shard->base + (slot & STELE_SLOT_OFF_MASK);
	__builtin_prefetch(record);
	__builtin_prefetch(record + CACHE_LINE);
	__builtin_prefetch(record + 2 * CACHE_LINE);
	return record;
}

#endif
