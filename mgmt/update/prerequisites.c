/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 2136 section 3.2. */
#include "mgmt/update/perform.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>
#include <string.h>

/* Calls `each` for every record of a type that an owner has; signatures stand with what they cover. */
static int walk(struct stele_zone_edit *edit, const struct stele_update_rr *rr,
		void (*each)(void *user, const struct stele_node_rr *record), void *user,
		struct stele_error *reterr)
{
	struct stele_node_rrset rrset;
	if (rr->type != STELE_TYPE_RRSIG) {
		int status = stele_zone_edit_find(edit, rr->lower, rr->type, &rrset, reterr);
		const uint8_t *p = status == 0 ? rrset.data : NULL;
		for (unsigned i = 0; p != NULL && i < rrset.rr_cnt; i++) {
			struct stele_node_rr record = stele_node_rr_next(&p);
			each(user, &record);
		}
		return status == STELE_E_NOTFOUND ? 0 : status;
	}
	const uint8_t *node;
	size_t node_sz, at = 0;
	int status = stele_zone_edit_node(edit, rr->lower, &node, &node_sz, reterr);
	while (status == 0 && stele_node_next(node, node_sz, &at, &rrset)) {
		const uint8_t *p = rrset.data;
		for (unsigned i = 0; i < (unsigned)rrset.rr_cnt + rrset.sig_cnt; i++) {
			struct stele_node_rr record = stele_node_rr_next(&p);
			if (i >= rrset.rr_cnt)
				each(user, &record);
		}
	}
	return status == STELE_E_NOTFOUND ? 0 : status;
}

static void count(void *user, const struct stele_node_rr *record)
{
	(void)record;
	++*(size_t *)user;
}

static int rrset_exists(struct stele_zone_edit *edit, const struct stele_update_rr *rr,
			bool *ret_exists, struct stele_error *reterr)
{
	size_t cnt = 0;
	int status = walk(edit, rr, count, &cnt, reterr);
	*ret_exists = cnt > 0;
	return status;
}

/* A name is in use if it has a record; what only stands above others has none (section 2.4.4). */
static int name_exists(struct stele_zone_edit *edit, const struct stele_update_rr *rr,
		       bool *ret_exists, struct stele_error *reterr)
{
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset rrset;
	int status = stele_zone_edit_node(edit, rr->lower, &node, &node_sz, reterr);
	*ret_exists = status == 0;
	if (status == STELE_E_NOTFOUND) {
		status = stele_zone_edit_find(edit, rr->lower, STELE_TYPE_NSEC3, &rrset, reterr);
		*ret_exists = status == 0;
	}
	return status == STELE_E_NOTFOUND ? 0 : status;
}

/* ---- RRsets with data ---- */

static bool is_same_rrset(const struct stele_update_rr *a, const struct stele_update_rr *b)
{
	return a->type == b->type && a->owner_len == b->owner_len &&
	       memcmp(a->lower, b->lower, a->owner_len) == 0;
}

struct match {
	const struct stele_update *update;
	const struct stele_update_rr *first; /* of the RRset */
	uint8_t *seen;                       /* of each prerequisite: the zone has this record */
	bool missing;                        /* the zone has a record that is not asked for */
};

static void match_record(void *user, const struct stele_node_rr *record)
{
	struct match *m = user;
	bool found = false;
	for (size_t i = 0; i < m->update->prerequisite_cnt; i++) {
		const struct stele_update_rr *rr = &m->update->prerequisites[i];
		if (rr->class_ == m->update->class_ && is_same_rrset(rr, m->first) &&
		    stele_rdata_compare(rr->type, rr->rdata, rr->rdlen, record->rdata,
					record->rdata_len) == 0)
			m->seen[i] = found = true;
	}
	m->missing = m->missing || !found;
}

/* True if all RRsets that are asked for with data are in the zone with just that data (2.4.2). */
static int rrsets_match(const struct stele_update *update, struct stele_zone_edit *edit,
			bool *ret_match, struct stele_error *reterr)
{
	struct match m = {.update = update};
	int status = 0;
	m.seen = calloc(update->prerequisite_cnt + 1, 1);
	if (m.seen == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (size_t i = 0; status == 0 && i < update->prerequisite_cnt; i++) {
		m.first = &update->prerequisites[i];
		bool is_first = m.first->class_ == update->class_;
		for (size_t k = 0; is_first && k < i; k++)
			is_first = update->prerequisites[k].class_ != update->class_ ||
				   !is_same_rrset(&update->prerequisites[k], m.first);
		if (is_first)
			status = walk(edit, m.first, match_record, &m, reterr);
	}
	*ret_match = !m.missing;
	for (size_t i = 0; i < update->prerequisite_cnt; i++)
		if (update->prerequisites[i].class_ == update->class_ && !m.seen[i])
			*ret_match = false;
	free(m.seen);
	return status;
}

int stele_update_prerequisites(const struct stele_update *update, struct stele_zone_edit *edit,
			       uint16_t *ret_rcode, struct stele_error *reterr)
{
	for (size_t i = 0; i < update->prerequisite_cnt; i++) {
		const struct stele_update_rr *rr = &update->prerequisites[i];
		bool exists, is_name = rr->type == STELE_TYPE_ANY;
		*ret_rcode = rr->rcode;
		if (rr->rcode != STELE_RCODE_NOERROR)
			return 0;
		if (rr->class_ == update->class_)
			continue;
		int status = is_name ? name_exists(edit, rr, &exists, reterr) :
				       rrset_exists(edit, rr, &exists, reterr);
		if (status != 0)
			return status;
		bool wanted = rr->class_ == STELE_CLASS_ANY;
		if (exists == wanted)
			continue;
		if (wanted)
			*ret_rcode = is_name ? STELE_RCODE_NXDOMAIN : STELE_RCODE_NXRRSET;
		else
			*ret_rcode = is_name ? STELE_RCODE_YXDOMAIN : STELE_RCODE_YXRRSET;
		return 0;
	}
	bool match = false;
	int status = rrsets_match(update, edit, &match, reterr);
	*ret_rcode = match ? STELE_RCODE_NOERROR : STELE_RCODE_NXRRSET;
	return status;
}
