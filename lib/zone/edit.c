/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/edit_internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>
#include <string.h>

#define TTL_MAX 0x7fffffffu
/* More records than this make an RRset of more than 65,535 bytes, whatever their data. Here so that a sender
 * cannot let an RRset grow without end before it is refused. */
#define RRSET_RRS_MAX (65535u / 12)

/* ---- begin and end ---- */

int stele_zone_edit_begin(struct stele_store_write *write, const uint8_t *apex,
			  enum stele_zone_edit_mode mode, const char *source,
			  struct stele_zone_edit **ret_edit, struct stele_error *reterr)
{
	struct stele_zone_info zone;
	int status = stele_store_zone_find(stele_store_write_view(write), apex, &zone, reterr);
	if (status < 0)
		return status;
	if ((zone.flags & STELE_STORE_ZONE_STUB) != 0) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(apex, text);
		return stele_fail(reterr, STELE_E_NOTFOUND, "zone %s has never been loaded", text);
	}
	struct stele_zone_edit *edit = calloc(1, sizeof(*edit));
	if (edit == NULL)
		return edit_no_memory(reterr);
	edit->write = write;
	edit->mode = mode;
	edit->source = source;
	edit->zone = zone;
	edit->apex_key_len = stele_sort_key(zone.apex, zone.apex_len - 1u, edit->apex_key);
	*ret_edit = edit;
	return 0;
}

void stele_zone_edit_end(struct stele_zone_edit *edit)
{
	if (edit == NULL)
		return;
	edit_owners_free(edit);
	free(edit->node);
	free(edit);
}

const struct stele_zone_info *stele_zone_edit_zone(const struct stele_zone_edit *edit)
{
	return &edit->zone;
}

/* ---- changes ---- */

/* "SOURCE: TYPE at OWNER: what" */
static int refuse(const struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
		  const char *what, struct stele_error *reterr)
{
	char name[STELE_NAME_TEXT_MAX] = "a bad name", type_text[STELE_RRTYPE_TEXT_MAX];
	if (stele_name_length(owner, STELE_NAME_MAX) > 0)
		stele_name_to_text(owner, name);
	return stele_fail(reterr, STELE_E_INPUT, "%s: %s at %s: %s", edit->source,
			  stele_rrtype_to_text(type, type_text), name, what);
}

static struct stele_owner_rr make_rr(uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t len)
{
	bool is_sig = type == STELE_TYPE_RRSIG;
	return (struct stele_owner_rr){
		.type = is_sig ? stele_get_be16(rdata) : type,
		.is_sig = is_sig,
		.rdata_len = (uint16_t)len,
		.ttl = ttl > TTL_MAX ? 0 : ttl,
		.rdata = rdata,
	};
}

/* Finds the owner of a record, which is touched from now on; refuses what can be none of the zone. */
static int open_owner(struct stele_zone_edit *edit, const uint8_t *name, uint16_t type,
		      const struct stele_owner_rr *rr, struct edit_owner **ret_owner,
		      struct stele_error *reterr)
{
	struct edit_place place;
	if (!edit_place_of(edit, name, &place))
		return refuse(edit, name, type, "the owner is outside the zone", reterr);
	if (rr->type == STELE_TYPE_NSEC3 && !edit_place_of_hash(edit, name, &place))
		return refuse(edit, name, type,
			      "the owner is no hash (expected 32 base32hex digits and the apex)",
			      reterr);
	edit->checked = false;
	return edit_owner_touch(edit, &place, ret_owner, reterr);
}

/* A record as it came, or why it can be none. */
static int take_rr(const struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
		   uint32_t ttl, const uint8_t *rdata, size_t len, struct stele_owner_rr *ret_rr,
		   struct stele_error *reterr)
{
	if (!stele_rdata_type_is_data(type))
		return refuse(edit, owner, type, "no record of a zone has this type", reterr);
	if (len > STELE_RDATA_MAX || !stele_rdata_valid(type, rdata, len))
		return refuse(edit, owner, type, "the data is not what the type allows", reterr);
	*ret_rr = make_rr(type, ttl, rdata, len);
	return 0;
}

/* All but the record that was just added have one TTL, and it is at one end at most: mostly there is nothing to do. */
static void set_ttl(struct edit_owner *owner, size_t first, size_t end, uint32_t ttl)
{
	if (owner->rrs[first].ttl == ttl && owner->rrs[end - 1].ttl == ttl)
		return;
	for (size_t i = first; i < end; i++)
		owner->rrs[i].ttl = ttl;
}

int stele_zone_edit_add(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			uint32_t ttl, const uint8_t *rdata, size_t rdata_len,
			struct stele_error *reterr)
{
	struct stele_owner_rr rr;
	struct edit_owner *at;
	int status = take_rr(edit, owner, type, ttl, rdata, rdata_len, &rr, reterr);
	if (status == 0)
		status = open_owner(edit, owner, type, &rr, &at, reterr);
	if (status < 0)
		return status;
	size_t index, first, sigs, end;
	bool is_there = edit_rr_find(at, &rr, &index);
	if (is_there && edit->mode == STELE_ZONE_EDIT_STRICT)
		return refuse(edit, owner, type, "is to be added but is there already", reterr);
	edit_rrset_find(at, rr.type, &first, &sigs, &end);
	if (!is_there) {
		if ((rr.is_sig ? end - sigs : sigs - first) >= RRSET_RRS_MAX)
			return refuse(edit, owner, type, "too many records in one RRset", reterr);
		status = edit_rr_insert(edit, at, index, &rr, reterr);
		if (status < 0)
			return status;
		sigs += !rr.is_sig;
		end++;
	}
	if (edit->mode == STELE_ZONE_EDIT_LENIENT)
		set_ttl(at, rr.is_sig ? sigs : first, rr.is_sig ? end : sigs, rr.ttl);
	return 0;
}

int stele_zone_edit_delete(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			   const uint8_t *rdata, size_t rdata_len, struct stele_error *reterr)
{
	struct stele_owner_rr rr;
	struct edit_owner *at;
	struct edit_place place;
	int status = take_rr(edit, owner, type, 0, rdata, rdata_len, &rr, reterr);
	if (status < 0)
		return status;
	if (edit->mode == STELE_ZONE_EDIT_LENIENT && rr.type == STELE_TYPE_NSEC3 &&
	    edit_place_of(edit, owner, &place) && !edit_place_of_hash(edit, owner, &place))
		return 0; /* there can be none */
	status = open_owner(edit, owner, type, &rr, &at, reterr);
	if (status < 0)
		return status;
	size_t index, first, sigs, end;
	if (!edit_rr_find(at, &rr, &index))
		return edit->mode == STELE_ZONE_EDIT_LENIENT ?
			       0 :
			       refuse(edit, owner, type, "is to be deleted but is not there",
				      reterr);
	edit_rr_remove(at, index, 1);
	edit_rrset_find(at, rr.type, &first, &sigs, &end);
	if (edit->mode == STELE_ZONE_EDIT_LENIENT && !rr.is_sig && first == sigs)
		edit_rr_remove(at, sigs, end - sigs);
	return 0;
}

/* Moves records that stay behind those that stay already, if anything between them goes. */
static void keep(struct edit_owner *owner, size_t *kept, size_t first, size_t end)
{
	if (*kept < first)
		memmove(&owner->rrs[*kept], &owner->rrs[first],
			(end - first) * sizeof(*owner->rrs));
	*kept += end - first;
}

/* Takes an RRset with its signatures from an owner, or all signatures. Returns how many records. */
static size_t remove_rrset(struct edit_owner *owner, uint16_t type)
{
	size_t before = owner->rr_cnt, kept = 0, first, sigs, end;
	if (type != STELE_TYPE_RRSIG) {
		edit_rrset_find(owner, type, &first, &sigs, &end);
		edit_rr_remove(owner, first, end - first);
		return end - first;
	}
	for (size_t at = 0; at < before; at = end) {
		edit_rrset_find(owner, owner->rrs[at].type, &first, &sigs, &end);
		keep(owner, &kept, first, sigs);
	}
	owner->rr_cnt = kept;
	return before - kept;
}

/* Calls for the name and for the NSEC3 owner of that name, if it can be one; the others stay untouched. */
static int remove_at(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
		     size_t (*remove)(struct edit_owner *owner, uint16_t type),
		     struct stele_error *reterr)
{
	struct edit_place places[2];
	if (!edit_place_of(edit, owner, &places[0]))
		return refuse(edit, owner, type, "the owner is outside the zone", reterr);
	unsigned place_cnt = edit_place_of_hash(edit, owner, &places[1]) ? 2 : 1;
	size_t cnt = 0;
	for (unsigned i = 0; i < place_cnt; i++) {
		struct edit_owner *at;
		int status = edit_owner_touch(edit, &places[i], &at, reterr);
		if (status < 0)
			return status;
		cnt += remove(at, type);
	}
	edit->checked = false;
	if (cnt == 0 && edit->mode == STELE_ZONE_EDIT_STRICT)
		return refuse(edit, owner, type, "is to be deleted but is not there", reterr);
	return 0;
}

int stele_zone_edit_delete_rrset(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
				 struct stele_error *reterr)
{
	return remove_at(edit, owner, type, remove_rrset, reterr);
}

static size_t remove_name(struct edit_owner *owner, uint16_t type)
{
	(void)type;
	bool is_apex = owner->table == STELE_STORE_NODES && owner->key_len == 0;
	size_t before = owner->rr_cnt, kept = 0, first, sigs, end;
	for (size_t at = 0; is_apex && at < before; at = end) {
		uint16_t at_type = owner->rrs[at].type;
		edit_rrset_find(owner, at_type, &first, &sigs, &end);
		if (at_type == STELE_TYPE_SOA || at_type == STELE_TYPE_NS)
			keep(owner, &kept, first, end);
	}
	owner->rr_cnt = kept;
	return before - kept;
}

int stele_zone_edit_delete_name(struct stele_zone_edit *edit, const uint8_t *owner,
				struct stele_error *reterr)
{
	return remove_at(edit, owner, STELE_TYPE_ANY, remove_name, reterr);
}

int stele_zone_edit_set_serial(struct stele_zone_edit *edit, uint32_t serial,
			       struct stele_error *reterr)
{
	struct edit_place place = {.table = STELE_STORE_NODES};
	struct edit_owner *apex;
	int status = edit_owner_touch(edit, &place, &apex, reterr);
	if (status < 0)
		return status;
	size_t first, sigs, end;
	edit_rrset_find(apex, STELE_TYPE_SOA, &first, &sigs, &end);
	if (first == sigs)
		return refuse(edit, edit->zone.apex, STELE_TYPE_SOA, "is not there", reterr);
	uint8_t rdata[2 * STELE_NAME_MAX + 20];
	struct stele_owner_rr rr = apex->rrs[first];
	if (rr.rdata_len < 20 || rr.rdata_len > sizeof(rdata))
		return refuse(edit, edit->zone.apex, STELE_TYPE_SOA, "is none", reterr);
	memcpy(rdata, rr.rdata, rr.rdata_len);
	stele_put_be32(rdata + rr.rdata_len - 20, serial);
	rr.rdata = rdata;
	edit->checked = false;
	status = edit_rr_insert(edit, apex, first, &rr, reterr);
	if (status == 0)
		edit_rr_remove(apex, first + 1, end - first);
	return status;
}

/* ---- reading ---- */

static int not_there(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_NOTFOUND, "no such record");
}

int stele_zone_edit_node(struct stele_zone_edit *edit, const uint8_t *owner,
			 const uint8_t **ret_node, size_t *ret_node_sz, struct stele_error *reterr)
{
	struct edit_place place;
	const uint8_t *node = NULL;
	size_t node_sz = 0;
	if (!edit_place_of(edit, owner, &place))
		return not_there(reterr);
	int status = edit_owner_node(edit, &place, STELE_TYPE_ANY, &node, &node_sz, reterr);
	if (status == 0 && node_sz == 0)
		status = not_there(reterr);
	if (status < 0)
		return status;
	*ret_node = node;
	*ret_node_sz = node_sz;
	return 0;
}

int stele_zone_edit_find(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			 struct stele_node_rrset *ret_rrset, struct stele_error *reterr)
{
	struct edit_place place;
	const uint8_t *node = NULL;
	size_t node_sz = 0;
	bool is_place = type == STELE_TYPE_NSEC3 ? edit_place_of_hash(edit, owner, &place) :
						   edit_place_of(edit, owner, &place);
	if (!is_place)
		return not_there(reterr);
	int status = edit_owner_node(edit, &place, type, &node, &node_sz, reterr);
	if (status < 0)
		return status;
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, type, &rrset) || rrset.rr_cnt == 0)
		return not_there(reterr);
	*ret_rrset = rrset;
	return 0;
}

int stele_zone_edit_next_type(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t from,
			      uint16_t *ret_type, size_t *ret_rr_cnt, struct stele_error *reterr)
{
	struct edit_place place;
	const uint8_t *node;
	size_t node_sz, at = 0;
	struct stele_node_rrset rrset;
	if (!edit_place_of(edit, owner, &place))
		return not_there(reterr);
	const struct edit_owner *touched =
		edit_owner_find(edit, place.table, place.key, place.key_len);
	if (touched != NULL)
		return edit_rrset_next(touched, from, ret_type, ret_rr_cnt) ? 0 : not_there(reterr);
	int status = edit_owner_node(edit, &place, STELE_TYPE_ANY, &node, &node_sz, reterr);
	if (status < 0)
		return status;
	while (stele_node_next(node, node_sz, &at, &rrset))
		if (rrset.type >= from && rrset.rr_cnt > 0) {
			*ret_type = rrset.type;
			*ret_rr_cnt = rrset.rr_cnt;
			return 0;
		}
	return not_there(reterr);
}
