/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_EDIT_H
#define STELE_LIB_ZONE_EDIT_H

/*
 * An edit session: records of one zone come and go, one after the other, inside a write of the store.
 *
 *   stele_zone_edit_begin()
 *   stele_zone_edit_add(), _delete(), …   in the order of the message, each seeing those before
 *   stele_zone_edit_find()                what there is now, for prerequisites
 *   stele_zone_edit_check()               is the zone still one
 *   stele_zone_edit_apply()               into the write, as one step of the journal
 *   stele_zone_edit_end()
 *
 * The session keeps the owners that were touched in memory, and writes nothing until it is applied: one that
 * is ended before leaves the write as it was. Costs follow the records touched, and what their owners hold, which
 * is read and written once a session; not the size of the zone, but for a DNAME, below which all that is there has
 * to be looked at.
 *
 * The result is what import makes of a zone file with the same records: NSEC3 RRsets with their signatures
 * stand in a table of their own, signatures with the RRset that they cover, and of an RRset with several
 * TTLs the lowest counts.
 *
 * Names are whole names in wire format, in any case. A session belongs to the thread of its write; nothing
 * else may change the zone while it lasts.
 */

#include "lib/base/error.h"
#include "lib/store/node.h"
#include "lib/store/store.h"

#include <stddef.h>
#include <stdint.h>

struct stele_zone_edit;

enum stele_zone_edit_mode {
	/* IXFR (RFC 1995): to delete what is not there, or to add what is there, is an error, since then
	 * the zones of sender and receiver are not the same. */
	STELE_ZONE_EDIT_STRICT,
	/* UPDATE (RFC 2136 section 3.4.2): both do nothing. The TTL of a record that is added becomes that of
	 * its RRset, and the signatures of an RRset go with its last record. */
	STELE_ZONE_EDIT_LENIENT,
};

/*
 * Begins with a zone as it is inside the write. `source` stands in front of all errors: "transfer of
 * example. from 192.0.2.1"; it must live as long as the session. STELE_E_NOTFOUND if there is no such
 * zone or it was never loaded, STELE_E_SYSTEM.
 */
int stele_zone_edit_begin(struct stele_store_write *write, const uint8_t *apex,
			  enum stele_zone_edit_mode mode, const char *source,
			  struct stele_zone_edit **ret_edit, struct stele_error *reterr);
void stele_zone_edit_end(struct stele_zone_edit *edit); /* NULL is fine */

/* The zone as it was at the begin. Lives as long as the session. */
const struct stele_zone_info *stele_zone_edit_zone(const struct stele_zone_edit *edit);

/*
 * Adds a record. STELE_E_INPUT: the owner is out of the zone, the type is none of data, the data is not what
 * the type allows, the owner of an NSEC3 is no hash, the RRset gets too many records, or in strict mode the
 * record is there. Data is the same record if it is the same in canonical form (RFC 4034 section 6.2). A
 * TTL above 2^31 - 1 counts as 0 (RFC 2181 section 8). Whether records may stand beside one another is only
 * looked at by the check.
 */
int stele_zone_edit_add(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			uint32_t ttl, const uint8_t *rdata, size_t rdata_len,
			struct stele_error *reterr);

/* Deletes a record, whatever its TTL. */
int stele_zone_edit_delete(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			   const uint8_t *rdata, size_t rdata_len, struct stele_error *reterr);

/* Deletes an RRset with the signatures over it; type RRSIG: all signatures at the owner. */
int stele_zone_edit_delete_rrset(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
				 struct stele_error *reterr);

/* Deletes all RRsets of an owner; at the apex SOA and NS stay (RFC 2136 section 3.4.2.3). */
int stele_zone_edit_delete_name(struct stele_zone_edit *edit, const uint8_t *owner,
				struct stele_error *reterr);

/*
 * Makes `serial` that of the SOA. Signatures over the SOA go, since they no longer hold. STELE_E_INPUT if
 * there is no SOA.
 */
int stele_zone_edit_set_serial(struct stele_zone_edit *edit, uint32_t serial,
			       struct stele_error *reterr);

/* ---- reading ---- */

/*
 * All that an owner holds now but for NSEC3, as a node. STELE_E_NOTFOUND if nothing. Lives until the next
 * call with the session.
 */
int stele_zone_edit_node(struct stele_zone_edit *edit, const uint8_t *owner,
			 const uint8_t **ret_node, size_t *ret_node_sz, struct stele_error *reterr);

/* The RRset of a type, NSEC3 too. STELE_E_NOTFOUND if it has no record (signatures alone are none). */
int stele_zone_edit_find(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
			 struct stele_node_rrset *ret_rrset, struct stele_error *reterr);

/*
 * The first type from `from` on of which an owner has records, and how many; NSEC3 stands apart. STELE_E_NOTFOUND if
 * there is none. Unlike the two above it copies nothing of what was touched, so that it can be asked for each record
 * of a message.
 */
int stele_zone_edit_next_type(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t from,
			      uint16_t *ret_type, size_t *ret_rr_cnt, struct stele_error *reterr);

/* ---- the end ---- */

/* Whether the zone would be another: 1 or 0, or STELE_E_SYSTEM. */
int stele_zone_edit_changes(struct stele_zone_edit *edit, struct stele_error *reterr);

/*
 * Checks what import would refuse: one SOA and at least one NS at the apex, CNAME alone, one CNAME or DNAME at
 * a name, nothing below a DNAME, RRsets that fit a message and have at most 255 signatures, NSEC3 of a kind that can be
 * served. STELE_E_INPUT with the first fault. The session goes on either way.
 */
int stele_zone_edit_check(struct stele_zone_edit *edit, struct stele_error *reterr);

/*
 * Checks, if that was not done since the last change, and makes the changes in the write; see
 * stele_store_zone_edit(). After STELE_E_INPUT the write is as it was. Afterwards the session can only be
 * ended. `ret_info` (may be NULL) gets the zone's new state.
 */
int stele_zone_edit_apply(struct stele_zone_edit *edit, struct stele_zone_info *ret_info,
			  struct stele_error *reterr);

#endif
