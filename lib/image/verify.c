/* SPDX-License-Identifier: Apache-2.0 */
/* stele_view_verify(): the order of the passes, checksums and totals, and what all passes use. */
#include "lib/image/verify.h"

#include "lib/base/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stele_verify_write_fault(struct verify *v, const void *at, const char *format, ...)
{
	char what[STELE_ERROR_MAX / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	uint64_t in_shard = (uint64_t)((const uint8_t *)at - v->view->shards[v->shard].base);
	uint64_t off = stele_le64(stele_view_ref(v->view, v->shard)->off) + in_shard;
	stele_fail(v->reterr, STELE_E_INPUT, "shard %" PRIu32 " at offset %" PRIu64 ": %s",
		   v->shard, off, what);
}

/* ---- names and keys ---- */

bool stele_verify_relative(const uint8_t *rel, size_t rel_len, size_t apex_len,
			   unsigned *ret_label_cnt)
{
	if (rel_len + apex_len > STELE_NAME_MAX)
		return false;
	unsigned cnt = 0;
	for (size_t at = 0; at < rel_len; cnt++) {
		size_t label_len = rel[at];
		if (label_len == 0 || label_len > STELE_LABEL_MAX || label_len >= rel_len - at)
			return false;
		for (size_t i = 1; i <= label_len; i++)
			if (rel[at + i] >= 'A' && rel[at + i] <= 'Z')
				return false;
		at += label_len + 1;
	}
	*ret_label_cnt = cnt;
	return true;
}

uint64_t stele_verify_hash(struct stele_hash_seed seed, uint64_t suffix, const uint8_t *rel,
			   size_t rel_len, uint64_t *ret_parent)
{
	uint8_t copy[STELE_NAME_MAX + STELE_HASH_SLACK] = {0};
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	memcpy(copy, rel, rel_len);
	for (size_t at = 0; at < rel_len; at += copy[at] + 1u)
		starts[cnt++] = (uint8_t)at;
	uint64_t hash = suffix, parent = suffix;
	while (cnt > 0) {
		parent = hash;
		hash = stele_hash_label(seed, hash, copy + starts[--cnt]);
	}
	if (ret_parent != NULL)
		*ret_parent = parent;
	return hash;
}

uint64_t stele_verify_key(const struct verify *v, const struct verify_zone *zone,
			  const uint8_t *rel, size_t rel_len)
{
	struct stele_hash_seed seed = v->view->seed;
	uint64_t name = stele_verify_hash(seed, zone->apex_hash, rel, rel_len, NULL);
	return stele_key_name(seed, name, zone->apex_hash);
}

uint32_t stele_verify_slot(const struct stele_view_shard *shard, uint64_t key)
{
	uint64_t mixed = stele_shard_mix(key, shard->seed);
	uint8_t pilot = shard->pilots[stele_shard_bucket(mixed, shard->bucket_cnt)];
	return stele_shard_slot(mixed, pilot, shard->slot_cnt);
}

const struct stele_name *stele_verify_find(const struct verify *v, const struct verify_zone *zone,
					   uint64_t key, const uint8_t *rel, size_t rel_len,
					   uint64_t *ret_slot)
{
	const struct stele_view *view = v->view;
	uint32_t index = view->name_first + stele_key_shard(key, view->name_bits);
	const struct stele_view_shard *shard = view->shards + index;
	const uint8_t *record = stele_view_find(shard, key);
	if (record == NULL)
		return NULL;
	struct stele_name_parts parts = stele_name_parts(record);
	if (stele_le32(parts.head->zone_id) != zone->id || parts.head->rel_len != rel_len ||
	    memcmp(parts.rel, rel, rel_len) != 0)
		return NULL;
	if (ret_slot != NULL)
		*ret_slot = v->slot_first[index] + stele_verify_slot(shard, key);
	return parts.head;
}

/* ---- shards ---- */

int stele_verify_hash_shard(struct verify *v, uint32_t index, verify_record check)
{
	v->shard = index;
	const struct stele_view_shard *shard = v->view->shards + index;
	const uint8_t *base = shard->base;
	const struct stele_hash_shard *head = (const void *)base;
	uint64_t size = stele_le64(head->size);
	uint32_t record_cnt = 0, used_cnt = 0;
	for (uint64_t off = stele_le32(head->records_off); off < size; record_cnt++) {
		uint64_t record_sz = 0, key = 0;
		int rc = check(v, base + off, size - off, &record_sz, &key);
		if (rc != 0)
			return rc;
		const uint8_t *slot = shard->slots + 8 * (uint64_t)stele_verify_slot(shard, key);
		uint64_t fingerprint = stele_key_fingerprint(key);
		if (stele_get_le64(slot) != (fingerprint << STELE_SLOT_OFF_BITS | off))
			return stele_verify_fault(v, base + off,
						  "the key of this record leads elsewhere");
		off += record_sz;
	}
	for (uint32_t i = 0; i < shard->slot_cnt; i++)
		used_cnt += stele_get_le64(shard->slots + 8 * (uint64_t)i) != 0;
	if (record_cnt != used_cnt || record_cnt != stele_le32(head->key_cnt))
		return stele_verify_fault(v, base,
					  "%" PRIu32 " records, %" PRIu32 " slots in use, %" PRIu32
					  " keys",
					  record_cnt, used_cnt, stele_le32(head->key_cnt));
	return 0;
}

static int check_digest(struct verify *v, EVP_MD_CTX *digest, uint32_t index)
{
	const struct stele_shard_ref *ref = stele_view_ref(v->view, index);
	if (ref->kind == STELE_SHARD_NONE)
		return 0;
	v->shard = index;
	const uint8_t *base = v->view->shards[index].base;
	size_t size = stele_le64(ref->size);
	if (stele_crc32c(0, base, size) != stele_le32(ref->crc))
		return stele_verify_fault(v, base, "wrong checksum");
	uint8_t sha256[32];
	if (EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(digest, base, size) != 1 ||
	    EVP_DigestFinal_ex(digest, sha256, NULL) != 1)
		return stele_fail(v->reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	if (memcmp(sha256, ref->digest, sizeof(sha256)) != 0)
		return stele_verify_fault(v, base, "wrong digest");
	return 0;
}

static int check_digests(struct verify *v)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	if (digest == NULL)
		return stele_fail_errno(v->reterr, ENOMEM, "SHA-256");
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < v->view->shard_cnt; i++)
		rc = check_digest(v, digest, i);
	EVP_MD_CTX_free(digest);
	return rc;
}

/* ---- chains ---- */

int stele_verify_take_chain(struct verify *v, const struct verify_zone *zone, uint8_t kind)
{
	uint32_t first = stele_le32(zone->head->chain_first);
	uint32_t cnt = stele_le32(zone->head->chain_cnt);
	v->shard = zone->shard;
	if (cnt == 0 || first > v->view->shard_cnt || cnt > v->view->shard_cnt - first)
		return stele_verify_fault(v, zone->head, "zone: chain shards outside the image");
	for (uint32_t i = first; i < first + cnt; i++) {
		if (stele_view_ref(v->view, i)->kind != kind || v->chain_shard_used[i] != 0)
			return stele_verify_fault(v, zone->head,
						  "zone: shard %" PRIu32
						  " is of another kind or chain",
						  i);
		v->chain_shard_used[i] = 1;
	}
	return 0;
}

int stele_verify_item_cnt(struct verify *v, uint32_t own_cnt)
{
	uint32_t item_cnt = stele_le32(stele_view_ref(v->view, v->shard)->item_cnt);
	if (item_cnt != own_cnt)
		return stele_verify_fault(v, v->view->shards[v->shard].base,
					  "%" PRIu32 " entries, its reference says %" PRIu32,
					  own_cnt, item_cnt);
	return 0;
}

static int check_chain(struct verify *v, struct verify_zone *zone)
{
	uint8_t kind = zone->head->chain_kind;
	if (kind == STELE_CHAIN_NSEC3_INLINE || kind == STELE_CHAIN_NSEC3_SHARDS)
		return stele_verify_nsec3(v, zone);
	if (kind == STELE_CHAIN_NSEC_INLINE || kind == STELE_CHAIN_NSEC_SHARDS)
		return stele_verify_nsec(v, zone);
	return 0;
}

static int check_chains(struct verify *v)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->zone_cnt; i++)
		rc = check_chain(v, v->zones + i);
	for (uint32_t i = 0; rc == 0 && i < v->view->shard_cnt; i++) {
		uint8_t kind = stele_view_ref(v->view, i)->kind;
		v->shard = i;
		if ((kind == STELE_SHARD_NSEC3 || kind == STELE_SHARD_NSEC) &&
		    v->chain_shard_used[i] == 0)
			rc = stele_verify_fault(v, v->view->shards[i].base,
						"a chain that no zone has");
	}
	return rc;
}

/* ---- totals ---- */

static int check_zone_totals(struct verify *v, const struct verify_zone *zone)
{
	const struct stele_zone *head = zone->head;
	v->shard = zone->shard;
	if (stele_le64(head->node_cnt) != zone->name_cnt)
		return stele_verify_fault(v, head,
					  "zone of %" PRIu64 " names, but %" PRIu64 " exist",
					  stele_le64(head->node_cnt), zone->name_cnt);
	if (stele_le64(head->rr_cnt) != zone->rr_cnt)
		return stele_verify_fault(v, head, "zone of %" PRIu64 " RRs, but %" PRIu64 " exist",
					  stele_le64(head->rr_cnt), zone->rr_cnt);
	if (head->label_max < zone->label_max)
		return stele_verify_fault(v, head, "zone of at most %u labels, but %u exist",
					  head->label_max, zone->label_max);
	if (zone->opt_out && (head->flags & STELE_ZONE_OPT_OUT) == 0)
		return stele_verify_fault(v, head, "zone: opt-out flag against its chain");
	return 0;
}

static int check_live_size(struct verify *v)
{
	const struct stele_view *view = v->view;
	uint64_t top_cnt = (view->shard_cnt + UINT64_C(63)) / STELE_DIR_PAGE_REFS;
	uint64_t size = sizeof(struct stele_superblock) + sizeof(struct stele_root) +
			top_cnt * sizeof(struct stele_dir_entry) +
			view->shard_cnt * sizeof(struct stele_shard_ref);
	for (uint32_t i = 0; i < view->shard_cnt; i++)
		size += stele_le64(stele_view_ref(view, i)->size);
	if (view->live_sz != size)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": reaches %" PRIu64 " bytes, says %" PRIu64,
				  view->root_off, size, view->live_sz);
	return 0;
}

static int check_totals(struct verify *v)
{
	const struct stele_view *view = v->view;
	uint64_t rr_cnt = 0, depths[2] = {0, 0};
	for (size_t i = 0; i < v->zone_cnt; i++) {
		const struct verify_zone *zone = v->zones + i;
		int rc = check_zone_totals(v, zone);
		if (rc != 0)
			return rc;
		rr_cnt += zone->rr_cnt;
		unsigned depth = zone->head->apex_labels;
		depths[depth / 64] |= UINT64_C(1) << depth % 64;
	}
	if (v->zone_cnt != view->zone_cnt || v->name_cnt != view->name_cnt ||
	    rr_cnt != view->rr_cnt)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": %" PRIu32 " zones, %" PRIu64
				  " names, %" PRIu64 " RRs (expected %zu, %" PRIu64 ", %" PRIu64
				  ")",
				  view->root_off, view->zone_cnt, view->name_cnt, view->rr_cnt,
				  v->zone_cnt, v->name_cnt, rr_cnt);
	if (memcmp(depths, view->apex_depths, sizeof(depths)) != 0)
		return stele_fail(v->reterr, STELE_E_INPUT,
				  "root at %" PRIu64 ": depths of apexes do not fit the zones",
				  view->root_off);
	return check_live_size(v);
}

int stele_view_verify(const struct stele_view *view, struct stele_error *reterr)
{
	struct verify *v = calloc(1, sizeof(*v));
	if (v == NULL)
		return stele_fail_errno(reterr, ENOMEM, "verify");
	*v = (struct verify){
		.view = view,
		.reterr = reterr,
		.chain_shard_used = calloc(view->shard_cnt, 1),
		.slot_first = calloc(view->shard_cnt, sizeof(*v->slot_first)),
	};
	int rc;
	if (v->chain_shard_used == NULL || v->slot_first == NULL)
		rc = stele_fail_errno(reterr, ENOMEM, "verify");
	else
		rc = check_digests(v);
	if (rc == 0)
		rc = stele_verify_zones(v);
	if (rc == 0)
		rc = stele_verify_names(v);
	if (rc == 0)
		rc = stele_verify_tree(v);
	if (rc == 0)
		rc = check_chains(v);
	if (rc == 0)
		rc = check_totals(v);
	free(v->zones);
	free(v->chain_shard_used);
	free(v->slot_first);
	free(v->slot_facts);
	free(v);
	return rc;
}
