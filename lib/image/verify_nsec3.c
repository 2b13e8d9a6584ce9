/* SPDX-License-Identifier: Apache-2.0 */
/* NSEC3 chains: blocks by themselves, and the carries that bind them to one another. */
#include "lib/image/verify.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/image/nsec3_line.h"

#include <inttypes.h>
#include <string.h>

#define NSEC3_OPT_OUT 1

/* An entry: where it stands and how far it reaches. */
struct span {
	const uint8_t *p;
	uint64_t size;
};

static bool same(struct span a, struct span b)
{
	return a.size == b.size && memcmp(a.p, b.p, a.size) == 0;
}

struct block {
	const struct stele_nsec3_block *head;
	const uint8_t *base;
	uint64_t size;
	uint32_t entry_cnt;
	const struct stele_nsec3_line *lines;
	uint32_t line_cnt;
	const uint8_t *marks;
	uint64_t entries_off;
	uint64_t rr_cnt;             /* of the own entries */
	struct span carry, last_own; /* own: only if entry_cnt > 1 */
};

static int take_apart(struct verify *v, const uint8_t *base, uint64_t size, unsigned skip_bits,
		      struct block *b)
{
	const struct stele_nsec3_block *head = (const void *)base;
	if (size < sizeof(*head) || stele_le32(head->size) != size)
		return stele_verify_fault(v, base, "NSEC3 block: head reaches too far");
	uint64_t lines_off = stele_le32(head->lines_off), line_cnt = stele_le32(head->line_cnt);
	uint64_t marks_off = stele_le32(head->marks_off);
	uint64_t entries_off = stele_le32(head->entries_off);
	uint64_t entry_cnt = stele_le32(head->entry_cnt);
	uint64_t mark_cnt = (entry_cnt + STELE_NSEC3_MARK_EACH - 1) / STELE_NSEC3_MARK_EACH;
	if (entry_cnt == 0 || line_cnt == 0 || head->skip_bits != skip_bits ||
	    lines_off < sizeof(*head) ||
	    marks_off < lines_off + line_cnt * sizeof(struct stele_nsec3_line) ||
	    entries_off < marks_off + 4 * mark_cnt || entries_off > size)
		return stele_verify_fault(v, base, "NSEC3 block: its parts do not fit");
	*b = (struct block){
		.head = head,
		.base = base,
		.size = size,
		.entry_cnt = (uint32_t)entry_cnt,
		.lines = (const void *)(base + lines_off),
		.line_cnt = (uint32_t)line_cnt,
		.marks = base + marks_off,
		.entries_off = entries_off,
	};
	return 0;
}

/* The rdata is of this zone's chain: SHA-1, its iterations and salt, a next hash of 20 bytes. */
static bool is_of_chain(struct verify *v, const struct verify_zone *zone, const uint8_t *rdata,
			size_t len)
{
	size_t salt_len = zone->head->salt_len;
	stele_verify_tally(v, zone)->opt_out |= (rdata[1] & NSEC3_OPT_OUT) != 0;
	return rdata[0] == 1 && stele_get_be16(rdata + 2) == stele_le16(zone->head->iterations) &&
	       rdata[4] == salt_len && memcmp(rdata + 5, zone->salt, salt_len) == 0 &&
	       rdata[5 + salt_len] == STELE_NSEC3_HASH_SZ &&
	       len >= 5 + salt_len + 1 + STELE_NSEC3_HASH_SZ;
}

/* The entry `off` bytes into the block. */
static int check_entry(struct verify *v, const struct verify_zone *zone, const struct block *b,
		       uint64_t off, struct span *ret_span)
{
	const struct stele_nsec3_entry *entry = (const void *)(b->base + off);
	if (b->size - off < sizeof(*entry))
		return stele_verify_fault(v, entry, "NSEC3 entry: reaches over its block");
	const struct stele_rrset *rrset = &entry->rrset;
	size_t apex_len = zone->head->apex_len;
	uint8_t name[1 + STELE_NSEC3_LABEL_SZ + STELE_NAME_MAX] = {STELE_NSEC3_LABEL_SZ};
	stele_base32hex_encode(entry->hash, name + 1);
	memcpy(name + 1 + STELE_NSEC3_LABEL_SZ, zone->apex, apex_len);
	size_t name_len = 1 + STELE_NSEC3_LABEL_SZ + apex_len;
	if (name_len > STELE_NAME_MAX || stele_le16(rrset->type) != STELE_TYPE_NSEC3)
		return stele_verify_fault(v, entry, "NSEC3 entry: not an NSEC3 RRset");
	struct verify_owner owner = {
		.zone = zone,
		.name = name,
		.name_len = (uint8_t)name_len,
	};
	uint64_t end;
	int rc = stele_verify_rrset(v, &owner, (const uint8_t *)entry, b->size - off, rrset,
				    sizeof(*entry), &end);
	if (rc != 0)
		return rc;
	const uint8_t *rr = (const uint8_t *)(entry + 1);
	for (unsigned i = 0; i < stele_le16(rrset->rr_cnt); i++) {
		const uint8_t *rdata = rr + 2 + STELE_RR_FIXED_SZ;
		size_t rdata_len = stele_get_be16(rdata - 2);
		if (!is_of_chain(v, zone, rdata, rdata_len))
			return stele_verify_fault(v, rdata,
						  "NSEC3 entry: of another chain than its zone's");
		rr = rdata + rdata_len;
	}
	*ret_span = (struct span){(const uint8_t *)entry, end};
	return 0;
}

/* Entries tile what is left of the block, the own ones ascending and of the leading bits `lead`. */
static int check_entries(struct verify *v, const struct verify_zone *zone, struct block *b,
			 uint64_t lead)
{
	uint64_t off = b->entries_off;
	struct span before = {NULL, 0};
	for (uint32_t i = 0; i < b->entry_cnt; i++) {
		struct span entry;
		const uint8_t *mark = b->marks + 4 * (size_t)(i / STELE_NSEC3_MARK_EACH);
		if (i % STELE_NSEC3_MARK_EACH == 0 && stele_get_le32(mark) != off)
			return stele_verify_fault(v, mark, "NSEC3 block: mark of entry %" PRIu32,
						  i);
		int rc = check_entry(v, zone, b, off, &entry);
		if (rc != 0)
			return rc;
		off += entry.size;
		uint64_t prefix = stele_get_be64(entry.p);
		if (i == 0) {
			b->carry = entry;
			continue;
		}
		if ((prefix >> 1) >> (63 - b->head->skip_bits) != lead)
			return stele_verify_fault(v, entry.p, "NSEC3 entry: hash of another shard");
		if (i > 1 && memcmp(before.p, entry.p, STELE_NSEC3_HASH_SZ) >= 0)
			return stele_verify_fault(v, entry.p, "NSEC3 entry: hashes do not ascend");
		before = b->last_own = entry;
		const struct stele_nsec3_entry *e = (const void *)entry.p;
		b->rr_cnt += (uint64_t)stele_le16(e->rrset.rr_cnt) + e->rrset.sig_cnt;
	}
	if (off != b->size)
		return stele_verify_fault(v, b->base + off,
					  "NSEC3 block: not filled by its entries");
	return 0;
}

/* The lines are those that the entries, which have passed, make. */
static int check_lines(struct verify *v, const struct block *b)
{
	struct stele_nsec3_filler filler;
	uint64_t off = b->entries_off + b->carry.size, before_off = b->entries_off;
	uint32_t i = 1;
	for (uint64_t line = 0; line < b->line_cnt; line++) {
		stele_nsec3_line_begin(&filler, (uint32_t)before_off);
		for (; i < b->entry_cnt; i++) {
			const uint8_t *entry = b->base + off;
			struct stele_nsec3_place place = stele_nsec3_place(
				stele_get_be64(entry), b->head->skip_bits, b->line_cnt);
			if (place.line != line)
				break;
			stele_nsec3_line_add(&filler, place.tag, i, (uint32_t)off);
			before_off = off;
			off = (uint64_t)((const uint8_t *)stele_nsec3_next((const void *)entry) -
					 b->base);
		}
		if (memcmp(&filler.line, b->lines + line, sizeof(filler.line)) != 0)
			return stele_verify_fault(v, b->lines + line, "NSEC3 block: line %" PRIu64,
						  line);
	}
	return 0;
}

static int check_block(struct verify *v, const struct verify_zone *zone, const uint8_t *base,
		       uint64_t size, uint64_t lead, struct block *b)
{
	int rc = take_apart(v, base, size, zone->head->chain_bits, b);
	if (rc == 0)
		rc = check_entries(v, zone, b, lead);
	if (rc == 0)
		rc = check_lines(v, b);
	return rc;
}

static int wrong_carry(struct verify *v, const struct block *b)
{
	return stele_verify_fault(v, b->carry.p, "NSEC3 block: carry is not the record before it");
}

int stele_verify_nsec3_inline(struct verify *v, const struct verify_zone *zone)
{
	uint64_t off = stele_le32(zone->head->chain_off);
	struct block b;
	int rc = check_block(v, zone, (const uint8_t *)zone->head + off, zone->size - off, 0, &b);
	if (rc == 0 && (b.entry_cnt == 1 || !same(b.carry, b.last_own)))
		rc = wrong_carry(v, &b);
	if (rc == 0)
		stele_verify_count_inline(v, zone, b.rr_cnt, 0);
	return rc;
}

int stele_verify_nsec3_shard(struct verify *v, const struct verify_zone *zone, uint32_t index)
{
	uint64_t size = stele_le64(stele_view_ref(v->view, index)->size);
	struct block b;
	int rc = check_block(v, zone, v->view->shards[index].base, size,
			     index - stele_le32(zone->head->chain_first), &b);
	if (rc == 0)
		rc = stele_verify_count_shard(v, zone, b.rr_cnt, b.entry_cnt - 1);
	return rc;
}

/* Finds the ends of a block that has passed. */
static void find_ends(const struct verify *v, uint32_t index, struct block *b)
{
	const uint8_t *base = v->view->shards[index].base;
	const struct stele_nsec3_block *head = (const void *)base;
	const uint8_t *end = base + stele_le32(head->size);
	uint32_t cnt = stele_le32(head->entry_cnt);
	const uint8_t *first = (const uint8_t *)stele_nsec3_entry_at(base, 0);
	const uint8_t *last = (const uint8_t *)stele_nsec3_entry_at(base, cnt - 1);
	const uint8_t *second = cnt > 1 ? (const uint8_t *)stele_nsec3_entry_at(base, 1) : end;
	*b = (struct block){
		.base = base,
		.entry_cnt = cnt,
		.carry = {first, (uint64_t)(second - first)},
		.last_own = {last, (uint64_t)(end - last)},
	};
}

int stele_verify_nsec3_run(struct verify *v, const struct verify_zone *zone)
{
	/* The blocks up to the first with entries of its own carry the last record of the chain. */
	struct block first = {0};
	struct span before = {NULL, 0};
	uint32_t shard_first = stele_le32(zone->head->chain_first);
	for (uint32_t i = 0; i < stele_le32(zone->head->chain_cnt); i++) {
		struct block b;
		v->shard = shard_first + i;
		find_ends(v, v->shard, &b);
		if (i == 0)
			first = b;
		if (!same(b.carry, before.p != NULL ? before : first.carry))
			return wrong_carry(v, &b);
		if (b.entry_cnt > 1)
			before = b.last_own;
	}
	v->shard = shard_first;
	if (before.p == NULL || !same(first.carry, before))
		return wrong_carry(v, &first);
	return 0;
}
