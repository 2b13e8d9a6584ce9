/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Denial chains (RFC 4034 section 4, RFC 5155): each NSEC points to the authoritative owner that comes
 * next, the last to the apex; each NSEC3 to the next hash, the last to the first; and no owner that
 * must be in the chain is missing. Faults are warnings: the zone is served as its signer left it.
 */
#include "lib/zone/check.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

#include <string.h>

/* ---- NSEC ---- */

struct bitmap {
	uint8_t bytes[256 * 34];
	size_t len;
};

/* Types must come in ascending order. */
static void add_type(struct bitmap *bitmap, size_t *window_at, uint16_t type)
{
	uint8_t window = (uint8_t)(type >> 8), byte = (uint8_t)((type & 255) / 8);
	if (bitmap->len == 0 || bitmap->bytes[*window_at] != window) {
		*window_at = bitmap->len;
		bitmap->bytes[bitmap->len] = window;
		bitmap->bytes[bitmap->len + 1] = 0;
		bitmap->len += 2;
	}
	uint8_t *len = &bitmap->bytes[*window_at + 1];
	while (*len <= byte) {
		bitmap->bytes[bitmap->len++] = 0;
		(*len)++;
	}
	bitmap->bytes[*window_at + 2 + byte] |= (uint8_t)(0x80 >> (type & 7));
}

/* The types that a denial record of this owner must name: at a cut only NS, DS and its own. */
static void expected_bitmap(const struct stele_owner *owner, bool is_cut, struct bitmap *bitmap)
{
	const struct stele_owner_rr *rr = owner->rrs, *end = rr + owner->rr_cnt;
	bool has_sig = false, sig_done = false;
	for (const struct stele_owner_rr *r = rr; r < end && !has_sig; r++)
		has_sig = r->is_sig;
	size_t window_at = 0;
	uint16_t last = 0;
	bitmap->len = 0;
	for (; rr < end; rr++) {
		if (rr->is_sig || rr->type == last)
			continue;
		last = rr->type;
		if (is_cut && last != STELE_TYPE_NS && last != STELE_TYPE_DS &&
		    last != STELE_TYPE_NSEC)
			continue;
		if (has_sig && !sig_done && last > STELE_TYPE_RRSIG) {
			add_type(bitmap, &window_at, STELE_TYPE_RRSIG);
			sig_done = true;
		}
		add_type(bitmap, &window_at, last);
	}
	if (has_sig && !sig_done)
		add_type(bitmap, &window_at, STELE_TYPE_RRSIG);
}

/* The NSEC ahead of this owner must point here. */
static void close_nsec(struct stele_check *check, const uint8_t *key, size_t key_len)
{
	struct stele_last_name *next = &check->nsec_next;
	if (!next->is_set)
		return;
	next->is_set = false;
	if (next->key_len == key_len && memcmp(next->key, key, key_len) == 0)
		return;
	char points[STELE_NAME_TEXT_MAX], expected[STELE_NAME_TEXT_MAX];
	stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN, check->nsec_place,
			     "NSEC points to %s (expected %s, the next owner)",
			     stele_key_to_text(next->key, next->key_len, points),
			     stele_key_to_text(key, key_len, expected));
}

static void check_nsec(struct stele_check *check, const struct stele_owner *owner, bool is_cut)
{
	const struct stele_owner_rr *nsec = stele_owner_find(owner, STELE_TYPE_NSEC);
	char text[STELE_NAME_TEXT_MAX];
	if (!check->has_nsec) {
		if (nsec != NULL && !check->told_nsec_apart)
			stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
					     stele_check_place(check, nsec),
					     "NSEC at %s (expected one at the apex too)",
					     stele_key_to_text(owner->key, owner->key_len, text));
		check->told_nsec_apart |= nsec != NULL;
		return;
	}
	close_nsec(check, owner->key, owner->key_len);
	if (nsec == NULL) {
		stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
				     stele_check_owner_place(check, owner),
				     "no NSEC at %s (expected one at each owner)",
				     stele_key_to_text(owner->key, owner->key_len, text));
		return;
	}
	check->nsec_next.key_len =
		stele_rdata_name_key(nsec->rdata, nsec->rdata_len, check->nsec_next.key);
	check->nsec_next.is_set = true;
	check->nsec_place = stele_check_place(check, nsec);

	struct bitmap expected;
	expected_bitmap(owner, is_cut, &expected);
	size_t name_len = stele_name_length(nsec->rdata, nsec->rdata_len);
	if (nsec->rdata_len - name_len != expected.len ||
	    memcmp(nsec->rdata + name_len, expected.bytes, expected.len) != 0)
		stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
				     stele_check_place(check, nsec),
				     "NSEC at %s names other types than are there (expected the "
				     "same)",
				     stele_key_to_text(owner->key, owner->key_len, text));
}

/* ---- NSEC3 ---- */

static bool has_hash(const struct stele_check *check, uint64_t hash)
{
	size_t low = 0, high = check->hash_cnt;
	if (high == 0)
		return false;
	/* Hashes are spread evenly, so the place is near where it would be if they were exactly. */
	size_t guess = (size_t)((unsigned __int128)hash * high >> 64), step = 16;
	if (check->hashes[guess] <= hash) {
		low = guess;
		while (high - low > step && check->hashes[low + step] <= hash) {
			low += step;
			step *= 2;
		}
		if (high - low > step)
			high = low + step;
	} else {
		high = guess;
		while (high > step && check->hashes[high - step] > hash) {
			high -= step;
			step *= 2;
		}
		if (high > step)
			low = high - step;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (check->hashes[middle] == hash)
			return true;
		if (check->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void need_nsec3(struct stele_check *check, const struct stele_owner *owner, size_t key_len)
{
	uint8_t name[STELE_NAME_MAX + 1], hash[STELE_NSEC3_HASH_SZ];
	int len = stele_sort_key_to_name(owner->key, key_len, name);
	if (len < 0 || len >= STELE_NAME_MAX)
		return;
	name[len] = 0;
	stele_nsec3_hash(name, (size_t)len + 1, check->salt, check->salt_len, check->iterations,
			 hash);
	if (has_hash(check, stele_get_be64(hash)))
		return;
	char text[STELE_NAME_TEXT_MAX], digits[STELE_NSEC3_LABEL_SZ + 1];
	stele_base32hex_encode(hash, (uint8_t *)digits);
	digits[STELE_NSEC3_LABEL_SZ] = '\0';
	stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
			     stele_check_owner_place(check, owner),
			     "no NSEC3 for %s%s (expected one at %s)",
			     key_len < owner->key_len ? "the empty non-terminal " : "",
			     stele_key_to_text(owner->key, key_len, text), digits);
}

static void check_nsec3(struct stele_check *check, const struct stele_owner *owner, bool is_cut)
{
	if (!check->has_nsec3param || check->hash_cnt == 0 ||
	    check->iterations > STELE_NSEC3_ITERATIONS_MAX)
		return;
	/* Of insecure delegations an opt-out chain needs none, nor of what is only above them. */
	bool is_insecure_cut = is_cut && stele_owner_find(owner, STELE_TYPE_DS) == NULL;
	if (is_insecure_cut && check->opt_out)
		return;
	/* Above this owner and not above the last one: names that own nothing. */
	const struct stele_last_name *last = &check->last_owner;
	for (size_t at = check->apex_key_len; at + 1 < owner->key_len; at++)
		if (owner->key[at] == 0 &&
		    !stele_key_is_below(last->key, last->key_len, owner->key, at + 1))
			need_nsec3(check, owner, at + 1);
	need_nsec3(check, owner, owner->key_len);
	memcpy(check->last_owner.key, owner->key, owner->key_len);
	check->last_owner.key_len = owner->key_len;
	check->last_owner.is_set = true;
}

static void check_apex(struct stele_check *check, const struct stele_owner *apex)
{
	const struct stele_owner_rr *end = apex->rrs + apex->rr_cnt;
	const struct stele_owner_rr *soa = stele_owner_find(apex, STELE_TYPE_SOA);
	struct stele_place place = stele_check_place(check, soa != NULL ? soa : apex->rrs);
	bool soa_signed = false;
	for (const struct stele_owner_rr *rr = apex->rrs; rr < end; rr++) {
		soa_signed |= rr->is_sig && rr->type == STELE_TYPE_SOA;
		/* RFC 5155 section 4.1.2: one whose flags are not 0 is not in use. */
		if (rr->type != STELE_TYPE_NSEC3PARAM || rr->is_sig || rr->rdata[1] != 0 ||
		    check->has_nsec3param)
			continue;
		check->has_nsec3param = true;
		check->iterations = stele_get_be16(rr->rdata + 2);
		check->salt_len = rr->rdata[4];
		memcpy(check->salt, rr->rdata + 5, check->salt_len);
		if (check->hash_cnt == 0)
			stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
					     stele_check_place(check, rr),
					     "NSEC3PARAM, but no NSEC3 (expected a chain of them)");
	}
	check->has_nsec = stele_owner_find(apex, STELE_TYPE_NSEC) != NULL;
	if (check->hash_cnt > 0 && !check->has_nsec3param)
		stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN, place,
				     "NSEC3 records, but no NSEC3PARAM (expected one at the apex)");
	if (check->is_signed && soa_signed && !check->has_nsec && !check->has_nsec3param &&
	    check->hash_cnt == 0)
		stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN, place,
				     "signed zone without NSEC or NSEC3 (expected one of them)");
}

void stele_check_denial(struct stele_check *check, const struct stele_owner *owner, bool is_apex,
			bool is_cut)
{
	if (is_apex)
		check_apex(check, owner);
	check_nsec(check, owner, is_cut);
	check_nsec3(check, owner, is_cut);
}

void stele_check_denial_end(struct stele_check *check)
{
	close_nsec(check, check->apex_key, check->apex_key_len);
}

static void close_nsec3(struct stele_check *check, const uint8_t *hash)
{
	if (memcmp(check->nsec3_next, hash, STELE_NSEC3_HASH_SZ) == 0)
		return;
	char points[STELE_NSEC3_LABEL_SZ + 1] = "", expected[STELE_NSEC3_LABEL_SZ + 1] = "";
	stele_base32hex_encode(check->nsec3_next, (uint8_t *)points);
	stele_base32hex_encode(hash, (uint8_t *)expected);
	stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN, check->nsec3_place,
			     "NSEC3 points to %s (expected %s, the next hash)", points, expected);
}

void stele_check_nsec3_chain(struct stele_check *check, const struct stele_owner *owner,
			     const uint8_t hash[STELE_NSEC3_HASH_SZ])
{
	if (!check->has_nsec3param)
		return;
	for (size_t i = 0; i < owner->rr_cnt && !owner->rrs[i].is_sig; i++) {
		const uint8_t *rdata = owner->rrs[i].rdata;
		/* Of several chains the one that is in use. */
		if (stele_get_be16(rdata + 2) != check->iterations || rdata[4] != check->salt_len ||
		    memcmp(rdata + 5, check->salt, check->salt_len) != 0)
			continue;
		if (check->has_nsec3_next)
			close_nsec3(check, hash);
		else
			memcpy(check->nsec3_first, hash, STELE_NSEC3_HASH_SZ);
		memcpy(check->nsec3_next, rdata + 6 + rdata[4], STELE_NSEC3_HASH_SZ);
		check->has_nsec3_next = true;
		check->nsec3_place = stele_check_place(check, &owner->rrs[i]);
		return;
	}
}

void stele_check_nsec3_end(struct stele_check *check)
{
	if (check->has_nsec3_next)
		close_nsec3(check, check->nsec3_first);
}
