/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/tail.h"

#include "lib/answer/lookup.h"

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

/* Whether it is glue that the referral cannot do without. */
static bool is_required(const struct stele_ref *ref)
{
	return (stele_le16(ref->name_off) & STELE_REF_IN_DOMAIN) != 0;
}

void stele_tail_add_hosts(struct work *w, const uint8_t *record, const struct stele_rrset *rrset,
			  uint16_t body_at)
{
	if ((rrset->flags & STELE_RRSET_HAS_REFS) == 0)
		return;
	struct stele_name_parts name = stele_name_parts(record);
	struct stele_rrset_trailer trailer =
		stele_rrset_trailer(stele_name_body(&name, rrset), rrset);
	for (unsigned i = 0; i < trailer.ref_cnt; i++) {
		const struct stele_ref *ref = &trailer.refs[i];
		bool required = is_required(ref);
		if (w->host_cnt == HOST_MAX && required) {
			w->rest = ref;
			w->rest_cnt = (uint16_t)(trailer.ref_cnt - i);
			return;
		}
		if (!required && w->host_cnt >= HOST_OPTIONAL_MAX)
			continue;
		bool again = false; /* two SRV or MX records may name one host */
		for (unsigned k = 0; k < w->host_cnt; k++)
			again |= stele_le64(w->hosts[k].ref->key) == stele_le64(ref->key);
		if (!again)
			w->hosts[w->host_cnt++] = (struct host){.ref = ref,
								.source = record,
								.source_rrset = rrset,
								.source_body_at = body_at};
	}
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

/*
 * The wildcard that stands for a host which does not exist, below a cut or not; NULL if there is
 * none. Rare, so all in one go and not through the stages of a batch.
 */
static const uint8_t *find_wildcard_host(const struct work *w, const uint8_t *target)
{
	static const uint8_t star[1 + STELE_LABEL_MAX + NAME_SLACK] = {1, '*'};
	struct stele_hash_seed seed = w->shared->view->seed;
	const uint8_t *starts[STELE_LABELS_MAX + 1];
	unsigned depth = 0;
	for (const uint8_t *p = target; *p != 0; p += *p + 1u)
		starts[depth++] = p;
	if (depth == 0) /* the root is no host below an apex */
		return NULL;
	const uint8_t *end = starts[depth - 1] + *starts[depth - 1] + 2;
	uint64_t hash = w->apex_hash;
	const struct stele_name *encloser = NULL;
	uint64_t encloser_hash = 0;
	for (unsigned d = w->apex_depth; d < depth; d++) {
		if (d > w->apex_depth)
			hash = stele_hash_label(seed, hash, starts[depth - d]);
		const uint8_t *rel = d == w->apex_depth ? end - w->zone->apex_len :
							  starts[depth - d];
		uint64_t key = stele_key_name(seed, hash, w->apex_hash);
		const uint8_t *record =
			stele_view_find(stele_view_name_shard(w->shared->view, key), key);
		if (!lookup_is_name(w, record, rel, (unsigned)(end - rel) - w->zone->apex_len))
			break;
		encloser = (const void *)record;
		encloser_hash = hash;
	}
	if (encloser == NULL || (encloser->flags & STELE_NAME_HAS_WILDCARD) == 0)
		return NULL;
	uint64_t key =
		stele_key_name(seed, stele_hash_label(seed, encloser_hash, star), w->apex_hash);
	const uint8_t *record = stele_view_find(stele_view_name_shard(w->shared->view, key), key);
	uint8_t rel[2 + STELE_NAME_MAX] = {1, '*'};
	memcpy(rel + 2, encloser + 1, encloser->rel_len);
	return lookup_is_name(w, record, rel, encloser->rel_len + 2u) ? record : NULL;
}

/* True if what the key of a host's reference led to is that host: it was carved with the reference, and may lead
 * to another name today. */
static bool is_host(const struct work *w, const uint8_t *record, const uint8_t *body,
		    unsigned name_off, const struct stele_name_parts *source)
{
	if (record == NULL)
		return false;
	const struct stele_name *head = (const void *)record;
	return stele_le32(head->zone_id) == stele_le32(w->zone->zone_id) &&
	       stele_body_name_is(w->zone, body, name_off, source->rel, source->head->rel_len,
				  record + sizeof(*head), head->rel_len);
}

/* The addresses of one host. False if some that the referral cannot do without did not fit. */
static bool write_host(struct work *w, const struct host *host)
{
	unsigned name_off = stele_le16(host->ref->name_off) & STELE_REF_OFF_MASK;
	struct stele_name_parts source = stele_name_parts(host->source);
	const uint8_t *body = stele_name_body(&source, host->source_rrset);
	unsigned at = host->source_body_at != 0 ? host->source_body_at + name_off : 0;
	struct owner owner = {.at = at <= STELE_POINTER_MAX ? (uint16_t)at : 0};
	owner.suffix_at = owner.at;

	const uint8_t *record = host->record;
	uint8_t target[STELE_NAME_MAX + NAME_SLACK];
	if (is_host(w, record, body, name_off, &source)) {
		owner.rel = record + sizeof(struct stele_name);
		owner.rel_len = ((const struct stele_name *)(const void *)record)->rel_len;
	} else {
		size_t len = stele_body_name(w->zone, body, name_off, source.rel,
					     source.head->rel_len, target);
		owner.rel = target;
		owner.rel_len = (uint8_t)(len - w->zone->apex_len);
		record = owner.rel_len > 0 ? find_wildcard_host(w, target) : NULL;
		if (record == NULL)
			return true;
	}

	struct stele_name_parts name = stele_name_parts(record);
	enum compose_what what = name.head->kind == STELE_NAME_AUTHORITATIVE ?
					 compose_with_sigs(w) :
					 COMPOSE_RECORDS;
	const struct stele_rrset *rrset = name.rrsets, *end = rrset + name.rrset_cnt;
	const uint8_t *addresses = (const uint8_t *)end;
	for (; rrset < end && stele_le16(rrset->type) <= STELE_TYPE_AAAA; rrset++) {
		bool wanted = stele_le16(rrset->type) == STELE_TYPE_A ||
			      stele_le16(rrset->type) == STELE_TYPE_AAAA;
		if (wanted && !stele_compose_rrset(w, addresses, rrset, what, &owner,
						   &w->additional_cnt, NULL)) {
			w->glue_missing = true;
			if (is_required(host->ref))
				return false;
		}
		addresses = stele_rrset_end(addresses, rrset);
	}
	return true;
}

/* The required hosts that hosts[] has no room for, all in one go: a message of TCP is nearly full of them. */
static void write_rest(struct work *w)
{
	struct host host = w->hosts[HOST_MAX - 1];
	for (unsigned i = 0; i < w->rest_cnt && !w->tc; i++) {
		if (!is_required(&w->rest[i]))
			continue;
		host.ref = &w->rest[i];
		uint64_t key = stele_le64(host.ref->key);
		host.record = stele_view_find(stele_view_name_shard(w->shared->view, key), key);
		if (!write_host(w, &host))
			w->tc = true;
	}
}

void stele_tail_write_hosts(struct work *w, bool is_referral)
{
	/* Required glue first, so that other addresses never push it out, and not left out without a word
	 * (RFC 9471 section 3.1). */
	for (unsigned i = 0; i < w->host_cnt; i++)
		if (is_required(w->hosts[i].ref) && !write_host(w, &w->hosts[i]))
			w->tc = true;
	if (w->rest_cnt > 0)
		write_rest(w);
	for (unsigned i = 0; i < w->host_cnt; i++)
		if (!is_required(w->hosts[i].ref))
			write_host(w, &w->hosts[i]);
	/* A referral without any of the addresses that there are leads nowhere. */
	if (is_referral && w->glue_missing && w->additional_cnt == 0)
		w->tc = true;
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
	stele_tail_write_hosts(w, is_referral);
}

void stele_tail(struct work *w)
{
	w->state = WORK_TAIL;
	fetch_hosts(w);
	if (w->fetch_cnt == 0)
		write_tail(w);
}
