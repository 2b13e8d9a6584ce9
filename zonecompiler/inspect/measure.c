/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/inspect/measure.h"

#include <errno.h>
#include <stdlib.h>

static const char *const section_texts[STELE_SECTION_CNT] = {
	[STELE_SECTION_BLOCKS] = "blocks",
	[STELE_SECTION_SHARD_HEADS] = "shard heads",
	[STELE_SECTION_GAPS] = "gaps",
	[STELE_SECTION_RECORD_HEADS] = "record heads",
	[STELE_SECTION_OWNERS] = "owners",
	[STELE_SECTION_HASHES] = "hashes",
	[STELE_SECTION_RRSETS] = "RRset entries",
	[STELE_SECTION_BODIES] = "bodies",
	[STELE_SECTION_SIGNATURES] = "signatures",
	[STELE_SECTION_PATCHES] = "patches",
	[STELE_SECTION_REFS] = "references",
	[STELE_SECTION_ZONES] = "zone records",
	[STELE_SECTION_CHAIN_RECORDS] = "chain records",
	[STELE_SECTION_CHAIN_INDEX] = "chain index",
	[STELE_SECTION_DIRECTORY] = "directory",
	[STELE_SECTION_GARBAGE] = "garbage",
};

const char *stele_section_text(enum stele_section section)
{
	return section_texts[section];
}

struct measuring {
	const struct stele_view *view;
	const struct stele_inspect_zones *zones;
	struct stele_measure *measure;
};

/* Returns where the next RRset's body begins. */
static const uint8_t *measure_rrset(struct stele_measure *measure, const uint8_t *body,
				    const struct stele_rrset *rrset)
{
	uint64_t *bytes = measure->section_bytes;
	struct stele_rrset_trailer trailer = stele_rrset_trailer(body, rrset);
	bytes[STELE_SECTION_RRSETS] += sizeof(*rrset) + (rrset->sig_cnt > 0 ? 2u : 0u);
	bytes[STELE_SECTION_BODIES] += stele_le16(rrset->plain_len);
	bytes[STELE_SECTION_SIGNATURES] += stele_le16(rrset->sig_len);
	if (trailer.patch_cnt > 0)
		bytes[STELE_SECTION_PATCHES] += 2 + 2 * (uint64_t)trailer.patch_cnt;
	if (trailer.ref_cnt > 0)
		bytes[STELE_SECTION_REFS] += 2 + sizeof(struct stele_ref) * trailer.ref_cnt;
	measure->rrset_cnt++;
	measure->rr_cnt += stele_le16(rrset->rr_cnt);
	measure->sig_cnt += rrset->sig_cnt;
	return trailer.end;
}

static void measure_name(void *user, const struct stele_name_parts *name)
{
	struct measuring *m = user;
	struct stele_measure *measure = m->measure;
	uint64_t *bytes = measure->section_bytes;
	bytes[STELE_SECTION_RECORD_HEADS] += sizeof(*name->head);
	bytes[STELE_SECTION_OWNERS] += name->head->rel_len + (name->cut_key != NULL ? 8u : 0u);
	bytes[STELE_SECTION_HASHES] += stele_name_hashes_sz(name->head);
	const uint8_t *body = stele_name_body(name, name->rrsets);
	for (unsigned i = 0; i < name->rrset_cnt; i++)
		body = measure_rrset(measure, body, name->rrsets + i);
	measure->kind_cnt[name->head->kind]++;
	measure->wildcard_cnt += (name->head->flags & STELE_NAME_IS_WILDCARD) != 0;

	const struct stele_inspect_zone *zone =
		stele_inspect_zone_by_id(m->zones, stele_le32(name->head->zone_id));
	measure->zones[zone->rank].name_cnt++;
	measure->zones[zone->rank].record_bytes +=
		(uint64_t)(stele_name_end(name) - (const uint8_t *)name->head);
}

/* Bytes of the own NSEC3 records of a block; what else is in the block is for searching it. */
static uint64_t nsec3_record_bytes(const uint8_t *block, uint64_t size)
{
	uint32_t entry_cnt = stele_get_le32(block + offsetof(struct stele_nsec3_block, entry_cnt));
	if (entry_cnt < 2)
		return 0;
	const uint8_t *first = (const uint8_t *)stele_nsec3_entry_at(block, 1);
	return (uint64_t)(block + size - first);
}

static void measure_zone(struct measuring *m, const struct stele_inspect_zone *zone)
{
	struct stele_measure *measure = m->measure;
	uint64_t *bytes = measure->section_bytes;
	const struct stele_zone *head = zone->head;
	bool is_nsec3 = head->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
			head->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
	uint64_t in_record = stele_le32(head->chain_off) != 0 ?
				     stele_le32(head->size) - stele_le32(head->chain_off) :
				     0;
	uint64_t size, chain_bytes = head->chain_kind == STELE_CHAIN_NSEC_SHARDS ? in_record : 0;
	const uint8_t *block;
	measure->chain_cnt[head->chain_kind]++;
	bytes[STELE_SECTION_ZONES] += stele_le32(head->size) - in_record;
	bytes[STELE_SECTION_CHAIN_INDEX] += chain_bytes;
	for (uint32_t i = 0; (block = stele_inspect_chain_block(m->view, head, i, &size)) != NULL;
	     i++) {
		uint64_t records = is_nsec3 ? nsec3_record_bytes(block, size) : 0;
		uint32_t own_cnt =
			stele_get_le32(block + offsetof(struct stele_nsec3_block, entry_cnt)) - 1;
		bytes[STELE_SECTION_CHAIN_RECORDS] += records;
		bytes[STELE_SECTION_CHAIN_INDEX] += size - records;
		*(is_nsec3 ? &measure->nsec3_cnt : &measure->nsec_cnt) += own_cnt;
		chain_bytes += size;
	}
	measure->zones[zone->rank].chain_bytes = chain_bytes;
}

/* What of a shard of names or zones lies between its records. */
static uint64_t gap_bytes(const struct stele_view_shard *shard, bool is_zones)
{
	const struct stele_hash_shard *head = (const void *)shard->base;
	uint64_t bytes = stele_le64(head->size) - (uint64_t)(shard->records - shard->base);
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
		const uint8_t *record = stele_view_slot_record(shard, i);
		if (record == NULL)
			continue;
		if (is_zones) {
			bytes -=
				stele_le32(((const struct stele_zone *)(const void *)record)->size);
		} else {
			struct stele_name_parts name = stele_name_parts(record);
			bytes -= (uint64_t)(stele_name_end(&name) - record);
		}
	}
	return bytes;
}

/* Frames of shards, the directory, and by what is left over, garbage. */
static void measure_frame(struct measuring *m)
{
	const struct stele_view *view = m->view;
	struct stele_measure *measure = m->measure;
	uint64_t *bytes = measure->section_bytes;
	for (uint32_t i = 0; i < view->shard_cnt; i++) {
		const struct stele_view_shard *shard = view->shards + i;
		uint8_t kind = stele_view_ref(view, i)->kind;
		measure->shard_cnt[kind]++;
		if (kind != STELE_SHARD_NAMES && kind != STELE_SHARD_ZONES)
			continue;
		bytes[STELE_SECTION_BLOCKS] += shard->block_cnt * sizeof(struct stele_hash_block);
		bytes[STELE_SECTION_SHARD_HEADS] += sizeof(struct stele_hash_shard);
		bytes[STELE_SECTION_GAPS] += gap_bytes(shard, kind == STELE_SHARD_ZONES);
	}
	const struct stele_root *root = (const void *)(view->bytes + view->root_off);
	bytes[STELE_SECTION_DIRECTORY] =
		sizeof(struct stele_superblock) + sizeof(*root) +
		stele_le32(root->top_cnt) * sizeof(struct stele_dir_entry) +
		view->shard_cnt * sizeof(struct stele_shard_ref);
	uint64_t reached = 0;
	for (unsigned i = 0; i < STELE_SECTION_CNT; i++)
		reached += bytes[i];
	bytes[STELE_SECTION_GARBAGE] = view->bytes_sz > reached ? view->bytes_sz - reached : 0;
}

int stele_measure_image(const struct stele_view *view, const struct stele_inspect_zones *zones,
			struct stele_progress *progress, struct stele_measure *ret_measure,
			struct stele_error *reterr)
{
	struct stele_measure measure = {
		.zones = calloc(zones->cnt + 1u, sizeof(*measure.zones)),
	};
	if (measure.zones == NULL)
		return stele_fail_errno(reterr, ENOMEM, "measures of %u zones", zones->cnt);
	struct measuring m = {view, zones, &measure};
	stele_inspect_names(view, progress, "measuring", measure_name, &m);
	for (uint32_t i = 0; i < zones->cnt; i++)
		measure_zone(&m, zones->by_rank + i);
	measure_frame(&m);
	*ret_measure = measure;
	return 0;
}

void stele_measure_free(struct stele_measure *measure)
{
	free(measure->zones);
	*measure = (struct stele_measure){0};
}
