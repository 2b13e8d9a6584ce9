/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/alias.h"
#include "lib/answer/compose.h"
#include "lib/answer/denial.h"
#include "lib/answer/hosts.h"
#include "lib/answer/lookup.h"
#include "lib/answer/tail.h"

#include <string.h>

/*
 * The algorithm of RFC 1034 section 4.3.2 (with 4592 for wildcards, 6672 for DNAME), as a state
 * machine: a step takes what was fetched, decides, and asks for what it needs next.
 *
 *   start -> ZONE -> name found ----------------> found() -> answer, CNAME target, cut, NODATA
 *                 -> no such name -> ENCLOSER --> missing() -> referral, DNAME, wildcard, NXDOMAIN
 *   ... -> TAIL: proofs and hosts are fetched, then the authority and additional sections written
 *
 * The answer section is written as it is found; the other two at the end.
 */

static void fail(struct work *w, enum stele_rcode rcode, int ede)
{
	w->rcode = (uint16_t)rcode;
	w->ede = ede;
	w->state = WORK_DONE;
}

/* ---- names ---- */

static bool is_suffix_of_sname(const struct work *w, const uint8_t *record, unsigned depth)
{
	return lookup_is_name(w, record, sname_suffix(w, depth), sname_suffix_rel_len(w, depth));
}

/* ---- answers ---- */

static void nodata(struct work *w)
{
	stele_tail_add_soa(w);
	if (w->lo != 0xff)
		stele_deny_wildcard_type(w);
	else
		stele_deny_type(w);
	stele_tail(w);
}

static void nxdomain(struct work *w)
{
	w->rcode = STELE_RCODE_NXDOMAIN;
	stele_tail_add_soa(w);
	stele_deny_name(w);
	stele_tail(w);
}

static void referral(struct work *w, const uint8_t *cut, unsigned depth)
{
	struct stele_name_parts name = stele_name_parts(cut);
	const struct stele_rrset *ns = stele_name_rrset(&name, STELE_TYPE_NS);
	const struct stele_rrset *ds = stele_name_rrset(&name, STELE_TYPE_DS);
	if (w->chain_cnt == 0)
		w->aa = false;
	struct part part = {.body = ns != NULL ? stele_name_body(&name, ns) : NULL,
			    .rrset = ns,
			    .rel = name.rel,
			    .rel_len = name.head->rel_len,
			    .referral_ns = true,
			    .at = sname_suffix_at(w, depth)};
	if (ns == NULL || w->part_cnt + 2 > PART_MAX) {
		fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
		return;
	}
	w->parts[w->part_cnt++] = part;
	if (ds != NULL && ds->sig_cnt > 0 && w->edns.dnssec_ok) {
		part.body = stele_name_body(&name, ds);
		part.rrset = ds;
		part.referral_ns = false;
		w->parts[w->part_cnt++] = part;
	} else {
		stele_deny_ds(w, cut, depth);
	}
	stele_hosts_add(w, cut, ns, 0);
	stele_tail(w);
}

/* The RRset of w->record stands in the answer section already, under the name that it would have now. What a
 * wildcard makes has a name of its own. */
static bool is_written(const struct work *w, const struct stele_rrset *rrset)
{
	return w->lo == 0xff && stele_alias_is_written(w, rrset);
}

static void write_all(struct work *w, const struct stele_name_parts *name, bool sigs_only)
{
	struct owner owner = stele_compose_owner(w, name);
	bool first_only = w->shared->settings->any_minimal && !w->query->tcp;
	for (unsigned i = 0; i < name->rrset_cnt; i++) {
		const struct stele_rrset *rrset = &name->rrsets[i];
		if (sigs_only && rrset->sig_cnt == 0)
			continue;
		/* Without DO, the signatures of a DNAME do not stand with it. */
		if (is_written(w, rrset) && (!sigs_only || w->edns.dnssec_ok)) {
			if (first_only)
				break;
			continue;
		}
		/* One RRset that somebody may have a use for. */
		if (first_only && !sigs_only && stele_le16(rrset->type) == STELE_TYPE_NSEC &&
		    i + 1 < name->rrset_cnt)
			continue;
		if (!stele_compose_rrset(w, stele_name_body(name, rrset), rrset,
					 sigs_only ? COMPOSE_SIGS_ONLY : compose_with_sigs(w),
					 &owner, &w->answer_cnt, NULL)) {
			stele_work_truncate(w);
			return;
		}
		if (first_only)
			break;
	}
	stele_tail(w);
}

/* w->record is what answers: the name itself, or a wildcard (w->lo set). */
static void answer(struct work *w)
{
	struct stele_name_parts name = stele_name_parts(w->record);
	/* A wildcard delegates nothing: its NS RRset is data like others (RFC 4592 section 4.2 leaves it open). */
	bool at_cut = name.head->kind == STELE_NAME_CUT && w->lo == 0xff;
	if (w->qtype == STELE_TYPE_ANY || w->qtype == STELE_TYPE_RRSIG) {
		bool sigs_only = w->qtype == STELE_TYPE_RRSIG;
		bool some = false;
		for (unsigned i = 0; i < name.rrset_cnt; i++)
			some |= !sigs_only || name.rrsets[i].sig_cnt > 0;
		if (!some) {
			nodata(w);
			return;
		}
		if (w->lo != 0xff)
			stele_deny_closer(w);
		write_all(w, &name, sigs_only);
		return;
	}
	const struct stele_rrset *rrset = stele_name_rrset(&name, w->qtype);
	if (rrset == NULL || (at_cut && w->qtype != STELE_TYPE_DS)) {
		const struct stele_rrset *cname = NULL;
		if (name.head->flags & STELE_NAME_HAS_CNAME)
			cname = stele_name_rrset(&name, STELE_TYPE_CNAME);
		if (cname != NULL)
			stele_alias_follow_cname(w, &name, cname);
		else
			nodata(w);
		return;
	}
	if (is_written(w, rrset)) {
		stele_tail(w); /* the end of a chain that began here */
		return;
	}
	struct owner owner = stele_compose_owner(w, &name);
	struct composed where;
	if (!stele_compose_rrset(w, stele_name_body(&name, rrset), rrset, compose_with_sigs(w),
				 &owner, &w->answer_cnt, &where)) {
		stele_work_truncate(w);
		return;
	}
	if (w->lo != 0xff)
		stele_deny_closer(w);
	if (stele_rdata_additional_name(w->qtype) >= 0)
		stele_hosts_add(w, w->record, rrset, where.body_at);
	if (w->fetch_cnt == 0 && w->part_cnt == 0 && w->host_cnt == 0)
		w->state = WORK_DONE;
	else
		stele_tail(w);
}

/* ---- lookups ---- */

static uint64_t sname_key(const struct work *w)
{
	return stele_key_name(w->shared->view->seed, w->suffix[w->sname.depth], w->apex_hash);
}

static void fetch_cut(struct work *w, const uint8_t *record)
{
	work_fetch(w, FETCH_NAME, ROLE_NAME, stele_get_le64(stele_name_parts(record).cut_key));
	w->state = WORK_CUT;
}

static bool is_deep(const struct work *w)
{
	return w->sname.depth > w->apex_depth + 1;
}

/* The search name exists. */
static void found(struct work *w, const uint8_t *record)
{
	w->record = record;
	if (is_deep(w))
		lookup_remember_shallow(w, false);
	switch (((const struct stele_name *)(const void *)record)->kind) {
	case STELE_NAME_OCCLUDED:
		fetch_cut(w, record);
		return;
	case STELE_NAME_CUT:
		if (w->qtype != STELE_TYPE_DS) {
			referral(w, record, w->sname.depth);
			return;
		}
		/* fall through */
	default:
		answer(w);
	}
}

/* The search name does not exist; w->encloser is the nearest that does, w->lo its depth. */
static void missing(struct work *w)
{
	const struct stele_name *head = (const void *)w->encloser;
	if (is_deep(w))
		lookup_remember_shallow(w,
					w->lo == w->apex_depth || (w->lo == w->apex_depth + 1 &&
								   head->kind == STELE_NAME_CUT));
	if (head->kind == STELE_NAME_CUT) {
		referral(w, w->encloser, w->lo);
	} else if (head->kind == STELE_NAME_OCCLUDED) {
		fetch_cut(w, w->encloser);
	} else if (head->flags & STELE_NAME_HAS_DNAME) {
		stele_alias_follow_dname(w, w->encloser, w->lo);
	} else if (head->flags & STELE_NAME_HAS_WILDCARD) {
		static const uint8_t star[1 + STELE_LABEL_MAX + NAME_SLACK] = {1, '*'};
		uint64_t hash = stele_hash_label(w->shared->view->seed, w->suffix[w->lo], star);
		work_fetch(w, FETCH_NAME, ROLE_NAME,
			   stele_key_name(w->shared->view->seed, hash, w->apex_hash));
		w->state = WORK_WILDCARD;
	} else {
		nxdomain(w);
	}
}

/* The next probe of the binary search, or its end. That a suffix exists is monotone in its depth,
 * since every name's ancestors down from the apex are keys too. */
static void probe_encloser(struct work *w)
{
	if (w->hi - w->lo == 1 && w->encloser != NULL) {
		missing(w);
		return;
	}
	unsigned depth = w->hi - w->lo == 1 ? w->lo : (w->lo + w->hi) / 2u;
	if (depth == w->apex_depth) {
		w->encloser = lookup_apex_record(w);
		if (w->encloser != NULL) {
			missing(w);
			return;
		}
	}
	work_fetch(w, FETCH_NAME, ROLE_NAME,
		   stele_key_name(w->shared->view->seed, w->suffix[depth], w->apex_hash));
	w->proof_depth = (uint8_t)depth;
	w->state = WORK_ENCLOSER;
}

static void search_encloser(struct work *w)
{
	if (!w->suffix_valid)
		lookup_hash_suffixes(w);
	w->lo = w->apex_depth;
	unsigned deepest = w->zone->label_max + 1u;
	w->hi = w->sname.depth < deepest ? w->sname.depth : (uint8_t)deepest;
	probe_encloser(w);
}

/* The suffix one label below the apex was looked for first. */
static void take_shallow(struct work *w, const uint8_t *record)
{
	unsigned depth = w->probe_depth;
	w->probe_depth = w->sname.depth;
	if (!is_suffix_of_sname(w, record, depth)) {
		w->lo = w->apex_depth;
		w->hi = (uint8_t)depth;
		probe_encloser(w);
		/* What is a suffix is not NULL; clang-tidy does not look so deep.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	} else if (((const struct stele_name *)(const void *)record)->kind == STELE_NAME_CUT) {
		referral(w, record, depth);
	} else {
		work_fetch(w, FETCH_NAME, ROLE_NAME, sname_key(w));
		w->state = WORK_TARGET;
	}
}

static void take_name(struct work *w, const uint8_t *record)
{
	if (w->probe_depth != w->sname.depth)
		take_shallow(w, record);
	else if (is_suffix_of_sname(w, record, w->sname.depth))
		found(w, record);
	else if (w->sname.depth == w->apex_depth)
		fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA); /* an apex always exists */
	else
		search_encloser(w);
}

/* ---- zones ---- */

/* Fetches the zone with this apex and, in the same round, the name in it. */
static void fetch_zone(struct work *w, int depth)
{
	if (!lookup_candidate(w, depth))
		work_fetch(w, FETCH_ZONE, ROLE_ZONE,
			   stele_key_zone(w->shared->view->seed, w->apex_hash));
	work_fetch(w, FETCH_NAME, ROLE_NAME, w->name_key);
}

static void enter_zone(struct work *w, const struct stele_zone *zone)
{
	w->zone = zone;
	w->apex_at = (uint16_t)(STELE_HEADER_SZ + w->qname_len - zone->apex_len);
	w->reply->zone_id = stele_le32(zone->zone_id);
	lookup_remember_zone(w);
}

static bool is_zone(const struct work *w, const uint8_t *record)
{
	if (record == NULL)
		return false;
	const struct stele_zone *zone = (const void *)record;
	const uint8_t *apex = sname_suffix(w, w->apex_depth);
	size_t len = (size_t)(w->sname.wire + w->sname.len - apex);
	return zone->apex_len == len && memcmp(zone + 1, apex, len) == 0;
}

static void enter_and_answer(struct work *w, const struct stele_zone *zone, const uint8_t *record)
{
	enter_zone(w, zone);
	if (zone->flags & STELE_ZONE_EXPIRED) {
		fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
		return;
	}
	w->aa = true;
	w->chain_keys[0] = sname_key(w);
	take_name(w, record);
}

static void take_zone(struct work *w, const uint8_t *name_record)
{
	const uint8_t *zone_record = w->zone_record;
	bool here = is_zone(w, zone_record);
	int next = lookup_apex_depth(w->shared->view, w->apex_depth - 1);
	if (here && w->state == WORK_ZONE && w->qtype == STELE_TYPE_DS &&
	    w->apex_depth == w->sname.depth && next >= 0) {
		/* DS belongs to the parent side (RFC 4035 section 3.1.4.1), if we serve that too. */
		w->state = WORK_DS_PARENT;
		w->child_zone = (const struct stele_zone *)(const void *)zone_record;
		w->child_record = name_record;
		fetch_zone(w, next);
	} else if (here) {
		enter_and_answer(w, (const struct stele_zone *)(const void *)zone_record,
				 name_record);
	} else if (next >= 0) {
		fetch_zone(w, next);
	} else if (w->state == WORK_DS_PARENT) {
		lookup_candidate(w, w->sname.depth);
		w->zone_record = (const uint8_t *)w->child_zone;
		enter_and_answer(w, w->child_zone, w->child_record);
	} else {
		fail(w, STELE_RCODE_REFUSED, STELE_EDE_NOT_AUTHORITATIVE);
	}
}

void stele_resolve_start(struct work *w, const uint8_t *record)
{
	stele_work_begin_reply(w);
	w->fetch_cnt = 0;
	w->part_cnt = 0;
	work_begin_hosts(w);
	w->chain_cnt = 0;
	w->dname_cnt = 0;
	w->glue_missing = false;
	w->hash_cnt = 0;
	w->proof = PROOF_NONE;
	w->memo_key = NULL;
	w->memo_part_cnt = 0;
	w->cover = NULL;
	w->lo = 0xff; /* no wildcard */
	w->record = NULL;
	w->encloser = NULL;
	w->zone = NULL;
	w->state = WORK_ZONE;
	take_zone(w, record);
}

void stele_resolve_refuse(struct work *w)
{
	stele_work_begin_reply(w);
	if (w->shared->settings->not_ready)
		fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_NOT_READY);
	else
		fail(w, STELE_RCODE_REFUSED, STELE_EDE_NOT_AUTHORITATIVE);
}

void stele_resolve_step(struct work *w)
{
	unsigned cnt = w->fetch_cnt;
	const uint8_t *record = NULL;
	bool proofs = false;
	w->fetch_cnt = 0;
	for (unsigned i = 0; i < cnt; i++) {
		const struct fetch *f = &w->fetches[i];
		if (f->role == ROLE_NAME)
			record = f->result;
		else if (f->role == ROLE_ZONE)
			w->zone_record = f->result;
		else if (f->role == ROLE_HOST)
			w->hosts[f->host].record = f->result;
		else
			proofs = true;
	}
	if (proofs) {
		/* A copy, since what is asked for next goes into the same places. */
		struct fetch results[FETCH_MAX];
		memcpy(results, w->fetches, cnt * sizeof(results[0]));
		stele_denial_results(w, results, cnt);
	}

	switch ((enum work_state)w->state) {
	case WORK_ZONE:
	case WORK_DS_PARENT:
		take_zone(w, record);
		break;
	case WORK_TARGET:
		take_name(w, record);
		break;
	case WORK_ENCLOSER:
		if (is_suffix_of_sname(w, record, w->proof_depth)) {
			w->lo = w->proof_depth;
			w->encloser = record;
			if (w->lo == w->apex_depth)
				lookup_remember_apex(w, record);
		} else if (w->proof_depth == w->apex_depth) {
			fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
			break;
		} else {
			w->hi = w->proof_depth;
		}
		probe_encloser(w);
		break;
	case WORK_CUT: {
		/* Which of the ancestors it is follows from the length of its name. */
		unsigned rel_len =
			record == NULL ? 0 :
					 ((const struct stele_name *)(const void *)record)->rel_len;
		unsigned depth = w->sname.depth;
		while (depth > w->apex_depth && sname_suffix_rel_len(w, depth) > rel_len)
			depth--;
		if (is_suffix_of_sname(w, record, depth))
			referral(w, record, depth);
		else
			fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
		break;
	}
	case WORK_WILDCARD: {
		uint8_t rel[2 + STELE_NAME_MAX] = {1, '*'};
		unsigned rel_len = sname_suffix_rel_len(w, w->lo);
		memcpy(rel + 2, sname_suffix(w, w->lo), rel_len);
		if (!lookup_is_name(w, record, rel, rel_len + 2)) {
			fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
			break;
		}
		w->record = record;
		answer(w);
		break;
	}
	case WORK_TAIL:
		stele_tail(w);
		break;
	case WORK_DONE:
		break;
	}
}
