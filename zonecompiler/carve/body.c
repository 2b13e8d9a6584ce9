/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/body.h"

#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/svcb.h"

/* Owner pointer, type, class, TTL, rdata length. */
#define RR_HEAD_SZ (2 + STELE_RR_FIXED_SZ)

void stele_carver_free(struct stele_carver *carver)
{
	stele_buffer_free(&carver->patches);
	stele_buffer_free(&carver->refs);
}

void stele_carve_owner(struct stele_carver *carver, const struct stele_carve_zone *zone,
		       const uint8_t *owner, unsigned owner_len, bool is_wildcard, bool is_cut)
{
	carver->zone = zone;
	carver->owner = owner;
	carver->owner_len = (uint8_t)owner_len;
	carver->owner_is_wildcard = is_wildcard;
	carver->owner_is_cut = is_cut;
	stele_compress_owner(&carver->compress, owner, owner_len, zone->apex_labels, is_wildcard);
}

/* Adding the words of another byte order and swapping the sum gives the same (RFC 1071 section 2). */
uint16_t stele_carve_sum(const uint8_t *bytes, size_t len)
{
	uint64_t sum = 0;
	for (; len >= 4; bytes += 4, len -= 4)
		sum += stele_get_le32(bytes);
	if (len >= 2) {
		sum += stele_get_le16(bytes);
		bytes += 2;
		len -= 2;
	}
	if (len > 0)
		sum += *bytes;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return __builtin_bswap16((uint16_t)sum);
}

/* Notes the name in rdata, `off` bytes into the body, if it lies in the zone. */
static int add_ref(struct stele_carver *carver, uint16_t type, const uint8_t *name, uint32_t off,
		   struct stele_error *reterr)
{
	const struct stele_carve_zone *zone = carver->zone;
	uint8_t target[STELE_NAME_MAX + STELE_HASH_SLACK];
	size_t len = stele_name_length(name, STELE_NAME_MAX);
	if (off > STELE_REF_OFF_MASK || len < zone->apex_len)
		return 0;
	stele_name_lower(target, name, len);
	if (!stele_name_is_below(target, len, zone->apex, zone->apex_len))
		return 0;
	uint64_t hash =
		stele_carve_hash_below(zone->seed, zone->apex_hash, target, len - zone->apex_len);
	bool in_domain = type == STELE_TYPE_NS && carver->owner_is_cut &&
			 stele_name_is_below(target, len, carver->owner, carver->owner_len);
	struct stele_ref ref = {
		.key = stele_to_le64(stele_key_name(zone->seed, hash, zone->apex_hash)),
		.name_off = stele_to_le16((uint16_t)(off | (in_domain ? STELE_REF_IN_DOMAIN : 0))),
	};
	return stele_buffer_add(&carver->refs, &ref, sizeof(ref), reterr);
}

static int add_patch(struct stele_carver *carver, uint32_t off, struct stele_error *reterr)
{
	uint8_t patch[2];
	stele_put_le16(patch, (uint16_t)off);
	return stele_buffer_add(&carver->patches, patch, sizeof(patch), reterr);
}

/*
 * Copies rdata to `to`, `off` bytes into the body, with its names compressed. Returns its new length.
 */
static int put_rdata(struct stele_carver *carver, uint16_t type, const struct stele_node_rr *rr,
		     uint8_t *to, uint32_t off, bool *self_pointers, struct stele_error *reterr)
{
	uint16_t names[2];
	unsigned name_cnt = stele_rdata_compressible_names(type, rr->rdata, rr->rdata_len, names);
	uint32_t from = 0, len = 0;
	for (unsigned i = 0; i < name_cnt; i++) {
		memcpy(to + len, rr->rdata + from, names[i] - from);
		len += names[i] - from;
		const uint8_t *name = rr->rdata + names[i];
		uint16_t pointer;
		len += stele_compress_name(&carver->compress, name, to + len, off + len,
					   type == STELE_TYPE_CNAME, &pointer);
		if (pointer != 0) {
			int rc = add_patch(carver, off + len - 2, reterr);
			if (rc < 0)
				return rc;
			*self_pointers |= pointer >= carver->compress.body_base;
		}
		from = names[i] + (uint32_t)stele_name_length(name, STELE_NAME_MAX);
	}
	memcpy(to + len, rr->rdata + from, rr->rdata_len - from);
	return (int)(len + rr->rdata_len - from);
}

/* Notes the target of a record whose rdata begins `off` bytes into the body, if its type has one. */
static int add_target(struct stele_carver *carver, uint16_t type, const struct stele_node_rr *rr,
		      uint32_t off, struct stele_error *reterr)
{
	int at = type == STELE_TYPE_CNAME ? 0 : stele_rdata_additional_name(type);
	if (at < 0)
		return 0;
	if (!stele_svc_is_own(type, rr->rdata))
		return add_ref(carver, type, rr->rdata + at, off + (uint32_t)at, reterr);
	/* Which owner a wildcard will stand for is not known here. */
	if (stele_svc_is_alias(rr->rdata) || carver->owner_is_wildcard)
		return 0;
	return add_ref(carver, type, carver->owner, off - RR_HEAD_SZ, reterr);
}

static int too_large(const struct stele_carver *carver, const struct stele_node_rrset *set,
		     const char *what, struct stele_error *reterr)
{
	char owner[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
	stele_name_to_text(carver->owner, owner);
	return stele_fail(reterr, STELE_E_INPUT, "%s %s: RRset with %s", owner,
			  stele_rrtype_to_text(set->type, type), what);
}

/* A list behind the body: le16 count and the items. */
static uint8_t *put_list(uint8_t *to, const struct stele_buffer *items, size_t item_sz)
{
	stele_put_le16(to, (uint16_t)(items->len / item_sz));
	memcpy(to + 2, items->data, items->len);
	return to + 2 + items->len;
}

static uint8_t *put_head(uint8_t *to, uint16_t type, uint32_t ttl)
{
	stele_put_be16(to, 0xc000 | STELE_HEADER_SZ);
	stele_put_be16(to + 2, type);
	stele_put_be16(to + 4, STELE_CLASS_IN);
	stele_put_be32(to + 6, ttl);
	return to + RR_HEAD_SZ;
}

/* Writes the records to `body`; `p` walks the RRset's data. Returns their length. */
static int put_records(struct stele_carver *carver, const struct stele_node_rrset *set,
		       const uint8_t **p, uint32_t ttl, bool with_refs, uint8_t *body,
		       bool *self_pointers, struct stele_error *reterr)
{
	uint8_t *to = body;
	for (unsigned i = 0; i < set->rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(p);
		to = put_head(to, set->type, ttl);
		uint32_t off = (uint32_t)(to - body);
		int len = put_rdata(carver, set->type, &rr, to, off, self_pointers, reterr);
		if (len < 0)
			return len;
		int rc = with_refs ? add_target(carver, set->type, &rr, off, reterr) : 0;
		if (rc < 0)
			return rc;
		stele_put_be16(to - 2, (uint16_t)len);
		to += len;
		if (to - body > STELE_MESSAGE_MAX)
			return too_large(carver, set, "over 65535 bytes", reterr);
	}
	return (int)(to - body);
}

static int put_signatures(const struct stele_carver *carver, const struct stele_node_rrset *set,
			  const uint8_t **p, uint32_t ttl, uint8_t *sigs,
			  struct stele_error *reterr)
{
	uint8_t *to = sigs;
	if (set->sig_cnt > 255)
		return too_large(carver, set, "over 255 signatures", reterr);
	for (unsigned i = 0; i < set->sig_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(p);
		to = put_head(to, STELE_TYPE_RRSIG, ttl);
		stele_put_be16(to - 2, rr.rdata_len);
		memcpy(to, rr.rdata, rr.rdata_len);
		to += rr.rdata_len;
	}
	if (to - sigs > STELE_MESSAGE_MAX)
		return too_large(carver, set, "over 65535 bytes of signatures", reterr);
	return (int)(to - sigs);
}

int stele_carve_body(struct stele_carver *carver, const struct stele_node_rrset *set,
		     const struct stele_body_options *options, struct stele_buffer *out,
		     struct stele_rrset *ret_rrset, struct stele_error *reterr)
{
	uint32_t ttl = set->ttl < options->ttl_max ? set->ttl : options->ttl_max;
	carver->patches.len = 0;
	carver->refs.len = 0;

	/* Compression only shortens: what the store holds, with heads, is the most it can be. Each
	 * record has at most two pointers and one reference. */
	size_t room = set->data_sz + RR_HEAD_SZ * ((size_t)set->rr_cnt + set->sig_cnt) +
		      (size_t)set->rr_cnt * (2 * 2 + sizeof(struct stele_ref)) + 2 + 2 + 2;
	int rc = stele_buffer_reserve(out, room, reterr);
	if (rc < 0)
		return rc;

	uint8_t *body = out->data + out->len;
	const uint8_t *p = set->data;
	bool self_pointers = false;
	int plain_len =
		put_records(carver, set, &p, ttl, options->with_refs, body, &self_pointers, reterr);
	stele_compress_reset(&carver->compress);
	if (plain_len < 0)
		return plain_len;
	int sig_len = 0;
	if (options->with_sigs && set->sig_cnt > 0) {
		sig_len = put_signatures(carver, set, &p, ttl, body + plain_len, reterr);
		if (sig_len < 0)
			return sig_len;
	}

	uint8_t *end = body + plain_len + sig_len;
	uint8_t flags = self_pointers ? STELE_RRSET_SELF_POINTERS : 0;
	if (sig_len > 0) {
		stele_put_le16(end, stele_carve_sum(body, (size_t)plain_len + (size_t)sig_len));
		end += 2;
	}
	if (carver->patches.len > 0) {
		flags |= STELE_RRSET_HAS_PATCHES;
		end = put_list(end, &carver->patches, 2);
	}
	if (carver->refs.len > 0) {
		flags |= STELE_RRSET_HAS_REFS;
		end = put_list(end, &carver->refs, sizeof(struct stele_ref));
	}
	*ret_rrset = (struct stele_rrset){
		.type = stele_to_le16(set->type),
		.rr_cnt = stele_to_le16(set->rr_cnt),
		.plain_len = stele_to_le16((uint16_t)plain_len),
		.sig_len = stele_to_le16((uint16_t)sig_len),
		.sum_plain = stele_to_le16(stele_carve_sum(body, (size_t)plain_len)),
		.sig_cnt = (uint8_t)(sig_len > 0 ? set->sig_cnt : 0),
		.flags = flags,
	};
	out->len = (size_t)(end - out->data);
	return 0;
}
