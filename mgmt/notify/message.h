/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_NOTIFY_MESSAGE_H
#define STELE_MGMT_NOTIFY_MESSAGE_H

/* NOTIFY messages (RFC 1996), without sockets. Pure functions, any thread. */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_notify_request {
	uint16_t id, flags;
	uint8_t name[STELE_NAME_MAX]; /* as it came */
	uint8_t apex[STELE_NAME_MAX]; /* lower case */
	uint8_t name_len;
	bool has_opt;
	uint16_t edns_flags; /* of that */
};

/*
 * Reads a NOTIFY. NOERROR, or the rcode to answer with: FORMERR if it is not one question; NOTIMP if that
 * is for anything but the SOA of class IN, the only thing that RFC 1996 section 3.7 gives a meaning. The
 * answer section may hold the new SOA; it is only a hint and has no influence.
 */
uint16_t stele_notify_parse(const uint8_t *msg, size_t len,
			    struct stele_notify_request *ret_request);

/* The answer to it: header and question, and an OPT if it has one (RFC 6891 section 7). Returns its length;
 * `max` of 512 is enough. */
size_t stele_notify_reply(const struct stele_notify_request *request, uint8_t *buf, size_t max);

/* A NOTIFY for the zone, with its SOA in the answer section where that fits. Returns its length, 0 if `max` is
 * too small. */
size_t stele_notify_make(uint8_t *buf, size_t max, uint16_t id, const uint8_t *apex,
			 size_t apex_len, uint32_t soa_ttl, const uint8_t *soa, size_t soa_len);

/* The rcode of an answer to the NOTIFY with this id and for this zone; STELE_E_INPUT if it is none. */
int stele_notify_answer(const uint8_t *msg, size_t len, uint16_t id, const uint8_t *apex,
			size_t apex_len);

#endif
