/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/pack/zone_record.h"

unsigned stele_nsec3_chain_bits(uint64_t entry_cnt)
{
	unsigned bits = 0;
	while (entry_cnt >> bits > STELE_CHAIN_SHARD_ENTRIES)
		bits++;
	return bits;
}

/* The last entry of a run: before the first one, in the circle that a chain is. */
static const uint8_t *last_entry(const struct stele_chain_run *run,
				 size_t (*entry_sz)(const uint8_t *))
{
	const uint8_t *entry = run->entries;
	for (uint32_t i = 1; i < run->entry_cnt; i++)
		entry += entry_sz(entry);
	return entry;
}

static int put_inline_chain(const struct stele_zone_record *record, struct stele_buffer *out,
			    struct stele_error *reterr)
{
	bool is_nsec3 = record->chain_kind == STELE_CHAIN_NSEC3_INLINE;
	if (record->chain.entry_cnt == 0) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(record->zone->apex, text);
		return stele_fail(reterr, STELE_E_INPUT, "zone %s: a denial chain without entries",
				  text);
	}
	/* In the first block of an NSEC chain the carry is the apex, the first entry, again. */
	const uint8_t *carry = is_nsec3 ? last_entry(&record->chain, stele_nsec3_entry_sz) :
					  record->chain.entries;
	size_t carry_sz = is_nsec3 ? stele_nsec3_entry_sz(carry) : stele_nsec_entry_sz(carry);
	uint64_t size = is_nsec3 ? stele_pack_nsec3_sz(&record->chain, carry_sz) :
				   stele_pack_nsec_sz(&record->chain, carry_sz);
	int rc = stele_buffer_reserve(out, size, reterr);
	if (rc < 0)
		return rc;
	if (is_nsec3)
		stele_pack_nsec3(&record->chain, carry, carry_sz, 0, out->data + out->len);
	else
		stele_pack_nsec(&record->chain, carry, carry_sz, out->data + out->len);
	out->len += size;
	return 0;
}

int stele_pack_zone_record(struct stele_carver *carver, const struct stele_zone_record *record,
			   const uint8_t *apex_node, size_t apex_node_sz, struct stele_buffer *out,
			   struct stele_error *reterr)
{
	const struct stele_carve_zone *zone = record->zone;
	uint8_t flags = record->flags & (uint8_t)~STELE_ZONE_EXPIRED;
	struct stele_zone head = {
		.apex_len = zone->apex_len,
		.apex_labels = zone->apex_labels,
		.label_max = (uint8_t)record->totals.label_max,
		.flags = flags | (zone->is_expired ? STELE_ZONE_EXPIRED : 0),
		.zone_id = stele_to_le32(zone->id),
		.chain_kind = record->chain_kind,
		.chain_bits = record->chain_bits,
		.salt_len = zone->salt_len,
		.iterations = stele_to_le16(zone->iterations),
		.chain_first = stele_to_le32(record->chain_first),
		.chain_cnt = stele_to_le32(record->chain_cnt),
		.node_cnt = stele_to_le64(record->totals.name_cnt),
		.rr_cnt = stele_to_le64(record->totals.rr_cnt + record->chain_rr_cnt),
	};
	size_t begin = out->len;
	uint32_t serial = 0;
	int rc = stele_buffer_add(out, &head, sizeof(head), reterr);
	if (rc == 0)
		rc = stele_buffer_add(out, zone->apex, zone->apex_len, reterr);
	if (rc == 0)
		rc = stele_buffer_add(out, zone->salt, zone->salt_len, reterr);
	if (rc == 0)
		rc = stele_carve_negative_soa(carver, zone, apex_node, apex_node_sz, out, &head.soa,
					      &serial, reterr);
	if (rc < 0)
		return rc;

	size_t chain_off = out->len - begin;
	switch (record->chain_kind) {
	case STELE_CHAIN_NSEC3_INLINE:
	case STELE_CHAIN_NSEC_INLINE:
		rc = put_inline_chain(record, out, reterr);
		break;
	case STELE_CHAIN_NSEC_SHARDS:
		rc = stele_buffer_add(out, record->bounds, record->bounds_sz, reterr);
		break;
	default:
		chain_off = 0;
		break;
	}
	if (rc < 0)
		return rc;
	head.serial = stele_to_le32(serial);
	head.chain_off = stele_to_le32((uint32_t)chain_off);
	head.size = stele_to_le32((uint32_t)(out->len - begin));
	memcpy(out->data + begin, &head, sizeof(head));
	return 0;
}

int stele_pack_nsec_entry(struct stele_buffer *entries, uint64_t key, const uint8_t *sort_key,
			  size_t sort_key_len, struct stele_error *reterr)
{
	struct stele_nsec_entry entry = {
		.key = stele_to_le64(key),
		.key_len = stele_to_le16((uint16_t)sort_key_len),
	};
	int rc = stele_buffer_add(entries, &entry, sizeof(entry), reterr);
	return rc < 0 ? rc : stele_buffer_add(entries, sort_key, sort_key_len, reterr);
}

int stele_pack_bounds(const uint8_t *const *entries, uint32_t cnt, struct stele_buffer *out,
		      struct stele_error *reterr)
{
	size_t begin = out->len;
	size_t head_sz = sizeof(struct stele_bounds) + 4 * (size_t)cnt;
	int rc = stele_buffer_reserve(out, head_sz, reterr);
	if (rc < 0)
		return rc;
	stele_put_le32(out->data + begin, cnt);
	out->len += head_sz;
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t off = (uint32_t)(out->len - begin);
		const struct stele_nsec_entry *entry = (const void *)entries[i];
		uint16_t key_len = i == 0 ? 0 : stele_le16(entry->key_len);
		uint8_t len[2];
		stele_put_le16(len, key_len);
		rc = stele_buffer_add(out, len, sizeof(len), reterr);
		if (rc == 0 && key_len > 0)
			rc = stele_buffer_add(out, entry + 1, key_len, reterr);
		if (rc < 0)
			return rc;
		stele_put_le32(out->data + begin + sizeof(struct stele_bounds) + 4 * (size_t)i,
			       off);
	}
	return 0;
}
