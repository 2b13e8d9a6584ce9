/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/tail.h"

#include "lib/answer/compose.h"
#include "lib/answer/hosts.h"

#include <string.h>

void stele_tail_add_soa(struct work *w)
{
	if (w->part_cnt >= PART_MAX)
		return;
	struct part *part = &w->parts[w->part_cnt++];
	*part = (struct part){.body = stele_zone_soa_body(w->zone),
			      .rrset = &w->zone->soa,
			      .rel = w->sname.wire,
			      .at = w->apex_at};
}

static void fetch_hosts(struct work *w)
{
	while (w->host_fetched < w->host_cnt) {
		struct fetch *f = work_fetch(w, FETCH_NAME, ROLE_HOST,
					     stele_le64(w->hosts[w->host_fetched].ref->key));
		if (f == NULL)
			break;
		f->host = w->host_fetched++;
	}
}

/* An owner that is to be written out often shares labels with the search name, as neighbours in
 * canonical order do: those are pointed to. */
static void shorten_owner(const struct work *w, struct owner *owner)
{
	for (unsigned depth = w->sname.depth; depth > w->apex_depth; depth--) {
		unsigned len = sname_suffix_rel_len(w, depth);
		uint16_t at = sname_suffix_at(w, depth);
		if (len > owner->rel_len || at == 0)
			continue;
		/* Whole labels: the rest of the owner has to end where the suffix begins. */
		unsigned start = 0;
		while (start < owner->rel_len - len)
			start += owner->rel[start] + 1u;
		if (start == owner->rel_len - len &&
		    memcmp(owner->rel + start, sname_suffix(w, depth), len) == 0) {
			if (start == 0)
				owner->at = owner->suffix_at = at;
			owner->rel_len = (uint8_t)start;
			owner->tail_at = at;
			return;
		}
	}
}

static bool write_part(struct work *w, const struct part *part)
{
	if (part->nsec3 != NULL && w->pos <= STELE_POINTER_MAX)
		return stele_compose_nsec3(w, part->nsec3);
	uint8_t label[1 + STELE_NSEC3_LABEL_SZ];
	struct owner owner = {
		.at = part->at, .suffix_at = part->at, .rel = part->rel, .rel_len = part->rel_len};
	if (part->nsec3 != NULL) {
		label[0] = STELE_NSEC3_LABEL_SZ;
		stele_base32hex_encode(part->nsec3->hash, label + 1);
		owner.rel = label;
		owner.rel_len = sizeof(label);
	} else if (part->at == 0) {
		shorten_owner(w, &owner);
	}
	struct composed where;
	if (!stele_compose_rrset(w, part->body, part->rrset,
				 part->referral_ns ? COMPOSE_RECORDS : compose_with_sigs(w), &owner,
				 &w->authority_cnt, &where))
		return false;
	if (part->referral_ns)
		for (unsigned i = 0; i < w->host_cnt; i++)
			w->hosts[i].source_body_at = where.body_at;
	return true;
}

/* All that was wanted is there: the authority and additional sections. */
static void write_tail(struct work *w)
{
	w->state = WORK_DONE;
	struct memo *memo = NULL;
	unsigned done = 0, memo_part_cnt = w->memo_part_cnt;
	if (w->part_cnt > 0 && w->parts[0].rrset == &w->zone->soa &&
	    w->pos == work_question_end(w)) {
		/* A negative reply: its beginning may be at hand in one piece. */
		const void *key = w->memo_key;
		if (memo_part_cnt == 0) {
			memo_part_cnt = 1;
			key = stele_memo_soa(w->zone, w->edns.dnssec_ok);
		}
		memo = stele_memo_at(&w->shared->memos, key);
		if (stele_memo_replay(w, memo))
			done = memo_part_cnt;
	}
	/* Behind the proof of a wildcard in front of it, perhaps. */
	bool is_referral = false;
	for (unsigned i = done; i < w->part_cnt; i++) {
		is_referral |= w->parts[i].referral_ns;
		if (!write_part(w, &w->parts[i])) {
			w->tc = true;
			return;
		}
		if (memo != NULL && i + 1 == memo_part_cnt)
			stele_memo_capture(w, memo);
	}
	stele_hosts_write(w, is_referral);
}

void stele_tail(struct work *w)
{
	w->state = WORK_TAIL;
	fetch_hosts(w);
	if (w->fetch_cnt == 0)
		write_tail(w);
}
