/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/compose.h"
#include "lib/answer/denial.h"
#include "lib/answer/lookup.h"

#include <string.h>

/*
 * The algorithm of RFC 1034 section 4.3.2 (with 4592 for wildcards, 6672 for DNAME), as a state
 * machine: a step takes what was fetched, decides, and asks for what it needs next.
 *
 *   start -> ZONE -> name found ----------------> found() -> answer, CNAME target, cut, NODATA
 *                 -> no such name -> ENCLOSER --> miss()  -> referral, DNAME, wildcard, NXDOMAIN
 *   ... -> TAIL: proofs and hosts are fetched, then the authority and additional sections written
 *
 * The answer section is written as it is found; the other two at the end.
 */

static void found(struct work *w, const uint8_t *record);

static void fail(struct work *w, enum stele_rcode rcode, int ede)
{
	w->rcode = (uint16_t)rcode;
	w->ede = ede;
	w->state = WORK_DONE;
}

static void truncate_reply(struct work *w)
{
	w->tc = true;
	w->state = WORK_DONE;
}

/* ---- names ---- */

/* True if `record` is the zone's name whose relative owner is `rel`. */
static bool is_name(const struct work *w, const uint8_t *record, const uint8_t *rel,
		    unsigned rel_len)
{
	if (record == NULL)
		return false;
	const struct stele_name *head = (const void *)record;
	return head->rel_len == rel_len && memcmp(record + sizeof(*head), rel, rel_len) == 0 &&
	       stele_le32(head->zone_id) == stele_le32(w->zone->zone_id);
}

static bool is_suffix_of_sname(const struct work *w, const uint8_t *record, unsigned depth)
{
	return is_name(w, record, sname_suffix(w, depth), sname_suffix_rel_len(w, depth));
}

static const struct stele_rrset *find_rrset(const struct stele_name_parts *name, uint16_t type)
{
	for (unsigned i = 0; i < name->rrset_cnt; i++)
		if (stele_le16(name->rrsets[i].type) == type)
			return &name->rrsets[i];
	return NULL;
}

/* ---- sections ---- */

static void add_soa(struct work *w)
{
	if (w->part_cnt >= PART_MAX)
		return;
	struct part *part = &w->parts[w->part_cnt++];
	*part = (struct part){.body = stele_zone_soa_body(w->zone),
			      .rrset = &w->zone->soa,
			      .rel = w->sname.wire,
			      .at = w->apex_at};
}

static void add_hosts(struct work *w, const uint8_t *record, const struct stele_rrset *rrset,
		      uint16_t body_at)
{
	if ((rrset->flags & STELE_RRSET_HAS_REFS) == 0)
		return;
	struct stele_name_parts name = stele_name_parts(record);
	struct stele_rrset_trailer trailer =
		stele_rrset_trailer(stele_name_body(&name, rrset), rrset);
	for (unsigned i = 0; i < trailer.ref_cnt && w->host_cnt < HOST_MAX; i++) {
		const struct stele_ref *ref = &trailer.refs[i];
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

static enum compose_what with_sigs(const struct work *w)
{
	return w->edns.dnssec_ok ? COMPOSE_WITH_SIGS : COMPOSE_RECORDS;
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
				 part->referral_ns ? COMPOSE_RECORDS : with_sigs(w), &owner,
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
		if (!is_name(w, record, rel, (unsigned)(end - rel) - w->zone->apex_len))
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
	return is_name(w, record, rel, encloser->rel_len + 2u) ? record : NULL;
}

/* The addresses of one host. False if some that the referral cannot do without did not fit. */
static bool write_host(struct work *w, const struct host *host)
{
	const uint8_t *record = host->record;
	unsigned name_off = stele_le16(host->ref->name_off);
	bool required = (name_off & STELE_REF_IN_DOMAIN) != 0;
	name_off &= STELE_REF_OFF_MASK;

	/* The key was carved with the reference; what it finds today may be another name. */
	struct stele_name_parts source = stele_name_parts(host->source);
	uint8_t target[STELE_NAME_MAX + NAME_SLACK];
	size_t len = stele_body_name(w->zone, stele_name_body(&source, host->source_rrset),
				     name_off, source.rel, source.head->rel_len, target);
	unsigned rel_len = (unsigned)len - w->zone->apex_len;
	if (!is_name(w, record, target, rel_len))
		record = rel_len > 0 ? find_wildcard_host(w, target) : NULL;
	if (record == NULL)
		return true;

	struct stele_name_parts name = stele_name_parts(record);
	bool signed_here = name.head->kind == STELE_NAME_AUTHORITATIVE;
	unsigned at = host->source_body_at != 0 ? host->source_body_at + name_off : 0;
	struct owner owner = {.at = at <= STELE_POINTER_MAX ? (uint16_t)at : 0,
			      .rel = target,
			      .rel_len = (uint8_t)rel_len};
	owner.suffix_at = owner.at;
	static const uint16_t types[] = {STELE_TYPE_A, STELE_TYPE_AAAA};
	for (unsigned i = 0; i < 2; i++) {
		const struct stele_rrset *rrset = find_rrset(&name, types[i]);
		if (rrset != NULL &&
		    !stele_compose_rrset(w, stele_name_body(&name, rrset), rrset,
					 signed_here ? with_sigs(w) : COMPOSE_RECORDS, &owner,
					 &w->additional_cnt, NULL)) {
			w->glue_missing = true;
			if (required)
				return false;
		}
	}
	return true;
}

/* All that was wanted is there: the authority and additional sections. */
static void write_tail(struct work *w)
{
	w->state = WORK_DONE;
	struct memo *memo = NULL;
	unsigned done = 0, memo_part_cnt = w->memo_part_cnt;
	if (w->part_cnt > 0 && w->parts[0].rrset == &w->zone->soa &&
	    w->pos == STELE_HEADER_SZ + w->qname_len + 4u) {
		/* A negative reply: its beginning may be at hand in one piece. */
		const void *key = w->memo_key;
		if (memo_part_cnt == 0) {
			memo_part_cnt = 1;
			key = (const uint8_t *)&w->zone->soa + w->edns.dnssec_ok;
		}
		memo = stele_memo_at(w->shared->memos, key);
		if (stele_memo_replay(w, memo))
			done = memo_part_cnt;
	}
	for (unsigned i = done; i < w->part_cnt; i++) {
		if (!write_part(w, &w->parts[i])) {
			w->tc = true;
			return;
		}
		if (memo != NULL && i + 1 == memo_part_cnt)
			stele_memo_capture(w, memo);
	}
	/* Required glue first, so that other addresses never push it out (RFC 9471). */
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < w->host_cnt; i++) {
			bool required =
				(stele_le16(w->hosts[i].ref->name_off) & STELE_REF_IN_DOMAIN) != 0;
			if (required == (pass == 0) && !write_host(w, &w->hosts[i]))
				w->tc = true;
		}
	}
	/* A referral without any of the addresses that there are leads nowhere. */
	if (w->glue_missing && w->additional_cnt == 0 && w->part_cnt > 0 && w->parts[0].referral_ns)
		w->tc = true;
}

static void tail(struct work *w)
{
	w->state = WORK_TAIL;
	fetch_hosts(w);
	if (w->fetch_cnt == 0)
		write_tail(w);
}

/* ---- answers ---- */

static void nodata(struct work *w)
{
	add_soa(w);
	if (w->lo != 0xff)
		stele_deny_wildcard_type(w);
	else
		stele_deny_type(w);
	tail(w);
}

static void nxdomain(struct work *w)
{
	w->rcode = STELE_RCODE_NXDOMAIN;
	add_soa(w);
	stele_deny_name(w);
	tail(w);
}

static void referral(struct work *w, const uint8_t *cut, unsigned depth)
{
	struct stele_name_parts name = stele_name_parts(cut);
	const struct stele_rrset *ns = find_rrset(&name, STELE_TYPE_NS);
	const struct stele_rrset *ds = find_rrset(&name, STELE_TYPE_DS);
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
	add_hosts(w, cut, ns, 0);
	tail(w);
}

/* The owner of w->record's RRsets in this reply. */
static struct owner answer_owner(const struct work *w, const struct stele_name_parts *name)
{
	uint16_t at = sname_suffix_at(w, w->sname.depth);
	struct owner owner = {
		.at = at, .suffix_at = at, .rel = name->rel, .rel_len = name->head->rel_len};
	if (w->lo != 0xff) {
		/* Made from a wildcard: its suffix begins behind "*", as the encloser's name does. */
		uint16_t encloser_at = sname_suffix_at(w, w->lo);
		owner.suffix_at = (uint16_t)(encloser_at - 2);
		if (at == 0 || encloser_at == 0) {
			owner.at = 0;
			owner.rel = w->sname.wire;
			owner.rel_len = (uint8_t)sname_suffix_rel_len(w, w->sname.depth);
		}
	}
	return owner;
}

/* True if a chain has put this RRset into the answer section already. */
static bool is_written_dname(const struct work *w, const struct stele_rrset *rrset)
{
	for (unsigned i = 0; i < w->dname_cnt; i++)
		if (w->dnames[i] == rrset)
			return true;
	return false;
}

static void write_all(struct work *w, const struct stele_name_parts *name, bool sigs_only)
{
	struct owner owner = answer_owner(w, name);
	bool first_only = w->shared->settings->any_minimal && !w->query->tcp;
	for (unsigned i = 0; i < name->rrset_cnt; i++) {
		const struct stele_rrset *rrset = &name->rrsets[i];
		if (sigs_only && rrset->sig_cnt == 0)
			continue;
		if (is_written_dname(w, rrset)) {
			if (first_only)
				break;
			continue;
		}
		/* One RRset that somebody may have a use for. */
		if (first_only && !sigs_only && stele_le16(rrset->type) == STELE_TYPE_NSEC &&
		    i + 1 < name->rrset_cnt)
			continue;
		if (!stele_compose_rrset(w, stele_name_body(name, rrset), rrset,
					 sigs_only ? COMPOSE_SIGS_ONLY : with_sigs(w), &owner,
					 &w->answer_cnt, NULL)) {
			truncate_reply(w);
			return;
		}
		if (first_only)
			break;
	}
	tail(w);
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

/* The CNAME RRset of w->record goes into the answer; then on with its target. */
static void follow_cname(struct work *w, const struct stele_name_parts *name,
			 const struct stele_rrset *cname)
{
	struct owner owner = answer_owner(w, name);
	struct composed where;
	const uint8_t *body = stele_name_body(name, cname);
	if (!stele_compose_rrset(w, body, cname, with_sigs(w), &owner, &w->answer_cnt, &where)) {
		truncate_reply(w);
		return;
	}
	if (w->lo != 0xff)
		stele_deny_closer(w);
	struct stele_rrset_trailer trailer = stele_rrset_trailer(body, cname);
	if (trailer.ref_cnt == 0 || !chain_goes_on(w, stele_le64(trailer.refs[0].key))) {
		tail(w); /* out of the zone, or round and round */
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

static void follow_dname(struct work *w, const uint8_t *record, unsigned depth)
{
	struct stele_name_parts name = stele_name_parts(record);
	const struct stele_rrset *dname = find_rrset(&name, STELE_TYPE_DNAME);
	uint16_t at = sname_suffix_at(w, depth);
	struct owner owner = {
		.at = at, .suffix_at = at, .rel = name.rel, .rel_len = name.head->rel_len};
	bool written = is_written_dname(w, dname); /* a chain may come by it again */
	const uint8_t *body = stele_name_body(&name, dname);
	if (!written &&
	    !stele_compose_rrset(w, body, dname, with_sigs(w), &owner, &w->answer_cnt, NULL)) {
		truncate_reply(w);
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
		tail(w);
		return;
	}
	uint8_t target[STELE_NAME_MAX];
	memcpy(target, w->sname.wire, prefix_len);
	memcpy(target + prefix_len, suffix, suffix_len);
	struct composed where;
	if (!stele_compose_cname(w, sname_suffix_at(w, w->sname.depth), stele_get_be32(body + 6),
				 target, prefix_len + suffix_len, &where)) {
		truncate_reply(w);
		return;
	}
	if (w->qtype == STELE_TYPE_CNAME || !below_apex(w, target, prefix_len + suffix_len)) {
		tail(w);
		return;
	}
	set_sname(w, target, prefix_len + suffix_len, where.rdata_at);
	lookup_hash_suffixes(w);
	uint64_t key =
		stele_key_name(w->shared->view->seed, w->suffix[w->sname.depth], w->apex_hash);
	if (!chain_goes_on(w, key)) {
		tail(w);
		return;
	}
	work_fetch(w, FETCH_NAME, ROLE_NAME, key);
	w->state = WORK_TARGET;
}

/* w->record is what answers: the name itself, or a wildcard (w->lo set). */
static void answer(struct work *w)
{
	struct stele_name_parts name = stele_name_parts(w->record);
	bool at_cut = name.head->kind == STELE_NAME_CUT;
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
	const struct stele_rrset *rrset = find_rrset(&name, w->qtype);
	if (rrset == NULL || (at_cut && w->qtype != STELE_TYPE_DS)) {
		const struct stele_rrset *cname = NULL;
		if (name.head->flags & STELE_NAME_HAS_CNAME)
			cname = find_rrset(&name, STELE_TYPE_CNAME);
		if (cname != NULL)
			follow_cname(w, &name, cname);
		else
			nodata(w);
		return;
	}
	if (is_written_dname(w, rrset)) {
		tail(w); /* the end of a chain that began here */
		return;
	}
	struct owner owner = answer_owner(w, &name);
	struct composed where;
	if (!stele_compose_rrset(w, stele_name_body(&name, rrset), rrset, with_sigs(w), &owner,
				 &w->answer_cnt, &where)) {
		truncate_reply(w);
		return;
	}
	if (w->lo != 0xff)
		stele_deny_closer(w);
	if (stele_rdata_additional_name(w->qtype) >= 0)
		add_hosts(w, w->record, rrset, where.body_at);
	if (w->fetch_cnt == 0 && w->part_cnt == 0 && w->host_cnt == 0)
		w->state = WORK_DONE;
	else
		tail(w);
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
		follow_dname(w, w->encloser, w->lo);
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
		fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_NOT_READY);
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
	w->host_cnt = 0;
	w->host_fetched = 0;
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
		if (!is_name(w, record, rel, rel_len + 2)) {
			fail(w, STELE_RCODE_SERVFAIL, STELE_EDE_INVALID_DATA);
			break;
		}
		w->record = record;
		answer(w);
		break;
	}
	case WORK_TAIL:
		tail(w);
		break;
	case WORK_DONE:
		break;
	}
}
