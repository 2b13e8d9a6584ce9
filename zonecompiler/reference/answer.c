/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/reference/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/svcb.h"

#include <string.h>

#define FOLLOW_MAX 16

static void look_up(struct ref *r);

static struct ref_name apex_of(const struct ref *r)
{
	struct ref_name apex = {.len = r->zone.apex_len};
	memcpy(apex.wire, r->zone.apex, apex.len);
	return apex;
}

/* The name at `off` in rdata. False if there is none. */
static bool name_in(const struct stele_node_rr *rr, size_t off, struct ref_name *ret_name)
{
	if (off > rr->rdata_len)
		return false;
	ret_name->len = stele_name_length(rr->rdata + off, rr->rdata_len - off);
	stele_name_lower(ret_name->wire, rr->rdata + off, ret_name->len);
	return ret_name->len > 0;
}

static bool is_in_zone(const struct ref *r, const struct ref_name *name)
{
	return ref_is_below(name, r->zone.apex, r->zone.apex_len);
}

/* The node of a host, or that of the wildcard that stands for it. */
static bool host_node(struct ref *r, const struct ref_name *host, struct ref_node *ret_node)
{
	if (ref_exists(r, host))
		return ref_node(r, host, ret_node);
	struct ref_name encloser = *host, star;
	while (encloser.len > r->zone.apex_len && !ref_exists(r, &encloser))
		encloser = ref_suffix(&encloser, ref_labels(&encloser) - 1);
	return ref_star(&encloser, &star) && ref_node(r, &star, ret_node);
}

/* The host that a record names: in SVCB and HTTPS the root is `owner`, or nobody if that is a wildcard. */
static bool host_of(const struct ref_name *owner, uint16_t type, const struct stele_node_rr *rr,
		    size_t off, struct ref_name *ret_host)
{
	if (rr->rdata_len < 3 || !stele_svc_is_own(type, rr->rdata))
		return name_in(rr, off, ret_host);
	if (stele_svc_is_alias(rr->rdata) || (owner->wire[0] == 1 && owner->wire[1] == '*'))
		return false;
	*ret_host = *owner;
	return true;
}

/*
 * Addresses of the hosts that an RRset names, if they stand in this zone. Those at or below a zone
 * cut are glue and have no signatures. `cut` is that of a referral, else NULL: what its own
 * hosts need is required. SVCB and HTTPS bring along those of their hosts, but those of `owner`, theirs, are there.
 */
static void add_addresses(struct ref *r, const struct ref_name *owner,
			  const struct stele_node_rrset *rrset, const struct ref_name *cut)
{
	int off = stele_rdata_additional_name(rrset->type);
	const uint8_t *p = rrset->data;
	for (unsigned i = 0; off >= 0 && i < rrset->rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		struct ref_name host;
		struct ref_node node;
		if (!host_of(owner, rrset->type, &rr, (size_t)off, &host) ||
		    !is_in_zone(r, &host) || !host_node(r, &host, &node))
			continue;
		bool is_glue = ref_is_occluded(r, &node.owner);
		unsigned what = is_glue ? REF_RECORDS : ref_wanted(r);
		bool required = cut != NULL && ref_is_below(&host, cut->wire, cut->len);
		const uint16_t types[] = {STELE_TYPE_A, STELE_TYPE_AAAA, rrset->type};
		bool is_own = node.owner.len == owner->len &&
			      memcmp(node.owner.wire, owner->wire, owner->len) == 0;
		unsigned type_cnt = stele_svc_is(rrset->type) && !is_own && !is_glue ? 3 : 2;
		for (unsigned t = 0; t < type_cnt; t++) {
			struct stele_node_rrset addresses;
			if (ref_rrset(&node, types[t], &addresses))
				ref_add(r, STELE_MESSAGE_ADDITIONAL, &host, &addresses, what,
					addresses.ttl, required);
		}
	}
}

/* The SOA of a negative answer: its TTL is at most its last field (RFC 2308 section 3). */
static void add_soa(struct ref *r)
{
	struct ref_name apex = apex_of(r);
	struct ref_node node;
	struct stele_node_rrset soa;
	if (!ref_node(r, &apex, &node) || !ref_rrset(&node, STELE_TYPE_SOA, &soa))
		return;
	const uint8_t *p = soa.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	uint32_t minimum = stele_get_be32(rr.rdata + rr.rdata_len - 4);
	ref_add(r, STELE_MESSAGE_AUTHORITY, &apex, &soa, ref_wanted(r),
		minimum < soa.ttl ? minimum : soa.ttl, false);
}

static void refer(struct ref *r, const struct ref_node *cut)
{
	struct stele_node_rrset ns, ds;
	if (r->followed == 0)
		r->reply->aa = false;
	ref_rrset(cut, STELE_TYPE_NS, &ns);
	ref_add(r, STELE_MESSAGE_AUTHORITY, &cut->owner, &ns, REF_RECORDS, ns.ttl, false);
	/* A DS that nobody signed proves nothing. */
	if (!ref_rrset(cut, STELE_TYPE_DS, &ds) || ds.sig_cnt == 0)
		ref_prove_no_ds(r, &cut->owner);
	else if (r->question->dnssec_ok)
		ref_add(r, STELE_MESSAGE_AUTHORITY, &cut->owner, &ds, REF_RECORDS | REF_SIGS,
			ds.ttl, false);
	add_addresses(r, &cut->owner, &ns, &cut->owner);
}

/* Goes on with another name, if it is in this zone. */
static void follow(struct ref *r, const struct ref_name *target)
{
	if (!is_in_zone(r, target) || ++r->followed > FOLLOW_MAX)
		return;
	r->name = *target;
	look_up(r);
}

static void no_data(struct ref *r, const struct ref_name *wildcard_encloser)
{
	add_soa(r);
	if (wildcard_encloser != NULL)
		ref_prove_no_wildcard_type(r, &r->name, wildcard_encloser);
	else
		ref_prove_no_type(r, &r->name);
}

/* ANY and RRSIG: all RRsets, or only the first (an NSEC comes last then). True if there is one. */
static bool add_all(struct ref *r, const struct ref_node *node)
{
	bool sigs_only = r->question->qtype == STELE_TYPE_RRSIG;
	struct stele_node_rrset rrset;
	size_t at = 0;
	bool some = false;
	while (stele_node_next(node->bytes, node->sz, &at, &rrset)) {
		if (rrset.rr_cnt == 0 || (sigs_only && rrset.sig_cnt == 0))
			continue;
		if (r->question->any_minimal && !sigs_only && rrset.type == STELE_TYPE_NSEC &&
		    at < node->sz)
			continue;
		ref_add(r, STELE_MESSAGE_ANSWER, &r->name, &rrset,
			sigs_only ? REF_SIGS : ref_wanted(r), rrset.ttl, false);
		some = true;
		if (r->question->any_minimal)
			break;
	}
	return some;
}

/*
 * The records of `node` answer for r->name: its own node, or that of the wildcard below
 * `wildcard_encloser`. `node` is NULL for an empty non-terminal.
 */
static void answer_from(struct ref *r, const struct ref_node *node,
			const struct ref_name *wildcard_encloser)
{
	uint16_t qtype = r->question->qtype;
	struct stele_node_rrset rrset;
	if (node == NULL) {
		no_data(r, wildcard_encloser);
		return;
	}
	if (qtype == STELE_TYPE_ANY || qtype == STELE_TYPE_RRSIG) {
		if (!add_all(r, node))
			no_data(r, wildcard_encloser);
		else if (wildcard_encloser != NULL)
			ref_prove_wildcard(r, &r->name, wildcard_encloser);
		return;
	}
	bool is_alias = !ref_rrset(node, qtype, &rrset) &&
			ref_rrset(node, STELE_TYPE_CNAME, &rrset);
	if (!is_alias && !ref_rrset(node, qtype, &rrset)) {
		no_data(r, wildcard_encloser);
		return;
	}
	ref_add(r, STELE_MESSAGE_ANSWER, &r->name, &rrset, ref_wanted(r), rrset.ttl, false);
	if (wildcard_encloser != NULL)
		ref_prove_wildcard(r, &r->name, wildcard_encloser);
	if (!is_alias) {
		add_addresses(r, &node->owner, &rrset, NULL);
		return;
	}
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	struct ref_name target;
	if (name_in(&rr, 0, &target))
		follow(r, &target);
}

/* RFC 6672 section 3.2. `dname` is that of `owner`, above r->name. */
static void substitute(struct ref *r, const struct ref_name *owner,
		       const struct stele_node_rrset *dname)
{
	ref_add(r, STELE_MESSAGE_ANSWER, owner, dname, ref_wanted(r), dname->ttl, false);
	const uint8_t *p = dname->data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	struct ref_name target, alias = {.len = r->name.len - owner->len};
	if (!name_in(&rr, 0, &target))
		return;
	if (alias.len + target.len > STELE_NAME_MAX) {
		r->reply->rcode = STELE_RCODE_YXDOMAIN;
		return;
	}
	memcpy(alias.wire, r->name.wire, alias.len);
	memcpy(alias.wire + alias.len, target.wire, target.len);
	alias.len += target.len;
	ref_add_rr(r, STELE_MESSAGE_ANSWER, &r->name, STELE_TYPE_CNAME, dname->ttl, alias.wire,
		   alias.len, false);
	if (r->question->qtype != STELE_TYPE_CNAME)
		follow(r, &alias);
}

/* No name like r->name: the wildcard below its closest encloser, or nothing (RFC 4592). */
static void look_up_wildcard(struct ref *r, const struct ref_name *encloser)
{
	struct ref_name star;
	struct ref_node node;
	struct stele_node_rrset ns;
	if (!ref_star(encloser, &star) || !ref_exists(r, &star)) {
		r->reply->rcode = STELE_RCODE_NXDOMAIN;
		add_soa(r);
		ref_prove_no_name(r, &r->name, encloser);
		return;
	}
	bool has_records = ref_node(r, &star, &node);
	if (has_records && ref_rrset(&node, STELE_TYPE_NS, &ns))
		r->reply->undefined = true; /* RFC 4592 section 4.2 */
	answer_from(r, has_records ? &node : NULL, encloser);
}

/* RFC 1034 section 4.3.2 step 3: matching down from the apex, label by label. */
static void look_up(struct ref *r)
{
	struct ref_name apex = apex_of(r);
	unsigned labels = ref_labels(&apex), last = ref_labels(&r->name);
	for (;; labels++) {
		struct ref_name here = ref_suffix(&r->name, labels);
		struct ref_node node;
		struct stele_node_rrset rrset;
		bool has_records = ref_node(r, &here, &node);
		if (r->status != 0)
			return;
		if (!has_records && !ref_exists(r, &here)) {
			struct ref_name encloser = ref_suffix(&r->name, labels - 1);
			look_up_wildcard(r, &encloser);
			return;
		}
		bool is_cut = has_records && labels > ref_labels(&apex) &&
			      ref_rrset(&node, STELE_TYPE_NS, &rrset);
		/* DS alone belongs to the upper side of a cut (RFC 4035 section 3.1.4.1). */
		if (is_cut && !(labels == last && r->question->qtype == STELE_TYPE_DS)) {
			refer(r, &node);
			return;
		}
		if (labels == last) {
			answer_from(r, has_records ? &node : NULL, NULL);
			return;
		}
		if (has_records && ref_rrset(&node, STELE_TYPE_DNAME, &rrset)) {
			substitute(r, &here, &rrset);
			return;
		}
	}
}

int reference_answer(struct stele_store_read *read, const struct reference_question *question,
		     struct reference_reply *ret_reply, struct stele_error *reterr)
{
	struct reference_reply reply = {.rcode = STELE_RCODE_NOERROR};
	struct ref r = {.read = read, .question = question, .reply = &reply, .err = reterr};
	r.name.len = question->qname_len;
	memcpy(r.name.wire, question->qname, question->qname_len);
	if (ref_find_zone(&r)) {
		reply.aa = true;
		look_up(&r);
	} else {
		reply.rcode = STELE_RCODE_REFUSED;
	}
	if (r.status != 0) {
		reference_reply_free(&reply);
		return r.status;
	}
	*ret_reply = reply;
	return 0;
}
