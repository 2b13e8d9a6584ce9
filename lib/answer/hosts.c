/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/hosts.h"

#include "lib/answer/compose.h"
#include "lib/answer/lookup.h"
#include "lib/dns/svcb.h"

#include <string.h>

/* The least that a host adds to a message: an A record whose owner is a pointer. */
#define ADDRESS_SZ (2 + STELE_RR_FIXED_SZ + 4)

/* Whether it is glue that the referral cannot do without. */
static bool is_required(const struct stele_ref *ref)
{
	return (stele_le16(ref->name_off) & STELE_REF_IN_DOMAIN) != 0;
}

void stele_hosts_add(struct work *w, const uint8_t *record, const struct stele_rrset *rrset,
		     uint16_t body_at)
{
	if ((rrset->flags & STELE_RRSET_HAS_REFS) == 0)
		return;
	struct stele_name_parts name = stele_name_parts(record);
	struct stele_rrset_trailer trailer =
		stele_rrset_trailer(stele_name_body(&name, rrset), rrset);
	bool is_ns = stele_le16(rrset->type) == STELE_TYPE_NS;
	unsigned optional_max = w->limit / ADDRESS_SZ < HOST_MAX ? w->limit / ADDRESS_SZ : HOST_MAX;
	for (unsigned i = 0; i < trailer.ref_cnt; i++) {
		const struct stele_ref *ref = &trailer.refs[i];
		bool required = is_required(ref);
		if (w->host_cnt == HOST_MAX && required) {
			w->rest = ref;
			w->rest_cnt = (uint16_t)(trailer.ref_cnt - i);
			return;
		}
		if (!required && w->host_cnt >= optional_max)
			continue;
		/* Two records may name one host, but for those of NS. */
		bool again = false;
		for (unsigned k = 0; k < w->host_cnt && !is_ns; k++)
			again |= stele_le64(w->hosts[k].ref->key) == stele_le64(ref->key);
		if (!again)
			w->hosts[w->host_cnt++] = (struct host){.ref = ref,
								.source = record,
								.source_rrset = rrset,
								.source_body_at = body_at};
	}
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

/* The RRset whose hosts are written one after the other. */
struct host_source {
	const struct stele_rrset *rrset;
	struct stele_name_parts name;
	const uint8_t *body; /* NULL: none yet */
	uint16_t service;    /* its type, if that is SVCB or HTTPS, else 0 */
};

static void take_source(struct host_source *source, const struct host *host)
{
	if (source->body != NULL && source->rrset == host->source_rrset)
		return;
	source->rrset = host->source_rrset;
	source->name = stele_name_parts(host->source);
	source->body = stele_name_body(&source->name, host->source_rrset);
	uint16_t type = stele_le16(host->source_rrset->type);
	source->service = stele_svc_is(type) ? type : 0;
}

/* True if what the key of a host's reference led to is that host: it was carved with the reference, and may lead
 * to another name today. */
static bool is_host(const struct work *w, const uint8_t *record, unsigned name_off,
		    const struct host_source *source)
{
	if (record == NULL)
		return false;
	const struct stele_name *head = (const void *)record;
	return stele_le32(head->zone_id) == stele_le32(w->zone->zone_id) &&
	       stele_body_name_is(w->zone, source->body, name_off, source->name.rel,
				  source->name.head->rel_len, record + sizeof(*head),
				  head->rel_len);
}

/* As stele_compose_rrset(), for addresses and services, which have no names in their rdata that are compressed. */
static bool write_addresses(struct work *w, const uint8_t *body, const struct stele_rrset *rrset,
			    enum compose_what what, const struct owner *owner)
{
	if (owner->at == 0)
		return stele_compose_rrset(w, body, rrset, what, owner, &w->additional_cnt, NULL);
	uint32_t len = stele_le16(rrset->plain_len);
	unsigned rr_cnt = stele_le16(rrset->rr_cnt);
	if (what == COMPOSE_WITH_SIGS) {
		len += stele_le16(rrset->sig_len);
		rr_cnt += rrset->sig_cnt;
	}
	if (w->pos + len > w->limit)
		return false;
	uint8_t *out = w->reply->buf + w->pos;
	stele_copy(out, body, len);
	stele_compose_point_owners(out, rr_cnt, owner->at);
	w->pos += len;
	w->additional_cnt = (uint16_t)(w->additional_cnt + rr_cnt);
	return true;
}

/* The addresses that a record has, and of SVCB or HTTPS records the same at their target. False as write_host(). */
static inline bool write_record(struct work *w, const struct host *host,
				const struct host_source *source, const uint8_t *record,
				const struct owner *owner)
{
	struct stele_name_parts name = stele_name_parts(record);
	enum compose_what what = name.head->kind == STELE_NAME_AUTHORITATIVE ?
					 compose_with_sigs(w) :
					 COMPOSE_RECORDS;
	const struct stele_rrset *rrset = name.rrsets, *end = rrset + name.rrset_cnt;
	const uint8_t *addresses = (const uint8_t *)end;
	uint16_t service = source->service;
	/* The answer has those of its own owner, and those at a cut are another zone's. */
	if (service != 0 && (record == host->source || name.head->kind != STELE_NAME_AUTHORITATIVE))
		service = 0;
	uint16_t last = service != 0 ? service : STELE_TYPE_AAAA;
	for (; rrset < end && stele_le16(rrset->type) <= last; rrset++) {
		uint16_t type = stele_le16(rrset->type);
		bool wanted = type == STELE_TYPE_A || type == STELE_TYPE_AAAA || type == service;
		if (wanted && !write_addresses(w, addresses, rrset, what, owner)) {
			w->glue_missing = true;
			if (is_required(host->ref))
				return false;
		}
		addresses = stele_rrset_end(addresses, rrset);
	}
	return true;
}

/* The same of what a wildcard makes of a host that does not exist. */
static __attribute__((noinline)) bool write_wildcard_host(struct work *w, const struct host *host,
							  const struct host_source *source,
							  uint16_t at)
{
	uint8_t target[STELE_NAME_MAX + NAME_SLACK];
	unsigned name_off = stele_le16(host->ref->name_off) & STELE_REF_OFF_MASK;
	size_t len = stele_body_name(w->zone, source->body, name_off, source->name.rel,
				     source->name.head->rel_len, target);
	struct owner owner = {.at = at,
			      .suffix_at = at,
			      .rel = target,
			      .rel_len = (uint8_t)(len - w->zone->apex_len)};
	const uint8_t *record = owner.rel_len > 0 ? find_wildcard_host(w, target) : NULL;
	return record == NULL || write_record(w, host, source, record, &owner);
}

/* The addresses of one host. False if some that the referral cannot do without did not fit. */
static bool write_host(struct work *w, const struct host *host, struct host_source *source)
{
	unsigned name_off = stele_le16(host->ref->name_off) & STELE_REF_OFF_MASK;
	take_source(source, host);
	unsigned at = host->source_body_at != 0 ? host->source_body_at + name_off : 0;
	struct owner owner = {.at = at <= STELE_POINTER_MAX ? (uint16_t)at : 0};
	owner.suffix_at = owner.at;

	const uint8_t *record = host->record;
	if (!is_host(w, record, name_off, source))
		return write_wildcard_host(w, host, source, owner.at);
	owner.rel = record + sizeof(struct stele_name);
	owner.rel_len = ((const struct stele_name *)(const void *)record)->rel_len;
	return write_record(w, host, source, record, &owner);
}

/* The required hosts that hosts[] has no room for, all in one go: a message of TCP is nearly full of them. */
static void write_rest(struct work *w, struct host_source *source)
{
	struct host host = w->hosts[HOST_MAX - 1];
	for (unsigned i = 0; i < w->rest_cnt && !w->tc; i++) {
		if (!is_required(&w->rest[i]))
			continue;
		host.ref = &w->rest[i];
		uint64_t key = stele_le64(host.ref->key);
		host.record = stele_view_find(stele_view_name_shard(w->shared->view, key), key);
		if (!write_host(w, &host, source))
			w->tc = true;
	}
}

void stele_hosts_write(struct work *w, bool is_referral)
{
	/* Required glue first, so that other addresses never push it out, and not left out without a word
	 * (RFC 9471 section 3.1). */
	struct host_source source = {.body = NULL};
	for (unsigned i = 0; i < w->host_cnt; i++)
		if (is_required(w->hosts[i].ref) && !write_host(w, &w->hosts[i], &source))
			w->tc = true;
	if (w->rest_cnt > 0)
		write_rest(w, &source);
	for (unsigned i = 0; i < w->host_cnt; i++)
		if (!is_required(w->hosts[i].ref))
			write_host(w, &w->hosts[i], &source);
	/* A referral without any of the addresses that there are leads nowhere. */
	if (is_referral && w->glue_missing && w->additional_cnt == 0)
		w->tc = true;
}
