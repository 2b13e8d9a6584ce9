/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/denial.h"

#include "lib/answer/chain.h"
#include "lib/dns/nsec3.h"

#include <string.h>

static const uint8_t star_label[] = {1, '*'};

/* A part, unless the same RRset is there already: one record may prove two things, and an NSEC3
 * record may stand in its own shard and as the carry of the next. */
static void add_part(struct work *w, const struct part *part)
{
	for (unsigned i = 0; i < w->part_cnt; i++) {
		const struct part *other = &w->parts[i];
		if (other->rrset == part->rrset)
			return;
		if (part->nsec3 != NULL && other->nsec3 != NULL &&
		    memcmp(part->nsec3->hash, other->nsec3->hash, STELE_NSEC3_HASH_SZ) == 0)
			return;
	}
	if (w->part_cnt < PART_MAX)
		w->parts[w->part_cnt++] = *part;
}

/* ---- NSEC ---- */

static bool add_own_nsec(struct work *w, const uint8_t *record, uint16_t at)
{
	struct stele_name_parts name = stele_name_parts(record);
	const struct stele_rrset *nsec = stele_name_rrset(&name, STELE_TYPE_NSEC);
	if (nsec == NULL)
		return false;
	add_part(w, &(struct part){.body = stele_name_body(&name, nsec),
				   .rrset = nsec,
				   .rel = name.rel,
				   .rel_len = name.head->rel_len,
				   .at = at});
	return true;
}

static void cover_nsec(struct work *w, enum fetch_role role, const uint8_t *rel, size_t rel_len)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key(rel, rel_len, key);
	work_fetch(w, FETCH_NAME, role, stele_nsec_search(w, key, key_len));
}

static void cover_sname(struct work *w)
{
	cover_nsec(w, ROLE_NSEC, w->sname.wire, sname_suffix_rel_len(w, w->sname.depth));
}

/* The record that covers the wildcard, of this owner. Nothing but the encloser decides how it stands in the
 * reply: its owner shares no more labels than those with a name that does not exist. */
static void add_star_nsec(struct work *w, const uint8_t *record)
{
	bool soa_only = w->part_cnt == 1 && w->parts[0].rrset == &w->zone->soa;
	if (!add_own_nsec(w, record, 0) || w->memo_key == NULL)
		return;
	stele_memo_at(&w->shared->memos, w->memo_key)->star_owner = record;
	if (soa_only)
		w->memo_part_cnt = w->part_cnt;
}

/* Finds it, for the encloser at w->lo. */
static void cover_star(struct work *w)
{
	w->memo_key = w->lo == w->apex_depth ? w->zone : NULL;
	if (w->memo_key != NULL) {
		const struct memo *memo = stele_memo_at(&w->shared->memos, w->memo_key);
		if (memo->star_owner != NULL) {
			add_star_nsec(w, memo->star_owner);
			return;
		}
	}
	unsigned rel_len = sname_suffix_rel_len(w, w->lo);
	uint8_t star[sizeof(star_label) + STELE_NAME_MAX];
	memcpy(star, star_label, sizeof(star_label));
	memcpy(star + sizeof(star_label), sname_suffix(w, w->lo), rel_len);
	cover_nsec(w, ROLE_NSEC_STAR, star, sizeof(star_label) + rel_len);
}

/* ---- NSEC3 ---- */

static void fetch_hash(struct work *w, enum fetch_role role, const uint8_t *hash)
{
	struct fetch *f = work_fetch(w, FETCH_NSEC3, role, 0);
	if (f == NULL)
		return;
	f->hash = hash;
	/* Hashes of records stand at their ends, where nothing else was read yet. */
	__builtin_prefetch(hash);
	__builtin_prefetch(hash + STELE_NSEC3_HASH_SZ - 1);
}

/* Hashes a name into memory of `w` and asks for the record that matches or covers it. */
static void fetch_name_hash(struct work *w, enum fetch_role role, const uint8_t *name,
			    size_t name_len)
{
	const struct stele_zone *zone = w->zone;
	/* All proofs are of a zone; NULL, which the analyser fears, is the key of no memo.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	const uint8_t *salt = (const uint8_t *)(zone + 1) + zone->apex_len;
	uint8_t *hash = w->hashes[w->hash_cnt++ % (sizeof(w->hashes) / sizeof(w->hashes[0]))];
	stele_nsec3_hash(name, name_len, salt, zone->salt_len, stele_le16(zone->iterations), hash);
	fetch_hash(w, role, hash);
}

static void fetch_suffix_hash(struct work *w, enum fetch_role role, unsigned depth)
{
	const uint8_t *name = sname_suffix(w, depth);
	fetch_name_hash(w, role, name, (size_t)(w->sname.wire + w->sname.len - name));
}

static void fetch_star_hash(struct work *w, unsigned depth)
{
	const uint8_t *name = sname_suffix(w, depth);
	size_t len = (size_t)(w->sname.wire + w->sname.len - name);
	uint8_t star[sizeof(star_label) + STELE_NAME_MAX];
	memcpy(star, star_label, sizeof(star_label));
	memcpy(star + sizeof(star_label), name, len);
	fetch_name_hash(w, ROLE_STAR, star, sizeof(star_label) + len);
}

static void add_nsec3(struct work *w, const struct stele_nsec3_entry *entry)
{
	add_part(w, &(struct part){.body = stele_nsec3_body(entry),
				   .rrset = &entry->rrset,
				   .nsec3 = entry});
}

/* What depends on the encloser alone, behind the SOA. `star` counts if it is wanted. */
static void add_encloser(struct work *w, const struct stele_nsec3_entry *encloser,
			 const struct stele_nsec3_entry *star)
{
	bool soa_only = w->part_cnt == 1 && w->parts[0].rrset == &w->zone->soa;
	add_nsec3(w, encloser);
	if (w->proof != PROOF_STAR)
		return;
	add_nsec3(w, star);
	if (soa_only && w->memo_key != NULL)
		w->memo_part_cnt = w->part_cnt;
}

/*
 * The closest encloser proof with the encloser assumed at `depth`. `record` is the name there if it
 * is at hand: it has the hashes. If no NSEC3 matches, the next try is one label up, as names without
 * an NSEC3 (opt-out) do not count.
 */
static void prove_encloser(struct work *w, unsigned depth, const uint8_t *record)
{
	w->proof_depth = (uint8_t)depth;
	w->memo_key = depth == w->apex_depth ? (const void *)w->zone : record;
	if (w->memo_key != NULL) {
		const struct memo *memo = stele_memo_at(&w->shared->memos, w->memo_key);
		if (memo->encloser != NULL && (w->proof != PROOF_STAR || memo->star != NULL)) {
			add_encloser(w, memo->encloser, memo->star);
			if (w->cover != NULL)
				add_nsec3(w, w->cover);
			else
				fetch_suffix_hash(w, ROLE_COVER, depth + 1);
			return;
		}
	}

	const uint8_t *hash = NULL, *wildcard_hash = NULL;
	if (record != NULL) {
		struct stele_name_parts name = stele_name_parts(record);
		hash = stele_name_hash(&name);
		wildcard_hash = stele_name_wildcard_hash(&name);
	}
	if (hash != NULL)
		fetch_hash(w, ROLE_ENCLOSER, hash);
	else
		fetch_suffix_hash(w, ROLE_ENCLOSER, depth);
	if (w->cover == NULL)
		fetch_suffix_hash(w, ROLE_NEXT, depth + 1);
	if (w->proof != PROOF_STAR)
		return;
	if (wildcard_hash != NULL)
		fetch_hash(w, ROLE_STAR, wildcard_hash);
	else
		fetch_star_hash(w, depth);
}

static void prove_own(struct work *w, const uint8_t *record, unsigned depth)
{
	struct stele_name_parts name = stele_name_parts(record);
	const uint8_t *hash = stele_name_hash(&name);
	w->proof = PROOF_OWN;
	w->proof_depth = (uint8_t)depth;
	if (hash != NULL)
		fetch_hash(w, ROLE_OWN, hash);
	else
		fetch_suffix_hash(w, ROLE_OWN, depth);
}

/* ---- what to prove ---- */

void stele_deny_type(struct work *w)
{
	if (!w->edns.dnssec_ok)
		return;
	if (stele_zone_has_nsec(w->zone)) {
		if (!add_own_nsec(w, w->record, sname_suffix_at(w, w->sname.depth)))
			cover_sname(w); /* an empty non-terminal */
	} else if (stele_zone_has_nsec3(w->zone)) {
		prove_own(w, w->record, w->sname.depth);
	}
}

void stele_deny_name(struct work *w)
{
	if (!w->edns.dnssec_ok)
		return;
	if (stele_zone_has_nsec(w->zone)) {
		cover_star(w);
		cover_sname(w);
	} else if (stele_zone_has_nsec3(w->zone)) {
		w->proof = PROOF_STAR;
		prove_encloser(w, w->lo, w->encloser);
	}
}

void stele_deny_wildcard_type(struct work *w)
{
	if (!w->edns.dnssec_ok)
		return;
	if (stele_zone_has_nsec(w->zone)) {
		if (!add_own_nsec(w, w->record, 0)) {
			struct stele_name_parts name = stele_name_parts(w->record);
			cover_nsec(w, ROLE_NSEC, name.rel, name.head->rel_len);
		}
		cover_sname(w);
	} else if (stele_zone_has_nsec3(w->zone)) {
		w->proof = PROOF_STAR;
		prove_encloser(w, w->lo, w->encloser);
	}
}

void stele_deny_closer(struct work *w)
{
	if (!w->edns.dnssec_ok)
		return;
	if (stele_zone_has_nsec(w->zone))
		cover_sname(w);
	else if (stele_zone_has_nsec3(w->zone))
		fetch_suffix_hash(w, ROLE_COVER, w->lo + 1u);
}

void stele_deny_ds(struct work *w, const uint8_t *cut, unsigned depth)
{
	if (!w->edns.dnssec_ok)
		return;
	if (stele_zone_has_nsec(w->zone))
		add_own_nsec(w, cut, sname_suffix_at(w, depth));
	else if (stele_zone_has_nsec3(w->zone))
		prove_own(w, cut, depth);
}

static const struct stele_nsec3_entry *entry_of(const struct fetch *f)
{
	return (const struct stele_nsec3_entry *)(const void *)f->result;
}

/* The encloser that was tried has an NSEC3 record; these are all results of that try. */
static void take_encloser(struct work *w, const struct fetch *results, unsigned cnt)
{
	const struct stele_nsec3_entry *encloser = NULL, *star = NULL;
	for (unsigned i = 0; i < cnt; i++) {
		if (results[i].role == ROLE_ENCLOSER)
			encloser = entry_of(&results[i]);
		else if (results[i].role == ROLE_STAR)
			star = entry_of(&results[i]);
		else if (results[i].role == ROLE_NEXT)
			w->cover = entry_of(&results[i]);
	}
	if (w->memo_key != NULL) {
		struct memo *memo = stele_memo_at(&w->shared->memos, w->memo_key);
		memo->encloser = encloser;
		if (star != NULL)
			memo->star = star;
	}
	add_encloser(w, encloser, star);
	if (w->cover != NULL)
		add_nsec3(w, w->cover);
}

void stele_denial_results(struct work *w, const struct fetch *results, unsigned cnt)
{
	const struct fetch *encloser = NULL, *own = NULL;
	for (unsigned i = 0; i < cnt; i++) {
		const struct fetch *f = &results[i];
		if (f->role == ROLE_NSEC && f->result != NULL)
			add_own_nsec(w, f->result, 0);
		else if (f->role == ROLE_NSEC_STAR && f->result != NULL)
			add_star_nsec(w, f->result);
		else if (f->role == ROLE_COVER)
			add_nsec3(w, entry_of(f));
		else if (f->role == ROLE_OWN)
			own = f;
		else if (f->role == ROLE_ENCLOSER)
			encloser = f;
	}
	if (own != NULL) {
		if (own->matched) {
			add_nsec3(w, entry_of(own));
		} else if (w->proof_depth > w->apex_depth) {
			/* The name itself is the next closer one then, and this covers it. */
			w->cover = entry_of(own);
			w->proof = PROOF_ENCLOSER;
			prove_encloser(w, w->proof_depth - 1u, NULL);
		}
	}
	if (encloser == NULL)
		return;
	if (encloser->matched) {
		take_encloser(w, results, cnt);
	} else if (w->proof_depth > w->apex_depth) {
		/* What was looked up for this depth is the next closer name's for the one above. */
		w->cover = entry_of(encloser);
		prove_encloser(w, w->proof_depth - 1u, NULL);
	}
}
