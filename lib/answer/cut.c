/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/cut.h"

#include "lib/answer/chain.h"
#include "lib/answer/compose.h"
#include "lib/answer/hosts.h"
#include "lib/answer/probe.h"

#include <string.h>

/* What is to be said about DS, if DO is set (RFC 4035 section 3.1.4). */
enum about_ds {
	DS_NOTHING, /* the zone is unsigned, or DO is not set */
	DS_RRSET,   /* `proof` is the DS RRset, or the NSEC RRset that says that there is none */
	DS_NSEC3,   /* `search` finds the record that says so, or covers the name (opt-out) */
};

/* A referral on its way. */
struct referral {
	struct work *work;
	const struct stele_rrset *ns, *proof;
	const uint8_t *ns_body, *proof_body;
	enum about_ds about_ds;
	struct fetch search;
};

/* With more, a pointer might not reach the owner of the NSEC3 record behind the NS RRset. */
#define NS_LEN_MAX (STELE_POINTER_MAX / 2)

/* Hosts looked up at a time; a cut has two to four, of which most are in other zones. */
#define PROBES_MAX (8 * STELE_BATCH_MAX)
struct referrals {
	struct referral all[STELE_BATCH_MAX];
	struct probe probes[PROBES_MAX];
	unsigned cnt, probe_cnt;
};

/* What the record of the cut says. False: it is for the general way, and nothing is done. */
static bool read_cut(struct referral *referral)
{
	struct work *w = referral->work;
	const struct stele_zone *zone = w->zone;
	struct stele_name_parts name = stele_name_parts(w->record);
	const struct stele_rrset *rrset = name.rrsets, *end = rrset + name.rrset_cnt;
	const uint8_t *body = (const uint8_t *)end;
	bool dnssec = w->edns.dnssec_ok;
	referral->ns = NULL;
	referral->about_ds = DS_NOTHING;
	for (; rrset < end; body = stele_rrset_end(body, rrset), rrset++) {
		uint16_t type = stele_le16(rrset->type);
		if (type == STELE_TYPE_NS) {
			referral->ns = rrset;
			referral->ns_body = body;
			if (!dnssec)
				break;
		} else if ((type == STELE_TYPE_DS && rrset->sig_cnt > 0) ||
			   (type == STELE_TYPE_NSEC && stele_zone_has_nsec(zone))) {
			referral->proof = rrset;
			referral->proof_body = body;
			referral->about_ds = DS_RRSET;
			break;
		}
	}
	if (dnssec && referral->about_ds == DS_NOTHING && stele_zone_has_nsec3(zone)) {
		referral->about_ds = DS_NSEC3;
		/* All RRsets are passed: behind the last stand the hashes. */
		referral->search.hash = body;
		return referral->ns != NULL && (name.head->flags & STELE_NAME_HAS_HASH) != 0 &&
		       stele_le16(referral->ns->plain_len) <= NS_LEN_MAX;
	}
	return referral->ns != NULL;
}

/* Begins the reply and the lookups for it. False: they are too many. */
static bool begin(struct referrals *all, struct referral *referral)
{
	struct work *w = referral->work;
	const struct stele_view *view = w->shared->view;
	work_begin_hosts(w);
	stele_hosts_add(w, w->record, referral->ns, 0);
	if (all->probe_cnt + w->host_cnt > PROBES_MAX || w->host_cnt == HOST_MAX)
		return false;
	for (unsigned i = 0; i < w->host_cnt; i++) {
		uint64_t key = stele_le64(w->hosts[i].ref->key);
		probe_shard(&all->probes[all->probe_cnt++], stele_view_name_shard(view, key), key,
			    (unsigned)(referral - all->all), i);
	}
	if (referral->about_ds == DS_NSEC3)
		stele_nsec3_begin(w, &referral->search);
	stele_work_begin_reply(w);
	w->apex_at = (uint16_t)(STELE_HEADER_SZ + w->qname_len - w->zone->apex_len);
	w->reply->zone_id = stele_le32(w->zone->zone_id);
	w->glue_missing = false;
	lookup_remember_zone(w);
	return true;
}

/* All lookups that the referrals have begun, to their ends. */
static void look_up(struct referrals *all)
{
	for (unsigned i = 0; i < all->probe_cnt; i++)
		probe_block(&all->probes[i]);
	for (unsigned i = 0; i < all->cnt; i++)
		if (all->all[i].about_ds == DS_NSEC3)
			stele_nsec3_pick(&all->all[i].search);
	for (unsigned i = 0; i < all->cnt; i++)
		if (all->all[i].about_ds == DS_NSEC3)
			stele_nsec3_settle(&all->all[i].search);
	for (unsigned i = 0; i < all->probe_cnt; i++) {
		const struct probe *probe = &all->probes[i];
		const uint8_t *record = probe_record(probe);
		all->all[probe->query].work->hosts[probe->what].record = record;
		if (record != NULL)
			probe_prefetch_record(record, false);
	}
}

/* Proof that there is no DS. With opt-out the name has no record: the next closer name is covered, and its
 * encloser, the apex, has the one that matches (RFC 5155 section 7.2.7). */
static bool write_nsec3(struct work *w, const struct fetch *search,
			const struct stele_nsec3_entry *encloser)
{
	const struct stele_nsec3_entry *entry = (const void *)search->result;
	if (search->matched)
		return stele_compose_nsec3(w, entry);
	bool same = memcmp(entry->hash, encloser->hash, sizeof(entry->hash)) == 0;
	return stele_compose_nsec3(w, encloser) && (same || stele_compose_nsec3(w, entry));
}

/* False: nothing is written that the general way would not write again. */
static bool write_reply(struct referral *referral)
{
	struct work *w = referral->work;
	const struct stele_name *name = (const struct stele_name *)(const void *)w->record;
	const struct stele_nsec3_entry *encloser = NULL;
	if (referral->about_ds == DS_NSEC3 && !referral->search.matched) {
		/* The general way looks for what nobody remembers. */
		encloser = stele_memo_at(&w->shared->memos, w->zone)->encloser;
		if (encloser == NULL)
			return false;
	}
	uint16_t at = sname_suffix_at(w, w->probe_depth);
	struct owner owner = {.at = at,
			      .suffix_at = at,
			      .rel = (const uint8_t *)(name + 1),
			      .rel_len = name->rel_len};
	struct composed where;
	bool fits = stele_compose_rrset(w, referral->ns_body, referral->ns, COMPOSE_RECORDS, &owner,
					&w->authority_cnt, &where);
	if (fits && referral->about_ds == DS_RRSET)
		fits = stele_compose_rrset(w, referral->proof_body, referral->proof,
					   COMPOSE_WITH_SIGS, &owner, &w->authority_cnt, NULL);
	else if (fits && referral->about_ds == DS_NSEC3)
		fits = write_nsec3(w, &referral->search, encloser);
	if (fits) {
		for (unsigned i = 0; i < w->host_cnt; i++)
			w->hosts[i].source_body_at = where.body_at;
		stele_hosts_write(w, true);
	} else {
		w->tc = true;
	}
	stele_reply_finish(w);
	return true;
}

unsigned stele_cut_answer(struct work **works, unsigned cnt)
{
	struct referrals all;
	all.cnt = all.probe_cnt = 0;
	unsigned left = 0;
	for (unsigned i = 0; i < cnt; i++) {
		struct work *w = works[i];
		struct referral *referral = &all.all[all.cnt];
		referral->work = w;
		w->zone = (const struct stele_zone *)(const void *)w->zone_record;
		if (read_cut(referral) && begin(&all, referral))
			all.cnt++;
		else
			works[left++] = w;
	}
	look_up(&all);
	for (unsigned i = 0; i < all.cnt; i++)
		if (!write_reply(&all.all[i]))
			works[left++] = all.all[i].work;
	return left;
}
