/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 2136 sections 3.4 and 3.6. */
#include "mgmt/update/perform.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "lib/store/node.h"

#include <stdlib.h>
#include <string.h>

#define SOA_TAIL_SZ 20 /* serial, refresh, retry, expire, minimum */

struct work {
	const struct stele_update *update;
	struct stele_zone_edit *edit;
	uint32_t serial;                          /* of the SOA before */
	const struct stele_update_rr **deletions; /* of whole owners */
	size_t deletion_cnt;
	struct stele_error *reterr;
};

static bool is_at_apex(const struct work *w, const struct stele_update_rr *rr)
{
	return rr->owner_len == w->update->name_len;
}

/* ---- adding ---- */

static int soa_serial(struct work *w, uint32_t *ret_serial)
{
	struct stele_node_rrset soa;
	int status =
		stele_zone_edit_find(w->edit, w->update->apex, STELE_TYPE_SOA, &soa, w->reterr);
	if (status != 0)
		return status;
	const uint8_t *p = soa.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	if (rr.rdata_len < SOA_TAIL_SZ)
		return stele_fail(w->reterr, STELE_E_SYSTEM, "the zone's SOA is malformed");
	*ret_serial = stele_get_be32(rr.rdata + rr.rdata_len - SOA_TAIL_SZ);
	return 0;
}

/* What may stand beside a CNAME (RFC 4034 section 3, RFC 4035 section 2.5). */
static bool fits_cname(uint16_t type)
{
	return type == STELE_TYPE_CNAME || type == STELE_TYPE_RRSIG || type == STELE_TYPE_NSEC;
}

/* 1 if the record may be added beside what its owner has; 0: it is passed over (section 3.4.2.2). */
static int fits_owner(struct work *w, const struct stele_update_rr *rr)
{
	bool is_cname = rr->type == STELE_TYPE_CNAME;
	uint16_t from = is_cname ? 0 : STELE_TYPE_CNAME, type;
	size_t cnt;
	int status;
	if (!is_cname && fits_cname(rr->type))
		return 1;
	while ((status = stele_zone_edit_next_type(w->edit, rr->lower, from, &type, &cnt,
						   w->reterr)) == 0) {
		if (!is_cname)
			return type != STELE_TYPE_CNAME;
		if (!fits_cname(type))
			return 0;
		from = (uint16_t)(type + 1);
	}
	return status == STELE_E_NOTFOUND ? 1 : status;
}

/* A SOA takes the place of the zone's if it is not older; elsewhere there is none. */
static int fits_soa(struct work *w, const struct stele_update_rr *rr)
{
	uint32_t serial = 0;
	if (!is_at_apex(w, rr))
		return 0;
	int status = soa_serial(w, &serial);
	if (status != 0)
		return status;
	return !stele_serial_older(stele_get_be32(rr->rdata + rr->rdlen - SOA_TAIL_SZ), serial);
}

/* True if the owner has this very record already; only its TTL may be new. */
static int has_record(struct work *w, const struct stele_update_rr *rr)
{
	struct stele_node_rrset rrset;
	int status = stele_zone_edit_find(w->edit, rr->lower, rr->type, &rrset, w->reterr);
	if (status != 0)
		return status == STELE_E_NOTFOUND ? 0 : status;
	const uint8_t *p = rrset.data;
	struct stele_node_rr record = stele_node_rr_next(&p);
	return rrset.rr_cnt == 1 && record.rdata_len == rr->rdlen &&
	       memcmp(record.rdata, rr->rdata, rr->rdlen) == 0;
}

static bool is_singleton(uint16_t type)
{
	return type == STELE_TYPE_SOA || type == STELE_TYPE_CNAME || type == STELE_TYPE_DNAME;
}

static int add(struct work *w, const struct stele_update_rr *rr)
{
	int status = rr->type == STELE_TYPE_SOA ? fits_soa(w, rr) : fits_owner(w, rr);
	if (status != 1)
		return status;
	if (is_singleton(rr->type)) {
		status = has_record(w, rr);
		if (status == 0)
			status = stele_zone_edit_delete_rrset(w->edit, rr->owner, rr->type,
							      w->reterr);
		if (status < 0)
			return status;
	}
	return stele_zone_edit_add(w->edit, rr->owner, rr->type, rr->ttl, rr->rdata, rr->rdlen,
				   w->reterr);
}

/* ---- deleting ---- */

/* The SOA stays, and at the apex one NS (sections 3.4.2.3 and 3.4.2.4). */
static int delete_record(struct work *w, const struct stele_update_rr *rr)
{
	if (rr->type == STELE_TYPE_SOA)
		return 0;
	if (rr->type == STELE_TYPE_NS && is_at_apex(w, rr)) {
		uint16_t type;
		size_t cnt;
		int status = stele_zone_edit_next_type(w->edit, rr->lower, STELE_TYPE_NS, &type,
						       &cnt, w->reterr);
		if (status < 0 && status != STELE_E_NOTFOUND)
			return status;
		if (status == STELE_E_NOTFOUND || type != STELE_TYPE_NS || cnt == 1)
			return 0;
	}
	return stele_zone_edit_delete(w->edit, rr->owner, rr->type, rr->rdata, rr->rdlen,
				      w->reterr);
}

static int delete_many(struct work *w, const struct stele_update_rr *rr)
{
	if (rr->type == STELE_TYPE_ANY)
		return stele_zone_edit_delete_name(w->edit, rr->owner, w->reterr);
	if (is_at_apex(w, rr) && (rr->type == STELE_TYPE_SOA || rr->type == STELE_TYPE_NS))
		return 0;
	return stele_zone_edit_delete_rrset(w->edit, rr->owner, rr->type, w->reterr);
}

/* ---- all of it ---- */

static int perform_one(struct work *w, const struct stele_update_rr *rr)
{
	if (rr->class_ == STELE_CLASS_ANY)
		return delete_many(w, rr);
	return rr->class_ == STELE_CLASS_NONE ? delete_record(w, rr) : add(w, rr);
}

/* Of one owner in the order of the message. */
static int compare_deletion(const void *a, const void *b)
{
	const struct stele_update_rr *x = *(const struct stele_update_rr *const *)a;
	const struct stele_update_rr *y = *(const struct stele_update_rr *const *)b;
	int order = stele_update_compare_owner(x, y);
	return order != 0 ? order : (x > y) - (x < y);
}

/* The records that delete all of an owner, sorted. */
static int find_deletions(struct work *w)
{
	const struct stele_update *update = w->update;
	w->deletions = calloc(update->update_cnt + 1, sizeof(*w->deletions));
	if (w->deletions == NULL)
		return stele_fail(w->reterr, STELE_E_SYSTEM, "out of memory");
	for (size_t i = 0; i < update->update_cnt; i++) {
		const struct stele_update_rr *rr = &update->updates[i];
		if (rr->class_ == STELE_CLASS_ANY && rr->type == STELE_TYPE_ANY)
			w->deletions[w->deletion_cnt++] = rr;
	}
	qsort(w->deletions, w->deletion_cnt, sizeof(*w->deletions), compare_deletion);
	return 0;
}

/* 0 for any deletion of the owner that comes later than the record. */
static int compare_later(const void *key, const void *deletion)
{
	const struct stele_update_rr *rr = key;
	const struct stele_update_rr *later = *(const struct stele_update_rr *const *)deletion;
	int order = stele_update_compare_owner(rr, later);
	return order != 0 ? order : later < rr;
}

/* True if all of its owner is deleted by a later record of the message. */
static bool is_deleted_later(const struct work *w, const struct stele_update_rr *rr)
{
	return bsearch(rr, w->deletions, w->deletion_cnt, sizeof(*w->deletions), compare_later) !=
	       NULL;
}

/*
 * In the order of the message, signatures after all other records: they go with the last record of their
 * RRset, and one that comes along for what takes its place must not, wherever it stands.
 */
static int perform_updates(struct work *w)
{
	const struct stele_update *update = w->update;
	int status = find_deletions(w);
	if (status == 0)
		status = soa_serial(w, &w->serial);
	for (unsigned pass = 0; status >= 0 && pass < 2; pass++)
		for (size_t i = 0; status >= 0 && i < update->update_cnt; i++) {
			const struct stele_update_rr *rr = &update->updates[i];
			bool is_sig = rr->type == STELE_TYPE_RRSIG;
			if (is_sig == (pass == 1) && !(is_sig && is_deleted_later(w, rr)))
				status = perform_one(w, rr);
		}
	free(w->deletions);
	return status < 0 ? status : 0;
}

/*
 * A zone that changes has a newer serial (section 3.6). 0 is left out, since there are secondaries to which
 * it means that nothing was loaded.
 */
static int raise_serial(struct work *w)
{
	uint32_t serial = 0;
	int status = soa_serial(w, &serial);
	if (status != 0 || stele_serial_older(w->serial, serial))
		return status;
	serial = w->serial + 1 != 0 ? w->serial + 1 : 1;
	return stele_zone_edit_set_serial(w->edit, serial, w->reterr);
}

static int finish(struct work *w, uint16_t *ret_rcode, bool *ret_changed)
{
	int changes = stele_zone_edit_changes(w->edit, w->reterr);
	if (changes != 1)
		return changes;
	int status = raise_serial(w);
	if (status == 0)
		status = stele_zone_edit_check(w->edit, w->reterr);
	if (status == 0)
		*ret_changed = true;
	else if (status == STELE_E_INPUT)
		*ret_rcode = STELE_RCODE_REFUSED;
	return status == STELE_E_INPUT ? 0 : status;
}

int stele_update_perform(const struct stele_update *update, const struct stele_update_grant *grant,
			 struct stele_zone_edit *edit, uint16_t *ret_rcode, bool *ret_changed,
			 const char **ret_reason, struct stele_error *reterr)
{
	struct work w = {.update = update, .edit = edit, .reterr = reterr};
	*ret_rcode = STELE_RCODE_NOERROR;
	*ret_changed = false;
	*ret_reason = "a prerequisite does not hold";
	int status = stele_update_prerequisites(update, edit, ret_rcode, reterr);
	if (status != 0 || *ret_rcode != STELE_RCODE_NOERROR)
		return status;
	*ret_reason = "the policy does not allow it";
	status = stele_update_permitted(update, grant, edit, reterr);
	if (status < 0)
		return status;
	if (status == 0) {
		*ret_rcode = STELE_RCODE_REFUSED;
		return 0;
	}
	*ret_reason = "a record is malformed or outside of the zone";
	for (size_t i = 0; i < update->update_cnt; i++) {
		*ret_rcode = update->updates[i].rcode;
		if (*ret_rcode != STELE_RCODE_NOERROR)
			return 0;
	}
	*ret_reason = NULL;
	status = perform_updates(&w);
	/* What the session refuses is not a matter of form. */
	if (status == STELE_E_INPUT) {
		*ret_rcode = STELE_RCODE_REFUSED;
		return 0;
	}
	return status != 0 ? status : finish(&w, ret_rcode, ret_changed);
}
