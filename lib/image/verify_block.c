/* SPDX-License-Identifier: Apache-2.0 */
/* Hash shards: blocks, and that each record is what its key leads to. */
#include "lib/image/verify.h"

#include <inttypes.h>

/* A shard under way: what all records so far have in common. */
struct frame {
	const struct stele_view_shard *shard;
	uint64_t size; /* of the records */
	uint64_t off;  /* behind the last of them, from where the first begins */
	uint32_t record_cnt;
	/* Of the block under way. */
	uint32_t number;
	const struct stele_hash_block *block;
	unsigned unit_bits;
	unsigned used;    /* buckets that have keys here, as bits */
	unsigned spilled; /* those of which keys of the block before it are here */
};

/* The first place for what comes next, in units. */
static uint64_t next_unit(const struct frame *f)
{
	return (f->off + (UINT64_C(1) << f->unit_bits) - 1) >> f->unit_bits;
}

/* Whether a record may begin there: at the first place, or at the beginning of a line not far from it. */
static bool is_place(const struct frame *f, uint64_t unit)
{
	uint64_t first = next_unit(f);
	return unit == first || (f->unit_bits == 0 && unit % STELE_SHARD_ALIGN == 0 &&
				 unit > first && unit - first <= STELE_RECORD_GAP_MAX);
}

/* Whether a lookup of this key finds the slot. */
static int check_key(struct verify *v, struct frame *f, const uint8_t *record, unsigned slot,
		     uint64_t key)
{
	const struct stele_view_shard *shard = f->shard;
	uint64_t mixed = stele_shard_mix(key, shard->seed);
	uint32_t home = stele_shard_block(mixed, shard->block_cnt);
	uint32_t bucket = stele_block_bucket(mixed, shard->block_cnt);
	uint8_t fingerprint = stele_key_fingerprint(key);
	bool is_home = home == f->number;
	if ((!is_home && home + 1 != f->number) ||
	    stele_block_slot(mixed, f->block->pilots[bucket]) != slot ||
	    f->block->slots[slot].fingerprint != fingerprint ||
	    (!is_home &&
	     stele_view_in_block(shard, f->block - 1, mixed, bucket, fingerprint) != NULL))
		return stele_verify_fault(v, record, "the key of this record leads elsewhere");
	f->used |= 1u << bucket;
	f->spilled |= is_home ? 0 : 1u << bucket;
	return 0;
}

static int check_slot(struct verify *v, struct frame *f, unsigned i, verify_record check)
{
	const struct stele_hash_slot *slot = &f->block->slots[i];
	unsigned offset = stele_le16(slot->offset);
	if (slot->fingerprint == 0)
		return offset == 0 ? 0 : stele_verify_fault(v, slot, "half a slot");
	uint64_t unit = (uint64_t)stele_le32(f->block->base) + offset;
	uint64_t at = unit << f->unit_bits;
	if (!is_place(f, unit) || at >= f->size)
		return stele_verify_fault(v, slot, "slot leads not behind the record before it");
	for (; f->off < at; f->off++)
		if (f->shard->records[f->off] != 0)
			return stele_verify_fault(v, f->shard->records + f->off,
						  "a gap that is not zero");
	const uint8_t *record = f->shard->records + at;
	uint64_t record_sz = 0, key = 0;
	int rc = check(v, record, f->size - at, &record_sz, &key);
	if (rc == 0)
		rc = check_key(v, f, record, i, key);
	f->off = at + record_sz;
	f->record_cnt++;
	return rc;
}

static int check_block(struct verify *v, struct frame *f, verify_record check)
{
	const struct stele_hash_block *block = f->block;
	f->unit_bits = (block->flags >> STELE_BLOCK_UNIT_SHIFT) * STELE_BLOCK_UNIT_BITS;
	f->used = f->spilled = 0;
	if (stele_le32(block->base) != next_unit(f))
		return stele_verify_fault(v, block, "block begins not behind the one before it");
	for (unsigned i = 0; i < STELE_BLOCK_SLOTS; i++) {
		int rc = check_slot(v, f, i, check);
		if (rc != 0)
			return rc;
	}
	for (unsigned b = 0; b < STELE_BLOCK_BUCKETS; b++)
		if (block->pilots[b] != 0 && (f->used >> b & 1) == 0)
			return stele_verify_fault(v, block, "pilot of no key");
	unsigned marked = f->number > 0 ? block[-1].flags & STELE_BLOCK_SPILLS : 0;
	if (marked != f->spilled)
		return stele_verify_fault(v, block - 1, "spilled buckets %#x, marked %#x",
					  f->spilled, marked);
	return 0;
}

int stele_verify_hash_shard(struct verify *v, uint32_t index, verify_record check)
{
	v->shard = index;
	const struct stele_view_shard *shard = v->view->shards + index;
	const struct stele_hash_shard *head = (const void *)shard->base;
	struct frame f = {
		.shard = shard,
		.size = stele_le64(head->size) - (uint64_t)(shard->records - shard->base),
	};
	/* There is a block: opening the image has looked. */
	do {
		f.block = stele_view_block(shard, f.number);
		int rc = check_block(v, &f, check);
		if (rc != 0)
			return rc;
	} while (++f.number < shard->block_cnt);
	if ((f.block->flags & STELE_BLOCK_SPILLS) != 0)
		return stele_verify_fault(v, f.block, "the last block spills");
	if (f.off != f.size || f.record_cnt != stele_le32(head->key_cnt))
		return stele_verify_fault(v, head,
					  "%" PRIu32 " records, %" PRIu32 " keys, %" PRIu64
					  " bytes left",
					  f.record_cnt, stele_le32(head->key_cnt), f.size - f.off);
	return 0;
}
