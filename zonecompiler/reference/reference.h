/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_REFERENCE_REFERENCE_H
#define STELE_ZONECOMPILER_REFERENCE_REFERENCE_H

/*
 * What a reply must hold, worked out a second time: slowly, from the store, as the RFCs word it.
 *
 * lib/answer takes replies from an image in which the compiler has decided most things in advance.
 * This is the plain way to the same result: no image, no hashes of names, no carved bodies; names
 * are walked label by label, chains record by record. Where both agree on every query, neither the
 * carving nor the fast path has lost or invented anything. For tests, fuzzing and debug builds.
 *
 * Both follow the same rules where RFCs leave a choice:
 *   CNAME and DNAME are followed inside the zone only, at most 16 times
 *   additional addresses: of hosts in the same zone, made by a wildcard or not, for NS, MX, SRV, SVCB, HTTPS
 *   answers and referrals
 *   ANY over UDP is the first RRset in order of type, NSEC only if there is no other, if so configured
 *   (RFC 8482); RRSIG likewise
 *   DS at an apex is answered by the parent zone if that is served too (RFC 4035 section 3.1.4.1)
 */

#include "lib/dns/name.h"
#include "lib/store/store.h"
#include "lib/text/message.h"

struct reference_question {
	uint8_t qname[STELE_NAME_MAX]; /* lower case */
	uint8_t qname_len;
	uint16_t qtype;
	bool dnssec_ok;
	bool any_minimal; /* ANY is answered by one RRset */
};

struct reference_rr {
	uint8_t *owner; /* lower case; owned, rdata stands behind it */
	uint8_t *rdata; /* no compression */
	uint32_t ttl;
	uint16_t type;
	uint16_t rdata_len;
	uint8_t owner_len;
	bool required; /* additional section: a referral is useless without it (RFC 9471) */
};

struct reference_section {
	struct reference_rr *rrs; /* none twice */
	size_t cnt, cap;
};

struct reference_reply {
	uint16_t rcode;
	bool aa;
	bool undefined; /* the zone has what RFCs give no meaning, such as NS at a wildcard */
	struct reference_section sections[STELE_MESSAGE_SECTION_CNT];
};

/*
 * The reply to one question of class IN. STELE_E_SYSTEM when the store or memory fails.
 * `ret_reply` is to be freed.
 */
int reference_answer(struct stele_store_read *read, const struct reference_question *question,
		     struct reference_reply *ret_reply, struct stele_error *reterr);
void reference_reply_free(struct reference_reply *reply);

/*
 * Answers a query as it came by the rules, and compares the reply that was made, `reply_len` bytes. Queries that are
 * none for a zone (malformed, another class or opcode, CHAOS) are not looked at.
 */
struct reference_check {
	struct stele_store_read *read;
	bool any_minimal; /* these two as the settings have them */
	uint16_t udp_max;
	bool tcp;
	uint32_t cap; /* bytes of the buffer that the reply was made in */
};
int reference_check(const struct reference_check *check, const uint8_t *query, size_t query_len,
		    const uint8_t *reply, size_t reply_len, struct stele_error *reterr);

#endif
