/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/image/findings.h"

#include "lib/image/verify.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct head {
	char magic[8];
	uint8_t verifier[32];
	uint8_t image[STELE_FINDINGS_DIGEST_SZ];
	struct stele_le64 root_off;
};
_Static_assert(sizeof(struct head) == 80, "findings.h");

#define MAGIC "STELFND1"

int stele_findings_image(const struct stele_directory *directory,
			 struct stele_findings_image *ret_image, struct stele_error *reterr)
{
	size_t refs_sz = stele_le32(directory->root.shard_cnt) * sizeof(struct stele_shard_ref);
	struct stele_findings_image image = {.root_off = directory->root_off};
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool done = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(digest, &directory->superblock,
				     sizeof(directory->superblock)) == 1 &&
		    EVP_DigestUpdate(digest, &directory->root, sizeof(directory->root)) == 1 &&
		    EVP_DigestUpdate(digest, directory->refs, refs_sz) == 1 &&
		    EVP_DigestFinal_ex(digest, image.digest, NULL) == 1;
	EVP_MD_CTX_free(digest);
	if (!done)
		return stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	*ret_image = image;
	return 0;
}

/* ---- writing ---- */

struct writer {
	uint8_t *bytes;
	size_t sz, cap;
	bool full; /* no memory: nothing more is written */
};

/* Room for `cnt` bytes more. */
static uint8_t *make_room(struct writer *w, size_t cnt)
{
	if (!w->full && w->cap - w->sz < cnt) {
		size_t cap = 2 * w->cap + cnt + 4096;
		uint8_t *bytes = realloc(w->bytes, cap);
		if (bytes == NULL) {
			w->full = true;
		} else {
			w->bytes = bytes;
			w->cap = cap;
		}
	}
	return w->full ? NULL : w->bytes + w->sz;
}

static void put(struct writer *w, uint64_t number)
{
	uint8_t *p = make_room(w, 10), *begin = p;
	if (p == NULL)
		return;
	for (; number >= 128; number >>= 7)
		*p++ = (uint8_t)(number | 128);
	*p++ = (uint8_t)number;
	w->sz += (size_t)(p - begin);
}

static void put_zones(struct writer *w, const struct stele_view *view,
		      const struct stele_verified *verified)
{
	uint64_t last_id = 0;
	put(w, verified->zone_cnt);
	for (size_t i = 0; i < verified->zone_cnt; i++) {
		const struct verify_zone *zone = verified->zones + i;
		put(w, zone->id - last_id);
		put(w, zone->shard - view->zone_first);
		put(w, (uint64_t)((const uint8_t *)zone->head - view->shards[zone->shard].base));
		put(w, zone->seen.name_cnt);
		put(w, zone->seen.rr_cnt);
		put(w, zone->seen.nsec_cnt);
		put(w, zone->seen.nsec_own_cnt);
		put(w, zone->seen.label_max * UINT64_C(2) + zone->seen.opt_out);
		put(w, zone->in_record.rr_cnt);
		put(w, zone->in_record.nsec_own_cnt);
		last_id = zone->id;
	}
}

static void put_chains(struct writer *w, const struct stele_verified *verified)
{
	for (uint32_t i = 0; i < verified->shard_cnt; i++) {
		const struct verify_chain *chain = verified->chains + i;
		put(w, chain->used);
		if (!chain->used)
			continue;
		put(w, chain->kind);
		put(w, chain->bits);
		put(w, chain->zone_id);
		put(w, chain->first);
		put(w, chain->rr_cnt);
		put(w, chain->own_cnt);
	}
}

/* The distance to each slot that has children, and what it has; 0 behind the last. */
static void put_counts(struct writer *w, const struct verify_counts *counts)
{
	uint32_t last = 0;
	for (uint32_t i = 0; counts != NULL && i < counts->slot_cnt; i++) {
		uint32_t count = counts->slots[i];
		if (count == 0)
			continue;
		put(w, i + UINT64_C(1) - last);
		put(w,
		    (count & VERIFY_CHILDREN) * UINT64_C(2) + ((count & VERIFY_HAS_WILDCARD) != 0));
		last = i + 1;
	}
	put(w, 0);
}

int stele_findings_make(const struct stele_view *view, const struct stele_verified *verified,
			const struct stele_findings_image *image,
			struct stele_findings *ret_findings, struct stele_error *reterr)
{
	struct writer w = {0};
	struct head head = {.magic = MAGIC};
	memcpy(head.verifier, stele_verifier_digest, sizeof(head.verifier));
	memcpy(head.image, image->digest, sizeof(head.image));
	head.root_off = stele_to_le64(image->root_off);
	if (make_room(&w, sizeof(head)) != NULL)
		memcpy(w.bytes, &head, sizeof(head));
	w.sz = sizeof(head);
	put_zones(&w, view, verified);
	put_chains(&w, verified);
	for (uint64_t i = 0; i < verified->name_shard_cnt; i++)
		put_counts(&w, verified->counts[i]);
	uint8_t *end = make_room(&w, STELE_FINDINGS_DIGEST_SZ);
	bool digested = end != NULL &&
			EVP_Digest(w.bytes, w.sz, end, NULL, EVP_sha256(), NULL) == 1;
	if (!digested) {
		free(w.bytes);
		return end == NULL ?
			       stele_fail_errno(reterr, ENOMEM, "findings of a verification") :
			       stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	}
	*ret_findings = (struct stele_findings){*image, w.bytes, w.sz + STELE_FINDINGS_DIGEST_SZ};
	return 0;
}

/* ---- reading ---- */

int stele_findings_open(uint8_t *bytes, size_t sz, struct stele_findings *ret_findings,
			struct stele_error *reterr)
{
	const struct head *head = (const void *)bytes;
	uint8_t digest[STELE_FINDINGS_DIGEST_SZ];
	if (sz < sizeof(*head) + sizeof(digest) ||
	    memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0)
		return stele_fail(reterr, STELE_E_INPUT, "not findings of a verification");
	size_t body_end = sz - sizeof(digest);
	if (EVP_Digest(bytes, body_end, digest, NULL, EVP_sha256(), NULL) != 1)
		return stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	if (memcmp(digest, bytes + body_end, sizeof(digest)) != 0)
		return stele_fail(reterr, STELE_E_INPUT, "damaged: not its digest");
	if (memcmp(head->verifier, stele_verifier_digest, sizeof(head->verifier)) != 0)
		return stele_fail(reterr, STELE_E_STALE, "the findings of another verifier");
	*ret_findings =
		(struct stele_findings){{.root_off = stele_le64(head->root_off)}, bytes, sz};
	memcpy(ret_findings->image.digest, head->image, sizeof(head->image));
	return 0;
}

void stele_findings_close(struct stele_findings *findings)
{
	free(findings->bytes);
	*findings = (struct stele_findings){.bytes = NULL};
}

struct reader {
	const uint8_t *at, *end;
	const struct stele_view *view;
	bool bad; /* something did not fit: all further numbers are 0 */
};

/* A number up to `max`. */
static uint64_t get(struct reader *r, uint64_t max)
{
	uint64_t number = 0;
	for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->at++;
		number |= (uint64_t)(byte & 127) << shift;
		if (byte < 128 && number <= max && !r->bad)
			return number;
		if (byte < 128)
			break;
	}
	r->bad = true;
	return 0;
}

/* The record is as the verification found it, since the shard has its digest; it is looked at as
 * far as it takes not to read outside of the shard whatever the findings say. */
static bool take_record(const struct reader *r, struct verify_zone *zone, uint64_t off)
{
	const struct stele_view *view = r->view;
	const uint8_t *base = view->shards[zone->shard].base;
	uint64_t size = stele_le64(stele_view_ref(view, zone->shard)->size);
	unsigned labels;
	if (base == NULL || off > size || size - off < sizeof(*zone->head))
		return false;
	const struct stele_zone *head = (const void *)(base + off);
	zone->size = stele_le32(head->size);
	if (zone->size > size - off || head->apex_len == 0 ||
	    zone->size < sizeof(*head) + head->apex_len + head->salt_len ||
	    stele_le32(head->zone_id) != zone->id)
		return false;
	zone->head = head;
	zone->apex = (const uint8_t *)(head + 1);
	zone->salt = zone->apex + head->apex_len;
	zone->labels = head->apex_labels;
	zone->chain_kind = head->chain_kind;
	if (zone->apex[head->apex_len - 1] != 0 ||
	    !stele_verify_relative(zone->apex, head->apex_len - 1u, 1, &labels) ||
	    labels != zone->labels)
		return false;
	zone->apex_hash = stele_verify_apex_hash(view, zone->apex, head->apex_len);
	return true;
}

static int get_zones(struct reader *r, struct stele_verified *out)
{
	const struct stele_view *view = r->view;
	uint64_t cnt = get(r, view->zone_cnt), last_id = 0;
	r->bad |= cnt != view->zone_cnt;
	out->zones = calloc(cnt + 1, sizeof(*out->zones));
	if (out->zones == NULL)
		return STELE_E_SYSTEM;
	for (; out->zone_cnt < cnt && !r->bad; out->zone_cnt++) {
		struct verify_zone *zone = out->zones + out->zone_cnt;
		uint64_t distance = get(r, UINT32_MAX - last_id);
		r->bad |= distance == 0 && out->zone_cnt > 0;
		last_id += distance;
		zone->id = (uint32_t)last_id;
		zone->shard =
			view->zone_first + (uint32_t)get(r, (UINT64_C(1) << view->zone_bits) - 1);
		uint64_t off = get(r, UINT64_MAX);
		zone->seen.name_cnt = get(r, UINT64_MAX);
		zone->seen.rr_cnt = get(r, UINT64_MAX);
		zone->seen.nsec_cnt = get(r, UINT64_MAX);
		zone->seen.nsec_own_cnt = get(r, UINT64_MAX);
		uint64_t rest = get(r, 2 * UINT8_MAX + 1);
		zone->seen.label_max = (uint8_t)(rest / 2);
		zone->seen.opt_out = rest % 2 != 0;
		zone->in_record.rr_cnt = get(r, UINT64_MAX);
		zone->in_record.nsec_own_cnt = get(r, UINT64_MAX);
		r->bad = r->bad || !take_record(r, zone, off);
	}
	return 0;
}

static bool has_zone(const struct stele_verified *out, uint32_t id)
{
	size_t low = 0, high = out->zone_cnt;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (out->zones[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < out->zone_cnt && out->zones[low].id == id;
}

static int get_chains(struct reader *r, struct stele_verified *out)
{
	out->chains = calloc(out->shard_cnt, sizeof(*out->chains));
	if (out->chains == NULL)
		return STELE_E_SYSTEM;
	for (uint32_t i = 0; i < out->shard_cnt && !r->bad; i++) {
		struct verify_chain *chain = out->chains + i;
		chain->used = get(r, 1) != 0;
		if (!chain->used)
			continue;
		chain->kind = (uint8_t)get(r, UINT8_MAX);
		chain->bits = (uint8_t)get(r, UINT8_MAX);
		chain->zone_id = (uint32_t)get(r, UINT32_MAX);
		chain->first = (uint32_t)get(r, UINT32_MAX);
		chain->rr_cnt = get(r, UINT64_MAX);
		chain->own_cnt = get(r, UINT64_MAX);
		r->bad = r->bad || !has_zone(out, chain->zone_id);
	}
	return 0;
}

static void get_slots(struct reader *r, struct verify_counts *counts)
{
	if (counts == NULL) {
		get(r, 0);
		return;
	}
	uint32_t cnt = counts->slot_cnt;
	for (uint64_t at = 0, distance; (distance = get(r, cnt - at)) != 0 && !r->bad;) {
		uint64_t count = get(r, 2 * (uint64_t)VERIFY_CHILDREN + 1);
		at += distance;
		counts->slots[at - 1] = (uint32_t)(count / 2) |
					(count % 2 != 0 ? VERIFY_HAS_WILDCARD : 0);
	}
}

static int get_counts(struct reader *r, struct stele_verified *out)
{
	out->counts = calloc(out->name_shard_cnt, sizeof(struct verify_counts *));
	if (out->counts == NULL)
		return STELE_E_SYSTEM;
	for (uint64_t i = 0; i < out->name_shard_cnt && !r->bad; i++) {
		const struct stele_view_shard *shard = r->view->shards + r->view->name_first + i;
		if (shard->base != NULL) {
			out->counts[i] = stele_verify_new_counts(stele_view_slot_cnt(shard));
			if (out->counts[i] == NULL)
				return STELE_E_SYSTEM;
		}
		get_slots(r, out->counts[i]);
	}
	return 0;
}

int stele_findings_take(const struct stele_findings *findings, const struct stele_view *view,
			struct stele_verified **ret_verified, struct stele_error *reterr)
{
	struct reader r = {
		.at = findings->bytes + sizeof(struct head),
		.end = findings->bytes + findings->sz - STELE_FINDINGS_DIGEST_SZ,
		.view = view,
	};
	struct stele_verified *out = calloc(1, sizeof(*out));
	if (out == NULL)
		return stele_fail_errno(reterr, ENOMEM, "findings of a verification");
	out->shard_cnt = view->shard_cnt;
	out->name_shard_cnt = UINT64_C(1) << view->name_bits;
	int rc = get_zones(&r, out);
	if (rc == 0)
		rc = get_chains(&r, out);
	if (rc == 0)
		rc = get_counts(&r, out);
	if (rc == 0 && !r.bad && r.at == r.end) {
		*ret_verified = out;
		return 0;
	}
	stele_verified_free(out);
	return rc != 0 ? stele_fail_errno(reterr, ENOMEM, "findings of a verification") :
			 stele_fail(reterr, STELE_E_INPUT, "it does not fit the image");
}
