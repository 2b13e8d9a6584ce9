/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/alias.h"

#include "lib/answer/compose.h"
#include "lib/answer/denial.h"
#include "lib/answer/lookup.h"
#include "lib/answer/tail.h"

#include <string.h>

bool stele_alias_is_written(const struct work *w, const struct stele_rrset *rrset)
{
	for (unsigned i = 0; i < w->dname_cnt; i++)
		if (w->dnames[i] == rrset)
			return true;
	return false;
}

static void set_sname(struct work *w, const uint8_t *name, size_t len, uint16_t at)
{
	struct search_name *s = &w->sname;
	memmove(s->wire, name, len);
	memset(s->wire + len, 0, NAME_SLACK);
	s->len = (uint8_t)len;
	s->at = at;
	s->depth = 0;
	size_t p = 0;
	for (; s->wire[p] != 0; p += s->wire[p] + 1u)
		s->starts[s->depth++] = (uint8_t)p;
	s->starts[s->depth] = (uint8_t)p;
	w->suffix_valid = false;
	w->probe_depth = s->depth;
	w->lo = 0xff;
	w->record = NULL;
	w->encloser = NULL;
}

static bool below_apex(const struct work *w, const uint8_t *name, size_t len)
{
	return stele_name_is_below(name, len, (const uint8_t *)(w->zone + 1), w->zone->apex_len);
}

/* Counts one more link, to the name with this key. False if it is to end here: it has been there
 * already, or the chain is long enough. */
static bool chain_goes_on(struct work *w, uint64_t key)
{
	for (unsigned i = 0; i <= w->chain_cnt; i++)
		if (w->chain_keys[i] == key)
			return false;
	if (w->chain_cnt == CHAIN_MAX)
		return false;
	w->chain_keys[++w->chain_cnt] = key;
	return true;
}

void stele_alias_follow_cname(struct work *w, const struct stele_name_parts *name,
			      const struct stele_rrset *cname)
{
	struct owner owner = stele_compose_owner(w, name);
	struct composed where;
	const uint8_t *body = stele_name_body(name, cname);
	if (!stele_compose_rrset(w, body, cname, compose_with_sigs(w), &owner, &w->answer_cnt,
				 &where)) {
		stele_work_truncate(w);
		return;
	}
	if (w->lo != 0xff)
		stele_deny_closer(w);
	struct stele_rrset_trailer trailer = stele_rrset_trailer(body, cname);
	if (trailer.ref_cnt == 0 || !chain_goes_on(w, stele_le64(trailer.refs[0].key))) {
		stele_tail(w); /* out of the zone, or round and round */
		return;
	}
	uint8_t target[STELE_NAME_MAX + NAME_SLACK];
	size_t len = stele_body_name(w->zone, body,
				     stele_le16(trailer.refs[0].name_off) & STELE_REF_OFF_MASK,
				     name->rel, name->head->rel_len, target);
	set_sname(w, target, len, where.rdata_at);
	work_fetch(w, FETCH_NAME, ROLE_NAME, stele_le64(trailer.refs[0].key));
	w->state = WORK_TARGET;
}

void stele_alias_follow_dname(struct work *w, const uint8_t *record, unsigned depth)
{
	struct stele_name_parts name = stele_name_parts(record);
	const struct stele_rrset *dname = stele_name_rrset(&name, STELE_TYPE_DNAME);
	uint16_t at = sname_suffix_at(w, depth);
	struct owner owner = {
		.at = at, .suffix_at = at, .rel = name.rel, .rel_len = name.head->rel_len};
	bool written = stele_alias_is_written(w, dname); /* a chain may come by it again */
	const uint8_t *body = stele_name_body(&name, dname);
	if (!written && !stele_compose_rrset(w, body, dname, compose_with_sigs(w), &owner,
					     &w->answer_cnt, NULL)) {
		stele_work_truncate(w);
		return;
	}
	if (!written && w->dname_cnt < CHAIN_MAX)
		w->dnames[w->dname_cnt++] = dname;
	uint8_t suffix[STELE_NAME_MAX + NAME_SLACK];
	size_t suffix_len =
		stele_body_name(w->zone, body, 12, name.rel, name.head->rel_len, suffix);
	size_t prefix_len = w->sname.starts[w->sname.depth - depth];
	if (prefix_len + suffix_len > STELE_NAME_MAX) {
		w->rcode = STELE_RCODE_YXDOMAIN;
		stele_tail(w);
		return;
	}
	uint8_t target[STELE_NAME_MAX];
	memcpy(target, w->sname.wire, prefix_len);
	memcpy(target + prefix_len, suffix, suffix_len);
	struct composed where;
	if (!stele_compose_cname(w, sname_suffix_at(w, w->sname.depth), stele_get_be32(body + 6),
				 target, prefix_len + suffix_len, &where)) {
		stele_work_truncate(w);
		return;
	}
	if (w->qtype == STELE_TYPE_CNAME || !below_apex(w, target, prefix_len + suffix_len)) {
		stele_tail(w);
		return;
	}
	set_sname(w, target, prefix_len + suffix_len, where.rdata_at);
	lookup_hash_suffixes(w);
	uint64_t key =
		stele_key_name(w->shared->view->seed, w->suffix[w->sname.depth], w->apex_hash);
	if (!chain_goes_on(w, key)) {
		stele_tail(w);
		return;
	}
	work_fetch(w, FETCH_NAME, ROLE_NAME, key);
	w->state = WORK_TARGET;
}
