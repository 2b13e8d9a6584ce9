/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_QUERY_H
#define STELE_MGMT_TRANSFER_QUERY_H

/*
 * What a secondary asks its primary, and the answer to the smallest of its questions: messages in
 * memory, unsigned. All of it is pure.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A question with OPT, and for IXFR a SOA whose names are the root; a signature comes behind it. */
#define STELE_TRANSFER_QUERY_MAX (12 + 255 + 4 + 1 + 10 + 22 + 11 + 4)

/* What we take over UDP (RFC 9715): a SOA and a signature are well below. */
#define STELE_TRANSFER_UDP_SZ 1232

/*
 * Writes a question of `type` (SOA, IXFR, AXFR) for the zone to `ret_msg` and returns its length. `serial` is
 * ours, for IXFR. `edns` adds OPT with EXPIRE (RFC 7314): servers that know neither answer FORMERR.
 */
size_t stele_transfer_query(uint16_t id, const uint8_t *apex, size_t apex_len, uint16_t type,
			    uint32_t serial, bool edns, uint8_t ret_msg[STELE_TRANSFER_QUERY_MAX]);

struct stele_soa_reply {
	uint16_t rcode;
	bool truncated;     /* ask again over TCP; what follows is not filled in */
	bool authoritative; /* AA is set */
	bool has_soa;
	uint32_t serial;
	bool has_expire; /* RFC 7314; seconds */
	uint32_t expire;
};

/*
 * Reads the reply to a question for the SOA. STELE_E_INPUT: it is no reply to this question (on UDP it may
 * be forged: wait for the real one), or it is broken.
 */
int stele_transfer_soa_reply(const uint8_t *msg, size_t len, uint16_t id, const uint8_t *apex,
			     size_t apex_len, struct stele_soa_reply *ret_reply,
			     struct stele_error *reterr);

/* Looks for EXPIRE among the options of an OPT; false, and nothing written, if it has none. */
bool stele_transfer_expire(const uint8_t *options, size_t len, uint32_t *ret_expire);

/* "REFUSED", "RCODE17". Returns `text` or a constant. */
const char *stele_transfer_rcode(uint16_t rcode, char text[16]);

#endif
