/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_UPDATE_MESSAGE_H
#define STELE_MGMT_UPDATE_MESSAGE_H

/*
 * An UPDATE message, read (RFC 2136 section 2): all that can be said about it without the zone.
 *
 * Names and data are expanded and stay as long as the message is kept, apart from the bytes that came.
 * What is wrong with the form of one record is kept with it and not told at once, since RFC 2136
 * section 3 has an order: a prerequisite that does not hold comes before an update that is malformed.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <stddef.h>
#include <stdint.h>

struct stele_update_rr {
	const uint8_t *owner; /* in the case of the message */
	const uint8_t *lower; /* in lower case */
	size_t owner_len;
	uint16_t type, class_;
	uint32_t ttl;
	const uint8_t *rdata;
	size_t rdlen;
	uint16_t rcode; /* of its form: NOERROR, FORMERR, or NOTZONE */
};

struct stele_update {
	uint16_t id, flags;
	uint8_t name[STELE_NAME_MAX]; /* of the zone section */
	uint8_t apex[STELE_NAME_MAX]; /* in lower case */
	size_t name_len;
	uint16_t class_;
	const struct stele_update_rr *prerequisites, *updates;
	size_t prerequisite_cnt, update_cnt;
	/* Private: */
	struct stele_update_rr *rrs;
	void *blocks;
};

/*
 * Reads a message. `*ret_rcode` is NOERROR, or what to answer with: FORMERR if it breaks off, has not one
 * zone, or something behind its last record (section 3.1.1). Only with NOERROR there is something to free.
 * STELE_E_SYSTEM if memory is out.
 */
int stele_update_parse(const uint8_t *msg, size_t len, struct stele_update *ret_update,
		       uint16_t *ret_rcode, struct stele_error *reterr);
void stele_update_free(struct stele_update *update);

/* An order of owners, to find the records of one: not the canonical one. */
int stele_update_compare_owner(const struct stele_update_rr *a, const struct stele_update_rr *b);

#endif
