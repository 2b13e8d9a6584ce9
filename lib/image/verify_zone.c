/* SPDX-License-Identifier: Apache-2.0 */
/* Zone shards: each record's frame, apex, SOA and description of its chain; the map of zones. */
#include "lib/image/verify.h"

#include "lib/dns/message.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct verify_zone *add_zone(struct verify *v)
{
	if (v->zone_cnt == v->zone_cap) {
		size_t cap = v->zone_cap > 0 ? 2 * v->zone_cap : 64;
		struct verify_zone *zones = realloc(v->zones, cap * sizeof(*zones));
		if (zones == NULL)
			return NULL;
		v->zones = zones;
		v->zone_cap = cap;
	}
	struct verify_zone *zone = v->zones + v->zone_cnt++;
	*zone = (struct verify_zone){.shard = v->shard};
	return zone;
}

static int compare_id(const void *a, const void *b)
{
	const struct verify_zone *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

static const struct verify_zone *search(const struct verify_zone *zones, size_t cnt, uint32_t id)
{
	struct verify_zone wanted = {.id = id};
	return cnt > 0 ? bsearch(&wanted, zones, cnt, sizeof(wanted), compare_id) : NULL;
}

const struct verify_zone *stele_verify_zone_by_id(struct verify *v, uint32_t zone_id)
{
	if (v->last_zone == NULL || v->last_zone->id != zone_id)
		v->last_zone = search(v->zones, v->zone_cnt, zone_id);
	return v->last_zone;
}

/* The SOA as negative answers have it: one record, of this serial, TTL not above its minimum. */
static int check_soa(struct verify *v, const struct verify_zone *zone, uint64_t off,
		     uint64_t *ret_end)
{
	const struct stele_zone *head = zone->head;
	const struct stele_rrset *soa = &head->soa;
	struct verify_owner owner = {
		.zone = zone,
		.name = zone->apex,
		.name_len = head->apex_len,
	};
	if (stele_le16(soa->type) != STELE_TYPE_SOA || stele_le16(soa->rr_cnt) != 1)
		return stele_verify_fault(v, soa, "zone: not one SOA");
	int rc =
		stele_verify_rrset(v, &owner, (const uint8_t *)head, zone->size, soa, off, ret_end);
	if (rc != 0)
		return rc;
	const uint8_t *body = (const uint8_t *)head + off;
	const uint8_t *numbers = body + stele_le16(soa->plain_len) - 20;
	if (stele_get_be32(numbers) != stele_le32(head->serial))
		return stele_verify_fault(v, head, "zone: serial is not that of its SOA");
	if (stele_get_be32(body + 6) > stele_get_be32(numbers + 16))
		return stele_verify_fault(v, head, "zone: TTL of the SOA is above its minimum");
	return 0;
}

static const uint8_t *soa_body(const struct verify_zone *zone)
{
	return zone->salt + zone->head->salt_len;
}

static size_t full_len(const struct stele_rrset *rrset)
{
	return (size_t)stele_le16(rrset->plain_len) + stele_le16(rrset->sig_len);
}

int stele_verify_apex_soa(struct verify *v, const struct verify_zone *zone,
			  const struct stele_rrset *rrset, const uint8_t *body)
{
	const size_t ttl_at = 6, behind_ttl = 10, head_sz = 2 + STELE_RR_FIXED_SZ;
	const struct stele_rrset *soa = &zone->head->soa;
	const uint8_t *negative = soa_body(zone);
	size_t plain_len = stele_le16(soa->plain_len), len = full_len(soa);
	bool same = stele_le16(rrset->plain_len) == plain_len && full_len(rrset) == len &&
		    rrset->sig_cnt == soa->sig_cnt;
	uint32_t ttl = stele_get_be32(body + ttl_at);
	uint32_t minimum = stele_get_be32(negative + plain_len - 4);
	ttl = ttl < minimum ? ttl : minimum;
	/* The record and its signatures, of which each is as long as the one that it is held against. */
	for (size_t at = 0, sz; same && at < len; at += sz) {
		const uint8_t *a = body + at, *b = negative + at;
		sz = head_sz + stele_get_be16(a + behind_ttl);
		same = memcmp(a, b, ttl_at) == 0 && stele_get_be32(b + ttl_at) == ttl &&
		       memcmp(a + behind_ttl, b + behind_ttl, sz - behind_ttl) == 0;
	}
	return same ? 0 : stele_verify_fault(v, body, "zone: SOA is not that of its apex");
}

static int check_chain_kind(struct verify *v, const struct verify_zone *zone, uint64_t soa_end)
{
	const struct stele_zone *head = zone->head;
	uint64_t chain_off = stele_le32(head->chain_off);
	uint32_t chain_cnt = stele_le32(head->chain_cnt);
	bool in_record = false, in_shards = false, is_nsec3 = false;
	switch (head->chain_kind) {
	case STELE_CHAIN_NONE:
		break;
	case STELE_CHAIN_NSEC3_INLINE:
		in_record = true;
		is_nsec3 = true;
		break;
	case STELE_CHAIN_NSEC3_SHARDS:
		in_shards = true;
		is_nsec3 = true;
		break;
	case STELE_CHAIN_NSEC_INLINE:
		in_record = true;
		break;
	case STELE_CHAIN_NSEC_SHARDS:
		in_record = true; /* the bounds */
		in_shards = true;
		break;
	default:
		return stele_verify_fault(v, head, "zone: unknown chain kind %u", head->chain_kind);
	}
	bool split = head->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
	if (in_record != (chain_off != 0) || in_shards != (chain_cnt != 0) ||
	    (!in_shards && stele_le32(head->chain_first) != 0) ||
	    (!is_nsec3 && (head->salt_len != 0 || stele_le16(head->iterations) != 0)) ||
	    head->chain_bits > 31 || (!split && head->chain_bits != 0) ||
	    (split && chain_cnt != UINT32_C(1) << head->chain_bits))
		return stele_verify_fault(v, head, "zone: chain does not fit its kind");
	if (stele_le16(head->iterations) > STELE_NSEC3_ITERATIONS_MAX)
		return stele_verify_fault(v, head, "zone: %u NSEC3 iterations (at most %d)",
					  stele_le16(head->iterations), STELE_NSEC3_ITERATIONS_MAX);
	if (in_record ? chain_off < soa_end || chain_off - soa_end >= 8 || chain_off >= zone->size :
			soa_end != zone->size)
		return stele_verify_fault(v, head, "zone: record is not filled by its parts");
	return 0;
}

static int check_zone(struct verify *v, const uint8_t *record, uint64_t left, uint64_t *ret_size,
		      uint64_t *ret_key)
{
	const struct stele_zone *head = (const void *)record;
	struct verify_zone *zone = add_zone(v);
	if (zone == NULL)
		return stele_fail_errno(v->reterr, ENOMEM, "map of zones");
	if (left < sizeof(*head) || stele_le32(head->size) > left ||
	    stele_le32(head->size) < sizeof(*head) + head->apex_len + head->salt_len)
		return stele_verify_fault(v, record, "zone: record reaches over the shard");
	zone->head = head;
	zone->size = stele_le32(head->size);
	zone->id = stele_le32(head->zone_id);
	zone->apex = record + sizeof(*head);
	zone->salt = zone->apex + head->apex_len;
	zone->labels = head->apex_labels;
	zone->chain_kind = head->chain_kind;

	unsigned label_cnt;
	if (head->apex_len == 0 || zone->apex[head->apex_len - 1] != 0 ||
	    !stele_verify_relative(zone->apex, head->apex_len - 1u, 1, &label_cnt) ||
	    label_cnt != head->apex_labels || head->label_max > STELE_LABELS_MAX)
		return stele_verify_fault(v, record, "zone: malformed apex");
	if ((head->flags & ~(STELE_ZONE_OPT_OUT | STELE_ZONE_EXPIRED)) != 0)
		return stele_verify_fault(v, record, "zone: unknown flags %#x", head->flags);
	zone->apex_hash = stele_verify_apex_hash(v->view, zone->apex, head->apex_len);

	uint64_t soa_end = 0;
	int rc = check_soa(v, zone, sizeof(*head) + head->apex_len + head->salt_len, &soa_end);
	if (rc == 0)
		rc = check_chain_kind(v, zone, soa_end);
	if (rc != 0)
		return rc;
	uint64_t key = stele_key_zone(v->view->seed, zone->apex_hash);
	if (stele_key_shard(key, v->view->zone_bits) != v->shard - v->view->zone_first)
		return stele_verify_fault(v, record, "zone: belongs into another shard");
	*ret_size = zone->size;
	*ret_key = key;
	return 0;
}

/* ---- the table ---- */

static bool is_nsec3(const struct verify_zone *zone)
{
	return zone->chain_kind == STELE_CHAIN_NSEC3_INLINE ||
	       zone->chain_kind == STELE_CHAIN_NSEC3_SHARDS;
}

/* Whether what names were held against is the same in both records. */
static bool means_the_same(const struct verify_zone *a, const struct verify_zone *b)
{
	return a->head->apex_len == b->head->apex_len && a->head->salt_len == b->head->salt_len &&
	       memcmp(a->head->iterations.b, b->head->iterations.b, 2) == 0 &&
	       memcmp(a->apex, b->apex, (size_t)a->head->apex_len + a->head->salt_len) == 0 &&
	       is_nsec3(a) == is_nsec3(b);
}

/* Another SOA, of which the apex that the base has seen knows nothing. */
static bool soa_left_apex(const struct verify *v, const struct verify_zone *zone,
			  const struct verify_zone *old)
{
	const struct stele_rrset *soa = &zone->head->soa;
	if (memcmp(soa, &old->head->soa, sizeof(*soa)) == 0 &&
	    memcmp(soa_body(zone), soa_body(old), full_len(soa)) == 0)
		return false;
	uint64_t key = stele_key_name(v->view->seed, zone->apex_hash, zone->apex_hash);
	return !stele_verify_is_new(v->run,
				    v->view->name_first + stele_key_shard(key, v->view->name_bits));
}

/* What the base has seen of a zone whose record is new now. */
static int carry_over(struct verify *v, struct verify_zone *zone, const struct verify_zone *old)
{
	if (!means_the_same(zone, old) || soa_left_apex(v, zone, old)) {
		v->shard = zone->shard;
		return stele_verify_fault(v, zone->head, "zone: its names have to be seen anew");
	}
	zone->seen = old->seen;
	zone->seen.rr_cnt -= old->in_record.rr_cnt;
	zone->seen.nsec_own_cnt -= old->in_record.nsec_own_cnt;
	return 0;
}

/* Zones of the base: as they were, or without their record in the image. */
static int add_old_zones(struct verify *v)
{
	const struct stele_verified *old = v->run->old;
	size_t new_cnt = v->zone_cnt;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < old->zone_cnt; i++) {
		const struct verify_zone *zone = old->zones + i;
		bool is_new = stele_verify_is_new(v->run, zone->shard);
		if (is_new && search(v->zones, new_cnt, zone->id) != NULL)
			continue;
		struct verify_zone *copy = add_zone(v);
		if (copy == NULL)
			return stele_fail_errno(v->reterr, ENOMEM, "map of zones");
		*copy = *zone;
		copy->gone = is_new;
	}
	for (size_t i = 0; rc == 0 && i < new_cnt; i++) {
		const struct verify_zone *before =
			search(old->zones, old->zone_cnt, v->zones[i].id);
		if (before != NULL && stele_verify_is_new(v->run, before->shard))
			rc = carry_over(v, v->zones + i, before);
	}
	return rc;
}

static int compare_zones(struct verify *v)
{
	if (v->zone_cnt > 0)
		qsort(v->zones, v->zone_cnt, sizeof(*v->zones), compare_id);
	for (size_t i = 1; i < v->zone_cnt; i++) {
		if (v->zones[i].id == v->zones[i - 1].id) {
			v->shard = v->zones[i].shard;
			return stele_verify_fault(v, v->zones[i].head,
						  "zone: another one has the number %" PRIu32
						  " too",
						  v->zones[i].id);
		}
	}
	return 0;
}

int stele_verify_zones(struct verify_run *run)
{
	const struct stele_view *view = run->view;
	struct verify *v = run->workers[0];
	int rc = 0;
	for (uint64_t i = 0; rc == 0 && i < UINT64_C(1) << view->zone_bits; i++) {
		uint32_t index = view->zone_first + (uint32_t)i;
		if (view->shards[index].base != NULL && stele_verify_is_new(run, index))
			rc = stele_verify_hash_shard(v, index, check_zone);
	}
	for (size_t i = 0; i < v->zone_cnt; i++)
		v->zones[i].touched = true;
	if (rc == 0)
		rc = compare_zones(v);
	if (rc == 0 && run->base != NULL)
		rc = add_old_zones(v);
	if (rc == 0 && run->base != NULL)
		rc = compare_zones(v);
	return rc;
}
